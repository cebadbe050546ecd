use std::sync::Arc;

use http::HeaderValue;

use super::config_error::ConfigError;
use super::routes::{Route, Routes, Target};
use crate::boundary::extension::ExtensionGrant;
use crate::boundary::login_rule::LoginRule;
use crate::boundary::peer::PeerAddress;
use crate::boundary::transport::TransportSecurity;
use crate::conductor::login::hearing::NamedRule;
use crate::conductor::purpose::Purpose;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::ip_network::IpNetwork;
use crate::protocol::profile::Profile;
use crate::protocol::wire::charset::is_nqschar;
use crate::protocol::wire::encode::Wording;
use crate::protocol::wire::faces::Face;
use crate::protocol::wire::uri::{is_absolute_uri, is_uri_reference};

/// The most characters of a login rule's name.
const MAX_RULE_NAME: usize = 100;

/// The table of the paths, each of which is legal and has one thing to serve.
pub(super) fn routes(token_path: String, others: Vec<(String, Target)>) -> Result<Routes, ConfigError> {
    let mut seen = std::collections::HashSet::new();
    let mut routes = Vec::new();
    for (path, served) in [(token_path, Target::Endpoint(Purpose::Token))].into_iter().chain(others) {
        // No request has braces in its path (RFC 3986 section 2): a parameter would match nothing.
        let legal = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && !b"?#{}".contains(&b));
        if !legal {
            return Err(ConfigError::Path(path));
        }
        let route = Route::new(&path, served);
        if !seen.insert(route.pattern()) {
            return Err(ConfigError::PathTwice(path));
        }
        routes.push(route);
    }
    Ok(Routes::new(routes))
}

pub(super) fn check_proxies(peer: &PeerAddress, transport: &TransportSecurity) -> Result<(), ConfigError> {
    let proxies = peer.proxies();
    if peer.is_unknown() && (transport.needs_peer() || proxies.is_some()) {
        return Err(ConfigError::ProxiesWithoutPeer);
    }
    let networks = proxies.map(|proxies| proxies.networks()).unwrap_or_default();
    if proxies.is_some() && networks.is_empty() {
        return Err(ConfigError::NoProxies);
    }
    match networks.iter().chain(transport.networks()).find(|network| !network.is_narrow()) {
        Some(network) => Err(ConfigError::ProxyNetwork(*network)),
        None => Ok(()),
    }
}

/// The allow-list, which may not be the whole Internet.
pub(super) fn check_exempt(networks: &[IpNetwork]) -> Result<(), ConfigError> {
    match networks.iter().find(|network| !network.is_narrow()) {
        Some(network) => Err(ConfigError::ExemptNetwork(*network)),
        None => Ok(()),
    }
}

/// An extension grant with its grant type.
pub(super) type NamedGrant = (GrantType, Box<dyn ExtensionGrant>);

pub(super) fn named(grants: Vec<Box<dyn ExtensionGrant>>) -> Result<Vec<NamedGrant>, ConfigError> {
    let mut named: Vec<NamedGrant> = Vec::new();
    for grant in grants {
        let name = grant.grant_type();
        if !is_absolute_uri(name) {
            return Err(ConfigError::GrantType(name.to_owned()));
        }
        if named.iter().any(|(known, _)| known.name() == name) {
            return Err(ConfigError::GrantTwice(name.to_owned()));
        }
        named.push((GrantType::extension(name, grant.begins_password_login()), grant));
    }
    Ok(named)
}

/// The login rules with their names.
pub(super) fn named_rules(rules: Vec<Box<dyn LoginRule>>) -> Result<Vec<NamedRule>, ConfigError> {
    let mut named: Vec<NamedRule> = Vec::new();
    for rule in rules {
        let name: Arc<str> = rule.name().into();
        let is_legal = (1..=MAX_RULE_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        if !is_legal {
            return Err(ConfigError::RuleName(name.to_string()));
        }
        if named.iter().any(|known| known.name == name) {
            return Err(ConfigError::RuleTwice(name.to_string()));
        }
        named.push(NamedRule { name, rule });
    }
    Ok(named)
}

/// How refusals are worded, with a legal realm in their challenges and a legal link.
pub(super) fn wording(profile: Profile, realm: &str, error_uri: Option<String>) -> Result<Wording, ConfigError> {
    if error_uri.as_deref().is_some_and(|uri| !is_uri_reference(uri)) {
        return Err(ConfigError::ErrorUri);
    }
    let table = profile.table();
    let error = |face| format!("error=\"{}\"", table.row(face).code);
    Ok(Wording {
        table,
        page_headers: profile.page_headers(),
        formats: profile.body_formats(),
        error_uri,
        challenge: challenge("Basic", realm, "charset=\"UTF-8\"")?,
        bearer_challenge: challenge("Bearer", realm, &error(Face::BearerInvalid))?,
        scope_challenge: challenge("Bearer", realm, &error(Face::BearerScope))?,
    })
}

fn challenge(scheme: &str, realm: &str, more: &str) -> Result<HeaderValue, ConfigError> {
    if !realm.bytes().all(is_nqschar) {
        return Err(ConfigError::ChallengeRealm);
    }
    HeaderValue::try_from(format!("{scheme} realm=\"{realm}\", {more}")).map_err(|_| ConfigError::ChallengeRealm)
}
