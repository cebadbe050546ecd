//! The verifier: what each answer of the user service means for a login.

use std::time::Duration;

use async_trait::async_trait;
use http::uri::Authority;
use tower_password_grant::MaybeFuture;
use tower_password_grant::user::{AccountKey, Recheck};
use tower_password_grant::{Attempt, BackendError, CredentialVerifier, Denial, Subject, Verdict};

use super::asker::{Asker, Lane};
use super::questions::{Found, Guess, Guessed, Named, State, StateOf};

/// Guesses at once, which is about what the service can hash; and how long one may take, all in all. It must be less than
/// `RequestLimits::verifier_deadline`, 10 s: what the endpoint cuts off stays charged, what fails here does not. With `Migrate`, the
/// hash and the import of the new directory have to find room there, too.
const GUESSES: (usize, Duration) = (16, Duration::from_secs(4));

/// The same of look-ups and rechecks. Less than `RequestLimits::store_deadline`, 5 s. They have places of their own, so that users
/// stay logged in while hashes are slow.
const LOOK_UPS: (usize, Duration) = (64, Duration::from_secs(2));

/// The users of the user service.
pub(crate) struct RemoteDirectory {
    service: Asker,
    guesses: Lane,
    look_ups: Lane,
    counts_by_login_name: bool,
}

impl RemoteDirectory {
    /// The users of the service at `service`, which knows this endpoint by `credential`. It connects at the first question.
    pub(crate) fn new(service: Authority, credential: &str) -> Result<Self, http::Error> {
        let lane = |(places, within)| Lane::new(places, within);
        Ok(Self {
            service: Asker::new(service, credential)?,
            guesses: lane(GUESSES),
            look_ups: lane(LOOK_UPS),
            counts_by_login_name: false,
        })
    }

    /// Counts guesses on the name that was typed, in its canonical form, and asks the service nothing before a guess. Right for a
    /// service that finds each account by one name, and whose spelling rule ignores no more than that form does. The service is asked
    /// for that form, too: two of its accounts that differ in less would be counted as one.
    ///
    /// A guess that is refused then costs the service nothing. With `Migrate`, users who have moved log in while it is away.
    pub(crate) fn count_by_login_name(self) -> Self {
        Self { counts_by_login_name: true, ..self }
    }
}

#[async_trait]
impl CredentialVerifier for RemoteDirectory {
    /// The same one question for all names, whether anybody has them or not.
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        let name = if self.counts_by_login_name {
            AccountKey::canonical(attempt.username()).into_text()
        } else {
            attempt.username().into()
        };
        let guess = Guess { name, password: attempt.password().expose().into() };
        Ok(match self.service.ask_once(&self.guesses, &guess).await? {
            Guessed::Right { id, version } => subject(id.into_text(), version).into(),
            // The name and nothing else hands the attempt on, where other directories stand behind this one.
            Guessed::UnknownUser => Denial::UnknownUser.into(),
            Guessed::WrongPassword => Denial::WrongPassword.into(),
            Guessed::Disabled => Denial::Disabled.into(),
        })
    }

    /// The service is asked, because it alone knows which spellings and aliases are one account, and an account has one budget of
    /// guesses. The question takes the same time for a name that nobody has.
    fn account_key<'a>(
        &'a self,
        username: &'a str,
        _realm: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        if self.counts_by_login_name {
            return MaybeFuture::ready(Ok(AccountKey::canonical(username)));
        }
        MaybeFuture::new(async move {
            let named = Named { name: username.into() };
            Ok(match self.service.ask(&self.look_ups, &named).await? {
                Found::Account { id } => AccountKey::resolved(id.into_text()),
                Found::Nobody => AccountKey::phantom(username),
            })
        })
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        let state = StateOf { id: login.subject_id().into() };
        Ok(match self.service.ask(&self.look_ups, &state).await? {
            State::Active { version } => subject(login.subject_id().to_owned(), version).into(),
            State::Disabled => Denial::Disabled.into(),
            State::UnknownUser => Denial::UnknownUser.into(),
        })
    }
}

/// The same user from a guess and from a recheck, or no login would hold.
fn subject(id: String, version: u32) -> Subject {
    Subject::new(id).with_credential_version(version.to_string())
}
