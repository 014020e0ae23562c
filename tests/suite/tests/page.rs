//! The page for operators, in a real browser, before a real Envoy on the demo's policy: what a click does, and how it looks.
//!
//! Pictures of it are left in `target/page`, in light and in dark, in a wide window and in a narrow one.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

#[path = "page/gateway.rs"]
mod gateway;

use std::path::Path;

use policy::state::base64;
use proxy::{Browser, Request};

use gateway::Gateway;

const KEY: &str = "sandbox-key-to-operate";

/// The page, opened with an operator's key.
fn opened(gateway: &Gateway) -> Browser {
    let mut browser = Browser::start().unwrap_or_else(|failure| panic!("{failure}"));
    browser.resize(1280, 900, false);
    browser.open(&gateway.url("/admin/"));
    browser.wait_for("document.readyState === 'complete' && !document.getElementById('key').hidden");
    browser
}

/// Types a key into the form, and sends it.
fn enter(browser: &mut Browser, key: &str) {
    browser.evaluate(&format!("secret.value = {key:?}; secret.focus()"));
    browser.press("Enter", 13, "\r");
}

/// Clicks what has this label, or this text.
fn click(browser: &mut Browser, name: &str) {
    let wanted = format!(
        "[...document.querySelectorAll('button')].find((one) => one.checkVisibility() && (one.ariaLabel || one.textContent) === {name:?})"
    );
    browser.wait_for(&format!("Boolean({wanted})"));
    browser.evaluate(&format!("{wanted}.click()"));
}

/// Clicks it, and says that it is meant.
fn change(browser: &mut Browser, name: &str) {
    click(browser, name);
    browser.wait_for("sure.open");
    click(browser, "Yes");
    browser.wait_for("!sure.open");
}

/// Waits for a text in a part of the page.
fn shows(browser: &mut Browser, id: &str, text: &str) {
    // A page that is being loaded has no such part yet.
    browser.wait_for(&format!("Boolean(document.getElementById({id:?})?.innerText.includes({text:?}))"));
}

/// What the page shows of one upstream's breaker.
fn breaker(name: &str) -> String {
    format!("[...breakers.children].find((one) => one.querySelector('.name').textContent === {name:?})")
}

