//! The crate `argon2-rust`, which chooses AVX-512, AVX2, SSE2 or NEON at run time.

use argon2::{Algorithm, Version};
use argon2_rust as fast;

use super::{Engine, Function};
use crate::argon2::error::HashError;

/// It wipes its memory after each hash.
pub(in crate::argon2) struct Simd {
    hasher: fast::Hasher,
}

impl Engine for Simd {
    fn of(blocks: usize) -> Result<Self, HashError> {
        let kib = u64::try_from(blocks).map_err(|_| HashError::Memory)?;
        let params = params(kib, 1, 1, OUTPUT).map_err(|_| HashError::Memory)?;
        let mut hasher = fast::Argon2::new(fast::Algorithm::Argon2id, fast::Version::V0x13, params).hasher();
        hasher.reserve().map_err(failed)?;
        // To have the memory now, and not at the first login.
        hasher.hash_into(&[], &[0; 8], &mut [0; OUTPUT]).map_err(failed)?;
        Ok(Self { hasher })
    }

    fn run(
        &mut self,
        function: &Function<'_>,
        password: &[u8],
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), HashError> {
        let (cost, data) = (function.params, function.params.data());
        let params = params(cost.m_cost().into(), cost.t_cost(), cost.p_cost(), output.len()).map_err(failed)?;
        let argon2 = fast::Argon2::new(algorithm(function.algorithm), version(function.version), params);
        if cost.block_count() > self.hasher.reserved_blocks() {
            return argon2.hash_into_with_ad(password, salt, function.secret, data, output).map_err(failed);
        }
        self.hasher.set_argon2(argon2);
        self.hasher.hash_into_with_ad(password, salt, function.secret, data, output).map_err(failed)
    }
}

/// Of the hash that touches the memory.
const OUTPUT: usize = 4;

fn params(kib: u64, passes: u32, lanes: u32, output: usize) -> Result<fast::Params, fast::Error> {
    let output = u64::try_from(output).map_err(|_| fast::Error::OutputTooLong)?;
    let cost = fast::Params::builder().memory(fast::params::Memory::kib(kib)).passes(passes).lanes(lanes);
    cost.threads(1).tag_len(fast::params::TagLen::bytes(output)).build()
}

const fn algorithm(algorithm: Algorithm) -> fast::Algorithm {
    match algorithm {
        Algorithm::Argon2d => fast::Algorithm::Argon2d,
        Algorithm::Argon2i => fast::Algorithm::Argon2i,
        Algorithm::Argon2id => fast::Algorithm::Argon2id,
    }
}

const fn version(version: Version) -> fast::Version {
    match version {
        Version::V0x10 => fast::Version::V0x10,
        Version::V0x13 => fast::Version::V0x13,
    }
}

fn failed(error: fast::Error) -> HashError {
    match error {
        fast::Error::MemoryAllocationError => HashError::Memory,
        _ => HashError::Unusable,
    }
}

#[cfg(test)]
#[path = "simd_tests.rs"]
mod tests;
