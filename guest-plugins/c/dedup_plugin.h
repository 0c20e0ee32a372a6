/* The C SDK for dedup-host plugins: this one header. It hides how values are laid out on their way to the plugin and
 * back, and needs neither libc nor WASI. Not the host, and no JSON parser: the host finds the fields.
 *
 * A whole plugin that says what makes two events the same:
 *
 *     #include "dedup_plugin.h"
 *
 *     static const dedup_info info = {"order_id", "1.0.0", 1};
 *
 *     static void configure(dedup_text config, dedup_input *input) {
 *         if (config.len > 0) dedup_refuse(input, "there is nothing to configure: %.*s", DEDUP_ARGS(config));
 *         dedup_ask(input, "/order/id");
 *     }
 *
 *     static void key(const dedup_event *event, dedup_keys *keys) {
 *         dedup_push(keys, dedup_value_at(event, 0).text);
 *     }
 *
 *     DEDUP_KEY_EXTRACTOR(info, configure, key)
 *
 * A plugin is a pure function of its configuration and the event: no clock, no randomness, nothing kept from one event
 * for the next. What `configure` keeps in static variables stays; what `dedup_alloc` gives to `configure` stays too, and
 * what it gives to `key` and `compare` is gone when the call ends, so memory does not grow.
 *
 * Built with clang for wasm32 and linked with wasm-ld, then `dedup-host plugin componentize`; see README.md. Compiled
 * for any other target the same source is unit-tested natively, with dedup_plugin_test.h. */
#ifndef DEDUP_PLUGIN_H
#define DEDUP_PLUGIN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#ifndef __wasm__
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#endif

/* Longest message to the log, and longest reason given for an event; what is longer is cut. */
#define DEDUP_WORDS_BYTES_MAX 1024
/* Most fields that a plugin may ask for; the host has the same limit. */
#define DEDUP_FIELDS_MAX 256

/* ---- What an author uses ------------------------------------------------------------------------------------------ */

/* Text or bytes; no NUL at its end. Where a function takes one, a string literal will do as well. */
typedef struct {
    const char *bytes;
    size_t len;
} dedup_text;

/* For "%.*s" in the messages below: dedup_log(DEDUP_WARNING, "%.*s is odd", DEDUP_ARGS(text)). */
#define DEDUP_ARGS(text) (int)(text).len, (text).bytes

/* What a plugin says of itself. Raise the key version when the same events get other keys than before. */
typedef struct {
    const char *name;
    const char *version;
    uint32_t key_version;
} dedup_info;

/* What a value is. The numbers are those of the contract. */
typedef enum {
    DEDUP_ABSENT = 0, /* The event has no such field. */
    DEDUP_NULL = 1,   /* JSON null. */
    DEDUP_BOOL = 2,   /* `true` or `false`. */
    DEDUP_NUMBER = 3, /* A number's JSON text. */
    DEDUP_STRING = 4, /* A string without quotes, its escapes resolved: UTF-8. */
    DEDUP_JSON = 5,   /* An object or array as canonical JSON text; so too a string that UTF-8 cannot hold. */
    DEDUP_BYTES = 6,  /* The whole payload as it came, of any encoding. */
} dedup_kind;

/* One value of an event; its text is empty where it is absent or null. */
typedef struct {
    dedup_kind kind;
    dedup_text text;
} dedup_value;

typedef enum { DEDUP_TRACE, DEDUP_DEBUG, DEDUP_INFORMATION, DEDUP_WARNING, DEDUP_ERROR } dedup_level;

/* What is said of one row of a pair. */
typedef enum { DEDUP_SAME = 0, DEDUP_CHANGED = 1, DEDUP_IGNORED = 2 } dedup_word;

/* How alike two events are; each from 0 to 1, 1 for an event and itself. */
typedef struct {
    double similarity;          /* Over all that the scorer looks at. */
    double property_similarity; /* Over the properties alone, as the scorer understands that word. */
} dedup_score;

/* One place in the two events of a pair: something is there in at least one of them. */
typedef struct {
    dedup_text path; /* The JSON pointer of the place. */
    dedup_value original, duplicate;
} dedup_row;

typedef struct dedup_event dedup_event; /* An event: dedup_value_at. */
typedef struct dedup_keys dedup_keys;   /* Where the keys of an event go: dedup_push, dedup_no_key, dedup_invalid. */
typedef struct dedup_pair dedup_pair;   /* A duplicate and its original: dedup_rows, dedup_row_at, dedup_say. */
typedef struct dedup_input dedup_input; /* What to read of each event: dedup_ask, dedup_refuse. */

/* In `configure`: asks for a field, a JSON pointer; fields are numbered from 0 as they are asked for. A scorer gets all
 * properties at and below it; "" is the whole event. What is no pointer is refused, in words for the operator. */
#define dedup_ask(input, pointer) dedup_ask_((input), DEDUP_TEXT_(pointer))
/* In `configure`: asks for the whole payload in place of fields: value 0, of kind bytes. */
static inline void dedup_ask_payload(dedup_input *input);
/* In `configure`: refuses the operator's text: what is wrong and what would be right. The first refusal counts. */
#define dedup_refuse(input, ...) dedup_refuse_((input), __VA_ARGS__)

/* Number of values: as many as fields were asked for, or 1 for the payload. */
static inline size_t dedup_width(const dedup_event *event);
/* The value of a field, in the order asked for; absent where none was. */
static inline dedup_value dedup_value_at(const dedup_event *event, size_t field);

/* Gives the event a key; each call one more. */
#define dedup_push(keys, key) (dedup_write_((keys), DEDUP_TEXT_(key)), dedup_end_key(keys))
/* A key in pieces: each dedup_write appends, dedup_end_key ends the key. */
#define dedup_write(keys, piece) dedup_write_((keys), DEDUP_TEXT_(piece))
static inline void dedup_end_key(dedup_keys *keys);
/* Says that the event has no identity, and why. Keys it was given are taken back. No key at all says the same. */
#define dedup_no_key(keys, ...) dedup_leave_((keys), 1, __VA_ARGS__)
/* Says that the plugin cannot make sense of the event, and why; it becomes a dead letter. */
#define dedup_invalid(keys, ...) dedup_leave_((keys), 2, __VA_ARGS__)

/* Number of rows of a pair. */
static inline size_t dedup_rows(const dedup_pair *pair);
/* A row: ascending by the bytes of their paths, none twice. */
static inline dedup_row dedup_row_at(const dedup_pair *pair, size_t row);
/* What is said of a row; of which nothing is said was not looked at. */
static inline void dedup_say(const dedup_pair *pair, size_t row, dedup_word word);

