use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use serde_json::{Map, Value, json};

use super::config_error::ConfigError;
use super::metadata::{LONGEST_AGE, Metadata};
use super::well_known::WellKnown;
use crate::boundary::document::PublicDocument;
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::setting::SettingError;
use crate::protocol::client::grant_type::GrantType;

const ID_TOKEN_ALGORITHMS: &str = "id_token_signing_alg_values_supported";

/// A document with its path.
pub(super) type Placed = (String, Arc<dyn PublicDocument>);

/// What the layer serves.
pub(super) struct EndpointFacts<'a> {
    pub(super) token_path: &'a str,
    pub(super) revocation_path: Option<&'a str>,
    pub(super) introspection_path: Option<&'a str>,
    /// Where a second factor is chosen, if there are some.
    pub(super) factor_challenge_path: Option<&'a str>,
    pub(super) documents: &'a [Placed],
    pub(super) grants: Vec<GrantType>,
    pub(super) post_allowed: bool,
    pub(super) tokens: &'a dyn TokenIssuer,
}

impl Metadata {
    /// The document at each of its paths.
    pub(super) fn documents(&self, facts: &EndpointFacts<'_>) -> Result<Vec<Placed>, ConfigError> {
        if self.max_age > LONGEST_AGE {
            return Err(SettingError::new("Metadata::max_age", self.max_age, "an hour at most").into());
        }
        if let Some(name) = &self.unwritable {
            return Err(ConfigError::MetadataMember(name.clone()));
        }
        let well_known = WellKnown::of(&self.issuer, self.base_url.as_deref())?;
        if let Some(other) = facts.tokens.issuer_identifier().filter(|identifier| *identifier != self.issuer) {
            return Err(ConfigError::OtherIssuer { document: self.issuer.clone(), tokens: other.to_owned() });
        }
        let mut members = self.members(facts, well_known.base())?;
        if self.openid {
            for_openid(&mut members, &well_known, facts)?;
        }
        let body = Value::Object(members).to_string();
        let document: Arc<dyn PublicDocument> = Arc::new(Document { body: body.into(), max_age: self.max_age });
        let metadata = self.path.clone().unwrap_or_else(|| well_known.metadata_path());
        let openid = self.openid.then(|| well_known.openid_path());
        Ok([metadata].into_iter().chain(openid).map(|path| (path, Arc::clone(&document))).collect())
    }

    fn members(&self, facts: &EndpointFacts<'_>, base: &str) -> Result<Map<String, Value>, ConfigError> {
        let url = |path: &str| Value::from(format!("{base}{path}"));
        let mut methods = self.methods.clone();
        if methods.is_empty() {
            let post = facts.post_allowed.then_some("client_secret_post");
            methods.extend(["client_secret_basic"].into_iter().chain(post).chain(["none"]).map(str::to_owned));
        }
        let needs_algorithms = methods.iter().any(|method| method.ends_with("_jwt"));
        let algorithms = &self.assertion_algorithms;
        if needs_algorithms == algorithms.is_empty() || algorithms.iter().any(|name| name == "none") {
            return Err(ConfigError::AssertionAlgorithms);
        }
        let is_shown = |grant: &&GrantType| !(self.hides_password_grant && grant.begins_password_login());
        let grants: Vec<&str> = facts.grants.iter().filter(is_shown).map(|grant| grant.name()).collect();

        // Empty arrays and nulls say nothing (RFC 8414 section 3.2).
        let says_something = |value: &Value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty());
        let mut members = self.members.clone();
        members.retain(|_, value| says_something(value));
        members.insert("issuer".to_owned(), self.issuer.as_str().into());
        members.insert("token_endpoint".to_owned(), url(facts.token_path));
        members.insert("grant_types_supported".to_owned(), json!(grants));
        // Required, although there is no authorization endpoint that would have any.
        members.insert("response_types_supported".to_owned(), json!([]));
        let mut endpoint = |name: &str, methods: &[&String]| {
            members.insert(format!("{name}_endpoint_auth_methods_supported"), json!(methods));
            if needs_algorithms {
                members.insert(format!("{name}_endpoint_auth_signing_alg_values_supported"), json!(algorithms));
            }
        };
        let all: Vec<&String> = methods.iter().collect();
        let confidential: Vec<&String> = methods.iter().filter(|method| *method != "none").collect();
        endpoint("token", &all);
        if facts.revocation_path.is_some() {
            endpoint("revocation", &all);
        }
        // Where all clients are public none may ask.
        if facts.introspection_path.is_some() && !confidential.is_empty() {
            endpoint("introspection", &confidential);
        }
        if let Some(path) = facts.revocation_path {
            members.insert("revocation_endpoint".to_owned(), url(path));
        }
        if let Some(path) = facts.introspection_path {
            members.insert("introspection_endpoint".to_owned(), url(path));
        }
        // No member of a standard: as Auth0 calls it.
        if let Some(path) = facts.factor_challenge_path {
            members.insert("mfa_challenge_endpoint".to_owned(), url(path));
        }
        Ok(members)
    }
}

/// Adds what OpenID Connect Discovery 1.0 section 3 requires.
fn for_openid(
    members: &mut Map<String, Value>,
    well_known: &WellKnown<'_>,
    facts: &EndpointFacts<'_>,
) -> Result<(), ConfigError> {
    members.entry("subject_types_supported").or_insert_with(|| json!(["public"]));
    let algorithms = facts.tokens.id_token_algorithms();
    if !algorithms.is_empty() {
        members.insert(ID_TOKEN_ALGORITHMS.to_owned(), json!(algorithms));
    }
    let keys = well_known.keys_path();
    if facts.documents.iter().any(|(path, _)| *path == keys) {
        members.entry("jwks_uri").or_insert_with(|| well_known.keys_url().into());
    }
    if members.contains_key(ID_TOKEN_ALGORITHMS) && !members.contains_key("jwks_uri") {
        return Err(ConfigError::NoKeys(keys));
    }
    Ok(())
}

struct Document {
    body: Bytes,
    max_age: Duration,
}

impl PublicDocument for Document {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("application/json")
    }

    fn body(&self) -> Bytes {
        self.body.clone()
    }

    fn max_age(&self) -> Duration {
        self.max_age
    }
}
