//! The correlation filter: which ids, which trace and which agent a request goes by, and where they are then told.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::unwrap_used)]

use std::fmt::Write;

use suite::{Scenario, check, check_chain, refuses};

/// The lines, to the filter without a configuration.
#[track_caller]
fn by_default(lines: &str) {
    check("correlation", "{}", lines);
}

#[test]
fn a_request_without_ids_is_given_some_and_its_answer_tells_them() {
    by_default(
        r"
        GET / -> 200 x-request-id=$one x-correlation-id=$one x-request-id~/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
        saw GET / x-request-id=$one x-correlation-id=$one
        GET / -> 200 x-request-id!=$one
        saw GET / x-request-id!=$one x-correlation-id!=$one
        metric api_gateway_correlation_requests_total{source=made} 2
    ",
    );
}

#[test]
fn well_formed_ids_are_taken_over() {
    by_default(
        r"
        GET / x-request-id=job-7 x-correlation-id=work_1.2 -> 200 x-request-id=job-7 x-correlation-id=work_1.2
        saw GET / x-request-id=job-7 x-correlation-id=work_1.2
        GET / x-request-id=job-8 -> 200 x-request-id=job-8 x-correlation-id=job-8
        saw GET / x-request-id=job-8 x-correlation-id=job-8
        GET / x-correlation-id=work-2 -> 200 x-request-id=$made x-correlation-id=work-2
        saw GET / x-request-id=$made x-correlation-id=work-2
        metric api_gateway_correlation_requests_total{source=client} 2
        metric api_gateway_correlation_requests_total{source=made} 1
    ",
    );
}

#[test]
fn an_edge_that_faces_strangers_goes_by_its_own_ids_and_traces() {
    check(
        "correlation",
        r#"{"client_ids": "replace", "client_traces": "restart"}"#,
        r"
        GET / x-request-id=a x-correlation-id=b traceparent=00-12345678901234567890123456789012-1234567890123456-01 \
            tracestate=foo=1 -> 200 x-request-id=$made x-correlation-id=$made x-request-id!=a
        saw GET / x-request-id=$made x-correlation-id=$made !traceparent~12345678901234567890123456789012 !tracestate
        metric api_gateway_correlation_traces_restarted_total 0
    ",
    );
}

#[test]
fn a_repeated_or_malformed_id_is_replaced() {
    by_default(
        r#"
        GET / x-request-id=a x-request-id=a x-correlation-id=b x-correlation-id=b -> 200 x-request-id=$one x-correlation-id=$one
        saw GET / x-request-id=$one x-correlation-id=$one x-request-id!=a
        GET / x-request-id="\xff\xfe" x-correlation-id="\xff\xfe" -> 200 x-request-id=$two x-correlation-id=$two
        saw GET / x-request-id=$two x-correlation-id=$two
        GET / x-request-id="" x-correlation-id="" -> 200 x-request-id=$three x-correlation-id=$three
        saw GET / x-request-id=$three x-correlation-id=$three
        GET / x-request-id="a b" x-correlation-id='"}' -> 200 x-request-id=$four x-correlation-id=$four
        saw GET / x-request-id=$four x-correlation-id=$four
        GET / x-request-id="a"*129 x-correlation-id="a"*128 -> 200 x-request-id=$five x-correlation-id="a"*128
        saw GET / x-request-id=$five x-correlation-id="a"*128
        GET / x-request-id=fine -> 200 x-request-id=fine
    "#,
    );
}

