//! A bad policy for each kind of finding.

use weir::code::Code;

use super::filled;

/// One bad policy for each kind of finding, by what it adds to the good one; where it is found, and what it begins with.
pub(super) fn rows() -> Vec<(Code, String, &'static str, &'static str)> {
    let of = |code, parts: &[(&str, &str)], at, wrong| (code, filled(parts), at, wrong);
    let upstream = |code, upstream: &str, route: &str, at, wrong| {
        of(code, &[("UPSTREAMS", upstream), ("ROUTES", route)], at, wrong)
    };
    let route = |code, route: &str, at, wrong| of(code, &[("ROUTES", route)], at, wrong);
    let to_p = "- {match: GET /p, upstream: p}";
    vec![
        (Code::Syntax, "version: [1".to_owned(), "", "this is not YAML"),
        of(Code::UnknownKey, &[("MORE", "lisen: 1")], "lisen", "unknown key `lisen`"),
        (Code::MissingKey, "version: 1\nupstreams: {}\n".to_owned(), "version", "`routes` is missing"),
        of(Code::InvalidValue, &[("MORE", "listen: nowhere")], "nowhere", "`nowhere` is not an address"),
        route(Code::UnknownUpstream, "- {match: GET /b, upstream: nobody}", "nobody", "there is no upstream `nobody`"),
        upstream(
            Code::UnknownVariable,
            "p: {url: http://127.0.0.1:2, headers: {x-k: {env: WEIR_NO_SUCH}}}",
            to_p,
            "WEIR_NO_SUCH",
            "the environment has no variable",
        ),
        route(
            Code::UnreachableRoute,
            "- {match: GET /b/*, upstream: a}\n- {match: 'GET /b/{id}/c', upstream: a}",
            "'GET /b/{id}/c'",
            "`GET /b/{id}/c` is never reached: `GET /b/*` takes all",
        ),
        route(
            Code::LiteralWildcard,
            "- {match: GET /b/:id, upstream: a}",
            "GET /b/:id",
            "`:id` of `GET /b/:id` stands for nothing but itself",
        ),
        route(
            Code::OtherSpelling,
            "- {match: GET /x//y, upstream: a}",
            "GET /x//y",
            "`GET /x//y` is never reached: no path is spelled so",
        ),
        route(
            Code::ChangedHeader,
            "- {match: {path: /b, headers: {authorization: one}}, upstream: a}",
            "match: {path: /b, headers: {authorization: one}}",
            "this route goes by `authorization`, which filters",
        ),
        of(
            Code::OwnAnswer,
            &[("ROUTES", "- {match: GET /health, upstream: a}"), ("MORE", "admin: {}")],
            "GET /health",
            "`GET /health` is never reached: the proxy answers it itself",
        ),
        of(
            Code::MissingCluster,
            &[("IDENTITY", "revocation: {}")],
            "identity",
            "`state`: is missing, as long as there is `revocation`",
        ),
        (Code::OldEnvoy, filled(&[]), "version: 1", "Envoy 1.36 is older than any"),
        route(
            Code::SharedPrivate,
            "- {match: GET /b, upstream: a, cache: {ttl: 1m, despite: [private], shared: true}}",
            "true",
            "private answers to `GET /b` are shared",
        ),
        of(
            Code::UnmetDemand,
            &[("permissions: {", "permissions: {sender: {credential: api_key}, "), ("[writers, tried]", "[writers, tried, sender]")],
            "sender",
            "nobody can meet `sender`, which a route demands",
        ),
        of(
            Code::OpenRevocation,
            &[
                ("IDENTITY", "revocation: {when_unavailable: continue}"),
                ("MORE", "state: {store: redis, url: http://127.0.0.1:7379}"),
            ],
            "continue",
            "`when_unavailable: continue` lets tokens in",
        ),
        of(
            Code::OpenLimit,
            &[("MORE", "ratelimit: {undecided: allow}")],
            "allow}",
            "without its state, the proxy lets",
        ),
        route(Code::ShadowOnly, "- {match: GET /b, upstream: a, allow: tried}", "tried}", "`GET /b` demands nothing"),
        of(Code::AnyAudience, &[("[AUDIENCE]", "[]")], "audiences", "tokens of this issuer are accepted"),
        route(
            Code::OpenBatch,
            "- {match: POST /b, auth: optional, compose: {name: b, batch: {calls: ['GET /other', 'GET /used']}}}",
            "'GET /used'",
            "a batch could ask for `GET /used` by `GET /used`, which asks for more",
        ),
        route(
            Code::UnroutedCall,
            "- {match: GET /b, compose: {name: b, answer: 1, steps: [{name: s, call: GET /used, undo: {call: GET /unused}}]}}",
            "GET /unused",
            "no route takes the call `GET /unused`",
        ),
        route(
            Code::OpenWrite,
            "- {match: GET|PUT /b, upstream: a, auth: off}",
            "GET|PUT",
            "anybody may send `PUT` by `GET|PUT /b`",
        ),
        upstream(
            Code::PlainSecret,
            "p: {url: https://p.example, profile: spotify, limit: {rate: 1/s}, credentials: {oauth2: {token_url: http://id.example/t, client_id: {env: WEIR_SECRET}, client_secret: {env: WEIR_SECRET}}}}",
            to_p,
            "http://id.example/t",
            "our credential for `p` is sent for a token without",
        ),
        of(
            Code::PlainSecret,
            &[("MORE", "state: {store: redis, url: http://redis.example:7379, password: {env: WEIR_SECRET}}")],
            "WEIR_SECRET",
            "the state store's secret is sent without",
        ),
        upstream(
            Code::PlainSecret,
            "p: {url: http://p.example, headers: {x-k: {env: WEIR_SECRET}}}",
            to_p,
            "p: {url",
            "our credential for `p` is sent without",
        ),
        upstream(
            Code::LiteralSecret,
            "p: {url: https://p.example, headers: {authorization: Bearer AAAA, x-kind: b}}",
            to_p,
            "Bearer AAAA",
            "the `authorization` of `p` stands in the policy",
        ),
        route(
            Code::PartlyShadowed,
            "- {match: GET|PUT /b, upstream: a}\n- {match: PUT|POST /b, upstream: a}",
            "PUT|POST",
            "`PUT|POST /b` does not get `PUT /b`, which `GET|PUT /b` takes",
        ),
        upstream(
            Code::LongQueue,
            "p: {url: https://p.example, limit: {rate: 60/m, queue: {max_wait: 5s, max_requests: 6}}}",
            to_p,
            "6}}}",
            "6 may wait for `p`, but only 5",
        ),
        of(
            Code::LongQueue,
            &[(
                "MORE",
                "tiers: {anonymous: {per_second: 2, burst: 4}, pro: {per_second: 1, queue: {max_wait: 3s, max_requests: 9}}}",
            )],
            "9}}}",
            "9 may wait for one caller of `pro`, but only 3",
        ),
        upstream(
            Code::LongWait,
            "p: {url: https://p.example, limit: {rate: 60/m, queue: {max_wait: 1m, max_requests: 6}}}",
            to_p,
            "1m, max_requests",
            "a request may wait for `p` for 1m, but one without a body is cut off after 1m",
        ),
        of(
            Code::LongWait,
            &[(
                "MORE",
                "clients: {request_timeout: 2s}\ntiers: {anonymous: {per_second: 2, burst: 4}, pro: {per_second: 1, queue: {max_wait: 3s, max_requests: 2}}}",
            )],
            "3s, max_requests",
            "a request may wait for one caller of `pro` for 3s, but one without",
        ),
        upstream(
            Code::UnlimitedProvider,
            "p: {url: https://p.example, profile: acousticbrainz}",
            to_p,
            "p: {url",
            "nothing limits what is sent to `p`",
        ),
        upstream(
            Code::RetryUnsafe,
            "p: {url: https://p.example, retry: {methods: [GET, POST]}}",
            to_p,
            "p: {url",
            "a `POST` to `p` may be sent",
        ),
        upstream(
            Code::RetryLate,
            "p: {url: https://p.example, timeout: 1s}",
            to_p,
            "p: {url",
            "the first retry to `p` waits 1s",
        ),
        upstream(
            Code::RetryLate,
            "p: {url: https://p.example}",
            "- {match: GET /p, upstream: p, timeout: 500ms}",
            "GET /p",
            "the first retry by `GET /p` waits 1s, its time is over after 500ms",
        ),
        of(Code::EarlyIdle, &[("MORE", "clients: {idle_timeout: 20s}")], "a: {url", "`a` has 30s to answer"),
        upstream(Code::UnusedUpstream, "p: {url: https://p.example}", "", "p: {url", "no route leads to `p`"),
        of(
            Code::UnusedPermission,
            &[("permissions: {", "permissions: {idle: {role: x}, ")],
            "idle",
            "no route demands `idle`",
        ),
        (
            Code::UnusedTier,
            "version: 1\nupstreams: {a: {url: http://127.0.0.1:1, internal: true}}\nroutes: [{match: GET /a, upstream: a}]\n\
             tiers: {anonymous: {per_second: 5}, gold: {per_second: 50}}\n"
                .to_owned(),
            "gold",
            "no caller can have the tier `gold`",
        ),
        of(
            Code::UnknownTier,
            &[("IDENTITY", "default_tier: goldd"), ("MORE", "tiers: {anonymous: {per_second: 1}, gold: {per_second: 5}}")],
            "goldd",
            "callers whose credential names none have the tier `goldd`",
        ),
        upstream(Code::OwnAddress, "p: {url: http://localhost:8080}", to_p, "p: {url", "`p` is this very proxy"),
        route(
            Code::SharedAnswers,
            "- {match: GET /b, upstream: a, cache: {ttl: 1m, shared: true}}",
            "true",
            "`GET /b` needs a credential, and answers",
        ),
        route(
            Code::SharedAnswers,
            "- {match: GET /b, upstream: a, auth: optional, cache: {ttl: 1m, shared: true}}",
            "true",
            "`GET /b` accepts a credential, and answers",
        ),
        route(
            Code::IdleCache,
            "- {match: GET /b, upstream: a, cache: {ttl: 1m}}",
            "cache",
            "`GET /b` needs a credential, by which",
        ),
        route(
            Code::NeverStored,
            "- {match: POST|PUT /b, upstream: a, cache: {ttl: 1h, isolate: user}}",
            "cache",
            "nothing is ever stored of `POST|PUT /b`",
        ),
        route(
            Code::StoredDespite,
            "- {match: GET /b, upstream: a, cache: {ttl: 1m, isolate: user, despite: [no-store]}}",
            "despite",
            "answers to `GET /b` are kept that say",
        ),
        upstream(
            Code::LongBody,
            "p: {url: https://p.example, profile: acousticbrainz, limit: {rate: 1/s}, answer_max: 1000000}",
            "- {match: 'GET /p/features/{id}', upstream: p, strip: /p, cache: {ttl: 1m, shared: true}}",
            "1000000",
            "`p` may answer with 1000000 bytes, of which the cache holds 262144",
        ),
        upstream(
            Code::GenerousLimit,
            "p: {url: https://p.example, profile: musicbrainz, user_agent: a/1 (a@b.c), limit: {rate: 1/s, burst: 2}}",
            to_p,
            "limit: {rate: 1/s, burst: 2",
            "more is sent to `p` than it allows",
        ),
        upstream(
            Code::OtherCredential,
            "p: {url: https://p.example, profile: spotify, limit: {rate: 1/s}, credentials: {bearer: {env: WEIR_SECRET}}}",
            to_p,
            "credentials: {bearer",
            "`p` does not look for a credential like `bearer`",
        ),
        upstream(
            Code::LongKept,
            "p: {url: https://p.example, profile: acousticbrainz, limit: {rate: 1/s}, answer_max: 10000}",
            "- {match: 'GET /p/features/{id}', upstream: p, strip: /p, cache: {ttl: 91d, shared: true}}",
            "91d",
            "answers to `GET /p/features/{id}` are kept for 91d, and stay true for 90d",
        ),
        of(
            Code::OpenOrigin,
            &[("MORE", "guard: {cors: {origins: ['*'], credentials: true}}")],
            "'*'",
            "scripts of any site may ask with",
        ),
        route(
            Code::LongHold,
            "- {match: POST /b, upstream: a, accepts: {body_max: 100KiB, schema: {type: object}}}",
            "100KiB",
            "bodies of more than 64 KiB to `POST /b` never come whole",
        ),
        route(
            Code::IdleSchema,
            "- {match: GET /b, upstream: a, accepts: {schema: {type: object}}}",
            "schema",
            "the schema of `GET /b` is never asked",
        ),
    ]
}
