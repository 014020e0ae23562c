//! A batch: several requests in one, each with its own answer, and nothing asked for that is not on the list.

use host::Request;
use suite::Scenario;

const BATCH: &str = r#"{"compositions": [{"name": "batch", "match": {"path": "/api/batch"}, "at_once": 3, "deadline": "3s", "body_max": 4096,
    "batch": {"most": 50, "calls": [{"methods": ["POST"], "template": "/api/{provider}/search"}, {"methods": ["GET"], "prefix": "/api/x/"}]}}]}"#;

fn scenario() -> Scenario {
    Scenario::new(&[("compose", BATCH)]).cluster("weir_internal")
}

/// A batch of the track of each of these numbers.
fn of_tracks(numbers: impl IntoIterator<Item = usize>) -> String {
    let item = |number| format!(r#"{{"method":"GET","path":"/api/x/track/{number}"}}"#);
    format!(r#"{{"requests":[{}]}}"#, numbers.into_iter().map(item).collect::<Vec<_>>().join(","))
}

#[test]
fn each_request_has_its_own_answer_in_its_place() {
    scenario().check(
        r#"
        origin /api/x/search 200 body='{"results":[ 1.50 ]}'
        origin /api/x/gone 404 body='{"error":{"code":"NOT_FOUND","message":"Not found"}}'
        origin /api/x/slow 429 retry-after=7 body='{"error":{"code":"RATE_LIMITED","retry_after":7}}'
        origin /api/x/text 200 content-type=text/plain body="all is well"
        origin /api/x/bytes 200 body="\xff\xfe"
        origin /api/x/page 503 content-type=text/html body="<h1>no</h1>"
        origin /api/x/nothing 204
        origin /api/x/reset reset
        POST /api/batch x-request-id=req-1 x-weir-user=alice x-weir-tier=pro cookie=a=b body='{"requests":[ \
            {"method":"POST","path":"/api/x/search","body":{"title":"Strobe","artist":"deadmau5"}}, \
            {"method":"GET","path":"/api/x/gone"}, {"method":"GET","path":"/api/x/slow"}, {"method":"GET","path":"/api/x/text"}, \
            {"method":"GET","path":"/api/x/bytes"}, {"method":"GET","path":"/api/x/page?a=/../b"}, {"method":"GET","path":"/api/x/nothing"}, \
            {"method":"GET","path":"/api/x/reset"}, {"path":"/api/x/search","body":{"artist":"deadmau5","title":"Strobe"},"method":"POST"}]}' \
            -> 200 content-type=application/json x-weir-completeness='partial; failed="requests"' \
               body.responses.0.status=200 body.responses.0.body.results.0=1.5 body~'{"results":[ 1.50 ]}' \
               body.responses.1.status=404 body.responses.1.body.error.code=NOT_FOUND \
               body.responses.2.status=429 body.responses.2.retry_after=7 body.responses.2.body.error.retry_after=7 \
               body.responses.3.status=200 body.responses.3.body="all is well" \
               body.responses.4.status=502 body.responses.4.body.error.code=PROXY_ERROR body.responses.4.body.error.request_id=req-1 \
               body.responses.5.status=503 body.responses.5.body.error.code=SERVICE_UNAVAILABLE !body~h1 \
               body.responses.6.status=204 body.responses.6.body=null \
               body.responses.7.status~50 body.responses.7.body.error.code=* \
               body.responses.8.status=200 body.responses.8.body.results.0=1.5
        saw 8
        POST /api/batch x-request-id=req-2 x-weir-user=alice cookie=a=b body='{"requests":[{"method":"POST","path":"/api/x/search","body":{"b":1,"a":2}}]}' \
            -> 200 x-weir-completeness=complete
        saw POST /api/x/search x-request-id=req-2 x-weir-user=alice content-type=application/json !cookie body='{"a":2,"b":1}'
        metric api_gateway_compositions_total{operation=batch,outcome=complete} 1
        metric api_gateway_compositions_total{operation=batch,outcome=partial} 1
        "#,
    );
}

#[test]
fn what_is_wrong_with_a_batch_is_named_and_nothing_is_sent() {
    let item =
        |item: &str| format!(r#"POST /api/batch body='{{"requests":[{{"method":"GET","path":"/api/x/a"}},{item}]}}'"#);
    let path = |path: &str| item(&format!(r#"{{"method":"GET","path":"{path}"}}"#));
    let mut lines = String::new();
    let mut says = |request: String, message: &str| {
        lines.push_str(&format!("{request} -> 400 body.error.code=BAD_REQUEST body.error.message~\"{message}\"\n"));
    };
    says(format!("POST /api/batch body='{}'", of_tracks(0..51)), "requests: must have 1 to 50 items, has 51");
    says(
        item(r#"{"method":"GET","path":"/api/x/a","headers":{"x-weir-user":"root"}}"#),
        "requests[1].headers: is unknown",
    );
    says(item(r#"{"method":"DELETE","path":"/api/x/a"}"#), "requests[1].method: must be one");
    says(item(r#"{"method":"GET","path":7}"#), "requests[1].path: must be a text");
    says(
        item(r#"{"method":"POST","path":"/api/batch","body":{}}"#),
        "requests[1].path: is not what a batch may ask for",
    );
    says(path("/admin/circuit-breakers"), "requests[1].path: is not what a batch may ask for");
    for elsewhere in [
        "/api/x/../../admin",
        "/api/x/%2e%2e/%2e%2e/admin",
        "/api/x/..%2f..%2fadmin",
        "/api/x/a%5c..%5cb",
        "/api/x//a",
        "//evil.example/api/x/a",
        "http://evil.example/api/x/a",
        "/api/x/a#b",
        "/api/x/a\\r\\nx-weir-user: root",
        "/api/x/a b",
        "api/x/a",
        "/api/x/%00",
    ] {
        says(path(elsewhere), "requests[1].path: must be a path as it is sent");
    }
    says("POST /api/batch body='{}'".to_owned(), "requests: is missing");
    says("POST /api/batch".to_owned(), "body: is missing");
    scenario().check(&format!("{lines}POST /api/batch body=\"[\"*5000 -> 413\nsaw nothing"));
}

#[test]
fn what_is_not_done_at_the_deadline_is_a_timeout_of_its_own() {
    scenario().check(&format!(
        r#"
        origin 200 body='{{"id":"x"}}'
        origin /api/x/track/1 200 hold body='{{"id":"late"}}'
        POST /api/batch x-request-id=req-1 body='{}' -> 200 x-weir-completeness='partial; failed="requests"' body.responses.0.body.id=x \
            body.responses.1.status=504 body.responses.1.body.error.code=TIMEOUT body.responses.1.body.error.request_id=req-1 \
            body.responses.2.status=200 body.responses.3.status=504
        saw 3
        "#,
        of_tracks([0, 1, 2, 1])
    ));
}

#[test]
fn no_more_are_under_way_than_may_be_and_a_client_that_leaves_asks_for_nothing_more() {
    scenario().check(&format!(
        r#"
        origin 200 hold body='{{"id":"x"}}'
        start POST /api/batch body='{}' as batch
        saw 3
        leave batch
        release
        # Those that were under way end, and no other begins.
        origin 200 body='{{}}'
        POST /api/batch body='{}' -> 200 x-weir-completeness=complete
        saw 1
        "#,
        of_tracks(0..50),
        of_tracks([99])
    ));
}

#[test]
fn fifty_answers_that_are_too_long_together_are_not_all_told() {
    scenario().check(&format!(
        r#"
        origin 200 body="x"*60000
        POST /api/batch body='{}' -> 200 content-length<=1060000 content-length>=1000000 body~"too long together"
        saw 50
        "#,
        of_tracks(0..50)
    ));
}

/// Batches are bounded as compositions are: one worker has five hundred under way, and says 503 to the next.
#[test]
fn a_flood_of_batches_is_turned_away() {
    let few = BATCH.replacen('{', r#"{"running_max": 2, "#, 1);
    Scenario::new(&[("compose", &few)]).workers(1).cluster("weir_internal").check(&format!(
        r"
        origin 200 hold body='{{}}'
        start POST /api/batch body='{batch}' as one
        start POST /api/batch body='{batch}' as two
        saw 6
        POST /api/batch body='{batch}' -> 503 retry-after=1 body.error.code=SERVICE_UNAVAILABLE
        saw nothing
        release
        ",
        batch = of_tracks(0..3)
    ));
}

/// A batch has nothing to take back: what its worker has begun ends with it, and the next worker knows nothing of it.
#[test]
fn a_worker_that_dies_leaves_nothing_behind() {
    let mut stage = scenario().host().expect("the host starts");
    let mut held = proxy::Reply::status(200);
    held.held = true;
    suite::stage::Stage::answer(&mut stage, None, held);
    let host = &mut stage.host;
    host.send(0, Request::new("POST", "/api/batch").body(of_tracks(0..9)));
    host.advance(std::time::Duration::from_millis(10));
    assert_eq!(host.held().len(), 3);
    host.crash(0, "compose");
    for _ in 0..20 {
        host.advance(std::time::Duration::from_secs(1));
    }
    assert_eq!(host.arrivals().len(), 3, "nobody goes on with it");
}
