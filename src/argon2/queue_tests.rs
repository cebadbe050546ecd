use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;
use crate::argon2::lane::Sharer;
use crate::argon2::places::Shares;
use crate::protocol::address::Network;
use proptest::prelude::*;

fn network(number: u8) -> Network {
    Network::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, number)))
}

fn stranger(number: u8) -> Sender {
    Sender::Stranger(Some(network(number)))
}

fn known(number: u8, account: u64) -> Sender {
    Sender::Known { network: network(number), account }
}

const NO_SHARES: Shares = Shares { of_one: usize::MAX, of_48: usize::MAX, of_account: usize::MAX };

/// So many places, of which none is reserved.
fn common(all: usize, of_one: usize) -> Places {
    Places { all, reserved: 0, reserved_shares: NO_SHARES, shares: Shares { of_one, ..NO_SHARES } }
}

/// So many places, of which so many are reserved, without shares.
fn reserved(all: usize, reserved: usize) -> Places {
    Places { all, reserved, reserved_shares: NO_SHARES, shares: NO_SHARES }
}

fn queue<J>(reserved: u8) -> Queue<J> {
    Queue::new(Percents { of_one: 25, reserved })
}

/// The number of a job that got a place, for which no other one gave its way.
fn number<J>(pushed: Result<Placed<J>, NoPlace>) -> Result<u64, NoPlace> {
    pushed.map(|placed| {
        assert!(placed.displaced.is_none());
        placed.number
    })
}

/// The jobs that are left, in the order in which they are taken.
fn drained<J>(queue: &mut Queue<J>) -> Vec<J> {
    std::iter::from_fn(|| queue.pop()).map(|waiting| waiting.job).collect()
}

#[test]
fn one_sender_has_one_share_whatever_its_addresses_look_like_t45() {
    let mut queue = queue(0);
    let places = common(10, 2);
    let of = |text: &str| Sender::Stranger(Some(Network::of(text.parse().unwrap())));
    for (text, expected) in [
        ("192.0.2.1", Ok(0)),
        ("::ffff:192.0.2.1", Ok(1)),
        ("64:ff9b::192.0.2.1", Err(NoPlace::ShareTaken)),
        ("2001:db8::1", Ok(2)),
        ("2001:db8::ffff:2", Ok(3)),
        ("2001:db8:0:0:1::3", Err(NoPlace::ShareTaken)),
        ("2001:db8:0:1::3", Ok(4)),
    ] {
        assert_eq!(number(queue.push((), of(text), places)), expected, "{text}");
    }
    let rotated = (0..100).map(|n| Network::of(IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8 << 96) | n))));
    assert!(rotated.into_iter().all(|network| queue.push((), Sender::Stranger(Some(network)), places).is_err()));
}

#[test]
fn the_networks_of_one_48_have_one_share_together_and_leave_the_rest_to_others() {
    let mut queue = queue(0);
    let places = Places::new(100, Percents { of_one: 25, reserved: 0 }, 0);
    let of_48 = |around: u128, subnet: u128| {
        let bits = (0x2001_0db8 << 96) | around << 80 | subnet << 64;
        Sender::Stranger(Some(Network::of(IpAddr::V6(Ipv6Addr::from_bits(bits)))))
    };
    let taken: Vec<_> = (0..1000).filter_map(|subnet| number(queue.push((), of_48(1, subnet), places)).ok()).collect();
    assert_eq!(taken.len(), 50);
    assert_eq!(number(queue.push((), of_48(1, 0), places)), Err(NoPlace::ShareTaken));
    for other in [of_48(2, 0), stranger(1), Sender::Stranger(None)] {
        assert!(queue.push((), other, places).is_ok(), "{other:?}");
    }
    // A place that is given up may be taken again from any of its networks, but not twice.
    queue.withdraw(taken[7]).unwrap();
    assert!(queue.push((), of_48(1, 2000), places).is_ok());
    assert_eq!(number(queue.push((), of_48(1, 2001), places)), Err(NoPlace::ShareTaken));
    drained(&mut queue);
    assert_eq!(queue.common.counted(Sharer::One(network(1))), (0, 0));
}

#[test]
fn nobody_is_refused_for_the_share_of_no_address() {
    let mut queue = queue(50);
    for expected in 0..10 {
        assert_eq!(number(queue.push((), Sender::Stranger(None), common(10, 2))), Ok(expected));
    }
    assert_eq!(number(queue.push((), Sender::Stranger(None), common(10, 2))), Err(NoPlace::Full));
}

