//! What one request is known by, from its first header to the last line that is logged about it.

use std::borrow::Cow;

use policy::handover::header;
use policy::headers::Sole;
use policy::{Headers, RequestId};

use crate::agent;
use crate::config::{ClientIds, ClientTraces, Config};
use crate::traceparent::Traceparent;
use crate::tracestate;

/// The randomness that an identity may need.
#[derive(Clone, Copy)]
pub struct Random {
    /// For a request id.
    pub id: [u8; 16],
    /// For a trace id.
    pub trace: [u8; 16],
    /// For a parent id.
    pub parent: [u8; 8],
}

/// Everything that one request is known by.
#[derive(Debug)]
pub struct Identity<'a> {
    /// The request's id, and where it is from.
    pub request_id: RequestId,
    /// Where the request's id is from.
    pub source: Source,
    /// The id of the work that the request is part of.
    pub correlation_id: RequestId,
    /// The trace that the request is part of.
    pub trace: Traceparent,
    /// How the request came into the trace.
    pub began: Began,
    /// Which AI agent calls, as text that is safe to log.
    pub agent: Option<Cow<'a, str>>,
    edits: [Option<Edit>; 4],
}

/// Where an id is from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// The client sent it.
    Client,
    /// It was made here.
    Made,
}

/// How a request came into its trace.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Began {
    /// The client is in it.
    Continued,
    /// The client is in none, or its trace is not to go on.
    Started,
    /// What the client sent is not valid.
    Restarted,
}

/// A change to headers.
#[derive(Debug, Eq, PartialEq)]
pub enum Edit {
    /// This name, which does not stand there yet, stands for this value. To replace a header, Envoy first makes an index
    /// of all of them; to add one, it does not.
    Add(&'static str, Vec<u8>),
    /// This name stands for this value alone, whatever it was before.
    Set(&'static str, Vec<u8>),
    /// This name does not stand there.
    Remove(&'static str),
}

impl<'a> Identity<'a> {
    /// Takes over what a client sent where it is well-formed and the configuration says so, and makes the rest of
    /// `random`.
    pub fn of(config: &'a Config, headers: &Headers, random: Random) -> Self {
        let sent = Sent::of(headers);
        let taken = |sent: Sole<'_>| match (config.client_ids, sent) {
            (ClientIds::Accept, Sole::Value(value)) => RequestId::parse(value),
            _ => None,
        };
        let mut edits = [const { None }; 4];
        let [request_edit, correlation_edit, parent_edit, state_edit] = &mut edits;
        let (request_id, source) = match taken(sent.request_id) {
            Some(id) => (id, Source::Client),
            None => (RequestId::from_random(random.id), Source::Made),
        };
        if source == Source::Made {
            *request_edit = Some(edit(header::REQUEST_ID, request_id.as_str().into(), sent.request_id));
        }
        let correlation_id = taken(sent.correlation_id).unwrap_or_else(|| {
            *correlation_edit = Some(edit(header::CORRELATION_ID, request_id.as_str().into(), sent.correlation_id));
            request_id.clone()
        });
        let (trace, began) = trace(config.client_traces, sent.traceparent, random.trace);
        *parent_edit = Some(edit(header::TRACEPARENT, trace.header(random.parent).into(), sent.traceparent));
        *state_edit = match (sent.tracestate, began) {
            (Sole::Absent, _) => None,
            (sent, Began::Continued) => carry_on(headers, sent),
            (_, Began::Started | Began::Restarted) => Some(Edit::Remove(header::TRACESTATE)),
        };
        let agent = sent.agent(config);
        Self { request_id, source, correlation_id, trace, began, agent, edits }
    }

    /// The identity of a request whose headers the host does not show: everything is made, nothing is handed on.
    pub fn of_unreadable(config: &'a Config, random: Random) -> Self {
        let mut identity = Self::of(config, &Headers::default(), random);
        for edit in identity.edits.iter_mut().flatten() {
            edit.replace();
        }
        let [.., state_edit] = &mut identity.edits;
        *state_edit = Some(Edit::Remove(header::TRACESTATE));
        identity
    }

    /// What has to change in the request's headers. Each change is a host call, so what is right already is not here.
    pub fn edits(&self) -> impl Iterator<Item = &Edit> {
        self.edits.iter().flatten()
    }
}

/// What has to change in a response's headers, which are `None` where the host does not show them: both ids stand there
/// once, whatever the upstream says.
pub fn answer(request_id: &RequestId, correlation_id: &RequestId, headers: Option<&Headers>) -> [Edit; 2] {
    let (mut said_request, mut said_correlation) = (Sole::Absent, Sole::Absent);
    for (name, value) in headers.into_iter().flatten() {
        match name {
            b"x-request-id" => see(&mut said_request, value),
            b"x-correlation-id" => see(&mut said_correlation, value),
            _ => {}
        }
    }
    let mut edits = [
        edit(header::REQUEST_ID, request_id.as_str().into(), said_request),
        edit(header::CORRELATION_ID, correlation_id.as_str().into(), said_correlation),
    ];
    if headers.is_none() {
        edits.iter_mut().for_each(Edit::replace);
    }
    edits
}

impl Edit {
    /// Replaces what may be there.
    fn replace(&mut self) {
        if let Self::Add(name, value) = self {
            *self = Self::Set(name, std::mem::take(value));
        }
    }
}

/// Makes a header say `value` alone.
fn edit(name: &'static str, value: Vec<u8>, said: Sole<'_>) -> Edit {
    if said == Sole::Absent { Edit::Add(name, value) } else { Edit::Set(name, value) }
}

/// What a client sent, of the headers that count, found in one pass.
struct Sent<'a> {
    request_id: Sole<'a>,
    correlation_id: Sole<'a>,
    traceparent: Sole<'a>,
    tracestate: Sole<'a>,
    x_ai_agent: Option<&'a [u8]>,
    ai_agent_id: Option<&'a [u8]>,
    user_agent: Option<&'a [u8]>,
}

impl<'a> Sent<'a> {
    fn of(headers: &'a Headers) -> Self {
        let mut sent = Self {
            request_id: Sole::Absent,
            correlation_id: Sole::Absent,
            traceparent: Sole::Absent,
            tracestate: Sole::Absent,
            x_ai_agent: None,
            ai_agent_id: None,
            user_agent: None,
        };
        for (name, value) in headers {
            match name {
                b"x-request-id" => see(&mut sent.request_id, value),
                b"x-correlation-id" => see(&mut sent.correlation_id, value),
                b"traceparent" => see(&mut sent.traceparent, value),
                b"tracestate" => see(&mut sent.tracestate, value),
                b"x-ai-agent" => sent.x_ai_agent = sent.x_ai_agent.or(Some(value)),
                b"ai-agent-id" => sent.ai_agent_id = sent.ai_agent_id.or(Some(value)),
                b"user-agent" => sent.user_agent = sent.user_agent.or(Some(value)),
                _ => {}
            }
        }
        sent
    }