/* Whether two values are the same, in kind and text; in pairs the host has made numbers and JSON canonical. */
static inline bool dedup_same(dedup_value left, dedup_value right);
static inline bool dedup_is_missing(dedup_value value); /* Absent or null. */
#define dedup_equal(left, right) dedup_equal_(DEDUP_TEXT_(left), DEDUP_TEXT_(right))
#define dedup_starts_with(text, start) dedup_starts_with_(DEDUP_TEXT_(text), DEDUP_TEXT_(start))
/* The text without white space at both ends. */
static inline dedup_text dedup_trim(dedup_text text);
/* Takes the next part of a list off `rest`; false at its end. An empty text is a list of one empty part. */
static inline bool dedup_split(dedup_text *rest, char separator, dedup_text *part);
/* In `configure`: takes the next pointer off a configuration of pointers with commas between, as in `/token, /id`; false
 * at its end, or when JSON was given, which is refused by what it says. Ask for the pointers it gives. */
static inline bool dedup_next_pointer(dedup_text *config, dedup_input *input, dedup_text *pointer);
/* Whether a place lies at or below a JSON pointer. */
#define dedup_covers(pointer, path) dedup_covers_(DEDUP_TEXT_(pointer), DEDUP_TEXT_(path))

/* A line for the host's log, as by printf: %s %.*s %c %d %u %zu %%. What is not UTF-8 is written as ?. */
#define dedup_log(level, ...) dedup_log_((level), __VA_ARGS__)
/* Last words, then a trap: the event in hand becomes a dead letter, slowly. dedup_invalid is the fast way. */
#define dedup_trap(...) dedup_trap_(__VA_ARGS__)
#define dedup_assert(condition) \
    ((condition) ? (void)0 : dedup_trap_("%s:%d: %s does not hold", __FILE__, __LINE__, #condition))

/* Zeroed memory, aligned for anything: for ever in `configure`, elsewhere until the call ends. Never NULL: where there
 * is no more, it traps. */
static inline void *dedup_alloc(size_t bytes);

/* Keys made of several values, such that no two different tuples meet in one key: parts joined by `:`; in a part `:` and
 * `\` are written `\:` and `\\`; a string stands as it is, a number, bool, JSON after `\n`, `\b`, `\j`; null and absent
 * are `\z` and `\a`. It is byte for byte what the SDKs of the other languages write. */
#define DEDUP_TUPLE_PARTS_MAX 64
typedef struct {
    /* For each part the number after its last field; parts follow one another. */
    uint16_t ends[DEDUP_TUPLE_PARTS_MAX];
    dedup_text pointers[DEDUP_TUPLE_PARTS_MAX]; /* Of each part the first. */
    uint32_t first, parts;
    bool mark_missing;  /* An event that lacks a part gets a key with a mark there, in place of none at all. */
    bool kinds_ignored; /* Strings, numbers and booleans with one text meet. */
} dedup_tuple;

/* In `configure`: one more part, a field. A tuple starts as {0}, and nothing else is asked for between its parts. */
#define dedup_part(tuple, input, pointer) dedup_part_((tuple), (input), DEDUP_TEXT_(pointer))
/* In `configure`: one more field for the last part; the first that has a value counts. */
#define dedup_part_or(tuple, input, pointer) dedup_part_or_((tuple), (input), DEDUP_TEXT_(pointer))
/* In `key`: gives the event the tuple's key, or none where a part is missing, with a note that names it. */
static inline void dedup_tuple_key(const dedup_tuple *tuple, const dedup_event *event, dedup_keys *keys);

/* In `key`: gives the event a key of several values, such as those that were worked out: no two different lists of values
 * have one key. It is written as a tuple is: dedup_push_tuple(keys, dedup_string(domain), dedup_value_at(event, 1)). */
#define dedup_push_tuple(keys, ...)                             \
    dedup_push_values((keys), (const dedup_value[]){__VA_ARGS__}, \
                      sizeof((const dedup_value[]){__VA_ARGS__}) / sizeof(dedup_value))
/* The same of a list; without any value it is `\e`. */
static inline void dedup_push_values(dedup_keys *keys, const dedup_value *values, size_t count);
/* Values of your own. A number is its text; take care that each has one. */
#define dedup_absent ((dedup_value){DEDUP_ABSENT, {"", 0}})
#define dedup_null ((dedup_value){DEDUP_NULL, {"", 0}})
#define dedup_bool(text) ((dedup_value){DEDUP_BOOL, DEDUP_TEXT_(text)})
#define dedup_number(text) ((dedup_value){DEDUP_NUMBER, DEDUP_TEXT_(text)})
#define dedup_string(text) ((dedup_value){DEDUP_STRING, DEDUP_TEXT_(text)})
#define dedup_json(text) ((dedup_value){DEDUP_JSON, DEDUP_TEXT_(text)})
#define dedup_bytes(text) ((dedup_value){DEDUP_BYTES, DEDUP_TEXT_(text)})
/* A whole number as a value. */
static inline dedup_value dedup_integer(int64_t number);

/* The text with the letters A to Z in lower or upper case; other letters stay as they are. */
#define dedup_ascii_lower(text) dedup_in_case_(DEDUP_TEXT_(text), 'A')
#define dedup_ascii_upper(text) dedup_in_case_(DEDUP_TEXT_(text), 'a')
/* A number's text as a double, to a few units of its last digit: for places and measures. Not for ids, of which a double
 * makes others beyond 2^53, and not for amounts. False where the text is no number. */
#define dedup_real(text, real) dedup_real_(DEDUP_TEXT_(text), (real))

/* The elements of an array, one after the other, as values of an event:
 *
 *     dedup_elements elements = dedup_elements_of(dedup_value_at(event, 0));
 *     for (dedup_value element; dedup_next_element(&elements, &element);) ...
 *
 * A value that is no array has none. */
typedef struct {
    const char *at, *end;
} dedup_elements;
static inline dedup_elements dedup_elements_of(dedup_value value);
static inline bool dedup_next_element(dedup_elements *elements, dedup_value *element);
/* Puts values in the order of their bytes, those of one text by kind. */
static inline void dedup_sort(dedup_value *values, size_t count);

/* At the end of the file: makes the functions the ones that this component exports. A plugin may have both roles. */
#define DEDUP_KEY_EXTRACTOR(info, configure, key)                                                                      \
    DEDUP_ROLE_(key_extractor, "dedup:plugin/key-extractor@1.0.0", info, configure)                                    \
    DEDUP_EXPORT_("dedup:plugin/key-extractor@1.0.0#extract")                                                          \
    const dedup_extraction_ *dedup_extract_abi_(uint32_t width, const uint8_t *data, size_t data_len,                  \
                                                const uint32_t *ends, size_t ends_len, const uint8_t *kinds,           \
                                                size_t kinds_len) {                                                    \
        const dedup_batch_ batch = {width, {data, data_len, ends, ends_len}, kinds, kinds_len};                        \
        return dedup_extract_(dedup_key_extractor_configured_, &batch, key);                                           \
    }                                                                                                                  \
    DEDUP_EXPORT_("cabi_post_dedup:plugin/key-extractor@1.0.0#extract")                                                \
    void dedup_extract_post_abi_(const void *answer) {                                                                 \
        (void)answer;                                                                                                  \
        dedup_arena_reset_();                                                                                          \
    }

#define DEDUP_SIMILARITY_SCORER(info, configure, compare)                                                              \
    DEDUP_ROLE_(similarity_scorer, "dedup:plugin/similarity-scorer@1.0.0", info, configure)                            \
    DEDUP_EXPORT_("dedup:plugin/similarity-scorer@1.0.0#compare")                                                      \
    const dedup_comparisons_ *dedup_compare_abi_(const dedup_pairs_ *pairs) {                                          \
        return dedup_compare_(dedup_similarity_scorer_configured_, pairs, compare);                                    \
    }                                                                                                                  \
    DEDUP_EXPORT_("cabi_post_dedup:plugin/similarity-scorer@1.0.0#compare")                                            \
    void dedup_compare_post_abi_(const void *answer) {                                                                 \
        (void)answer;                                                                                                  \
        dedup_arena_reset_();                                                                                          \
    }

/* ---- Nothing below is for authors; names end in _ ---------------------------------------------------------------- */

#define DEDUP_ROLE_(role, interface, info, configure)                                                                  \
    static bool dedup_##role##_configured_;                                                                            \
    DEDUP_EXPORT_(interface "#describe")                                                                               \
    const dedup_described_ *dedup_##role##_describe_abi_(void) {                                                       \
        static dedup_described_ described;                                                                             \
        described.name = dedup_text_of_((info).name);                                                                  \
        described.version = dedup_text_of_((info).version);                                                            \
        described.key_version = (info).key_version;                                                                    \
        return &described;                                                                                             \
    }                                                                                                                  \
    DEDUP_EXPORT_(interface "#configure")                                                                              \
    const dedup_configured_ *dedup_##role##_configure_abi_(const char *bytes, size_t len) {                            \
        return dedup_configure_(&dedup_##role##_configured_, (dedup_text){bytes, len}, configure);                     \
    }                                                                                                                  \
    DEDUP_EXPORT_("cabi_post_" interface "#configure")                                                                 \
    void dedup_##role##_configure_post_abi_(const void *answer) {                                                      \
        (void)answer;                                                                                                  \
        dedup_arena_reset_();                                                                                          \
    }

