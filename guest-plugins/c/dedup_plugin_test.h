/* Runs a plugin in C natively, so that its author can unit-test it: values in, keys out, or rows in, scores out. Not the
 * sandbox: limits are the host's. A test is one file, compiled with any C compiler for the machine itself:
 *
 *     #include "plugin.c"
 *     #include "dedup_plugin_test.h"
 *
 *     int main(void) {
 *         dedup_test_configure(key_extractor, "/shop,/order/id");
 *         dedup_test_key("north:A-17", dedup_string("north"), dedup_string("A-17"));
 *         dedup_test_no_key("/order/id is absent", dedup_string("north"), dedup_absent);
 *         dedup_test_refused(key_extractor, "shop", "no JSON pointer");
 *         return dedup_test_end();
 *     } */
#ifndef DEDUP_PLUGIN_TEST_H
#define DEDUP_PLUGIN_TEST_H

#include "dedup_plugin.h"

/* A row: the place, what the original has there, what the duplicate has; ascending by place. */
#define dedup_both(place, original, duplicate) ((dedup_row){DEDUP_TEXT_(place), (original), (duplicate)})

/* Configures the plugin in a role, key_extractor or similarity_scorer, and counts it as wrong if it refuses. */
#define dedup_test_configure(role, config) \
    dedup_test_configure_(__LINE__, dedup_##role##_configure_abi_, DEDUP_TEXT_(config), NULL)
/* The plugin refuses a configuration in words with these among them. */
#define dedup_test_refused(role, config, words) \
    dedup_test_configure_(__LINE__, dedup_##role##_configure_abi_, DEDUP_TEXT_(config), words)
/* The key of an event with these values, in the order asked for. */
#define dedup_test_key(key, ...) DEDUP_TEST_EVENT_(0, key, __VA_ARGS__)
/* The event has no key, or is invalid, in words with these among them. */
#define dedup_test_no_key(words, ...) DEDUP_TEST_EVENT_(1, words, __VA_ARGS__)
#define dedup_test_invalid(words, ...) DEDUP_TEST_EVENT_(2, words, __VA_ARGS__)
/* The score of a pair with these rows, and what is said of them as a digit a row: 0 same, 1 changed, 2 not looked at. */
#define dedup_test_score(similarity, property_similarity, words, ...)                                       \
    dedup_test_score_(__LINE__, dedup_compare_abi_, (dedup_score){similarity, property_similarity}, words, \
                      (const dedup_row[]){__VA_ARGS__}, sizeof((dedup_row[]){__VA_ARGS__}) / sizeof(dedup_row))
/* Prints how many checks there were; what main returns. */
static inline int dedup_test_end(void);

/* ---- Nothing below is for authors ---- */

#define DEDUP_TEST_ROWS_MAX 64
#define DEDUP_TEST_EVENT_(status, words, ...)                                                              \
    dedup_test_event_(__LINE__, dedup_extract_abi_, status, words, (const dedup_value[]){__VA_ARGS__}, \
                      sizeof((dedup_value[]){__VA_ARGS__}) / sizeof(dedup_value))

static unsigned dedup_test_checks_, dedup_test_wrong_;

__attribute__((format(printf, 3, 4))) static inline void dedup_test_check_(int line, bool right, const char *format,
                                                                           ...) {
    dedup_test_checks_++;
    if (right) return;
    dedup_test_wrong_++;
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "line %d: ", line);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
}

static inline bool dedup_test_contains_(dedup_text text, const char *words) {
    const size_t len = strlen(words);
    for (size_t at = 0; at + len <= text.len; at++)
        if (memcmp(text.bytes + at, words, len) == 0) return true;
    return false;
}

/* The texts of a column, side by side as they cross. */
typedef struct {
    uint8_t data[1 << 16];
    uint32_t ends[DEDUP_TEST_ROWS_MAX];
    uint8_t kinds[DEDUP_TEST_ROWS_MAX];
    size_t count;
} dedup_test_column_;

static inline void dedup_test_add_(dedup_test_column_ *column, dedup_kind kind, dedup_text text) {
    const size_t start = column->count == 0 ? 0 : column->ends[column->count - 1];
    if (column->count == DEDUP_TEST_ROWS_MAX || text.len > sizeof column->data - start) {
        fprintf(stderr, "a test has at most %d values of %zu bytes together\n", DEDUP_TEST_ROWS_MAX,
                sizeof column->data);
        exit(2);
    }
    memcpy(column->data + start, text.bytes, text.len);
    column->kinds[column->count] = (uint8_t)kind;
    column->ends[column->count++] = (uint32_t)(start + text.len);
}

static inline dedup_column_ dedup_test_lent_(const dedup_test_column_ *column) {
    return (dedup_column_){column->data, column->count == 0 ? 0 : column->ends[column->count - 1], column->ends,
                           column->count};
}

static inline void dedup_test_configure_(int line, const dedup_configured_ *(*configure)(const char *, size_t),
                                         dedup_text config, const char *words) {
    /* As the host puts it: in the plugin's memory. */
    char *put = memcpy(dedup_take_(config.len), config.bytes, config.len);
    const dedup_configured_ *answer = configure(put, config.len);
    if (words == NULL) {
        dedup_test_check_(line, !answer->is_error, "it refuses \"%.*s\": %.*s", DEDUP_ARGS(config),
                          DEDUP_ARGS(answer->as.failure));
    } else if (!answer->is_error) {
        dedup_test_check_(line, false, "it takes \"%.*s\"", DEDUP_ARGS(config));
    } else {
        dedup_test_check_(line, dedup_test_contains_(answer->as.failure, words),
                          "it refuses with \"%.*s\", and not with \"%s\"", DEDUP_ARGS(answer->as.failure), words);
    }
    dedup_arena_reset_();
}

static inline void dedup_test_event_(int line,
                                     const dedup_extraction_ *(*extract)(uint32_t, const uint8_t *, size_t,
                                                                         const uint32_t *, size_t, const uint8_t *,
                                                                         size_t),
                                     uint8_t status, const char *words, const dedup_value *values, size_t count) {
    static const char *const statuses[] = {"keyed", "no-key", "invalid"};
    dedup_test_column_ column = {.count = 0};
    for (size_t i = 0; i < count; i++) dedup_test_add_(&column, values[i].kind, values[i].text);
    const dedup_column_ lent = dedup_test_lent_(&column);
    const dedup_extraction_ *answer =
        extract((uint32_t)count, lent.data, lent.data_len, lent.ends, lent.ends_len, column.kinds, count);
    if (answer->is_error) {
        dedup_test_check_(line, false, "it fails: %.*s", DEDUP_ARGS(answer->as.failure));
    } else if (answer->as.extraction.status[0] != status) {
        dedup_test_check_(line, false, "the event is %s, and not %s", statuses[answer->as.extraction.status[0]],
                          statuses[status]);
    } else if (status == 0) {
        const dedup_text key = dedup_text_in_(&answer->as.extraction.keys, 0);
        dedup_test_check_(line, dedup_equal_(key, dedup_text_of_(words)), "the key is \"%.*s\", and not \"%s\"",
                          DEDUP_ARGS(key), words);
    } else {
        const dedup_text note = answer->as.extraction.notes_len == 0 ? dedup_text_of_("")
                                                                     : answer->as.extraction.notes[0].message;
        dedup_test_check_(line, dedup_test_contains_(note, words), "the reason is \"%.*s\", and not \"%s\"",
                          DEDUP_ARGS(note), words);
    }
    dedup_arena_reset_();
}

static inline void dedup_test_score_(int line, const dedup_comparisons_ *(*compare)(const dedup_pairs_ *),
                                     dedup_score score, const char *words, const dedup_row *rows, size_t count) {
    dedup_test_column_ paths = {.count = 0}, originals = {.count = 0}, duplicates = {.count = 0};
    for (size_t i = 0; i < count; i++) {
        dedup_test_add_(&paths, DEDUP_STRING, rows[i].path);
        dedup_test_add_(&originals, rows[i].original.kind, rows[i].original.text);
        dedup_test_add_(&duplicates, rows[i].duplicate.kind, rows[i].duplicate.text);
    }
    const uint32_t end = (uint32_t)count;
    const dedup_pairs_ pairs = {&end, 1, dedup_test_lent_(&paths), originals.kinds, count, dedup_test_lent_(&originals),
                                duplicates.kinds, count, dedup_test_lent_(&duplicates)};
    const dedup_comparisons_ *answer = compare(&pairs);
    if (answer->is_error) {
        dedup_test_check_(line, false, "it fails: %.*s", DEDUP_ARGS(answer->as.failure));
    } else {
        const double all = answer->as.comparisons.similarity[0];
        const double properties = answer->as.comparisons.property_similarity[0];
        /* What floating-point arithmetic in any order may be off by. */
        const double off = 1e-12;
        dedup_test_check_(line, all - score.similarity < off && score.similarity - all < off,
                          "the similarity is %g, and not %g", all, score.similarity);
        dedup_test_check_(line,
                          properties - score.property_similarity < off && score.property_similarity - properties < off,
                          "the property similarity is %g, and not %g", properties, score.property_similarity);
        bool right = strlen(words) == count;
        const uint8_t *verdicts = answer->as.comparisons.verdicts;
        for (size_t i = 0; right && i < count; i++) right = verdicts[i] == (uint8_t)(words[i] - '0');
        dedup_test_check_(line, right, "the verdicts are not \"%s\"", words);
    }
    dedup_arena_reset_();
}

static inline int dedup_test_end(void) {
    if (dedup_test_wrong_ > 0) {
        fprintf(stderr, "%u of %u checks are wrong\n", dedup_test_wrong_, dedup_test_checks_);
        return 1;
    }
    printf("%u checks\n", dedup_test_checks_);
    return 0;
}

#endif