#[test]
fn an_operator_sees_how_everything_is_and_changes_it() {
    let gateway = Gateway::start();
    let mut browser = opened(&gateway);
    enter(&mut browser, "not-the-key");
    shows(&mut browser, "wrong", "credential");
    browser.wait_for("all.hidden && !sessionStorage.length");
    enter(&mut browser, KEY);
    browser.wait_for("!all.hidden && key.hidden");
    shows(&mut browser, "health", "healthy");
    shows(&mut browser, "credentials", "token for a provider");
    shows(&mut browser, "upstreams", "1 of 1 host healthy");
    shows(&mut browser, "plugins", "as rendered");
    browser.wait_for("!/not running|not what/.test(plugins.innerText)");

    // What is not meant is not done; what is, is, for all.
    click(&mut browser, "Force spotify open");
    browser.wait_for("sure.open && document.activeElement.textContent === 'No'");
    browser.press("Escape", 27, "");
    browser.wait_for("!sure.open");
    assert_eq!(gateway.ask("/api/spotify/track/41Xji81wFy3cM7ggbGczQW").status, 200);
    change(&mut browser, "Force spotify open");
    shows(&mut browser, "said", "Before: closed.");
    browser.wait_for(&format!("{}.innerText.includes('forced open')", breaker("spotify")));
    shows(&mut browser, "health", "degraded");
    assert_eq!(gateway.ask("/api/spotify/track/0VjIjW4GlUZAMYd2vXMi3b").status, 503);
    change(&mut browser, "Reset spotify");
    browser.wait_for(&format!("{}.innerText.includes('closed')", breaker("spotify")));
    assert!(
        gateway.envoy.wait_for_log(r#""what":"breaker","target":"spotify","before":"forced_open","after":"reset""#)
    );

    let url = gateway.url("/api/spotify/track/41Xji81wFy3cM7ggbGczQW");
    browser.evaluate(&format!("url.value = {url:?}"));
    click(&mut browser, "Look");
    shows(&mut browser, "variants", "fresh");
    change(&mut browser, "Purge it");
    shows(&mut browser, "said", "Done");

    // The key outlives a reload, and nothing else.
    browser.evaluate("location.reload()");
    shows(&mut browser, "health", "healthy");
    click(&mut browser, "Forget the key");
    browser.wait_for(
        "all.hidden && !key.hidden && !sessionStorage.length && !breakers.textContent && !limits.textContent",
    );

    let complaints = browser.complaints();
    // A refused key is an answer of 401, of which every browser tells in its console.
    let of_us = complaints.iter().filter(|complaint| !complaint.contains("the server responded with a status of 401"));
    assert_eq!(of_us.collect::<Vec<_>>(), [] as [&String; 0]);
    let outside: Vec<_> =
        browser.requests().into_iter().filter(|asked| !asked.starts_with(&gateway.url("/"))).collect();
    assert!(outside.iter().all(|asked| asked.starts_with("about:")), "{outside:?}");
}

#[test]
fn a_filter_says_more_while_it_runs_and_only_that_one() {
    let gateway = Gateway::start();
    let mut browser = opened(&gateway);
    enter(&mut browser, KEY);
    browser.wait_for("!all.hidden");
    let choose = "document.querySelector('[aria-label=\"Log level of auth\"]')";
    browser.wait_for(&format!("Boolean({choose})"));
    browser.evaluate(&format!("{choose}.value = 'debug'; {choose}.dispatchEvent(new Event('change'))"));
    browser.wait_for("sure.open");
    click(&mut browser, "Yes");
    assert!(gateway.envoy.wait_for_log(r#""what":"log level","target":"auth","before":"info","after":"debug""#));
    browser.wait_for(&format!("{choose}.value === 'debug'"));
    // Each worker follows with its next tick: it is asked until one has.
    let refused = || gateway.send(&Request::get("/api/v1/prices/TEST-001").header("authorization", "Bearer x"));
    let said = || gateway.envoy.log().contains("answered 401 weir_auth");
    let deadline = proxy::deadline::Deadline::after(proxy::deadline::PATIENCE);
    assert!(deadline.wait_until(|| refused().status == 401 && said()), "{}", gateway.envoy.log());
    assert_eq!(gateway.ask("/admin/status").status, 401);
    assert!(!gateway.envoy.log().contains("answered 401 weir_unauthorized"), "admin has not been told to say so");
}

#[test]
fn it_can_be_used_in_a_narrow_window_in_the_dark_and_without_a_mouse() {
    let gateway = Gateway::start();
    gateway.ask("/api/spotify/track/41Xji81wFy3cM7ggbGczQW");
    gateway.ask("/api/spotify/track/41Xji81wFy3cM7ggbGczQW");
    let mut browser = opened(&gateway);
    picture(&mut browser, "form");
    enter(&mut browser, KEY);
    browser.wait_for("!all.hidden");
    shows(&mut browser, "limits", "spotify");
    change(&mut browser, "Force pricing open");
    browser.wait_for(&format!("{}.innerText.includes('forced open')", breaker("pricing")));
    let unnamed = "[...document.querySelectorAll('button, input, select, meter')].filter((one) => \
        !(one.ariaLabel || one.textContent.trim() && one.tagName === 'BUTTON' || one.labels?.length)).length";
    assert_eq!(browser.evaluate(unnamed), 0, "whatever can be used has a name");
    for (name, width, is_dark) in [("light", 1280, false), ("dark", 1280, true), ("narrow", 320, false)] {
        browser.resize(width, 900, is_dark);
        let beyond = browser.evaluate("document.documentElement.scrollWidth - innerWidth");
        assert!(beyond.as_i64().is_some_and(|beyond| beyond <= 0), "{name}: {beyond}");
        picture(&mut browser, name);
    }
    // What has the focus keeps it while the page is refreshed beneath.
    browser.evaluate("[...document.querySelectorAll('button')].find((one) => one.ariaLabel === 'Reset sona').focus()");
    let asked = browser.requests().len();
    while browser.requests().len() < asked + 3 {
        browser.evaluate("new Promise((done) => setTimeout(done, 100))");
    }
    assert_eq!(browser.evaluate("document.activeElement.ariaLabel"), "Reset sona");
    browser.press("Enter", 13, "\r");
    browser.wait_for("sure.open");
    picture(&mut browser, "question");
}

/// Leaves a picture of the page where a person may look at it.
fn picture(browser: &mut Browser, name: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/page");
    let picture = base64::decode(browser.screenshot().as_bytes()).expect("base64");
    assert!(picture.starts_with(b"\x89PNG"));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join(format!("{name}.png")), picture).expect("a file");
}