#[test]
fn reserved_places_are_lent_and_the_job_that_came_last_gives_its_way() {
    let (mut queue, places) = (queue(50), reserved(8, 4));
    for job in 0..8 {
        assert_eq!(number(queue.push(job, stranger(1), places)), Ok(job));
    }
    assert_eq!(number(queue.push(8, stranger(2), places)), Err(NoPlace::Full), "all places are lent");
    for (job, displaced) in [(10, 7), (11, 6), (12, 5), (13, 4)] {
        let placed = queue.push(job, known(2, job), places).ok().unwrap();
        assert_eq!(placed.displaced.map(|waiting| waiting.job), Some(displaced));
    }
    assert_eq!((queue.len(), queue.reserved_len()), (8, 4));
    // The other half stays with the others: the next one waits with them, and they are as many as they may be.
    assert_eq!(number(queue.push(14, known(3, 14), places)), Err(NoPlace::Full));
    assert_eq!(drained(&mut queue), [10, 0, 11, 1, 12, 2, 13, 3]);
}

#[test]
fn what_does_not_fit_into_the_reserved_part_waits_as_a_stranger_does() {
    let (mut queue, places) = (queue(50), reserved(8, 2));
    for job in 0..8 {
        assert_eq!(number(queue.push(job, known(1, job), places)), Ok(job));
    }
    assert_eq!((queue.len(), queue.reserved_len()), (8, 2));
    assert_eq!(number(queue.push(8, known(1, 8), places)), Err(NoPlace::Full));
    assert_eq!(drained(&mut queue), [0, 2, 1, 3, 4, 5, 6, 7]);
}

#[test]
fn an_account_has_two_reserved_places_and_an_address_its_share_of_them() {
    let places = Places::new(160, Percents { of_one: 25, reserved: 50 }, 0);
    // One account from many addresses, one address with many accounts: each fills its share and waits with strangers then.
    let mut queue = queue(50);
    for address in 0..40 {
        queue.push((), known(address, 7), places).ok().unwrap();
    }
    assert_eq!((queue.reserved_len(), queue.len()), (2, 40));
    for account in 100..160 {
        queue.push((), known(200, account), places).ok().unwrap();
    }
    assert_eq!((queue.reserved_len(), queue.len()), (2 + 20, 100));
    assert_eq!(number(queue.push((), known(200, 160), places)), Err(NoPlace::ShareTaken), "it has both its shares");
    assert!(queue.push((), known(201, 8), places).is_ok_and(|placed| placed.displaced.is_none()));
    assert_eq!(queue.reserved_len(), 23);
}

#[test]
fn a_stranger_takes_no_share_from_the_known_of_its_own_address() {
    let (mut queue, places) = (queue(50), Places::new(80, Percents { of_one: 25, reserved: 50 }, 0));
    while queue.push((), stranger(1), places).is_ok() {}
    assert_eq!(queue.len(), 20);
    assert!(queue.push((), known(1, 1), places).is_ok());
    assert_eq!(queue.reserved_len(), 1);
}

#[test]
fn both_lanes_are_served_by_their_part_and_what_one_does_not_need_the_other_has() {
    for (percent, taken) in [(50, 50), (20, 21), (75, 76), (90, 91)] {
        let (mut queue, places) = (queue(percent), reserved(400, 200));
        (0..200).for_each(|account| drop(queue.push(true, known(1, account), places)));
        (0..200).for_each(|_| drop(queue.push(false, stranger(1), places)));
        let reserved = (0..100).filter(|_| queue.pop().unwrap().job).count();
        assert!((taken - 1..=taken).contains(&reserved), "{percent}: {reserved}");
    }
    // The first one after a while of none is next.
    let (mut queue, places) = (queue(50), reserved(400, 200));
    (0..100).for_each(|_| drop(queue.push(0, stranger(1), places)));
    (0..10).for_each(|_| assert_eq!(queue.pop().map(|waiting| waiting.job), Some(0)));
    drop(queue.push(1, known(1, 1), places));
    drop(queue.push(2, known(1, 2), places));
    assert_eq!([(); 4].map(|()| queue.pop().map(|waiting| waiting.job)), [Some(1), Some(0), Some(2), Some(0)]);
}

#[test]
fn neither_lane_starves_the_other_however_many_come_to_it() {
    let (mut queue, places) = (queue(50), reserved(16, 8));
    let (mut turns, mut served) = (0..1000, [0, 0]);
    while turns.next().is_some() {
        while queue.push(0, stranger(1), places).is_ok() {}
        while queue.reserved_len() < 8 {
            queue.push(1, known(1, 1), places).ok().unwrap();
        }
        served[queue.pop().unwrap().job] += 1;
    }
    assert_eq!(served, [500, 500]);
}

#[test]
fn without_a_reserved_part_the_known_are_strangers() {
    let (mut queue, places) = (queue(0), Places::new(8, Percents { of_one: 100, reserved: 0 }, 0));
    for job in 0..8 {
        let sender = if job % 2 == 0 { known(1, job) } else { stranger(1) };
        assert_eq!(number(queue.push(job, sender, places)), Ok(job));
    }
    assert_eq!(number(queue.push(8, known(2, 8), places)), Err(NoPlace::Full));
    assert_eq!(drained(&mut queue), (0..8).collect::<Vec<_>>());
}

