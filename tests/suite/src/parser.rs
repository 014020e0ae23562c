//! The language of scenarios: one line, one step.
//!
//! ```text
//! # A comment, also at the end of a line. A line that ends in \ goes on in the next one.
//!
//! GET /path -> 200
//! POST /path?q=1 name=value name="in quotes" body='{"a": 1}' -> 201 name=value name~part !name
//! 20 times GET / -> 200                # the same line, twenty times
//! eventually GET / -> 200              # again and again until the answer is this one (at most ten seconds;
//!                                      # the host's clock goes on by 100 ms between two attempts)
//! ```
//!
//! # Words
//! A bare word ends at a blank. `"…"` knows `\xff \n \r \t \0 \" \\ \$`; `'…'` takes everything as it is (JSON).
//! `"a"*60000` repeats. Quotes open where a word or a value begins, so a value that holds one is quoted as a whole:
//! `etag='"v1"'`. `$name` and `"…${name}…"` are variables, bound by an earlier line.
//!
//! # Requests
//! | word | meaning |
//! |---|---|
//! | `name=value` | a header; repeated where the name is repeated |
//! | `host=…` | the authority (default `test`) |
//! | `body=…` | the body; several are chunks of one body |
//! | `trailer:name=value` | a trailer |
//! | `@2` | on the host's second worker (default: in turn); in Envoy the kernel chooses |
//! | `from:127.0.0.2` | the client's address (default 127.0.0.1) |
//!
//! # Expectations
//! They begin with the status: `200`, `2xx`, `*` (any answer), `reset` (no answer, the connection was closed), `cut`
//! (the answer began but its body broke off). Then, of headers, of `body`, of `body.member.0.name` in a JSON body and
//! of `trailer:name`:
//!
//! | word | meaning |
//! |---|---|
//! | `name=value` | this value and no other; repeat it to expect several, in this order |
//! | `name=*` | there, whatever its value |
//! | `name=$id` | binds `$id` where it is new, else this value |
//! | `name!=value` | there, but not this value |
//! | `name~part` `!name~part` | a value, or none, contains this |
//! | `name~/regex/` | a value matches; `(?<id>…)` binds `$id`, or must equal it |
//! | `name<=60` `name>=60` | one number |
//! | `!name` | absent; `!body`: empty |
//!
//! # The upstream
//! ```text
//! origin 200 name=value body="…"       # how it answers from here on; at first 200 and an empty body
//! origin /path 503                     # for this path alone (without its query); it wins over the general answer
//! origin 200 body=a body=b trailer:t=1 # chunks and trailers
//! origin 200 body=abcdef cut           # closes in the middle of the body
//! origin reset                         # closes before it answers
//! origin /slow 200 hold                # answers after `release` or `release /slow`
//! saw GET /path name=value !name       # the last request since the last `saw`, with expectations
//! saw nothing                          # no request since the last `saw`
//! saw 3                                # so many
//! ```
//!
//! # Requests in flight
//! ```text
//! start GET /slow name=value as a      # sends it and goes on
//! finish a -> 200                      # waits for its answer
//! leave a                              # the client disconnects
//! ```
//! A `saw` waits some seconds for what it expects, so `saw GET /slow` after a `start` is the moment at which the
//! upstream has the request.
//!
//! # Looking inside
//! What is looked for may take some seconds to come about; the host's clock goes on by 100 ms until it has. The same
//! holds for an answer that is waited for.
//! ```text
//! state wasm.key=value                 # filter state at the end of the last request
//! metric name_total{provider=x} 3      # the sum over all series with these labels; also `>=3`, `<=3`
//! log~"text"   !log~"text"             # the proxy's log since the start
//! advance 61s   back 5s                # moves the clock (ms, s, m, h, d): the scenario is played to the host alone
//! ```

use crate::step::{Fate, Line, Patience, Reply, Request, Step};
use crate::word::{self, Atom, Template, Word};
use crate::{expectation, gauge};

