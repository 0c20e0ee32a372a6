/* What the examples do not use of the SDK: several keys, keys in pieces, payloads, words, marks. */
#include "dedup_plugin_test.h"

static const dedup_info info = {"sdk_test", "1.0.0", 1};

static dedup_tuple tuple;
static bool both, nothing;

static void configure(dedup_text config, dedup_input *input) {
    tuple = (dedup_tuple){.mark_missing = true, .kinds_ignored = true};
    both = dedup_equal(config, "both"), nothing = dedup_equal(config, "nothing");
    if (both || dedup_equal(config, "payload")) dedup_ask_payload(input);
    if (dedup_equal(config, "many"))
        for (int i = 0; i <= DEDUP_FIELDS_MAX; i++) dedup_ask(input, "/a");
    if (dedup_equal(config, "parts"))
        for (int i = 0; i <= DEDUP_TUPLE_PARTS_MAX; i++) dedup_part(&tuple, input, "/a");
    if (dedup_equal(config, "marked") || both) {
        dedup_part(&tuple, input, "/a");
        dedup_part(&tuple, input, "/b");
    }
}

static void key(const dedup_event *event, dedup_keys *keys) {
    const dedup_value value = dedup_value_at(event, 0);
    if (value.kind != DEDUP_BYTES) {
        dedup_tuple_key(&tuple, event, keys);
        return;
    }
    dedup_assert(dedup_is_missing(dedup_value_at(event, dedup_width(event))));
    dedup_push(keys, "a key that is taken back");
    if (dedup_equal(value.text, "bad"))
        dedup_invalid(keys, "%s %.*s %c %d %u %zu %% %x", "said", 2, "it!", 'x', -7, 8u, (size_t)9, 1u);
    else if (dedup_equal(value.text, "odd")) dedup_no_key(keys, "\xc3\xa9 \xff \xed\xa0\x80 \xf0\x9f\x98\x80 \xe2\x82");
    else if (value.text.len > 900) dedup_no_key(keys, "%.*s", DEDUP_ARGS(value.text));
    else dedup_no_key(keys, "first"), dedup_no_key(keys, "last");
}

DEDUP_KEY_EXTRACTOR(info, configure, key)

/* The same from one batch of several events: owners, statuses, pieces. */
static void pieces(const dedup_event *event, dedup_keys *keys) {
    const dedup_text text = dedup_value_at(event, 0).text;
    if (dedup_equal(text, "none")) return;
    if (dedup_equal(text, "open")) {
        dedup_write(keys, "never ended");
        return;
    }
    const size_t times = text.len;
    for (size_t i = 0; i < times; i++) {
        dedup_write(keys, text);
        dedup_write(keys, "-");
        dedup_push(keys, text);
    }
}

static void check_batch(void) {
    char data[3000];
    uint32_t ends[4] = {4, 8, 11, 3000};
    uint8_t kinds[4] = {4, 4, 4, 4};
    memset(data, 'k', sizeof data);
    memcpy(data, "noneopenabc", 11);
    const dedup_batch_ batch = {1, {(uint8_t *)data, 11, ends, 3}, kinds, 3};
    const dedup_extraction_ *said = dedup_extract_(true, &batch, pieces);
    const dedup_text first = dedup_text_in_(&said->as.extraction.keys, 0);
    const bool owned = said->as.extraction.owners_len == 3 && said->as.extraction.owners[2] == 2;
    dedup_test_check_(__LINE__, owned, "three keys of event 2");
    dedup_test_check_(__LINE__, dedup_equal(first, "abc-abc"), "a key in pieces: %.*s", DEDUP_ARGS(first));
    dedup_test_check_(__LINE__, memcmp(said->as.extraction.status, "\1\1\0", 3) == 0, "no key without an end");
    dedup_arena_reset_();

    /* Thousands of long keys: every list outgrows the room that was made for it. */
    const dedup_batch_ large = {1, {(uint8_t *)data, 3000, (const uint32_t[]){3000}, 1}, kinds, 1};
    said = dedup_extract_(true, &large, pieces);
    dedup_test_check_(__LINE__, said->as.extraction.owners_len == 3000, "3000 keys");
    size_t whole = 0;
    for (size_t i = 0; i < 3000; i++) {
        const dedup_text text = dedup_text_in_(&said->as.extraction.keys, i);
        whole += text.len == 6001 && memcmp(text.bytes, data, 3000) == 0 && text.bytes[3000] == '-' &&
                 memcmp(text.bytes + 3001, data, 3000) == 0 && said->as.extraction.owners[i] == 0;
    }
    dedup_test_check_(__LINE__, whole == 3000, "%zu of 3000 keys are whole", whole);
    dedup_arena_reset_();

    const dedup_batch_ empty = {1, {NULL, 0, NULL, 0}, NULL, 0};
    said = dedup_extract_(true, &empty, pieces);
    const bool nothing_said = said->as.extraction.status_len == 0 && said->as.extraction.keys.ends_len == 0;
    dedup_test_check_(__LINE__, nothing_said, "no events");
    const dedup_batch_ keyless = {1, {(uint8_t *)data, 8, ends, 2}, kinds, 2};
    said = dedup_extract_(true, &keyless, pieces);
    const dedup_column_ none = said->as.extraction.keys;
    dedup_test_check_(__LINE__, none.ends_len == 2 && none.ends[1] == 0, "an empty key an event");
    dedup_arena_reset_();
}

