//! One round of server and load, and what the rounds together say of the goals.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::thread;

use super::limit::hashing_limit;
use super::load::Mode;

fn figures(line: &str) -> Vec<f64> {
    line.split_whitespace().map(|figure| figure.parse().unwrap()).collect()
}

/// One round of one mode.
pub struct Round {
    share: f64,
    logins: f64,
    refused: f64,
    login_p50: f64,
    login_p99: f64,
    get_p50: f64,
    get_p99: f64,
    get_max: f64,
    unanswered: f64,
    other: f64,
    idle_mib: f64,
    peak_mib: f64,
    pub peak_hashes: f64,
    threads: f64,
    queue_millis: f64,
    /// See [`Limit::on_processor`].
    quiet: f64,
}

pub fn round(mode: Mode, seconds: u64) -> Round {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let limit_before = hashing_limit(cores);
    let this = std::env::current_exe().unwrap();
    let mut server = Command::new(&this).arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let hello = figures(&line);
    let load = Command::new(&this)
        .args(["load", &hello[0].to_string(), mode.name(), &seconds.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(load.status.success());
    let load = figures(&String::from_utf8(load.stdout).unwrap());
    drop(server.stdin.take());
    line.clear();
    said.read_line(&mut line).unwrap();
    let bye = figures(&line);
    server.wait().unwrap();
    assert_eq!(bye[5], 0.0, "a hash panicked");
    let limit_after = hashing_limit(cores);
    let limit = f64::midpoint(limit_before.hashes, limit_after.hashes);
    Round {
        share: load[0] / limit,
        logins: load[0],
        refused: load[1],
        login_p50: load[2],
        login_p99: load[3],
        get_p50: load[4],
        get_p99: load[5],
        get_max: load[6],
        unanswered: load[7],
        other: load[8],
        idle_mib: hello[1] / 1024.0,
        peak_mib: bye[0] / 1024.0,
        peak_hashes: bye[1],
        threads: bye[2],
        quiet: limit_before.on_processor.min(limit_after.on_processor),
        queue_millis: bye[3] * bye[4] / bye[2],
    }
}

pub fn print(mode: Mode, round: &Round) {
    println!(
        "{:8} {:.0} logins/s = {:.2} of {:.0} hashes/s; login p50 {:.0} p99 {:.0} ms; GET p50 {:.2} p99 {:.2} max {:.1} ms; \
         {:.0} 503/s; {:.1} MiB idle, {:.1} at most; {} hashes at once; {} unanswered, {} other answers",
        mode.name(),
        round.logins,
        round.share,
        round.logins / round.share,
        round.login_p50,
        round.login_p99,
        round.get_p50,
        round.get_p99,
        round.get_max,
        round.refused,
        round.idle_mib,
        round.peak_mib,
        round.peak_hashes,
        round.unanswered,
        round.other
    );
    std::io::stdout().flush().unwrap();
}

pub fn judge(later: &[Round], at_once: &[Round], rude: &[Round]) {
    let quiet = later.iter().chain(at_once).map(|round| round.quiet).fold(f64::MAX, f64::min);
    if quiet < 0.97 {
        println!(
            "the machine was not quiet (bare threads got {quiet:.2} of their cores): S1, S2, S3 and S5 say little"
        );
    }
    let median = |rounds: &[Round], of: fn(&Round) -> f64| {
        let mut figures: Vec<f64> = rounds.iter().map(of).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let most = |rounds: &[Round], of: fn(&Round) -> f64| rounds.iter().map(of).fold(f64::MIN, f64::max);
    let say =
        |goal: &str, figure: String, met: bool| println!("{goal}: {figure}: {}", if met { "met" } else { "MISSED" });
    let both = || later.iter().chain(at_once);

    let share = median(later, |round| round.share);
    say("S1 logins/s of the hashing limit, at least 0.90", format!("{share:.2}"), share >= 0.90);
    let p99 = median(later, |round| round.get_p99);
    say("S2 GET p99 meanwhile, at most 5 ms", format!("{p99:.2} ms"), p99 <= 5.0);
    let (share, p99) = (median(at_once, |round| round.share), median(at_once, |round| round.get_p99));
    let met = share >= 0.80 && p99 <= 10.0;
    say("S3 clients that retry at once: at least 0.80 and p99 at most 10 ms", format!("{share:.2}, {p99:.2} ms"), met);
    let peak = both().map(|round| round.peak_mib).fold(f64::MIN, f64::max);
    let growth = both().map(|round| round.peak_mib - round.idle_mib).fold(f64::MIN, f64::max);
    let met = growth <= 16.0 && peak <= 64.0;
    say("S4 peak memory, at most idle + 16 MiB and 64 MiB", format!("idle {growth:+.1}, {peak:.1} MiB"), met);
    let ratio = median(later, |round| round.login_p99 / round.queue_millis);
    say("S5 login p99 of those admitted, at most 1.3 of queue x time / threads", format!("{ratio:.2}"), ratio <= 1.3);
    let hashes = most(later, |round| round.peak_hashes).max(most(at_once, |round| round.peak_hashes));
    let hashes = hashes.max(most(rude, |round| round.peak_hashes));
    let threads = rude[0].threads;
    let figure = format!("{hashes} of {threads}");
    say("S6 hashes at once, hang-ups included, never more than threads", figure, hashes <= threads);
    let unanswered: f64 = both().map(|round| round.unanswered).sum();
    let other: f64 = both().map(|round| round.other).sum();
    let met = unanswered == 0.0 && other == 0.0;
    say("S7 requests without an answer, or with another than 200 and 503", format!("{unanswered}, {other}"), met);
}
