/* The plugin same_share in C: two events are as alike as the share of their properties that agree. Not a shipped scorer:
 * an example, the same in every language. Configuration: nothing, or the places to look at, JSON pointers with commas
 * between. */
#include "dedup_plugin.h"

static const dedup_info info = {"same_share", "1.0.0", 1};

static void configure(dedup_text config, dedup_input *input) {
    if (dedup_trim(config).len == 0) dedup_ask(input, "");
    else
        for (dedup_text pointer; dedup_next_pointer(&config, input, &pointer);) dedup_ask(input, pointer);
}

static double share(size_t same, size_t rows) { return rows == 0 ? 1.0 : (double)same / (double)rows; }

static dedup_score compare(const dedup_pair *pair) {
    size_t same = 0, properties = 0, same_properties = 0;
    for (size_t i = 0; i < dedup_rows(pair); i++) {
        const dedup_row row = dedup_row_at(pair, i);
        const bool is_same = dedup_same(row.original, row.duplicate);
        const bool is_property = dedup_starts_with(row.path, "/properties/");
        same += is_same;
        properties += is_property;
        same_properties += is_property && is_same;
        dedup_say(pair, i, is_same ? DEDUP_SAME : DEDUP_CHANGED);
    }
    return (dedup_score){share(same, dedup_rows(pair)), share(same_properties, properties)};
}

DEDUP_SIMILARITY_SCORER(info, configure, compare)
