//! Values that must never be printed, copied or compared by accident.

use std::fmt;

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::{Engine as _, encoded_len};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::protocol::explained::explained;
use crate::protocol::wiped::{PIECE, Wiped};
use crate::protocol::wire::charset::{is_base64url_after, is_token68};
use crate::protocol::wire::texts::{Span, Texts};

/// The password of a resource owner (RFC 6749 section 4.3.2), exactly as it was sent.
///
/// It has no `Clone`, `PartialEq`, `Deref` or `Display`, its `Debug` is redacted, and its memory is overwritten when it
/// is dropped. [`expose`](Self::expose) is the only reader.
///
/// ```
/// use tower_password_grant::Password;
///
/// let password = Password::new("correct horse".to_owned());
/// assert_eq!(password.expose(), "correct horse");
/// assert_eq!(format!("{password:?}"), "Password([redacted])");
/// ```
pub struct Password {
    texts: Texts,
    span: Span,
}

impl Password {
    /// Takes ownership of `password`; the given string's own buffer is wiped.
    #[must_use]
    pub fn new(password: String) -> Self {
        let password = Zeroizing::new(password);
        let mut texts = Texts::with_capacity(password.len());
        let span = texts.push(&password);
        Self { texts, span }
    }

    /// A password that lies in the texts of its request, together with those texts.
    pub(crate) fn within(texts: Texts, span: Span) -> Self {
        Self { texts, span }
    }

    pub(crate) fn texts(&self) -> &Texts {
        &self.texts
    }

    /// The same password once more, with its texts. For the crate alone: applications move a password and copy none.
    pub(crate) fn duplicate(&self) -> Self {
        Self { texts: self.texts.duplicate(), span: self.span }
    }

    /// The password itself. Don't log, store or compare it: give it to a password hash.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.texts.get(self.span)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password([redacted])")
    }
}

/// The digest of a high-entropy secret (SHA-256): what is stored in place of a client secret or an opaque token.
///
/// A plain digest is enough only because the secrets are random with 256 bits
/// ([`ClientSecret::generate`](crate::ClientSecret::generate)); a secret chosen by a person needs a password hash.
/// There is no `PartialEq`: digests are compared in constant time inside the crate.
#[derive(Clone)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// The digest of `secret`.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret.as_bytes()).into())
    }

    /// A digest from its 32 bytes, as [`as_bytes`](Self::as_bytes) gave them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, to store them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares word by word, which takes a fraction of the instructions of a comparison byte by byte.
    pub(crate) fn ct_eq(&self, other: &Self) -> Choice {
        let words = |digest: &Self| {
            let (words, _) = digest.0.as_chunks::<8>();
            [0, 1, 2, 3].map(|index| words.get(index).copied().map_or(0, u64::from_ne_bytes))
        };
        words(self).ct_eq(&words(other))
    }
}

impl SecretDigest {
    /// Whether it is the other one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretDigest([redacted])")
    }
}

/// A token as it is given to the client (RFC 6749 section 5.1): overwritten when dropped, never printed.
pub struct Token {
    text: Wiped<String>,
    /// Made here, of characters that need no second look.
    is_token68: bool,
}

impl Token {
    /// Takes a token made elsewhere. Whether its characters are legal on the wire is checked when it is issued.
    #[must_use]
    pub fn new(token: String) -> Self {
        Self { text: Wiped::new(token), is_token68: false }
    }

    /// A random token: `prefix` and 43 characters of base64url that carry 256 bits of the operating system's
    /// randomness, so a guess succeeds with a chance of 2^-256 (RFC 6749 section 10.10 asks for at most 2^-128).
    ///
    /// # Errors
    /// Fails when the operating system gives no randomness; no weaker source is used then.
    pub fn random(prefix: &str) -> Result<Self, RandomnessError> {
        let mut bytes = Wiped::new([0; 32]);
        fill_random(bytes.as_mut_slice())?;
        Self::encode(prefix, bytes.as_slice())
    }

    /// A token that is made here of these bytes, in base64url.
    pub(crate) fn encode(prefix: &str, bytes: &[u8]) -> Result<Self, RandomnessError> {
        // Encoded where it stays, so that no other buffer holds it.
        let length = encoded_len(bytes.len(), false).unwrap_or_default();
        let end = prefix.len().saturating_add(length);
        // As many bytes as are looked at together to see that they are ASCII. Each piece is a store, `resize` a call of `memset`.
        let pieces = end.div_ceil(PIECE);
        let mut token = Vec::with_capacity(pieces.saturating_mul(PIECE));
        (0..pieces).for_each(|_| token.extend_from_slice(&[0; PIECE]));
        let whole = token.get_mut(..end).unwrap_or_default();
        let (before, room) = whole.split_at_mut_checked(prefix.len()).unwrap_or_default();
        before.iter_mut().zip(prefix.as_bytes()).for_each(|(to, from)| *to = *from);
        let encoded = URL_SAFE_NO_PAD.encode_slice(bytes, room).ok().filter(|written| *written == length);
        // Base64 is ASCII and as long as was computed, so neither can fail.
        let text = encoded.and_then(|_| String::from_utf8(token).ok());
        let mut text = text.ok_or(RandomnessError(getrandom::Error::UNEXPECTED))?;
        text.truncate(end);
        Ok(Self { text: Wiped::new(text), is_token68: prefix.is_empty() || is_token68(prefix.as_bytes()) })
    }

    /// Whether `text` can be one that [`random`](Self::random) made with this prefix.
    pub(crate) fn has_form(prefix: &str, text: &str) -> bool {
        is_base64url_after(prefix, 43, text)
    }

    /// Whether it is a `b64token` (RFC 6750 section 2.1).
    pub(crate) fn is_token68(&self) -> bool {
        self.is_token68 || is_token68(self.text.as_bytes())
    }

    /// Whether it is known to be one without a look at it.
    pub(crate) fn is_known_token68(&self) -> bool {
        self.is_token68
    }

    /// The token itself, for sending or digesting it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// What to store in place of the token.
    #[must_use]
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::of(&self.text)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

/// The operating system gave no randomness.
#[derive(thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct RandomnessError(#[source] getrandom::Error);

impl fmt::Debug for RandomnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}

/// 256 random bits.
pub(crate) fn random_bytes() -> Result<Zeroizing<[u8; 32]>, RandomnessError> {
    let mut bytes = Zeroizing::new([0; 32]);
    fill_random(bytes.as_mut_slice())?;
    Ok(bytes)
}

/// 128 random bits.
pub(crate) fn random_id() -> Result<[u8; 16], RandomnessError> {
    let mut id = [0; 16];
    fill_random(&mut id)?;
    Ok(id)
}

/// Fills it with random bits.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Result<(), RandomnessError> {
    getrandom::fill(bytes).map_err(RandomnessError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_tokens_are_distinct_base64url_of_256_bits_behind_their_prefix_se_01() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100_000 {
            let token = Token::random("at_").unwrap();
            let text = token.expose().to_owned();
            assert_eq!(text.len(), 46);
            assert!(text.starts_with("at_"));
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
            assert!(seen.insert(text));
        }
    }

    #[test]
    fn secrets_print_redacted() {
        assert_eq!(format!("{:?}", Token::new("hunter2".into())), "Token([redacted])");
        assert_eq!(format!("{:?}", SecretDigest::of("hunter2")), "SecretDigest([redacted])");
    }
}
