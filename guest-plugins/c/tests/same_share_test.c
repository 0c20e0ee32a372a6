/* same_share, natively; its golden vectors are checked in the component. */
#include "../same_share.c"
#include "dedup_plugin_test.h"

int main(void) {
    dedup_test_configure(similarity_scorer, "");
    dedup_test_score(0.75, 0.5, "0001", dedup_both("/event", dedup_string("click"), dedup_string("click")),
                     dedup_both("/properties", dedup_null, dedup_null),
                     dedup_both("/properties/a", dedup_number("1"), dedup_number("1")),
                     dedup_both("/properties/b", dedup_number("1"), dedup_string("1")));
    dedup_test_score(0, 1, "1", dedup_both("/event", dedup_null, dedup_absent));
    dedup_test_refused(similarity_scorer, "{\"weight\": 1}", "weight");
    dedup_test_refused(similarity_scorer, "event", "write \"/event\"");
    return dedup_test_end();
}
