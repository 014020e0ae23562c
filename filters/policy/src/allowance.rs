//! What the limits of a proxy hold, for whoever asks: one value of shared data under [`KEY`]; and where their buckets are.
//!
//! Once a second the workers write a line for each rule, of which the first to come in that second counts:
//!
//! ```text
//! 1767225600 spotify spotify 0 20 17 3 12 proxy "spotify-second";q=20;w=2
//! when       rule    providers slots most tokens waiting cooling scope policy
//! ```
//!
//! `when` in seconds since the Unix epoch. Where all callers of a rule share one bucket, it has no `slots`, holds `most` tokens
//! when it is full, and `tokens` now; else both are `-`. So many requests are `waiting` for it, or `-` where each caller has a line
//! of its own ([`crate::queue`]); and the upstream that it is for wants to be left alone for so many seconds more (`cooling`). `scope` says who keeps it: this `proxy`, or a `fleet`. A line
//! that nobody has written for [`LAPSE_SECONDS`] is of a configuration that is gone.
//!
//! **Buckets** are under [`key`] where all callers share one, and under [`slot`] elsewhere. A value without bytes is full
//! buckets: that is how they are reset, at once for all workers. A fleet's are in its store, under [`in_store`]; what a proxy has of
//! them is under [`leased`] and [`share`].

/// The key.
pub const KEY: &str = "weir.ratelimit/allowances";

/// A line is of no use after so many seconds.
pub const LAPSE_SECONDS: u64 = 10;

/// More lines than this are not read.
const LINES_MAX: usize = 4096;

/// The key of the bucket that all callers of a rule share.
pub fn key(rule: &str) -> String {
    ["weir.ratelimit.", rule].concat()
}

/// The key of one slot of the table in which the buckets of a rule's callers are.
pub fn slot(rule: &str, slot: u32) -> String {
    [&key(rule), "/", &slot.to_string()].concat()
}

/// The key under which a proxy keeps what it has leased of a bucket of a fleet's, which is under `bucket` where a proxy's own would be.
pub fn leased(bucket: &str) -> String {
    [bucket, " lease"].concat()
}

/// The key of its share of such a bucket while the fleet's store is away.
pub fn share(bucket: &str) -> String {
    [bucket, " share"].concat()
}

/// What the store calls a fleet's bucket that all callers of a rule share; those of its callers have names below that, behind a colon.
pub fn in_store(rule: &str) -> String {
    ["limit:", rule].concat()
}

/// One rule's limits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Allowance<'a> {
    /// When this was so, in seconds since the Unix epoch.
    pub at: u64,
    /// The rule's name.
    pub rule: &'a str,
    /// The upstreams that it is about, with commas between.
    pub providers: &'a str,
    /// In how many slots the buckets of its callers are; none where all share one.
    pub slots: u32,
    /// How many tokens the shared bucket holds when it is full, and now.
    pub shared: Option<[u32; 2]>,
    /// So many requests wait; `None` where whoever wants to know counts those of every slot.
    pub waiting: Option<u32>,
    /// For so many seconds its upstream wants to be left alone.
    pub cooling: u32,
    /// Whether a fleet keeps it.
    pub is_fleet: bool,
    /// What clients are told of it, as `RateLimit-Policy` has it.
    pub policy: &'a str,
}

impl Allowance<'_> {
    /// Whether this is of the present.
    pub const fn is_current(&self, now: u64) -> bool {
        self.at.abs_diff(now) <= LAPSE_SECONDS
    }

    /// Whether a reset of `name` is about this rule: by its own name, or by that of the one upstream that it is for.
    pub fn is_called(&self, name: &str) -> bool {
        self.rule == name || self.providers == name
    }

    /// Writes the line behind whatever `text` holds.
    pub fn write(&self, text: &mut String) {
        let number = |number: Option<u32>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let [most, tokens] = self.shared.map_or([None; 2], |both| both.map(Some));
        let (at, slots) = (self.at.to_string(), self.slots.to_string());
        let [most, tokens, waiting] = [number(most), number(tokens), number(self.waiting)];
        let cooling = self.cooling.to_string();
        let words: [&str; 10] = [
            &at,
            self.rule,
            self.providers,
            &slots,
            &most,
            &tokens,
            &waiting,
            &cooling,
            if self.is_fleet { "fleet" } else { "proxy" },
            self.policy,
        ];
        text.push_str(&words.join(" "));
        text.push('\n');
    }
}

/// All lines, as far as they can be read.
pub fn read(bytes: &[u8]) -> impl Iterator<Item = Allowance<'_>> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    text.lines().take(LINES_MAX).filter_map(line)
}

fn line(line: &str) -> Option<Allowance<'_>> {
    let mut words = line.splitn(10, ' ');
    let at = words.next()?.parse().ok()?;
    let (rule, providers) = (words.next()?, words.next()?);
    let slots = words.next()?.parse().ok()?;
    let (most, tokens) = (words.next()?, words.next()?);
    let shared = match (most, tokens) {
        ("-", "-") => None,
        (most, tokens) => Some([most.parse().ok()?, tokens.parse().ok()?]),
    };
    let waiting = match words.next()? {
        "-" => None,
        waiting => Some(waiting.parse().ok()?),
    };
    let cooling = words.next()?.parse().ok()?;
    let is_fleet = match words.next()? {
        "fleet" => true,
        "proxy" => false,
        _ => return None,
    };
    Some(Allowance { at, rule, providers, slots, shared, waiting, cooling, is_fleet, policy: words.next()? })
}

