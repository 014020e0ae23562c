//! The page for operators: one document with its own style and script, and what a browser is told of them.
//!
//! It holds nothing that is anybody's, so it is sent to whoever asks. An operator gives it a key, or a token, which it keeps
//! for as long as its tab is open and sends as a header with each question: no other site's page can have a browser send that. All
//! that it shows it has from `GET /admin/status`, and writes it as text, never as markup.

use policy::state::base64;
use sha2::{Digest as _, Sha256};

/// The document.
pub const PAGE: &str = concat!(
    include_str!("page/head.html"),
    "<style>",
    include_str!("page/style.css"),
    "</style>",
    include_str!("page/body.html"),
    "<script>",
    include_str!("page/script.js"),
    "</script></body></html>\n"
);

/// The value of `content-security-policy`: nothing but this style and this script, which may speak with nobody but us.
pub fn policy() -> String {
    let hash = |text: &str| base64::encode(&Sha256::digest(text));
    let (style, script) = (hash(include_str!("page/style.css")), hash(include_str!("page/script.js")));
    [
        "default-src 'none'; style-src 'sha256-",
        &style,
        "'; script-src 'sha256-",
        &script,
        "'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_page_asks_nobody_else_for_anything() {
        for outside in
            ["http:", "https:", "src=", "url(", "@import", "innerHTML", "style=", "onclick", "document.write"]
        {
            assert!(!PAGE.contains(outside), "{outside}");
        }
        assert!(PAGE.len() < 40 << 10, "{}", PAGE.len());
    }

    #[test]
    fn a_browser_runs_this_script_and_no_other() {
        let policy = policy();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(policy.matches("'sha256-").count(), 2);
        // Nothing in the texts ends them early.
        assert_eq!((PAGE.matches("</script").count(), PAGE.matches("</style").count()), (1, 1));
    }
}
