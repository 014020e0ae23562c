//! Who guesses an operator's key: a few times, and then no key of theirs is looked at for a while.

use suite::{Scenario, check};

use super::{BY_KEY, operator};

#[test]
fn after_ten_wrong_keys_none_is_looked_at_on_any_worker() {
    check(
        "admin",
        BY_KEY,
        r"
        10 times GET /admin/circuit-breakers x-admin-key=wrong -> 401 body.error.code=AUTH_FAILED
        # A wrong one is forgotten in a second; these are more than that.
        15 times GET /admin/circuit-breakers x-admin-key=wrong -> 4xx
        GET /admin/circuit-breakers x-admin-key=a-key-of-the-suite -> 429 body.error.code=RATE_LIMITED retry-after=1
        POST /admin/circuit-breakers/reset-all x-admin-key=a-key-of-the-suite -> 429
        GET /admin/circuit-breakers -> 401
        GET /health -> 200
        metric api_gateway_admin_requests_total{outcome=wrong} >=10
        metric api_gateway_admin_requests_total{outcome=limited} >=2
    ",
    );
}

#[test]
fn a_guess_is_forgotten_in_a_second_and_nobody_else_is_kept_out() {
    let both = BY_KEY.replace(r#""key_sha256""#, r#""role": "operator", "key_sha256""#);
    let guesses = "GET /admin/circuit-breakers x-admin-key=wrong";
    let right = "GET /admin/circuit-breakers x-admin-key=a-key-of-the-suite";
    Scenario::new(&[("admin", &both)]).workers(4).host_only("a real clock does not stand still").check(&operator(
        &format!(
            r"
        10 times {guesses} -> 401
        8 times {guesses} -> 429
        4 times {right} -> 429 retry-after=1
        {right} from:127.0.0.2 -> 200
        GET /admin/circuit-breakers OPERATOR -> 200
        advance 1s
        {right} -> 200
        {guesses} -> 401
        {right} -> 429
        advance 1m
        10 times {right} -> 200
        10 times {guesses} -> 401
        {right} -> 429
        # A clock that steps back keeps nobody out.
        back 1h
        {right} -> 200
        metric api_gateway_admin_requests_total{{outcome=wrong}} 21
        metric api_gateway_admin_requests_total{{outcome=limited}} 14
    "
        ),
    ));
}

/// Addresses and keys of any number: the table is as long as it is.
#[test]
fn guesses_of_many_addresses_take_no_more_memory_than_those_of_one() {
    let mut stage = Scenario::new(&[("admin", BY_KEY)]).workers(1).host().expect("the host starts");
    let host = &mut stage.host;
    let mut guess = |number: u32| {
        let from = format!("10.{}.{}.{}:7", number >> 16 & 255, number >> 8 & 255, number & 255);
        let request = host::Request::get("/admin/status").header("x-admin-key", format!("guess {number}"));
        host.send(0, request.property("source.address", from));
        host.shared_bytes("weir")
    };
    let one = guess(0);
    let all: Vec<_> = (1..2000).map(guess).collect();
    assert!(all.iter().all(|bytes| *bytes == one), "{one} bytes, and at most {:?}", all.iter().max());
}
