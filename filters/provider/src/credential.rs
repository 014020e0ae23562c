//! How a provider is told who asks: one of a few styles, each filled with secrets of the environment.

use policy::ConfigError;
use policy::fields::Fields;
use policy::route::lower_case;
use policy::state::Variables;

use crate::grant::Grant;
use crate::secret::{Forms, Secret};

/// What is added to every request to a provider.
pub enum Credential {
    /// Nothing.
    None,
    /// A parameter of the query.
    Query {
        /// Its name.
        name: String,
        /// Its value.
        value: Secret,
    },
    /// A header.
    Header {
        /// Its name, in lower case.
        name: String,
        /// Its whole value.
        value: Secret,
    },
    /// A token that is fetched, and shown as `Authorization: Bearer …`.
    Grant(Box<Grant>),
}

/// What a request shows.
#[derive(Default)]
pub struct Shown<'a> {
    /// A parameter to be added to the query.
    pub parameter: Option<(&'a str, &'a str)>,
    /// A header to be added.
    pub header: Option<(&'a str, &'a str)>,
    /// Whether it may have ended when the request is sent a second time.
    pub is_brief: bool,
}

/// The styles, as a configuration names them.
const STYLES: [&str; 5] = ["query", "header", "bearer", "discogs", "oauth2"];

impl Credential {
    /// Reads `credentials`, and with it the forms in which its secrets may come back:
    ///
    /// - `{"query": {"name", "env"}}`: a parameter of the query, as Last.fm wants it;
    /// - `{"header": {"name", "env"}}`: a header with this value;
    /// - `{"bearer": {"env"}}`: `Authorization: Bearer …` with a token that does not change;
    /// - `{"discogs": {"key": {"env"}, "secret": {"env"}}}`: `Authorization: Discogs key=…, secret=…`;
    /// - `{"oauth2": {"token_url", "client_id": {"env"}, "client_secret": {"env"}, …}}`: a token that is fetched (see
    ///   [`Grant::read`]).
    ///
    /// Beside each `env` there may be a `default`, for what is no secret.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn read(mut fields: Fields, variables: Option<Variables<'_>>) -> Result<(Self, Forms), ConfigError> {
        let mut given = STYLES.into_iter().filter(|style| fields.has(style));
        let (style, more) = (given.next(), given.next());
        let Some(style) = style.filter(|_| more.is_none()) else {
            if style.is_none() {
                fields.end_of(&STYLES)?;
            }
            return Err(ConfigError::at("", "must have one of query, header, bearer, discogs and oauth2"));
        };
        let read = Self::of_style(style, fields.object(style)?, variables);
        fields.end_of(&STYLES)?;
        read.map_err(|mistake| mistake.inside(style))
    }

    fn of_style(
        style: &str,
        mut fields: Fields,
        variables: Option<Variables<'_>>,
    ) -> Result<(Self, Forms), ConfigError> {
        if style == "oauth2" {
            let grant = Grant::read(fields, variables)?;
            let forms = Forms::of([&grant.client_secret]);
            return Ok((Self::Grant(Box::new(grant)), forms));
        }
        let authorization = |value| Self::Header { name: "authorization".to_owned(), value };
        if style == "discogs" {
            let mut part = |name| Secret::member(&mut fields, name, variables);
            let (key, secret) = (part("key")?, part("secret")?);
            fields.end()?;
            let whole = Secret::of_parts(&["Discogs key=", key.text(), ", secret=", secret.text()]);
            return Ok((authorization(whole), Forms::of([&key, &secret])));
        }
        let name = if style == "bearer" { None } else { Some(fields.needed("name")?) };
        let secret = Secret::read(&mut fields, variables)?;
        fields.end()?;
        let forms = Forms::of([&secret]);
        let credential = match name {
            None => authorization(Secret::of_parts(&["Bearer ", secret.text()])),
            Some(name) if style == "header" => {
                lower_case(&name).map_err(|mistake| mistake.inside("name"))?;
                if RESERVED.contains(&name.as_str()) {
                    return Err(ConfigError::at("name", format!("must be a header of its own, got {name:?}")));
                }
                Self::Header { name, value: secret }
            }
            Some(name) if name.is_empty() => return Err(ConfigError::at("name", "must be a parameter's name")),
            Some(name) => Self::Query { name, value: secret },
        };
        Ok((credential, forms))
    }

    /// What a request shows; of a token that is fetched, whoever has it knows more.
    pub fn shown(&self) -> Shown<'_> {
        match self {
            Self::None | Self::Grant(_) => Shown::default(),
            Self::Query { name, value } => {
                Shown { parameter: Some((name, value.text())), header: None, ..Shown::default() }
            }
            Self::Header { name, value } => Shown { header: Some((name, value.text())), ..Shown::default() },
        }
    }
}

