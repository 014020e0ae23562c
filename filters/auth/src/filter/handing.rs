//! What a request loses and gains on its way to the upstream: credentials and claims of its own, and who the caller is.

use policy::handover::{header, state};
use shell::HostError;
use shell::headers::Map;

use super::gate::Gate;
use crate::config::ANONYMOUS;
use crate::credential::{Shown, without_cookie};
use crate::identity::Identity;
use crate::judge::Decision;
use crate::request::Request;
use crate::source::{Place, Source};

impl Gate {
    /// Leaves the access log a query without credentials, whatever becomes of the request. A path that goes nowhere loses
    /// them too, for logs that know no better.
    pub(super) fn conceal(&self, request: &Request<'_>, decision: &Decision) -> Result<(), HostError> {
        if !self.reads_queries || request.path.len() == request.target.path.len() {
            return Ok(());
        }
        let clean = request.path_without(|_| false);
        let path = clean.as_deref().unwrap_or(request.path);
        let query = path.get(request.target.path.len() + 1..).unwrap_or_default();
        shell::stream::set_state(state::QUERY, query)?;
        match (decision, &clean) {
            (Decision::Missing | Decision::Refused(_), Some(path)) => shell::headers::set(Map::Request, ":path", path),
            _ => Ok(()),
        }
    }

    /// Replaces what the client claims by what is known of it.
    pub(super) fn hand_on(&self, request: &Request<'_>, decision: &Decision) -> Result<(), HostError> {
        for name in &request.claimed {
            shell::headers::remove(Map::Request, name)?;
        }
        match decision {
            Decision::Anonymous => shell::headers::add(Map::Request, header::TIER, ANONYMOUS),
            Decision::Allowed(verified) => {
                if let Shown::One(credential) = request.shown
                    && !credential.source.forward
                {
                    strip(request, credential.source)?;
                }
                if let Some(key) = &verified.key {
                    shell::headers::add(Map::Request, header::API_KEY, key)?;
                }
                self.introduce(&verified.identity)
            }
            _ => Ok(()),
        }
    }

    /// The client's own headers of these names are gone by now, so adding is setting.
    fn introduce(&self, identity: &Identity) -> Result<(), HostError> {
        shell::headers::add(Map::Request, header::USER, &identity.user)?;
        shell::headers::add(Map::Request, header::TIER, &identity.tier)?;
        if let Some(roles) = &identity.roles {
            shell::headers::add(Map::Request, header::ROLES, roles)?;
        }
        for (index, value) in &identity.handed {
            if let Some(attribute) = self.config.attributes.get(*index) {
                shell::headers::add(Map::Request, &attribute.header, value)?;
            }
        }
        Ok(())
    }
}

/// Takes the credential out of the request, and nothing beside it.
fn strip(request: &Request<'_>, source: &Source) -> Result<(), HostError> {
    match source.place {
        Place::Header => shell::headers::remove(Map::Request, &source.name),
        Place::Query => match request.path_without(|other| other != source) {
            Some(path) => shell::headers::set(Map::Request, ":path", path),
            None => Ok(()),
        },
        Place::Cookie => {
            let cookies = request.target.headers.all("cookie");
            shell::headers::remove(Map::Request, "cookie")?;
            for left in cookies.filter_map(|header| without_cookie(header, &source.name)) {
                shell::headers::add(Map::Request, "cookie", left)?;
            }
            Ok(())
        }
    }
}
