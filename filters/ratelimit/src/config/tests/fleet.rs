//! What is said of upstreams that are listened to, and of fleets.

use super::*;
#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[test]
fn an_upstream_that_is_listened_to_has_words_and_lengths() {
    let upstreams = |members: &str| {
        let json = format!(r#"{{"upstreams": [{{"name": "a", {members}}}]}}"#);
        Config::from_json(json.as_bytes()).map(|config| config.upstreams[0].clone())
    };
    let upstream = upstreams(r#""learn": ["429"]"#).unwrap();
    assert_eq!((upstream.longest.as_secs(), upstream.default.as_secs()), (600, 5));
    assert_eq!(upstream.key, "weir.ratelimit.cool:a");
    let short = upstreams(r#""learn": ["429"], "longest": "2s""#).unwrap();
    assert_eq!((short.longest.as_secs(), short.default.as_secs()), (2, 2));
    for (members, expected) in [
        (r#""learn": []"#, "upstreams[0].learn: must name"),
        (r#""longest": "1s""#, "upstreams[0].learn: must name"),
        (r#""learn": "429""#, "upstreams[0].learn: invalid type"),
        (r#""learn": ["503", "5"]"#, "upstreams[0].learn[1]: must be retry_after"),
        (r#""learn": ["429"], "default": "11m""#, "upstreams[0].default: must be a length of time like \"5s\""),
        (r#""learn": ["429"], "longest": "0""#, "upstreams[0].longest: must be a length of time like \"30s\""),
        (r#""learn": ["429"], "learn": ["503"]"#, "upstreams[0].learn: duplicate field `learn`"),
        (r#""learn": ["429"], "match": []"#, "upstreams[0].match: must not be empty"),
        (r#""learn": ["429"], "match": {"path": "a"}"#, "upstreams[0].match.path: must begin with /"),
        (r#""learn": ["429"], "x": {}"#, "upstreams[0].x: unknown field `x`, expected one of `name`, `match`, `learn`"),
    ] {
        let said = upstreams(members).unwrap_err().to_string();
        assert!(said.starts_with(expected), "{said}");
    }
    let twice = r#"{"upstreams": [{"name": "a", "learn": ["429"]}, {"name": "a", "learn": ["429"]}]}"#;
    refused(twice, "upstreams[1].name: is there twice");
    refused(r#"{"upstreams": [{"learn": ["429"]}]}"#, "upstreams[0]: missing field `name`");
    refused(r#"{"state": {"dialect": "x"}}"#, "state.dialect: must be webdis or upstash, got \"x\"");
    refused(r#"{"state": {"a": "x"}}"#, "state.a: unknown field `a`, expected one of `cluster`");
    let store = Config::from_json(br#"{"state": {"env": "X", "prefix": "p"}}"#).unwrap().store.unwrap();
    assert_eq!((store.store().key("cool:a"), format!("{store:?}")), ("p:cool:a".to_owned(), "state".to_owned()));
}

#[test]
fn a_fleet_s_words_are_checked_one_by_one() {
    let rule = r#""rules": [{"name": "a", "key": ["user"], "limit": {"rate": "1/s"}}]"#;
    for (more, expected) in [
        (r#""state": {"dialect": "resp"}"#, r#"state.dialect: must be webdis or upstash, got "resp""#),
        (
            r#""state": {"color": "red"}"#,
            "state.color: unknown field `color`, expected one of `cluster`, `dialect`, `path`, `authority`, `user`, `env`, `timeout`, `prefix`",
        ),
        (
            r#""fleet": {"interval": "1ms"}"#,
            r#"fleet.interval: must be a length of time from 10ms to 1000ms, got "1ms""#,
        ),
        (r#""fleet": {"budget": "1m"}"#, r#"fleet.budget: must be a length of time from 5ms to 10000ms, got "1m""#),
        (
            r#""fleet": {"when_unavailable": "panic"}"#,
            r#"fleet.when_unavailable: must be "share", "open" or "closed", got "panic""#,
        ),
        (r#""scope": "fleet""#, "scope: a fleet needs `state`, where its proxies meet"),
        (r#""scope": "galaxy""#, r#"scope: must be "proxy" or "fleet", got "galaxy""#),
    ] {
        let said = Config::from_json(format!("{{{more}, {rule}}}").as_bytes()).unwrap_err();
        assert_eq!(said.to_string(), expected);
    }
    let config = Config::from_json(format!(r#"{{"state": {{}}, "scope": "fleet", {rule}}}"#).as_bytes()).unwrap();
    assert_eq!(config.rules[0].scope(), Scope::Fleet);
    let fleet = config.fleet.unwrap();
    assert_eq!((fleet.interval.as_millis(), fleet.budget.as_millis(), fleet.store.timeout.as_millis()), (50, 100, 100));
}

#[test]
fn what_a_fleet_cannot_lease_each_proxy_keeps_for_itself_or_the_mistake_is_said() {
    let of_rule = |more: &str| {
        let rule = format!(r#"{{"name": "a", "key": ["upstream"], "upstream": "a", {more}}}"#);
        Config::from_json(format!(r#"{{"state": {{}}, "scope": "fleet", "rules": [{rule}]}}"#).as_bytes())
    };
    let shadow = r#""limit": {"rate": "1/s"}, "shadow": true"#;
    for more in [shadow, r#""limit": {"rate": "1/s"}, "scope": "proxy""#] {
        let config = of_rule(more).unwrap();
        assert_eq!((config.rules[0].scope(), config.fleet.is_some()), (Scope::Proxy, false), "{more}");
    }
    let said = of_rule(&format!(r#"{shadow}, "scope": "fleet""#)).unwrap_err().to_string();
    assert!(said.starts_with("rules[0].scope: must be \"proxy\" where"), "{said}");
    let queue = r#""limit": {"rate": "1/s", "when_empty": {"queue": {"max_wait": "1s"}}}"#;
    let config = of_rule(queue).unwrap();
    assert_eq!((config.rules[0].scope(), config.rules[0].queues(), config.fleet.is_some()), (Scope::Fleet, true, true));
    let config = of_rule(r#""limit": {"rate": "1/s", "algorithm": "fixed_window"}"#).unwrap();
    assert_eq!(config.rules[0].scope(), Scope::Fleet);
}
