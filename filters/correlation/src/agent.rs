//! Which AI agent a request comes from, as far as it says so itself.
//!
//! An agent is a label for logs, not a credential: whoever wants to can leave it out or borrow another's. What becomes
//! part of a log line is therefore safe text, whatever was sent.

use policy::ConfigError;

/// A longer name is cut.
const NAME_LENGTH_MAX: usize = 64;
/// Shorter words would be found in User-Agents that have nothing to do with them.
const WORD_LENGTH_MIN: usize = 3;
/// How many words may be looked for.
const WORDS_MAX: usize = 256;
/// How far into a `User-Agent` words are looked for: real ones are shorter, and a client chooses the length.
const USER_AGENT_LENGTH_MAX: usize = 512;

/// The words that name agents in a `User-Agent`.
///
/// Every request is searched for all of them, so the search goes over the text once: at each place, one look at a table
/// of the words' first two letters says whether any word may begin there.
#[derive(Debug)]
pub struct Agents {
    words: Vec<Word>,
    /// One bit for each pair of letters that a word begins with, five bits of each letter.
    starts: [u32; 32],
}

#[derive(Debug)]
struct Word {
    name: String,
    lower: Vec<u8>,
}

impl Agents {
    /// The agents of these names, which are what is looked for, too.
    ///
    /// # Errors
    /// A name that is too short, too long or not safe to log; more than 256 names.
    pub fn new(names: Vec<String>) -> Result<Self, ConfigError> {
        if names.len() > WORDS_MAX {
            return Err(ConfigError::at("", format!("must be at most {WORDS_MAX}, got {}", names.len())));
        }
        let mut starts = [0; 32];
        let mut words = Vec::with_capacity(names.len());
        for (index, name) in names.into_iter().enumerate() {
            let length = (WORD_LENGTH_MIN..=NAME_LENGTH_MAX).contains(&name.len());
            let (true, true, Some([first, second])) =
                (length, name.bytes().all(is_safe), name.as_bytes().first_chunk::<2>())
            else {
                let reason = format!("must be 3 to 64 of A-Z a-z 0-9 space - _ . /, got {name:?}");
                return Err(ConfigError::at(format!("[{index}]"), reason));
            };
            let (row, bit) = start(*first, *second);
            if let Some(row) = starts.get_mut(row) {
                *row |= bit;
            }
            words.push(Word { lower: name.to_ascii_lowercase().into_bytes(), name });
        }
        Ok(Self { words, starts })
    }

    /// The first of the agents, in the order of the configuration, whose name stands in `user_agent`.
    pub fn find(&self, user_agent: &[u8]) -> Option<&str> {
        let text = user_agent.get(..USER_AGENT_LENGTH_MAX).unwrap_or(user_agent);
        let begins = |pair: &[u8]| {
            let &[first, second] = pair else { return false };
            let (row, bit) = start(first, second);
            self.starts.get(row).is_some_and(|row| row & bit != 0)
        };
        let mut best = self.words.len();
        for (at, _) in text.windows(2).enumerate().filter(|(_, pair)| begins(pair)) {
            let rest = text.get(at..).unwrap_or_default();
            let better = self.words.iter().take(best);
            best = better
                .enumerate()
                .find(|(_, word)| stands_at_start(&word.lower, rest))
                .map_or(best, |(index, _)| index);
        }
        self.words.get(best).map(|word| word.name.as_str())
    }
}

/// An agent's own word for itself, made safe to log: at most 64 characters, of which any but `A-Z a-z 0-9 space - _ . /`
/// is an underscore. `None` where nothing is left.
pub fn sanitise(bytes: &[u8]) -> Option<String> {
    let trimmed = bytes.trim_ascii();
    let start = trimmed.get(..NAME_LENGTH_MAX).unwrap_or(trimmed);
    let safe = |&byte: &u8| if is_safe(byte) { char::from(byte) } else { '_' };
    // Nothing but underscores says nothing.
    start.iter().any(u8::is_ascii_alphanumeric).then(|| start.iter().map(safe).collect())
}

fn is_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'-' | b'_' | b'.' | b'/')
}

/// Where the table has the bit of two letters. Five bits of a letter are the same in upper and lower case.
const fn start(first: u8, second: u8) -> (usize, u32) {
    ((first & 31) as usize, 1 << (second & 31))
}

fn stands_at_start(lower: &[u8], text: &[u8]) -> bool {
    text.get(..lower.len()).is_some_and(|start| start.eq_ignore_ascii_case(lower))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn agents(names: &[&str]) -> Agents {
        Agents::new(names.iter().map(|&name| name.to_owned()).collect()).unwrap()
    }

    #[test]
    fn a_name_is_found_anywhere_and_in_any_case() {
        let agents = agents(&["GPTBot", "ClaudeBot", "Claude-User", "meta-externalagent/"]);
        for (user_agent, expected) in [
            ("GPTBot", Some("GPTBot")),
            ("Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; gptbot/1.1)", Some("GPTBot")),
            ("xCLAUDE-USERx", Some("Claude-User")),
            ("claudebo claudebot", Some("ClaudeBot")),
            ("meta-externalagent/1.1 (+https://example)", Some("meta-externalagent/")),
            ("ClaudeBot GPTBot", Some("GPTBot")),
            ("GPTBo", None),
            ("curl/8.5.0", None),
            ("G", None),
            ("", None),
        ] {
            assert_eq!(agents.find(user_agent.as_bytes()), expected, "{user_agent}");
        }
    }

    #[test]
    fn hostile_bytes_are_no_agent_and_do_no_harm() {
        let agents = agents(&["GPTBot"]);
        assert_eq!(agents.find(b"\xff\xfeGPTBot\xff"), Some("GPTBot"));
        assert_eq!(agents.find(&vec![b'g'; 60 * 1024]), None);
        let mut late = vec![b' '; 512];
        late.extend_from_slice(b"GPTBot");
        assert_eq!(agents.find(&late), None);
    }

    #[test]
    fn what_an_agent_calls_itself_becomes_safe_text() {
        let long = "x".repeat(60 * 1024);
        for (sent, expected) in [
            (b"planner-7".as_slice(), Some("planner-7")),
            (b"  Acme Agent/2.0 ", Some("Acme Agent/2.0")),
            (b"a\"b\nc{d}", Some("a_b_c_d_")),
            ("agent \u{fc}".as_bytes(), Some("agent __")),
            (b"a\xff\xfe", Some("a__")),
            (b"\xff\xfe", None),
            (b"", None),
            (b"  ", None),
            (b"---", None),
            (long.as_bytes(), Some(&long[..64])),
        ] {
            assert_eq!(sanitise(sent).as_deref(), expected);
        }
    }
}
