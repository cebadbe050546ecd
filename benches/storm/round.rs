//! One round of server and load.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use super::limit::{Limit, hashing_limit};
use super::load::Mode;
use super::seen::Figures;

/// One round of one mode.
pub struct Round {
    /// What server and load said.
    said: Figures,
    /// Hashes a second of the bare threads.
    limit: f64,
    /// See [`Limit::on_processor`].
    pub quiet: f64,
}

impl Round {
    /// A figure of server or load, by its name.
    pub fn of(&self, name: &str) -> f64 {
        self.said.get(name)
    }

    /// The logins as a share of the hashing limit.
    pub fn share(&self) -> f64 {
        self.of("login_200") / self.limit
    }
}

/// `limit` is what was measured before it, and becomes what is measured after it.
pub fn round(mode: Mode, seconds: u64, guesses: u64, reserved: Option<u64>, limit: &mut Limit) -> Round {
    let this = std::env::current_exe().unwrap();
    let reserved = reserved.map(|percent| percent.to_string());
    let mut server =
        Command::new(&this).arg("serve").args(reserved).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(server.stdout.take().unwrap());
    let (mut said, mut line) = (Figures::default(), String::new());
    lines.read_line(&mut line).unwrap();
    said.read(&line);
    let load = Command::new(&this)
        .args(["load", &said.get("port").to_string(), mode.name(), &seconds.to_string(), &guesses.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(load.status.success());
    said.read(&String::from_utf8(load.stdout).unwrap());
    drop(server.stdin.take());
    line.clear();
    lines.read_line(&mut line).unwrap();
    said.read(&line);
    server.wait().unwrap();
    assert_eq!(said.get("panicked"), 0.0, "a hash panicked");
    let before = std::mem::replace(limit, hashing_limit());
    Round {
        said,
        limit: f64::midpoint(before.hashes, limit.hashes),
        quiet: before.on_processor.min(limit.on_processor),
    }
}

pub fn print(mode: Mode, round: &Round) {
    let of = |name| round.of(name);
    let gets = format!("GET p50 {:.2} p99 {:.2} max {:.1} ms", of("get_p50"), of("get_p99"), of("get_max"));
    let logins = format!("login p50 {:.0} p99 {:.0} ms", of("login_p50"), of("login_p99"));
    let hashes = format!("{} hashes at once", of("peak_hashes"));
    let memory = format!("{:.1} MiB idle, {:.1} at most", of("idle_mib"), of("peak_mib"));
    let back = match mode {
        Mode::Botnet => format!(
            "{:.1} % of those that come back, p50 {:.0} p99 {:.0} ms; ",
            of("back_success") * 100.0,
            of("back_p50"),
            of("back_p99")
        ),
        _ => String::new(),
    };
    let bad = format!("{} unanswered, {} other answers", of("unanswered"), of("other"));
    match mode {
        Mode::RetryLater | Mode::RetryAtOnce => println!(
            "{:8} {:.0} logins/s = {:.2} of {:.0} hashes/s; {logins}; {gets}; {:.0} 503/s, p50 {:.0} p99 {:.0} ms; \
             {memory}; {hashes}; {bad}",
            mode.name(),
            of("login_200"),
            round.share(),
            round.limit,
            of("login_503"),
            of("login_shed_p50"),
            of("login_shed_p99"),
        ),
        Mode::HangUp => println!("{:8} at most {hashes}", mode.name()),
        Mode::Hostile | Mode::Botnet => println!(
            "{:8} {:.0} guesses/s: {:.0} 400/s, {:.0} 429/s, {:.0} 503/s, p50 {:.0} p99 {:.0} ms, {} without \
             Retry-After; {:.1} % of honest logins succeed, {logins} (before: {:.0} %, p99 {:.0} ms); {back}{gets} \
             (before: p99 {:.2} ms); {memory}; {hashes}; {bad}",
            mode.name(),
            of("guess_all"),
            of("guess_400"),
            of("guess_429"),
            of("guess_503"),
            of("guess_shed_p50"),
            of("guess_shed_p99"),
            of("without_wait"),
            of("login_success") * 100.0,
            of("calm_login_success") * 100.0,
            of("calm_login_p99"),
            of("calm_get_p99"),
        ),
    }
    std::io::stdout().flush().unwrap();
}
