//! The members of the JSON object in a registration's text.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::builder::ClientBuilder;
use super::error::RegistrationError;
use super::registered::{Client, ClientAuthentication};
use super::sunset::end::Sunset;
use crate::protocol::millis;
use crate::protocol::secret::secrets::SecretDigest;

/// Options that are at their default are not written. What this version does not know is refused: it might be a restriction.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Members {
    id: String,
    authentication: Authentication,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<Secret>,
    #[serde(default, skip_serializing_if = "is_off")]
    raw_basic: bool,
    #[serde(default, skip_serializing_if = "is_off")]
    trust_end_user_address: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    grants: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    default_scope: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    origins: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    realm: Option<String>,
    /// If there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    realms: Vec<String>,
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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    allowed_audiences: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sunset: Option<End>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Authentication {
    None,
    Secret,
    SecretBasic,
    SecretPost,
    Method(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    /// In base64url, without padding.
    digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct End {
    end: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deprecated: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    /// The start and the end of each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    brownouts: Vec<(i64, i64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ramp: Option<i64>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    exceptions: BTreeMap<String, i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    look_up: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    families: Option<i64>,
}

fn is_off(option: &bool) -> bool {
    !option
}

impl Members {
    pub(super) fn of(client: &Client) -> Self {
        let refresh = client.refresh_rules();
        let scopes = Some(client.scopes()).filter(|scopes| !scopes.is_empty());
        let mut realms: Vec<String> = client.realms().map(str::to_owned).collect();
        // One alone is written as it was before there were lists, for versions that know none.
        let realm = if realms.len() == 1 { realms.pop() } else { None };
        Self {
            id: client.id().to_string(),
            authentication: client.authentication().into(),
            secrets: client.secrets().map(|(digest, expires)| Secret::of(digest, expires)).collect(),
            raw_basic: client.accepts_raw_basic(),
            trust_end_user_address: client.trusts_end_user_address(),
            grants: client.grants().to_vec(),
            scopes: scopes.map(|scopes| scopes.as_str().to_owned()),
            default_scope: client.default_scope().map(|scope| scope.as_str().to_owned()),
            origins: client.origins().to_vec(),
            realm,
            realms,
            access_token_lifetime: client.lifetime(),
            refresh_token_lifetime: refresh.lifetime,
            refresh_token_idle_lifetime: refresh.idle_lifetime,
            refresh_token_leeway: refresh.leeway,
            reuse_refresh_tokens: refresh.is_reused,
            introspection: client.may_introspect(),
            audiences: client.audiences().to_vec(),
            allowed_audiences: client.allowed_audiences().map(str::to_owned).collect(),
            sunset: client.sunset().map(End::of),
        }
    }

    /// Registers the client anew.
    pub(super) fn into_builder(self) -> Result<ClientBuilder, RegistrationError> {
        let mut client = ClientBuilder::new(&self.id, self.authentication.into());
        for secret in self.secrets {
            client = client.secret(&secret.digest()?, secret.expires.map(instant).transpose()?);
        }
        for grant in &self.grants {
            client = client.allow_grant(grant);
        }
        for origin in &self.origins {
            client = client.allow_origin(origin);
        }
        for audience in self.audiences {
            client = client.resource_server(audience);
        }
        for audience in &self.allowed_audiences {
            client = client.allow_audience(audience);
        }
        client = set(client, self.scopes.as_deref(), ClientBuilder::scopes);
        client = set(client, self.default_scope.as_deref(), ClientBuilder::default_scope);
        let realms: Vec<String> = self.realm.into_iter().chain(self.realms).collect();
        client = client.kept_realms(&realms);
        client = set(client, self.access_token_lifetime, ClientBuilder::access_token_lifetime);
        client = set(client, self.refresh_token_lifetime, ClientBuilder::refresh_token_lifetime);
        client = set(client, self.refresh_token_idle_lifetime, ClientBuilder::refresh_token_idle_lifetime);
        client = set(client, self.refresh_token_leeway, ClientBuilder::refresh_token_leeway);
        client = set(client, self.sunset.map(End::into_sunset).transpose()?, ClientBuilder::sunset);
        client = turn_on(client, self.raw_basic, ClientBuilder::raw_basic);
        client = turn_on(client, self.trust_end_user_address, ClientBuilder::trust_end_user_address);
        client = turn_on(client, self.reuse_refresh_tokens, ClientBuilder::reuse_refresh_tokens);
        Ok(turn_on(client, self.introspection, ClientBuilder::allow_introspection))
    }
}

fn set<T>(client: ClientBuilder, value: Option<T>, set: fn(ClientBuilder, T) -> ClientBuilder) -> ClientBuilder {
    match value {
        Some(value) => set(client, value),
        None => client,
    }
}

fn turn_on(client: ClientBuilder, is_on: bool, turn_on: fn(ClientBuilder) -> ClientBuilder) -> ClientBuilder {
    if is_on { turn_on(client) } else { client }
}

impl Secret {
    fn of(digest: &SecretDigest, expires: Option<SystemTime>) -> Self {
        Self { digest: URL_SAFE_NO_PAD.encode(digest.as_bytes()), expires: expires.map(millis::floor) }
    }

    fn digest(&self) -> Result<SecretDigest, RegistrationError> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.digest).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(SecretDigest::from_bytes).ok_or(RegistrationError::Damaged)
    }
}

impl End {
    fn of(sunset: &Sunset) -> Self {
        Self {
            end: millis::floor(sunset.end()),
            deprecated: sunset.deprecation_date().map(millis::floor),
            link: sunset.link_target().map(str::to_owned),
            brownouts: sunset.brownouts().map(|one| (millis::floor(one.start()), millis::floor(one.end()))).collect(),
            ramp: sunset.ramp_start().map(millis::floor),
            exceptions: sunset
                .exceptions()
                .map(|(subject, until)| (subject.to_owned(), millis::floor(until)))
                .collect(),
            look_up: sunset.exceptions_looked_up_until().map(millis::floor),
            families: sunset.families_end().map(millis::floor),
        }
    }

    fn into_sunset(self) -> Result<Sunset, RegistrationError> {
        let mut sunset = Sunset::at(instant(self.end)?);
        if let Some(date) = self.deprecated {
            sunset = sunset.deprecated_since(instant(date)?);
        }
        if let Some(link) = self.link {
            sunset = sunset.with_link(&link)?;
        }
        for (start, end) in self.brownouts {
            let (start, end) = (instant(start)?, instant(end)?);
            // One that ends before it begins is refused as one of no length.
            sunset = sunset.brownout(start, end.duration_since(start).unwrap_or_default())?;
        }
        for (subject, until) in self.exceptions {
            sunset = sunset.except(&subject, instant(until)?)?;
        }
        for (date, set) in [
            (self.ramp, Sunset::ramp_from as fn(Sunset, SystemTime) -> _),
            (self.look_up, Sunset::look_up_exceptions),
            (self.families, Sunset::end_families_at),
        ] {
            if let Some(date) = date {
                sunset = set(sunset, instant(date)?)?;
            }
        }
        Ok(sunset)
    }
}

fn instant(millis: i64) -> Result<SystemTime, RegistrationError> {
    millis::instant(millis).ok_or(RegistrationError::Damaged)
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