/// Reads a scenario, or says which line is wrong and why.
pub fn parse(scenario: &str) -> Result<Vec<Line>, String> {
    let mut lines = Vec::new();
    let mut rest = scenario.lines().enumerate();
    while let Some((index, first)) = rest.next() {
        let mut text = first.trim().to_owned();
        while let Some(shorter) = text.strip_suffix('\\') {
            let next = rest.next().map_or("", |(_, next)| next.trim());
            text = format!("{}{next}", shorter.trim_end().to_owned() + " ");
        }
        let number = index + 1;
        let words = word::split(&text).and_then(|words| step(&words));
        match words {
            Ok(Some(step)) => lines.push(Line { number, text, step }),
            Ok(None) => {}
            Err(reason) => return Err(format!("line {number}: {text}\n  {reason}")),
        }
    }
    Ok(lines)
}

/// What a line asks for; `None` where it is empty.
fn step(words: &[Word]) -> Result<Option<Step>, String> {
    let Some((first, rest)) = words.split_first() else { return Ok(None) };
    let keyword =
        if first.iter().all(|atom| matches!(atom, Atom::Bare(_))) { word::text(first)? } else { String::new() };
    let step = match keyword.as_str() {
        "origin" => origin(rest)?,
        "saw" => saw(rest)?,
        "advance" => Step::Advance(gauge::duration(&only(rest, "a duration")?)?),
        "back" => Step::Back(gauge::duration(&only(rest, "a duration")?)?),
        "state" => Step::State(expectation::states(rest)?),
        "metric" => Step::Metric(gauge::metric(rest)?),
        "start" => start(rest)?,
        "finish" => finish(rest)?,
        "leave" => Step::Leave { label: only(rest, "a label")? },
        "release" if rest.is_empty() => Step::Release { path: None },
        "release" => Step::Release { path: Some(only(rest, "a path")?) },
        "eventually" => exchange(rest, 1, Patience::Eventually)?,
        _ => match log(words)? {
            Some(step) => step,
            None => repeated(words)?,
        },
    };
    Ok(Some(step))
}

/// The only word of a step that takes one.
fn only(words: &[Word], what: &str) -> Result<String, String> {
    match words {
        [word] => word::text(word),
        _ => Err(format!("expected {what} and nothing else")),
    }
}

/// `log~"text"` or `!log~"text"`.
fn log(words: &[Word]) -> Result<Option<Step>, String> {
    let first = &words[0];
    let (wanted, word) =
        if first.first() == Some(&Atom::Bare(b'!')) { (false, &first[1..]) } else { (true, &first[..]) };
    match word.get(..4) {
        Some(name) if word::is_bare(name, "log~") && words.len() == 1 && word.len() > 4 => {
            Ok(Some(Step::Log { text: Template::new(&word[4..]), wanted }))
        }
        Some(name) if word::is_bare(name, "log~") => Err("expected one text after `log~`".to_owned()),
        _ => Ok(None),
    }
}

/// `3 times GET …`, or a request alone.
fn repeated(words: &[Word]) -> Result<Step, String> {
    match words {
        [count, times, rest @ ..] if word::is_bare(times, "times") => {
            let times = word::text(count)?.parse().map_err(|_| "expected a number before `times`".to_owned())?;
            if times == 0 { Err("0 times is never".to_owned()) } else { exchange(rest, times, Patience::None) }
        }
        _ => exchange(words, 1, Patience::None),
    }
}

/// `GET /path … -> …`
fn exchange(words: &[Word], times: usize, patience: Patience) -> Result<Step, String> {
    let (request, expected) = around_arrow(words)?;
    Ok(Step::Exchange { times, patience, request: self::request(request)?, expected: expectation::answer(expected)? })
}

/// The words before and after `->`.
fn around_arrow(words: &[Word]) -> Result<(&[Word], &[Word]), String> {
    let at = words.iter().position(|word| word::is_bare(word, "->"));
    let at = at.ok_or("expected `-> status` at the end")?;
    Ok((&words[..at], &words[at + 1..]))
}

fn start(words: &[Word]) -> Result<Step, String> {
    match words {
        [request @ .., r#as, label] if word::is_bare(r#as, "as") => {
            Ok(Step::Start { label: word::text(label)?, request: self::request(request)? })
        }
        _ => Err("expected `start METHOD /path … as label`".to_owned()),
    }
}

fn finish(words: &[Word]) -> Result<Step, String> {
    let (label, expected) = around_arrow(words)?;
    Ok(Step::Finish { label: only(label, "a label")?, expected: expectation::answer(expected)? })
}

