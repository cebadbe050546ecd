//! Recovery codes: what a user writes down, and types when an authenticator is lost.

use std::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::authenticator::FactorUser;
use super::random::draw;
use crate::protocol::secret::secrets::{RandomnessError, SecretDigest};

/// How many characters a code has.
const LENGTH: usize = 24;

/// A to Z and 2 to 9, without the letters that people take for digits or for one another: B, I, L, O, S and Z. 24 of these 28
/// characters carry 115 bits.
const ALPHABET: [u8; 28] = *b"ACDEFGHJKMNPQRTUVWXY23456789";

/// A text that is typed is no longer: four times the code leaves room for a space or a hyphen between all characters.
const MOST_TYPED: usize = 4 * LENGTH;

/// A recovery code. It works once.
pub(crate) struct RecoveryCode(Zeroizing<String>);

impl RecoveryCode {
    /// A new one.
    ///
    /// # Errors
    /// Fails when the operating system gives no randomness.
    pub(crate) fn random() -> Result<Self, RandomnessError> {
        let mut code = Zeroizing::new(String::with_capacity(LENGTH));
        for _ in 0..LENGTH {
            code.push(char::from(draw(&ALPHABET)?));
        }
        Ok(Self(code))
    }

    /// A code as a person types it: in either case, with spaces and hyphens anywhere. `None` for what is no code then.
    pub(crate) fn typed(text: &str) -> Option<Self> {
        if text.len() > MOST_TYPED {
            return None;
        }
        // As long as the text may be: a string that grows leaves its old bytes behind.
        let mut code = Zeroizing::new(String::with_capacity(MOST_TYPED));
        code.extend(
            text.chars().filter(|letter| !matches!(letter, ' ' | '-')).map(|letter| letter.to_ascii_uppercase()),
        );
        let is_code = code.len() == LENGTH && code.bytes().all(|byte| ALPHABET.contains(&byte));
        is_code.then_some(Self(code))
    }

    /// The code, to be shown to its user once.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept in its place. It is of this user: the same code of another one has another digest.
    pub(crate) fn digest(&self, user: FactorUser<'_>) -> SecretDigest {
        // A realm that is not there differs from an empty one.
        let realm = user.realm.map_or(u64::MAX, length);
        let digest = Sha256::new()
            .chain_update(b"recovery code 1\0")
            .chain_update(realm.to_be_bytes())
            .chain_update(user.realm.unwrap_or_default())
            .chain_update(length(user.subject).to_be_bytes())
            .chain_update(user.subject)
            .chain_update(self.0.as_bytes());
        SecretDigest::from_bytes(digest.finalize().into())
    }
}

/// No text is longer than memory.
fn length(text: &str) -> u64 {
    text.len() as u64
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const PAT: FactorUser<'_> = FactorUser::new(Some("staff"), "pat");

    fn digest(code: &RecoveryCode, user: FactorUser<'_>) -> [u8; 32] {
        *code.digest(user).as_bytes()
    }

    #[test]
    fn a_code_has_24_characters_and_110_bits_at_least() {
        let mut codes = HashSet::new();
        for _ in 0..1000 {
            let code = RecoveryCode::random().unwrap();
            assert_eq!(code.expose().len(), 24);
            assert!(code.expose().bytes().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'9').contains(&byte)));
            assert!(codes.insert(code.expose().to_owned()));
        }
        let distinct: HashSet<u8> = ALPHABET.into_iter().collect();
        assert_eq!(distinct.len(), ALPHABET.len());
        // 2^110 is less than 28^24, which is 2^48 times 7^24.
        assert!(7_u128.pow(24) > 1 << (110 - 48));
        for look_alike in *b"BILOSZ01" {
            assert!(!ALPHABET.contains(&look_alike));
        }
    }

    #[test]
    fn case_spaces_and_hyphens_are_folded_and_nothing_else() {
        let code = RecoveryCode::typed("ACDEFGHJKMNPQRTUVWXY2345").unwrap();
        for typed in [
            "acdefghjkmnpqrtuvwxy2345",
            " ACDE-fghj kmnp-QRTU VWXY--2345 ",
            "A-C-D-E-F-G-H-J-K-M-N-P-Q-R-T-U-V-W-X-Y-2-3-4-5",
        ] {
            let typed = RecoveryCode::typed(typed).unwrap();
            assert_eq!(digest(&typed, PAT), digest(&code, PAT));
        }
        for bad in [
            "",
            "ACDEFGHJKMNPQRTUVWXY234",
            "ACDEFGHJKMNPQRTUVWXY23456",
            "ACDEFGHJKMNPQRTUVWXY234O",
            "ACDEFGHJKMNPQRTUVWXY234\u{ff15}",
            "ACDEFGHJKMNPQRTUVWXY\t2345",
            "ACDEFGHJKMNPQRTUVWXY_2345",
            &format!("ACDEFGHJKMNPQRTUVWXY2345{}", " ".repeat(73)),
        ] {
            assert!(RecoveryCode::typed(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn equal_codes_of_two_users_have_two_digests() {
        let code = RecoveryCode::random().unwrap();
        let users = [
            PAT,
            FactorUser::new(None, "pat"),
            FactorUser::new(Some(""), "pat"),
            FactorUser::new(Some("staffp"), "at"),
            FactorUser::new(Some("staf"), "fpat"),
            FactorUser::new(Some("staff"), "sam"),
        ];
        let digests: HashSet<[u8; 32]> = users.into_iter().map(|user| digest(&code, user)).collect();
        assert_eq!(digests.len(), users.len());
        assert_eq!(digest(&RecoveryCode::typed(code.expose()).unwrap(), PAT), digest(&code, PAT));
    }

    #[test]
    fn a_code_prints_redacted() {
        let code = RecoveryCode::random().unwrap();
        assert!(!format!("{code:?}").contains(code.expose()));
    }
}
