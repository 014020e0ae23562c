//! What is kept stays whole, current and within its budget.

use proxy::{Client, Reply, Request};
use suite::player::play;
use suite::{HostStage, Scenario, check, parser};

use crate::{PLAIN, plain};

#[test]
fn an_unsafe_request_that_succeeds_ends_what_is_stored() {
    plain(
        r#"
        origin 200 cache-control=max-age=60 vary=x-kind body=one
        GET /a x-kind=1 -> 200
        GET /a x-kind=2 -> 200
        GET /b -> 200
        POST /a body=x -> 200 cache-status="weir; fwd=method"
        GET /a x-kind=1 -> 200 cache-status="weir; fwd=uri-miss; stored"
        GET /a x-kind=2 -> 200 cache-status="weir; fwd=vary-miss; stored"
        GET /b -> 200 cache-status~hit
        origin 500
        DELETE /a -> 500
        GET /a x-kind=1 -> 200 cache-status~hit
        origin 303 location=/b
        DELETE /a -> 303
        origin 200 body=gone
        GET /a x-kind=1 -> 200 body=gone
    "#,
    );
}

#[test]
fn a_response_asked_for_before_an_invalidation_is_not_stored_after_it() {
    plain(
        r#"
        origin /a 200 cache-control=max-age=60 body=old hold
        start GET /a as early
        saw GET /a
        origin /a 201 body=done
        POST /a body=x -> 201
        release /a
        finish early -> 200 body=old
        origin /a 200 cache-control=max-age=60 body=new
        GET /a -> 200 body=new cache-status="weir; fwd=uri-miss; stored"
        GET /a -> 200 body=new cache-status~hit
    "#,
    );
}

#[test]
fn a_broken_or_oversized_body_is_not_stored() {
    check(
        "cache",
        r#"{"routes": [{"match": {}}], "object_bytes_max": "1KiB"}"#,
        r#"
        origin /cut 200 cache-control=max-age=60 body=abcdef cut
        GET /cut -> cut
        origin /cut 200 cache-control=max-age=60 body=abcdef
        GET /cut -> 200 body=abcdef cache-status="weir; fwd=uri-miss; stored"
        GET /cut -> 200 body=abcdef cache-status~hit
        origin /half 200 cache-control=max-age=60 body=abc body=def cut
        GET /half -> cut
        origin /half 200 cache-control=max-age=60 body=abc body=def
        GET /half -> 200 body=abcdef cache-status="weir; fwd=uri-miss; stored"
        GET /half -> 200 body=abcdef cache-status~hit
        origin /large 200 cache-control=max-age=60 body="x"*2000
        2 times GET /large -> 200 cache-status="weir; fwd=uri-miss; detail=size"
        origin /long 200 cache-control=max-age=60 body="x"*600 body="y"*600
        2 times GET /long -> 200 cache-status~fwd=uri-miss
        origin /chunks 200 cache-control=max-age=60 body="x"*300 body="y"*300
        GET /chunks -> 200 cache-status~stored
        GET /chunks -> 200 content-length=600 body~xy cache-status~hit
    "#,
    );
}

/// Seven sets, each with a share of 128 KiB.
const SMALL: &str = r#"{"routes": [{"match": {}}], "budget_bytes": "1100KiB", "object_bytes_max": "16KiB"}"#;
const BUDGET: usize = 1100 << 10;

#[track_caller]
pub(crate) fn goes_on(stage: &mut HostStage, lines: &str) {
    let lines = parser::parse(lines).expect("the lines are well-formed");
    if let Err(fault) = play(stage, &lines) {
        panic!("{fault}");
    }
}

/// A GET for each of these numbers.
fn gets(numbers: std::ops::Range<usize>) -> String {
    numbers.fold(String::new(), |lines, number| lines + &format!("GET /flood/{number} -> 200\n"))
}