fn request(words: &[Word]) -> Result<Request, String> {
    let (method, path, rest) = method_and_path(words)?;
    let mut request = Request { method, path, ..Request::default() };
    for word in rest {
        if let Some((Atom::Bare(b'@'), worker)) = word.split_first() {
            let worker = word::text(worker)?.parse().ok().filter(|worker| *worker > 0);
            request.worker = Some(worker.ok_or("`@` needs a worker, counted from 1")?);
        } else if word::is_bare(word.get(..5).unwrap_or_default(), "from:") {
            let address = word::text(&word[5..])?.parse();
            request.from = Some(address.map_err(|_| "`from:` needs an IPv4 address".to_owned())?);
        } else {
            field(word, &mut request.headers, &mut request.body, &mut request.trailers)?;
        }
    }
    Ok(request)
}

/// `GET /path` and what follows.
fn method_and_path(words: &[Word]) -> Result<(String, Template, &[Word]), String> {
    let [method, path, rest @ ..] = words else { return Err("expected `METHOD /path`".to_owned()) };
    let method = word::text(method)?;
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
        return Err(format!("expected a keyword or a method in capital letters, got `{method}`"));
    }
    if !matches!(path.first(), Some(Atom::Bare(b'/' | b'*') | Atom::Quoted(_) | Atom::Variable(_))) {
        return Err("expected a path after the method".to_owned());
    }
    Ok((method, Template::new(path), rest))
}

type Fields = Vec<(Vec<u8>, Template)>;

/// `name=value`, `body=…` or `trailer:name=value` of a message that is sent.
fn field(word: &[Atom], headers: &mut Fields, body: &mut Vec<Template>, trailers: &mut Fields) -> Result<(), String> {
    let at = word.iter().position(|atom| *atom == Atom::Bare(b'=')).filter(|at| *at > 0);
    let at = at.ok_or_else(|| format!("expected `name=value`, got `{}`", word::text(word).unwrap_or_default()))?;
    let (name, value) = (&word[..at], Template::new(&word[at + 1..]));
    if word::is_bare(name, "body") {
        body.push(value);
    } else if word::is_bare(name.get(..8).unwrap_or_default(), "trailer:") {
        trailers.push((word::spelled(&name[8..]).ok_or("a name holds no variable")?, value));
    } else {
        headers.push((word::spelled(name).ok_or("a name holds no variable")?, value));
    }
    Ok(())
}

fn origin(words: &[Word]) -> Result<Step, String> {
    let (path, words) = match words.split_first() {
        Some((first, rest)) if first.first() == Some(&Atom::Bare(b'/')) => (Some(word::text(first)?), rest),
        _ => (None, words),
    };
    let mut reply = Reply {
        status: 200,
        headers: Vec::new(),
        body: Vec::new(),
        trailers: Vec::new(),
        fate: Fate::Whole,
        held: false,
    };
    let mut said = false;
    for (index, word) in words.iter().enumerate() {
        if word::is_bare(word, "hold") {
            reply.held = true;
        } else if word::is_bare(word, "cut") {
            reply.fate = Fate::Cut;
        } else if word::is_bare(word, "reset") {
            reply.fate = Fate::Reset;
            said = true;
        } else if index == 0 {
            let status = word::text(word)?.parse().ok().filter(|status| (200..1000).contains(status));
            reply.status = status.ok_or("expected a status from 200 to 999, or `reset`")?;
            said = true;
        } else {
            field(word, &mut reply.headers, &mut reply.body, &mut reply.trailers)?;
        }
    }
    if !said {
        return Err("expected a status, or `reset`".to_owned());
    }
    if reply.fate == Fate::Cut && reply.body.is_empty() {
        return Err("`cut` needs a body that can be cut".to_owned());
    }
    Ok(Step::Origin { path, reply })
}

fn saw(words: &[Word]) -> Result<Step, String> {
    match words {
        [word] if word::is_bare(word, "nothing") => Ok(Step::SawCount(0)),
        [word] => {
            let count = word::text(word)?.parse();
            Ok(Step::SawCount(count.map_err(|_| "expected `nothing`, a number, or a request".to_owned())?))
        }
        _ => {
            let (method, path, rest) = method_and_path(words)?;
            Ok(Step::Saw(expectation::request(&method, path, rest)?))
        }
    }
}
