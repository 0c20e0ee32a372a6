/* Two payments are the same if they have one reference and one amount of one currency: `9.50 eur` is `9.5 EUR`. */
#include "dedup_plugin.h"

static const dedup_info info = {"money", "0.1.0", 1};

static void configure(dedup_text config, dedup_input *input) {
    if (config.len > 0) dedup_refuse(input, "there is nothing to configure: %.*s", DEDUP_ARGS(config));
    dedup_ask(input, "/reference");
    dedup_ask(input, "/amount");
    dedup_ask(input, "/currency");
}

static size_t digits_at(dedup_text text, size_t at) {
    size_t end = at;
    while (end < text.len && text.bytes[end] >= '0' && text.bytes[end] <= '9') end++;
    return end - at;
}

/* Cuts zeros off the end of a number: by its digits, as no double holds every amount. False where it is none. */
static bool make_plain(dedup_text *amount) {
    const size_t start = amount->len > 0 && amount->bytes[0] == '-';
    const size_t whole = digits_at(*amount, start), point = start + whole;
    if (whole == 0 || (whole > 1 && amount->bytes[start] == '0')) return false;
    if (point == amount->len) return true;
    if (amount->bytes[point] != '.' || point + 1 == amount->len) return false;
    if (point + 1 + digits_at(*amount, point + 1) != amount->len) return false;
    while (amount->bytes[amount->len - 1] == '0') amount->len--;
    if (amount->bytes[amount->len - 1] == '.') amount->len--;
    return true;
}

static bool is_currency(dedup_text text) {
    const dedup_text lower = dedup_ascii_lower(text);
    for (size_t i = 0; i < lower.len; i++)
        if (lower.bytes[i] < 'a' || lower.bytes[i] > 'z') return false;
    return text.len == 3;
}

static void key(const dedup_event *event, dedup_keys *keys) {
    const dedup_value reference = dedup_value_at(event, 0), currency = dedup_value_at(event, 2);
    dedup_value amount = dedup_value_at(event, 1);
    if (dedup_is_missing(reference)) dedup_no_key(keys, "/reference is absent or null");
    else if (amount.kind != DEDUP_STRING || !make_plain(&amount.text))
        dedup_no_key(keys, "/amount is no text of digits, such as \"9.50\"");
    else if (currency.kind != DEDUP_STRING || !is_currency(currency.text))
        dedup_no_key(keys, "/currency is none, such as \"EUR\"");
    else
        dedup_push_tuple(keys, reference, dedup_number(amount.text), dedup_string(dedup_ascii_upper(currency.text)));
}

DEDUP_KEY_EXTRACTOR(info, configure, key)
