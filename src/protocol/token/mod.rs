//! Tokens after they were issued: refresh token families and their rules, records of access tokens.

pub(crate) mod claims;
pub(crate) mod clock_steps;
pub(crate) mod credentials;
pub(crate) mod family;
pub(crate) mod holder;
pub(crate) mod lifetime;
pub(crate) mod lineage;
pub(crate) mod methods;
pub(crate) mod record;
pub(crate) mod refresh_token;
pub(crate) mod subject_at_client;
pub(crate) mod token_claims;
pub(crate) mod unsaved;
