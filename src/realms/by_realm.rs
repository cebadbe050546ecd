//! A verifier for each realm.

use std::fmt;
use std::future::ready;

use crate::boundary::account::AccountKey;
use crate::boundary::backend::BackendError;
use crate::boundary::can_recheck::can_recheck;
use crate::boundary::maybe::{Answering, MaybeFuture};
use crate::boundary::provided::Provided;
use crate::boundary::recheck::{CannotRecheck, Recheck};
use crate::boundary::verifier::{Attempt, CredentialVerifier, Denial, Verdict, Verified};
use crate::protocol::realm::{Realm, RealmError, own_id};

/// A [`CredentialVerifier`] that sends each login to the verifier of its realm, which decides alone: on the password, on the
/// account that attempts are counted on, and on whether a login still holds.
///
/// # Subjects
/// The subject of a login is the realm, `|` and the identifier that its verifier gave: user `1` of the realm `employees` is
/// `employees|1`. So two directories with a user `1` never share a subject, for APIs that look at nothing else either. A verifier
/// never sees the prefix. An [`ExtensionGrant`](crate::grant::ExtensionGrant) beside it gives its subjects in this form itself. One
/// in another form is a fault: 500 `server_error`, and an event. See [`keep_subject_ids`](Self::keep_subject_ids) for identifiers that are unique anyway.
///
/// # Realms that are not there
/// A client may list a realm that has no verifier here, or none at all. No other realm is asked for it: the login, or the refresh, is
/// answered 500 `server_error`, an event names the cause, and nothing is charged. Where the registry [names its
/// clients](crate::ClientRegistry::all_clients), a warning says so when the endpoint is built.
///
/// ```
/// use tower_password_grant::realms::Realms;
/// # use tower_password_grant::{Denial, verify_fn};
/// # let customers = verify_fn(|_| async { Ok(Denial::WrongPassword.into()) });
/// # let employees = verify_fn(|_| async { Ok(Denial::WrongPassword.into()) });
///
/// let verifier = Realms::new()
///     .realm("customers", customers)?
///     .realm("employees", employees)?;
/// # let _ = verifier;
/// # Ok::<_, tower_password_grant::realms::RealmError>(())
/// ```
#[derive(Default)]
#[must_use]
pub struct Realms {
    /// A list, as clients have one of their realms: a few are found faster so than in a tree.
    directories: Vec<Directory>,
    keeps_subject_ids: bool,
    /// One of the verifiers can recheck a login.
    can_recheck: bool,
}

/// A realm, with the verifier of its users.
struct Directory {
    realm: Realm,
    verifier: Box<dyn CredentialVerifier>,
}

impl Realms {
    /// Without a realm yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends the logins of this realm to this verifier. Its `recheck` is called once for that, as when an endpoint is
    /// [built](CredentialVerifier::recheck).
    ///
    /// # Errors
    /// Fails when the name is not 1 to 128 bytes of printable characters without `|`, and when the realm has a verifier already.
    pub fn realm(mut self, name: &str, verifier: impl CredentialVerifier) -> Result<Self, RealmError> {
        let realm = Realm::new(name)?;
        if self.directory(name).is_some() {
            return Err(RealmError::Twice(name.to_owned()));
        }
        self.can_recheck |= can_recheck(&verifier);
        self.directories.push(Directory { realm, verifier: Box::new(verifier) });
        Ok(self)
    }

    /// Leaves the identifiers of subjects as the verifiers give them. Default: each gets its realm as a prefix. Change it only if no
    /// two users of all realms have one identifier, as in one `SqliteStore`. Its `set_password_hash`, `end_logins` and `remove_user`
    /// end the logins of a user under either setting; so do not put this realm's name and `|` in front of an identifier yourself.
    ///
    /// It is a fact of the tokens that are out: a login that began with the other setting cannot be prolonged, and its refresh is a
    /// fault (500), so that the tokens work again if the change was a mistake.
    pub fn keep_subject_ids(mut self) -> Self {
        self.keeps_subject_ids = true;
        self
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.directories.iter().filter_map(|directory| directory.realm.as_deref())
    }

    #[inline]
    fn directory(&self, name: &str) -> Option<&Directory> {
        self.directories.iter().find(|directory| directory.realm.is_named(name))
    }

    /// The directory of this realm, and of no other.
    #[inline]
    fn of(&self, realm: Option<&str>) -> Result<&Directory, BackendError> {
        realm.and_then(|name| self.directory(name)).ok_or_else(|| Fault::of(realm))
    }
}