    /// What an agent calls itself counts before what its `User-Agent` looks like.
    fn agent<'c>(&self, config: &'c Config) -> Option<Cow<'c, str>> {
        let named = [self.x_ai_agent, self.ai_agent_id].into_iter().flatten().find_map(agent::sanitise);
        let known = || config.agents.find(self.user_agent?).map(Cow::Borrowed);
        named.map(Cow::Owned).or_else(known)
    }
}

fn see<'a>(sole: &mut Sole<'a>, value: &'a [u8]) {
    *sole = if *sole == Sole::Absent { Sole::Value(value) } else { Sole::Repeated };
}

fn trace(client_traces: ClientTraces, sent: Sole<'_>, random: [u8; 16]) -> (Traceparent, Began) {
    let start = |began| (Traceparent::start(random), began);
    match (client_traces, sent) {
        (ClientTraces::Restart, _) | (ClientTraces::Continue, Sole::Absent) => start(Began::Started),
        (ClientTraces::Continue, Sole::Repeated) => start(Began::Restarted),
        (ClientTraces::Continue, Sole::Value(value)) => match Traceparent::parse(value) {
            Some(trace) => (trace, Began::Continued),
            None => start(Began::Restarted),
        },
    }
}

/// What has to change for the list to go on as one valid header.
fn carry_on(headers: &Headers, sent: Sole<'_>) -> Option<Edit> {
    match tracestate::combine(headers.all(header::TRACESTATE)) {
        Some(list) if sent == Sole::Value(&list) => None,
        Some(list) => Some(Edit::Set(header::TRACESTATE, list)),
        None => Some(Edit::Remove(header::TRACESTATE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const ONES: Random = Random { id: [1; 16], trace: [1; 16], parent: [1; 8] };
    const MADE: &str = "01010101-0101-4101-8101-010101010101";
    const STARTED: &str = "00-01010101010101010101010101010101-0101010101010101-02";
    const SENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";
    const CONTINUED: &str = "00-12345678901234567890123456789012-0101010101010101-01";

    fn shown(edit: &Edit) -> String {
        match edit {
            Edit::Add(name, value) => format!("+{name}={}", value.escape_ascii()),
            Edit::Set(name, value) => format!("{name}={}", value.escape_ascii()),
            Edit::Remove(name) => format!("!{name}"),
        }
    }

    /// Lets a request of these headers in and compares what has to change in it.
    fn check(json: &str, sent: &[(&str, &[u8])], expected: &[&str]) {
        let config = Config::from_json(json.as_bytes()).unwrap();
        let pairs: Vec<_> = sent.iter().map(|(name, value)| (name.as_bytes(), *value)).collect();
        let identity = Identity::of(&config, &Headers::from_pairs(&pairs), ONES);
        let edits: Vec<_> = identity.edits().map(shown).collect();
        assert_eq!(edits, expected, "{sent:?}");
    }

    fn ids_made() -> [String; 2] {
        [format!("+x-request-id={MADE}"), format!("+x-correlation-id={MADE}")]
    }

    fn ids_replaced() -> [String; 2] {
        [format!("x-request-id={MADE}"), format!("x-correlation-id={MADE}")]
    }

    #[test]
    fn a_request_without_ids_is_given_some() {
        let [request, correlation] = ids_made();
        check("", &[], &[&request, &correlation, &format!("+traceparent={STARTED}")]);
    }

    #[test]
    fn well_formed_ids_are_taken_over() {
        let started = format!("+traceparent={STARTED}");
        check("", &[("x-request-id", b"r-1"), ("x-correlation-id", b"c-1")], &[&started]);
        check("", &[("x-request-id", b"r-1")], &["+x-correlation-id=r-1", &started]);
        let [request, _] = ids_made();
        check("", &[("x-correlation-id", b"c-1")], &[&request, &started]);
        let [request, correlation] = ids_replaced();
        let replace = r#"{"client_ids": "replace"}"#;
        check(replace, &[("x-request-id", b"r-1"), ("x-correlation-id", b"c-1")], &[&request, &correlation, &started]);
    }

    #[test]
    fn a_repeated_or_malformed_id_is_replaced() {
        let started = format!("+traceparent={STARTED}");
        let [request, correlation] = ids_replaced();
        for bad in [b"".as_slice(), b"\xff\xfe", b"a b", b"a,b", &vec![b'a'; 60 * 1024]] {
            check("", &[("x-request-id", bad), ("x-correlation-id", bad)], &[&request, &correlation, &started]);
        }
        check(
            "",
            &[("x-request-id", b"a"), ("x-request-id", b"a"), ("x-correlation-id", b"c"), ("x-correlation-id", b"c")],
            &[&request, &correlation, &started],
        );
    }

    #[test]
    fn a_valid_trace_goes_on_with_its_state() {
        let ids: [(&str, &[u8]); 2] = [("x-request-id", b"r"), ("x-correlation-id", b"c")];
        let continued = format!("traceparent={CONTINUED}");
        let with = |more: &[(&'static str, &'static [u8])], expected: &[&str]| {
            check("", &[&ids, more].concat(), expected);
        };
        with(&[("traceparent", SENT.as_bytes())], &[&continued]);
        with(&[("traceparent", SENT.as_bytes()), ("tracestate", b"foo=1,bar=2")], &[&continued]);
        with(
            &[("traceparent", SENT.as_bytes()), ("tracestate", b"foo=1"), ("tracestate", b"bar=2")],
            &[&continued, "tracestate=foo=1,bar=2"],
        );
        with(
            &[("traceparent", SENT.as_bytes()), ("tracestate", b"foo=1, bar=2")],
            &[&continued, "tracestate=foo=1,bar=2"],
        );
        with(&[("traceparent", SENT.as_bytes()), ("tracestate", b"FOO=1")], &[&continued, "!tracestate"]);
        with(&[("traceparent", SENT.as_bytes()), ("tracestate", b"")], &[&continued, "!tracestate"]);
    }

    #[test]
    fn a_trace_that_cannot_go_on_takes_its_state_with_it() {
        let ids: [(&str, &[u8]); 2] = [("x-request-id", b"r"), ("x-correlation-id", b"c")];
        let started = format!("traceparent={STARTED}");
        check(
            "",
            &[&ids, &[("tracestate", b"foo=1".as_slice())][..]].concat(),
            &[&format!("+{started}"), "!tracestate"],
        );
        let cases: [&[(&str, &[u8])]; 3] = [
            &[("traceparent", b"00-0-0-0"), ("tracestate", b"foo=1")],
            &[("traceparent", b"\xff\xfe"), ("tracestate", b"foo=1"), ("tracestate", b"bar=1")],
            &[("traceparent", SENT.as_bytes()), ("traceparent", SENT.as_bytes()), ("tracestate", b"foo=1")],
        ];
        for more in cases {
            check("", &[&ids, more].concat(), &[&started, "!tracestate"]);
        }
        let restart = r#"{"client_traces": "restart"}"#;
        let valid: [(&str, &[u8]); 2] = [("traceparent", SENT.as_bytes()), ("tracestate", b"foo=1")];
        check(restart, &[ids, valid].concat(), &[&started, "!tracestate"]);
    }

    #[test]
    fn how_the_trace_began_is_known() {
        let began = |json: &str, sent: &[&str]| {
            let config = Config::from_json(json.as_bytes()).unwrap();
            let pairs: Vec<_> = sent.iter().map(|value| (b"traceparent".as_slice(), value.as_bytes())).collect();
            Identity::of(&config, &Headers::from_pairs(&pairs), ONES).began
        };
        assert_eq!(began("", &[]), Began::Started);
        assert_eq!(began("", &[SENT]), Began::Continued);
        assert_eq!(began("", &["x"]), Began::Restarted);
        assert_eq!(began("", &[SENT, SENT]), Began::Restarted);
        assert_eq!(began(r#"{"client_traces": "restart"}"#, &[SENT]), Began::Started);
    }

    #[test]
    fn an_agent_s_own_word_counts_before_its_user_agent() {
        let config = Config::from_json(b"").unwrap();
        let agent = |sent: &[(&str, &[u8])]| {
            let pairs: Vec<_> = sent.iter().map(|(name, value)| (name.as_bytes(), *value)).collect();
            Identity::of(&config, &Headers::from_pairs(&pairs), ONES).agent.map(Cow::into_owned)
        };
        let browser: (&str, &[u8]) = ("user-agent", b"Mozilla/5.0 (compatible; GPTBot/1.2)");
        assert_eq!(agent(&[]), None);
        assert_eq!(agent(&[browser]).as_deref(), Some("GPTBot"));
        assert_eq!(agent(&[browser, ("ai-agent-id", b"planner")]).as_deref(), Some("planner"));
        assert_eq!(agent(&[("ai-agent-id", b"b"), ("x-ai-agent", b"a")]).as_deref(), Some("a"));
        assert_eq!(agent(&[("x-ai-agent", b"a"), ("x-ai-agent", b"b")]).as_deref(), Some("a"));
        assert_eq!(agent(&[("x-ai-agent", b"\xff"), ("ai-agent-id", b"b\nc")]).as_deref(), Some("b_c"));
        assert_eq!(agent(&[browser, ("x-ai-agent", b"")]).as_deref(), Some("GPTBot"));
    }

    #[test]
    fn headers_that_the_host_does_not_show_are_all_replaced() {
        let config = Config::from_json(b"").unwrap();
        let identity = Identity::of_unreadable(&config, ONES);
        let edits: Vec<_> = identity.edits().map(shown).collect();
        let [request, correlation] = ids_replaced();
        assert_eq!(edits, [request, correlation, format!("traceparent={STARTED}"), "!tracestate".to_owned()]);
    }

    #[test]
    fn a_response_says_our_ids_once_whatever_the_upstream_says() {
        let id = |text: &str| RequestId::parse(text.as_bytes()).unwrap();
        let edits = |said: Option<&[&str]>| {
            let pairs: Option<Vec<_>> =
                said.map(|names| names.iter().map(|name| (name.as_bytes(), b"theirs".as_slice())).collect());
            let headers = pairs.map(|pairs| Headers::from_pairs(&pairs));
            answer(&id("r"), &id("c"), headers.as_ref()).map(|edit| shown(&edit))
        };
        assert_eq!(edits(Some(&["date"])), ["+x-request-id=r", "+x-correlation-id=c"]);
        assert_eq!(edits(Some(&["x-request-id"])), ["x-request-id=r", "+x-correlation-id=c"]);
        assert_eq!(edits(Some(&["x-correlation-id", "x-correlation-id"])), ["+x-request-id=r", "x-correlation-id=c"]);
        assert_eq!(edits(None), ["x-request-id=r", "x-correlation-id=c"]);
    }
}
