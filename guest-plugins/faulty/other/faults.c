/* Plugins with the faults that C invites to. The configuration is the fault's name, which begins with the rule that it
 * breaks; without one it is a right plugin. Each is a line that well-meaning authors write. */
#include "dedup_plugin.h"

static const dedup_info info = {"faults", "0.1.0", 1};

static void right(dedup_text text, dedup_keys *keys) { dedup_push(keys, text); }

/* A text ends at its first NUL. */
static void as_c_string(dedup_text text, dedup_keys *keys) {
    char *copy = dedup_alloc(text.len + 1);
    memcpy(copy, text.bytes, text.len);
    dedup_push(keys, ((dedup_text){copy, strlen(copy)}));
}

/* Nothing is longer than a buffer. */
static void in_a_buffer(dedup_text text, dedup_keys *keys) {
    char buffer[64];
    const size_t len = text.len < sizeof buffer ? text.len : sizeof buffer;
    memcpy(buffer, text.bytes, len);
    dedup_push(keys, ((dedup_text){buffer, len}));
}

/* Beyond 2^53 several numbers are one. */
static void as_double(dedup_text text, dedup_keys *keys) {
    double number = 0;
    bool is_digits = text.len > 0 && text.bytes[0] != '0';
    for (size_t i = 0; i < text.len; i++) is_digits &= text.bytes[i] >= '0' && text.bytes[i] <= '9';
    if (!is_digits || !dedup_real(text, &number) || !(number < 9e18)) dedup_push(keys, text);
    else dedup_push(keys, dedup_integer((int64_t)number).text);
}

/* It comes round. */
static void as_int(dedup_text text, dedup_keys *keys) {
    uint32_t number = 0;
    size_t at = 0;
    for (; at < text.len && text.bytes[at] >= '0' && text.bytes[at] <= '9'; at++)
        number = 10 * number + (uint32_t)(text.bytes[at] - '0');
    dedup_push(keys, at == text.len && at > 0 ? dedup_integer(number).text : text);
}

/* A char has a sign: every byte of a letter beyond ASCII is less than a space. */
static void without_spaces(dedup_text text, dedup_keys *keys) {
    char *copy = dedup_alloc(text.len);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++)
        if ((signed char)text.bytes[i] > ' ') copy[len++] = text.bytes[i];
    dedup_push(keys, ((dedup_text){copy, len}));
}

/* A digest of 32 bits, as in every book. */
static void fnv(dedup_text text, dedup_keys *keys) {
    uint32_t digest = 2166136261;
    for (size_t i = 0; i < text.len; i++) digest = 16777619 * (digest ^ (uint8_t)text.bytes[i]);
    dedup_push(keys, ((dedup_text){(const char *)&digest, sizeof digest}));
}

/* Letters from A to Z, and no others. */
static void ascii_lower(dedup_text text, dedup_keys *keys) { dedup_push(keys, dedup_ascii_lower(text)); }

/* A table of the longer texts that were seen, which are found by a short digest and their length alone. */
static void from_a_table(dedup_text text, dedup_keys *keys) {
    static struct {
        size_t len;
        char bytes[60];
    } table[1024];
    uint32_t digest = 5381;
    for (size_t i = 0; i < text.len; i++) digest = 33 * digest + (uint8_t)text.bytes[i];
    const size_t at = digest % (sizeof table / sizeof *table);
    if (text.len > 20 && text.len <= sizeof table[at].bytes && table[at].len == 0) {
        memcpy(table[at].bytes, text.bytes, text.len);
        table[at].len = text.len;
    }
    if (text.len > 20 && table[at].len == text.len) dedup_push(keys, ((dedup_text){table[at].bytes, table[at].len}));
    else dedup_push(keys, text);
}

/* A counter of 16 bits that comes round. */
static void counted(dedup_text text, dedup_keys *keys) {
    static uint16_t count;
    if (++count == 0) dedup_push(keys, "first");
    else dedup_push(keys, text);
}

typedef struct {
    const char *name;
    void (*key)(dedup_text, dedup_keys *);
} fault;

static const fault faults[] = {
    {"", right},
    {"K11-nul", as_c_string},
    {"K9-buffer", in_a_buffer},
    {"K10-double", as_double},
    {"K10-int", as_int},
    {"K11-char", without_spaces},
    {"K13-digest", fnv},
    {"K12-ascii", ascii_lower},
    {"D6-table", from_a_table},
    {"D6-counter", counted},
};

static void (*chosen)(dedup_text, dedup_keys *);

static void configure(dedup_text config, dedup_input *input) {
    dedup_ask(input, "/id");
    chosen = NULL;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (dedup_equal(config, faults[i].name)) chosen = faults[i].key;
    if (chosen == NULL) dedup_refuse(input, "\"%.*s\" is no fault", DEDUP_ARGS(config));
}

static void key(const dedup_event *event, dedup_keys *keys) {
    const dedup_value value = dedup_value_at(event, 0);
    if (dedup_is_missing(value)) dedup_no_key(keys, "/id is absent or null");
    else chosen(value.text, keys);
}

DEDUP_KEY_EXTRACTOR(info, configure, key)