#[test]
fn a_flood_of_urls_stays_within_the_budget_and_spares_what_is_used() {
    let mut stage = Scenario::new(&[("cache", SMALL)]).host().expect("the host starts");
    goes_on(
        &mut stage,
        "origin 200 cache-control=max-age=600 body=\"0123456789abcdef\"*128\nGET /used -> 200\nGET /used -> 200",
    );
    goes_on(&mut stage, &gets(0..600));
    let (bytes, keys) = (stage.host.shared_bytes("weir"), stage.host.shared_keys("weir").len());
    assert!(bytes <= BUDGET, "{bytes} bytes");
    goes_on(&mut stage, &gets(600..2400));
    let (later_bytes, later_keys) = (stage.host.shared_bytes("weir"), stage.host.shared_keys("weir").len());
    assert!(later_bytes <= BUDGET && later_bytes * 10 >= bytes * 9, "{bytes} bytes, then {later_bytes}");
    // Beside the sets: what they have once, and the tables of flights.
    assert!(later_keys <= 7 * 65 + 2 + 128 && keys <= later_keys, "{keys} keys, then {later_keys}");
    goes_on(&mut stage, "GET /used -> 200 cache-status~hit\nGET /flood/2399 -> 200 cache-status~hit");
}

#[test]
fn variants_that_a_client_invents_stay_within_the_budget() {
    let mut stage = Scenario::new(&[("cache", SMALL)]).host().expect("the host starts");
    let flood = (0..300).fold(String::new(), |lines, kind| lines + &format!("GET /a x-kind={kind} -> 200\n"));
    goes_on(&mut stage, "origin 200 cache-control=max-age=600 vary=x-kind body=\"x\"*1000\n");
    goes_on(&mut stage, &flood);
    let held = stage.host.shared_bytes("weir");
    assert!(held <= BUDGET / 7 * 2, "one URL holds {held} bytes");
}

#[test]
fn a_smaller_budget_gives_memory_back_and_keeps_what_still_has_its_place() {
    let larger = SMALL.replace("1100KiB", "8MiB");
    let mut stage = Scenario::new(&[("cache", &larger)]).host().expect("the host starts");
    goes_on(&mut stage, "origin 200 cache-control=max-age=600 body=\"0123456789abcdef\"*256");
    goes_on(&mut stage, &gets(0..1500));
    let before = stage.host.shared_bytes("weir");
    stage.host.reload("cache", SMALL).expect("the configuration is good");
    let after = stage.host.shared_bytes("weir");
    assert!(before > 4 * BUDGET && after <= BUDGET, "{before} bytes, then {after}");
    goes_on(&mut stage, "GET /a -> 200\nGET /a -> 200 cache-status~hit");
    // Another cache has entries of its own.
    let other = r#"{"name": "other", "routes": [{"match": {}}]}"#;
    stage.host.reload("cache", other).expect("the configuration is good");
    goes_on(&mut stage, "GET /a -> 200 cache-status~other cache-status~uri-miss");
}

#[test]
fn a_crash_leaves_what_is_stored() {
    let mut stage = Scenario::new(&[("cache", PLAIN)]).host().expect("the host starts");
    goes_on(&mut stage, "origin 200 cache-control=max-age=600 body=x\nGET /a @1 -> 200");
    stage.host.crash(0, "cache");
    stage.host.advance(std::time::Duration::from_secs(5));
    goes_on(
        &mut stage,
        "eventually GET /a @1 -> 200 body=x cache-status~hit\nGET /a @2 -> 200 body=x cache-status~hit",
    );
}

/// The keys of all objects, and what stands there.
pub(crate) fn objects(stage: &HostStage) -> Vec<(Vec<u8>, Vec<u8>)> {
    let keys = stage.host.shared_keys("weir").into_iter();
    // `weir.cache.<name>.<set>.<slot>`, as against `weir.cache.<name>.<set>`.
    let keys = keys.filter(|key| key.starts_with(b"weir.cache.weir.") && key.split(|byte| *byte == b'.').count() == 5);
    keys.map(|key| (key.clone(), stage.host.shared_data("weir", &key).unwrap_or_default().to_vec())).collect()
}

