/* Two events are the same if they have the same tags, in any order. */
#include "dedup_plugin.h"

static const dedup_info info = {"tags", "0.1.0", 1};

static void configure(dedup_text config, dedup_input *input) {
    if (config.len > 0) dedup_refuse(input, "there is nothing to configure: %.*s", DEDUP_ARGS(config));
    dedup_ask(input, "/tags");
}

static void key(const dedup_event *event, dedup_keys *keys) {
    const dedup_value array = dedup_value_at(event, 0);
    bool are_texts = array.kind == DEDUP_JSON && array.text.bytes[0] == '[';
    /* An element and its comma have at least three bytes. */
    dedup_value *tags = dedup_alloc((array.text.len / 3 + 1) * sizeof *tags), tag;
    size_t count = 0;
    dedup_elements elements = dedup_elements_of(array);
    while (are_texts && dedup_next_element(&elements, &tag)) {
        are_texts = tag.kind == DEDUP_STRING;
        if (are_texts) tags[count++] = tag;
    }
    if (!are_texts) {
        dedup_no_key(keys, "/tags is no array of texts");
        return;
    }
    dedup_sort(tags, count);
    dedup_push_values(keys, tags, count);
}

DEDUP_KEY_EXTRACTOR(info, configure, key)
