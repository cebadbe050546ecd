//! Under which names the rows lie that an engine was filled with: those that its own load program can draw, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tower_password_grant::store::{FamilyId, SecretDigest};

/// How the families and access tokens of an engine are named, by their numbers.
#[derive(Clone, Copy)]
pub struct Names {
    pub family: fn(u64) -> FamilyId,
    pub digest: fn(u64) -> SecretDigest,
    /// One that is not there yet.
    pub new_digest: fn(&mut Random) -> SecretDigest,
}

/// The rows of an engine.
#[derive(Clone)]
pub struct Filled {
    pub names: Names,
    pub families: u64,
    /// How often each family was refreshed through the store.
    refreshed: Arc<Vec<AtomicU32>>,
}

impl Filled {
    pub fn new(names: Names, families: u64) -> Self {
        let refreshed = Arc::new((0..families).map(|_| AtomicU32::new(0)).collect());
        Self { names, families, refreshed }
    }

    /// One of the families that are refreshed through the store, and by this client alone. The first half is that of the engine's own
    /// load program, which writes lineages that no refresh follows.
    pub fn own(&self, client: u64, clients: u64, random: &mut Random) -> u64 {
        let half = self.families / 2;
        half + (random.below((half / clients).max(1)) * clients + client) % half
    }

    /// The digests of a family's live token and of the next one. All families begin with the same.
    pub fn next_tokens(&self, family: u64) -> [SecretDigest; 2] {
        let number = self.refreshed[family as usize].fetch_add(1, Ordering::Relaxed);
        [number, number + 1].map(token)
    }
}

/// The digest of the token of a family that was refreshed so often.
pub fn token(number: u32) -> SecretDigest {
    let mut bytes = [7; 32];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    SecretDigest::from_bytes(bytes)
}

/// Numbers that need not be hard to guess (SplitMix64).
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).unwrap();
        Self(u64::from_le_bytes(bytes))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