/* The layouts of the canonical ABI, for pointers of 32 bits. */
typedef struct {
    const uint8_t *data;
    size_t data_len;
    const uint32_t *ends;
    size_t ends_len;
} dedup_column_;

typedef struct {
    uint32_t width;
    dedup_column_ values;
    const uint8_t *kinds;
    size_t kinds_len;
} dedup_batch_;

typedef struct {
    dedup_text name, version;
    uint32_t key_version;
} dedup_described_;

typedef struct {
    uint8_t is_error;
    union {
        struct {
            uint8_t is_fields;
            const dedup_text *fields;
            size_t fields_len;
        } input;
        dedup_text failure;
    } as;
} dedup_configured_;

typedef struct {
    uint32_t index;
    dedup_text message;
} dedup_note_;

typedef struct {
    uint8_t is_error;
    union {
        struct {
            dedup_column_ keys;
            const uint32_t *owners;
            size_t owners_len;
            const uint8_t *status;
            size_t status_len;
            const dedup_note_ *notes;
            size_t notes_len;
        } extraction;
        dedup_text failure;
    } as;
} dedup_extraction_;

typedef struct {
    const uint32_t *ends;
    size_t ends_len;
    dedup_column_ paths;
    const uint8_t *original_kinds;
    size_t original_kinds_len;
    dedup_column_ originals;
    const uint8_t *duplicate_kinds;
    size_t duplicate_kinds_len;
    dedup_column_ duplicates;
} dedup_pairs_;

typedef struct {
    uint8_t is_error;
    union {
        struct {
            const double *similarity;
            size_t similarity_len;
            const double *property_similarity;
            size_t property_similarity_len;
            const uint8_t *verdicts;
            size_t verdicts_len;
        } comparisons;
        dedup_text failure;
    } as;
} dedup_comparisons_;

struct dedup_event {
    const dedup_batch_ *batch;
    size_t first;
};

struct dedup_keys {
    uint8_t *data;
    size_t used, room;
    uint32_t *ends, *owners;
    size_t count, count_room;
    uint8_t *status;
    dedup_note_ *notes;
    size_t notes_len, notes_room;
    uint32_t event;
    /* What the current event has: the number of its first key, where its bytes start, and what was said of it. */
    size_t first_key, first_byte;
    uint8_t refused;
};

struct dedup_pair {
    const dedup_pairs_ *pairs;
    size_t first, rows;
    uint8_t *verdicts;
};

struct dedup_input {
    dedup_text fields[DEDUP_FIELDS_MAX];
    size_t count;
    bool payload, refused;
    dedup_text refusal;
};

/* Memory: what the host puts in and what the plugin gives back lie one after the other, and go all at once. */
typedef struct {
    char *top, *kept, *end; /* What is below `kept` is of `configure`, and stays. */
} dedup_arena_type_;

#ifdef __wasm__
#define DEDUP_EXPORT_(name) __attribute__((export_name(name)))
#define DEDUP_ONCE_ __attribute__((weak)) /* One of several object files has it. */
extern char __heap_base;
DEDUP_ONCE_ dedup_arena_type_ dedup_arena_ = {&__heap_base, &__heap_base, NULL};
__attribute__((import_module("dedup:plugin/log@1.0.0"), import_name("write"))) void dedup_log_abi_(
    int32_t level, const char *bytes, size_t len);
#else
#define DEDUP_EXPORT_(name) __attribute__((unused))
#define DEDUP_NATIVE_BYTES_MAX ((size_t)64 << 20)
static _Alignas(16) char dedup_native_memory_[DEDUP_NATIVE_BYTES_MAX];
static dedup_arena_type_ dedup_arena_ = {dedup_native_memory_, dedup_native_memory_, NULL};
static inline void dedup_log_abi_(int32_t level, const char *bytes, size_t len) {
    fprintf(stderr, "log %d: %.*s\n", (int)level, (int)len, bytes);
}
#endif

__attribute__((noinline, unused, format(printf, 2, 3))) static void dedup_refuse_(dedup_input *input, const char *format,
                                                                                  ...);

static inline dedup_text dedup_text_of_(const char *words) { return (dedup_text){words, __builtin_strlen(words)}; }
static inline dedup_text dedup_text_itself_(dedup_text text, size_t len) {
    (void)len;
    return text;
}
static inline dedup_text dedup_text_with_(const char *words, size_t len) { return (dedup_text){words, len}; }
/* The length of a literal is worked out here, where it is one: in a function it would be counted at every call. */
#define DEDUP_LEN_(text) __builtin_strlen(_Generic((text), dedup_text: "", default: (text)))
#define DEDUP_TEXT_(text)                                                                                            \
    _Generic((text), dedup_text: dedup_text_itself_, char *: dedup_text_with_, const char *: dedup_text_with_)( \
        (text), DEDUP_LEN_(text))

_Noreturn static inline void dedup_die_(void) {
#ifdef __wasm__
    __builtin_trap();
#else
    abort();
#endif
}

_Noreturn static inline void dedup_last_words_(dedup_text words) {
    dedup_log_abi_(DEDUP_ERROR, words.bytes, words.len);
    dedup_die_();
}

