//! Introspection (RFC 7662).

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::super::answer::Reply;
use super::super::families::{Families, FoundRefreshToken};
use super::presented::{FoundToken, IssuedBefore, required_token};
use crate::boundary::clock::Clock;
use crate::boundary::ladder::client::AuthenticatedClient;
use crate::boundary::ladder::terms::Claim;
use crate::protocol::client::credentials::Presented;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::policy;
use crate::protocol::skew::MAX_SKEW;
use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::form::Form;
use crate::protocol::wire::introspection;

/// The flow of an introspection.
pub(crate) struct IntrospectionFlow {
    tokens: IssuedBefore,
    clock: Arc<dyn Clock>,
    /// How long an answer about an active token may be kept.
    max_age: Option<Duration>,
}

impl IntrospectionFlow {
    pub(crate) fn new(tokens: IssuedBefore, clock: Arc<dyn Clock>, max_age: Option<Duration>) -> Self {
        Self { tokens, clock, max_age }
    }

    /// RFC 7662 section 2.
    pub(crate) async fn serve(
        &self,
        form: &Form,
        presented: Presented,
        client: AuthenticatedClient,
    ) -> Result<Reply, TokenError> {
        let asks = client.client().clone();
        if asks.is_public() {
            return Err(presented.refuse(Reason::WrongMethod));
        }
        let token = required_token(form)?;
        let now = self.clock.now();
        let found = if asks.may_introspect() { self.tokens.look_up(token).await? } else { None };
        Ok(match found {
            Some(FoundToken::Refresh(found, families)) => self.of_refresh_token(families, &found, client, now),
            Some(FoundToken::Access(record)) if is_good(&record, now) && policy::may_know(&asks, &record) => {
                Reply::Introspected {
                    json: introspection::of_access_token(&record),
                    max_age: self.max_age(record.expires(), now),
                }
            }
            _ => inactive(),
        })
    }

    /// A refresh token is shown to its own client only.
    fn of_refresh_token(
        &self,
        families: &Families,
        found: &FoundRefreshToken,
        client: AuthenticatedClient,
        now: SystemTime,
    ) -> Reply {
        let end = families.end_of(found, client.client());
        let using = families.use_of(found, client.client(), now);
        let claim =
            client.permit(GrantType::REFRESH, || now).ok().and_then(|client| Claim::of(client, &found.stored).ok());
        if claim.and_then(|claim| claim.find_live(&using).ok()).is_none_or(|live| live.is_repeat()) {
            return inactive();
        }
        Reply::Introspected {
            json: introspection::of_refresh_token(&found.stored.family, end),
            max_age: self.max_age(end, now),
        }
    }

    fn max_age(&self, expires: SystemTime, now: SystemTime) -> Option<Duration> {
        self.max_age.map(|most| most.min(expires.duration_since(now).unwrap_or_default()))
    }
}

fn inactive() -> Reply {
    Reply::Introspected { json: introspection::inactive(), max_age: None }
}

/// Whether the token is good by the endpoint's clock. Its verifier knows how far the clocks may differ.
fn is_good(record: &AccessTokenRecord, now: SystemTime) -> bool {
    !record.has_expired(now) && !record.is_early(now, MAX_SKEW)
}
