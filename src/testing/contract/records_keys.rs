//! The promises of [`AttemptRecords`] about keys and stamps that a store may take for others.

use super::promise::{later, must, new_bytes, present};
use super::records::{CONFLICT, MINUTE, MOST_KEYS, NEW, OVER, change, must_find, new_keys, new_stamp, stamps, swap};
use crate::boundary::records::{AttemptRecords, RecordChange, RecordKey, RecordStamp};

/// Bytes at the ends of all numbers, a letter, and what is no UTF-8.
const ENDS: [u8; 5] = [0, b'A', 0x7f, 0x80, 0xff];

/// By which bits keys differ: the least, the case of a letter, and all.
const DIFFERENCES: [u8; 3] = [0x01, 0x20, 0xff];

/// Keys that have nearly everything in common: each differs from the others in two bytes. Half of each is random, so that another
/// run over the same store has others.
fn near_keys(end: u8, is_end_first: bool, difference: u8) -> Vec<RecordKey> {
    let random = new_bytes().first_chunk::<8>().copied().unwrap_or_default();
    let halves = if is_end_first { [[end; 8], random] } else { [random, [end; 8]] };
    let near = |at: usize| {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(halves.as_flattened());
        bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= difference);
        RecordKey::from_bytes(bytes)
    };
    let mut keys: Vec<_> = (0..MOST_KEYS).map(near).collect();
    keys.sort_unstable();
    keys
}

pub(super) async fn keys<S: AttemptRecords>(stores: [S; 2]) {
    let [one, other] = &stores;
    let promise = "keys are equal only if every byte is, also where the bytes are no text";
    for end in ENDS {
        for difference in DIFFERENCES {
            for is_end_first in [false, true] {
                let keys = near_keys(end, is_end_first, difference);
                // One after the other, so that none is taken for one that is there already.
                let mut there = Vec::new();
                for (number, key) in (0_u8..).zip(keys) {
                    let new = change(key, None, &[number]);
                    must(stamps(one, &[key]).await == [None], promise);
                    must(swap(one, std::slice::from_ref(&new)).await, promise);
                    there.push(new);
                }
                must_find(&stores, &there, promise).await;
                let next: Vec<_> = there.iter().map(|before| change(before.key(), Some(before.stamp()), b"")).collect();
                must(swap(other, &next).await, OVER);
            }
        }
    }
}

pub(super) async fn special_stamps<S: AttemptRecords>(stores: [S; 2]) {
    let [one, other] = &stores;
    for end in ENDS {
        let stamp = RecordStamp::from_bytes([end; 8]);
        for key in new_keys(2) {
            let over = |seen| [RecordChange::new(key, seen, new_stamp(), vec![1], later(present(), MINUTE))];
            let promise = "a stamp may have any bytes, all zeros too: it is never the same as no record";
            must(!swap(one, &over(Some(stamp))).await, promise);
            let new = [RecordChange::new(key, None, stamp, vec![0], later(present(), MINUTE))];
            must(swap(one, &new).await, NEW);
            must_find(&stores, &new, promise).await;
            must(!swap(other, &over(None)).await, promise);
            must(!swap(other, &over(Some(new_stamp()))).await, CONFLICT);
            must(swap(other, &over(Some(stamp))).await, promise);
        }
    }
}