__attribute__((noinline)) static void dedup_arena_grow_(size_t bytes) {
#ifdef __wasm__
    const size_t page = 65536;
    dedup_arena_.end = (char *)(__builtin_wasm_memory_size(0) * page);
    const size_t there = (size_t)(dedup_arena_.end - dedup_arena_.top);
    if (there >= bytes) return;
    const size_t pages = (bytes - there) / page + 1;
    if (pages > 65536 || __builtin_wasm_memory_grow(0, pages) == (size_t)-1)
        dedup_last_words_(dedup_text_of_("the plugin is out of memory"));
    dedup_arena_.end += pages * page;
#else
    dedup_arena_.end = dedup_native_memory_ + DEDUP_NATIVE_BYTES_MAX;
    if ((size_t)(dedup_arena_.end - dedup_arena_.top) < bytes)
        dedup_last_words_(dedup_text_of_("the plugin is out of memory"));
#endif
}

/* All of it is aligned by 8: that is enough for every type that crosses, and cheaper than asking. */
static inline void *dedup_take_(size_t bytes) {
    const size_t rounded = (bytes + 7) & ~(size_t)7;
    if (rounded < bytes || dedup_arena_.end == NULL || rounded > (size_t)(dedup_arena_.end - dedup_arena_.top)) {
        if (rounded < bytes) dedup_last_words_(dedup_text_of_("the plugin is out of memory"));
        dedup_arena_grow_(rounded);
    }
    char *taken = dedup_arena_.top;
    dedup_arena_.top += rounded;
    return taken;
}

static inline void dedup_arena_reset_(void) { dedup_arena_.top = dedup_arena_.kept; }

static inline void *dedup_alloc(size_t bytes) { return __builtin_memset(dedup_take_(bytes), 0, bytes); }

/* More room for a list that is growing: twice as much, in place where nothing was taken after it. */
static inline void *dedup_regrow_(void *list, size_t used_bytes, size_t *room, size_t wanted, size_t item_bytes) {
    const size_t more = *room * 2 > wanted ? *room * 2 : wanted;
    if (more > SIZE_MAX / 2 / item_bytes) dedup_last_words_(dedup_text_of_("the plugin is out of memory"));
    const size_t bytes = more * item_bytes, had = (*room * item_bytes + 7) & ~(size_t)7;
    *room = more;
    if (list != NULL && (char *)list + had == dedup_arena_.top) {
        dedup_take_(((bytes + 7) & ~(size_t)7) - had);
        return list;
    }
    void *taken = dedup_take_(bytes);
    return used_bytes == 0 ? taken : __builtin_memcpy(taken, list, used_bytes);
}

#ifdef __wasm__
/* There is no libc: what compilers call, and what the host calls to put values in. */
DEDUP_ONCE_ void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
#ifdef __wasm_bulk_memory__
    return __builtin_memcpy(to, from, bytes);
#else
    for (size_t i = 0; i < bytes; i++) ((volatile char *)to)[i] = ((const char *)from)[i];
    return to;
#endif
}

DEDUP_ONCE_ void *memmove(void *to, const void *from, size_t bytes) {
#ifdef __wasm_bulk_memory__
    return __builtin_memmove(to, from, bytes);
#else
    const bool up = (char *)to > (const char *)from;
    for (size_t i = 0; i < bytes; i++) {
        const size_t at = up ? bytes - 1 - i : i;
        ((volatile char *)to)[at] = ((const char *)from)[at];
    }
    return to;
#endif
}

DEDUP_ONCE_ void *memset(void *to, int byte, size_t bytes) {
#ifdef __wasm_bulk_memory__
    return __builtin_memset(to, byte, bytes);
#else
    for (size_t i = 0; i < bytes; i++) ((volatile char *)to)[i] = (char)byte;
    return to;
#endif
}

DEDUP_ONCE_ int memcmp(const void *left, const void *right, size_t bytes) {
    const unsigned char *a = left, *b = right;
    for (size_t i = 0; i < bytes; i++)
        if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
    return 0;
}

DEDUP_ONCE_ size_t strlen(const char *words) {
    size_t len = 0;
    while (((const volatile char *)words)[len] != 0) len++;
    return len;
}

DEDUP_ONCE_ __attribute__((export_name("cabi_realloc"))) void *dedup_realloc_abi_(void *old, size_t old_bytes,
                                                                                  size_t align, size_t bytes) {
    if (align > 8) dedup_last_words_(dedup_text_of_("the host asks for an alignment that the contract does not have"));
    void *taken = dedup_take_(bytes);
    return old_bytes == 0 ? taken : __builtin_memcpy(taken, old, old_bytes < bytes ? old_bytes : bytes);
}
#endif

/* Eight bytes at a time: in wasm a call that copies or compares costs more than most values are long. */
static inline uint64_t dedup_word_at_(const void *bytes) {
    uint64_t word;
    __builtin_memcpy(&word, bytes, 8);
    return word;
}

static inline void dedup_put_word_(uint8_t *to, uint64_t word) { __builtin_memcpy(to, &word, 8); }

/* The fewer than eight bytes at the end of a text as a word, of which the others are zero. */
static inline uint64_t dedup_rest_(const char *bytes, size_t len, size_t rest) {
    if (rest == 0) return 0;
    if (len >= 8) return dedup_word_at_(bytes + len - 8) >> (64 - 8 * rest);
    const uint8_t *b = (const uint8_t *)bytes;
    if (rest >= 4) {
        uint32_t low, high;
        __builtin_memcpy(&low, b, 4);
        __builtin_memcpy(&high, b + rest - 4, 4);
        return low | (uint64_t)high << (8 * (rest - 4));
    }
    return (uint64_t)b[0] | (uint64_t)b[rest >> 1] << (8 * (rest >> 1)) | (uint64_t)b[rest - 1] << (8 * (rest - 1));
}

static inline bool dedup_equal_(dedup_text left, dedup_text right) {
    if (left.len != right.len) return false;
    size_t at = 0;
    for (; at + 8 <= left.len; at += 8)
        if (dedup_word_at_(left.bytes + at) != dedup_word_at_(right.bytes + at)) return false;
    const size_t rest = left.len - at;
    return rest == 0 || dedup_rest_(left.bytes, left.len, rest) == dedup_rest_(right.bytes, right.len, rest);
}

static inline bool dedup_same(dedup_value left, dedup_value right) {
    return left.kind == right.kind && dedup_equal_(left.text, right.text);
}

static inline bool dedup_is_missing(dedup_value value) { return value.kind <= DEDUP_NULL; }

static inline dedup_text dedup_trim(dedup_text text) {
    const char *spaces = " \t\r\n";
    while (text.len > 0 && (text.bytes[0] == spaces[0] || text.bytes[0] == spaces[1] || text.bytes[0] == spaces[2] ||
                            text.bytes[0] == spaces[3]))
        text.bytes++, text.len--;
    while (text.len > 0) {
        const char last = text.bytes[text.len - 1];
        if (last != spaces[0] && last != spaces[1] && last != spaces[2] && last != spaces[3]) break;
        text.len--;
    }
    return text;
}

