//! The life of tokens after they were issued: revocation (RFC 7009) and introspection (RFC 7662).

use std::time::{Duration, SystemTime};

use super::answer::Reply;
use super::endpoint::Endpoint;
use super::refresh::{FoundRefreshToken, RefreshTokens, is_own};
use super::trail::Trail;
use crate::boundary::access::Revocation;
use crate::boundary::backend::BackendError;
use crate::boundary::ladder::client::AuthenticatedClient;
use crate::protocol::charset::is_bearer_token;
use crate::protocol::client::Client;
use crate::protocol::credentials::Presented;
use crate::protocol::error::{Reason, TokenError};
use crate::protocol::form::Form;
use crate::protocol::introspection;
use crate::protocol::record::AccessTokenRecord;
use crate::protocol::refresh_token::RefreshToken;
use crate::protocol::skew::MAX_SKEW;

/// How tokens that exist are looked after.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TokenCare {
    /// Revoking an access token ends its refresh token, too.
    pub(crate) access_token_ends_family: bool,
    /// How long an answer about an active token may be kept.
    pub(crate) introspection_max_age: Option<Duration>,
}

/// What a token turned out to be.
enum Known {
    Refresh(Box<FoundRefreshToken>),
    Access(AccessTokenRecord),
}

fn access_failed(error: BackendError) -> TokenError {
    error.because(Reason::AccessTokensFailed)
}

impl Endpoint {
    /// RFC 7009 section 2.
    pub(super) async fn revocation(
        &self,
        form: &Form,
        client: AuthenticatedClient,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        let client = client.into_client();
        let token = required_token(form)?;
        let outcome = match self.look_up(token).await {
            Ok(found) => self.revoke_found(token, found, &client, trail).await,
            Err(error) => Err(error),
        };
        self.count_unknown(&outcome, &client, trail).await?;
        match outcome {
            // What is worth nothing already is revoked (RFC 7009 section 2.2).
            Err(error) if error.reason == Reason::UnknownRefreshToken => Ok(Reply::Revoked),
            // Anybody can send the id of a public client, so its errors would tell whose token it is.
            Err(error) if error.reason == Reason::ForeignToken && client.is_public() => {
                // Nothing became of that family.
                trail.family = None;
                Ok(Reply::Revoked)
            }
            outcome => outcome,
        }
    }

    async fn revoke_found(
        &self,
        token: &str,
        found: Option<Known>,
        client: &Client,
        trail: &mut Trail,
    ) -> Result<Reply, TokenError> {
        match found {
            None if !self.can_revoke(token) => Err(Reason::TokenNotRevocable.into()),
            None => Err(Reason::UnknownRefreshToken.into()),
            Some(Known::Refresh(found)) => {
                trail.family = Some(found.stored.family.clone());
                if !is_own(&found.stored.family, client) {
                    return Err(Reason::ForeignToken.into());
                }
                if let Some(refresh) = self.refresh.as_deref() {
                    self.end_family(refresh, found.stored.family.id()).await?;
                }
                Ok(Reply::Revoked)
            }
            Some(Known::Access(record)) => {
                if record.client() != client.id() || record.realm() != client.realm() {
                    return Err(Reason::ForeignToken.into());
                }
                let tokens = self.access_tokens().ok_or(Reason::TokenNotRevocable)?;
                // The token last: as long as it is known, a client that was told of a failure can try again.
                if let (true, Some(family), Some(refresh)) =
                    (self.care.access_token_ends_family, record.family(), self.refresh.as_deref())
                {
                    self.end_family(refresh, family).await?;
                }
                match self.patience.access_tokens.of(tokens.revoke(token)).await.map_err(access_failed)? {
                    Revocation::Done => Ok(Reply::Revoked),
                    Revocation::Unsupported => Err(Reason::TokenNotRevocable.into()),
                }
            }
        }
    }

    /// Whether a token of this form would be known here.
    fn can_revoke(&self, token: &str) -> bool {
        self.access.is_some() || (self.refresh.is_some() && RefreshToken::has_form(token))
    }

    /// RFC 7662 section 2.
    pub(super) async fn introspection(
        &self,
        form: &Form,
        presented: Presented,
        client: AuthenticatedClient,
    ) -> Result<Reply, TokenError> {
        let client = client.into_client();
        if client.is_public() {
            return Err(presented.refuse(Reason::WrongMethod));
        }
        let token = required_token(form)?;
        let now = self.clock.now();
        let found = if client.may_introspect() { self.look_up(token).await? } else { None };
        Ok(match found {
            Some(Known::Refresh(found)) => self.introspected_refresh_token(&found, &client, now),
            Some(Known::Access(record)) if is_good(&record, now) && may_know(&client, &record) => Reply::Introspected {
                json: introspection::of_access_token(&record),
                max_age: self.max_age(record.expires(), now),
            },
            _ => Reply::Introspected { json: introspection::inactive(), max_age: None },
        })
    }

    /// A refresh token is shown to its own client only.
    fn introspected_refresh_token(&self, found: &FoundRefreshToken, client: &Client, now: SystemTime) -> Reply {
        let is_shown =
            |refresh: &&RefreshTokens| is_own(&found.stored.family, client) && refresh.is_usable(found, client, now);
        let Some(refresh) = self.refresh.as_deref().filter(is_shown) else {
            return Reply::Introspected { json: introspection::inactive(), max_age: None };
        };
        let end = refresh.end_of(found, client);
        Reply::Introspected {
            json: introspection::of_refresh_token(&found.stored.family, end),
            max_age: self.max_age(end, now),
        }
    }

    fn max_age(&self, expires: SystemTime, now: SystemTime) -> Option<Duration> {
        self.care.introspection_max_age.map(|most| most.min(expires.duration_since(now).unwrap_or_default()))
    }

    /// Finds out what a token is, whatever kind the client hints at: at most one look-up, by its form.
    async fn look_up(&self, token: &str) -> Result<Option<Known>, TokenError> {
        if !is_bearer_token(token) {
            return Ok(None);
        }
        if let Some(refresh) = self.refresh.as_deref()
            && RefreshToken::has_form(token)
        {
            let found = self.find_refresh_token(refresh, token).await?;
            return Ok(found.map(|found| Known::Refresh(Box::new(found))));
        }
        let Some(tokens) = self.access_tokens() else { return Ok(None) };
        let found = self.patience.access_tokens.of(tokens.verify(token)).await;
        Ok(found.map_err(access_failed)?.map(Known::Access))
    }
}

fn required_token(form: &Form) -> Result<&str, TokenError> {
    // The hint changes nothing, but it is a parameter of this endpoint.
    form.single("token_type_hint")?;
    form.single("token")?.ok_or_else(|| Reason::MissingParameter.into())
}

/// Whether the token is good by the endpoint's clock. Its verifier knows how far the clocks may differ.
fn is_good(record: &AccessTokenRecord, now: SystemTime) -> bool {
    !record.has_expired(now) && !record.is_early(now, MAX_SKEW)
}

/// Whether this client may know what the token stands for.
fn may_know(client: &Client, record: &AccessTokenRecord) -> bool {
    let is_in_realm = client.realm().is_none() || client.realm() == record.realm();
    let is_for_it = record.audience().iter().any(|audience| client.audiences().contains(audience));
    is_in_realm && (is_for_it || record.audience().is_empty() || record.client() == client.id())
}
