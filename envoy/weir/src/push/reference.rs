//! Where an image is: `registry.example:5000/weir/auth:1.0`.

use crate::push::Failure;

/// Characters that a repository's name may have, its registry included.
const NAME_CHARACTERS_MAX: usize = 255;
/// Characters that a tag may have.
const TAG_CHARACTERS_MAX: usize = 128;

/// A repository, and a tag where one was said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reference {
    /// The registry: its host, and its port where that is another one than usual.
    pub registry: String,
    /// The repository in it.
    pub repository: String,
    /// The tag.
    pub tag: Option<String>,
}

impl Reference {
    /// Reads one. There is no registry that would be meant where none is named.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |why: &str| Failure::of(format!("`{text}`"), why);
        let (registry, rest) = text.split_once('/').ok_or_else(|| wrong("expected `registry/repository`"))?;
        let is_host = registry == "localhost" || registry.contains(['.', ':']);
        let fine = |c: char| c.is_ascii_alphanumeric() || ".:-[]".contains(c);
        if !is_host || !registry.chars().all(fine) {
            return Err(wrong("expected a registry's host before the first `/`"));
        }
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        if repository.len() > NAME_CHARACTERS_MAX || !repository.split('/').all(is_component) {
            return Err(wrong("expected a repository of a-z 0-9, parted by `/`, `.`, `_` or `-`"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(wrong("expected a tag of at most 128 of A-Z a-z 0-9 _ . -"));
        }
        let (registry, repository) = (registry.to_owned(), repository.to_owned());
        Ok(Self { registry, repository, tag: tag.map(str::to_owned) })
    }

    /// Whether the registry is on this machine.
    pub fn is_near(&self) -> bool {
        let host = match self.registry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, _)) => host,
            None => self.registry.split(':').next().unwrap_or_default(),
        };
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

fn is_component(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(fine) && text.ends_with(fine) && text.chars().all(|c| fine(c) || "._-".contains(c))
}

fn is_tag(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.len() <= TAG_CHARACTERS_MAX && text.starts_with(fine) && text.chars().all(|c| fine(c) || ".-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_a_registry_a_repository_and_perhaps_a_tag() {
        let cases = [
            ("localhost/weir", "localhost", "weir", None, true),
            ("localhost:5000/weir/auth:0.1.0", "localhost:5000", "weir/auth", Some("0.1.0"), true),
            ("127.0.0.1:5000/a-b_c.d/e", "127.0.0.1:5000", "a-b_c.d/e", None, true),
            ("[::1]:5000/weir", "[::1]:5000", "weir", None, true),
            ("registry.example/weir:v1", "registry.example", "weir", Some("v1"), false),
        ];
        for (text, registry, repository, tag, is_near) in cases {
            let reference = Reference::parse(text).unwrap();
            let found = (reference.registry.as_str(), reference.repository.as_str(), reference.tag.as_deref());
            assert_eq!((found, reference.is_near()), ((registry, repository, tag), is_near), "{text}");
        }
    }

    #[test]
    fn what_is_no_reference_is_told() {
        let cases = [
            ("weir", "expected `registry/repository`"),
            ("weir/auth", "expected a registry's host before the first `/`"),
            ("user@registry.example/weir", "expected a registry's host before the first `/`"),
            ("registry.example/Weir", "expected a repository of a-z 0-9, parted by `/`, `.`, `_` or `-`"),
            ("registry.example/", "expected a repository of a-z 0-9, parted by `/`, `.`, `_` or `-`"),
            ("registry.example/../x", "expected a repository of a-z 0-9, parted by `/`, `.`, `_` or `-`"),
            ("registry.example/weir:", "expected a tag of at most 128 of A-Z a-z 0-9 _ . -"),
            ("registry.example/weir:a/b", "expected a tag of at most 128 of A-Z a-z 0-9 _ . -"),
        ];
        for (text, why) in cases {
            assert_eq!(Reference::parse(text), Err(Failure::of(format!("`{text}`"), why)));
        }
    }
}
