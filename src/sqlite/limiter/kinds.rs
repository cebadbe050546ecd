//! Which row a record lies in.

use crate::limiter::step::cell::{cell_of, crowd_cell};
use crate::limiter::step::key::{Key, Place};
use crate::limiter::step::slots::TableKind;

/// For how many keys the number of shared cells is right. Fixed, because what was counted in a cell must be found there
/// under another capacity, too.
const CELLS: usize = 1 << 16;

/// All tables of records, in the order of their [numbers](table_number).
pub(super) const ALL: [TableKind; 4] = [TableKind::Pair, TableKind::Account, TableKind::Address, TableKind::Wide];

/// As a column tells it.
pub(super) const fn table_number(table: TableKind) -> i64 {
    match table {
        TableKind::Pair => 0,
        TableKind::Account => 1,
        TableKind::Address => 2,
        TableKind::Wide => 3,
    }
}

/// The kind of a row, its place and the two halves of its key. A cell is its own key.
pub(super) type RowKey = [i64; 4];

pub(super) fn row_of(kind: TableKind, key: Key, place: Place) -> RowKey {
    let cell = || i64::try_from(cell_of(CELLS, key, place)).unwrap_or(0);
    if let Some(crowd) = crowd_cell(key, place) {
        // Several for each crowd, by bits that the crowd does not choose.
        let one = ((key.0 >> 32 ^ key.1 >> 16) & 63).cast_signed();
        return [table_number(kind), 3, i64::try_from(crowd).unwrap_or(0), one];
    }
    let (place, guess, network) = match place {
        Place::Own => (0, key.0.cast_signed(), key.1.cast_signed()),
        Place::Shared => (1, cell(), 0),
        Place::Spared => (2, cell(), 0),
    };
    [table_number(kind), place, guess, network]
}
