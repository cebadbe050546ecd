use std::sync::mpsc;

use super::*;

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

fn pool(threads: usize, limit: Limit) -> Pool<Task> {
    Pool::start(vec![0; threads], limit, Duration::from_millis(10), None).unwrap()
}

/// Occupies every thread; they go on when the returned senders are dropped.
fn occupy(pool: &Pool<Task>) -> Vec<mpsc::Sender<()>> {
    let (began, begun) = mpsc::channel();
    let gates = (0..pool.threads()).map(|_| {
        let (gate, wait) = mpsc::channel::<()>();
        let began = began.clone();
        let task = task(move |_| {
            began.send(()).unwrap();
            let _ = wait.recv();
            0
        });
        // The answer is not waited for: the task must begin before its receiver is dropped.
        let answer = pool.submit(task).unwrap();
        begun.recv().unwrap();
        drop(answer);
        gate
    });
    gates.collect()
}

#[test]
fn never_more_jobs_run_at_once_than_there_are_threads_though_every_client_hangs_up() {
    let pool = pool(2, Limit::Jobs(1000));
    let gates = occupy(&pool);
    // The futures of both running jobs are gone, and still no third job begins.
    let kept = pool.submit(task(|_| 7)).unwrap();
    for _ in 0..100 {
        drop(pool.submit(task(|_| 0)).unwrap());
    }
    assert_eq!((pool.running(), pool.waiting()), (2, 101));
    drop(gates);
    assert_eq!(kept.blocking_recv(), Ok(7));
    assert_eq!(pool.submit(task(|_| 8)).unwrap().blocking_recv(), Ok(8));
    assert_eq!(pool.peak_running(), 2);
    assert_eq!(pool.counts().abandoned.load(Ordering::Relaxed), 100, "a job that nobody waits for is not run");
}

#[test]
fn a_job_that_panics_costs_neither_its_thread_nor_a_place_t38_t39() {
    let pool = pool(2, Limit::Jobs(10));
    for round in 0..20 {
        let panicking = pool.submit(task(|_| panic!("on purpose"))).unwrap();
        assert!(panicking.blocking_recv().is_err());
        assert_eq!(pool.submit(task(move |_| round)).unwrap().blocking_recv(), Ok(round));
    }
    let gates = occupy(&pool);
    assert_eq!(gates.len(), 2, "both threads still work");
    assert_eq!((pool.running(), pool.waiting()), (2, 0));
    drop(gates);
    assert_eq!(pool.counts().panicked.load(Ordering::Relaxed), 20);
}

#[test]
fn a_full_queue_refuses_and_says_when_it_is_drained() {
    let pool = pool(2, Limit::Jobs(4));
    let gates = occupy(&pool);
    let answers: Vec<_> = (0..4).map(|n| pool.submit(task(move |_| n)).unwrap()).collect();
    assert_eq!(pool.submit(task(|_| 0)).unwrap_err().drained_in, Duration::from_millis(20));
    drop(gates);
    let answers: Vec<_> = answers.into_iter().map(|answer| answer.blocking_recv().unwrap()).collect();
    assert_eq!(answers, [0, 1, 2, 3]);
    pool.submit(task(|_| 0)).unwrap();
}

#[test]
fn without_a_queue_an_idle_thread_still_takes_a_job() {
    let pool = pool(1, Limit::Jobs(0));
    while pool.shared.lock().idle == 0 {
        thread::yield_now();
    }
    let (gate, wait) = mpsc::channel::<()>();
    let answer = pool.submit(task(move |_| wait.recv().map_or(1, |()| 2))).unwrap();
    assert!(pool.submit(task(|_| 0)).is_err());
    drop(gate);
    assert_eq!(answer.blocking_recv(), Ok(1));
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
fn each_thread_keeps_its_memory_from_job_to_job() {
    let pool = pool(1, Limit::Jobs(10));
    let count = || {
        task(|memory| {
            *memory += 1;
            *memory
        })
    };
    for expected in 1..=5 {
        assert_eq!(pool.submit(count()).unwrap().blocking_recv(), Ok(expected));
    }
}

#[test]
fn the_threads_end_and_waiting_jobs_are_dropped_with_the_pool() {
    let pool = pool(2, Limit::Jobs(10));
    let shared = Arc::downgrade(&pool.shared);
    let gates = occupy(&pool);
    let waiting = pool.submit(task(|_| 0)).unwrap();
    drop(pool);
    assert!(waiting.blocking_recv().is_err());
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
    let pool = Pool::<Task>::start(vec![0; 3], Limit::Jobs(1), Duration::from_millis(1), Some(Arc::new(hook))).unwrap();
    let ids: std::collections::HashSet<_> = (0..3).map(|_| runs.recv().unwrap()).collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(pool.submit(task(|_| 5)).unwrap().blocking_recv(), Ok(5));
}
