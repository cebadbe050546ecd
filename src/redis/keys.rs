//! Under which keys everything lies.
//!
//! What stands in braces decides in which slot of a cluster a key is. Identifiers and digests are in hexadecimal.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::error::RedisStoreError;
use super::failure::Failure;
use crate::boundary::records::RecordKey;
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::token::family::FamilyId;
use crate::protocol::token::holder::Holder;
use crate::protocol::token::record::AccessTokenRecord;
use crate::protocol::token::subject_at_client::SubjectAtClient;

/// The most bytes of a prefix.
const LONGEST: usize = 64;

/// The first part of every key.
#[derive(Clone)]
pub(super) struct Keys {
    prefix: String,
}

/// A subject in a realm, or at a client: the first half of a digest, since a name may be long.
#[derive(Clone, Copy)]
pub(super) struct NameDigest([u8; 16]);

impl NameDigest {
    fn of(names: &impl serde::Serialize) -> Result<Self, Failure> {
        // As JSON no other names make the same text.
        let text = serde_json::to_vec(names).map_err(|_| Failure::Given("a name"))?;
        let mut half = [0; 16];
        half.iter_mut().zip(Sha256::digest(&text)).for_each(|(byte, value)| *byte = value);
        Ok(Self(half))
    }

    pub(super) fn subject(realm: Option<&str>, subject: &str) -> Result<Self, Failure> {
        Self::of(&(realm, subject))
    }

    pub(super) fn at_client(login: SubjectAtClient<'_>) -> Result<Self, Failure> {
        Self::of(&(login.realm, login.subject, login.client.as_str()))
    }
}

/// The logins of a subject at a client that have the same place.
#[derive(Clone, Copy)]
pub(super) struct Logins {
    place: u16,
    login: NameDigest,
}

/// Whose access tokens are bounded together.
#[derive(Clone, Copy)]
pub(super) enum Login {
    Family(FamilyId),
    Subject(NameDigest),
}

impl Login {
    pub(super) fn of(record: &AccessTokenRecord) -> Result<Self, Failure> {
        Ok(match record.holder() {
            Holder::Family(family) => Self::Family(family),
            Holder::Subject(login) => Self::Subject(NameDigest::at_client(login)?),
        })
    }
}

impl Logins {
    pub(super) fn new(family: FamilyId, login: SubjectAtClient<'_>) -> Result<Self, Failure> {
        Ok(Self { place: family.place(), login: NameDigest::at_client(login)? })
    }
}

/// Where a subject has something, as it is kept in a list.
pub(super) enum Place {
    Logins(Logins),
    Tokens(Login),
}

const LOGINS: u8 = b'l';
const OF_FAMILY: u8 = b'f';
const OF_SUBJECT: u8 = b's';

impl Place {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Logins(Logins { place, login }) => [&[LOGINS], &place.to_be_bytes()[..], &login.0].concat(),
            Self::Tokens(Login::Family(family)) => [&[OF_FAMILY], &family.as_bytes()[..]].concat(),
            Self::Tokens(Login::Subject(login)) => [&[OF_SUBJECT], &login.0[..]].concat(),
        }
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, Failure> {
        let unreadable = Failure::Value("what a subject has");
        let Some((kind, rest)) = bytes.split_first() else { return Err(unreadable) };
        let name = |bytes: &[u8]| bytes.try_into().map(NameDigest).ok();
        let place = match (*kind, rest) {
            (LOGINS, [high, low, login @ ..]) => {
                name(login).map(|login| Self::Logins(Logins { place: u16::from_be_bytes([*high, *low]), login }))
            }
            (OF_FAMILY, id) => id.try_into().ok().map(|id| Self::Tokens(Login::Family(FamilyId::from_bytes(id)))),
            (OF_SUBJECT, login) => name(login).map(|login| Self::Tokens(Login::Subject(login))),
            _ => None,
        };
        place.ok_or(unreadable)
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        // A text takes all that is written.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Result<Self, RedisStoreError> {
        let is_plain = prefix.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'{' && byte != b'}');
        if is_plain && !prefix.is_empty() && prefix.len() <= LONGEST {
            Ok(Self { prefix: prefix.to_owned() })
        } else {
            Err(RedisStoreError::NotAPrefix(prefix.to_owned()))
        }
    }

    /// All in one slot, since a swap is of several.
    pub(super) fn record(&self, key: RecordKey) -> String {
        format!("{}:{{attempts}}:{}", self.prefix, hex(key.as_bytes()))
    }

    /// What is written so that replicas can be waited for. It says nothing, and lies where the records do.
    pub(super) fn written(&self) -> String {
        format!("{}:{{attempts}}:written", self.prefix)
    }

    pub(super) fn spent(&self, value: &SecretDigest) -> String {
        format!("{}:spent:{}", self.prefix, hex(value.as_bytes()))
    }

    pub(super) fn family(&self, id: FamilyId) -> String {
        format!("{}:{{{:04x}}}:family:{id}", self.prefix, id.place())
    }

    /// The logins of a subject at a client.
    pub(super) fn logins(&self, logins: Logins) -> String {
        format!("{}:{{{:04x}}}:logins:{}", self.prefix, logins.place, hex(&logins.login.0))
    }

    /// The digests of the access tokens of a login. Those of a family lie beside it.
    pub(super) fn tokens(&self, login: Login) -> String {
        match login {
            Login::Family(id) => format!("{}:{{{:04x}}}:tokens:{id}", self.prefix, id.place()),
            Login::Subject(login) => format!("{}:tokens:{}", self.prefix, hex(&login.0)),
        }
    }

    /// What an access token stands for.
    pub(super) fn token(&self, digest: &SecretDigest) -> String {
        format!("{}:token:{}", self.prefix, hex(digest.as_bytes()))
    }

    /// Where a subject has something.
    pub(super) fn subject(&self, subject: NameDigest) -> String {
        format!("{}:subject:{}", self.prefix, hex(&subject.0))
    }
}