/// Headers that every request has already, or that say how long it is.
const RESERVED: [&str; 13] = [
    "host",
    "x-forwarded-proto",
    "x-envoy-original-path",
    "traceparent",
    "tracestate",
    "accept",
    "accept-encoding",
    "user-agent",
    "content-length",
    "transfer-encoding",
    "connection",
    "x-request-id",
    "x-correlation-id",
];

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn read(json: &str) -> Result<(Credential, Forms), ConfigError> {
        let variables = |name: &str| match name {
            "KEY" => Some("key-of-ours".to_owned()),
            "SECRET" => Some("secret-of-ours".to_owned()),
            "SHORT" => Some("short".to_owned()),
            _ => None,
        };
        Credential::read(Fields::read(json.as_bytes()).unwrap(), Some(&variables))
    }

    #[test]
    fn each_style_shows_its_secret_in_its_place() {
        for (json, parameter, header) in [
            (r#"{"query": {"name": "api_key", "env": "KEY"}}"#, Some(("api_key", "key-of-ours")), None),
            (r#"{"header": {"name": "x-key", "env": "KEY"}}"#, None, Some(("x-key", "key-of-ours"))),
            (r#"{"bearer": {"env": "KEY"}}"#, None, Some(("authorization", "Bearer key-of-ours"))),
            (
                r#"{"discogs": {"key": {"env": "KEY"}, "secret": {"env": "SECRET"}}}"#,
                None,
                Some(("authorization", "Discogs key=key-of-ours, secret=secret-of-ours")),
            ),
            (
                r#"{"bearer": {"env": "NONE", "default": "not-a-secret"}}"#,
                None,
                Some(("authorization", "Bearer not-a-secret")),
            ),
            (
                r#"{"bearer": {"env": "KEY", "default": "not-a-secret"}}"#,
                None,
                Some(("authorization", "Bearer key-of-ours")),
            ),
        ] {
            let (credential, forms) = read(json).ok().unwrap();
            let shown = credential.shown();
            assert_eq!((shown.parameter, shown.header), (parameter, header), "{json}");
            let (_, value) = parameter.or(header).unwrap();
            assert!(forms.occur(value.as_bytes()), "{json}");
        }
    }

    #[test]
    fn a_mistake_says_where_it_is_and_nothing_of_a_secret() {
        for (json, expected) in [
            ("{}", "must have one of query, header, bearer, discogs and oauth2"),
            (
                r#"{"bearer": {"env": "KEY"}, "query": {}}"#,
                "must have one of query, header, bearer, discogs and oauth2",
            ),
            (r#"{"baerer": {}}"#, "baerer: unknown field `baerer`"),
            (r#"{"bearer": "KEY"}"#, "bearer: must be an object"),
            (r#"{"bearer": {}}"#, "bearer.env: is missing"),
            (r#"{"bearer": {"env": "A-B"}}"#, "bearer.env: must be the name of a variable, got \"A-B\""),
            (r#"{"bearer": {"env": "NONE"}}"#, "bearer.env: the environment has no variable NONE"),
            (r#"{"bearer": {"env": "SHORT"}}"#, "bearer.env: the secret must be 8 to 4096 visible ASCII characters"),
            (r#"{"bearer": {"env": "KEY", "value": "x"}}"#, "bearer.value: is not known here"),
            (r#"{"query": {"env": "KEY"}}"#, "query.name: is missing"),
            (r#"{"query": {"env": "KEY", "name": ""}}"#, "query.name: must be a parameter's name"),
            (r#"{"header": {"env": "KEY", "name": "X-Key"}}"#, "header.name: must be a header name in lower case"),
            (r#"{"header": {"env": "KEY", "name": "host"}}"#, "header.name: must be a header of its own"),
            (r#"{"discogs": {"key": {"env": "KEY"}}}"#, "discogs.secret.env: is missing"),
        ] {
            let said = read(json).err().unwrap().to_string();
            assert!(said.starts_with(expected) && !said.contains("short"), "{json}: {said}");
        }
    }
}
