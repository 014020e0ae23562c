//! The module of all filters: what it makes of a plugin that it does not know. Every scenario can be played with it: with
//! `WEIR_ONE_MODULE` set, all filters come out of it.

use suite::refuses;

#[test]
fn a_plugin_that_is_no_filter_is_refused() {
    refuses("weir", "{}", "root_id: `weir` is no filter of this module");
}
