/* Two events are the same if they have the same address of mail, in either case. */
#include "dedup_plugin.h"

static const dedup_info info = {"email", "0.1.0", 1};

static void configure(dedup_text config, dedup_input *input) {
    if (config.len > 0) dedup_refuse(input, "there is nothing to configure: %.*s", DEDUP_ARGS(config));
    dedup_ask(input, "/email");
}

static void key(const dedup_event *event, dedup_keys *keys) {
    const dedup_value address = dedup_value_at(event, 0);
    size_t at = address.text.len;
    while (at > 0 && address.text.bytes[at - 1] != '@') at--;
    if (address.kind == DEDUP_STRING && at > 1 && at < address.text.len)
        dedup_push(keys, dedup_ascii_lower(address.text));
    else dedup_no_key(keys, "/email is no address");
}

DEDUP_KEY_EXTRACTOR(info, configure, key)
