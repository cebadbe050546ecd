//! The version of a user's credentials in the access tokens that manage second factors: a change of the password ends what they may
//! do, whatever keeps them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::claims::{CREDENTIALS, Claims};
use super::record::AccessTokenRecord;
use crate::protocol::secret::secrets::SecretDigest;
use crate::protocol::user::subject::Subject;

/// The claim of the tokens of this user; none if its credentials have no version.
pub(crate) fn claim_of(subject: &Subject) -> Claims {
    // A text can always be written, and a token without the claim manages nothing.
    digest(subject).map_or_else(Claims::new, |digest| Claims::one(CREDENTIALS, &digest).unwrap_or_default())
}

/// Whether a token was issued to this user with the credentials that it has.
pub(crate) fn are_those_of(record: &AccessTokenRecord, subject: &Subject) -> bool {
    let (told, now) = (record.claim::<String>(CREDENTIALS), digest(subject));
    let digest_of = |told: &Option<String>| SecretDigest::of(told.as_deref().unwrap_or_default());
    subject.id() == record.subject_id() && digest_of(&told).is(&digest_of(&now))
}

/// Says whether two versions of one user are the same, and no more: each holder of a signed token reads it.
fn digest(subject: &Subject) -> Option<String> {
    let version = subject.credential_version()?;
    let digest = SecretDigest::of(&serde_json::json!([subject.id(), version]).to_string());
    Some(URL_SAFE_NO_PAD.encode(digest.as_bytes()))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::protocol::client::registered::ClientId;

    fn user(id: &'static str, version: Option<&str>) -> Subject {
        let user = Subject::new(id);
        match version {
            Some(version) => user.with_credential_version(version),
            None => user,
        }
    }

    #[test]
    fn a_token_is_of_one_user_and_one_version_of_its_credentials() {
        let users = [("a", None), ("a", Some("")), ("a", Some("1")), ("a", Some("11")), ("b", Some("1")), ("b", None)];
        for (index, (id, version)) in users.into_iter().enumerate() {
            let until = UNIX_EPOCH + Duration::from_secs(60);
            let record = AccessTokenRecord::new(id, ClientId::new("cli").unwrap(), UNIX_EPOCH, until);
            let record = record.with_claims(claim_of(&user(id, version)));
            for (other, (id, version)) in users.into_iter().enumerate() {
                assert_eq!(are_those_of(&record, &user(id, version)), index == other, "{index} {other}");
            }
        }
    }

    #[test]
    fn a_claim_does_not_show_the_version() {
        let claim = claim_of(&user("a", Some("version-17")));
        assert_eq!(claim.get::<String>(CREDENTIALS).unwrap().len(), 43);
        assert!(!claim.as_json().contains("17"), "{}", claim.as_json());
    }
}
