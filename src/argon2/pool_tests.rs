use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::AtomicU64;
use std::sync::mpsc;

use super::*;
use crate::protocol::address::Network;

type Call = Box<dyn FnOnce(&mut u32) -> u32 + Send>;

struct Task(Call);

impl Work for Task {
    type Memory = u32;
    type Answer = u32;

    fn run(self, memory: &mut u32) -> u32 {
        (self.0)(memory)
    }
}

fn task(call: impl FnOnce(&mut u32) -> u32 + Send + 'static) -> Task {
    Task(Box::new(call))
}

/// One without a share and a deadline.
fn pool(threads: usize, jobs: Limit) -> Pool<Task> {
    pool_within(threads, Limits { jobs, percents: Percents { of_one: 100, reserved: 0 }, deadline: Duration::MAX })
}

fn pool_within(threads: usize, limits: Limits) -> Pool<Task> {
    Pool::start(vec![0; threads], limits, Duration::from_millis(10), None).unwrap()
}

fn submit(pool: &Pool<Task>, call: impl FnOnce(&mut u32) -> u32 + Send + 'static) -> Result<Ticket<Task>, NoPlace> {
    pool.submit(task(call), Sender::Stranger(None))
}

fn submit_of(pool: &Pool<Task>, host: u8, answer: u32) -> Result<Ticket<Task>, NoPlace> {
    pool.submit(task(move |_| answer), Sender::Stranger(Some(network(host))))
}

fn submit_known(pool: &Pool<Task>, host: u8, answer: u32) -> Result<Ticket<Task>, NoPlace> {
    let sender = Sender::Known { network: network(host), account: answer.into() };
    pool.submit(task(move |_| answer), sender)
}

fn network(host: u8) -> Network {
    Network::of(IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)))
}

/// Blocks until the answer is there.
fn answer(ticket: Ticket<Task>) -> Result<u32, Undone> {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(ticket)
}

fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// Occupies every thread; they go on when the returned senders are dropped.
fn occupy(pool: &Pool<Task>) -> Vec<mpsc::Sender<()>> {
    let (began, begun) = mpsc::channel();
    let gates = (0..pool.threads()).map(|_| {
        let (gate, wait) = mpsc::channel::<()>();
        let began = began.clone();
        let call = move |_: &mut u32| {
            began.send(()).unwrap();
            let _ = wait.recv();
            0
        };
        // The answer is not waited for: the task must begin before its ticket is dropped.
        let ticket = submit(pool, call).unwrap();
        begun.recv().unwrap();
        drop(ticket);
        gate
    });
    gates.collect()
}

#[test]
fn never_more_jobs_run_at_once_than_there_are_threads_though_every_client_hangs_up() {
    let pool = pool(2, Limit::Jobs(1000));
    let gates = occupy(&pool);
    // The futures of both running jobs are gone, and still no third job begins.
    let kept = submit(&pool, |_| 7).unwrap();
    for _ in 0..100 {
        drop(submit(&pool, |_| 0).unwrap());
    }
    assert_eq!((pool.running(), pool.waiting()), (2, 1), "a job that nobody waits for holds no place");
    drop(gates);
    assert_eq!(answer(kept), Ok(7));
    assert_eq!(answer(submit(&pool, |_| 8).unwrap()), Ok(8));
    assert_eq!(pool.peak_running(), 2);
    assert_eq!(count(&pool.counts().abandoned), 100, "and is not run");
}

#[test]
fn a_job_that_panics_costs_neither_its_thread_nor_a_place_t38_t39() {
    let pool = pool(2, Limit::Jobs(10));
    for round in 0..20 {
        let panicking = submit(&pool, |_| panic!("on purpose")).unwrap();
        assert_eq!(answer(panicking), Err(Undone::Lost));
        assert_eq!(answer(submit(&pool, move |_| round).unwrap()), Ok(round));
    }
    let gates = occupy(&pool);
    assert_eq!(gates.len(), 2, "both threads still work");
    assert_eq!((pool.running(), pool.waiting()), (2, 0));
    drop(gates);
    assert_eq!(count(&pool.counts().panicked), 20);
}

#[test]
fn a_full_queue_refuses_and_says_when_it_is_drained() {
    let pool = pool(2, Limit::Jobs(4));
    let gates = occupy(&pool);
    let tickets: Vec<_> = (0..4).map(|n| submit(&pool, move |_| n).unwrap()).collect();
    assert_eq!(submit(&pool, |_| 0).err(), Some(NoPlace::Full));
    assert_eq!((count(&pool.counts().refused), count(&pool.counts().refused_by_share)), (1, 0));
    assert_eq!(pool.drained_in(), Duration::from_millis(20));
    drop(gates);
    let answers: Vec<_> = tickets.into_iter().map(|ticket| answer(ticket).unwrap()).collect();
    assert_eq!(answers, [0, 1, 2, 3]);
    submit(&pool, |_| 0).unwrap();
}

