//! Is this the user's password? (RFC 6749 section 4.3.2)

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use http::Extensions;

use super::account::AccountKey;
use super::backend::BackendError;
use super::host_extensions::HostExtensions;
use super::ladder::charge::{Charge, OfAccount, UsedCharge};
use super::maybe::{Answering, MaybeFuture};
use super::provided::Provided;
use super::recheck::{CannotRecheck, Recheck};
use crate::protocol::client::registered::Client;
use crate::protocol::realm::Realm;
use crate::protocol::scope::Scope;
use crate::protocol::secret::secrets::{Password, RandomnessError};
use crate::protocol::token::methods::AuthenticationMethods;
use crate::protocol::user::nobody::{letters, name_of_nobody};
use crate::protocol::user::subject::Subject;
use crate::protocol::wire::error::Reason;
use crate::protocol::wire::fields::Fields;
use crate::protocol::wire::host_code::HostCode;
use crate::protocol::wire::texts::{Span, Texts};

/// What an attempt says.
pub(crate) struct Said {
    pub(crate) username: Span,
    pub(crate) password: Password,
    pub(crate) fields: Fields,
    pub(crate) client: Client,
    pub(crate) realm: Realm,
    pub(crate) scope: Scope,
    pub(crate) address: Option<IpAddr>,
    pub(crate) extensions: HostExtensions,
}

/// One attempt to log in, handed over by value: it cannot be verified twice, and the password moves into the hashing
/// thread without a copy.
///
/// It exists only after the attempt was charged to the account's budget, so a verifier cannot be asked for free.
pub struct Attempt {
    // Each field by itself lies closer than within a struct, and an attempt is moved often.
    username: Span,
    /// The name that was sent, on whose account the attempt counts.
    counted: Span,
    password: Password,
    fields: Fields,
    client: Client,
    realm: Realm,
    scope: Scope,
    address: Option<IpAddr>,
    extensions: HostExtensions,
    is_from_known_address: bool,
}

impl Attempt {
    /// One attempt for one charge of its account.
    #[inline]
    pub(crate) fn charged(charge: Charge<OfAccount>, said: Said) -> (Self, UsedCharge) {
        let is_from_known_address = charge.is_from_known_address();
        let Said { username, password, fields, client, realm, scope, address, extensions } = said;
        let attempt = Self {
            username,
            counted: username,
            password,
            fields,
            client,
            realm,
            scope,
            address,
            extensions,
            is_from_known_address,
        };
        (attempt, charge.used())
    }

    /// The same attempt for the next of several verifiers that decide on it together: within one verification, for one charge.
    pub(crate) fn for_next_verifier(&self) -> Self {
        self.saying([self.username, self.counted], self.password.duplicate(), self.fields.clone())
    }

    /// The same with the name and the password of nobody, of the same form and length: for a verifier that must not decide, and do
    /// the work of a denial all the same.
    pub(crate) fn for_nobody(&self) -> Result<Self, RandomnessError> {
        let mut texts = Texts::default();
        let names = [texts.push(&name_of_nobody(self.username())?), texts.push(self.counted_name())];
        let password = texts.push(&letters(self.password().expose().len())?);
        let fields = self.fields().map(|(name, value)| (texts.push(name), texts.push(value))).collect();
        Ok(self.saying(names, Password::within(texts, password), fields))
    }

    /// The same facts with other texts.
    fn saying(&self, names: [Span; 2], password: Password, fields: Fields) -> Self {
        let [username, counted] = names;
        Self {
            username,
            counted,
            password,
            fields,
            client: self.client.clone(),
            realm: self.realm.clone(),
            scope: self.scope.clone(),
            address: self.address,
            extensions: self.extensions.clone(),
            is_from_known_address: self.is_from_known_address,
        }
    }

    /// The name on whose account it counts: that of the request, also if it asks for nobody.
    pub(crate) fn counted_name(&self) -> &str {
        self.password.texts().get(self.counted)
    }

    /// Asks whether its directory still has a subject, of whose login nothing is decided yet.
    pub(crate) fn question(&self, subject: &Subject) -> Recheck {
        let Self { client, realm, scope, address, .. } = self;
        Recheck::about(subject.id().into(), client, realm, scope, SystemTime::UNIX_EPOCH, *address)
    }

    /// The user name exactly as it was sent: 1 to 1024 bytes without control characters other than TAB (RFC 6749 A.15).
    #[must_use]
    pub fn username(&self) -> &str {
        self.password.texts().get(self.username)
    }

