//! Everybody from one address, through one process and through three: the hottest record there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tower_password_grant::limiter::AttemptRecords;

use super::child::{Started, Store, open, ready};
use super::logins::{Calls, Counted, Counting, limiter};
use super::measured::median;
use super::options::Options;
use super::report::{Goal, Report};
use super::{on_postgres, on_redis};

const PROCESSES: usize = 3;
const CLIENTS: usize = 32;

pub async fn on_all(options: &Options, report: &mut Report) {
    if options.has_engine("postgres") {
        let server = on_postgres::server::Server::start().await;
        drop(on_postgres::server::open_pooled(&server.url(), 1).await);
        compare("postgres", &server.url(), options, report);
    }
    if options.has_engine("redis") {
        let server = on_redis::server::Server::start().await;
        for setting in ["everysec", "always"] {
            server.set_log(setting).await;
            compare(&format!("redis {setting}"), &server.redis.url(), options, report);
        }
    }
}

fn compare(name: &str, url: &str, options: &Options, report: &mut Report) {
    let (mut shares, mut smallest, mut errors) = (Vec::new(), Vec::new(), 0.0);
    for _ in 0..options.rounds {
        let alone = count(url, 1, options);
        let together = count(url, PROCESSES, options);
        let sum = |all: &[Counts], of: fn(&Counts) -> f64| all.iter().map(of).sum::<f64>();
        let (one, three) = (sum(&alone, |counts| counts.logins), sum(&together, |counts| counts.logins));
        let of_swaps = |all: &[Counts]| {
            let conflicts = sum(all, |counts| counts.conflicts);
            100.0 * conflicts / (conflicts + sum(all, |counts| counts.swaps))
        };
        shares.push(three / one);
        smallest.push(together.iter().map(|counts| counts.logins / three).fold(f64::MAX, f64::min));
        errors += sum(&alone, |counts| counts.errors) + sum(&together, |counts| counts.errors);
        println!(
            "{name}, one address: {:.0} logins a second through one process, {:.0} through {PROCESSES} ({:?}); swaps too late: \
             {:.0} %, {:.0} %",
            one / options.seconds as f64,
            three / options.seconds as f64,
            together.iter().map(|counts| counts.logins).collect::<Vec<_>>(),
            of_swaps(&alone),
            of_swaps(&together),
        );
    }
    let what = |what: &str| format!("{name}, one address, {PROCESSES} processes x {CLIENTS} clients, {what}");
    report.goal(&what("together, of one process"), median(shares.into_iter()), Goal::AtLeast(0.8));
    report.goal(&what("errors"), errors, Goal::AtMost(0.0));
    report.goal(&what("smallest part of a process"), median(smallest.into_iter()), Goal::AtLeast(0.2));
}

/// What a process did.
struct Counts {
    logins: f64,
    errors: f64,
    swaps: f64,
    conflicts: f64,
}

fn count(url: &str, processes: usize, options: &Options) -> Vec<Counts> {
    let seconds = options.seconds.to_string();
    let start = |number: usize| Started::with(&["--child", "crowd", url, &number.to_string(), &seconds]);
    let mut all: Vec<Started> = (0..processes).map(start).collect();
    all.iter_mut().for_each(Started::go);
    let counts = all.iter_mut().map(|process| {
        let line = process.line();
        let numbers: Vec<f64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
        let [logins, errors, swaps, conflicts] = numbers[..] else { panic!("{line}") };
        Counts { logins, errors, swaps, conflicts }
    });
    counts.collect()
}

/// One of the processes.
pub async fn child(url: &str, number: &str, seconds: u64) {
    match open(url).await {
        Store::Postgres(store) => log_in(store, number, seconds).await,
        Store::Redis(store) => log_in(store, number, seconds).await,
    }
}

async fn log_in<R: AttemptRecords>(records: R, number: &str, seconds: u64) {
    let counted = Counted::new(records);
    let calls = Arc::clone(&counted.calls);
    let limiter = Arc::new(limiter(counted));
    ready();
    let (is_over, is_counted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (logins, errors) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut tasks = JoinSet::new();
    for client in 0..CLIENTS {
        let (is_over, is_counted) = (Arc::clone(&is_over), Arc::clone(&is_counted));
        let (logins, errors) = (Arc::clone(&logins), Arc::clone(&errors));
        let mut counting = Counting::new(Arc::clone(&limiter), 1, Some([192, 0, 2, 7].into()));
        let user = format!("user-{number}-{client}");
        tasks.spawn(async move {
            while !is_over.load(Ordering::Relaxed) {
                let is_done = counting.login(Some(&user)).await.is_ok();
                if is_counted.load(Ordering::Relaxed) {
                    let count = if is_done { &logins } else { &errors };
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    tokio::time::sleep(Duration::from_millis(700)).await;
    let swaps = |calls: &Calls| [&calls.swaps, &calls.conflicts].map(|count| count.load(Ordering::Relaxed));
    let before = swaps(&calls);
    is_counted.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    is_counted.store(false, Ordering::Relaxed);
    let after = swaps(&calls);
    let (logins, errors) = (logins.load(Ordering::Relaxed), errors.load(Ordering::Relaxed));
    println!("{logins} {errors} {} {}", after[0] - before[0], after[1] - before[1]);
    is_over.store(true, Ordering::Relaxed);
    tasks.join_all().await;
}
