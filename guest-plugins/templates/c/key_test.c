/* Unit tests of the plugin, on this machine and without wasm: cc plugin_test.c -o plugin_test && ./plugin_test */
#include "plugin.c"
#include "dedup_plugin_test.h"

int main(void) {
    dedup_test_configure(key_extractor, "");
    dedup_test_key("north:A-17", dedup_string("north"), dedup_string("A-17"));
    dedup_test_key("north:\\n17", dedup_string("north"), dedup_number("17"));
    dedup_test_no_key("/order/id is absent or null", dedup_string("north"), dedup_absent);
    dedup_test_refused(key_extractor, "shop", "write \"/shop\"");
    dedup_test_refused(key_extractor, "{\"feilds\": 1}", "feilds");
    return dedup_test_end();
}
