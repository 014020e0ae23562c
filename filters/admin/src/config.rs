//! The filter's configuration.
//!
//! ```json
//! {
//!   "operators": {"role": "operator", "key_sha256": ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]},
//!   "cache": {"name": "weir", "data": [{"provider": "spotify", "data_type": "track_metadata"}]},
//!   "state": {"env": "STATE_PASSWORD"},
//!   "envoy": {"cluster": "weir_admin"},
//!   "plugins": [{"name": "cache", "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}],
//!   "key_sets": [{"name": "https://id.example/", "cluster": "jwks", "url": "https://id.example/jwks.json"}]
//! }
//! ```
//!
//! `operators` says who may ask for more than health: callers with this `role`, as `auth` has found it, and whoever shows in
//! `x-admin-key` a key with one of these digests, at most 8. Without it, nobody may. `cache` names the cache that is purged, as
//! its own configuration does (which hears of it where it has `"orders": true`), and the labels that its routes are counted under; with
//! `shared`, its purges reach a fleet (where it has an `l2`).
//! `state` is the store of a fleet (see [`RawStore`]), whose breakers are ordered there. `envoy` leads to Envoy's administration
//! interface: it is asked how many hosts of each cluster are healthy, and told how much its component `wasm` logs. `plugins` says
//! with what the other filters were to run, by the SHA-256 of each's configuration, and `key_sets` which keys `auth` fetches.

use std::fmt;

use policy::ConfigError;
use policy::config::each;
use policy::fields::Fields;
use policy::json::Json;
use policy::state::{RawStore, Store, Variables};

/// Who is told anything but the proxy's health, and where changes go.
#[derive(Debug)]
pub struct Config {
    /// Who may ask.
    pub operators: Operators,
    /// The cache that is purged.
    pub cache: Option<Cache>,
    /// Where a fleet is ordered.
    pub store: Option<Bridge>,
    /// The cluster that leads to the proxy's own administration.
    pub envoy: Option<String>,
    /// What runs beside this filter.
    pub plugins: Vec<Plugin>,
    /// What `auth` fetches.
    pub key_sets: Vec<KeySet>,
}

/// A plugin, and what it was to read.
#[derive(Debug, Eq, PartialEq)]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// The SHA-256 of its configuration, in hexadecimal digits of lower case, where that is known.
    pub sha256: Option<String>,
}

/// Keys that are fetched.
#[derive(Debug, Eq, PartialEq)]
pub struct KeySet {
    /// Whose they are.
    pub name: String,
    /// By which cluster.
    pub cluster: String,
    /// From where.
    pub url: String,
}

/// Who may ask.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Operators {
    /// Whoever has this role.
    pub role: Option<String>,
    /// Whoever shows a key with one of these digests (SHA-256).
    pub keys: Vec<Digest>,
}

/// The SHA-256 of a key.
pub type Digest = [u8; 32];

/// A cache of this proxy.
#[derive(Debug, Eq, PartialEq)]
pub struct Cache {
    /// Its name.
    pub name: String,
    /// Whether a fleet shares what it keeps, and hears of its purges.
    pub is_shared: bool,
    /// What it keeps.
    pub data: Vec<Data>,
}

/// What some routes of a cache are counted under.
#[derive(Debug, Eq, PartialEq)]
pub struct Data {
    /// The upstream's label.
    pub provider: String,
    /// The data's.
    pub data_type: String,
}

/// A state store. It holds a secret: what is shown of it is where it leads.
pub struct Bridge(pub Store);

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.cluster)
    }
}

/// More keys than this are refused: one that is shown is compared with each.
const KEYS_MAX: usize = 8;
/// More labels than this are refused.
const DATA_MAX: usize = 1024;
/// More plugins, or key sets, are refused: all are looked for whenever an operator asks.
const WATCHED_MAX: usize = 64;

