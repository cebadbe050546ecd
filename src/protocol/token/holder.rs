//! Whose access tokens are bounded together.

use super::family::FamilyId;
use super::subject_at_client::SubjectAtClient;
use crate::protocol::secret::secrets::SecretDigest;

/// The login that access tokens belong to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Holder<'a> {
    Family(FamilyId),
    /// Without a family the logins of a subject at a client look alike.
    Subject(SubjectAtClient<'a>),
}

impl Holder<'_> {
    /// Its key in a database.
    #[allow(dead_code, reason = "for rooms, which are features")]
    pub(crate) fn key(self) -> HolderKey {
        match self {
            Self::Family(family) => HolderKey::Family(*family.as_bytes()),
            Self::Subject(SubjectAtClient { realm, subject, client }) => {
                // With what ends each of them: no other three make the same text.
                let text = serde_json::json!([realm, subject, client.as_str()]).to_string();
                HolderKey::Subject(*SecretDigest::of(&text).as_bytes())
            }
        }
    }
}

/// A holder as the key of a row: the 16 bytes of a family, or a digest of 32 bytes of realm, subject and client.
#[allow(dead_code, reason = "for rooms, which are features")]
pub(crate) enum HolderKey {
    Family([u8; 16]),
    Subject([u8; 32]),
}

#[allow(dead_code, reason = "for rooms, which are features")]
impl HolderKey {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Family(bytes) => bytes,
            Self::Subject(bytes) => bytes,
        }
    }

    /// The family whose key this is, if it is one of a family.
    pub(crate) fn family(key: &[u8]) -> Option<FamilyId> {
        <[u8; 16]>::try_from(key).ok().map(FamilyId::from_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::registered::ClientId;

    #[test]
    fn holders_have_one_key_exactly_if_they_are_one() {
        let app = ClientId::new("app").unwrap();
        let subject = |realm, subject| Holder::Subject(SubjectAtClient { realm, subject, client: &app }).key();
        let keys = [subject(None, "a"), subject(Some(""), "a"), subject(Some("a"), ""), subject(None, "a\",\"app")];
        for (at, key) in keys.iter().enumerate() {
            assert!(keys.iter().skip(at + 1).all(|other| other.as_bytes() != key.as_bytes()), "{at}");
            assert_eq!(HolderKey::family(key.as_bytes()), None);
        }
        assert_eq!(subject(None, "a").as_bytes(), keys[0].as_bytes());
        let family = FamilyId::from_bytes([7; 16]);
        assert_eq!(HolderKey::family(Holder::Family(family).key().as_bytes()), Some(family));
    }
}
