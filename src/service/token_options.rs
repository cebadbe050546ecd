use std::sync::Arc;
use std::time::Duration;

use super::config_error::ConfigError;
use super::metadata::{EndpointFacts, Metadata};
use super::routes::Target;
use crate::boundary::access::AccessTokenVerifier;
use crate::boundary::clock::Clock;
use crate::boundary::document::PublicDocument;
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::refresh::RefreshTokenStore;
use crate::conductor::access::AccessTokens;
use crate::conductor::families::{Families, Lifetimes};
use crate::conductor::purpose::Purpose;
use crate::observe::patience::Bound;
use crate::protocol::client::builder::MAX_LEEWAY;
use crate::protocol::secret::keyed::Keyed;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a builder knows of the tokens after they were issued.
#[derive(Default)]
pub(super) struct TokenOptions {
    pub(super) refresh: Option<Box<dyn RefreshTokenStore>>,
    pub(super) refresh_lifetime: Option<Duration>,
    pub(super) refresh_idle_lifetime: Option<Duration>,
    pub(super) refresh_leeway: Option<Duration>,
    pub(super) ends_denied: bool,
    pub(super) access: Option<Box<dyn AccessTokenVerifier>>,
    /// Revoking an access token ends its refresh token, too.
    pub(super) access_token_ends_family: bool,
    /// How long an answer about an active token may be kept.
    pub(super) introspection_max_age: Option<Duration>,
    pub(super) refreshed_lifetime: Option<Duration>,
    pub(super) revocation_path: Option<String>,
    pub(super) introspection_path: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

impl TokenOptions {
    /// Checks the options, in themselves and against one another.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let lifetimes = [
            ("refresh_token_lifetime", self.refresh_lifetime),
            ("refresh_token_idle_lifetime", self.refresh_idle_lifetime),
            ("refreshed_access_token_lifetime", self.refreshed_lifetime),
        ];
        let mut set = lifetimes.into_iter().chain([("refresh_token_leeway", self.refresh_leeway)]);
        if self.refresh.is_none()
            && let Some((option, _)) = set.find(|(_, time)| time.is_some())
        {
            return Err(ConfigError::NoRefreshTokens(option));
        }
        if self.refresh.is_none() && self.ends_denied {
            return Err(ConfigError::NoRefreshTokens("end_denied_logins"));
        }
        let mut lifetimes = lifetimes.into_iter().filter_map(|(_, lifetime)| lifetime);
        if let Some(short) = lifetimes.find(|lifetime| *lifetime < Duration::from_secs(1)) {
            return Err(ConfigError::Lifetime(short));
        }
        if let Some(leeway) = self.refresh_leeway.filter(|leeway| *leeway > MAX_LEEWAY) {
            return Err(ConfigError::Leeway(leeway));
        }
        // An introspection that knows no access tokens would call each of them inactive.
        if self.introspection_path.is_some() && self.access.is_none() {
            return Err(ConfigError::NoTokens);
        }
        if self.revocation_path.is_some() && self.access.is_none() && self.refresh.is_none() {
            return Err(ConfigError::NothingToRevoke);
        }
        Ok(())
    }

    /// What is served besides the token endpoint.
    pub(super) fn served(
        &self,
        facts: &EndpointFacts<'_>,
        documents: Vec<(String, Arc<dyn PublicDocument>)>,
    ) -> Result<Vec<(String, Target)>, ConfigError> {
        let metadata = self.metadata.as_ref().map(|metadata| metadata.document(facts)).transpose()?;
        let endpoints = [
            (self.revocation_path.clone(), Purpose::Revocation),
            (self.introspection_path.clone(), Purpose::Introspection),
        ];
        let endpoints = endpoints.into_iter().filter_map(|(path, purpose)| Some((path?, Target::Endpoint(purpose))));
        let documents = documents.into_iter().chain(metadata);
        Ok(endpoints.chain(documents.map(|(path, document)| (path, Target::Document(document)))).collect())
    }

    /// What stands before the paths of the endpoints in their URLs, if the metadata say so.
    pub(super) fn public_url(&self) -> Option<&str> {
        self.metadata.as_ref().map(Metadata::public_url)
    }

    /// The families of refresh tokens, if the endpoint gives any.
    pub(super) fn families(
        &mut self,
        issuer: &dyn TokenIssuer,
        access: &Arc<AccessTokens>,
        clock: &Arc<dyn Clock>,
        patience: Bound,
        places: Keyed,
    ) -> Option<Arc<Families>> {
        let lifetimes = Lifetimes {
            lifetime: self.refresh_lifetime.unwrap_or(DAY.saturating_mul(30)),
            idle_lifetime: self.refresh_idle_lifetime.unwrap_or(DAY.saturating_mul(14)),
            leeway: self.refresh_leeway.unwrap_or(Duration::from_secs(10)),
        };
        let store = self.refresh.take()?;
        let (issuer_store, access, clock) = (issuer.store_identity(), Arc::clone(access), Arc::clone(clock));
        Some(Arc::new(Families::new(store, issuer_store, patience, lifetimes, access, clock, places)))
    }
}
