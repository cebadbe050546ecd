//! An hour of mixed traffic over two processes, on PostgreSQL and on Redis at the same time: what grows?
//!
//! Tokens live for one minute and logins for four, so that after five minutes as much ends as begins. From then on nothing may grow.

mod samples;
mod traffic;

use std::time::{Duration, Instant};

use super::child::Started;
use super::options::Options;
use super::{on_postgres, on_redis};
use samples::{Samples, look};
pub use traffic::child;

/// How often it is looked at.
pub const PERIOD: Duration = Duration::from_secs(5);
/// Until as much ends as begins, in seconds.
const STEADY: f64 = 300.0;

pub async fn run(options: &Options) {
    let postgres = on_postgres::server::Server::start().await;
    drop(on_postgres::server::open_pooled(&postgres.url(), 1).await);
    let redis = on_redis::server::Server::start().await;
    redis.set_log("everysec").await;
    let urls = format!("{} {}", postgres.url(), redis.redis.url());
    let mut processes = [0, 1].map(|number: usize| Started::with(&["--child", "soak", &urls, &number.to_string()]));
    processes.iter_mut().for_each(Started::go);
    let (start, end) = (Instant::now(), Duration::from_secs(60 * options.minutes));
    let mut samples = Samples::new(options.csv.clone());
    while start.elapsed() < end {
        // Both say at the same time what they did.
        let lines = tokio::task::block_in_place(|| [0, 1].map(|number: usize| processes[number].line()));
        let ids = [0, 1].map(|number: usize| processes[number].id());
        let sample = look(&postgres, &redis, ids, &lines).await;
        samples.add(start.elapsed().as_secs_f64(), sample);
    }
    samples.print_slopes(STEADY);
}
