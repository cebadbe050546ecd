//! The resource owner who was authenticated.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::subject_id::SubjectId;
use crate::protocol::realm::Realm;

/// The resource owner who was authenticated: an identifier and, if the application likes, data of its own that is
/// carried to its issuer.
///
/// ```
/// use tower_password_grant::Subject;
///
/// struct Account { tenant: u32 }
/// let subject = Subject::new("user-17").with_data(Account { tenant: 3 });
/// assert_eq!(subject.id(), "user-17");
/// assert_eq!(subject.data::<Account>().map(|account| account.tenant), Some(3));
/// ```
#[derive(Clone)]
pub struct Subject {
    id: SubjectId,
    /// Apart, because a subject is moved often.
    facts: Option<Arc<Facts>>,
}

/// What a directory may say of a subject beside its identifier.
#[derive(Clone, Default)]
struct Facts {
    credential_version: Option<CredentialVersion>,
    login_name: Option<Arc<str>>,
    data: Option<Arc<dyn Any + Send + Sync>>,
}

/// A version of the credentials, by what vouches for it.
#[derive(Clone)]
enum CredentialVersion {
    /// The directory, which changes it with each new password.
    Stated(Arc<str>),
    /// The password hash, of which it is a digest.
    OfHash(String),
}

impl Subject {
    /// A subject. `id` should never change and never be given to someone else, so a key rather than a login name.
    #[must_use]
    pub fn new(id: impl Into<Cow<'static, str>>) -> Self {
        Self { id: SubjectId::own(id.into()), facts: None }
    }

    /// Attaches data for the issuer; a second call replaces the first.
    #[must_use]
    pub fn with_data<T: Any + Send + Sync>(mut self, data: T) -> Self {
        self.facts_mut().data = Some(Arc::new(data));
        self
    }

    /// A text that changes whenever the logins of this user so far are to end: with each new password, say. A counter or
    /// the time of the last change. No secret, and no hash of one. Refresh tokens of another version are worth nothing; see
    /// [`CredentialVerifier::recheck`](crate::CredentialVerifier::recheck).
    #[must_use]
    pub fn with_credential_version(mut self, version: impl Into<Arc<str>>) -> Self {
        self.facts_mut().credential_version = Some(CredentialVersion::Stated(version.into()));
        self
    }

    /// What the user is called on a screen, such as the name that is typed at the login: an authenticator app shows it beside the
    /// name of the application when it is enrolled (see [second factors](crate::manual::second_factor)). Say it at
    /// [`recheck`](crate::CredentialVerifier::recheck), which an enrolment asks. Default: none, and apps show the identifier.
    #[must_use]
    pub fn with_login_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.facts_mut().login_name = Some(name.into());
        self
    }

    /// The version of a directory that states none: it follows the password hash there, and is worth nothing in another one.
    pub(crate) fn with_version_of_hash(mut self, version: String) -> Self {
        self.facts_mut().credential_version = Some(CredentialVersion::OfHash(version));
        self
    }

    /// As another directory may keep it: a version that follows a hash would stay when its user gets another one there.
    pub(crate) fn for_another_directory(mut self) -> Self {
        if matches!(self.version(), Some(CredentialVersion::OfHash(_))) {
            self.facts_mut().credential_version = None;
        }
        self
    }

    /// The identifier.
    #[must_use]
    pub fn id(&self) -> &str {
        self.id.as_str()
    }

    /// Gives the same user the identifier over all realms: this realm, `|`, and the one so far.
    #[inline]
    pub(crate) fn put_behind(&mut self, realm: &Realm) {
        self.id.put_behind(realm);
    }

    pub(crate) fn to_id(&self) -> Cow<'static, str> {
        self.id.to_text()
    }

    /// The version of the credentials, if there is one.
    #[must_use]
    pub fn credential_version(&self) -> Option<&str> {
        self.version().map(|version| match version {
            CredentialVersion::Stated(version) => &**version,
            CredentialVersion::OfHash(version) => version,
        })
    }

    /// What the user is called on a screen, if that was said.
    #[must_use]
    pub fn login_name(&self) -> Option<&str> {
        self.facts.as_deref()?.login_name.as_deref()
    }

    /// Whether a login of the user with this identifier and this version of the credentials still holds for this one.
    pub(crate) fn keeps_login(&self, id: &str, credential_version: Option<&str>) -> bool {
        self.id.is(id) && self.credential_version() == credential_version
    }

    /// The attached data, if it has this type.
    #[must_use]
    pub fn data<T: Any + Send + Sync>(&self) -> Option<&T> {
        self.facts.as_deref()?.data.as_deref()?.downcast_ref()
    }

    fn version(&self) -> Option<&CredentialVersion> {
        self.facts.as_deref()?.credential_version.as_ref()
    }

    fn facts_mut(&mut self) -> &mut Facts {
        Arc::make_mut(self.facts.get_or_insert_default())
    }
}

/// As its identifier.
impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("id", &self.id()).finish_non_exhaustive()
    }
}
