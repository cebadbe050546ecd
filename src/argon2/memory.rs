//! The memory that Argon2 fills, kept from one hash to the next.
//!
//! Fresh memory costs a page fault for each 4 KiB on its first use, at 46 MiB more than the hash itself, and freed memory
//! of this size and alignment fragments the heap.

use argon2::{Argon2, Block};

use super::error::HashError;

/// The memory of one thread.
pub(super) struct Memory(Vec<Block>);

impl Memory {
    /// So many blocks, touched once.
    pub(super) fn of(count: usize) -> Result<Self, HashError> {
        blocks(count).map(Self)
    }

    /// One run of Argon2. A stored hash that needs more memory than the thread owns gets memory of its own, which is
    /// given back at once; the caller has checked that it is below the limit.
    pub(super) fn run(
        &mut self,
        argon2: &Argon2<'_>,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), HashError> {
        let needed = argon2.params().block_count();
        let outcome = if needed <= self.0.len() {
            argon2.hash_password_into_with_memory(password, salt, output, self.0.as_mut_slice())
        } else {
            argon2.hash_password_into_with_memory(password, salt, output, blocks(needed)?)
        };
        outcome.map_err(|_| HashError::Unusable)
    }

    #[cfg(test)]
    pub(super) fn words(&self) -> impl Iterator<Item = &u64> {
        self.0.iter().flat_map(AsRef::<[u64]>::as_ref)
    }

    #[cfg(test)]
    pub(super) fn address_and_blocks(&self) -> (*const Block, usize) {
        (self.0.as_ptr(), self.0.len())
    }
}

fn blocks(count: usize) -> Result<Vec<Block>, HashError> {
    let mut blocks = Vec::new();
    blocks.try_reserve_exact(count).map_err(|_| HashError::Memory)?;
    blocks.resize(count, Block::new());
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_cannot_be_had_is_an_error() {
        assert_eq!(blocks(usize::MAX / 1024).err(), Some(HashError::Memory));
    }
}
