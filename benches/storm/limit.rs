//! What the machine can hash.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::bare::Chosen;

/// What the machine can hash, without server and load.
#[derive(Clone, Copy)]
pub struct Limit {
    /// Hashes a second of bare threads with memory of their own.
    pub hashes: f64,
    /// The part of its time that such a thread spent on a processor; less than all of it means that something else is
    /// running on this machine.
    pub on_processor: f64,
}

/// Nanoseconds that the calling thread spent on a processor.
fn thread_nanos() -> Option<f64> {
    std::fs::read_to_string("/proc/thread-self/schedstat").ok()?.split_whitespace().next()?.parse().ok()
}

/// Measured with a thread for each core.
pub fn hashing_limit() -> Limit {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let stop = Arc::new(AtomicBool::new(false));
    let workers: Vec<_> = (0..threads)
        .map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let mut bare = Chosen::new(19_456, 2);
                let mut hashes = 0.0;
                let (start, before) = (Instant::now(), thread_nanos());
                while !stop.load(Ordering::Relaxed) {
                    black_box(bare.hash(b"correct"));
                    hashes += 1.0;
                }
                let wall = start.elapsed().as_secs_f64();
                let busy = before.zip(thread_nanos()).map_or(wall, |(before, after)| (after - before) / 1e9);
                Limit { hashes: hashes / wall, on_processor: busy / wall / threads as f64 }
            })
        })
        .collect();
    thread::sleep(Duration::from_secs(2));
    stop.store(true, Ordering::Relaxed);
    workers.into_iter().map(|worker| worker.join().unwrap()).fold(
        Limit { hashes: 0.0, on_processor: 0.0 },
        |sum, one| Limit { hashes: sum.hashes + one.hashes, on_processor: sum.on_processor + one.on_processor },
    )
}
