//! The password grant (RFC 6749 section 4.3).

use std::future::Future;
use std::mem;

use http::Extensions;

use super::super::answer::Reply;
use super::super::login::finish::Decided;
use super::super::login::rungs::Rungs;
use super::super::trail::Trail;
use crate::boundary::account::AccountKey;
use crate::boundary::host_extensions::HostExtensions;
use crate::boundary::ladder::client::PermittedClient;
use crate::boundary::ladder::terms::Terms;
use crate::boundary::limiter::Fingerprint;
use crate::boundary::verifier::{Attempt, Said};
use crate::observe::patience::answered;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::secret::keyed::Keyed;
use crate::protocol::secret::secrets::Password;
use crate::protocol::wire::error::{Reason, TokenError};
use crate::protocol::wire::form::{Form, Known};

/// The flow of the password grant.
pub(crate) struct PasswordFlow {
    /// `password`, or the same in a realm that the request names.
    pub(super) grant_type: GrantType,
    /// Keys the fingerprints of passwords.
    fingerprints: Keyed,
}

impl PasswordFlow {
    pub(crate) fn new(grant_type: GrantType, fingerprints: Keyed) -> Self {
        Self { grant_type, fingerprints }
    }

    /// The first parameter that the grant needs and that is not there, or has no value.
    pub(super) fn missing(form: &Form) -> Option<&'static str> {
        match (form.span(Known::Username), form.span(Known::Password)) {
            (Some(_), Some(_)) => None,
            (None, _) => Some("username"),
            (Some(_), None) => Some("password"),
        }
    }

    #[allow(clippy::manual_async_fn, reason = "an async function would hold its arguments twice")]
    pub(crate) fn serve<'a>(
        &'a self,
        rungs: &'a Rungs,
        client: PermittedClient,
        form: &'a mut Form,
        extensions: &'a mut Extensions,
        trail: &'a mut Trail,
    ) -> impl Future<Output = Result<Reply, TokenError>> + Send + 'a {
        async move {
            let task = rungs.task().await;
            let terms = rungs.terms(client, form)?;
            trail.realm = terms.realm().clone();
            terms.remove_understood(form);
            // What is borrowed is held to the end of its block.
            let (verifying, charge, owner, case) = {
                let username = form.get(Known::Username).unwrap_or_default();
                let realm = terms.realm().as_deref();
                let account = rungs.users().account_key(username, realm, &mut trail.caller).await;
                let account = account.map_err(|error| error.because(Reason::VerifierFailed))?;
                let fingerprint = self.fingerprint(realm, &account, form);
                let (charge, owner) = rungs.charge(realm, &account, Some(fingerprint), trail).await?;
                drop(account);
                let (extensions, case) = rungs.share(mem::take(extensions), task, &terms, trail);
                let said = said(mem::take(form), &terms, extensions, trail)?;
                let (attempt, charge) = Attempt::charged(charge, said);
                (rungs.verify(attempt), charge, owner, case)
            };
            // Moved as a whole, else its place would be held while it is waited for.
            let (answer, failure) = (answered!({ verifying }), Reason::VerifierFailed);
            rungs.finish(terms, Decided { answer, failure, charge, owner, case }, trail).await
        }
    }

    /// Tells equal attempts on equal accounts apart from others; nobody without the key could. The fields that the endpoint
    /// does not know are part of it: a verifier may take a code from one.
    #[inline]
    fn fingerprint(&self, realm: Option<&str>, account: &AccountKey<'_>, form: &Form) -> Fingerprint {
        let secret = form.get(Known::Password).unwrap_or_default();
        let realm_len = realm.map_or(0, str::len);
        // Realms and names are far shorter than 2^24 bytes.
        let lengths = (realm_len as u64) << 32 ^ account.as_str().len() as u64;
        let parts = [realm.unwrap_or_default(), account.as_str(), secret].map(str::as_bytes);
        let digest = form.others().fold(self.fingerprints.digest(lengths, parts), |before, (name, value)| {
            let lengths = (name.len() as u64) << 32 ^ value.len() as u64;
            self.fingerprints.digest(before, [&lengths.to_le_bytes(), name.as_bytes(), value.as_bytes()])
        });
        Fingerprint::new(digest)
    }
}

/// What the form says, as an attempt takes it.
#[inline]
fn said(form: Form, terms: &Terms, extensions: HostExtensions, trail: &Trail) -> Result<Said, TokenError> {
    let username = form.span(Known::Username).ok_or_else(|| TokenError::missing("username"))?;
    let password = form.span(Known::Password).ok_or_else(|| TokenError::missing("password"))?;
    let (texts, fields) = form.into_parts();
    Ok(Said {
        username,
        password: Password::within(texts, password),
        fields,
        client: terms.client().clone(),
        realm: terms.realm().clone(),
        scope: terms.scope().clone(),
        address: trail.caller.address,
        extensions,
    })
}
