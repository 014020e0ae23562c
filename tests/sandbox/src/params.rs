//! Query strings and forms as the real services read them: lenient about what they do not know.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use hyper::http::request::Parts;

/// The parameters of a query string or a form, decoded, in their order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads `a=1&b=two+words`.
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Self(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The first value of a parameter, where it is not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.first(name).filter(|value| !value.is_empty())
    }

    /// The first value of a parameter, which may be empty.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// How often a parameter stands there.
    pub(crate) fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|(known, _)| known == name).count()
    }

    /// A number between `least` and `most`: `default` where the parameter is absent, `None` where it is no such number.
    pub(crate) fn number(&self, name: &str, default: usize, least: usize, most: usize) -> Option<usize> {
        match self.get(name) {
            None => Some(default),
            Some(text) => text.parse().ok().filter(|number| (least..=most).contains(number)),
        }
    }

    /// A number that is forced between `least` and `most`, and `default` where it is none.
    pub(crate) fn clamped(&self, name: &str, default: usize, least: usize, most: usize) -> usize {
        self.get(name).and_then(|text| text.parse().ok()).map_or(default, |number: usize| number.clamp(least, most))
    }

    /// Every parameter.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<S: Sync> FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_repeated_ones_counted() {
        let params = Params::parse(b"q=artist%3A%22a%22+b&x=1&x=2&empty=");
        assert_eq!(params.get("q"), Some("artist:\"a\" b"));
        assert_eq!((params.first("x"), params.count("x")), (Some("1"), 2));
        assert_eq!((params.get("empty"), params.get("none")), (None, None));
    }

    #[test]
    fn a_number_is_in_its_range_or_none() {
        let params = Params::parse(b"a=5&b=x&c=99");
        assert_eq!(params.number("a", 1, 1, 50), Some(5));
        assert_eq!(params.number("b", 1, 1, 50), None);
        assert_eq!(params.number("c", 1, 1, 50), None);
        assert_eq!(params.number("d", 7, 1, 50), Some(7));
        assert_eq!(params.clamped("c", 1, 1, 50), 50);
        assert_eq!(params.clamped("b", 3, 1, 50), 3);
    }
}
