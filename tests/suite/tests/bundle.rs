//! The module of all filters: what it makes of a plugin that it does not know. All else is played with `WEIR_ONE_MODULE` set.

use suite::refuses;

#[test]
fn a_plugin_that_is_no_filter_is_refused() {
    refuses("weir", "{}", "root_id: `weir` is no filter of this module");
}