impl Config {
    /// Reads a configuration without an environment: what it says is checked, and no secret is read.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        Self::read(json, None)
    }

    /// The same, with the secret of `state` from the environment.
    ///
    /// # Errors
    /// The first mistake, with its place.
    pub fn with_environment(json: &[u8], variables: Variables<'_>) -> Result<Self, ConfigError> {
        Self::read(json, Some(variables))
    }

    fn read(json: &[u8], variables: Option<Variables<'_>>) -> Result<Self, ConfigError> {
        let mut fields = Fields::read(json)?;
        let operators = match fields.any("operators") {
            None => Operators::default(),
            Some(json) => Operators::read(json).map_err(|mistake| mistake.inside("operators"))?,
        };
        let cache = match fields.any("cache") {
            None => None,
            Some(json) => Some(Cache::read(json).map_err(|mistake| mistake.inside("cache"))?),
        };
        let store = match fields.any("state") {
            None => None,
            Some(json) => {
                let store = Fields::of(json).and_then(RawStore::read).and_then(|raw| Store::new(raw, variables));
                Some(Bridge(store.map_err(|mistake| mistake.inside("state"))?))
            }
        };
        let envoy = match fields.any("envoy") {
            None => None,
            Some(json) => Some(cluster(json).map_err(|mistake| mistake.inside("envoy"))?),
        };
        let plugins = watched(&mut fields, "plugins", Plugin::read)?;
        let key_sets = watched(&mut fields, "key_sets", KeySet::read)?;
        fields.end_of(&["operators", "cache", "state", "envoy", "plugins", "key_sets"])?;
        Ok(Self { operators, cache, store, envoy, plugins, key_sets })
    }
}

impl Operators {
    fn read(json: Json) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        let role = fields.text("role")?;
        if role.as_ref().is_some_and(|role| role.is_empty() || role.contains(|c: char| c == ',' || c.is_control())) {
            return Err(ConfigError::at("role", "must be a name without commas"));
        }
        let keys = match fields.any("key_sha256") {
            None => Vec::new(),
            Some(Json::List(list)) => each("key_sha256", list, digest)?,
            Some(json) => vec![digest(json).map_err(|mistake| mistake.inside("key_sha256"))?],
        };
        fields.end_of(&["role", "key_sha256"])?;
        if keys.len() > KEYS_MAX {
            return Err(ConfigError::at("key_sha256", format!("must be no more than {KEYS_MAX}")));
        }
        if role.is_none() && keys.is_empty() {
            return Err(ConfigError::at("", "must have a role or key_sha256; leave it out for nobody"));
        }
        Ok(Self { role, keys })
    }
}

impl Cache {
    fn read(json: Json) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        let name = fields.needed("name")?;
        let data = fields.list("data")?.unwrap_or_default();
        let is_shared = fields.flag("shared")? == Some(true);
        fields.end_of(&["name", "shared", "data"])?;
        if data.len() > DATA_MAX {
            return Err(ConfigError::at("data", format!("must be no more than {DATA_MAX}")));
        }
        let data = each("data", data, |json| {
            let mut fields = Fields::of(json)?;
            let data = Data { provider: fields.needed("provider")?, data_type: fields.needed("data_type")? };
            fields.end_of(&["provider", "data_type"]).map(|()| data)
        })?;
        Ok(Self { name, is_shared, data })
    }
}

impl Plugin {
    fn read(json: Json) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        let (name, sha256) = (fields.needed("name")?, fields.text("sha256")?);
        fields.end_of(&["name", "sha256"])?;
        Ok(Self { name, sha256 })
    }
}

impl KeySet {
    fn read(json: Json) -> Result<Self, ConfigError> {
        let mut fields = Fields::of(json)?;
        let (name, cluster, url) = (fields.needed("name")?, fields.needed("cluster")?, fields.needed("url")?);
        fields.end_of(&["name", "cluster", "url"])?;
        Ok(Self { name, cluster, url })
    }
}

fn cluster(json: Json) -> Result<String, ConfigError> {
    let mut fields = Fields::of(json)?;
    let cluster = fields.needed("cluster")?;
    fields.end_of(&["cluster"]).map(|()| cluster)
}

/// Reads a list of what is looked at for an operator.
fn watched<T>(
    fields: &mut Fields,
    name: &str,
    read: fn(Json) -> Result<T, ConfigError>,
) -> Result<Vec<T>, ConfigError> {
    let list = fields.list(name)?.unwrap_or_default();
    if list.len() > WATCHED_MAX {
        return Err(ConfigError::at(name, format!("must be no more than {WATCHED_MAX}")));
    }
    each(name, list, read)
}

