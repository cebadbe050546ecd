//! Which operations have a turn, and what becomes of those that were dropped.

use super::*;
use crate::boundary::records::RecordStamp;

fn lane(guess: u64, network: u64) -> Lane {
    Lane { guess, network: Some(network) }
}

/// The keys of an account and a network.
fn keys(lane: Lane) -> TouchedKeys {
    let network = lane.network.unwrap_or_default();
    TouchedKeys::new([(lane.guess, network), (lane.guess, 0), (0, network)])
}

fn add(queue: &Queue, lane: Lane) -> Waiting {
    queue.add(lane, keys(lane), Box::new(|_| ())).unwrap_or_else(|_| panic!("the queue is full"))
}

/// Which are taken with so many records: by account and network.
fn taken(queue: &Queue, most_records: usize) -> Vec<(u64, u64)> {
    let mut taken = queue.take(most_records);
    mem::take(&mut taken.operations).into_iter().map(|one| (one.lane.guess, one.lane.network.unwrap())).collect()
}

#[test]
fn all_have_their_turn_at_once_if_a_call_takes_them_and_in_the_order_in_which_they_came() {
    let queue = Queue::default();
    let waiting =
        [(1, 1), (2, 1), (1, 2), (3, 3)].map(|(guess, network)| (add(&queue, lane(guess, network)), (guess, network)));
    assert_eq!(taken(&queue, 512), waiting.map(|(_, of)| of));
    assert!(taken(&queue, 512).is_empty());
}

#[test]
fn of_a_crowd_each_has_a_turn_after_those_of_other_networks_and_accounts() {
    let queue = Queue::default();
    // 40 from one network at 40 accounts, and 40 at one account from 40 networks.
    let crowd: Vec<_> =
        (0..40).flat_map(|n| [lane(100 + n, 1), lane(2, 200 + n)]).map(|lane| add(&queue, lane)).collect();
    let others = [lane(3, 3), lane(4, 4)].map(|lane| add(&queue, lane));
    // Also at an account at which the crowd guesses.
    let owner = add(&queue, lane(139, 5));
    let first = taken(&queue, 20);
    assert!(first.contains(&(3, 3)) && first.contains(&(4, 4)), "{first:?}");
    let second = taken(&queue, 20);
    assert!(first.contains(&(139, 5)) || second.contains(&(139, 5)), "{first:?} {second:?}");
    // All of them come to their turn.
    let (mut turns, mut count) = (2, first.len() + second.len());
    while count < 83 {
        let next = taken(&queue, 20);
        assert!(!next.is_empty());
        (turns, count) = (turns + 1, count + next.len());
    }
    assert!(turns < 40, "{turns}");
    drop((crowd, others, owner));
}

#[test]
fn one_that_needs_more_records_than_a_call_takes_has_a_turn_of_its_own() {
    let queue = Queue::default();
    let _waiting = [lane(1, 1), lane(2, 2)].map(|lane| add(&queue, lane));
    assert_eq!(taken(&queue, 1), [(1, 1)]);
    assert_eq!(taken(&queue, 0), [(2, 2)]);
}

#[test]
fn a_new_one_is_gone_with_its_request_and_what_goes_on_is_not() {
    let queue = Queue::default();
    drop(add(&queue, lane(1, 1)));
    drop(queue.go_on(lane(2, 2), keys(lane(2, 2)), Box::new(|_| ()), None));
    let _waiting = add(&queue, lane(3, 3));
    assert_eq!(taken(&queue, 512), [(2, 2), (3, 3)]);
}

#[test]
fn beyond_8192_a_new_one_is_overloaded_until_requests_are_gone_and_what_goes_on_is_let_in() {
    let queue = Queue::default();
    let mut waiting: Vec<_> = (0..MOST_WAITING as u64).map(|n| add(&queue, lane(n, n))).collect();
    let one_more = || queue.add(lane(1, 1), keys(lane(1, 1)), Box::new(|_| ()));
    assert!(one_more().is_err());
    let goes_on = queue.go_on(lane(2, 2), keys(lane(2, 2)), Box::new(|_| ()), None);
    waiting.truncate(100);
    assert!(one_more().is_ok());
    drop(goes_on);
}

#[test]
fn what_a_leader_took_waits_again_before_what_came_later_with_what_was_tried() {
    let queue = Queue::default();
    let _waiting = [lane(1, 1), lane(2, 2)].map(|lane| add(&queue, lane));
    let mut led = queue.take(512);
    let stamp = RecordStamp::from_bytes([7; 8]);
    led.operations[0].trying = Some(Tried { stamp, seen: Vec::new() });
    let _later = add(&queue, lane(3, 3));
    drop(led);
    let again = queue.take(512);
    assert_eq!(again.operations.iter().map(|one| one.unanswered.len()).collect::<Vec<_>>(), [1, 0, 0]);
    assert_eq!(again.operations.iter().map(|one| one.lane.guess).collect::<Vec<_>>(), [1, 2, 3]);
}
