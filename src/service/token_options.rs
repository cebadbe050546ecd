use std::sync::Arc;
use std::time::Duration;

use super::config_error::ConfigError;
use super::metadata::{Facts, Metadata};
use super::mount::Served;
use crate::boundary::access::AccessTokenVerifier;
use crate::boundary::document::PublicDocument;
use crate::conductor::purpose::Purpose;
use crate::conductor::refresh::RefreshTokens;
use crate::conductor::tokens::TokenCare;
use crate::protocol::client_builder::MAX_LEEWAY;

/// What a builder was told of the tokens after they were issued.
#[derive(Default)]
pub(super) struct TokenOptions {
    pub(super) refresh: Option<Box<RefreshTokens>>,
    /// An option that came before the store that it is about.
    pub(super) misplaced: Option<&'static str>,
    pub(super) access: Option<Box<dyn AccessTokenVerifier>>,
    pub(super) care: TokenCare,
    pub(super) refreshed_lifetime: Option<Duration>,
    pub(super) revocation_path: Option<String>,
    pub(super) introspection_path: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

impl TokenOptions {
    /// Checks the options, and tells what is served besides the token endpoint.
    pub(super) fn served(
        &self,
        facts: &Facts<'_>,
        documents: Vec<(String, Arc<dyn PublicDocument>)>,
    ) -> Result<Vec<(String, Served)>, ConfigError> {
        if let Some(option) = self.misplaced {
            return Err(ConfigError::NoRefreshTokens(option));
        }
        if let Some(refresh) = &self.refresh {
            let lifetimes = [Some(refresh.lifetime), Some(refresh.idle_lifetime), self.refreshed_lifetime];
            if let Some(short) = lifetimes.into_iter().flatten().find(|lifetime| *lifetime < Duration::from_secs(1)) {
                return Err(ConfigError::Lifetime(short));
            }
            if refresh.leeway > MAX_LEEWAY {
                return Err(ConfigError::Leeway(refresh.leeway));
            }
        }
        let asks = self.revocation_path.is_some() || self.introspection_path.is_some();
        if asks && self.access.is_none() && self.refresh.is_none() {
            return Err(ConfigError::NoTokens);
        }
        let metadata = self.metadata.as_ref().map(|metadata| metadata.document(facts)).transpose()?;
        let endpoints = [
            (self.revocation_path.clone(), Purpose::Revocation),
            (self.introspection_path.clone(), Purpose::Introspection),
        ];
        let endpoints = endpoints.into_iter().filter_map(|(path, purpose)| Some((path?, Served::Endpoint(purpose))));
        let documents = documents.into_iter().chain(metadata);
        Ok(endpoints.chain(documents.map(|(path, document)| (path, Served::Document(document)))).collect())
    }
}