/// Reads a digest as 64 hexadecimal digits. The text is not shown: it may be the key itself.
fn digest(json: Json) -> Result<Digest, ConfigError> {
    let wrong = || ConfigError::at("", "must be the SHA-256 of a key, in 64 hexadecimal digits");
    let Json::Text(text) = json else { return Err(wrong()) };
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let bytes = digits.unwrap_or_default();
    let (pairs, rest) = bytes.as_chunks::<2>();
    let bytes: Vec<u8> = pairs.iter().filter_map(|[high, low]| u8::try_from(high << 4 | low).ok()).collect();
    if rest.is_empty() { bytes.try_into().map_err(|_| wrong()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn a_whole_configuration_is_read() {
        let config = r#"{"operators": {"role": "operator", "key_sha256": "DIGEST"}, "state": {"cluster": "redis"},
            "envoy": {"cluster": "weir_admin"}, "plugins": [{"name": "cache", "sha256": "x"}, {"name": "quota"}],
            "key_sets": [{"name": "n", "cluster": "c", "url": "u"}],
            "cache": {"name": "weir", "shared": true, "data": [{"provider": "a", "data_type": "b"}]}}"#;
        let config = Config::from_json(config.replace("DIGEST", DIGEST).as_bytes()).unwrap();
        assert_eq!(config.operators.role.as_deref(), Some("operator"));
        assert_eq!(config.operators.keys.iter().map(|key| [key[0], key[31]]).collect::<Vec<_>>(), [[0x9f, 0x08]]);
        let data = vec![Data { provider: "a".into(), data_type: "b".into() }];
        assert_eq!(config.cache, Some(Cache { name: "weir".into(), is_shared: true, data }));
        assert_eq!(format!("{:?}", config.store), "Some(redis)");
        assert_eq!(config.envoy.as_deref(), Some("weir_admin"));
        let plugins: Vec<_> =
            config.plugins.iter().map(|plugin| (plugin.name.as_str(), plugin.sha256.as_deref())).collect();
        assert_eq!(plugins, [("cache", Some("x")), ("quota", None)]);
        let [name, cluster, url] = ["n", "c", "u"].map(str::to_owned);
        assert_eq!(config.key_sets, [KeySet { name, cluster, url }]);
        let least = Config::from_json(b"").unwrap();
        assert!(least.operators == Operators::default() && least.cache.is_none() && least.store.is_none());
    }

    #[test]
    fn a_mistake_is_said_with_its_place() {
        let many = format!(r#"{{"operators": {{"key_sha256": [{}]}}}}"#, vec![format!("{DIGEST:?}"); 9].join(","));
        for (json, expected) in [
            (r#"{"operators": {}}"#, "operators: must have a role or key_sha256; leave it out for nobody"),
            (r#"{"operators": {"role": "a,b"}}"#, "operators.role: must be a name without commas"),
            (r#"{"operators": {"role": ""}}"#, "operators.role: must be a name without commas"),
            (r#"{"operators": {"role": 7}}"#, "operators.role: must be a string"),
            (
                r#"{"operators": {"key_sha256": "hunter2"}}"#,
                "operators.key_sha256: must be the SHA-256 of a key, in 64 hexadecimal digits",
            ),
            (
                r#"{"operators": {"key_sha256": [7]}}"#,
                "operators.key_sha256[0]: must be the SHA-256 of a key, in 64 hexadecimal digits",
            ),
            (&many, "operators.key_sha256: must be no more than 8"),
            (
                r#"{"operators": {"rolle": "a"}}"#,
                "operators.rolle: unknown field `rolle`, expected one of `role`, `key_sha256`",
            ),
            (r#"{"cache": {}}"#, "cache.name: is missing"),
            (r#"{"cache": {"name": "a", "data": [{"provider": "b"}]}}"#, "cache.data[0].data_type: is missing"),
            (r#"{"state": {"dialect": "x"}}"#, "state.dialect: "),
            (r#"{"envoy": {}}"#, "envoy.cluster: is missing"),
            (r#"{"plugins": [{"sha256": "a"}]}"#, "plugins[0].name: is missing"),
            (r#"{"key_sets": [{"name": "a", "url": "b"}]}"#, "key_sets[0].cluster: is missing"),
            (
                r#"{"a": 1}"#,
                "unknown field `a`, expected one of `operators`, `cache`, `state`, `envoy`, `plugins`, `key_sets`",
            ),
        ] {
            let said = Config::from_json(json.as_bytes()).unwrap_err().to_string();
            assert!(said.contains(expected), "{json}: {said}");
            assert!(!said.contains("hunter2"));
        }
    }
}
