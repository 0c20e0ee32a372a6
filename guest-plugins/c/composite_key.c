/* The plugin composite_key in C: two events are the same if they agree in every one of a list of fields. Its keys are
 * byte for byte those of the shipped composite_key. Configuration: nothing, or JSON pointers separated by commas. */
#include "dedup_plugin.h"

static const dedup_info info = {"composite_key", "1.0.0", 1};

static dedup_tuple tuple;

static void configure(dedup_text config, dedup_input *input) {
    tuple = (dedup_tuple){0};
    if (dedup_trim(config).len == 0) {
        dedup_part(&tuple, input, "/timestamp");
        dedup_part(&tuple, input, "/distinct_id");
        dedup_part(&tuple, input, "/token");
        dedup_part(&tuple, input, "/event");
        dedup_part_or(&tuple, input, "/event_name");
    } else {
        for (dedup_text pointer; dedup_next_pointer(&config, input, &pointer);) dedup_part(&tuple, input, pointer);
    }
}

static void key(const dedup_event *event, dedup_keys *keys) { dedup_tuple_key(&tuple, event, keys); }

DEDUP_KEY_EXTRACTOR(info, configure, key)
