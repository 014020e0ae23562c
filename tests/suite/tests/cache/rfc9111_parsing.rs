//! RFC 9111 §4.2, §5.1 to §5.3: freshness and age, as origins write them and miswrite them.
//!
//! Each row has the name that its case has in the public suite <https://cache-tests.fyi>; of a case that is optional
//! there and answered otherwise here, the row says what the suite would also accept.

use crate::plain;

/// Name, what the response says, whether it is reused.
type Row = (&'static str, &'static str, bool);

/// Asks for each row's response twice.
#[track_caller]
fn ask_twice(rows: &[Row]) {
    for chunk in rows.chunks(40) {
        let lines = chunk.iter().map(|(name, response, is_reused)| {
            let path = name.split(' ').next().unwrap_or_default();
            let again = if *is_reused { "hit" } else { "fwd=" };
            format!(
                "origin /{path} 200 {response} body=x\nGET /{path} -> 200 cache-status~fwd=uri-miss\n\
                 GET /{path} -> 200 body=x cache-status~{again}\n"
            )
        });
        plain(&lines.collect::<String>());
    }
}

#[test]
fn freshness_is_read_as_the_rfc_says() {
    ask_twice(&FRESHNESS);
}

const FRESHNESS: [Row; 61] = [
    ("freshness-max-age-max", "cache-control=max-age=2147483648", true),
    ("freshness-max-age-max-plus", "cache-control=max-age=99999999999", true),
    ("freshness-max-age-age", "cache-control=max-age=3600 age=7200", false),
    ("freshness-max-age-date", r#"cache-control=max-age=3600 date="Sun, 06 Nov 1994 08:49:37 GMT""#, false),
    ("freshness-max-age-expires", r#"cache-control=max-age=3600 expires="Sun, 06 Nov 1994 08:49:37 GMT""#, true),
    ("freshness-max-age-expires-invalid", "cache-control=max-age=3600 expires=0", true),
    ("freshness-max-age-0-expires", r#"cache-control=max-age=0 expires="Thu, 18 Aug 2050 02:01:18 GMT""#, false),
    ("freshness-max-age-extension", r#"cache-control="foobar, max-age=3600""#, true),
    ("freshness-max-age-case-insenstive", "cache-control=MaX-aGe=3600", true),
    ("freshness-max-age-negative", "cache-control=max-age=-3600", false),
    ("freshness-s-maxage-shared", "cache-control=s-maxage=3600", true),
    ("freshness-max-age-s-maxage-shared-longer", r#"cache-control="max-age=3600, s-maxage=0""#, false),
    ("freshness-max-age-s-maxage-shared-longer-multiple", "cache-control=max-age=3600 cache-control=s-maxage=0", false),
    ("freshness-max-age-s-maxage-shared-shorter", r#"cache-control="max-age=0, s-maxage=3600""#, true),
    (
        "freshness-max-age-two-fresh-stale-sameline (optional: reuse)",
        r#"cache-control="max-age=1800, max-age=1""#,
        false,
    ),
    (
        "freshness-max-age-two-stale-fresh-sepline (optional: reuse)",
        "cache-control=max-age=1 cache-control=max-age=1800",
        false,
    ),
    ("freshness-max-age-quoted", r#"cache-control='max-age="3600"'"#, true),
    ("freshness-max-age-ignore-quoted", r#"cache-control='extension="max-age=3600", max-age=0'"#, false),
    ("freshness-max-age-ignore-quoted-rev", r#"cache-control='max-age=0, extension="max-age=3600"'"#, false),
    ("freshness-max-age-space-before-equals", r#"cache-control="max-age =3600""#, false),
    ("freshness-max-age-space-after-equals", r#"cache-control="max-age= 3600""#, false),
    ("freshness-max-age-leading-zero", "cache-control=max-age=003600", true),
    ("freshness-max-age-single-quoted", r#"cache-control="max-age='3600'""#, false),
    ("freshness-max-age-decimal-zero (optional: reuse)", "cache-control=max-age=3600.0", false),
    ("freshness-max-age-a100", "cache-control=max-age=a3600", false),
    ("freshness-max-age-100a", "cache-control=max-age=3600a", false),
    ("age-parse-nonnumeric", "cache-control=max-age=3600 age=abc", true),
    ("age-parse-negative", "cache-control=max-age=3600 age=-7200", true),
    ("age-parse-float", "cache-control=max-age=3600 age=7200.0", true),
    ("age-parse-large-minus-one", "cache-control=max-age=3600 age=2147483647", false),
    ("age-parse-large", "cache-control=max-age=3600 age=2147483648", false),
    ("age-parse-larger", "cache-control=max-age=3600 age=2147483649", false),
    ("age-parse-suffix", r#"cache-control=max-age=3600 age="7200, 0""#, false),
    ("age-parse-prefix", r#"cache-control=max-age=3600 age="0, 7200""#, true),
    ("age-parse-suffix-twoline", "cache-control=max-age=3600 age=7200 age=0", false),
    ("age-parse-prefix-twoline", "cache-control=max-age=3600 age=0 age=7200", true),
    ("age-parse-dup-0", r#"cache-control=max-age=3600 age="0, 0""#, true),
    ("age-parse-dup-old", "cache-control=max-age=10000 age=3600 age=3600", true),
    ("age-parse-parameter (optional: stale)", r#"cache-control=max-age=3600 age="7200;foo=bar""#, true),
    ("freshness-expires-future", r#"expires="Thu, 18 Aug 2050 02:01:18 GMT""#, true),
    ("freshness-expires-past", r#"expires="Sun, 06 Nov 1994 08:49:37 GMT""#, false),
    ("freshness-expires-invalid", "expires=0", false),
    (
        "freshness-expires-old-date",
        r#"expires="Thu, 18 Aug 2050 02:01:18 GMT" date="Fri, 19 Aug 2050 02:01:18 GMT""#,
        false,
    ),
    ("freshness-expires-invalid-date", r#"expires="Thu, 18 Aug 2050 02:01:18 GMT" date=foo"#, true),
    (
        "freshness-expires-age-fast-date",
        r#"expires="Thu, 18 Aug 2050 02:01:18 GMT" date="Thu, 18 Aug 2050 02:01:08 GMT" age=15"#,
        false,
    ),
    ("freshness-expires-32bit", r#"expires="Tue, 19 Jan 2038 14:14:08 GMT""#, true),
    ("freshness-expires-far-future", r#"expires="Sun, 21 Nov 2286 04:46:39 GMT""#, true),
    ("freshness-expires-rfc850", r#"expires="Thursday, 18-Aug-50 02:01:18 GMT""#, true),
    ("freshness-expires-ansi-c", r#"expires="Thu Aug  8 02:01:18 2050""#, true),
    ("freshness-expires-wrong-case-weekday", r#"expires="THU, 18 Aug 2050 02:01:18 GMT""#, true),
    ("freshness-expires-wrong-case-month", r#"expires="Thu, 18 AUG 2050 02:01:18 GMT""#, true),
    ("freshness-expires-wrong-case-tz", r#"expires="Thu, 18 Aug 2050 02:01:18 gMT""#, true),
    ("freshness-expires-invalid-utc", r#"expires="Thu, 18 Aug 2050 02:01:18 UTC""#, false),
    ("freshness-expires-invalid-aest", r#"expires="Thu, 18 Aug 2050 02:01:18 AEST""#, false),
    ("freshness-expires-invalid-2-digit-year", r#"expires="Thu, 18 Aug 50 02:01:18 GMT""#, false),
    ("freshness-expires-invalid-no-comma", r#"expires="Thu 18 Aug 2050 02:01:18 GMT""#, false),
    ("freshness-expires-invalid-multiple-spaces", r#"expires="Thu, 18  Aug  2050 02:01:18 GMT""#, false),
    ("freshness-expires-invalid-date-dashes", r#"expires="Thu, 18-Aug-2050 02:01:18 GMT""#, false),
    ("freshness-expires-invalid-time-periods", r#"expires="Thu, 18 Aug 2050 02.01.18 GMT""#, false),
    ("freshness-expires-invalid-1-digit-hour", r#"expires="Thu, 18 Aug 2050 2:01:18 GMT""#, false),
    (
        "freshness-expires-invalid-multiple-lines",
        r#"expires="Thu, 18 Aug 2050 02:01:18 GMT" expires="Thu, 18 Aug 2050 02:01:19 GMT""#,
        false,
    ),
];