#[test]
fn without_a_queue_an_idle_thread_still_takes_a_job() {
    let pool = pool(1, Limit::Jobs(0));
    while pool.shared.lock().idle == 0 {
        thread::yield_now();
    }
    let (gate, wait) = mpsc::channel::<()>();
    let ticket = submit(&pool, move |_| wait.recv().map_or(1, |()| 2)).unwrap();
    assert_eq!(submit(&pool, |_| 0).err(), Some(NoPlace::Full));
    drop(gate);
    assert_eq!(answer(ticket), Ok(1));
}

#[test]
fn the_queue_holds_what_is_done_within_its_time_and_follows_the_measured_time() {
    let pool = pool(2, Limit::Time(Duration::from_secs(1)));
    assert_eq!(pool.capacity(), 200);
    for _ in 0..200 {
        pool.counts().note(Duration::from_millis(100));
    }
    assert_eq!(pool.capacity(), 20);
    for _ in 0..200 {
        pool.counts().note(Duration::from_secs(60));
    }
    assert_eq!(pool.capacity(), 1, "a job may always wait");
    for _ in 0..1000 {
        pool.counts().note(Duration::ZERO);
    }
    assert_eq!(pool.capacity(), LONGEST);
}

#[test]
fn one_job_that_is_kept_from_the_processor_takes_no_more_than_a_third_of_the_places() {
    let pool = pool(2, Limit::Time(Duration::from_secs(1)));
    pool.counts().note(Duration::from_secs(3));
    assert!((140..200).contains(&pool.capacity()), "{}", pool.capacity());
    // But if all take so long, it is soon known.
    (0..30).for_each(|_| pool.counts().note(Duration::from_secs(3)));
    assert_eq!(pool.capacity(), 1);
}

#[test]
fn each_thread_keeps_its_memory_from_job_to_job() {
    let pool = pool(1, Limit::Jobs(10));
    let count_up = |memory: &mut u32| {
        *memory += 1;
        *memory
    };
    for expected in 1..=5 {
        assert_eq!(answer(submit(&pool, count_up).unwrap()), Ok(expected));
    }
}

#[test]
fn the_threads_end_and_waiting_jobs_are_dropped_with_the_pool() {
    let pool = pool(2, Limit::Jobs(10));
    let shared = Arc::downgrade(&pool.shared);
    let gates = occupy(&pool);
    let waiting = submit(&pool, |_| 0).unwrap();
    drop(pool);
    assert_eq!(answer(waiting), Err(Undone::Lost));
    drop(gates);
    while shared.strong_count() > 0 {
        thread::yield_now();
    }
}