    /// The password exactly as it was sent: 1 to 4096 bytes.
    #[must_use]
    pub fn password(&self) -> &Password {
        &self.password
    }

    /// Takes the password out, to move it to another thread.
    #[must_use]
    pub fn into_password(self) -> Password {
        self.password
    }

    /// The authenticated client (RFC 6749 section 3.2.1).
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The realm (separate user directory) of the request, if there is one.
    #[must_use]
    pub fn realm(&self) -> Option<&str> {
        self.realm.as_deref()
    }

    /// The scope that was asked for, or the default where nothing was; within what the client may have.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The address that the request comes from and is counted on: the peer's, from the source that the host configured;
    /// behind [trusted proxies](crate::PeerAddress::behind) the client's; the end user's if the client
    /// [may name it](crate::client::ClientBuilder::trust_end_user_address). IPv4 stands in its own form.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// Whether the account logged in from this [`address`](Self::address) before, as the limiter said in the step that charged
    /// the attempt. An IPv6 address stands for its /64. `false` without an address, and with a limiter that does not know.
    ///
    /// Use it to order work that is scarce, as `Argon2Verifier` does: a flood of guesses comes
    /// from addresses from which the account never logged in, so keep a part of the work for attempts that are known. A share for
    /// each account and each address must bound that part, because an attacker may have an account, too.
    ///
    /// It is no proof of anything: people share addresses. So it must not change the verdict, nor skip a part of the check. It
    /// also shows that the account exists. What you make of it may show in the time to a client at the same address, but not in
    /// the answer or in a log that others read.
    #[must_use]
    pub fn is_from_known_address(&self) -> bool {
        self.is_from_known_address
    }

    /// What the host's other layers put into the request.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// The form fields that the endpoint itself does not know (`device`, `audience` ...), in the order they were sent;
    /// a name may repeat.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let texts = self.password.texts();
        self.fields.as_slice().iter().map(|(name, value)| (texts.get(*name), texts.get(*value)))
    }

    /// The first value of an unrecognised form field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("client", self.client.id())
            .field("scope", &self.scope)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The answer of a verifier that could decide.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Verdict {
    /// The password is right and the user may log in.
    Granted(Verified),
    /// The user may not log in. Every denial looks the same to the client; see [`Denial`].
    Denied(Denial),
}

impl Verdict {
    /// The user may log in and gets the scope that was asked for.
    #[must_use]
    pub fn granted(subject: Subject) -> Self {
        Self::Granted(Verified { subject, scope: None, methods: AuthenticationMethods::NONE })
    }

    /// The user may log in and gets at most `scope` of what was asked for.
    #[must_use]
    pub fn granted_within(subject: Subject, scope: Scope) -> Self {
        Self::Granted(Verified { subject, scope: Some(scope), methods: AuthenticationMethods::NONE })
    }

    /// Says in which ways the user was authenticated: beside the password, which a password grant has by itself; for an
    /// [extension grant](crate::grant::ExtensionGrant) all of them. They are what a second factor is demanded on top of, and stand
    /// in the [claims](AuthenticationMethods) `amr` and `acr`. A second call replaces the first, and of a denial nothing is said.
    ///
    /// Default: none. Change it for a grant that takes assertions or codes, and for a verifier that looks at a code in a
    /// [field](Attempt::field) beside the password: what is not said was not proven, and the endpoint asks for it again. A
    /// [recheck](CredentialVerifier::recheck) authenticates nobody, so what it says of methods is not heard: those of the login stay.
    #[must_use]
    pub fn with_methods(self, methods: AuthenticationMethods) -> Self {
        match self {
            Self::Granted(verified) => Self::Granted(Verified { methods, ..verified }),
            denied @ Self::Denied(_) => denied,
        }
    }
}

impl From<Subject> for Verdict {
    fn from(subject: Subject) -> Self {
        Self::granted(subject)
    }
}

