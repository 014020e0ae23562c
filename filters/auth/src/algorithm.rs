//! The signature algorithms that a key may be for.

use std::fmt;

use policy::ConfigError;

use crate::hash::Hash;

/// A signature algorithm of RFC 7518 §3.1 or RFC 8037 §3.1. A token never chooses one: its key does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256 and MGF1 with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384 and MGF1 with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512 and MGF1 with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// Edwards-curve signatures, on Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The name that `alg` has for it, in keys and tokens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }

    /// The algorithm of this name. Names are case-sensitive (RFC 7515 §4.1.1).
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// What it hashes with.
    pub(crate) const fn hash(self) -> Hash {
        match self {
            Self::Hs256 | Self::Rs256 | Self::Ps256 | Self::Es256 => Hash::Sha256,
            Self::Hs384 | Self::Rs384 | Self::Ps384 | Self::Es384 => Hash::Sha384,
            Self::Hs512 | Self::Rs512 | Self::Ps512 | Self::EdDsa => Hash::Sha512,
        }
    }
}

/// Some of the algorithms: what a key is for, or what an issuer signs with.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Algorithms(u16);

impl Algorithms {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// For secrets.
    pub(crate) const HMAC: Self = Self::of(&[Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512]);
    /// For RSA keys.
    pub(crate) const PKCS1: Self = Self::of(&[Algorithm::Rs256, Algorithm::Rs384, Algorithm::Rs512]);
    /// For RSA keys too.
    pub(crate) const PSS: Self = Self::of(&[Algorithm::Ps256, Algorithm::Ps384, Algorithm::Ps512]);

    /// All of them.
    pub const ALL: Self = Self::of(&Algorithm::ALL);

    /// These.
    pub const fn of(algorithms: &[Algorithm]) -> Self {
        let mut bits = 0;
        let mut rest = algorithms;
        while let [first, others @ ..] = rest {
            bits |= 1 << *first as u16;
            rest = others;
        }
        Self(bits)
    }

    /// Reads an issuer's list of names.
    ///
    /// # Errors
    /// A name that is not of [`Algorithm::ALL`], with its place in the list.
    pub fn read(names: &[String]) -> Result<Self, ConfigError> {
        names.iter().enumerate().try_fold(Self::NONE, |all, (index, name)| match Algorithm::parse(name) {
            Some(algorithm) => Ok(Self(all.0 | Self::of(&[algorithm]).0)),
            None => Err(ConfigError::at(format!("[{index}]"), format!("must be one of {}, got {name:?}", Self::ALL))),
        })
    }

    /// Whether this is one of them.
    pub const fn has(self, algorithm: Algorithm) -> bool {
        self.0 & 1 << algorithm as u16 != 0
    }

    /// Those that are in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Their names, as a list to choose from.
impl fmt::Display for Algorithms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chosen = Algorithm::ALL.into_iter().filter(|algorithm| self.has(*algorithm));
        if let Some(first) = chosen.next() {
            f.write_str(first.name())?;
        }
        chosen.try_for_each(|next| write!(f, ", {}", next.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(algorithm.name()), Some(algorithm));
        }
        for name in ["none", "None", "hs256", "ES256K", "ES512", "RS1", "PS", ""] {
            assert_eq!(Algorithm::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_set_has_what_it_was_made_of() {
        for algorithm in Algorithm::ALL {
            let alone = Algorithms::of(&[algorithm]);
            for other in Algorithm::ALL {
                assert_eq!(alone.has(other), other == algorithm, "{} {}", algorithm.name(), other.name());
            }
            let families = [Algorithms::HMAC, Algorithms::PKCS1, Algorithms::PSS];
            assert!(families.into_iter().filter(|family| family.has(algorithm)).count() <= 1);
            assert_eq!(alone.to_string(), algorithm.name());
        }
        assert!(Algorithms::HMAC.and(Algorithms::PKCS1).is_empty());
        assert_eq!(Algorithms::PSS.to_string(), "PS256, PS384, PS512");
    }

    #[test]
    fn an_issuers_list_has_known_names_alone() {
        let read = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            Algorithms::read(&names).map_err(|mistake| mistake.to_string())
        };
        assert_eq!(read(&["RS256", "ES384"]), Ok(Algorithms::of(&[Algorithm::Rs256, Algorithm::Es384])));
        assert_eq!(read(&[]), Ok(Algorithms::NONE));
        for name in ["none", "ES512", "rs256"] {
            let reason = read(&["RS256", name]).unwrap_err();
            assert!(reason.starts_with("[1]: must be one of HS256, HS384, "), "{reason}");
            assert!(reason.ends_with(&format!("EdDSA, got {name:?}")), "{reason}");
        }
    }
}