#[test]
fn what_is_being_replaced_answers_until_it_is() {
    let mut stage = Scenario::new(&[("cache", PLAIN)]).host().expect("the host starts");
    let mut written = Vec::new();
    for body in ["one", "two", "three"] {
        goes_on(
            &mut stage,
            &format!(
                "origin /a 200 cache-control=max-age=600 body={body}
                 GET /a cache-control=no-cache -> 200 body={body} cache-status~stored
                 GET /a -> 200 body={body} cache-status~hit"
            ),
        );
        written.extend(objects(&stage));
    }
    let [(first, one), (second, two), (third, _)] = written.as_slice() else { panic!("one object at a time") };
    assert_eq!([first, second], [third, third], "in one place");
    // The directory has the third, which has not been written yet.
    stage.host.set_shared_data("weir", third, two.clone());
    goes_on(&mut stage, "2 times GET /a -> 200 body=two cache-status~hit");
    stage.host.set_shared_data("weir", third, one.clone());
    goes_on(&mut stage, "GET /a -> 200 body=three cache-status~uri-miss");
}

#[test]
fn what_cannot_be_read_is_taken_out_when_it_is_met() {
    let mut stage = Scenario::new(&[("cache", PLAIN)]).host().expect("the host starts");
    goes_on(
        &mut stage,
        "origin /a 200 cache-control=max-age=600 body=x\nGET /a @1 -> 200\nGET /a @1 -> 200 cache-status~hit",
    );
    let [(key, mut bytes)] = objects(&stage).try_into().expect("one object");
    // Behind what all entries begin with, and three parts of these lengths, its headers begin with their number.
    let length = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("a length")) as usize;
    let headers = 52 + length(12) + length(16) + length(20);
    bytes[headers..headers + 4].fill(0xff);
    stage.host.set_shared_data("weir", &key, bytes);
    // The other worker has no copy of its own.
    goes_on(
        &mut stage,
        "GET /a @2 -> 200 body=x cache-status='weir; fwd=bypass; detail=unreadable'
         GET /a @2 -> 200 body=x cache-status='weir; fwd=uri-miss; stored'
         GET /a @2 -> 200 body=x cache-status~hit
         GET /a @1 -> 200 body=x cache-status~hit
         saw 2",
    );
}

/// The keys of a set's directory and of one of its objects, and what stands there.
fn place(stage: &HostStage) -> [(Vec<u8>, Vec<u8>); 2] {
    let [(object, bytes)] = objects(stage).try_into().expect("one object");
    let end = object.iter().rposition(|byte| *byte == b'.').expect("a key of a set");
    let directory = object[..end].to_vec();
    let stands = stage.host.shared_data("weir", &directory).expect("a directory").to_vec();
    [(directory, stands), (object, bytes)]
}

#[test]
fn two_workers_that_store_at_once_leave_one_whole_entry() {
    let mut stage = Scenario::new(&[("cache", PLAIN)]).host().expect("the host starts");
    goes_on(
        &mut stage,
        "origin /a 200 cache-control=max-age=600 body=one
         GET /a @1 -> 200 body=one
         origin /a 200 cache-control=max-age=600 body=two
         GET /a cache-control=no-cache @1 -> 200 body=two cache-status~stored",
    );
    let later = place(&stage);
    // Once more, and the second is faster than the first with all that it does.
    for (key, _) in &later {
        stage.host.set_shared_data("weir", key, b"");
    }
    stage.host.overtake_shared_change(later[1].0.clone(), later.to_vec());
    goes_on(
        &mut stage,
        "origin /a 200 cache-control=max-age=600 body=one
         GET /a @2 -> 200 body=one
         GET /a @2 -> 200 body=two cache-status~hit",
    );
    assert_eq!(place(&stage)[1], later[1]);
    // One worker drops what is stored, another stores something in its place before that is emptied.
    goes_on(
        &mut stage,
        "origin /a 200 cache-control=max-age=600 body=three
         GET /a cache-control=no-cache @1 -> 200 body=three cache-status~stored",
    );
    let later = place(&stage);
    stage.host.overtake_shared_change(later[1].0.clone(), newer(&later));
    goes_on(&mut stage, "origin /a 204\nDELETE /a @2 -> 204");
    assert_eq!(objects(&stage)[0].1, newer(&later)[0].1, "is not the former one's to empty");
}

/// The object with a later ticket.
fn newer(place: &[(Vec<u8>, Vec<u8>); 2]) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (key, mut bytes) = place[1].clone();
    bytes[28] += 100;
    vec![(key, bytes)]
}

