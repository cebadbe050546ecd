use std::sync::Arc;
use std::time::Duration;

use super::config_error::ConfigError;
use super::metadata::{EndpointFacts, Metadata};
use super::refresh_tokens::RefreshTokens;
use super::routes::Target;
use crate::boundary::access::AccessTokenVerifier;
use crate::boundary::document::PublicDocument;
use crate::conductor::purpose::Purpose;

/// What a builder knows of the tokens after they were issued.
#[derive(Default)]
pub(super) struct TokenOptions {
    pub(super) refresh: Option<RefreshTokens>,
    pub(super) access: Option<Box<dyn AccessTokenVerifier>>,
    /// Revoking an access token ends its refresh token, too.
    pub(super) access_token_ends_family: bool,
    /// How long an answer about an active token may be kept.
    pub(super) introspection_max_age: Option<Duration>,
    pub(super) revocation_path: Option<String>,
    pub(super) introspection_path: Option<String>,
    pub(super) metadata: Option<Metadata>,
}

impl TokenOptions {
    /// Checks the options, in themselves and against one another.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.refresh.as_ref().map_or(Ok(()), RefreshTokens::check)?;
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
}