static inline bool dedup_split(dedup_text *rest, char separator, dedup_text *part) {
    if (rest->bytes == NULL) return false;
    size_t len = 0;
    while (len < rest->len && rest->bytes[len] != separator) len++;
    *part = (dedup_text){rest->bytes, len};
    *rest = len == rest->len ? (dedup_text){NULL, 0} : (dedup_text){rest->bytes + len + 1, rest->len - len - 1};
    return true;
}

static inline bool dedup_next_pointer(dedup_text *config, dedup_input *input, dedup_text *pointer) {
    const dedup_text text = dedup_trim(*config);
    if (text.len > 0 && (text.bytes[0] == '{' || text.bytes[0] == '[')) {
        dedup_refuse(input, "this plugin reads JSON pointers with commas between, such as /token,/id; not JSON: %.*s",
                     DEDUP_ARGS(text));
        return false;
    }
    if (!dedup_split(config, ',', pointer)) return false;
    *pointer = dedup_trim(*pointer);
    return true;
}

static inline bool dedup_starts_with_(dedup_text text, dedup_text start) {
    return text.len >= start.len && dedup_equal_((dedup_text){text.bytes, start.len}, start);
}

static inline bool dedup_covers_(dedup_text pointer, dedup_text path) {
    return path.len >= pointer.len && (path.len == pointer.len || path.bytes[pointer.len] == '/') &&
           dedup_equal_(pointer, (dedup_text){path.bytes, pointer.len});
}

/* ---- Words ---- */

typedef struct {
    char bytes[DEDUP_WORDS_BYTES_MAX];
    size_t len;
} dedup_words_;

/* Bytes of the UTF-8 character at the start of a text; 0 where there is none. */
static inline size_t dedup_character_(const uint8_t *bytes, size_t len) {
    const uint8_t first = bytes[0];
    if (first < 0x80) return 1;
    const bool of_two = first >= 0xc2 && first < 0xe0, of_three = (first & 0xf0) == 0xe0;
    const size_t size = of_two ? 2 : of_three ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
    if (size == 0 || size > len) return 0;
    for (size_t i = 1; i < size; i++)
        if ((bytes[i] & 0xc0) != 0x80) return 0;
    /* Written too long, half of a pair, or beyond Unicode. */
    const bool never = (first == 0xe0 && bytes[1] < 0xa0) || (first == 0xed && bytes[1] >= 0xa0) ||
                       (first == 0xf0 && bytes[1] < 0x90) || (first == 0xf4 && bytes[1] >= 0x90);
    return never ? 0 : size;
}

static inline void dedup_say_bytes_(dedup_words_ *words, const char *bytes, size_t len) {
    for (size_t at = 0; at < len;) {
        const size_t size = dedup_character_((const uint8_t *)bytes + at, len - at);
        const size_t written = size == 0 ? 1 : size;
        if (words->len + written > DEDUP_WORDS_BYTES_MAX) return;
        for (size_t i = 0; i < written; i++) words->bytes[words->len++] = size == 0 ? '?' : bytes[at + i];
        at += written;
    }
}

static inline void dedup_say_number_(dedup_words_ *words, uint64_t number, bool negative) {
    char digits[21];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    if (negative) digits[--at] = '-';
    dedup_say_bytes_(words, digits + at, sizeof digits - at);
}

/* What printf does, as far as the header says; a directive that is unknown stands as it is. */
__attribute__((noinline, format(printf, 2, 0))) static void dedup_format_(dedup_words_ *words, const char *format,
                                                                          va_list arguments) {
    words->len = 0;
    while (*format != 0) {
        size_t plain = 0;
        while (format[plain] != 0 && format[plain] != '%') plain++;
        dedup_say_bytes_(words, format, plain);
        format += plain;
        if (*format == 0) return;
        format++;
        if (*format == 's') {
            const dedup_text text = dedup_text_of_(va_arg(arguments, const char *));
            dedup_say_bytes_(words, text.bytes, text.len);
        } else if (format[0] == '.' && format[1] == '*' && format[2] == 's') {
            const int len = va_arg(arguments, int);
            const char *bytes = va_arg(arguments, const char *);
            dedup_say_bytes_(words, bytes, len > 0 ? (size_t)len : 0);
            format += 2;
        } else if (*format == 'c') {
            const char byte = (char)va_arg(arguments, int);
            dedup_say_bytes_(words, &byte, 1);
        } else if (*format == 'd') {
            const int64_t number = va_arg(arguments, int);
            dedup_say_number_(words, (uint64_t)(number < 0 ? -number : number), number < 0);
        } else if (*format == 'u') {
            dedup_say_number_(words, va_arg(arguments, unsigned), false);
        } else if (format[0] == 'z' && format[1] == 'u') {
            dedup_say_number_(words, va_arg(arguments, size_t), false);
            format += 1;
        } else if (*format == '%') {
            dedup_say_bytes_(words, "%", 1);
        } else {
            dedup_say_bytes_(words, "%", 1);
            continue;
        }
        format++;
    }
}

static inline dedup_text dedup_kept_words_(const dedup_words_ *words) {
    return (dedup_text){__builtin_memcpy(dedup_take_(words->len), words->bytes, words->len), words->len};
}

#define DEDUP_FORMATTED_(words, format)      \
    dedup_words_ words;                      \
    va_list arguments_;                      \
    va_start(arguments_, format);            \
    dedup_format_(&words, format, arguments_); \
    va_end(arguments_)

__attribute__((noinline, unused, format(printf, 2, 3))) static void dedup_log_(dedup_level level, const char *format,
                                                                               ...) {
    DEDUP_FORMATTED_(words, format);
    dedup_log_abi_((int32_t)level, words.bytes, words.len);
}

__attribute__((noinline, unused, format(printf, 1, 2))) _Noreturn static void dedup_trap_(const char *format, ...) {
    DEDUP_FORMATTED_(words, format);
    dedup_last_words_((dedup_text){words.bytes, words.len});
}

/* ---- configure ---- */

__attribute__((noinline, unused, format(printf, 2, 3))) static void dedup_refuse_(dedup_input *input, const char *format,
                                                                                  ...) {
    if (input->refused) return;
    DEDUP_FORMATTED_(words, format);
    input->refused = true;
    input->refusal = dedup_kept_words_(&words);
}

static inline void dedup_ask_payload(dedup_input *input) { input->payload = true; }

__attribute__((noinline, unused)) static void dedup_ask_(dedup_input *input, dedup_text pointer) {
    if (pointer.len > 0 && pointer.bytes[0] != '/') {
        dedup_refuse_(input, "\"%.*s\" is no JSON pointer: write \"/%.*s\"", DEDUP_ARGS(pointer), DEDUP_ARGS(pointer));
        return;
    }
    for (size_t at = 0; at < pointer.len; at++) {
        const char next = at + 1 < pointer.len ? pointer.bytes[at + 1] : 0;
        if (pointer.bytes[at] != '~' || next == '0' || next == '1') continue;
        dedup_refuse_(input, "\"%.*s\" is no JSON pointer: write ~0 for ~ and ~1 for / in a name", DEDUP_ARGS(pointer));
        return;
    }
    if (input->count == DEDUP_FIELDS_MAX) {
        dedup_refuse_(input, "there are more than %d fields", DEDUP_FIELDS_MAX);
        return;
    }
    input->fields[input->count++] = pointer;
}

