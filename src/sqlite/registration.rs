//! A client as it is written: every option, so that it is the same client after a restart.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::columns::read_scope;
use super::failure::Failure;
use super::time::{floor, instant};
use crate::protocol::client::registered::{Client, ClientAuthentication};
use crate::protocol::client::sunset::Sunset;
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::wire::origin::is_sent;

/// Options that are at their default are not written. What this version does not know is refused: it might be a
/// restriction.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    authentication: Authentication,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<Secret>,
    #[serde(default, skip_serializing_if = "is_off")]
    raw_basic: bool,
    #[serde(default, skip_serializing_if = "is_off")]
    trust_end_user_address: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    grants: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    scopes: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default_scope: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    origins: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    realm: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access_token_lifetime: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token_lifetime: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token_idle_lifetime: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token_leeway: Option<Duration>,
    #[serde(default, skip_serializing_if = "is_off")]
    reuse_refresh_tokens: bool,
    #[serde(default, skip_serializing_if = "is_off")]
    introspection: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    audiences: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sunset: Option<End>,
    #[serde(default, skip_serializing_if = "is_off")]
    disabled: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Authentication {
    None,
    Secret,
    SecretBasic,
    SecretPost,
    Method(String),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    digest: [u8; 32],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    end: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deprecated: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<String>,
}

fn is_off(option: &bool) -> bool {
    !option
}

impl From<&ClientAuthentication> for Authentication {
    fn from(authentication: &ClientAuthentication) -> Self {
        match authentication {
            ClientAuthentication::None => Self::None,
            ClientAuthentication::Secret => Self::Secret,
            ClientAuthentication::SecretBasic => Self::SecretBasic,
            ClientAuthentication::SecretPost => Self::SecretPost,
            ClientAuthentication::Method(name) => Self::Method(name.clone()),
        }
    }
}

impl From<Authentication> for ClientAuthentication {
    fn from(authentication: Authentication) -> Self {
        match authentication {
            Authentication::None => Self::None,
            Authentication::Secret => Self::Secret,
            Authentication::SecretBasic => Self::SecretBasic,
            Authentication::SecretPost => Self::SecretPost,
            Authentication::Method(name) => Self::Method(name),
        }
    }
}

/// A client of a [`SqliteStore`](super::SqliteStore) as its operator sees it, whether it is enabled or not.
#[derive(Clone, Debug)]
pub struct RegisteredClient {
    pub(super) client: Client,
    pub(super) is_enabled: bool,
}

impl RegisteredClient {
    /// The registration.
    #[must_use]
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the client may be used; see [`set_client_enabled`](super::SqliteStore::set_client_enabled).
    #[must_use]
    pub const fn is_enabled(&self) -> bool {
        self.is_enabled
    }
}

pub(super) fn write(client: &Client, is_enabled: bool) -> Result<String, Failure> {
    let refresh = client.refresh_rules();
    let secret = |(digest, expires): (&SecretDigest, _)| Secret {
        digest: *digest.as_bytes(),
        expires: Option::map(expires, floor),
    };
    let end = |sunset: &Sunset| End {
        end: floor(sunset.end()),
        deprecated: sunset.deprecation_date().map(floor),
        link: sunset.link_target().map(str::to_owned),
    };
    let registration = Registration {
        authentication: client.authentication().into(),
        secrets: client.secrets().map(secret).collect(),
        raw_basic: client.accepts_raw_basic(),
        trust_end_user_address: client.trusts_end_user_address(),
        grants: client.grants().to_vec(),
        scopes: client.scopes().as_str().to_owned(),
        default_scope: client.default_scope().map(|scope| scope.as_str().to_owned()),
        origins: client.origins().to_vec(),
        realm: client.default_realm().map(str::to_owned),
        access_token_lifetime: client.lifetime(),
        refresh_token_lifetime: refresh.lifetime,
        refresh_token_idle_lifetime: refresh.idle_lifetime,
        refresh_token_leeway: refresh.leeway,
        reuse_refresh_tokens: refresh.is_reused,
        introspection: client.may_introspect(),
        audiences: client.audiences().to_vec(),
        sunset: client.sunset().map(end),
        disabled: !is_enabled,
    };
    serde_json::to_string(&registration).map_err(|_| Failure::Value("a client"))
}

/// Only whether a client may be used. Whatever else a later version wrote is of no account.
#[derive(Deserialize)]
struct Enabling {
    #[serde(default)]
    disabled: bool,
}

/// Whether the client may be used, of a registration that this version need not know in all its parts.
pub(super) fn is_enabled(text: &str) -> Result<bool, Failure> {
    let read: Enabling =
        serde_json::from_str(text).map_err(|_| Failure::Row("whether the client is disabled: remove it first"))?;
    Ok(!read.disabled)
}

/// Registers the client anew, with every check of a registration.
pub(super) fn read(id: &str, text: &str) -> Result<RegisteredClient, Failure> {
    const BAD: Failure = Failure::Row("a client");
    let stored: Registration = serde_json::from_str(text).map_err(|_| BAD)?;
    let mut client = Client::with_method(id, "").authenticate_by(stored.authentication.into());
    for secret in stored.secrets {
        client = client.secret(&SecretDigest::from_bytes(secret.digest), secret.expires.map(instant).transpose()?);
    }
    if stored.raw_basic {
        client = client.raw_basic();
    }
    if stored.trust_end_user_address {
        client = client.trust_end_user_address();
    }
    if stored.reuse_refresh_tokens {
        client = client.reuse_refresh_tokens();
    }
    if stored.introspection {
        client = client.allow_introspection();
    }
    client = stored.grants.iter().fold(client, |client, grant| client.allow_grant(grant));
    // Earlier versions took some that no browser sends, such as one with a wildcard: they never counted.
    client = stored
        .origins
        .iter()
        .filter(|origin| is_sent(origin))
        .fold(client, |client, origin| client.allow_origin(origin));
    client = stored.audiences.into_iter().fold(client, |client, audience| client.resource_server(audience));
    if !read_scope(&stored.scopes)?.is_empty() {
        client = client.scopes(&stored.scopes);
    }
    if let Some(scope) = &stored.default_scope {
        client = client.default_scope(scope);
    }
    if let Some(realm) = &stored.realm {
        client = client.realm(realm);
    }
    if let Some(lifetime) = stored.access_token_lifetime {
        client = client.access_token_lifetime(lifetime);
    }
    if let Some(lifetime) = stored.refresh_token_lifetime {
        client = client.refresh_token_lifetime(lifetime);
    }
    if let Some(lifetime) = stored.refresh_token_idle_lifetime {
        client = client.refresh_token_idle_lifetime(lifetime);
    }
    if let Some(leeway) = stored.refresh_token_leeway {
        client = client.refresh_token_leeway(leeway);
    }
    if let Some(End { end, deprecated, link }) = stored.sunset {
        let mut sunset = Sunset::at(instant(end)?);
        if let Some(date) = deprecated {
            // Earlier versions wrote dates after the end, and the client may go on nevertheless.
            sunset = sunset.deprecated_since(instant(date.min(end))?);
        }
        if let Some(link) = link {
            sunset = sunset.with_link(&link).map_err(|_| BAD)?;
        }
        client = client.sunset(sunset);
    }
    let client = client.build().map_err(|_| BAD)?;
    Ok(RegisteredClient { client, is_enabled: !stored.disabled })
}

#[cfg(test)]
#[path = "registration_tests.rs"]
mod tests;
