use super::config_error::ConfigError;
use super::introspection_endpoint::IntrospectionEndpoint;
use super::metadata::Metadata;
use super::metadata_document::EndpointFacts;
use super::refresh_tokens::RefreshTokens;
use super::revocation_endpoint::RevocationEndpoint;
use super::routes::Target;
use crate::boundary::access::AccessTokenVerifier;
use crate::conductor::purpose::Purpose;

/// What a builder knows of the tokens after they were issued.
#[derive(Default)]
pub(super) struct TokenOptions {
    pub(super) refresh: Option<RefreshTokens>,
    pub(super) access: Option<Box<dyn AccessTokenVerifier>>,
    pub(super) revocation: Option<RevocationEndpoint>,
    pub(super) introspection: Option<IntrospectionEndpoint>,
    pub(super) metadata: Option<Metadata>,
}

impl TokenOptions {
    /// Checks the options, in themselves and against one another.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.refresh.as_ref().map_or(Ok(()), RefreshTokens::check)?;
        // An introspection that knows no access tokens would call each of them inactive.
        if self.introspection.is_some() && self.access.is_none() {
            return Err(ConfigError::NoTokens);
        }
        if self.revocation.is_some() && self.access.is_none() && self.refresh.is_none() {
            return Err(ConfigError::NothingToRevoke);
        }
        Ok(())
    }

    /// The path of the revocation endpoint, if the layer has one.
    pub(super) fn revocation_path(&self) -> Option<&str> {
        self.revocation.as_ref()?.path.as_deref()
    }

    /// The path of the introspection endpoint, if the layer has one.
    pub(super) fn introspection_path(&self) -> Option<&str> {
        self.introspection.as_ref()?.path.as_deref()
    }

    /// What is served besides the token endpoint.
    pub(super) fn served(&self, facts: &EndpointFacts<'_>) -> Result<Vec<(String, Target)>, ConfigError> {
        let metadata = self.metadata.as_ref().map(|metadata| metadata.documents(facts)).transpose()?;
        let endpoints = [
            (self.revocation_path().map(str::to_owned), Purpose::Revocation),
            (self.introspection_path().map(str::to_owned), Purpose::Introspection),
        ];
        let endpoints = endpoints.into_iter().filter_map(|(path, purpose)| Some((path?, Target::Endpoint(purpose))));
        let documents = facts.documents.iter().cloned().chain(metadata.into_iter().flatten());
        Ok(endpoints.chain(documents.map(|(path, document)| (path, Target::Document(document)))).collect())
    }

    /// The issuer's URL, if the metadata say it.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.metadata.as_ref().map(Metadata::issuer)
    }

    /// What stands before the paths of the endpoints in their URLs, if the metadata say so.
    pub(super) fn public_url(&self) -> Option<&str> {
        self.metadata.as_ref().map(Metadata::public_url)
    }
}
