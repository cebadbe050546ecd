//! Several directories of users behind one realm.

use std::fmt;
use std::iter;

use crate::boundary::account::{AccountKey, AccountKeyKind};
use crate::boundary::backend::BackendError;
use crate::boundary::maybe::{Answering, MaybeFuture};
use crate::boundary::provided::is_provided;
use crate::boundary::recheck::Recheck;
use crate::boundary::verifier::{Attempt, CredentialVerifier, Denial, Verdict};

/// Asks several directories of users in their order: the first that knows the name decides alone.
///
/// ```
/// # #[cfg(not(feature = "argon2"))] fn main() {}
/// # #[cfg(feature = "argon2")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_password_grant::argon2::Argon2Verifier;
/// use tower_password_grant::realms::FirstOf;
/// use tower_password_grant::user::AccountKey;
/// use tower_password_grant::{Denial, Subject, verify_fn};
/// # use async_trait::async_trait;
/// # use tower_password_grant::BackendError;
/// # use tower_password_grant::store::{LoginName, StoredUser, UserStore};
/// # struct Table;
/// # #[async_trait]
/// # impl UserStore for Table {
/// #     async fn find(&self, _: &LoginName<'_>, _: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
/// #         Ok(None)
/// #     }
/// #     async fn save_hash(&self, _: &str, _: &str, _: &str) -> Result<bool, BackendError> { Ok(false) }
/// # }
///
/// let members = Argon2Verifier::new(Table)?;
/// let partners = verify_fn(|attempt| async move {
///     // Asks the service that owns the accounts of partners.
///     let name = AccountKey::canonical(attempt.username());
///     Ok(match (name.as_str(), attempt.password().expose()) {
///         ("partner", "correct horse") => Subject::new("partner-1").into(),
///         ("partner", _) => Denial::WrongPassword.into(),
///         _ => Denial::UnknownUser.into(),
///     })
/// });
/// let users = FirstOf::new(members).then(partners);
/// // PasswordGrant::builder().verifier(users) ..
/// # let _ = users;
/// # Ok(())
/// # }
/// ```
///
/// # Which directory decides
/// [`Denial::UnknownUser`] hands an attempt on to the next directory, and nothing else does. A wrong password, a disabled account or
/// any other denial is final: otherwise an old password would live on in the next directory. So a directory must answer
/// `UnknownUser` for exactly the names that it does not have. If it cannot decide, its error is the answer of all; the next one is
/// not asked instead.
///
/// [`recheck`](CredentialVerifier::recheck) goes the same way, by the id of the subject. So give no two users one id, in whichever
/// directory they are. Each directory needs a `recheck` of its own: one without it ends the question with its fault.
///
/// # What the time shows
/// A denial costs a look into every directory, whichever of them has the user: those behind the one that denied are asked for a
/// random name that nobody has, with a random password, and their answer is dropped. The name has the form of the one that was denied,
/// with the same domain, and the same length unless that is too short. So no time tells which directory has a
/// name, or whether any has it, as long as each of them takes the same time for known and unknown names. A right password costs the
/// directories up to the one that has the user. Your logs of the later directories show the random names. All looks together have the
/// endpoint's [`verifier_deadline`](crate::mount::RequestLimits::verifier_deadline).
///
/// # What a failure shows
/// If a directory fails at such a look, the answer is its error, as it is for a name that it has to decide on. And the attempt stays
/// charged, because it was denied before: a failure must not make guesses free. For that reason it stays charged for all names if
/// any directory but the first fails: otherwise the eleventh guess would show which names an earlier one has. So users of a
/// later directory that is away are locked out by their tries, as by wrong passwords, until the lock's time is over; the same
/// password again within the [repeat window](crate::limiter::Limits::with_repeat_window) does not count. An error of the first
/// one, which is asked about all names, gives the charge back, as that of any verifier does.
///
/// # On which account attempts count
/// One attempt is charged once, on one key: that of the directory which decides. This is the first whose key is no
/// [phantom](AccountKey::phantom), because a phantom says that the directory does not have the name. If all answer one, the last
/// one's counts. All directories are asked for their keys, so that this takes one time for all names, too.
///
/// A directory that resolves no names, and so keeps the default key, cannot say that it does not have a name. What stands behind it
/// is counted by the [canonical](AccountKey::canonical) name, too, and each alias that an account has there has a budget of its
/// own. It never counts on an account behind it that has the same name: the owner of that one would forgive each guess by logging
/// in.
///
/// So let all directories compare names in one form. A directory that keeps the default key must look names up by exactly the
/// canonical form. If it takes `alice` and leaves `ALICE` to the next one, both count on one key: a user who is `ALICE` in the next
/// one makes guesses at `alice` free by logging in. One that compares names byte by byte must answer [`AccountKey::resolved`] for
/// names that it has, and [`AccountKey::phantom_as_typed`] for others. Even then the locks of some spellings show which directory
/// has a name, if another one ignores case.
pub struct FirstOf {
    first: Box<dyn CredentialVerifier>,
    others: Vec<Box<dyn CredentialVerifier>>,
}

