/* Two events are the same if they are of the same thousandth of a degree, which is about a hundred metres. */
#include "dedup_plugin.h"

static const dedup_info info = {"geo", "0.1.0", 1};

static void configure(dedup_text config, dedup_input *input) {
    if (config.len > 0) dedup_refuse(input, "there is nothing to configure: %.*s", DEDUP_ARGS(config));
    dedup_ask(input, "/lat");
    dedup_ask(input, "/lon");
}

static bool cell_of(dedup_value value, double max, int64_t *cell) {
    double degrees = 0;
    if (value.kind != DEDUP_NUMBER || !dedup_real(value.text, &degrees) || !(degrees <= max && -degrees <= max))
        return false;
    *cell = (int64_t)(degrees * 1000);
    *cell -= (double)*cell > degrees * 1000;
    return true;
}

static void key(const dedup_event *event, dedup_keys *keys) {
    int64_t lat, lon;
    if (cell_of(dedup_value_at(event, 0), 90, &lat) && cell_of(dedup_value_at(event, 1), 180, &lon))
        dedup_push_tuple(keys, dedup_integer(lat), dedup_integer(lon));
    else dedup_no_key(keys, "/lat and /lon are no place");
}

DEDUP_KEY_EXTRACTOR(info, configure, key)
