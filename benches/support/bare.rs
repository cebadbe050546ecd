//! Argon2id with memory that is reused, and nothing around it.
#![allow(dead_code, reason = "each benchmark uses a part of it")]

use argon2::{Argon2, Block, Params};

const SALT: &[u8] = b"sixteen byte slt";

/// The crate `argon2`.
pub struct Portable {
    argon2: Argon2<'static>,
    blocks: Vec<Block>,
}

impl Portable {
    pub const NAME: &'static str = "argon2";

    pub fn new(memory: u32, passes: u32) -> Self {
        let argon2 = Argon2::from(Params::new(memory, passes, 1, None).unwrap());
        Self { blocks: vec![Block::default(); argon2.params().block_count()], argon2 }
    }

    pub fn hash(&mut self, password: &[u8]) -> [u8; 32] {
        let mut out = [0; 32];
        self.argon2.hash_password_into_with_memory(password, SALT, &mut out, &mut self.blocks).unwrap();
        out
    }
}

/// The crate `argon2-rust`, with the instructions that it chooses for this processor.
#[cfg(feature = "argon2-fast")]
pub struct Simd(argon2_rust::Hasher);

#[cfg(feature = "argon2-fast")]
impl Simd {
    pub const NAME: &'static str = "argon2-rust";

    pub fn new(memory: u32, passes: u32) -> Self {
        use argon2_rust::params::Memory;
        use argon2_rust::{Algorithm, Argon2, Params, Version};

        let cost = Params::builder().memory(Memory::kib(memory.into())).passes(passes).lanes(1);
        Self(Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.build().unwrap()).hasher())
    }

    pub fn hash(&mut self, password: &[u8]) -> [u8; 32] {
        let mut out = [0; 32];
        self.0.hash_into(password, SALT, &mut out).unwrap();
        out
    }
}

/// The implementation that this build has.
#[cfg(feature = "argon2-fast")]
pub type Chosen = Simd;
#[cfg(not(feature = "argon2-fast"))]
pub type Chosen = Portable;