#[test]
fn sixty_kilobytes_in_any_header_that_is_read_do_no_harm() {
    by_default(
        r#"
        GET / x-request-id="a"*59000 -> 200 x-request-id~/^[0-9a-f-]{36}$/
        GET / x-correlation-id="a"*59000 -> 200 x-correlation-id~/^[0-9a-f-]{36}$/
        GET / traceparent="0"*59000 -> 200
        saw GET / traceparent~/^00-[0-9a-f]{32}-[0-9a-f]{16}-02$/
        GET / traceparent=00-12345678901234567890123456789012-1234567890123456-01 tracestate="a=1,"*14000 -> 200
        saw GET / !tracestate
        GET / x-ai-agent="a"*59000 -> 200
        state wasm.weir.agent="a"*64
        GET / user-agent="GPTBo"*11000 -> 200
        state !wasm.weir.agent
        GET / user-agent="\xff\xfe" x-ai-agent="\xff\xfe" ai-agent-id="\xff\xfe" tracestate="\xff\xfe" traceparent="\xff\xfe" -> 200
        saw GET / !tracestate traceparent~/^00-[0-9a-f]{32}-[0-9a-f]{16}-02$/
        GET / x-request-id=fine -> 200 x-request-id=fine
    "#,
    );
}

#[test]
fn a_valid_trace_goes_on_under_a_parent_of_ours() {
    by_default(
        r"
        GET / traceparent=00-12345678901234567890123456789012-1234567890123456-01 tracestate=foo=1,bar=2 -> 200
        saw GET / traceparent~/^00-12345678901234567890123456789012-(?<first>[0-9a-f]{16})-01$/ tracestate=foo=1,bar=2 \
            !traceparent~1234567890123456-01
        state wasm.weir.trace_id=12345678901234567890123456789012
        GET / traceparent=00-12345678901234567890123456789012-1234567890123456-03 tracestate=foo=1 tracestate=bar=2 -> 200
        saw GET / traceparent~/^00-12345678901234567890123456789012-[0-9a-f]{16}-03$/ tracestate=foo=1,bar=2 !traceparent~$first
        GET / traceparent=cc-12345678901234567890123456789012-1234567890123456-ff-what-comes -> 200
        saw GET / traceparent~/^00-12345678901234567890123456789012-[0-9a-f]{16}-03$/
        metric api_gateway_correlation_traces_restarted_total 0
    ",
    );
}

#[test]
fn a_trace_that_is_not_valid_restarts_without_its_state() {
    by_default(
        r"
        GET / traceparent=00-12345678901234567890123456789012-1234567890123456-01-x tracestate=foo=1 -> 200
        saw GET / traceparent~/^00-[0-9a-f]{32}-[0-9a-f]{16}-02$/ !traceparent~12345678901234567890123456789012 !tracestate
        GET / traceparent=ff-12345678901234567890123456789012-1234567890123456-01 tracestate=foo=1 -> 200
        saw GET / traceparent~/^00-[0-9a-f]{32}-[0-9a-f]{16}-02$/ !traceparent~12345678901234567890123456789012 !tracestate
        GET / traceparent=00-12345678901234567890123456789011-1234567890123456-01 \
            traceparent=00-12345678901234567890123456789012-1234567890123456-01 tracestate=foo=1 -> 200
        saw GET / traceparent~/^00-(?<trace>[0-9a-f]{32})-[0-9a-f]{16}-02$/ !traceparent~1234567890123456789012345678901 !tracestate
        state wasm.weir.trace_id=$trace
        metric api_gateway_correlation_traces_restarted_total 3
        GET / tracestate=foo=1 -> 200
        saw GET / traceparent~/^00-[0-9a-f]{32}-[0-9a-f]{16}-02$/ !tracestate
        metric api_gateway_correlation_traces_restarted_total 3
    ",
    );
}

