//! Users who move from an old directory to a new one, each at a login.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::first_of::{Decision, FirstOf, key_of_deciding};
use crate::boundary::account::{AccountKey, AccountKeyKind};
use crate::boundary::backend::BackendError;
use crate::boundary::can_recheck::can_recheck;
use crate::boundary::maybe::{Answering, MaybeFuture};
use crate::boundary::provided::tells_of_provided;
use crate::boundary::recheck::Recheck;
use crate::boundary::users::import::{ImportedUser, UserImport};
use crate::boundary::verifier::{Attempt, CredentialVerifier, Denial, Verdict, Verified};
use crate::observe::contain::Contain;
use crate::observe::telemetry;

/// How long an import may take. A login waits for it, behind two verifications and within their deadline.
const IMPORT_WAIT: Duration = Duration::from_secs(3);

const NAME_OF_ANOTHER: &str =
    "the login name belongs to another user in the old directory, in the form in which the new one keeps it";

/// Moves users from an old directory to a new one, each at the next login with the right password.
///
/// ```
/// # #[cfg(not(all(feature = "argon2", feature = "sqlite")))] fn main() {}
/// # #[cfg(all(feature = "argon2", feature = "sqlite"))]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_password_grant::argon2::Argon2Verifier;
/// use tower_password_grant::realms::Migrate;
/// use tower_password_grant::sqlite::SqliteStore;
/// use tower_password_grant::user::AccountKey;
/// use tower_password_grant::{Denial, Subject, verify_fn};
///
/// # let folder = std::env::temp_dir().join(format!("migrate-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("auth.db");
/// // The directory that is to go: LDAP, a service, a hash of its own ..
/// let old = verify_fn(|attempt| async move {
///     let name = AccountKey::canonical(attempt.username());
///     Ok(match (name.as_str(), attempt.password().expose()) {
///         ("alice", "correct horse") => Subject::new("user-1").into(),
///         ("alice", _) => Denial::WrongPassword.into(),
///         _ => Denial::UnknownUser.into(),
///     })
/// });
/// let new = Argon2Verifier::new(SqliteStore::open(&file)?)?;
/// let users = Migrate::new(old, new);
/// // PasswordGrant::builder().verifier(users) ..
/// # drop(users);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok(())
/// # }
/// ```
///
/// # What a login does
/// The new directory is asked first and the old one next, exactly as [`FirstOf`] asks them. If only the old one knows the name and says
/// yes, the user is [imported](UserImport) into the new one, with the id that the subject has, the login name and the password.
/// From then on the new directory decides alone: an old password never works again, whatever is changed where.
///
/// Of many logins of one user at once one imports; the others are verified by what it imported. If the id is another user's in the
/// new directory, as after a change of the login name there, the login is denied and an event says why.
///
/// An event names each user who moved, and a counter counts them.
///
/// If the import fails or takes longer than 3 seconds, an event says that the user could not be moved, a counter counts it, and the
/// new directory is asked by its [`recheck`](CredentialVerifier::recheck) whether it has the id by now. If it has not, the login goes on, and the next one tries
/// again. If it has, it decides alone, as ever. If it has no `recheck`, nobody knows, and the login is answered with the failure of
/// the import: a warning says so when the `Migrate` is made.
///
/// # On which account attempts count
/// On the key of the directory which decides, as with [`FirstOf`]: the new one's if it has the name, else the old one's. An old
/// directory that answers the id of the subject has the key of the new one, so a move changes nothing: failures and locks of before
/// the move count after it. If it resolves names to something else, a move forgets the counts of its user once.
///
/// An old directory without an `account_key` of its own counts by name, before a move and after it: that is the one difference from
/// `FirstOf`, and no move changes it either. Each alias that a user has in the new directory has a budget of its own then. If your
/// users have aliases, let the old one answer [`AccountKey::resolved`] with the id of the subject for names that it knows, and
/// [`AccountKey::phantom`] for others. Both directories are asked for all names. An operator who
/// [unblocks](crate::limiter::LimiterOperator::unblock_account) an account gives the key that counts.
///
/// # Whose name it is
/// The new directory decides alone on the name under which it takes a user. If the name was sent in another spelling than the new
/// one keeps, the old one is asked for its [keys](CredentialVerifier::account_key) of both spellings. If they are two accounts
/// there, nobody moves: the import fails, as the event says, and the login goes on. Otherwise a user `Fiona` would take the name of
/// a user `fiona`.
///
/// This needs an `account_key` that tells the two apart. An old directory that keeps the default key must look names up by exactly
/// the canonical form. And it cannot help the other way round: once `fiona` has moved, the new directory decides on `Fiona`, too.
/// So look for names that are one in their [canonical](AccountKey::canonical) form before you begin, and give one of the users
/// another name.
///
/// # What moves
/// Id, login name, realm, password, and the [credential version](crate::Subject::with_credential_version) if the old directory states
/// one and the new one can keep it; otherwise the logins that the user had before end at their next refresh. So they do if the
/// old directory is an `Argon2Verifier` whose store states no version: it follows the old hash, which does not move. What else the old directory has of a user
/// (aliases, states) does not: copy it when all have moved, or keep it in the new directory from the start. A user whose scope the
/// old directory [narrows](crate::Verdict::granted_within) does not move into an `Argon2Verifier`, which would give the whole scope
/// from then on: the import fails, as the event says. To move such users, let a
/// [rule](crate::rules) narrow their scopes instead.
///
/// # Security
/// - Close an account in the new directory by disabling it. One that is removed there is unknown there, so that the old directory decides
///   again, and imports it again.
/// - Make a new user in the new directory only, and never under a name or an id that the old one has for another user.
/// - A user who is in the new directory without a password does not move: the new directory knows the name, and denies.
/// - Both directories must take the same time for names that they know and names that they do not: see [`FirstOf`].
pub struct Migrate {
    /// The new one, then the old one.
    directories: FirstOf,
    new: Arc<dyn Import>,
    old: Arc<dyn CredentialVerifier>,
}

