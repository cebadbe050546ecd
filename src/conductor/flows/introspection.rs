//! Introspection (RFC 7662).

use std::time::{Duration, SystemTime};

use super::super::answer::Reply;
use super::super::families::{Families, FoundRefreshToken};
use super::super::rungs::Rungs;
use super::presented::{Known, look_up, required_token};
use crate::boundary::ladder::client::AuthenticatedClient;
use crate::protocol::client::Client;
use crate::protocol::credentials::Presented;
use crate::protocol::error::{Reason, TokenError};
use crate::protocol::form::Form;
use crate::protocol::introspection;
use crate::protocol::policy;
use crate::protocol::record::AccessTokenRecord;
use crate::protocol::skew::MAX_SKEW;

/// The flow of an introspection.
pub(crate) struct Introspection {
    /// How long an answer about an active token may be kept.
    max_age: Option<Duration>,
}

impl Introspection {
    pub(crate) fn new(max_age: Option<Duration>) -> Self {
        Self { max_age }
    }

    /// RFC 7662 section 2.
    pub(crate) async fn serve(
        &self,
        rungs: &Rungs,
        form: &Form,
        presented: Presented,
        client: AuthenticatedClient,
    ) -> Result<Reply, TokenError> {
        let client = client.into_client();
        if client.is_public() {
            return Err(presented.refuse(Reason::WrongMethod));
        }
        let token = required_token(form)?;
        let now = rungs.clock.now();
        let found = if client.may_introspect() { look_up(rungs, token).await? } else { None };
        Ok(match found {
            Some(Known::Refresh(found, families)) => self.of_refresh_token(families, &found, &client, now),
            Some(Known::Access(record)) if is_good(&record, now) && may_know(&client, &record) => Reply::Introspected {
                json: introspection::of_access_token(&record),
                max_age: self.max_age(record.expires(), now),
            },
            _ => inactive(),
        })
    }

    /// A refresh token is shown to its own client only.
    fn of_refresh_token(
        &self,
        families: &Families,
        found: &FoundRefreshToken,
        client: &Client,
        now: SystemTime,
    ) -> Reply {
        if !policy::is_own(client, &found.stored.family) || !families.is_usable(found, client, now) {
            return inactive();
        }
        let end = families.end_of(found, client);
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

/// Whether this client may know what the token stands for.
fn may_know(client: &Client, record: &AccessTokenRecord) -> bool {
    let is_for_it = record.audience().iter().any(|audience| client.audiences().contains(audience));
    client.may_know_realm(record.realm())
        && (is_for_it || record.audience().is_empty() || record.client() == client.id())
}