static inline const dedup_configured_ *dedup_configure_(bool *configured, dedup_text config,
                                                        void (*configure)(dedup_text, dedup_input *)) {
    static dedup_configured_ answer;
    dedup_input *input = dedup_alloc(sizeof *input);
    *configured = false;
    configure(config, input);
    if (!input->refused && input->payload && input->count > 0)
        dedup_refuse_(input, "the plugin asks for the payload and for fields: a plugin reads one or the other");
    if (!input->refused && !input->payload && input->count == 0)
        dedup_refuse_(input, "the plugin asks for no field and not for the payload: it would see nothing of an event");
    answer.is_error = input->refused;
    if (input->refused) {
        answer.as.failure = input->refusal;
        return &answer;
    }
    answer.as.input.is_fields = !input->payload;
    answer.as.input.fields = input->fields;
    answer.as.input.fields_len = input->count;
    *configured = true;
    dedup_arena_.kept = dedup_arena_.top;
    return &answer;
}

/* ---- key ---- */

static inline size_t dedup_width(const dedup_event *event) { return event->batch->width; }

static inline dedup_text dedup_text_in_(const dedup_column_ *column, size_t index) {
    const uint32_t start = index == 0 ? 0 : column->ends[index - 1];
    return (dedup_text){(const char *)column->data + start, column->ends[index] - start};
}

static inline dedup_value dedup_value_at(const dedup_event *event, size_t field) {
    if (field >= event->batch->width) return (dedup_value){DEDUP_ABSENT, {"", 0}};
    const size_t index = event->first + field;
    return (dedup_value){(dedup_kind)event->batch->kinds[index], dedup_text_in_(&event->batch->values, index)};
}

/* Room for so many more bytes, and for eight that a whole word may write beyond them. */
static inline void dedup_room_(dedup_keys *keys, size_t bytes) {
    if (__builtin_expect(keys->room - keys->used < bytes + 8, 0)) {
        if (bytes > SIZE_MAX / 4) dedup_last_words_(dedup_text_of_("the plugin is out of memory"));
        keys->data = dedup_regrow_(keys->data, keys->used, &keys->room, keys->used + bytes + 8, 1);
    }
}

static inline void dedup_write_(dedup_keys *keys, dedup_text piece) {
    dedup_room_(keys, piece.len);
    uint8_t *to = keys->data + keys->used;
    keys->used += piece.len;
    if (piece.len > 256) {
        __builtin_memcpy(to, piece.bytes, piece.len);
        return;
    }
    size_t at = 0;
    for (; at + 8 <= piece.len; at += 8) dedup_put_word_(to + at, dedup_word_at_(piece.bytes + at));
    dedup_put_word_(to + at, dedup_rest_(piece.bytes, piece.len, piece.len - at));
}

static inline void dedup_end_key(dedup_keys *keys) {
    if (__builtin_expect(keys->count == keys->count_room, 0)) {
        size_t room = keys->count_room;
        keys->ends = dedup_regrow_(keys->ends, keys->count * 4, &room, keys->count + 1, 4);
        keys->owners = dedup_regrow_(keys->owners, keys->count * 4, &keys->count_room, keys->count + 1, 4);
    }
    keys->ends[keys->count] = (uint32_t)keys->used;
    keys->owners[keys->count++] = keys->event;
}

__attribute__((noinline, unused, format(printf, 3, 4))) static void dedup_leave_(dedup_keys *keys, uint8_t status,
                                                                                 const char *format, ...) {
    DEDUP_FORMATTED_(words, format);
    if (keys->refused != 0) keys->notes_len--;
    if (keys->notes_len == keys->notes_room)
        keys->notes = dedup_regrow_(keys->notes, keys->notes_len * sizeof(dedup_note_), &keys->notes_room,
                                    keys->notes_len + 8, sizeof(dedup_note_));
    keys->notes[keys->notes_len++] = (dedup_note_){keys->event, dedup_kept_words_(&words)};
    keys->refused = status;
}

static inline void dedup_end_event_(dedup_keys *keys) {
    if (__builtin_expect(keys->refused != 0, 0)) {
        keys->used = keys->first_byte;
        keys->count = keys->first_key;
    }
    keys->status[keys->event++] = keys->refused != 0 ? keys->refused : keys->count == keys->first_key;
    /* Pieces of a key that was not ended are none. */
    keys->used = keys->count == 0 ? 0 : keys->ends[keys->count - 1];
    keys->refused = 0;
    keys->first_key = keys->count;
    keys->first_byte = keys->used;
}

static inline const dedup_extraction_ *dedup_extract_(bool configured, const dedup_batch_ *batch,
                                                      void (*key)(const dedup_event *, dedup_keys *)) {
    static dedup_extraction_ answer;
    answer.is_error = !configured;
    if (!configured) {
        answer.as.failure = dedup_text_of_("configure was not called before the first batch");
        return &answer;
    }
    const size_t width = batch->width == 0 ? 1 : batch->width, events = batch->kinds_len / width;
    dedup_keys keys = {0};
    keys.count_room = events;
    keys.ends = dedup_take_(events * 4);
    keys.owners = dedup_take_(events * 4);
    keys.status = dedup_take_(events);
    /* About as long as the values and what separates them; it is taken last, so that it can grow where it is. */
    keys.room = batch->values.data_len + 4 * batch->kinds_len + 64;
    keys.data = dedup_take_(keys.room);
    for (size_t event = 0; event < events; event++) {
        const dedup_event one = {batch, event * width};
        key(&one, &keys);
        dedup_end_event_(&keys);
    }
    if (keys.count == 0) {
        /* No owners would mean one key an event; so be it, all of them empty and none of them counted. */
        __builtin_memset(keys.ends, 0, events * 4);
    }
    const size_t ends = keys.count == 0 ? events : keys.count;
    answer.as.extraction.keys = (dedup_column_){keys.data, keys.used, keys.ends, ends};
    answer.as.extraction.owners = keys.owners;
    answer.as.extraction.owners_len = keys.count;
    answer.as.extraction.status = keys.status;
    answer.as.extraction.status_len = events;
    answer.as.extraction.notes = keys.notes;
    answer.as.extraction.notes_len = keys.notes_len;
    return &answer;
}

/* ---- Tuples ---- */

static inline void dedup_part_(dedup_tuple *tuple, dedup_input *input, dedup_text pointer) {
    if (tuple->parts == DEDUP_TUPLE_PARTS_MAX) {
        dedup_refuse_(input, "a key may be made of %d fields, and there are more", DEDUP_TUPLE_PARTS_MAX);
        return;
    }
    if (tuple->parts == 0) tuple->first = (uint32_t)input->count;
    dedup_ask_(input, pointer);
    tuple->pointers[tuple->parts] = pointer;
    tuple->ends[tuple->parts++] = (uint16_t)input->count;
}