#[derive(Clone, Debug)]
enum Step {
    Push(Option<u8>, Option<u64>),
    Pop,
    Withdraw(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let push = (prop::option::weighted(0.9, 0..4_u8), prop::option::of(0..3_u64));
    let step = prop_oneof![
        4 => push.prop_map(|(of, account)| Step::Push(of, account)),
        1 => Just(Step::Pop),
        1 => (0..60_u64).prop_map(Step::Withdraw),
    ];
    prop::collection::vec(step, 0..200)
}

/// A job of the model: its number, its address, and its account if it waits on a reserved place.
type Job = (u64, Option<u8>, Option<u64>);

/// Where one more job waits, and the number of the one that gives its way.
fn place(model: &[Job], of: Option<u8>, account: Option<u64>) -> Result<(Option<u64>, Option<u64>), NoPlace> {
    let is_full = model.len() >= 12;
    let count = |is: &dyn Fn(&Job) -> bool| model.iter().filter(|job| is(job)).count();
    let fits = count(&|job| job.2.is_some()) < 5
        && count(&|job| job.1 == of && job.2.is_some()) < 3
        && count(&|job| job.2 == account) < 2;
    if let (Some(_), Some(account), true) = (of, account, fits) {
        let newest = model.iter().filter(|job| job.2.is_none()).map(|job| job.0).max();
        return Ok((Some(account), newest.filter(|_| is_full)));
    }
    if is_full {
        return Err(NoPlace::Full);
    }
    let is_taken = of.is_some() && count(&|job| job.1 == of && job.2.is_none()) >= 4;
    if is_taken { Err(NoPlace::ShareTaken) } else { Ok((None, None)) }
}

proptest! {
    #[test]
    fn jobs_leave_in_the_order_they_came_and_the_counts_are_those_of_the_jobs_that_wait(steps in steps()) {
        let mut queue = queue(40);
        let mut model: Vec<Job> = Vec::new();
        let mut due = 60;
        let places = Places {
            all: 12,
            reserved: 5,
            reserved_shares: Shares { of_one: 3, of_48: 12, of_account: 2 },
            shares: Shares { of_one: 4, of_48: 12, of_account: 0 },
        };
        for step in steps {
            match step {
                Step::Push(of, account) => {
                    let expected = place(&model, of, account);
                    let next = queue.next;
                    let sender = match (of, account) {
                        (Some(of), Some(account)) => known(of, account),
                        _ => Sender::Stranger(of.map(network)),
                    };
                    let pushed = queue.push(of, sender, places);
                    let pushed = pushed.map(|placed| (placed.number, placed.displaced.map(|waiting| waiting.number)));
                    prop_assert_eq!(pushed, expected.map(|(_, displaced)| (next, displaced)));
                    if let Ok((account, displaced)) = expected {
                        model.retain(|job| Some(job.0) != displaced);
                        model.push((next, of, account));
                    }
                }
                Step::Pop => {
                    let first = |reserved: bool| model.iter().position(|job| job.2.is_some() == reserved);
                    let at = match (first(true), first(false)) {
                        // Nobody else waits, so it is nobody's turn.
                        (reserved, None) => reserved,
                        (reserved, common) => {
                            due += 40;
                            let is_turn = due >= 100 && reserved.is_some();
                            due = if is_turn { due - 100 } else { due };
                            due = if reserved.is_none() { due.min(60) } else { due };
                            if is_turn { reserved } else { common }
                        }
                    };
                    let expected = at.map(|at| model.remove(at)).map(|job| (job.0, job.1));
                    prop_assert_eq!(queue.pop().map(|waiting| (waiting.number, waiting.job)), expected);
                }
                Step::Withdraw(number) => {
                    let at = model.iter().position(|job| job.0 == number);
                    let expected = at.map(|at| model.remove(at)).map(|job| (job.0, job.1));
                    prop_assert_eq!(queue.withdraw(number).map(|waiting| (waiting.number, waiting.job)), expected);
                }
            }
            prop_assert_eq!(queue.len(), model.len());
            for (lane, is_reserved) in [(&queue.reserved, true), (&queue.common, false)] {
                let mut counts = BTreeMap::new();
                for (_, of, account) in model.iter().filter(|job| job.2.is_some() == is_reserved) {
                    let sharers = of.map(|of| (0, u64::from(of))).into_iter().chain(account.map(|account| (1, account)));
                    sharers.for_each(|sharer| *counts.entry(sharer).or_insert(0_usize) += 1);
                }
                let of_each = counts.len();
                for ((kind, of), count) in counts {
                    let sharer = if kind == 0 { Sharer::One(network(of as u8)) } else { Sharer::Account(of) };
                    prop_assert_eq!(lane.counted(sharer), (of_each, count));
                }
                prop_assert_eq!(lane.len(), model.iter().filter(|job| job.2.is_some() == is_reserved).count());
            }
        }
    }
}
