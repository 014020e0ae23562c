//! The second level's scripts, told by several proxies in every order: what a URL's end refuses, and which of two responses stays.

use cache::remote::{END, FILL, moment, order};
use proxy::Redis;
use proxy::redis::Value;

const KEY: &str = "weir:cache:weir:2:{0}";
const SECOND: i64 = 1_000_000;

/// A Redis, and what its clock says.
struct Fleet {
    redis: Redis,
    now: i64,
}

impl Fleet {
    fn start() -> Self {
        let redis = Redis::start().unwrap();
        let Value::List(parts) = redis.call(&["TIME"]).unwrap() else { panic!("two numbers") };
        let parts: Vec<i64> = parts.iter().map(|part| text(part).parse().unwrap()).collect();
        Self { redis, now: parts[0] * SECOND + parts[1] }
    }

    fn at(&self, second: i64) -> u64 {
        u64::try_from(self.now + second * SECOND).unwrap()
    }

    /// Has a response stored for this long that was made and asked for at these seconds, as a variant or as all there is.
    fn fill(&self, body: &str, date: i64, asked: i64, variant: Option<&str>, lifetime: &str) -> String {
        let date = u32::try_from(self.at(date) / 1_000_000).unwrap();
        let order = order(date, self.at(asked));
        let mut words = vec!["EVAL", FILL.source, "1", KEY, lifetime, body, &order];
        words.extend(variant.into_iter().flat_map(|variant| ["x-kind", "0123456789abcdef", variant]));
        text(&self.redis.call(&words).unwrap())
    }

    fn end(&self, second: i64) -> String {
        text(&self.redis.call(&["EVAL", END.source, "1", KEY, &moment(self.at(second))]).unwrap())
    }

    /// What a reader is given, after the head.
    fn read(&self, variant: Option<&str>) -> String {
        let found = self.get(KEY);
        match (found.get(..1), variant) {
            (Some("E"), None) => found[43..].to_owned(),
            (Some("V"), Some(variant)) if &found[59..] == "x-kind" => {
                let found = self.get(&format!("{KEY}:{}{variant}", &found[43..59]));
                found.get(43..).unwrap_or("nothing").to_owned()
            }
            _ => "nothing".to_owned(),
        }
    }

    fn get(&self, key: &str) -> String {
        match self.redis.call(&["GET", key]).unwrap() {
            Value::Bytes(bytes) => String::from_utf8(bytes).unwrap(),
            _ => String::new(),
        }
    }

    fn lifetime(&self) -> i64 {
        let Value::Integer(seconds) = self.redis.call(&["TTL", KEY]).unwrap() else { panic!("a number") };
        seconds
    }
}

fn text(value: &Value) -> String {
    let Value::Bytes(bytes) = value else { panic!("{value:?}") };
    String::from_utf8(bytes.clone()).unwrap()
}

/// Plays stories of `fill BODY DATE ASKED`, `end MOMENT` and `read`, each with its outcome, with and without variants.
#[track_caller]
fn check(story: &str) {
    for variant in [None, Some("0")] {
        let fleet = Fleet::start();
        for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (line, expected) = line.split_once(" -> ").unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            let number = |at: usize| words[at].parse().unwrap();
            let outcome = match words[0] {
                "fill" => fleet.fill(words[1], number(2), number(3), variant, "600"),
                "end" => fleet.end(number(1)),
                "read" => fleet.read(variant),
                other => panic!("{other}"),
            };
            assert_eq!(outcome, expected, "{line}, {variant:?}");
        }
    }
}

#[test]
fn what_was_asked_for_before_a_url_s_end_is_refused_whenever_it_comes() {
    check(
        "
        fill old -9 -9 -> ok
        read -> old
        end -5 -> ok
        read -> nothing
        fill late -6 -6 -> ended
        fill late -2 -6 -> ended
        read -> nothing
        fill new -4 -4 -> ok
        fill late -1 -6 -> ended
        read -> new
        fill newer -3 -3 -> ok
        fill late -1 -6 -> ended
        read -> newer
        end -2 -> ok
        end -8 -> ok
        fill late -1 -3 -> ended
        fill last -1 -2 -> ok
        read -> last
    ",
    );
}

#[test]
fn the_younger_of_two_responses_stays_whichever_comes_first() {
    check(
        "
        fill young -3 -9 -> ok
        fill old -4 -2 -> older
        read -> young
        fill same -3 -8 -> ok
        fill same-but-earlier -3 -9 -> older
        read -> same
    ",
    );
}

#[test]
fn what_was_asked_for_too_long_ago_is_refused_and_so_is_what_comes_of_a_wrong_clock() {
    check(
        "
        fill slow -1 -61 -> late
        fill early 0 60 -> late
        read -> nothing
        fill just -1 -50 -> ok
        end 3600 -> ok
        fill before -1 -1 -> ended
    ",
    );
}

/// Whatever takes its place, an end is known of for as long as what it is about may come.
#[test]
fn an_end_outlives_what_is_short_lived() {
    for variant in [None, Some("0")] {
        let fleet = Fleet::start();
        fleet.end(-5);
        assert!((59..=61).contains(&fleet.lifetime()), "{}", fleet.lifetime());
        assert_eq!(fleet.fill("short", -1, -1, variant, "2"), "ok");
        assert!((59..=61).contains(&fleet.lifetime()), "{}", fleet.lifetime());
        assert_eq!(fleet.fill("old", -9, -9, variant, "600"), "ended");
        assert_eq!(fleet.fill("long", -1, -1, variant, "600"), "ok");
        assert!((598..=600).contains(&fleet.lifetime()), "{}", fleet.lifetime());
    }
    let fleet = Fleet::start();
    assert_eq!(fleet.fill("short", -1, -1, None, "2"), "ok");
    assert!((0..=2).contains(&fleet.lifetime()), "{}", fleet.lifetime());
}

#[test]
fn variants_stand_side_by_side_and_end_together() {
    let fleet = Fleet::start();
    for (kind, asked) in [("1", -5), ("2", -7)] {
        assert_eq!(fleet.fill(kind, asked, asked, Some(kind), "600"), "ok");
    }
    assert_eq!((fleet.read(Some("1")), fleet.read(Some("2"))), ("1".into(), "2".into()));
    assert_eq!(fleet.fill("all", -6, -6, None, "600"), "older", "than what said by what it varies");
    assert_eq!(fleet.fill("all", -4, -4, None, "600"), "ok");
    assert_eq!((fleet.read(None), fleet.read(Some("1"))), ("all".into(), "nothing".into()));
    assert_eq!(fleet.fill("1", -3, -3, Some("1"), "600"), "ok");
    fleet.end(-2);
    assert_eq!((fleet.read(None), fleet.read(Some("1"))), ("nothing".into(), "nothing".into()));
}

#[test]
fn a_full_redis_ends_what_it_holds() {
    let fleet = Fleet::start();
    assert_eq!(fleet.fill("old", -9, -9, None, "600"), "ok");
    fleet.redis.call(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let refused = fleet.redis.call(&["SET", "x", "y"]);
    assert!(matches!(&refused, Ok(Value::Error(error)) if error.starts_with("OOM")), "{refused:?}");
    assert_eq!(fleet.end(-5), "ok");
    assert_eq!(fleet.read(None), "nothing");
    fleet.redis.call(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    assert_eq!(fleet.fill("late", -6, -6, None, "600"), "ended");
}