#[test]
fn a_state_that_is_not_valid_is_dropped_and_the_trace_goes_on() {
    by_default(
        r#"
        GET / traceparent=00-12345678901234567890123456789012-1234567890123456-00 tracestate=FOO=1 -> 200
        saw GET / traceparent~/^00-12345678901234567890123456789012-[0-9a-f]{16}-00$/ !tracestate
        GET / traceparent=00-12345678901234567890123456789012-1234567890123456-00 tracestate=foo=1 tracestate="" -> 200
        saw GET / traceparent~12345678901234567890123456789012 tracestate=foo=1
        GET / traceparent=00-12345678901234567890123456789012-1234567890123456-00 tracestate="foo=1 \t , \t bar=2, baz=3" -> 200
        saw GET / traceparent~12345678901234567890123456789012 tracestate=foo=1,bar=2,baz=3
        GET / traceparent=00-12345678901234567890123456789012-1234567890123456-00 tracestate="" -> 200
        saw GET / traceparent~12345678901234567890123456789012 !tracestate
    "#,
    );
}

#[test]
fn what_an_upstream_echoes_is_overruled() {
    by_default(
        r"
        origin 200 x-request-id=theirs x-request-id=theirs x-correlation-id=theirs x-correlation-id=theirs
        GET / x-request-id=ours x-correlation-id=work -> 200 x-request-id=ours x-correlation-id=work
    ",
    );
}

#[test]
fn an_answer_of_the_proxy_itself_tells_the_ids() {
    by_default(
        r"
        origin reset
        GET / x-request-id=ours x-correlation-id=work -> 503 x-request-id=ours x-correlation-id=work
        GET / -> 503 x-request-id=$made x-correlation-id=$made
    ",
    );
}

#[test]
fn an_answer_of_another_filter_tells_the_ids() {
    let breaker = r#"{"breakers": {"a": {"consecutive_failures": 1}}, "routes": [{"upstream": "a"}]}"#;
    check_chain(
        &[("correlation", "{}"), ("breaker", breaker)],
        r"
        origin 500
        GET / -> 500
        GET / x-request-id=ours x-correlation-id=work -> 503 x-request-id=ours x-correlation-id=work body.error.request_id=ours
        GET / -> 503 x-request-id=$made x-correlation-id=$made body.error.request_id=$made
    ",
    );
}

#[test]
fn an_agent_is_known_by_what_it_says_of_itself() {
    by_default(
        r#"
        GET / x-ai-agent=planner-7 ai-agent-id=other user-agent=GPTBot/1.2 -> 200
        state wasm.weir.agent=planner-7
        GET / ai-agent-id='a"b' user-agent=GPTBot/1.2 -> 200
        state wasm.weir.agent=a_b
        GET / user-agent="Mozilla/5.0 (compatible; gptbot/1.2; +https://example.org)" -> 200
        state wasm.weir.agent=GPTBot
        GET / user-agent=curl/8.5.0 -> 200
        state !wasm.weir.agent
    "#,
    );
    check(
        "correlation",
        r#"{"agents": ["ShopBot"]}"#,
        r"
        GET / user-agent=shopbot -> 200
        state wasm.weir.agent=ShopBot
        GET / user-agent=GPTBot -> 200
        state !wasm.weir.agent
    ",
    );
}

#[test]
fn ids_are_offered_to_the_access_log() {
    by_default(
        r"
        GET / x-request-id=job-7 x-correlation-id=work -> 200
        state wasm.weir.request_id=job-7 wasm.weir.correlation_id=work
        GET / -> 200 x-request-id=$made
        state wasm.weir.request_id=$made wasm.weir.correlation_id=$made
    ",
    );
}

#[test]
fn many_requests_have_as_many_ids() {
    let mut lines = String::new();
    for n in 0..300 {
        let _ = writeln!(lines, "GET / -> 200 x-request-id=$id{n}");
        if n > 0 {
            let _ = writeln!(lines, "saw GET / x-request-id!=$id{}", n - 1);
        }
    }
    Scenario::new(&[("correlation", "{}")]).check(&lines);
}

#[test]
fn a_configuration_with_a_mistake_is_refused() {
    refuses("correlation", r#"{"client_ids": "trust"}"#, "client_ids: unknown variant `trust`");
    refuses("correlation", r#"{"agents": ["x"]}"#, "agents[0]: must be 3 to 64 of");
}
