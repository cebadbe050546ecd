//! What counting a login costs an engine over one connection: with 64 clients in one queue, as in a process, and one login after the
//! other.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tower_password_grant::limiter::AttemptRecords;

use super::logins::{Counted, Counting, limiter};
use super::measured::{Engine, median, run};
use super::options::Options;
use super::report::{Case, Goal, Report};

const CLIENTS: usize = 64;
const USERS: u64 = 100_000;
const WARM_UP: Duration = Duration::from_millis(700);

pub async fn compare<R: AttemptRecords + Clone>(
    engine: &impl Engine,
    records: R,
    name: &str,
    setting: &str,
    options: &Options,
    report: &mut Report,
) {
    let (mut queued, mut one_by_one, mut for_each_swap) = (Vec::new(), Vec::new(), Vec::new());
    let counted = Counted::new(records.clone());
    let limiter_of_all = Arc::new(limiter(counted.clone()));
    let limiter_of_one = Arc::new(limiter(records));
    for _ in 0..options.rounds {
        let swaps = || counted.calls.swaps.load(Ordering::Relaxed);
        let clients = (0..CLIENTS).map(|_| Counting::new(Arc::clone(&limiter_of_all), USERS, None)).collect();
        let before = swaps();
        let measured = run(engine, clients, WARM_UP, options.time()).await;
        for_each_swap.push(measured.all / (swaps() - before) as f64);
        queued.push(measured);
        let clients = vec![Counting::new(Arc::clone(&limiter_of_one), USERS, None)];
        one_by_one.push(run(engine, clients, WARM_UP, options.time()).await);
    }
    let case = Case { engine: name, setting, families: USERS, clients: CLIENTS, operation: "counting a login" };
    report.add(case, "queue", &queued);
    report.add(case, "one by one", &one_by_one);
    let what = |what: &str| format!("{name} {setting}, {what}");
    let commits = median(for_each_swap.into_iter());
    report.goal(&what("logins for each durable commit, 64 waiting, one connection"), commits, Goal::AtLeast(4.0));
    let ratio = median(queued.iter().zip(&one_by_one).map(|(queued, single)| queued.micros() / single.micros()));
    report.goal(&what("the engine's time for counting a login, queued, of one by one"), ratio, Goal::AtMost(0.15));
}
