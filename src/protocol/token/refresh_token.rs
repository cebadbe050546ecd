//! What a refresh token is made of (RFC 6749 section 1.5): where its login is kept, and what proves that it is the right one.
//!
//! | Part | Bytes | |
//! |---|---|---|
//! | place | 2 | the same for all logins of one subject in one realm, so that a cluster of stores can keep them together |
//! | selector | 16 | the same for all tokens of one login, which is found by a digest of it; a secret |
//! | secret | 32 | of this token alone |
//! | check | 4 | the end of the digest of all that is before it |
//!
//! Only a token of the login has its selector. So an unknown secret beside a known selector is an old copy, however many
//! tokens there were, and no token needs a record of its own. The check keeps a token that was garbled on its way from being
//! taken for one.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::family::FamilyId;
use super::lineage::Salt;
use crate::protocol::secret::keyed::Keyed;
use crate::protocol::secret::secrets::{RandomnessError, SecretDigest, Token, fill_random};
use crate::protocol::wire::charset::is_base64url_after;

/// Tells a refresh token from every other kind of token at first sight.
const PREFIX: &str = "rt_";

const PLACE: usize = 2;
const SELECTOR: usize = 16;
const SECRET: usize = 32;
const CHECK: usize = 4;
/// Where the secret begins.
const LEAD: usize = PLACE + SELECTOR;
/// All that the check is of.
const BODY: usize = LEAD + SECRET;
const LENGTH: usize = BODY + CHECK;
/// The characters of it in base64url.
const TEXT: usize = LENGTH / 3 * 4;

/// A group of subjects, each with all of its logins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place([u8; PLACE]);

impl Place {
    /// One of 65,536, by a keyed digest of the realm and subject.
    pub(crate) fn of(keyed: &Keyed, realm: Option<&str>, subject: &str) -> Self {
        // With the length of the realm: no other two are the same bytes.
        let length = realm.map_or(u64::MAX, |realm| realm.len() as u64);
        let digest = keyed.digest(length, [realm.unwrap_or_default().as_bytes(), subject.as_bytes()]);
        let [.., high, low] = digest.to_be_bytes();
        Self([high, low])
    }
}

/// A refresh token: overwritten when dropped, never printed.
pub(crate) struct RefreshToken {
    bytes: Zeroizing<[u8; LENGTH]>,
    digest: SecretDigest,
}

impl RefreshToken {
    /// The first token of a new login.
    pub(crate) fn first(place: Place) -> Result<Self, RandomnessError> {
        let mut bytes = Zeroizing::new([0; LENGTH]);
        let (head, rest) = bytes.split_at_mut(PLACE);
        head.copy_from_slice(&place.0);
        fill_random(rest)?;
        Ok(Self::with_check(bytes))
    }

    /// The token that follows this one: its secret is that of this one under a one-time pad, which is the salt. It is random
    /// for all who lack either, so it shows nothing of this one, and the salt, which a store keeps, shows nothing at all.
    pub(crate) fn successor(&self, salt: &Salt) -> Self {
        let mut bytes = self.bytes.clone();
        bytes.iter_mut().skip(LEAD).zip(salt).for_each(|(byte, pad)| *byte ^= pad);
        Self::with_check(bytes)
    }

    /// Puts the check to what is before it.
    fn with_check(mut bytes: Zeroizing<[u8; LENGTH]>) -> Self {
        let (body, check) = bytes.split_at_mut(BODY);
        let digest = digest_of(body);
        check.copy_from_slice(check_of(&digest));
        Self { bytes, digest }
    }

    /// Reads a token; `None` if it was not made here, or was garbled since.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix(PREFIX).filter(|text| text.len() == TEXT)?;
        let mut bytes = Zeroizing::new([0; LENGTH]);
        URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()).ok().filter(|length| *length == LENGTH)?;
        let (body, check) = bytes.split_at(BODY);
        let digest = digest_of(body);
        let is_whole = check_of(&digest).ct_eq(check);
        bool::from(is_whole).then_some(Self { bytes, digest })
    }

    /// Whether the text has the form of one, good or not.
    pub(crate) fn has_form(text: &str) -> bool {
        is_base64url_after(PREFIX, TEXT, text)
    }

    /// The family of the token's login.
    pub(crate) fn family(&self) -> FamilyId {
        let (lead, _) = self.bytes.split_at(LEAD);
        let (place, selector) = lead.split_at(PLACE);
        let digest = Sha256::new().chain_update(b"family of refresh tokens\0").chain_update(selector).finalize();
        let mut id = [0; 16];
        id.iter_mut().zip(place.iter().chain(&digest)).for_each(|(byte, value)| *byte = *value);
        FamilyId::from_bytes(id)
    }

    /// What is kept of it.
    pub(crate) const fn digest(&self) -> &SecretDigest {
        &self.digest
    }

    /// The token as it is given to the client.
    pub(crate) fn to_token(&self) -> Result<Token, RandomnessError> {
        Token::encode(PREFIX, self.bytes.as_slice())
    }
}

