//! The crate `argon2`: portable Rust, which the compiler vectorizes for the target that it is told.

use argon2::{Argon2, Block};

use super::{Engine, Function};
use crate::argon2::error::HashError;

/// Its memory is overwritten by the next hash, which reads none of it before.
pub(in crate::argon2) struct Portable(Vec<Block>);

impl Engine for Portable {
    fn of(count: usize) -> Result<Self, HashError> {
        blocks(count).map(Self)
    }

    fn run(
        &mut self,
        function: &Function<'_>,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), HashError> {
        let Function { algorithm, version, params, secret } = *function;
        let argon2 = Argon2::new_with_secret(secret, algorithm, version, params.clone());
        let argon2 = argon2.map_err(|_| HashError::Unusable)?;
        let needed = params.block_count();
        let outcome = if needed <= self.0.len() {
            argon2.hash_password_into_with_memory(password, salt, output, self.0.as_mut_slice())
        } else {
            argon2.hash_password_into_with_memory(password, salt, output, blocks(needed)?)
        };
        outcome.map_err(|_| HashError::Unusable)
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

    impl Portable {
        pub(in crate::argon2) fn words(&self) -> impl Iterator<Item = &u64> {
            self.0.iter().flat_map(AsRef::<[u64]>::as_ref)
        }

        pub(in crate::argon2) fn address_and_blocks(&self) -> (*const Block, usize) {
            (self.0.as_ptr(), self.0.len())
        }
    }

    #[test]
    fn memory_that_cannot_be_had_is_an_error() {
        assert_eq!(blocks(usize::MAX / 1024).err(), Some(HashError::Memory));
    }
}
