//! As whom a registry is spoken to: what the environment says, else what `docker login` has left.

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use crate::push::Failure;

/// The variables that name a user and its password.
const VARIABLES: [&str; 2] = ["WEIR_REGISTRY_USER", "WEIR_REGISTRY_PASSWORD"];

/// A user and its password, as HTTP has them (RFC 7617). Nothing shows it.
pub struct Credential(String);

impl Credential {
    /// Of a user and a password.
    pub fn new(user: &str, password: &str) -> Self {
        Self(STANDARD.encode(format!("{user}:{password}")))
    }

    /// The value of an `authorization` header.
    pub fn header(&self) -> String {
        format!("Basic {}", self.0)
    }
}

/// The one for a registry; `None` where nobody has said any. Helper programs that keep credentials elsewhere are not asked.
pub fn of(registry: &str, environment: &dyn Fn(&str) -> Option<String>) -> Result<Option<Credential>, Failure> {
    match VARIABLES.map(environment) {
        [Some(user), Some(password)] => return Ok(Some(Credential::new(&user, &password))),
        [None, None] => {}
        _ => return Err(Failure::of(VARIABLES.join(" and "), "one is set without the other")),
    }
    let folder = environment("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(PathBuf::from(environment("HOME")?).join(".docker")));
    let Some(path) = folder.map(|folder| folder.join("config.json")).filter(|path| path.is_file()) else {
        return Ok(None);
    };
    let text = fs::read(&path).map_err(|error| Failure::of(path.display(), error))?;
    let config: Json = serde_json::from_slice(&text).map_err(|error| Failure::of(path.display(), error))?;
    let Some(entry) = config.get("auths").and_then(|all| all.get(registry)) else { return Ok(None) };
    let member = |key: &str| entry.get(key).and_then(Json::as_str).filter(|text| !text.is_empty());
    Ok(match (member("auth"), member("username"), member("password")) {
        (Some(encoded), ..) => Some(Credential(encoded.to_owned())),
        (None, Some(user), Some(password)) => Some(Credential::new(user, password)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(config: &str, variables: &[(&str, &str)]) -> Result<Option<String>, Failure> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.json"), config).unwrap();
        let environment = |name: &str| match name {
            "DOCKER_CONFIG" => Some(folder.path().to_string_lossy().into_owned()),
            _ => variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
        };
        Ok(of("registry.example", &environment)?.map(|credential| credential.header()))
    }

    #[test]
    fn the_environment_comes_before_what_docker_keeps() {
        let alice = Ok(Some("Basic YWxpY2U6b3BlbiBzZXNhbWU=".to_owned()));
        let stored = r#"{"auths": {"registry.example": {"auth": "YWxpY2U6b3BlbiBzZXNhbWU="}}}"#;
        assert_eq!(header(stored, &[]), alice);
        let apart = r#"{"auths": {"registry.example": {"username": "alice", "password": "open sesame"}}}"#;
        assert_eq!(header(apart, &[]), alice);
        let said = [("WEIR_REGISTRY_USER", "alice"), ("WEIR_REGISTRY_PASSWORD", "open sesame")];
        assert_eq!(header(r#"{"auths": {"registry.example": {"auth": "Ym9i"}}}"#, &said), alice);
        assert_eq!(header(r#"{"auths": {"other.example": {"auth": "Ym9i"}}}"#, &[]), Ok(None));
        assert_eq!(header("{}", &[]), Ok(None));
    }

    #[test]
    fn half_a_credential_is_a_mistake() {
        let said = header("{}", &[("WEIR_REGISTRY_USER", "alice")]).unwrap_err();
        assert_eq!(said.to_string(), "WEIR_REGISTRY_USER and WEIR_REGISTRY_PASSWORD: one is set without the other");
    }
}
