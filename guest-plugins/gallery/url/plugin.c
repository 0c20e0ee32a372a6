/* Two events are the same if their URLs lead to the same place: without the fragment and a default port, and with scheme
 * and host in either case. */
#include "dedup_plugin.h"

static const dedup_info info = {"url", "0.1.0", 1};

static void configure(dedup_text config, dedup_input *input) {
    if (config.len > 0) dedup_refuse(input, "there is nothing to configure: %.*s", DEDUP_ARGS(config));
    dedup_ask(input, "/url");
}

/* Takes off the beginning of a text, up to the first of these bytes, or all of it. */
static dedup_text take_until(dedup_text *rest, const char *marks) {
    size_t len = 0;
    for (bool found = false; len < rest->len; len += !found) {
        for (size_t i = 0; marks[i] != 0; i++) found |= rest->bytes[len] == marks[i];
        if (found) break;
    }
    const dedup_text taken = {rest->bytes, len};
    *rest = (dedup_text){rest->bytes + len, rest->len - len};
    return taken;
}

static bool has_only(dedup_text text, bool letters) {
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.bytes[i];
        const bool is_letter = (c >= 'a' && c <= 'z') || c == '.' || c == '-';
        if (!(c >= '0' && c <= '9') && !(letters && is_letter)) return false;
    }
    return true;
}

static void key(const dedup_event *event, dedup_keys *keys) {
    const dedup_value value = dedup_value_at(event, 0);
    dedup_text rest = value.text, url = take_until(&rest, "#");
    const dedup_text scheme = dedup_ascii_lower(take_until(&url, ":"));
    const bool is_http = dedup_equal(scheme, "http"), is_https = dedup_equal(scheme, "https");
    const bool is_url = value.kind == DEDUP_STRING && dedup_starts_with(url, "://") && (is_http || is_https);
    if (is_url) url = (dedup_text){url.bytes + 3, url.len - 3};
    const dedup_text host = dedup_ascii_lower(take_until(&url, ":/?"));
    const dedup_text port = take_until(&url, "/?");
    const dedup_text digits = port.len > 0 ? (dedup_text){port.bytes + 1, port.len - 1} : port;
    if (!is_url || host.len == 0 || !has_only(host, true) || !has_only(digits, false)) {
        dedup_no_key(keys, "/url is no URL of http or https");
        return;
    }
    dedup_write(keys, scheme);
    dedup_write(keys, "://");
    dedup_write(keys, host);
    if (digits.len > 0 && !dedup_equal(digits, is_https ? "443" : "80")) dedup_write(keys, port);
    dedup_push(keys, url);
}

DEDUP_KEY_EXTRACTOR(info, configure, key)
