//! What a cache holds of one URL, as its directory and its objects say ([`policy::stored`]).
//!
//! Only what is kept under the URL alone is found: not what a route keeps for each caller, and no answers to searches. What a purge has taken
//! stands there until it is asked for; a variant says how many purges there have been since its request left, of which none,
//! or any, may have been about it. Whether a request would be answered, the cache itself says best: with
//! `cache-control: only-if-cached`, it answers from what it has, or says 504 and why in `cache-status`.

use policy::stored::{Object, Record};

use crate::json::Writer;

/// What is told of one variant: `now` in seconds since the Unix epoch, `purges` those that there have been.
pub fn variant(record: &Record<'_>, object: Option<&Object>, now: u32, purges: u32) -> String {
    let since = now.saturating_sub(record.received);
    let told =
        Writer::object().text("vary", &String::from_utf8_lossy(record.vary)).number("bytes", record.bytes.into());
    let told = match object.filter(|object| [record.ticket, record.former].contains(&object.ticket)) {
        None => told.text("state", "incomplete"),
        Some(object) => {
            let age = object.age.saturating_add(since);
            let state = if record.is_spent(now) {
                "spent"
            } else if record.is_softened || age >= object.lifetime {
                "stale"
            } else {
                "fresh"
            };
            told.text("state", state)
                .number("status", object.status.into())
                .number("age_seconds", age.into())
                .number("ttl_seconds", object.lifetime.saturating_sub(age).into())
                .number("tags", object.tags.into())
                .raw("packed", if object.is_packed { "true" } else { "false" })
                .number("purges_since", purges.saturating_sub(object.purges).into())
        }
    };
    told.number("stored_seconds_ago", since.into())
        .number("of_use_for_seconds", record.expires.saturating_sub(now).into())
        .number("uses", record.uses.into())
        .raw("softened", if record.is_softened { "true" } else { "false" })
        .end()
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const RECORD: Record<'_> = Record {
        tag: 1,
        variant: 2,
        ticket: 3,
        former: 0,
        bytes: 500,
        received: 1000,
        expires: 1100,
        date: 1000,
        uses: 2,
        is_main: false,
        slot: 4,
        is_softened: false,
        vary: b"accept-language",
    };
    const OBJECT: Object =
        Object { status: 200, age: 10, lifetime: 60, ticket: 3, is_packed: true, tags: 2, purges: 5 };

    #[test]
    fn a_variant_is_told_with_its_age_and_why_it_is_of_use() {
        let expected = concat!(
            r#"{"vary":"accept-language","bytes":500,"state":"fresh","status":200,"age_seconds":30,"ttl_seconds":30,"#,
            r#""tags":2,"packed":true,"purges_since":1,"stored_seconds_ago":20,"of_use_for_seconds":80,"uses":2,"#,
            r#""softened":false}"#
        );
        assert_eq!(variant(&RECORD, Some(&OBJECT), 1020, 6), expected);
    }

    #[test]
    fn its_state_is_one_of_four() {
        let softened = Record { is_softened: true, ..RECORD };
        let other = Object { ticket: 9, ..OBJECT };
        for (record, object, now, state) in [
            (RECORD, Some(&OBJECT), 1049, "fresh"),
            (RECORD, Some(&OBJECT), 1050, "stale"),
            (softened, Some(&OBJECT), 1020, "stale"),
            (RECORD, Some(&OBJECT), 1100, "spent"),
            (RECORD, Some(&OBJECT), 900, "spent"),
            (RECORD, Some(&other), 1020, "incomplete"),
            (RECORD, None, 1020, "incomplete"),
        ] {
            let told = variant(&record, object, now, 5);
            assert!(told.contains(&format!(r#""state":"{state}""#)), "{now}: {told}");
        }
    }
}