impl CredentialVerifier for Realms {
    fn verify<'s, 'f>(&'s self, attempt: Attempt) -> Answering<'f, Verdict>
    where
        's: 'f,
        Self: 'f,
    {
        match self.verify_at_once(attempt).into_ready() {
            Ok(answer) => Box::pin(ready(answer)),
            Err(deciding) => deciding,
        }
    }

    fn verify_at_once(&self, attempt: Attempt) -> MaybeFuture<'_, Result<Verdict, BackendError>> {
        match self.of(attempt.realm()) {
            Ok(directory) if self.keeps_subject_ids => directory.verifier.verify_at_once(attempt),
            Ok(directory) => directory.decide(attempt),
            Err(error) => MaybeFuture::ready(Err(error)),
        }
    }

    fn account_key<'a>(
        &'a self,
        username: &'a str,
        realm: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        match self.of(realm) {
            Ok(directory) => directory.verifier.account_key(username, realm),
            Err(error) => MaybeFuture::ready(Err(error)),
        }
    }

    fn recheck<'s, 'l, 'f>(&'s self, login: &'l Recheck) -> Answering<'f, Verdict>
    where
        's: 'f,
        'l: 'f,
        Self: 'f,
    {
        if !self.can_recheck {
            return Provided::<CannotRecheck, _>::answer();
        }
        Box::pin(async move {
            let directory = self.of(login.realm())?;
            if self.keeps_subject_ids {
                return recheck_kept(&*directory.verifier, login).await;
            }
            let own = of_its_realm(login).ok_or_else(|| BackendError::fault(Fault::Bare))?;
            let mut verdict = directory.verifier.recheck(&own).await?;
            directory.lead(&mut verdict);
            Ok(verdict)
        })
    }

    fn realms(&self) -> Option<Vec<String>> {
        Some(self.names().map(str::to_owned).collect())
    }

    fn check_subject(&self, subject_id: &str, realm: Option<&str>) -> Result<(), BackendError> {
        let directory = self.of(realm)?;
        let own =
            if self.keeps_subject_ids { Some(subject_id) } else { realm.and_then(|realm| own_id(realm, subject_id)) };
        directory.verifier.check_subject(own.ok_or_else(|| BackendError::fault(Fault::Given))?, realm)
    }
}

impl Directory {
    /// Has its verifier decide, and makes the subject that of all realms.
    // By itself, the answer is written where the caller wants it, and changed in that place.
    fn decide(&self, attempt: Attempt) -> MaybeFuture<'_, Result<Verdict, BackendError>> {
        let mut deciding = self.verifier.verify_at_once(attempt);
        deciding.change(|answer| {
            if let Ok(verdict) = answer {
                self.lead(verdict);
            }
        });
        deciding
    }

    /// Makes a subject of the directory, if one is granted, that of all realms.
    #[inline]
    fn lead(&self, verdict: &mut Verdict) {
        if let Verdict::Granted(Verified { subject, .. }) = verdict {
            subject.put_behind(&self.realm);
        }
    }
}

/// The same question with the identifier that the subject has in its realm, if it has the realm in front.
fn of_its_realm(login: &Recheck) -> Option<Recheck> {
    let id = own_id(login.realm()?, login.subject_id())?;
    Some(login.with_subject(id.into()))
}

/// Asks about a subject with its own identifier. One that is unknown, and known without the realm in front, is of a login from
/// before [`Realms::keep_subject_ids`].
async fn recheck_kept(verifier: &dyn CredentialVerifier, login: &Recheck) -> Result<Verdict, BackendError> {
    let verdict = verifier.recheck(login).await?;
    let Verdict::Denied(Denial::UnknownUser) = verdict else { return Ok(verdict) };
    let Some(own) = of_its_realm(login) else { return Ok(verdict) };
    match verifier.recheck(&own).await? {
        Verdict::Denied(Denial::UnknownUser) => Ok(verdict),
        _ => Err(BackendError::fault(Fault::Prefixed)),
    }
}

impl fmt::Debug for Realms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Realms")
            .field("realms", &self.names().collect::<Vec<_>>())
            .field("keeps_subject_ids", &self.keeps_subject_ids)
            .finish_non_exhaustive()
    }
}

/// What only the operator can put right.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(
        "a client lists the realm {0:?}, which has no verifier: `Realms::realm`, or take it from `ClientBuilder::realms`"
    )]
    Lacking(String),
    #[error("a client lists no realm, and each user is of one: `ClientBuilder::realms`")]
    NoRealm,
    #[error(
        "the subject of a login does not begin with its realm: it is older than `Realms`, or `Realms::keep_subject_ids` was on then"
    )]
    Bare,
    #[error(
        "an extension grant gave a subject that does not begin with the realm of the login and `|`, as the subjects of `Realms` do"
    )]
    Given,
    #[error("the subject of a login begins with its realm: it is of a time when `Realms::keep_subject_ids` was off")]
    Prefixed,
}

impl Fault {
    /// Of a login in a realm that has no directory, or in none.
    #[cold]
    fn of(realm: Option<&str>) -> BackendError {
        BackendError::fault(realm.map_or(Self::NoRealm, |name| Self::Lacking(name.to_owned())))
    }
}
