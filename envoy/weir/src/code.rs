//! What can be said of a policy: each kind of finding with a number for machines, a name for people, and the reason why it matters.
//!
//! Numbers stay: a pipeline may be told to overlook one. `E` is an error, by which `weir check` fails; `W` a warning. Those up
//! to `E099` are always mistakes by which a policy cannot be used at all; the others are traps in one that can.

/// How grave a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// The check fails.
    Error,
    /// The check fails where warnings are denied.
    Warning,
}

impl Severity {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A kind of finding.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(missing_docs, reason = "each is explained in the table below, where its users read it")]
pub enum Code {
    Syntax,
    UnknownKey,
    MissingKey,
    InvalidValue,
    UnknownUpstream,
    UnknownVariable,
    OpenBatch,
    UnroutedCall,
    UnreadableFile,
    UnreachableRoute,
    MissingCluster,
    OldEnvoy,
    SharedPrivate,
    OpenOrigin,
    OtherSpelling,
    ChangedHeader,
    OpenRevocation,
    OpenLimit,
    ShadowOnly,
    AnyAudience,
    OpenWrite,
    PlainSecret,
    LiteralSecret,
    PartlyShadowed,
    LongQueue,
    UnlimitedProvider,
    RetryUnsafe,
    RetryLate,
    EarlyIdle,
    UnusedUpstream,
    UnusedPermission,
    GenerousLimit,
    OtherCredential,
    LongWait,
    UnusedTier,
    OwnAnswer,
    LiteralWildcard,
    UnknownTier,
    OwnAddress,
    UnmetDemand,
    SharedAnswers,
    IdleCache,
    StoredDespite,
    LongBody,
    LongKept,
    NeverStored,
    LongHold,
    IdleSchema,
}