/* Keys of values that are no fields: what stands in an array, numbers, texts. */
static dedup_text pushed(dedup_keys *keys, size_t number) {
    const uint32_t start = number == 0 ? 0 : keys->ends[number - 1];
    return (dedup_text){(const char *)keys->data + start, keys->ends[number] - start};
}

static void check_values(void) {
    dedup_keys keys = {0};
    dedup_push_tuple(&keys, dedup_string("a:b"), dedup_integer(-17), dedup_bool("true"), dedup_null, dedup_absent);
    dedup_push_values(&keys, NULL, 0);
    dedup_push_tuple(&keys, dedup_string(""));
    dedup_push_tuple(&keys, dedup_integer(INT64_MIN), dedup_json("[\"\\\\\"]"));
    const char *wanted[] = {"a\\:b:\\n-17:\\btrue:\\z:\\a", "\\e", "", "\\n-9223372036854775808:\\j[\"\\\\\\\\\"]"};
    for (size_t i = 0; i < 4; i++)
        dedup_test_check_(__LINE__, dedup_equal(pushed(&keys, i), wanted[i]), "%.*s", DEDUP_ARGS(pushed(&keys, i)));

    /* Keys that grow while other memory is taken. */
    for (int i = 0; i < 2000; i++) dedup_push_tuple(&keys, dedup_integer(i), dedup_string("some text to fill it"));
    dedup_test_check_(__LINE__, dedup_equal(pushed(&keys, 2003), "\\n1999:some text to fill it"), "many");
    dedup_arena_reset_();

    const char *array = "[1,\"a,]\\\"\\\\\",[[2],{\"b\":\"]\"}],true,false,null,{},\"\",\"\\n\\u001f\\b\\t\",\"\\ud83d\",-1.5e3]";
    const dedup_value elements_wanted[] = {
        dedup_number("1"), dedup_string("a,]\"\\"), dedup_json("[[2],{\"b\":\"]\"}]"), dedup_bool("true"), dedup_bool("false"),
        dedup_null, dedup_json("{}"), dedup_string(""), dedup_string("\n\x1f\b\t"), dedup_json("\"\\ud83d\""), dedup_number("-1.5e3"),
    };
    size_t count = 0;
    dedup_elements elements = dedup_elements_of(dedup_json(array));
    for (dedup_value element; dedup_next_element(&elements, &element); count++)
        dedup_test_check_(__LINE__, count < 11 && dedup_same(element, elements_wanted[count]), "element %zu is %.*s", count,
                          DEDUP_ARGS(element.text));
    dedup_test_check_(__LINE__, count == 11, "%zu elements", count);
    const dedup_value none[] = {dedup_json("[]"), dedup_json("{}"), dedup_json("{\"a\":1}"), dedup_string("[1]"), dedup_absent};
    for (size_t i = 0; i < 5; i++) {
        dedup_value element;
        elements = dedup_elements_of(none[i]);
        dedup_test_check_(__LINE__, !dedup_next_element(&elements, &element), "value %zu has elements", i);
    }

    /* Every order of a few, and many. */
    for (int seed = 1; seed < 200; seed++) {
        dedup_value values[64];
        const size_t length = (size_t)seed % 64;
        unsigned state = (unsigned)seed;
        for (size_t i = 0; i < length; i++) {
            state = state * 1103515245u + 12345u;
            values[i] = (state >> 16) % 7 == 0 ? dedup_string("7") : dedup_integer((state >> 16) % 50);
        }
        dedup_sort(values, length);
        for (size_t i = 1; i < length; i++)
            dedup_test_check_(__LINE__, !dedup_is_less_(values[i], values[i - 1]), "order of %zu", i);
        dedup_arena_reset_();
    }

    dedup_test_check_(__LINE__, dedup_equal(dedup_ascii_lower("aZ\xc3\x89@[`{"), "az\xc3\x89@[`{"), "lower case");
    dedup_test_check_(__LINE__, dedup_equal(dedup_ascii_upper("aZ\xc3\xa9@[`{"), "AZ\xc3\xa9@[`{"), "upper case");
    const char *numbers[] = {"0", "-0", "52.52008", "-13.404950", "1e2", "1.5E-3", "0.1e+1", "123456789012345678901234", "1e-400", "0e999999999"};
    for (size_t i = 0; i < 10; i++) {
        double real = 1;
        const double exact = strtod(numbers[i], NULL), off = exact < 0 ? -exact * 1e-14 : exact * 1e-14;
        dedup_test_check_(__LINE__, dedup_real(numbers[i], &real) && real - exact <= off && exact - real <= off, "%s is %.17g", numbers[i], real);
    }
    double real;
    dedup_test_check_(__LINE__, dedup_real("1e400", &real) && real > 1e308, "too large");
    const char *no_numbers[] = {"", "-", ".", "e1", "1e", "1e+", "1x", "1.2.3", "0x10", " 1", "nan"};
    for (size_t i = 0; i < 11; i++) dedup_test_check_(__LINE__, !dedup_real(no_numbers[i], &real), "%s is a number", no_numbers[i]);
    dedup_arena_reset_();
}

