//! One line of the access log that [`crate::envoy::log`] has Envoy write, as far as a replay needs it.

use policy::handover::DETAILS_PREFIX;
use policy::{Instant, Rejection};
use serde_json::Value as Json;

/// A request that was answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// When it came.
    pub at: Instant,
    /// Its method.
    pub method: String,
    /// Its path with its query, as the client sent it.
    pub target: String,
    /// Who sent it, where that was known.
    pub user: Option<String>,
    /// Their tier.
    pub tier: Option<String>,
    /// The client's address.
    pub address: String,
    /// The status that it was answered with; 0 where the client did not wait for one.
    pub status: u16,
    /// Whether the cache answered it.
    pub was_cached: bool,
    /// Whether a filter refused it, so that nobody knows what the upstream would have said.
    pub refusal: Refusal,
    /// Whether a filter asked for it on its own, and no client did: a part of a composed answer, a refresh.
    pub is_inside: bool,
}

/// Why a filter refused a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// None did.
    None,
    /// For what it asked, whoever asked: that is no matter of limits, breakers or credentials.
    Bad,
    /// For something else.
    Other,
}

impl Line {
    /// Whether a filter refused it.
    pub fn was_refused(&self) -> bool {
        self.refusal != Refusal::None
    }

    /// How many bytes of it are kept, about.
    pub fn bytes(&self) -> usize {
        let said =
            [Some(&self.method), Some(&self.target), self.user.as_ref(), self.tier.as_ref(), Some(&self.address)];
        size_of::<Self>() + said.into_iter().flatten().map(String::len).sum::<usize>()
    }

    /// Reads a line; `None` where it is none of ours.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let json: Json = serde_json::from_slice(bytes).ok()?;
        // What there is not, Envoy writes as null or as a hyphen.
        let text = |name: &str| json.get(name)?.as_str().filter(|text| !text.is_empty() && *text != "-");
        let path =
            text("path").filter(|path| path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()))?;
        let target = match text("query") {
            Some(query) if query.bytes().all(|byte| byte.is_ascii_graphic()) => format!("{path}?{query}"),
            _ => path.to_owned(),
        };
        Some(Self {
            at: moment(text("timestamp")?)?,
            method: text("method")?.to_owned(),
            target,
            user: text("user_id").map(str::to_owned),
            tier: text("tier").map(str::to_owned),
            address: text("address").unwrap_or_default().to_owned(),
            status: json.get("status")?.as_u64()?.try_into().ok()?,
            was_cached: text("cache").is_some_and(|said| said.split(';').any(|part| part.trim() == "hit")),
            refusal: refusal(text("details").unwrap_or_default()),
            is_inside: json.get("inside").and_then(Json::as_bool) == Some(true),
        })
    }
}

/// Why a filter refused a request, by how the log says who answered it.
fn refusal(details: &str) -> Refusal {
    let bad = Rejection::BadRequest { message: String::new() };
    match details.strip_prefix(DETAILS_PREFIX) {
        None => Refusal::None,
        Some(code) if code.eq_ignore_ascii_case(bad.code()) => Refusal::Bad,
        Some(_) => Refusal::Other,
    }
}

/// A moment as the log writes it (RFC 3339 §5.6, in UTC): `2026-01-31T23:59:59.123Z`.
fn moment(text: &str) -> Option<Instant> {
    let number = |range: std::ops::Range<usize>| -> Option<u64> {
        let digits = text.get(range)?;
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
    };
    let separators = [(4, "-"), (7, "-"), (10, "T"), (13, ":"), (16, ":")];
    if separators.iter().any(|(at, mark)| text.get(*at..at + 1) != Some(*mark)) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    let fraction = text.get(19..)?.strip_suffix('Z')?;
    let nanos = match fraction.strip_prefix('.') {
        None if fraction.is_empty() => 0,
        Some(digits) if (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{digits:0<9}").parse::<u64>().ok()?
        }
        _ => return None,
    };
    let valid = (1970..=2500).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !valid || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Counted from March, so that a leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let days = days.checked_sub(719_468)?;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(Instant::from_nanos(seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_seconds_since_1970() {
        for (text, nanos) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-03-01T00:00:00.5Z", Some(5_097_600_500_000_000)),
            ("2000-02-29T12:34:56.789Z", Some(951_827_696_789_000_000)),
            ("2026-11-21T20:26:00.000Z", Some(1_795_292_760_000_000_000)),
            ("2026-11-21 20:26:00Z", None),
            ("2026-11-21T20:26:00", None),
            ("2026-13-21T20:26:00Z", None),
            ("2026-11-21T20:26:00.Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("2026-11-21T2é:26:00Z", None),
        ] {
            assert_eq!(moment(text).map(Instant::as_nanos), nanos, "{text}");
        }
    }

    #[test]
    fn a_line_is_read_and_anything_else_is_none() {
        let line = Line::parse(
            br#"{"timestamp":"1970-01-01T00:00:01.000Z","method":"GET","path":"/a","query":"b=c","status":200,
            "user_id":"alice","tier":"pro","address":"192.0.2.1","cache":"weir; hit; ttl=3","details":"via_upstream"}"#,
        );
        let line = line.unwrap();
        assert_eq!(
            (line.at, line.target.as_str(), line.user.as_deref()),
            (Instant::from_unix_seconds(1), "/a?b=c", Some("alice"))
        );
        assert_eq!((line.was_cached, line.refusal, line.status), (true, Refusal::None, 200));
        let least = br#"{"timestamp":"1970-01-01T00:00:01Z","method":"GET","path":"/","user_id":null,"tier":"-","status":429,"details":"weir_rate_limited"}"#;
        let least = Line::parse(least).unwrap();
        assert_eq!((least.user, least.tier, least.was_cached, least.refusal), (None, None, false, Refusal::Other));
        let bad = br#"{"timestamp":"1970-01-01T00:00:01Z","method":"GET","path":"/","status":400,"details":"weir_bad_request"}"#;
        assert_eq!(Line::parse(bad).unwrap().refusal, Refusal::Bad);
        for broken in [
            "",
            "x",
            "[]",
            "{}",
            r#"{"timestamp":"now","method":"GET","path":"/","status":200}"#,
            r#"{"timestamp":"1970-01-01T00:00:01Z","method":"GET","path":"a","status":200}"#,
            r#"{"timestamp":"1970-01-01T00:00:01Z","method":"GET","path":"/","status":70000}"#,
        ] {
            assert_eq!(Line::parse(broken.as_bytes()), None, "{broken}");
        }
    }
}
