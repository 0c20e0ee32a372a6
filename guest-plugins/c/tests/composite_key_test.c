/* composite_key, natively; its golden vectors are checked in the component. */
#include "../composite_key.c"
#include "dedup_plugin_test.h"

int main(void) {
    dedup_test_configure(key_extractor, "");
    dedup_test_key("1:u:t:click", dedup_string("1"), dedup_string("u"), dedup_string("t"), dedup_string("click"),
                   dedup_absent);
    dedup_test_key("1:u:t:click", dedup_string("1"), dedup_string("u"), dedup_string("t"), dedup_absent,
                   dedup_string("click"));
    dedup_test_no_key("/token is absent or null", dedup_string("1"), dedup_string("u"), dedup_null,
                      dedup_string("click"), dedup_absent);
    dedup_test_no_key("/event is absent or null", dedup_string("1"), dedup_string("u"), dedup_string("t"), dedup_absent,
                      dedup_null);

    dedup_test_configure(key_extractor, " /a , /b ");
    dedup_test_key(":", dedup_string(""), dedup_string(""));
    dedup_test_key("\\n1:1", dedup_number("1"), dedup_string("1"));
    dedup_test_key("\\btrue:true", dedup_bool("true"), dedup_string("true"));
    dedup_test_key("\\j{\"x\"\\:1}:\\\\z", dedup_json("{\"x\":1}"), dedup_string("\\z"));

    /* Escapes wherever they stand in texts of every length. */
    for (size_t len = 0; len < 40; len++)
        for (size_t at = 0; at < len; at++)
            for (int c = 0; c < 3; c++) {
                char text[41] = {0}, expected[90] = {0};
                for (size_t i = 0, out = 0; i < len; i++) {
                    text[i] = i == at ? ":\\;"[c] : 'x';
                    if (text[i] == ':' || text[i] == '\\') expected[out++] = '\\';
                    expected[out++] = text[i];
                }
                strcat(expected, ":y");
                dedup_test_key(expected, dedup_string(text), dedup_string("y"));
            }

    dedup_test_refused(key_extractor, "actor/login", "write \"/actor/login\"");
    dedup_test_refused(key_extractor, "/a~b", "~0 for ~");
    dedup_test_refused(key_extractor, "{\"feilds\": 1}", "feilds");
    return dedup_test_end();
}
