//! What is written down about a run that may have to be taken back, so that another worker can do it.
//!
//! A fixed number of slots in shared data, each with one run or nothing: who holds it and until when, then the run as JSON. The
//! holder renews its hold; when it dies, the hold ends, and whoever looks next takes the run over.

use std::time::Duration;

use policy::Instant;
use policy::lease::{Claim, claim};

use crate::run::Inputs;
use crate::undo::{Filled, Given};
use crate::value::Value;

/// How long a worker holds a run without a word.
pub const HOLD: Duration = Duration::from_secs(10);
/// How many bytes of an entry are its hold.
const HOLD_BYTES: usize = 16;

/// A run as it is written down.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The composition's name.
    pub plan: String,
    /// The run's own id.
    pub id: String,
    /// What the request said.
    pub inputs: Inputs,
    /// What may have been done.
    pub given: Vec<Given>,
    /// The headers that its calls have.
    pub headers: Vec<(String, String)>,
}

/// What a slot is to a worker that looks at it.
#[derive(Clone, Debug, PartialEq)]
pub enum Slot {
    /// There is nothing in it.
    Free,
    /// Its run has a worker, which may be the one that looks.
    Held,
    /// Its run has lost its worker; these bytes in the slot's place make it the looking one's.
    Lost(Vec<u8>, Box<Entry>),
    /// What stands there cannot be read.
    Unreadable,
}

/// What a slot holds, to worker `asker`, which has the slot's run under way or not. Its own slot is its to take, too, where it has
/// lost the run on the way: it may be the only worker.
pub fn look(stored: &[u8], asker: u64, is_running: bool, now: Instant) -> Slot {
    if stored.is_empty() {
        return Slot::Free;
    }
    let (hold, entry) = stored.split_at_checked(HOLD_BYTES).unwrap_or_default();
    match claim(hold, asker, now, HOLD) {
        Claim::Take(taken) if !is_running || holder(hold) != Some(asker) => match Entry::parse(entry) {
            Some(read) => Slot::Lost([&taken[..], entry].concat(), Box::new(read)),
            None => Slot::Unreadable,
        },
        _ => Slot::Held,
    }
}

/// Whether worker `asker` is the one that holds what is stored.
pub fn is_own(stored: &[u8], asker: u64) -> bool {
    holder(stored) == Some(asker)
}

fn holder(stored: &[u8]) -> Option<u64> {
    stored.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// The bytes of an entry that worker `asker` holds from now on.
pub fn held(entry: &[u8], asker: u64, now: Instant) -> Vec<u8> {
    let mut bytes = asker.to_le_bytes().to_vec();
    bytes.extend_from_slice(&(now + HOLD).as_nanos().to_le_bytes());
    bytes.extend_from_slice(entry);
    bytes
}

/// An entry without its hold.
pub fn content(stored: &[u8]) -> &[u8] {
    stored.get(HOLD_BYTES..).unwrap_or_default()
}

impl Entry {
    /// It as it is stored, without its hold.
    pub fn to_bytes(&self) -> Vec<u8> {
        let given = self.given.iter().map(|given| {
            let next = given.next.as_ref();
            let next =
                next.map(|(method, path, body)| Value::List([method, path, body].map(|part| Value::text(part)).into()));
            let element = Value::Number(given.element.to_string());
            let one = [Value::text(&given.step), element, next.unwrap_or(Value::Null)];
            Value::List(one.into_iter().chain(given.answer.clone()).collect())
        });
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), Value::text(value)));
        let entry = Value::object([
            ("plan", Value::text(&self.plan)),
            ("id", Value::text(&self.id)),
            ("request", self.inputs.request.clone()),
            ("path", self.inputs.path.clone()),
            ("body", self.inputs.body.clone()),
            ("given", Value::List(given.collect())),
            ("headers", Value::Object(headers.collect())),
        ]);
        entry.to_json().into_bytes()
    }

    /// Reads what [`Entry::to_bytes`] wrote.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let entry = Value::parse(bytes).ok()?;
        let text = |name: &str| Some(entry.member(name)?.as_text()?.to_owned());
        let mut given = Vec::new();
        for one in entry.member("given")?.items()? {
            let [step, element, next, answer @ ..] = one.items()? else { return None };
            let next = match next {
                Value::Null => None,
                next => Some(filled(next)?),
            };
            let (step, answer) = (step.as_text()?.to_owned(), answer.first().cloned());
            given.push(Given { step, element: place(element)?, next, answer });
        }
        let Value::Object(members) = entry.member("headers")? else { return None };
        let headers = members.iter().map(|(name, value)| Some((name.clone(), value.as_text()?.to_owned())));
        let inputs = Inputs {
            request: entry.member("request")?.clone(),
            path: entry.member("path")?.clone(),
            body: entry.member("body")?.clone(),
        };
        Some(Self { plan: text("plan")?, id: text("id")?, inputs, given, headers: headers.collect::<Option<_>>()? })
    }
}

