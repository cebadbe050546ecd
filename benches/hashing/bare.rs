//! Loops that do nothing but hash, over one memory block.

use std::hint::black_box;

use argon2::{Argon2, Block, Params};

use super::{PASSWORD, time};

const SALT: &[u8] = b"sixteen byte slt";

/// The fastest implementation that this build knows.
pub const FASTEST: &str = if cfg!(feature = "argon2-fast") { "argon2-rust" } else { "argon2" };

/// Milliseconds for each hash of the crate `argon2`.
pub fn portable(memory: u32, passes: u32, hashes: usize) -> f64 {
    let argon2 = Argon2::from(Params::new(memory, passes, 1, None).unwrap());
    let mut blocks = vec![Block::default(); argon2.params().block_count()];
    let mut out = [0; 32];
    time(hashes, || {
        argon2.hash_password_into_with_memory(PASSWORD.as_bytes(), SALT, &mut out, &mut blocks).unwrap();
        black_box(&out);
    })
}

/// Of the crate `argon2-rust`, with the instructions that it chooses for this processor.
#[cfg(feature = "argon2-fast")]
pub fn fast(memory: u32, passes: u32, hashes: usize) -> f64 {
    use argon2_rust::params::Memory;
    use argon2_rust::{Algorithm, Argon2, Params, Version};

    let cost = Params::builder().memory(Memory::kib(memory.into())).passes(passes).lanes(1);
    let mut hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.build().unwrap()).hasher();
    let mut out = [0; 32];
    time(hashes, || {
        hasher.hash_into(PASSWORD.as_bytes(), SALT, &mut out).unwrap();
        black_box(&out);
    })
}

#[cfg(not(feature = "argon2-fast"))]
pub fn fast(memory: u32, passes: u32, hashes: usize) -> f64 {
    portable(memory, passes, hashes)
}