impl From<Denial> for Verdict {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

/// An authenticated user: for tests, and for a verifier around another one.
#[derive(Clone, Debug)]
pub struct Verified {
    pub(crate) subject: Subject,
    pub(crate) scope: Option<Scope>,
    pub(crate) methods: AuthenticationMethods,
}

impl Verified {
    /// The authenticated subject.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The most that the user may get, from [`Verdict::granted_within`]; `None` for all that was asked for.
    #[must_use]
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// In which ways the user was authenticated, from [`Verdict::with_methods`]: without the password of a password grant.
    #[must_use]
    pub fn methods(&self) -> AuthenticationMethods {
        self.methods
    }
}

/// Why a user may not log in. The client gets the same bytes for every kind (400 `invalid_grant`); the kind goes to
/// telemetry and audit.
///
/// Everything but `UnknownUser`, `WrongPassword` and `UnusableHash` must be decided *after* the password was found right,
/// at the cost of a full verification.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// No account has this name.
    UnknownUser,
    /// The password is wrong.
    WrongPassword,
    /// The stored hash is of a format that cannot be read, is cut off, costs too much, or cannot be compared with this password:
    /// bcrypt looks at 72 bytes. For the client it is a wrong password; the operator must hear of it.
    UnusableHash,
    /// The account is disabled.
    Disabled,
    /// The account is locked by the application.
    Locked,
    /// The password has to be changed first.
    PasswordExpired,
    /// The account's e-mail address or the like is not verified yet.
    Unverified,
    /// A reason of the application's own, for a user whose password was right. The client sees the code only if the
    /// builder's `danger` section reveals custom denials.
    Custom(HostCode),
}

impl Denial {
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::UnknownUser => Reason::UnknownUser,
            Self::WrongPassword => Reason::WrongPassword,
            Self::UnusableHash => Reason::UnusableHash,
            Self::Disabled => Reason::Disabled,
            Self::Locked => Reason::Locked,
            Self::PasswordExpired => Reason::PasswordExpired,
            Self::Unverified => Reason::Unverified,
            Self::Custom(_) => Reason::Custom,
        }
    }
}

