/* The plugin {{name}}: two events are the same if they are about the same order of the same shop.
 *
 * Configuration: nothing, or other fields than these, JSON pointers with commas between. */
#include "dedup_plugin.h"

/* Raise the key version, the last of the three, when the same events get other keys than before. */
static const dedup_info info = {"{{name}}", "0.1.0", 1};

static dedup_tuple tuple;

/* Called once, with what the operator gave as --plugin-config. What is asked for here is what the host reads of each
 * event. */
static void configure(dedup_text config, dedup_input *input) {
    tuple = (dedup_tuple){0};
    if (dedup_trim(config).len == 0) {
        dedup_part(&tuple, input, "/shop");
        dedup_part(&tuple, input, "/order/id");
    } else {
        for (dedup_text pointer; dedup_next_pointer(&config, input, &pointer);) dedup_part(&tuple, input, pointer);
    }
}

/* Called for each event. dedup_value_at(event, 0) is the first field: its kind, and its text.
 * dedup_push(keys, text) gives the event a key; here the tuple writes one that no other values have, or none, with the
 * reason, where a field is missing. */
static void key(const dedup_event *event, dedup_keys *keys) { dedup_tuple_key(&tuple, event, keys); }

DEDUP_KEY_EXTRACTOR(info, configure, key)