/// A code's number, its name, and why what it stands for matters.
type Row = (Code, &'static str, &'static str, &'static str);

/// All of them, in the order of [`Code`].
pub const TABLE: [Row; 48] = [
    (Code::Syntax, "E001", "syntax", "What is not one YAML document of text cannot be read at all."),
    (Code::UnknownKey, "E002", "unknown-key", "A key that nobody reads would look as if it did something."),
    (Code::MissingKey, "E003", "missing-key", "Without this key, there is no telling what is meant."),
    (
        Code::InvalidValue,
        "E004",
        "invalid-value",
        "Whatever reads this value would refuse it, or make something else of it than was meant.",
    ),
    (
        Code::UnknownUpstream,
        "E005",
        "unknown-upstream",
        "Requests that are sent to an upstream that is not there are answered with 503.",
    ),
    (
        Code::UnknownVariable,
        "E006",
        "unknown-variable",
        "A filter that lacks a variable of the environment does not start, and all its requests are refused.",
    ),
    (
        Code::OpenBatch,
        "E007",
        "open-batch",
        "What a batch asks for is not judged again, so its callers would reach what they may not ask for alone.",
    ),
    (
        Code::UnroutedCall,
        "E008",
        "unrouted-call",
        "The proxy itself answers such a call with 404, so what it was to do, or to take back, is never done.",
    ),
    (Code::UnreadableFile, "E009", "unreadable-file", "What cannot be read is not checked."),
    (
        Code::UnreachableRoute,
        "E101",
        "unreachable-route",
        "The first route that matches a request is the only one that counts, so what this one says never holds.",
    ),
    (
        Code::MissingCluster,
        "E102",
        "missing-cluster",
        "A filter's own request to a cluster that is not there fails at once, each time.",
    ),
    (Code::OldEnvoy, "E103", "old-envoy", "An Envoy that lacks something of its configuration refuses all of it."),
    (
        Code::SharedPrivate,
        "E104",
        "shared-private",
        "An answer that the upstream has marked as one caller's own would be given to others.",
    ),
    (
        Code::OpenOrigin,
        "E105",
        "open-origin",
        "Any page that a user visits could act as that user, and read the answers.",
    ),
    (
        Code::OtherSpelling,
        "E106",
        "other-spelling",
        "Envoy gives every path one spelling before routes and filters look at it, and refuses those that have none.",
    ),
    (
        Code::ChangedHeader,
        "E107",
        "changed-header",
        "Envoy chooses a route by what a client sends, and the filters theirs by what those before them have left of it.",
    ),
    (
        Code::OpenRevocation,
        "W201",
        "open-revocation",
        "While the state store is away, a token that was taken back lets its holder in again.",
    ),
    (Code::OpenLimit, "W202", "open-limit", "Whoever can bring the state down is not limited any more."),
    (
        Code::ShadowOnly,
        "W203",
        "shadow-only",
        "A permission in the shadow is counted and lets everybody pass, so this route demands nothing.",
    ),
    (
        Code::AnyAudience,
        "W204",
        "any-audience",
        "A token that its user gave to another service opens this gateway, too.",
    ),
    (Code::OpenWrite, "W205", "open-write", "Nobody is asked who they are before something of ours is changed."),
    (
        Code::PlainSecret,
        "W206",
        "plain-secret",
        "Whoever is on the way reads the secret, or puts another key in the place of the issuer's.",
    ),
    (
        Code::LiteralSecret,
        "W207",
        "literal-secret",
        "A policy is read, copied and committed by many: what stands in it is no secret any more.",
    ),
    (
        Code::PartlyShadowed,
        "W301",
        "partly-shadowed",
        "Of the requests that two routes match, the first takes all, which is easily overlooked.",
    ),
    (
        Code::LongQueue,
        "W302",
        "long-queue",
        "Requests that cannot have their turn in time are refused at once, so the places behind are never taken.",
    ),
    (
        Code::UnlimitedProvider,
        "W303",
        "unlimited-provider",
        "A third party that is asked too often bans the gateway, and all of its users with it.",
    ),
    (
        Code::RetryUnsafe,
        "W304",
        "retry-unsafe",
        "A request that changes something and is sent twice may change it twice.",
    ),
    (Code::RetryLate, "W305", "retry-late", "A retry that would begin after the request's time is over never happens."),
    (
        Code::EarlyIdle,
        "W306",
        "early-idle",
        "Envoy closes a stream on which nothing moves, be the upstream still within its time or not.",
    ),
    (Code::UnusedUpstream, "W307", "unused-upstream", "What nothing leads to is forgotten, or a route is missing."),
    (Code::UnusedPermission, "W308", "unused-permission", "A permission that no route names protects nothing."),
    (
        Code::GenerousLimit,
        "W309",
        "generous-limit",
        "What is sent beyond a provider's own limit is refused, and who does it for long is banned.",
    ),
    (
        Code::OtherCredential,
        "W310",
        "other-credential",
        "A provider that is shown something else than it looks for answers nobody.",
    ),
    (
        Code::LongWait,
        "W311",
        "long-wait",
        "To Envoy, a request without a body that waits in line is still arriving, and it has so long and no longer for that.",
    ),
    (
        Code::UnusedTier,
        "W312",
        "unused-tier",
        "Without an `identity`, every caller is anonymous: what is said of other tiers is said of nobody.",
    ),
    (
        Code::OwnAnswer,
        "W313",
        "own-answer",
        "What `admin` has the proxy answer goes before all routes; in a mesh, one may lead there, under `weir run` none does.",
    ),
    (
        Code::LiteralWildcard,
        "W314",
        "literal-wildcard",
        "Only `{name}` and a final `/*` stand for more than themselves, so no request that was meant has such a path.",
    ),
    (
        Code::UnknownTier,
        "W315",
        "unknown-tier",
        "Whoever has a tier that the policy does not know is limited as callers without one are.",
    ),
    (
        Code::OwnAddress,
        "W316",
        "own-address",
        "A request that comes back to the proxy takes its route once more, and so without end.",
    ),
    (
        Code::UnmetDemand,
        "W317",
        "unmet-demand",
        "A route whose demand none of the callers can meet answers everybody with 401 or 403.",
    ),
    (
        Code::SharedAnswers,
        "W401",
        "shared-answers",
        "The upstream learns who calls and may answer each differently, but one answer is given to all.",
    ),
    (
        Code::IdleCache,
        "W402",
        "idle-cache",
        "Callers with a credential are not answered from the cache unless the response allows it (RFC 9111 §3.5).",
    ),
    (
        Code::StoredDespite,
        "W403",
        "stored-despite",
        "The upstream has asked that nobody keep this answer, perhaps by law.",
    ),
    (
        Code::LongBody,
        "W404",
        "long-body",
        "An answer that is larger than what the cache may hold is never stored, however often it is asked for.",
    ),
    (Code::LongKept, "W405", "long-kept", "What a provider has corrected meanwhile is answered as it was."),
    (
        Code::NeverStored,
        "W406",
        "never-stored",
        "Only answers to GET and HEAD are stored, and to a POST where it is said which parts of its body count.",
    ),
    (
        Code::LongHold,
        "W501",
        "long-hold",
        "A body that is checked is held back whole, and Envoy holds so much for a stream and no more.",
    ),
    (Code::IdleSchema, "W502", "idle-schema", "A schema that no body is held against protects nothing."),
];

impl Code {
    const fn row(self) -> Row {
        let [first, ..] = TABLE;
        let mut index = 0;
        let mut rest: &[Row] = &TABLE;
        while let [row, more @ ..] = rest {
            if index == self as usize {
                return *row;
            }
            index += 1;
            rest = more;
        }
        first
    }

    /// The number, as in `E101`.
    pub const fn number(self) -> &'static str {
        self.row().1
    }

    /// The name, as in `unreachable-route`.
    pub const fn name(self) -> &'static str {
        self.row().2
    }

    /// Why it matters, as a sentence.
    pub const fn why(self) -> &'static str {
        self.row().3
    }

    /// How grave it is.
    pub const fn severity(self) -> Severity {
        match self.number().as_bytes() {
            [b'E', ..] => Severity::Error,
            _ => Severity::Warning,
        }
    }

    /// The code of this number or name.
    pub fn parse(word: &str) -> Option<Self> {
        TABLE.iter().find(|(_, number, name, _)| *number == word || *name == word).map(|(code, ..)| *code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_in_the_table() {
        let source = include_str!("code.rs");
        let (_, codes) = source.split_once("pub enum Code {").unwrap();
        let codes = codes.split_once('}').unwrap().0.lines().filter(|line| line.ends_with(','));
        assert_eq!(codes.count(), TABLE.len());
    }

    #[test]
    fn every_code_stands_at_its_own_place_once() {
        for (index, (code, number, name, why)) in TABLE.iter().enumerate() {
            assert_eq!(*code as usize, index, "{number}");
            assert_eq!((code.number(), code.name(), code.why()), (*number, *name, *why));
            assert_eq!((Code::parse(number), Code::parse(name)), (Some(*code), Some(*code)));
            assert!(why.ends_with('.'), "{why}");
            assert_eq!(TABLE.iter().filter(|row| row.1 == *number || row.2 == *name).count(), 1, "{number}");
        }
        assert_eq!((Code::Syntax.severity(), Code::OpenLimit.severity()), (Severity::Error, Severity::Warning));
        assert_eq!(Code::parse("E999"), None);
    }
}