/// What the directories say together.
pub(super) struct Decision {
    pub(super) verdict: Verdict,
    /// Whose verdict it is: 0 for the first. That of all if nobody knows the name.
    pub(super) place: usize,
}

impl FirstOf {
    /// The directory that is asked first.
    #[must_use]
    pub fn new(first: impl CredentialVerifier) -> Self {
        Self { first: Box::new(first), others: Vec::new() }
    }

    /// The directory that is asked next, about names that all before it do not know.
    #[must_use]
    pub fn then(mut self, next: impl CredentialVerifier) -> Self {
        self.others.push(Box::new(next));
        self
    }

    fn all(&self) -> impl Iterator<Item = &(dyn CredentialVerifier + 'static)> + Send {
        iter::once(&self.first).chain(&self.others).map(|directory| &**directory)
    }

    /// Asks in order.
    pub(super) async fn ask(&self, attempt: &Attempt) -> Result<Decision, BackendError> {
        let verdict = self.first.verify(attempt.for_next_verifier()).await?;
        self.ask_on(Decision { verdict, place: 0 }, attempt).await.map_err(BackendError::in_turn)
    }

    /// Asks those behind the first, which said this: about the name, as long as it is unknown; about nobody, after a denial.
    async fn ask_on(&self, mut so_far: Decision, attempt: &Attempt) -> Result<Decision, BackendError> {
        for (place, directory) in (1..).zip(&self.others) {
            match so_far.verdict {
                Verdict::Granted(_) => break,
                Verdict::Denied(Denial::UnknownUser) => {
                    so_far = Decision { verdict: directory.verify(attempt.for_next_verifier()).await?, place };
                }
                Verdict::Denied(_) => {
                    let nobody = attempt.for_nobody().map_err(BackendError::fault)?;
                    drop(directory.verify(nobody).await?);
                }
            }
        }
        Ok(so_far)
    }
}

/// The key of the directory which decides, of two in their order. A key of a name alone does not say which directory has the name:
/// the key of the later one could be that of somebody else's account.
pub(super) fn key_of_deciding<'a>(earlier: AccountKey<'a>, later: AccountKey<'a>) -> AccountKey<'a> {
    if earlier.kind() == AccountKeyKind::Phantom { later } else { earlier }
}

impl CredentialVerifier for FirstOf {
    fn verify<'s, 'f>(&'s self, attempt: Attempt) -> Answering<'f, Verdict>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move { Ok(self.ask(&attempt).await?.verdict) })
    }

    fn account_key<'a>(
        &'a self,
        username: &'a str,
        realm: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        MaybeFuture::new(async move {
            let mut key = self.first.account_key(username, realm).await?;
            for directory in &self.others {
                key = key_of_deciding(key, directory.account_key(username, realm).await?);
            }
            Ok(key)
        })
    }

    fn recheck<'s, 'l, 'f>(&'s self, login: &'l Recheck) -> Answering<'f, Verdict>
    where
        's: 'f,
        'l: 'f,
        Self: 'f,
    {
        let first = self.first.recheck(login);
        if is_provided(&first) {
            // Every question ends here.
            return first;
        }
        Box::pin(async move {
            let mut verdict = first.await?;
            for directory in &self.others {
                if !matches!(verdict, Verdict::Denied(Denial::UnknownUser)) {
                    break;
                }
                verdict = directory.recheck(login).await?;
            }
            Ok(verdict)
        })
    }

    /// Those that each directory with a fixed list knows: asked about any other realm, it could not decide.
    fn realms(&self) -> Option<Vec<String>> {
        let lists = self.all().filter_map(|directory| directory.realms());
        lists.reduce(|mut known, next| {
            known.retain(|realm| next.contains(realm));
            known
        })
    }

    /// It may be a user of any of them.
    fn check_subject(&self, subject_id: &str, realm: Option<&str>) -> Result<(), BackendError> {
        self.all().try_for_each(|directory| directory.check_subject(subject_id, realm))
    }
}

impl fmt::Debug for FirstOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirstOf").field("directories", &self.all().count()).finish_non_exhaustive()
    }
}
