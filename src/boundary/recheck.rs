//! A login that is to be prolonged, or looked at once more.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use super::provided::Missing;
use crate::protocol::client::registered::Client;
use crate::protocol::factor::challenge::Challenge;
use crate::protocol::realm::Realm;
use crate::protocol::scope::Scope;
use crate::protocol::token::record::AccessTokenRecord;

/// What the default of [`CredentialVerifier::recheck`](crate::CredentialVerifier::recheck) says in telemetry.
pub(crate) struct CannotRecheck;

impl Missing for CannotRecheck {
    const TEXT: &'static str = "the verifier cannot tell whether a login still holds, which refresh tokens and second \
                                factors need: implement `CredentialVerifier::recheck`";
}

/// A login that is to be prolonged.
#[derive(Clone, Debug)]
pub struct Recheck {
    subject: Arc<str>,
    client: Client,
    realm: Realm,
    scope: Scope,
    authenticated_at: SystemTime,
    address: Option<IpAddr>,
}

impl Recheck {
    /// The question about a login of this subject, which comes from this address.
    pub(super) fn about(
        subject: Arc<str>,
        client: &Client,
        realm: &Realm,
        scope: &Scope,
        authenticated_at: SystemTime,
        address: Option<IpAddr>,
    ) -> Self {
        let (client, realm, scope) = (client.clone(), realm.clone(), scope.clone());
        Self { subject, client, realm, scope, authenticated_at, address }
    }

    /// The question about the login of an access token.
    pub(crate) fn of_token(
        record: &AccessTokenRecord,
        client: &Client,
        realm: &Realm,
        address: Option<IpAddr>,
    ) -> Self {
        let since = record.authenticated_at().unwrap_or(record.issued_at());
        Self::about(record.subject_id().into(), client, realm, record.scope(), since, address)
    }

    /// The question about a login that was left open.
    pub(crate) fn of_open(challenge: &Challenge, client: &Client, realm: &Realm, address: Option<IpAddr>) -> Self {
        let Challenge { subject, scope, authenticated_at, .. } = challenge;
        Self::about(Arc::clone(subject), client, realm, scope, *authenticated_at, address)
    }

    /// The same question about a subject that has another identifier elsewhere.
    pub(crate) fn with_subject(&self, subject: Arc<str>) -> Self {
        Self { subject, ..self.clone() }
    }

    /// The identifier of the subject that the login gave ([`Subject::id`](crate::Subject::id)).
    #[must_use]
    pub fn subject_id(&self) -> &str {
        &self.subject
    }

    /// The authenticated client, the same as at the login.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The realm (separate user directory) of the login, if there is one.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// The scope that is to be given.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// When the resource owner was authenticated.
    #[must_use]
    pub fn authenticated_at(&self) -> SystemTime {
        self.authenticated_at
    }

    /// The address that the request comes from, as in [`Attempt::address`](crate::Attempt::address).
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }
}
