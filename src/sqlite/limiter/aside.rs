//! What a limiter keeps in its process alone, beside the file.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

use super::kinds::RowKey;
use super::unkept::Unkept;
use crate::boundary::sync::held;
use crate::limiter::step::slots::TableKind;
use crate::limiter::step::tally::TallyBytes;

/// What the charges remove, in turn; `None` is what is remembered of accounts. Eight charges add at most eight rows of
/// each kind, and 32 of wide networks, so that more is removed than they can add.
const TURNS: [Option<TableKind>; 8] = [
    Some(TableKind::Pair),
    Some(TableKind::Wide),
    Some(TableKind::Account),
    Some(TableKind::Wide),
    Some(TableKind::Address),
    Some(TableKind::Wide),
    None,
    Some(TableKind::Wide),
];
/// The most fingerprints in memory.
const MOST_PRINTS: usize = 65_536;

#[derive(Default)]
pub(super) struct Aside {
    pub(super) prints: Prints,
    pub(super) unkept: Unkept,
    /// How many charges there were, for their [`TURNS`].
    charges: AtomicUsize,
}

/// Which secret was denied last, for each row: where it must not lie in the file, only in memory, and only as long as
/// the row is as the denial left it.
#[derive(Default)]
pub(super) struct Prints(Mutex<HashMap<RowKey, (TallyBytes, u32)>>);

impl Aside {
    /// What the next charge removes, if it is rows of a kind.
    pub(super) fn turn(&self) -> Option<TableKind> {
        let charges = self.charges.fetch_add(1, Ordering::Relaxed);
        charges.checked_rem(TURNS.len()).and_then(|turn| TURNS.get(turn).copied().flatten())
    }
}

impl Prints {
    fn lock(&self) -> MutexGuard<'_, HashMap<RowKey, (TallyBytes, u32)>> {
        held(self.0.lock())
    }

    pub(super) fn get(&self, key: RowKey, written: &TallyBytes) -> u32 {
        self.lock().get(&key).filter(|(as_left, _)| as_left == written).map_or(0, |(_, print)| *print)
    }

    pub(super) fn keep(&self, key: RowKey, written: TallyBytes, print: u32) {
        let mut kept = self.lock();
        if print == 0 {
            kept.remove(&key);
            return;
        }
        // Without its fingerprint a secret counts again, which is never too little.
        if kept.len() >= MOST_PRINTS {
            kept.clear();
        }
        kept.insert(key, (written, print));
    }
}