/// Decides whether user name and password belong together: "the authorization server MUST validate the resource owner
/// password credentials" (RFC 6749 section 4.3.2).
///
/// ```
/// use async_trait::async_trait;
/// use tower_password_grant::{
///     Attempt, BackendError, CredentialVerifier, Denial, Subject, Verdict,
/// };
///
/// struct Users { /* your pool */ }
///
/// #[async_trait]
/// impl CredentialVerifier for Users {
///     async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
///         // Look the user up, hash `attempt.password().expose()`, compare. See
///         // `Argon2Verifier` for all that this takes.
///         # let right = attempt.username() == "alice" && attempt.password().expose() == "correct horse";
///         if !right {
///             return Ok(Denial::WrongPassword.into());
///         }
///         Ok(Subject::new("user-1").into())
///     }
/// }
/// ```
///
/// # Contract
/// - A denial is a value. `Err` means "could not decide" and nothing else.
/// - The texts arrive exactly as they were sent: decoded once, neither trimmed nor folded. Look users up by the form of
///   [`AccountKey::canonical`]. If the look-up ignores more than that form does, or knows aliases,
///   [`account_key`](Self::account_key) must do the same.
///
/// # Security
/// - False acceptance is fatal; false refusal is a nuisance.
/// - Do the same work for a name that does not exist as for one that does, or the time shows which names exist.
/// - Look at the state of the account (disabled, locked, expired) only after the password was found right.
///
/// # Cancellation
/// The future is dropped when the client hangs up or the deadline passes. The attempt stays charged. Work that must run
/// to its end, such as hashing on another thread, has to own what it needs.
///
/// # Errors
/// A [`BackendError`] gives the charge back and answers 503.
#[async_trait]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `CredentialVerifier`",
    note = "implement the trait with `#[async_trait]`, or wrap a closure: `verify_fn(|attempt| async move {{ .. }})`; over a `UserStore` it is `Argon2Verifier::new(store)?`; a trait object goes in an `Arc`"
)]
pub trait CredentialVerifier: Send + Sync + 'static {
    /// Verifies the attempt.
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError>;

    /// [`verify`](Self::verify), as the endpoint asks it: the verdict may be there at once. Provided: `verify`. Override it beside
    /// `verify` where nothing is waited for and no hash takes its time, as for service accounts whose long random secrets are
    /// compared in memory, with [`MaybeFuture::ready`]; that saves an allocation for each login. Both must decide the same.
    fn verify_at_once(&self, attempt: Attempt) -> MaybeFuture<'_, Result<Verdict, BackendError>> {
        self.verify(attempt).into()
    }

    /// The key on which attempts for this name are counted, for known and unknown names alike. Called before
    /// [`verify`](Self::verify) and before anything is charged; must not show by its time whether the name exists.
    ///
    /// Default: [`AccountKey::canonical`], right for a look-up by exactly that form. A verifier whose accounts have several
    /// names answers [`AccountKey::resolved`] with the account's id for each of them, and [`AccountKey::phantom`] for a name
    /// without an account.
    ///
    /// The realm of the request is part of what is counted on, beside the key. A verifier that ignores realms, so that one account
    /// logs in through clients that list N realms, gives each account N budgets of guesses: one for each realm, and one more for
    /// clients of no realm. Register such clients without a realm, or lower the budgets.
    fn account_key<'a>(
        &'a self,
        username: &'a str,
        realm: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        let _ = realm;
        MaybeFuture::ready(Ok(AccountKey::canonical(username)))
    }

    /// Whether a user who logged in before may still be logged in: asked at every refresh (RFC 6749 section 6), without a
    /// password. Answers the subject as it is now, or the denial.
    ///
    /// The subject must be the same. If its [credential version](Subject::with_credential_version) is another one than at the
    /// login, all refresh tokens of that login end. A [scope](Verdict::granted_within) narrows what this refresh gives.
    ///
    /// It is asked at each login of the password grant, too, and at each other login that gets a refresh token: once more when
    /// the tokens are issued and not yet sent. A password that was changed since [`verify`](Self::verify), or an account that
    /// was closed, is seen then; the login is refused and its tokens end. So change a password first, and end the user's logins
    /// then. That ends all of them, those that are just beginning too. It costs one look-up by the user's id.
    ///
    /// Default: a [fault](BackendError::fault), so that an endpoint with [refresh tokens](crate::Builder::refresh_tokens) and a
    /// verifier without it refuses every refresh. Logins are then not looked at again, and a warning says so at the start
    /// of such an endpoint.
    ///
    /// [`build`](crate::Builder::build) calls it once, with an empty subject and a client `probe`, to find out whether it is the
    /// default. It drops the answer and does not poll it. So do all work within the future, as `#[async_trait]` does, and let the
    /// future hold something: an own one of size 0 is taken for the default.
    fn recheck<'s, 'l, 'f>(&'s self, login: &'l Recheck) -> Answering<'f, Verdict>
    where
        's: 'f,
        'l: 'f,
        Self: 'f,
    {
        let _ = login;
        Provided::<CannotRecheck, _>::answer()
    }

    /// The realms whose users the verifier knows, if it has a fixed list of them: then a warning says which clients list others, or
    /// none, and the [metadata](crate::mount::Metadata) name the realm grant. It decides nothing, and must not block.
    ///
    /// Default: not known.
    fn realms(&self) -> Option<Vec<String>> {
        None
    }

    /// Checks the identifier of a subject that an [`ExtensionGrant`](crate::grant::ExtensionGrant) beside this verifier gave to a
    /// login in this realm: whether a user of the verifier can have it. It looks nobody up, and must not block.
    ///
    /// Default: each is fit.
    ///
    /// # Errors
    /// A [fault](BackendError::fault) of the grant: nothing is issued, the answer is 500 `server_error`, and an event names the cause.
    fn check_subject(&self, subject_id: &str, realm: Option<&str>) -> Result<(), BackendError> {
        let _ = (subject_id, realm);
        Ok(())
    }
}

impl<V: CredentialVerifier + ?Sized> CredentialVerifier for Arc<V> {
    fn verify<'s, 'f>(&'s self, attempt: Attempt) -> Answering<'f, Verdict>
    where
        's: 'f,
        Self: 'f,
    {
        (**self).verify(attempt)
    }

    fn verify_at_once(&self, attempt: Attempt) -> MaybeFuture<'_, Result<Verdict, BackendError>> {
        (**self).verify_at_once(attempt)
    }

    fn account_key<'a>(
        &'a self,
        username: &'a str,
        realm: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        (**self).account_key(username, realm)
    }

    fn recheck<'s, 'l, 'f>(&'s self, login: &'l Recheck) -> Answering<'f, Verdict>
    where
        's: 'f,
        'l: 'f,
        Self: 'f,
    {
        (**self).recheck(login)
    }

    fn realms(&self) -> Option<Vec<String>> {
        (**self).realms()
    }

    fn check_subject(&self, subject_id: &str, realm: Option<&str>) -> Result<(), BackendError> {
        (**self).check_subject(subject_id, realm)
    }
}