/// What a new directory is.
trait Import: CredentialVerifier + UserImport {}

impl<N: CredentialVerifier + UserImport> Import for N {}

impl Migrate {
    /// Moves the users of `old` into `new`. Give the new directory in an [`Arc`] to go on using it.
    #[must_use]
    pub fn new<N: CredentialVerifier + UserImport>(old: impl CredentialVerifier, new: N) -> Self {
        let (new, old): (_, Arc<dyn CredentialVerifier>) = (Arc::new(new), Arc::new(old));
        if !can_recheck(&*new) {
            telemetry::imports_without_recheck();
        }
        Self { directories: FirstOf::new(Arc::clone(&new)).then(Arc::clone(&old)), new, old }
    }

    /// Moves a user that the old directory has just granted.
    async fn moved(&self, verified: Verified, attempt: Attempt) -> Result<Verdict, BackendError> {
        let user = ImportedUser::new(verified.clone(), attempt.for_next_verifier());
        // A block, so that a panic before the first await is contained, too.
        let importing = async {
            self.check_name(&attempt).await?;
            self.new.import(user).await
        };
        match Contain::new(Some(IMPORT_WAIT), importing).await {
            Ok(Some(subject)) => {
                telemetry::user_moved(subject.id(), attempt.realm());
                Ok(Verdict::Granted(Verified { subject, ..verified }))
            }
            Ok(None) => self.decided_by_new(&verified, attempt).await,
            Err(failure) => {
                telemetry::user_not_moved(verified.subject.id(), attempt.realm(), &failure);
                self.not_moved(verified, attempt, failure).await
            }
        }
    }

    /// An error if the old directory has another user for the name in the form that the new one keeps. From then on that one would
    /// decide on it alone.
    async fn check_name(&self, attempt: &Attempt) -> Result<(), BackendError> {
        let (sent, realm) = (attempt.username(), attempt.realm());
        let kept = self.new.account_key(sent, realm).await?;
        if kept.kind() == AccountKeyKind::Resolved || kept.as_str() == sent {
            // The import finds a user that the new directory has by now.
            return Ok(());
        }
        let owner = self.old.account_key(kept.as_str(), realm).await?;
        if owner.kind() == AccountKeyKind::Phantom || owner == self.old.account_key(sent, realm).await? {
            return Ok(());
        }
        Err(BackendError::fault(NAME_OF_ANOTHER))
    }

    /// What the old directory said counts only if the new one does not have the user. Another login may have moved
    /// the user meanwhile, and the password may be another one by now.
    async fn not_moved(
        &self,
        verified: Verified,
        attempt: Attempt,
        failure: BackendError,
    ) -> Result<Verdict, BackendError> {
        match self.new.recheck(&attempt.question(&verified.subject)).await {
            Ok(Verdict::Denied(Denial::UnknownUser)) => Ok(Verdict::Granted(verified)),
            Ok(_) => self.decided_by_new(&verified, attempt).await,
            Err(error) if tells_of_provided(&error) => Err(failure),
            Err(error) => Err(error),
        }
    }

    /// The new directory has the user since it was asked first, and may have another password or state: what the old one
    /// said counts no more.
    async fn decided_by_new(&self, verified: &Verified, attempt: Attempt) -> Result<Verdict, BackendError> {
        let realm = attempt.realm().map(str::to_owned);
        let verdict = self.new.verify(attempt).await?;
        if matches!(verdict, Verdict::Denied(Denial::UnknownUser)) {
            let taken = BackendError::fault("the new directory has another login name for the id");
            telemetry::user_not_moved(verified.subject.id(), realm.as_deref(), &taken);
        }
        Ok(verdict)
    }
}

impl CredentialVerifier for Migrate {
    fn verify<'s, 'f>(&'s self, attempt: Attempt) -> Answering<'f, Verdict>
    where
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            match self.directories.ask(&attempt).await? {
                Decision { verdict: Verdict::Granted(verified), place: 1.. } => self.moved(verified, attempt).await,
                Decision { verdict, .. } => Ok(verdict),
            }
        })
    }

    fn account_key<'a>(
        &'a self,
        username: &'a str,
        realm: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        MaybeFuture::new(async move {
            // Both are asked for all names, so that no time tells which of them has one.
            let new = self.new.account_key(username, realm).await?;
            let old = self.old.account_key(username, realm).await?;
            // What is counted by name before a move is counted so after it.
            Ok(if old.kind() == AccountKeyKind::Name { old } else { key_of_deciding(new, old) })
        })
    }

    fn recheck<'s, 'l, 'f>(&'s self, login: &'l Recheck) -> Answering<'f, Verdict>
    where
        's: 'f,
        'l: 'f,
        Self: 'f,
    {
        self.directories.recheck(login)
    }

    fn realms(&self) -> Option<Vec<String>> {
        self.directories.realms()
    }

    fn check_subject(&self, subject_id: &str, realm: Option<&str>) -> Result<(), BackendError> {
        self.directories.check_subject(subject_id, realm)
    }
}

impl fmt::Debug for Migrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrate").finish_non_exhaustive()
    }
}