int main(void) {
    dedup_test_check_(__LINE__, dedup_extract_abi_(1, NULL, 0, NULL, 0, NULL, 0)->is_error, "nothing is configured");
    dedup_test_refused(key_extractor, "both", "reads one or the other");
    dedup_test_refused(key_extractor, "nothing", "asks for no field");
    dedup_test_refused(key_extractor, "many", "more than 256 fields");
    dedup_test_refused(key_extractor, "parts", "64 fields");
    dedup_test_configure(key_extractor, "marked");
    dedup_test_key("\\a:\\z", dedup_absent, dedup_null);
    dedup_test_key("1:true", dedup_number("1"), dedup_bool("true"));
    dedup_test_key("\\j1:", dedup_json("1"), dedup_string(""));
    dedup_test_configure(key_extractor, "payload");
    dedup_test_invalid("said it x -7 8 9 % %x", dedup_bytes("bad"));
    dedup_test_no_key("\xc3\xa9 ? ??? \xf0\x9f\x98\x80 ??", dedup_bytes("odd"));
    dedup_test_no_key("last", dedup_bytes("other"));
    char words[3000];
    for (size_t i = 0; i < sizeof words; i++) words[i] = i % 2 == 0 ? '\xc3' : '\xa9';
    dedup_test_no_key("\xc3\xa9\xc3\xa9", dedup_bytes(((dedup_text){words, sizeof words})));
    check_batch();
    check_values();

    dedup_test_check_(__LINE__, dedup_covers("/a", "/a/b") && dedup_covers("", "/x"), "covers");
    dedup_test_check_(__LINE__, !dedup_covers("/a", "/ab") && !dedup_covers("/a", ""), "does not cover");
    dedup_text rest = dedup_text_of_("a,,b"), part;
    size_t parts = 0;
    while (dedup_split(&rest, ',', &part)) parts++;
    dedup_test_check_(__LINE__, parts == 3, "parts");
    return dedup_test_end();
}