fn digest_of(body: &[u8]) -> SecretDigest {
    SecretDigest::from_bytes(Sha256::digest(body).into())
}

fn check_of(digest: &SecretDigest) -> &[u8] {
    digest.as_bytes().last_chunk::<CHECK>().map_or(&[], <[u8; CHECK]>::as_slice)
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    fn first() -> RefreshToken {
        RefreshToken::first(Place([0x12, 0x34])).unwrap()
    }

    fn text(token: &RefreshToken) -> String {
        token.to_token().unwrap().expose().to_owned()
    }

    #[test]
    fn a_token_is_75_characters_and_is_read_back_as_it_was_se_01() {
        let token = first();
        let text = text(&token);
        assert_eq!((text.len(), &text[..3]), (75, "rt_"));
        assert!(text[3..].chars().all(|letter| ALPHABET.contains(letter)));
        let read = RefreshToken::parse(&text).unwrap();
        assert!(read.digest().is(token.digest()) && read.family() == token.family());
        assert!(token.to_token().unwrap().is_known_token68());
    }

    #[test]
    fn a_token_with_any_character_changed_is_none() {
        let text = text(&first());
        for index in 0..text.len() {
            for letter in ALPHABET.chars().chain(['=', '+', '/', ' ', '\u{e9}']) {
                let garbled: String =
                    text.chars().enumerate().map(|(at, own)| if at == index { letter } else { own }).collect();
                assert_eq!(RefreshToken::parse(&garbled).is_some(), garbled == text, "{index} {letter}");
            }
        }
        for garbled in ["", "rt_", &text[..74], &format!("{text}A"), &text[3..], &text.replacen("rt_", "at_", 1)] {
            assert!(RefreshToken::parse(garbled).is_none(), "{garbled}");
        }
    }

    #[test]
    fn two_logins_share_nothing_but_their_place() {
        let (mut selectors, mut ids, mut secrets) = (HashSet::new(), HashSet::new(), HashSet::new());
        for _ in 0..10_000 {
            let token = first();
            assert_eq!((&token.bytes[..PLACE], token.family().place()), ([0x12, 0x34].as_slice(), 0x1234));
            assert!(selectors.insert(token.bytes[PLACE..LEAD].to_vec()));
            assert!(secrets.insert(token.bytes[LEAD..BODY].to_vec()));
            assert!(ids.insert(token.family()));
            assert!(
                !token.family().as_bytes()[PLACE..]
                    .windows(4)
                    .any(|part| token.bytes[..BODY].windows(4).any(|w| w == part))
            );
        }
    }

    #[test]
    fn subjects_of_one_realm_have_one_place_each_and_a_key_decides_which() {
        let (keyed, other) = (Keyed::random(), Keyed::random());
        let subjects = ["", "alice", "bob", "bo", "b", "alic"];
        let realms = [None, Some(""), Some("a"), Some("al")];
        let places = |keyed: &Keyed| {
            let of = |realm| subjects.map(|subject| Place::of(keyed, realm, subject).0);
            realms.map(of).concat()
        };
        assert_eq!(places(&keyed), places(&keyed));
        assert_ne!(places(&keyed), places(&other));
        // Two of 24 share one of 65,536 once in 240 times by chance, three hardly ever.
        assert!(places(&keyed).into_iter().collect::<HashSet<_>>().len() >= 22);
    }

    #[test]
    fn a_successor_is_of_the_same_login_and_follows_from_salt_and_secret() {
        let token = first();
        let (next, other) = (token.successor(&[1; 32]), token.successor(&[2; 32]));
        for follower in [&next, &other] {
            assert_eq!(follower.family(), token.family());
            assert_eq!(follower.bytes[..LEAD], token.bytes[..LEAD]);
            assert!(RefreshToken::parse(&text(follower)).is_some());
        }
        assert!(token.successor(&[1; 32]).digest().is(next.digest()));
        assert!(!next.digest().is(other.digest()) && !next.digest().is(token.digest()));
        // A pad that was used comes never again; even then no token follows itself.
        assert!(!next.successor(&[2; 32]).digest().is(next.digest()));
    }

    #[test]
    fn nothing_of_a_token_is_printed() {
        assert_eq!(format!("{:?}", first()), "RefreshToken([redacted])");
    }
}