static inline void dedup_part_or_(dedup_tuple *tuple, dedup_input *input, dedup_text pointer) {
    dedup_assert(tuple->parts > 0);
    dedup_ask_(input, pointer);
    tuple->ends[tuple->parts - 1] = (uint16_t)input->count;
}

/* Whether a byte of the word is `:` or `\`: that byte becomes zero, and only a zero borrows from its own highest bit. */
static inline bool dedup_is_special_(uint64_t word) {
    const uint64_t ones = 0x0101010101010101u, high = ones << 7;
    const uint64_t colons = word ^ ones * ':', slashes = word ^ ones * '\\';
    return ((((colons - ones) & ~colons) | ((slashes - ones) & ~slashes)) & high) != 0;
}

/* Writes the first `len` bytes of a word with their escapes, and says how many that were. */
static inline size_t dedup_put_escaped_(uint8_t *to, uint64_t word, size_t len) {
    if (__builtin_expect(!dedup_is_special_(word), 1)) {
        dedup_put_word_(to, word);
        return len;
    }
    size_t used = 0;
    for (size_t i = 0; i < len; i++, word >>= 8) {
        const uint8_t byte = (uint8_t)word;
        if (byte == ':' || byte == '\\') to[used++] = '\\';
        to[used++] = byte;
    }
    return used;
}

/* Writes a text with its escapes; there is room for twice its length and a word. */
static inline void dedup_write_escaped_(dedup_keys *keys, dedup_text text) {
    uint8_t *to = keys->data + keys->used;
    size_t at = 0;
    for (; at + 8 <= text.len; at += 8) to += dedup_put_escaped_(to, dedup_word_at_(text.bytes + at), 8);
    const size_t rest = text.len - at;
    if (rest > 0) to += dedup_put_escaped_(to, dedup_rest_(text.bytes, text.len, rest), rest);
    keys->used = (size_t)(to - keys->data);
}

/* The first value that is neither absent nor null; where there is none, null if any is, so that null beats absent. */
static inline dedup_value dedup_first_present_(const dedup_event *event, size_t field, size_t end) {
    dedup_value missing = {DEDUP_ABSENT, {"", 0}};
    for (; field < end; field++) {
        const dedup_value value = dedup_value_at(event, field);
        if (!dedup_is_missing(value)) return value;
        if (value.kind == DEDUP_NULL) missing = value;
    }
    return missing;
}

static inline void dedup_tuple_key(const dedup_tuple *tuple, const dedup_event *event, dedup_keys *keys) {
    /* By kind; strings and payloads have no mark. */
    static const char marks[] = "azbn\0j\0";
    size_t field = tuple->first;
    for (size_t part = 0; part < tuple->parts; part++) {
        const dedup_value value = dedup_first_present_(event, field, tuple->ends[part]);
        field = tuple->ends[part];
        if (__builtin_expect(dedup_is_missing(value) && !tuple->mark_missing, 0)) {
            dedup_no_key(keys, "%.*s is absent or null", DEDUP_ARGS(tuple->pointers[part]));
            return;
        }
        dedup_room_(keys, 2 * value.text.len + 3);
        if (part > 0) keys->data[keys->used++] = ':';
        const bool marked = marks[value.kind] != 0 &&
                            !(tuple->kinds_ignored && (value.kind == DEDUP_NUMBER || value.kind == DEDUP_BOOL));
        if (marked) {
            keys->data[keys->used++] = '\\';
            keys->data[keys->used++] = (uint8_t)marks[value.kind];
        }
        dedup_write_escaped_(keys, value.text);
    }
    dedup_end_key(keys);
}

static inline void dedup_write_value_(dedup_keys *keys, dedup_value value, bool kinds_ignored) {
    /* By kind; strings and payloads have no mark. */
    static const char marks[] = "azbn\0j\0";
    dedup_room_(keys, 2 * value.text.len + 3);
    if (marks[value.kind] != 0 && !(kinds_ignored && (value.kind == DEDUP_NUMBER || value.kind == DEDUP_BOOL))) {
        keys->data[keys->used++] = '\\';
        keys->data[keys->used++] = (uint8_t)marks[value.kind];
    }
    dedup_write_escaped_(keys, value.text);
}

static inline void dedup_push_values(dedup_keys *keys, const dedup_value *values, size_t count) {
    if (count == 0) dedup_write(keys, "\\e");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) dedup_write(keys, ":");
        dedup_write_value_(keys, values[i], false);
    }
    dedup_end_key(keys);
}

/* ---- Values of your own ---- */

static inline dedup_value dedup_integer(int64_t number) {
    char *digits = dedup_take_(20), *at = digits + 20;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    do *--at = (char)('0' + rest % 10);
    while ((rest /= 10) != 0);
    if (number < 0) *--at = '-';
    return (dedup_value){DEDUP_NUMBER, {at, (size_t)(digits + 20 - at)}};
}

/* Letters from this one on in the other case, which is 0x20 away. */
static inline dedup_text dedup_in_case_(dedup_text text, char first) {
    char *changed = dedup_take_(text.len);
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.bytes[i];
        changed[i] = c >= first && c <= first + ('z' - 'a') ? (char)(c ^ 0x20) : c;
    }
    return (dedup_text){changed, text.len};
}

/* Takes the digits that stand at `at`; false where none does. Beyond 10^5 it stays there: no exponent needs more. */
static inline bool dedup_exponent_(dedup_text text, size_t *at, int64_t *exponent) {
    const bool is_negative = *at < text.len && text.bytes[*at] == '-';
    if (is_negative || (*at < text.len && text.bytes[*at] == '+')) ++*at;
    const size_t start = *at;
    int64_t number = 0;
    for (; *at < text.len && text.bytes[*at] >= '0' && text.bytes[*at] <= '9'; ++*at)
        if (number < 100000) number = 10 * number + (text.bytes[*at] - '0');
    *exponent += is_negative ? -number : number;
    return *at > start;
}

static inline bool dedup_real_(dedup_text text, double *real) {
    const bool is_negative = text.len > 0 && text.bytes[0] == '-';
    uint64_t mantissa = 0;
    int64_t exponent = 0;
    size_t at = is_negative, digits = 0;
    for (bool in_fraction = false; at < text.len; at++) {
        const char c = text.bytes[at];
        if (c == '.' && !in_fraction) {
            in_fraction = true;
            continue;
        }
        if (c < '0' || c > '9') break;
        digits++;
        /* As many digits as fit; of those before the point that do not, the number still counts. */
        if (mantissa < 1000000000000000000u) mantissa = 10 * mantissa + (uint64_t)(c - '0'), exponent -= in_fraction;
        else exponent += !in_fraction;
    }
    if (digits == 0) return false;
    if (at < text.len && (text.bytes[at] == 'e' || text.bytes[at] == 'E')) {
        at++;
        if (!dedup_exponent_(text, &at, &exponent)) return false;
    }
    double scale = 1, power = 10, number = (double)mantissa;
    for (uint64_t rest = (uint64_t)(exponent < 0 ? -exponent : exponent); rest > 0; rest >>= 1, power *= power)
        if (rest & 1) scale *= power;
    if (mantissa != 0) number = exponent < 0 ? number / scale : number * scale;
    *real = is_negative ? -number : number;
    return at == text.len;
}

