//! Which row a record lies in.

use crate::protection::slots::Slot;
use crate::protection::table::{Key, Place, cell_of, crowd_cell};

/// For how many keys the number of shared cells is right. Fixed, because what was counted in a cell must be found there
/// under another capacity, too.
const CELLS: usize = 1 << 16;

/// What a tally is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pair,
    Account,
    Address,
    /// An IPv6 network that is wider than a /64, with an account or client or alone.
    Wide,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Pair, Self::Account, Self::Address, Self::Wide];

    pub(super) const fn of(slot: Slot) -> Self {
        match slot {
            Slot::Pair => Self::Pair,
            Slot::Account => Self::Account,
            Slot::Address => Self::Address,
            Slot::Pair56 | Slot::Net56 | Slot::Pair48 | Slot::Net48 => Self::Wide,
        }
    }

    pub(super) const fn number(self) -> i64 {
        match self {
            Self::Pair => 0,
            Self::Account => 1,
            Self::Address => 2,
            Self::Wide => 3,
        }
    }

    /// Whether preferred keys have cells of their own.
    pub(super) fn shared(self, preferred: bool) -> Place {
        if preferred && self == Self::Pair { Place::Spared } else { Place::Shared }
    }
}

/// The kind of a row, its place and the two halves of its key. A cell is its own key.
pub(super) type RowKey = [i64; 4];

pub(super) fn row_of(kind: Kind, key: Key, place: Place) -> RowKey {
    let cell = || i64::try_from(cell_of(CELLS, key, place)).unwrap_or(0);
    if let Some(crowd) = crowd_cell(key, place) {
        // Several for each crowd, by bits that the crowd does not choose.
        let one = ((key.0 >> 32 ^ key.1 >> 16) & 63).cast_signed();
        return [kind.number(), 3, i64::try_from(crowd).unwrap_or(0), one];
    }
    let (place, guess, network) = match place {
        Place::Own => (0, key.0.cast_signed(), key.1.cast_signed()),
        Place::Shared => (1, cell(), 0),
        Place::Spared => (2, cell(), 0),
    };
    [kind.number(), place, guess, network]
}