#[test]
fn a_write_that_was_broken_off_is_as_if_nothing_was_stored() {
    let mut stage = Scenario::new(&[("cache", PLAIN)]).host().expect("the host starts");
    goes_on(
        &mut stage,
        "origin /a 200 cache-control=max-age=600 body=aaaa
         origin /b 200 cache-control=max-age=600 body=bbbb
         GET /a -> 200
         GET /b -> 200",
    );
    let whole = objects(&stage);
    assert_eq!(whole.len(), 2);
    let (first, second) = (&whole[0].1, &whole[1].1);
    // The directory knows of an object that was never written, is another one's, an older one's, or was cut.
    let mut older = first.clone();
    older[28] ^= 1;
    let broken =
        [Vec::new(), first[..first.len() / 2].to_vec(), first[..first.len() - 1].to_vec(), second.clone(), older];
    for bytes in broken {
        stage.host.set_shared_data("weir", &whole[0].0, bytes.clone());
        stage.host.set_shared_data("weir", &whole[1].0, bytes);
        goes_on(
            &mut stage,
            "GET /a -> 200 body=aaaa
             GET /b -> 200 body=bbbb
             GET /a -> 200 body=aaaa cache-status~hit
             GET /b -> 200 body=bbbb cache-status~hit",
        );
    }
}

#[test]
fn a_client_that_leaves_spoils_nothing() {
    plain(
        r"
        origin /a 200 cache-control=max-age=60 body=whole hold
        start GET /a as early
        saw GET /a
        leave early
        release /a
        origin /a 200 cache-control=max-age=60 body=whole
        GET /a -> 200 body=whole
        GET /a -> 200 body=whole cache-status~hit
    ",
    );
}

#[test]
fn workers_that_store_at_once_mix_nothing_up() {
    let config = r#"{"routes": [{"match": {}}], "budget_bytes": "160KiB", "object_bytes_max": "100KiB"}"#;
    let stage = Scenario::new(&[("cache", config)]).workers(4).envoy().expect("Envoy starts");
    let body = |url: usize| format!("{url:03}").repeat(300 + url * 500).into_bytes();
    for url in 0..30 {
        let reply = Reply::status(200).header("cache-control", "max-age=600").body(body(url));
        stage.origin.answer(Some(&format!("/{url}")), reply);
    }
    let address = stage.envoy.address();
    std::thread::scope(|scope| {
        for client in 0..8 {
            scope.spawn(move || {
                let mut connection = Client::connect(address).expect("Envoy listens");
                for step in 0..150 {
                    let url = (step * 7 + client * 3) % 30;
                    let answer = connection.call(&Request::get(&format!("/{url}"))).expect("Envoy answers");
                    assert_eq!(answer.body, body(url), "/{url}");
                }
            });
        }
    });
    assert!(stage.origin.received().len() < 8 * 150, "nothing was ever reused");
    assert!(!stage.envoy.log().contains("not writable"), "{}", stage.envoy.log());
}

#[test]
fn shared_data_that_fails_is_counted_and_keeps_nobody_from_an_answer() {
    let mut stage = Scenario::new(&[("cache", PLAIN)]).workers(1).host().expect("the host starts");
    suite::stage::Stage::answer(&mut stage, None, Reply::status(200).header("cache-control", "max-age=60").body("x"));
    let host = &mut stage.host;
    let errors = |host: &host::Host, operation: &str| {
        let all = host.metrics();
        let is_one = |name: &str| name.starts_with("api_gateway_cache_errors_total") && name.contains(operation);
        all.iter().filter(|(name, _)| is_one(name)).map(|(_, metric)| metric.value()).sum::<u64>()
    };
    let ask = |host: &mut host::Host, path: &str| host.send(0, host::Request::get(path)).status();
    assert_eq!(ask(host, "/a"), Some(200));
    assert_eq!((errors(host, "read"), errors(host, "write")), (0, 0));
    host.fail_shared_data(true);
    assert_eq!((ask(host, "/a"), errors(host, "read")), (Some(200), 1));
    host.fail_shared_data(false);
    // Memory that can be read, and takes nothing more.
    host.limit_shared_changes(0);
    assert_eq!(ask(host, "/b"), Some(200));
    assert!(errors(host, "write") > 0, "{:?}", host.metrics());
}