/// Puts the present of some rules into what was written before. Answers whether anything is to be stored: not where another
/// worker has written the same rules in the same second. Lines of rules that nobody writes any more go when they have lapsed.
pub fn write(bytes: &mut Vec<u8>, now: u64, rules: &[Allowance<'_>]) -> bool {
    let before = std::str::from_utf8(bytes).unwrap_or_default();
    let lines = || before.lines().take(LINES_MAX).filter_map(|line| Some((begun(line)?, line)));
    if rules.iter().all(|rule| lines().any(|(begun, _)| begun == (now, rule.rule))) {
        return false;
    }
    let mut text = String::new();
    for rule in rules {
        rule.write(&mut text);
    }
    for ((at, rule), line) in lines() {
        if at.abs_diff(now) <= LAPSE_SECONDS && !rules.iter().any(|own| own.rule == rule) {
            text.push_str(line);
            text.push('\n');
        }
    }
    *bytes = text.into_bytes();
    true
}

/// When a line was written, and the rule that it is about: all that whoever writes has to know of those of others.
fn begun(line: &str) -> Option<(u64, &str)> {
    let mut words = line.splitn(3, ' ');
    Some((words.next()?.parse().ok()?, words.next()?))
}

/// Says of the rules that have been reset that their buckets are full, as they are.
pub fn refill(bytes: &mut Vec<u8>, is_reset: impl Fn(&Allowance<'_>) -> bool) {
    let mut text = String::new();
    for mut line in read(bytes) {
        if is_reset(&line) {
            line.shared = line.shared.map(|[most, _]| [most; 2]);
        }
        line.write(&mut text);
    }
    *bytes = text.into_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const SPOTIFY: Allowance<'_> = Allowance {
        at: 1_767_225_600,
        rule: "spotify",
        providers: "spotify",
        slots: 0,
        shared: Some([20, 17]),
        waiting: Some(3),
        cooling: 12,
        is_fleet: false,
        policy: r#""spotify-second";q=20;w=2, "spotify-minute";q=100;w=60"#,
    };
    const CLIENT: Allowance<'_> = Allowance {
        rule: "client",
        providers: "spotify,sona",
        slots: 2048,
        shared: None,
        waiting: None,
        cooling: 0,
        is_fleet: true,
        ..SPOTIFY
    };

    #[test]
    fn what_was_written_is_read_back() {
        let mut text = String::new();
        SPOTIFY.write(&mut text);
        assert!(text.starts_with("1767225600 spotify spotify 0 20 17 3 12 proxy \"spotify-second\";q=20"), "{text}");
        CLIENT.write(&mut text);
        assert_eq!(read(text.as_bytes()).collect::<Vec<_>>(), [SPOTIFY, CLIENT]);
    }

    #[test]
    fn what_is_no_line_says_nothing() {
        for text in
            ["", "\n", "1 a b 0 - 1 0 0 proxy x", "1 a b -1 - - 0 0 proxy x", "1 a b 0 - - 0 0 both x", "1 a b 0"]
        {
            assert_eq!(read(text.as_bytes()).count(), 0, "{text}");
        }
        assert_eq!(read(b"\xff\n1 a b 0 - - 0 0 proxy x\n").count(), 0);
        assert_eq!(read("1 a b 0 - - 0 0 proxy x\n".repeat(5000).as_bytes()).count(), LINES_MAX);
    }

    #[test]
    fn of_one_second_the_first_worker_s_lines_stand_and_lapsed_ones_go() {
        let mut bytes = Vec::new();
        assert!(write(&mut bytes, SPOTIFY.at, &[SPOTIFY]));
        assert!(write(&mut bytes, CLIENT.at, &[CLIENT]));
        assert!(!write(&mut bytes, SPOTIFY.at, &[Allowance { waiting: Some(9), ..SPOTIFY }]));
        let names = |bytes: &[u8]| read(bytes).map(|line| line.rule.to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&bytes), ["client", "spotify"]);
        let later = SPOTIFY.at + LAPSE_SECONDS + 1;
        assert!(write(&mut bytes, later, &[Allowance { at: later, ..CLIENT }]));
        assert_eq!(names(&bytes), ["client"]);
    }

    #[test]
    fn what_was_reset_is_full() {
        let mut bytes = Vec::new();
        write(&mut bytes, SPOTIFY.at, &[SPOTIFY, CLIENT]);
        refill(&mut bytes, |line| line.is_called("spotify"));
        let read: Vec<_> = read(&bytes).collect();
        assert_eq!(read, [Allowance { shared: Some([20, 20]), ..SPOTIFY }, CLIENT]);
        assert!(CLIENT.is_called("client") && !CLIENT.is_called("sona"), "it is for others, too");
    }
}
