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

use super::charset::is_base64url_after;
use super::family::FamilyId;
use super::keyed::Keyed;
use super::lineage::Salt;
use super::secrets::{RandomnessError, SecretDigest, Token, fill_random};

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
        let digest = keyed.digest(length, &[realm.unwrap_or_default().as_bytes(), subject.as_bytes()]);
        let [.., high, low] = digest.to_be_bytes();
        Self([high, low])
    }
}

/// A refresh token: overwritten when dropped, never printed.
pub(crate) struct RefreshToken {
    body: Zeroizing<[u8; BODY]>,
    digest: SecretDigest,
}

impl RefreshToken {
    /// The first token of a new login.
    pub(crate) fn first(place: Place) -> Result<Self, RandomnessError> {
        let mut body = Zeroizing::new([0; BODY]);
        let (head, rest) = body.split_at_mut(PLACE);
        head.copy_from_slice(&place.0);
        fill_random(rest)?;
        Ok(Self::of(body))
    }

    /// The token that follows this one: only somebody who has this one and the salt can know it. The salt alone, which a store
    /// keeps, tells nothing.
    pub(crate) fn successor(&self, salt: &Salt) -> Self {
        let (lead, secret) = self.body.split_at(LEAD);
        // With the words in front it is one block of the digest, and no digest of a whole token.
        let derived = Sha256::new().chain_update(b"rt2").chain_update(salt).chain_update(secret).finalize();
        let derived: Zeroizing<[u8; SECRET]> = Zeroizing::new(derived.into());
        let mut body = Zeroizing::new([0; BODY]);
        let (new_lead, new_secret) = body.split_at_mut(LEAD);
        new_lead.copy_from_slice(lead);
        new_secret.copy_from_slice(derived.as_slice());
        Self::of(body)
    }

    fn of(body: Zeroizing<[u8; BODY]>) -> Self {
        let digest = SecretDigest::from_bytes(Sha256::digest(body.as_slice()).into());
        Self { body, digest }
    }

    /// Reads a token; `None` if it was not made here, or was garbled since.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix(PREFIX).filter(|text| text.len() == TEXT)?;
        let mut bytes = Zeroizing::new([0; LENGTH]);
        let length = URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut_slice()).ok()?;
        let (body, check) = bytes.split_first_chunk::<BODY>().filter(|_| length == LENGTH)?;
        let token = Self::of(Zeroizing::new(*body));
        bool::from(token.check().ct_eq(check)).then_some(token)
    }

    /// Whether the text has the form of one, good or not.
    pub(crate) fn has_form(text: &str) -> bool {
        is_base64url_after(PREFIX, TEXT, text)
    }

    fn check(&self) -> &[u8] {
        self.digest.as_bytes().last_chunk::<CHECK>().map_or(&[], <[u8; CHECK]>::as_slice)
    }

    /// The family of the token's login.
    pub(crate) fn family(&self) -> FamilyId {
        let (lead, _) = self.body.split_at(LEAD);
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
        let mut bytes = Zeroizing::new([0; LENGTH]);
        let (body, check) = bytes.split_at_mut(BODY);
        body.copy_from_slice(self.body.as_slice());
        check.copy_from_slice(self.check());
        Token::encode(PREFIX, bytes.as_slice())
    }
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
            assert_eq!((&token.body[..PLACE], token.family().place()), ([0x12, 0x34].as_slice(), 0x1234));
            assert!(selectors.insert(token.body[PLACE..LEAD].to_vec()));
            assert!(secrets.insert(token.body[LEAD..].to_vec()));
            assert!(ids.insert(token.family()));
            assert!(
                !token.family().as_bytes()[PLACE..].windows(4).any(|part| token.body.windows(4).any(|w| w == part))
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
        let (next, other) = (token.successor(&[1; 20]), token.successor(&[2; 20]));
        for follower in [&next, &other] {
            assert_eq!(follower.family(), token.family());
            assert_eq!(follower.body[..LEAD], token.body[..LEAD]);
            assert!(RefreshToken::parse(&text(follower)).is_some());
        }
        assert!(token.successor(&[1; 20]).digest().is(next.digest()));
        assert!(!next.digest().is(other.digest()) && !next.digest().is(token.digest()));
        assert!(!next.successor(&[1; 20]).digest().is(next.digest()));
    }

    #[test]
    fn nothing_of_a_token_is_printed() {
        assert_eq!(format!("{:?}", first()), "RefreshToken([redacted])");
    }
}
