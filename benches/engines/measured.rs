//! What an engine did in a stretch of time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

/// An engine whose work is counted.
pub trait Engine: Sync {
    /// The processor time that it has taken so far.
    fn processor(&self) -> Duration;

    /// The bytes that it has written into its log so far.
    fn log(&self) -> impl Future<Output = u64> + Send;
}

/// What a client does, one after the other.
pub trait Client: Send + 'static {
    /// One operation.
    fn once(&mut self) -> impl Future<Output = ()> + Send;
}

/// The moment at which a stretch of time begins or ends.
#[derive(Clone, Copy)]
pub struct Moment {
    at: Instant,
    processor: Duration,
    log: u64,
}

impl Moment {
    pub async fn of(engine: &impl Engine) -> Self {
        let log = engine.log().await;
        Self { at: Instant::now(), processor: engine.processor(), log }
    }

    /// What was done since an earlier one.
    pub fn since(self, earlier: Self, operations: f64) -> Measured {
        Measured {
            operations,
            all: operations,
            seconds: (self.at - earlier.at).as_secs_f64(),
            processor: self.processor.saturating_sub(earlier.processor),
            log: self.log.saturating_sub(earlier.log),
        }
    }
}

#[derive(Clone, Copy)]
pub struct Measured {
    operations: f64,
    /// With those before and after the stretch of time.
    pub all: f64,
    seconds: f64,
    processor: Duration,
    log: u64,
}

impl Measured {
    pub fn per_second(&self) -> f64 {
        self.operations / self.seconds
    }

    /// The engine's processor time for each operation, in microseconds.
    pub fn micros(&self) -> f64 {
        self.processor.as_secs_f64() * 1e6 / self.operations
    }

    /// The bytes of log for each operation.
    pub fn bytes(&self) -> f64 {
        self.log as f64 / self.operations
    }
}

/// Operations of which each is two that were measured one by one.
pub fn one_after_the_other(first: Measured, second: Measured) -> Measured {
    // So many of both, as if each had taken its share of the time.
    let operations = 1.0 / (1.0 / first.per_second() + 1.0 / second.per_second());
    let each = |of: fn(&Measured) -> f64| of(&first) + of(&second);
    Measured {
        operations,
        all: operations,
        seconds: 1.0,
        processor: Duration::from_secs_f64(each(Measured::micros) * operations / 1e6),
        log: (each(Measured::bytes) * operations) as u64,
    }
}

/// Has clients at work, each as fast as it is answered, and counts for so long once they have warmed up.
pub async fn run<C: Client>(engine: &impl Engine, clients: Vec<C>, warm_up: Duration, time: Duration) -> Measured {
    let (done, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut tasks = JoinSet::new();
    for mut client in clients {
        let (done, is_over) = (Arc::clone(&done), Arc::clone(&is_over));
        tasks.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                client.once().await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    sleep(warm_up).await;
    let (begin, before) = (Moment::of(engine).await, done.load(Ordering::Relaxed));
    sleep(time).await;
    let (end, after) = (Moment::of(engine).await, done.load(Ordering::Relaxed));
    is_over.store(true, Ordering::Relaxed);
    tasks.join_all().await;
    Measured { all: done.load(Ordering::Relaxed) as f64, ..end.since(begin, (after - before) as f64) }
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
