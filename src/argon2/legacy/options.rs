//! The options that only this feature has.

use crate::argon2::config::Argon2VerifierBuilder;

impl<S> Argon2VerifierBuilder<S> {
    /// The highest cost of a stored bcrypt hash that is still computed, as the exponent that stands in the hash: 4 to 31.
    /// Default: 14, almost a second. A higher one is [unusable](crate::audit::Reason::UnusableHash).
    pub fn max_bcrypt_cost(mut self, cost: u32) -> Self {
        self.legacy.bcrypt = cost;
        self
    }

    /// The most memory of a stored scrypt hash that is still computed, in KiB (128 · N · r / 1024). Default: 131,072,
    /// which is `ln=17,r=8`. A hash with more, a block size or parallelism above 32, or one that fills four times this
    /// memory in all (memory times parallelism), is [unusable](crate::audit::Reason::UnusableHash).
    pub fn max_scrypt_memory(mut self, kib: u64) -> Self {
        self.legacy.scrypt = kib;
        self
    }

    /// The most rounds of a stored PBKDF2 hash that are still computed. Default: 2,000,000. A hash with more is
    /// [unusable](crate::audit::Reason::UnusableHash). Each block of the output counts, because each takes all rounds (RFC 8018
    /// section 5.2): 32 bytes by SHA-1 are two blocks.
    pub fn max_pbkdf2_rounds(mut self, rounds: u32) -> Self {
        self.legacy.pbkdf2 = rounds;
        self
    }
}
