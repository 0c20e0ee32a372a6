/* Two events of one device are the same if they are of the same millisecond, however their times are written. */
#include "dedup_plugin.h"

static const dedup_info info = {"time", "0.1.0", 1};

static void configure(dedup_text config, dedup_input *input) {
    if (config.len > 0) dedup_refuse(input, "there is nothing to configure: %.*s", DEDUP_ARGS(config));
    dedup_ask(input, "/time");
    dedup_ask(input, "/device");
}

/* Takes as many digits off the text; -1 where something else stands there. */
static int64_t take_digits(dedup_text *text, size_t count) {
    int64_t number = 0;
    for (size_t i = 0; i < count; i++) {
        if (i >= text->len || text->bytes[i] < '0' || text->bytes[i] > '9') return -1;
        number = 10 * number + (text->bytes[i] - '0');
    }
    *text = (dedup_text){text->bytes + count, text->len - count};
    return number;
}

static bool take_one_of(dedup_text *text, const char *marks) {
    for (; *marks != 0; marks++)
        if (text->len > 0 && text->bytes[0] == *marks) {
            *text = (dedup_text){text->bytes + 1, text->len - 1};
            return true;
        }
    return false;
}

/* Days since 1970-01-01, by counting years from March. */
static int64_t days(int64_t year, int64_t month, int64_t day) {
    if (month < 3) year--, month += 12;
    return 365 * year + year / 4 - year / 100 + year / 400 + (153 * (month - 3) + 2) / 5 + day - 719469;
}

static int64_t days_of_month(int64_t year, int64_t month) {
    return month == 12 ? 31 : days(year, month + 1, 1) - days(year, month, 1);
}

/* Whether the text is a time of RFC 3339; its milliseconds since 1970. */
static bool milliseconds_of(dedup_text text, int64_t *milliseconds) {
    const int64_t year = take_digits(&text, 4), month = take_one_of(&text, "-") ? take_digits(&text, 2) : -1;
    const int64_t day = take_one_of(&text, "-") ? take_digits(&text, 2) : -1;
    const int64_t hour = take_one_of(&text, "T ") ? take_digits(&text, 2) : -1;
    const int64_t minute = take_one_of(&text, ":") ? take_digits(&text, 2) : -1;
    const int64_t second = take_one_of(&text, ":") ? take_digits(&text, 2) : -1;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > days_of_month(year, month) || hour < 0 || hour > 23 ||
        minute < 0 || minute > 59 || second < 0 || second > 59)
        return false;
    int64_t fraction = 0, digits = 0, digit;
    const bool has_fraction = take_one_of(&text, ".");
    for (; has_fraction && (digit = take_digits(&text, 1)) >= 0; digits++)
        if (digits < 3) fraction = 10 * fraction + digit;
    for (int64_t i = digits; i < 3; i++) fraction *= 10;
    const bool is_utc = take_one_of(&text, "Z"), is_east = !is_utc && take_one_of(&text, "+");
    int64_t offset = 0;
    if (!is_utc) {
        const int64_t hours = is_east || take_one_of(&text, "-") ? take_digits(&text, 2) : -1;
        const int64_t minutes = take_one_of(&text, ":") ? take_digits(&text, 2) : -1;
        if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return false;
        offset = (is_east ? 1 : -1) * (60 * hours + minutes);
    }
    *milliseconds = 1000 * (60 * (60 * (24 * days(year, month, day) + hour) + minute - offset) + second) + fraction;
    return text.len == 0 && (!has_fraction || digits > 0);
}

static void key(const dedup_event *event, dedup_keys *keys) {
    const dedup_value time = dedup_value_at(event, 0), device = dedup_value_at(event, 1);
    int64_t milliseconds = 0;
    if (dedup_is_missing(device)) dedup_no_key(keys, "/device is absent or null");
    else if (time.kind != DEDUP_STRING || !milliseconds_of(time.text, &milliseconds))
        dedup_no_key(keys, "/time is no time");
    else dedup_push_tuple(keys, dedup_integer(milliseconds), device);
}

DEDUP_KEY_EXTRACTOR(info, configure, key)