/* ---- Arrays: their text is canonical, without spaces ---- */

static inline dedup_elements dedup_elements_of(dedup_value value) {
    const bool is_array = value.kind == DEDUP_JSON && value.text.len > 2 && value.text.bytes[0] == '[';
    return is_array ? (dedup_elements){value.text.bytes + 1, value.text.bytes + value.text.len - 1}
                    : (dedup_elements){NULL, NULL};
}

/* Where the string that begins here ends. */
static inline const char *dedup_string_end_(const char *at, const char *end) {
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\') at++;
    return at < end ? at + 1 : end;
}

/* Where the value that begins here ends. */
static inline const char *dedup_element_end_(const char *at, const char *end) {
    size_t depth = 0;
    while (at < end && (depth > 0 || *at != ',')) {
        if (*at == '"') {
            at = dedup_string_end_(at, end);
            continue;
        }
        if (*at == '[' || *at == '{') depth++;
        if (*at == ']' || *at == '}') depth--;
        at++;
    }
    return at;
}

static inline uint8_t dedup_hex_(char digit) {
    return (uint8_t)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
}

/* A string as the host gives it: without quotes and escapes; as JSON where it holds half of a surrogate pair. */
static inline dedup_value dedup_unquoted_(dedup_text quoted) {
    const dedup_text inside = {quoted.bytes + 1, quoted.len - 2};
    size_t at = 0;
    while (at < inside.len && inside.bytes[at] != '\\') at++;
    if (at == inside.len) return (dedup_value){DEDUP_STRING, inside};
    char *text = dedup_take_(inside.len);
    size_t len = 0;
    for (at = 0; at < inside.len; at++) {
        static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
        char byte = inside.bytes[at];
        if (byte == '\\' && ++at < inside.len) {
            byte = inside.bytes[at];
            /* The host escapes so only what is below 0x20, and such halves. */
            if (byte == 'u' && inside.bytes[at + 1] != '0') return (dedup_value){DEDUP_JSON, quoted};
            if (byte == 'u') {
                byte = (char)(dedup_hex_(inside.bytes[at + 3]) << 4 | dedup_hex_(inside.bytes[at + 4]));
                at += 4;
            }
            else
                for (size_t i = 0; from[i] != 0; i++)
                    if (byte == from[i]) {
                        byte = to[i];
                        break;
                    }
        }
        text[len++] = byte;
    }
    return (dedup_value){DEDUP_STRING, {text, len}};
}

static inline bool dedup_next_element(dedup_elements *elements, dedup_value *element) {
    const char *at = elements->at;
    if (at == elements->end) return false;
    const char *end = dedup_element_end_(at, elements->end);
    const dedup_text text = {at, (size_t)(end - at)};
    elements->at = end < elements->end ? end + 1 : end;
    switch (*at) {
        case '"': *element = dedup_unquoted_(text); break;
        case '[':
        case '{': *element = (dedup_value){DEDUP_JSON, text}; break;
        case 't':
        case 'f': *element = (dedup_value){DEDUP_BOOL, text}; break;
        case 'n': *element = dedup_null; break;
        default: *element = (dedup_value){DEDUP_NUMBER, text};
    }
    return true;
}

static inline bool dedup_is_less_(dedup_value left, dedup_value right) {
    const size_t least = left.text.len < right.text.len ? left.text.len : right.text.len;
    const int order = __builtin_memcmp(left.text.bytes, right.text.bytes, least);
    if (order != 0) return order < 0;
    return left.text.len != right.text.len ? left.text.len < right.text.len : left.kind < right.kind;
}

static inline void dedup_sink_(dedup_value *values, size_t root, size_t count) {
    for (size_t child; (child = 2 * root + 1) < count; root = child) {
        if (child + 1 < count && dedup_is_less_(values[child], values[child + 1])) child++;
        if (!dedup_is_less_(values[root], values[child])) return;
        const dedup_value value = values[root];
        values[root] = values[child];
        values[child] = value;
    }
}

/* By a heap: no order of the values makes it slow. */
static inline void dedup_sort(dedup_value *values, size_t count) {
    for (size_t root = count / 2; root-- > 0;) dedup_sink_(values, root, count);
    for (size_t last = count; last-- > 1;) {
        const dedup_value value = values[0];
        values[0] = values[last];
        values[last] = value;
        dedup_sink_(values, 0, last);
    }
}

/* ---- compare ---- */

static inline size_t dedup_rows(const dedup_pair *pair) { return pair->rows; }

static inline dedup_row dedup_row_at(const dedup_pair *pair, size_t row) {
    dedup_assert(row < pair->rows);
    const dedup_pairs_ *pairs = pair->pairs;
    const size_t index = pair->first + row;
    return (dedup_row){
        dedup_text_in_(&pairs->paths, index),
        {(dedup_kind)pairs->original_kinds[index], dedup_text_in_(&pairs->originals, index)},
        {(dedup_kind)pairs->duplicate_kinds[index], dedup_text_in_(&pairs->duplicates, index)},
    };
}

static inline void dedup_say(const dedup_pair *pair, size_t row, dedup_word word) {
    dedup_assert(row < pair->rows);
    pair->verdicts[row] = (uint8_t)word;
}

static inline const dedup_comparisons_ *dedup_compare_(bool configured, const dedup_pairs_ *pairs,
                                                       dedup_score (*compare)(const dedup_pair *)) {
    static dedup_comparisons_ answer;
    answer.is_error = !configured;
    if (!configured) {
        answer.as.failure = dedup_text_of_("configure was not called before the first batch");
        return &answer;
    }
    /* A copy of its own: no verdict that is written can change it, so nothing is read again for every row. */
    const dedup_pairs_ own = *pairs;
    const size_t count = own.ends_len, rows = own.paths.ends_len;
    double *similarity = dedup_take_(count * 8), *property_similarity = dedup_take_(count * 8);
    uint8_t *verdicts = __builtin_memset(dedup_take_(rows), DEDUP_IGNORED, rows);
    for (size_t i = 0, first = 0; i < count; first = own.ends[i++]) {
        const dedup_pair pair = {&own, first, own.ends[i] - first, verdicts + first};
        const dedup_score score = compare(&pair);
        similarity[i] = score.similarity;
        property_similarity[i] = score.property_similarity;
    }
    answer.as.comparisons.similarity = similarity;
    answer.as.comparisons.similarity_len = count;
    answer.as.comparisons.property_similarity = property_similarity;
    answer.as.comparisons.property_similarity_len = count;
    answer.as.comparisons.verdicts = verdicts;
    answer.as.comparisons.verdicts_len = rows;
    return &answer;
}

#ifdef __wasm__
_Static_assert(sizeof(dedup_described_) == 20 && sizeof(dedup_configured_) == 16 && sizeof(dedup_note_) == 12 &&
                   sizeof(dedup_extraction_) == 44 && sizeof(dedup_pairs_) == 72 && sizeof(dedup_comparisons_) == 28,
               "the layouts are those of the canonical ABI");
#endif

#endif
