//! What a provider's answer becomes: the common shape, its own body without our secrets, or one of our refusals.

use std::time::Duration;

use policy::json::Json;
use policy::{Headers, Instant, Rejection, date};

use crate::config::Provider;
use crate::profile::{Refusal, Shape};
use crate::secret::Forms;
use crate::track::{self, Question};
use crate::view::View;

/// A longer answer cannot be put in the place of a provider's: what is held back, Envoy bounds by the buffer of the client's
/// connection or stream, which is no smaller than 64 KiB, and it fails where that runs over.
pub const RESULT_BYTES_MAX: usize = 60 << 10;

/// Nobody is told to come back later than this.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// What an answer is expected to be.
pub struct Expectation {
    /// Which provider's it is.
    pub provider: usize,
    /// What becomes of it.
    pub shape: Shape,
    /// What is said again beside several tracks.
    pub question: Option<Question>,
    /// Whether the provider's own answer is wanted.
    pub is_raw: bool,
}

impl Expectation {
    /// Whether the provider's own body is what its client gets.
    pub const fn is_own(&self) -> bool {
        self.is_raw || matches!(self.shape, Shape::Own)
    }
}

/// What an answer became.
#[derive(Debug, Eq, PartialEq)]
pub enum Verdict {
    /// This body, in JSON.
    Good(Vec<u8>),
    /// A refusal, and what the operator should hear of it.
    Refused(Rejection, Option<Trouble>),
}

/// What is our matter and not the client's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trouble {
    /// The provider does not accept our credential.
    Denied,
    /// It answered with something that is no answer.
    Unreadable,
    /// It answered with more than is wanted.
    TooLong,
    /// It answered with an error of its own.
    Failed,
}

impl Trouble {
    /// How it is told in the log.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Denied => "our credential is refused",
            Self::Unreadable => "an answer that cannot be read",
            Self::TooLong => "an answer that is too long",
            Self::Failed => "an error of its own",
        }
    }
}

/// What an answer of this status, headers and body becomes; `forms` are those of what it was asked for with.
pub fn judge(
    provider: &Provider,
    forms: &Forms,
    expected: &Expectation,
    status: u16,
    headers: &Headers,
    body: &[u8],
    now: Instant,
) -> Verdict {
    let json: Option<Json> = serde_json::from_slice(body).ok();
    let view = json.as_ref().map_or(View::NOTHING, View::of);
    let refusal = (provider.profile.refusal)(status, view).or(Refusal::of_status(status));
    if let Some(refusal) = refusal {
        return refused(provider, refusal, headers, now);
    }
    match shaped(provider, expected, view, body) {
        Some(mut answer) => {
            forms.redact(&mut answer);
            if answer.len() > RESULT_BYTES_MAX {
                return Verdict::Refused(Rejection::Proxy, Some(Trouble::TooLong));
            }
            Verdict::Good(answer)
        }
        None => Verdict::Refused(Rejection::Proxy, Some(Trouble::Unreadable)),
    }
}

/// The body of a good answer; `None` where it is none.
fn shaped(provider: &Provider, expected: &Expectation, view: View<'_>, body: &[u8]) -> Option<Vec<u8>> {
    let text = match (expected.shape, &expected.question) {
        _ if expected.is_own() => return view.is_object().then(|| body.to_vec()),
        (Shape::Own, _) => return None,
        (Shape::Track(read), _) => track::one(&provider.name, &read(view)?),
        (Shape::Tracks(read), question) => {
            let mut tracks = read(view)?;
            if let Some(Question::Search { limit, .. }) = question {
                tracks.truncate(*limit as usize);
            }
            track::results(&provider.name, question.as_ref()?, &tracks, RESULT_BYTES_MAX)
        }
    };
    Some(text.into_bytes())
}

/// What a provider's refusal becomes.
fn refused(provider: &Provider, refusal: Refusal, headers: &Headers, now: Instant) -> Verdict {
    let retry_after = headers.first("retry-after").and_then(|value| wait(value, now));
    let (rejection, trouble) = match refusal {
        Refusal::Missing => (Rejection::NotFound, None),
        Refusal::Invalid => {
            (Rejection::BadRequest { message: "The provider cannot make anything of this request".into() }, None)
        }
        Refusal::TooOften => {
            (Rejection::RateLimited { retry_after: retry_after.unwrap_or(provider.profile.pause) }, None)
        }
        Refusal::Denied => (Rejection::Proxy, Some(Trouble::Denied)),
        Refusal::Away => (Rejection::Unavailable { retry_after }, None),
        Refusal::Late => (Rejection::Timeout, None),
        Refusal::Broken => (Rejection::Proxy, Some(Trouble::Failed)),
    };
    Verdict::Refused(rejection, trouble)
}

/// How long `Retry-After` asks to wait (RFC 9110 §10.2.3).
pub fn wait(value: &[u8], now: Instant) -> Option<Duration> {
    let seconds = match std::str::from_utf8(value).ok()?.trim().parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => date::parse(value, now.unix_seconds())?.saturating_sub(now.unix_seconds()),
    };
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests;
