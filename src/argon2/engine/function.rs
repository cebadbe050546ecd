//! What an implementation of Argon2 computes.

use argon2::{Algorithm, Params, Version};

use crate::argon2::error::HashError;

/// The function of a hash: the inputs of RFC 9106 section 3.1 beside password and salt.
#[derive(Clone, Copy)]
pub(in crate::argon2) struct Function<'a> {
    pub(in crate::argon2) algorithm: Algorithm,
    pub(in crate::argon2) version: Version,
    /// The cost, and the associated data.
    pub(in crate::argon2) params: &'a Params,
    /// The secret key; empty for none.
    pub(in crate::argon2) secret: &'a [u8],
}

/// An implementation of Argon2 with the memory that it fills, kept from one hash to the next.
///
/// Fresh memory costs a page fault for each 4 KiB on its first use, at 46 MiB more than the hash itself, and freed memory
/// of this size and alignment fragments the heap.
pub(in crate::argon2) trait Engine: Send + 'static {
    /// With so many blocks, touched once.
    fn of(blocks: usize) -> Result<Self, HashError>
    where
        Self: Sized;

    /// One run. A hash that needs more memory than the engine owns gets memory of its own, which is given back at once; the
    /// caller has checked that it is below the limit. The lanes are worked off one after the other on the calling thread.
    fn run(
        &mut self,
        function: &Function<'_>,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), HashError>;
}