fn filled(parts: &Value) -> Option<Filled> {
    let [method, path, body] = parts.items()? else { return None };
    Some((method.as_text()?.to_owned(), path.as_text()?.to_owned(), body.as_text()?.to_owned()))
}

fn place(value: &Value) -> Option<usize> {
    match value {
        Value::Number(digits) => digits.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn entry() -> Entry {
        let given = |element, next: Option<&str>, answer: Option<&str>| Given {
            step: "reserve".to_owned(),
            element,
            next: next.map(|path| ("POST".to_owned(), path.to_owned(), r#"{"a":"é"}"#.to_owned())),
            answer: answer.map(Value::text),
        };
        Entry {
            plan: "order".to_owned(),
            id: "r1".to_owned(),
            inputs: Inputs {
                request: Value::object([("id", Value::text("é\""))]),
                path: Value::Null,
                body: Value::number(7),
            },
            given: vec![
                given(0, Some("/release"), Some("RES-1")),
                given(1, None, Some("RES-2")),
                given(2, Some("/reserve"), None),
            ],
            headers: vec![("x-request-id".to_owned(), "a".to_owned())],
        }
    }

    #[test]
    fn what_is_written_down_is_read_again() {
        assert_eq!(Entry::parse(&entry().to_bytes()), Some(entry()));
        for bytes in [
            &b""[..],
            b"{}",
            b"[]",
            br#"{"plan":"a","id":"b","given":[[1]],"headers":{}}"#,
            br#"{"plan":"a","id":"b","request":1,"path":1,"body":1,"given":[["s",0,["POST"]]],"headers":{}}"#,
        ] {
            assert_eq!(Entry::parse(bytes), None);
        }
    }

    #[test]
    fn a_run_is_taken_over_when_its_worker_has_been_silent() {
        let at = Instant::from_unix_seconds;
        let stored = held(&entry().to_bytes(), 1, at(100));
        assert_eq!(look(&[], 2, false, at(100)), Slot::Free);
        assert_eq!(look(&stored, 2, false, at(109)), Slot::Held);
        assert_eq!(look(&stored, 1, true, at(200)), Slot::Held);
        let Slot::Lost(taken, read) = look(&stored, 2, false, at(110)) else { panic!("held still") };
        assert_eq!((*read, is_own(&taken, 2), look(&taken, 3, false, at(111))), (entry(), true, Slot::Held));
        // A worker that has lost it on the way takes it as any other does, and holds it against the others.
        assert_eq!(look(&stored, 1, false, at(104)), Slot::Held);
        let Slot::Lost(taken, read) = look(&stored, 1, false, at(110)) else { panic!("held by nobody") };
        assert_eq!((*read, is_own(&taken, 1), look(&taken, 2, false, at(119))), (entry(), true, Slot::Held));
        // A clock that has stepped back leaves no run without a worker for long.
        assert!(matches!(look(&stored, 2, false, at(5)), Slot::Lost(..)));
        assert_eq!(look(&[7; 40], 2, false, at(1)), Slot::Unreadable);
        assert_eq!(look(b"x", 2, false, at(1)), Slot::Unreadable);
        assert_eq!(content(&stored), entry().to_bytes());
    }
}