#[test]
fn a_start_hook_runs_in_each_thread_and_its_panic_stops_none() {
    let (ran, runs) = mpsc::channel();
    let hook = move || {
        ran.send(thread::current().id()).unwrap();
        panic!("on purpose")
    };
    let limits =
        Limits { jobs: Limit::Jobs(1), percents: Percents { of_one: 100, reserved: 0 }, deadline: Duration::MAX };
    let pool = Pool::<Task>::start(vec![0; 3], limits, Duration::from_millis(1), Some(Arc::new(hook))).unwrap();
    let ids: HashSet<_> = (0..3).map(|_| runs.recv().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(answer(submit(&pool, |_| 5).unwrap()), Ok(5));
}

#[test]
fn jobs_are_done_in_the_order_they_came_whoever_sent_them() {
    let limits =
        Limits { jobs: Limit::Jobs(40), percents: Percents { of_one: 50, reserved: 50 }, deadline: Duration::MAX };
    let pool = pool_within(1, limits);
    let gates = occupy(&pool);
    let (done, order) = mpsc::channel();
    let mut tickets: Vec<_> = (0..30)
        .map(|number| {
            let done = done.clone();
            let call = move |_: &mut u32| {
                done.send(number).unwrap();
                number
            };
            let network = network([1, 1, 2][number as usize % 3]);
            pool.submit(task(call), Sender::Stranger((number % 5 > 0).then_some(network))).unwrap()
        })
        .collect();
    // Somebody in the middle hangs up.
    drop(tickets.remove(7));
    drop(gates);
    drop(done);
    let expected: Vec<u32> = (0..30).filter(|number| *number != 7).collect();
    for (ticket, number) in tickets.into_iter().zip(&expected) {
        assert_eq!(answer(ticket), Ok(*number));
    }
    assert_eq!(order.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn one_address_has_its_share_of_the_queue_and_leaves_the_rest_to_others() {
    let limits =
        Limits { jobs: Limit::Jobs(8), percents: Percents { of_one: 25, reserved: 50 }, deadline: Duration::MAX };
    let pool = pool_within(2, limits);
    let gates = occupy(&pool);
    let mut tickets: Vec<_> = (0..2).map(|n| submit_of(&pool, 1, n).unwrap()).collect();
    for _ in 0..100 {
        assert_eq!(submit_of(&pool, 1, 0).err(), Some(NoPlace::ShareTaken));
    }
    for host in 2..=4 {
        tickets.extend((0..2).map(|n| submit_of(&pool, host, n).unwrap()));
    }
    assert_eq!(submit_of(&pool, 5, 0).err(), Some(NoPlace::Full));
    assert_eq!((count(&pool.counts().refused_by_share), count(&pool.counts().refused)), (100, 1));
    // A place that is given up may be taken again, by its address too, but not twice.
    drop(tickets.remove(0));
    tickets.push(submit_of(&pool, 1, 0).unwrap());
    assert!(submit_of(&pool, 1, 0).is_err());
    drop(gates);
    for ticket in tickets {
        answer(ticket).unwrap();
    }
    assert_eq!(pool.peak_running(), 2);
    assert_eq!(count(&pool.counts().abandoned), 1);
}

#[test]
fn the_known_get_in_past_a_full_queue_and_are_next_while_the_last_stranger_gives_its_way() {
    let limits =
        Limits { jobs: Limit::Jobs(8), percents: Percents { of_one: 100, reserved: 50 }, deadline: Duration::MAX };
    let pool = pool_within(1, limits);
    let gates = occupy(&pool);
    let mut strangers: Vec<_> = (0..8).map(|host| submit_of(&pool, host, 0).unwrap()).collect();
    let known: Vec<_> = (0..4).map(|host| submit_known(&pool, host, 1).map(|ticket| (host, ticket))).collect();
    // Two reserved places at a time are all that one account has.
    assert_eq!(known.iter().filter(|ticket| ticket.is_ok()).count(), 2);
    assert_eq!((pool.waiting(), pool.waiting_reserved(), pool.reserved()), (8, 2, 4));
    for displaced in strangers.split_off(6) {
        assert_eq!(answer(displaced), Err(Undone::Displaced));
    }
    assert_eq!(count(&pool.counts().displaced), 2);
    // A place that is given up is free, also for strangers.
    let mut known: Vec<_> = known.into_iter().flatten().collect();
    drop(known.pop());
    assert_eq!((pool.waiting(), pool.waiting_reserved()), (7, 1));
    strangers.push(submit_of(&pool, 9, 0).unwrap());
    drop(gates);
    for (_, ticket) in known {
        assert_eq!(answer(ticket), Ok(1));
    }
    for ticket in strangers {
        assert_eq!(answer(ticket), Ok(0));
    }
    assert_eq!((count(&pool.counts().displaced), count(&pool.counts().abandoned)), (2, 1));
}

#[test]
fn jobs_on_reserved_places_are_dropped_with_the_pool_and_survive_a_panic_of_another() {
    let pool = pool_within(
        1,
        Limits { jobs: Limit::Jobs(8), percents: Percents { of_one: 100, reserved: 50 }, deadline: Duration::MAX },
    );
    let gates = occupy(&pool);
    let sender = |account| Sender::Known { network: network(1), account };
    let panicking = pool.submit(task(|_| panic!("on purpose")), sender(1)).unwrap();
    let after = submit_known(&pool, 1, 2).unwrap();
    drop(gates);
    assert_eq!((answer(panicking), answer(after)), (Err(Undone::Lost), Ok(2)));
    let gates = occupy(&pool);
    let waiting = submit_known(&pool, 1, 3).unwrap();
    drop(pool);
    assert_eq!(answer(waiting), Err(Undone::Lost));
    drop(gates);
}

#[test]
fn a_job_that_waited_longer_than_the_deadline_is_not_done_and_the_next_one_is() {
    let limits = Limits {
        jobs: Limit::Jobs(8),
        percents: Percents { of_one: 100, reserved: 0 },
        deadline: Duration::from_secs(2),
    };
    let pool = pool_within(1, limits);
    let gates = occupy(&pool);
    let old: Vec<_> = (0..3).map(|_| submit(&pool, |_| panic!("it must not run")).unwrap()).collect();
    thread::sleep(Duration::from_millis(2001));
    let fresh = submit(&pool, |_| 7).unwrap();
    drop(gates);
    for ticket in old {
        assert_eq!(answer(ticket), Err(Undone::Expired));
    }
    assert_eq!(answer(fresh), Ok(7));
    assert_eq!((count(&pool.counts().expired), count(&pool.counts().panicked)), (3, 0));
}
