//! Formats of the application's own.

use super::unusable::UnusableHash;
use crate::protocol::secret::secrets::Password;

/// An old password format of your own, so that its users can log in and have an Argon2id hash from then on.
///
/// Give it to the builder with [`hash_format`](super::Argon2VerifierBuilder::hash_format). What the verifier reads without it
/// stands in the [manual](crate::manual::password_hashes).
///
/// ```
/// use tower_password_grant::Password;
/// use tower_password_grant::argon2::{HashFormat, UnusableHash};
///
/// /// `acme1:<salt>:<digest>`, as the old shop wrote it.
/// struct OldShop;
///
/// # fn digest(salt: &str, password: &str) -> Vec<u8> { [salt, password].concat().into_bytes() }
/// # fn is_equal_in_constant_time(a: &[u8], b: &[u8]) -> bool { a == b }
/// impl HashFormat for OldShop {
///     fn name(&self) -> &'static str {
///         "the old shop's"
///     }
///
///     fn recognises(&self, stored: &str) -> bool {
///         stored.starts_with("acme1:")
///     }
///
///     fn verify(&self, stored: &str, password: &Password) -> Result<bool, UnusableHash> {
///         let mut parts = stored.split(':').skip(1);
///         let (Some(salt), Some(expected)) = (parts.next(), parts.next()) else {
///             return Err(UnusableHash::new("it has no digest"));
///         };
///         let found = digest(salt, password.expose());
///         Ok(is_equal_in_constant_time(&found, expected.as_bytes()))
///     }
/// }
/// ```
///
/// # Contract
/// - `recognises` looks at the text alone, which has no white space at its ends, and says the same each time. It is asked before
///   the formats that the verifier reads by itself, and never about a text that begins with `$argon2`: such a text is what an
///   upgrade has written.
/// - `verify` compares the whole password, exactly as it was sent. It is asked only about texts that `recognises` accepts.
/// - Both run on a hashing thread of the verifier, one job at a time each, in the bounded queue. So `verify` may compute,
///   and must not wait for anything.
///
/// # Security
/// - A password that is taken for right is fatal, and from then on it is: the hash is replaced by an Argon2id hash of that
///   password. So accept the formats that you know and answer `Err` for everything else.
/// - Compare in constant time, and bound what a stored text can cost, its rounds and its memory: an attacker who can write to the
///   user table must not be able to keep the threads.
/// - Every check of such a hash has one run of Argon2 besides `verify`, so a format that costs little shows by its time no
///   more than that. One that costs as much as Argon2 shows, as any hash with another cost does, until its user has logged
///   in.
///
/// # Cancellation
/// A check that has begun runs to its end, though its client may have hung up.
///
/// # Errors
/// An [`UnusableHash`] is a denial with a reason of its own. A panic is contained and answers 500; the attempt stays
/// charged, because the verdict is unknown.
pub trait HashFormat: Send + Sync + 'static {
    /// A name for the operator, in the warning about a hash that cannot be used.
    fn name(&self) -> &'static str;

    /// Whether this stored text is one of the format.
    fn recognises(&self, stored: &str) -> bool;

    /// Whether the password is the one of this stored text.
    fn verify(&self, stored: &str, password: &Password) -> Result<bool, UnusableHash>;
}
