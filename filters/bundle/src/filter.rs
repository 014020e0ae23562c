//! The entry: from a plugin's `root_id` to its filter.

use shell::{RootContext, stream};

shell::entry!(root);

/// The filter that the host is making a plugin of.
fn root(id: u32) -> Box<dyn RootContext> {
    let name = stream::property(&["plugin_root_id"]).ok().flatten().unwrap_or_default();
    match name.as_slice() {
        b"admin" => admin::root(id),
        b"auth" => auth::root(id),
        b"breaker" => breaker::root(id),
        b"cache" => cache::root(id),
        b"compose" => compose::root(id),
        b"correlation" => correlation::root(id),
        b"guard" => guard::root(id),
        b"provider" => provider::root(id),
        b"ratelimit" => ratelimit::root(id),
        _ => Box::new(Unknown(name)),
    }
}

/// A plugin whose `root_id` names no filter.
struct Unknown(Vec<u8>);

impl RootContext for Unknown {
    fn on_configure(&mut self, _size: usize) -> bool {
        log::error!("root_id: `{}` is no filter of this module", self.0.escape_ascii());
        false
    }
}
