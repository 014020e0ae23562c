//! The filter's configuration.

use policy::ConfigError;
use serde::Deserialize;

use crate::agent::Agents;

/// What an operator decides; see [`Config::from_json`] for how it is written.
#[derive(Debug)]
pub struct Config {
    /// Whose ids a request goes by.
    pub client_ids: ClientIds,
    /// What becomes of a trace that a client is in.
    pub client_traces: ClientTraces,
    /// Which AI agents are known by their `User-Agent`.
    pub agents: Agents,
}

/// Whose `x-request-id` and `x-correlation-id` a request goes by.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ClientIds {
    /// The client's, where they are well-formed.
    #[default]
    Accept,
    /// Always our own: for an edge that faces strangers.
    Replace,
}

/// What becomes of a trace that a client is in.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ClientTraces {
    /// It goes on, where the client's headers are valid.
    #[default]
    Continue,
    /// It ends here and a new one begins: for an edge that faces strangers.
    Restart,
}

/// The User-Agents of the AI agents that announce themselves, as of this release.
const AGENTS: [&str; 20] = [
    "GPTBot",
    "ChatGPT-User",
    "OAI-SearchBot",
    "ClaudeBot",
    "Claude-User",
    "Claude-SearchBot",
    "anthropic-ai",
    "PerplexityBot",
    "Perplexity-User",
    "Google-CloudVertexBot",
    "Google-Agent",
    "Amazonbot",
    "Applebot-Extended",
    "Bytespider",
    "CCBot",
    "cohere-ai",
    "DuckAssistBot",
    "meta-externalagent",
    "Meta-ExternalFetcher",
    "MistralAI-User",
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    client_ids: ClientIds,
    client_traces: ClientTraces,
    agents: Vec<String>,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            client_ids: ClientIds::default(),
            client_traces: ClientTraces::default(),
            agents: AGENTS.map(str::to_owned).into(),
        }
    }
}

impl Config {
    /// Reads a configuration, of which every member may be left out:
    ///
    /// - `client_ids`: `"accept"` (default) takes well-formed ids over from clients, `"replace"` never does.
    /// - `client_traces`: `"continue"` (default) goes on with a client's valid trace, `"restart"` never does.
    /// - `agents`: what to look for in `User-Agent`, in upper or lower case; the first that is found there names the
    ///   agent. `[]` looks for none. Default: the agents that announce themselves.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        let raw: Raw = policy::config::read(json)?;
        let agents = Agents::new(raw.agents).map_err(|mistake| mistake.inside("agents"))?;
        Ok(Self { client_ids: raw.client_ids, client_traces: raw.client_traces, agents })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn nothing_said_trusts_the_client_and_knows_the_usual_agents() {
        for json in ["", "{}"] {
            let config = Config::from_json(json.as_bytes()).unwrap();
            assert_eq!((config.client_ids, config.client_traces), (ClientIds::Accept, ClientTraces::Continue));
            assert_eq!(config.agents.find(b"Mozilla/5.0 (compatible; GPTBot/1.2)"), Some("GPTBot"));
        }
    }

    #[test]
    fn what_is_said_holds() {
        let json = br#"{"client_ids": "replace", "client_traces": "restart", "agents": ["MyBot"]}"#;
        let config = Config::from_json(json).unwrap();
        assert_eq!((config.client_ids, config.client_traces), (ClientIds::Replace, ClientTraces::Restart));
        assert_eq!(config.agents.find(b"mybot/1"), Some("MyBot"));
        assert_eq!(config.agents.find(b"GPTBot"), None);
        let config = Config::from_json(br#"{"agents": []}"#).unwrap();
        assert_eq!(config.agents.find(b"GPTBot"), None);
    }

    #[test]
    fn a_mistake_says_where_it_is_and_what_would_be_right() {
        let many = format!(r#"{{"agents": [{}"x00"]}}"#, r#""abc","#.repeat(256));
        let cases = [
            (r#"{"client_id": "accept"}"#, "client_id: unknown field `client_id`, expected one of `client_ids`"),
            (r#"{"client_ids": "trust"}"#, "client_ids: unknown variant `trust`, expected `accept` or `replace`"),
            (r#"{"client_traces": "stop"}"#, "client_traces: unknown variant `stop`, expected `continue` or `restart`"),
            (r#"{"agents": "GPTBot"}"#, "agents: invalid type: string"),
            (r#"{"agents": ["GPTBot", ""]}"#, r#"agents[1]: must be 3 to 64 of A-Z a-z 0-9 space - _ . /, got """#),
            (r#"{"agents": ["ai"]}"#, r#"agents[0]: must be 3 to 64 of A-Z a-z 0-9 space - _ . /, got "ai""#),
            (r#"{"agents": ["a\nb"]}"#, r#"agents[0]: must be 3 to 64 of A-Z a-z 0-9 space - _ . /, got "a\nb""#),
            (&many, "agents: must be at most 256, got 257"),
        ];
        for (json, expected) in cases {
            let said = Config::from_json(json.as_bytes()).unwrap_err().to_string();
            assert!(said.starts_with(expected), "{said}");
        }
    }
}
