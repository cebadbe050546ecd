//! Which operations have a turn, and what becomes of those that were dropped.

use super::*;

fn lane(guess: u64, network: u64) -> Lane {
    Lane { guess: Some(guess), network: Some(network) }
}

fn queue() -> (Arc<Queue>, Leader) {
    let queue = Arc::new(Queue::default());
    (Arc::clone(&queue), Leader::of(queue))
}

/// The keys of an account and a network.
fn keys(lane: Lane) -> TouchedKeys {
    let (guess, network) = (lane.guess.unwrap_or_default(), lane.network.unwrap_or_default());
    TouchedKeys::new([(guess, network), (guess, 0), (0, network)])
}

fn add(queue: &Queue, lane: Lane) -> Waiting {
    queue.add(lane, keys(lane), Box::new(|_| ())).unwrap_or_else(|_| panic!("the queue is full"))
}

/// Which are taken with so many records: by account and network.
fn taken(leader: &mut Leader, most_records: usize) -> Vec<(u64, u64)> {
    let mut taken = leader.take(most_records).unwrap_or_default();
    let lanes = mem::take(&mut taken.operations).into_iter().map(|one| one.lane);
    lanes.map(|lane| (lane.guess.unwrap(), lane.network.unwrap())).collect()
}

#[test]
fn all_have_their_turn_at_once_if_a_call_takes_them_and_in_the_order_in_which_they_came() {
    let (queue, mut leader) = queue();
    let waiting =
        [(1, 1), (2, 1), (1, 2), (3, 3)].map(|(guess, network)| (add(&queue, lane(guess, network)), (guess, network)));
    assert_eq!(taken(&mut leader, 512), waiting.map(|(_, of)| of));
    assert!(taken(&mut leader, 512).is_empty());
}

#[test]
fn of_a_crowd_each_has_a_turn_after_those_of_other_networks_and_accounts() {
    let (queue, mut leader) = queue();
    // 40 from one network at 40 accounts, and 40 at one account from 40 networks.
    let crowd: Vec<_> =
        (0..40).flat_map(|n| [lane(100 + n, 1), lane(2, 200 + n)]).map(|lane| add(&queue, lane)).collect();
    let others = [lane(3, 3), lane(4, 4)].map(|lane| add(&queue, lane));
    // Also at an account at which the crowd guesses.
    let owner = add(&queue, lane(139, 5));
    let first = taken(&mut leader, 20);
    assert!(first.contains(&(3, 3)) && first.contains(&(4, 4)), "{first:?}");
    let second = taken(&mut leader, 20);
    assert!(first.contains(&(139, 5)) || second.contains(&(139, 5)), "{first:?} {second:?}");
    // All of them come to their turn.
    let (mut turns, mut count) = (2, first.len() + second.len());
    while count < 83 {
        let next = taken(&mut leader, 20);
        assert!(!next.is_empty());
        (turns, count) = (turns + 1, count + next.len());
    }
    assert!(turns < 40, "{turns}");
    drop((crowd, others, owner));
}

#[test]
fn one_that_needs_more_records_than_a_call_takes_has_a_turn_of_its_own() {
    let (queue, mut leader) = queue();
    let _waiting = [lane(1, 1), lane(2, 2)].map(|lane| add(&queue, lane));
    assert_eq!(taken(&mut leader, 1), [(1, 1)]);
    assert_eq!(taken(&mut leader, 0), [(2, 2)]);
}

#[test]
fn a_new_one_is_gone_with_its_request_and_what_goes_on_is_not() {
    let (queue, mut leader) = queue();
    drop(add(&queue, lane(1, 1)));
    drop(queue.go_on(lane(2, 2), keys(lane(2, 2)), Box::new(|_| ()), None));
    let _waiting = add(&queue, lane(3, 3));
    assert_eq!(taken(&mut leader, 512), [(2, 2), (3, 3)]);
}

#[test]
fn beyond_8192_a_new_one_is_overloaded_until_requests_are_gone_and_what_goes_on_is_let_in() {
    let (queue, _leader) = queue();
    let mut waiting: Vec<_> = (0..MOST_WAITING as u64).map(|n| add(&queue, lane(n, n))).collect();
    let one_more = || queue.add(lane(1, 1), keys(lane(1, 1)), Box::new(|_| ()));
    assert!(one_more().is_err());
    let goes_on = queue.go_on(lane(2, 2), keys(lane(2, 2)), Box::new(|_| ()), None);
    waiting.truncate(100);
    assert!(one_more().is_ok());
    drop(goes_on);
}

#[test]
fn what_was_put_back_comes_before_what_came_later() {
    let (queue, mut leader) = queue();
    let _waiting = [lane(1, 1), lane(2, 2)].map(|lane| add(&queue, lane));
    let mut led = leader.take(512).unwrap();
    let _later = add(&queue, lane(3, 3));
    queue.put_back(&mut led);
    assert_eq!(taken(&mut leader, 512), [(1, 1), (2, 2), (3, 3)]);
}

#[test]
fn what_was_beaten_and_what_was_not_have_turns_in_turn() {
    let (queue, mut leader) = queue();
    let _waiting = [lane(1, 1), lane(2, 2)].map(|lane| add(&queue, lane));
    let mut led = leader.take(512).unwrap();
    led.operations[0].beaten = 1;
    queue.put_back(&mut led);
    let _more = add(&queue, lane(3, 3));
    assert_eq!(taken(&mut leader, 512), [(1, 1)]);
    assert_eq!(taken(&mut leader, 512), [(2, 2), (3, 3)]);
}

#[test]
fn one_leads_as_long_as_something_waits_and_then_the_next_one_does() {
    let (queue, mut leader) = queue();
    let first = add(&queue, lane(1, 1));
    assert!(first.needs_leader && !add(&queue, lane(2, 2)).needs_leader);
    assert_eq!(taken(&mut leader, 512).len(), 1, "the second is gone");
    assert!(leader.take(512).is_none());
    let next = add(&queue, lane(3, 3));
    assert!(next.needs_leader);
    // The one before, which is over, takes nothing with it.
    drop(leader);
    assert_eq!(taken(&mut Leader::of(Arc::clone(&queue)), 512), [(3, 3)]);
}

#[tokio::test]
async fn a_leader_that_is_dropped_fails_all_that_wait_and_the_next_one_leads() {
    let (queue, mut leader) = queue();
    let waiting = [lane(1, 1), lane(2, 2)].map(|lane| add(&queue, lane));
    let led = leader.take(8).unwrap();
    assert!(!led.operations.is_empty());
    let late = add(&queue, lane(3, 3));
    drop((led, leader));
    for waiting in waiting.into_iter().chain([late]) {
        assert!(matches!(waiting.ended().await, Err(Failed { again: Again::Never, .. })));
    }
    assert!(add(&queue, lane(4, 4)).needs_leader);
}
