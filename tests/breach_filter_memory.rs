//! The memory of a filter of leaked passwords, and of files that announce more than they have. Alone in its file, because
//! it counts what the whole process allocates.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::arithmetic_side_effects, missing_docs)]

use std::alloc::System;
use std::hint::black_box;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tower_password_grant::leaks::{LeakedPasswords, LeakedPasswordsError};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn a_filter_holds_its_file_and_a_short_file_cannot_ask_for_much() {
    let leaked = LeakedPasswords::from_passwords((0..200_000).map(|number| number.to_string())).unwrap();
    let mut file = Vec::new();
    leaked.write_to(&mut file).unwrap();

    let region = Region::new(ALLOCATOR);
    let read = black_box(LeakedPasswords::read_from(&*file).unwrap());
    let change = region.change();
    let held = change.bytes_allocated - change.bytes_deallocated;
    assert!(held <= file.len(), "{held} bytes are held for a file of {}", file.len());
    // Room is doubled until half of it has arrived, so nothing is moved often.
    assert!(change.bytes_allocated < 3 * file.len() + 65_536, "{change:?}");
    drop(read);

    // Four billion fingerprints, of which 100,000 bytes arrive.
    let mut boast = file[..24].to_vec();
    boast.extend((1_u32 << 18).to_le_bytes());
    boast.extend((((1_u32 << 14) - 3) << 18).to_le_bytes());
    boast.resize(100_000, 0);
    let region = Region::new(ALLOCATOR);
    let refused = LeakedPasswords::read_from(&*boast);
    let change = region.change();
    assert!(matches!(refused, Err(LeakedPasswordsError::Length)), "{refused:?}");
    assert!(change.bytes_allocated < 8 * boast.len(), "{change:?}");
}
