//! What the verifier adds to a bare Argon2id hash, and the memory it keeps.
//!
//! `cargo bench --bench hashing -- [--rounds 5] [--verifications 1000]`, and with `--features argon2-fast` before the `--`.
//!
//! - R6: `verify` through the whole token endpoint with an [`Argon2Verifier`] of one thread, against a bare loop of the
//!   implementation that the build has (the crate `argon2`, or `argon2-rust` with the feature) over one memory block, and
//!   against the `PasswordVerifier` of the crate `argon2`. Beside them, a bare loop of that crate.
//! - R7: resident memory after 1,000 verifications on two threads.
//!
//! `--compare 100000` measures nothing: it verifies so many random hashes of the crate `argon2`, of all variants, versions and
//! parameters, with and without secret key and associated data, by the implementation that the build has.
//!
//! Each figure comes from a child process of its own, so that no variant inherits another one's heap; the variants take
//! turns within each round, ratios are taken within a round, and the median of the rounds is given. The time is that of
//! the process' threads on the processor (from /proc), so that other work on the machine disturbs it less; the wall clock
//! is used where there is no /proc.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

#[path = "../support/bare.rs"]
mod bare;
mod compare;
#[path = "../support/users.rs"]
mod users;

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use argon2::{Argon2, Params, PasswordVerifier as _};
use bare::{Chosen, Portable};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tower::ServiceExt as _;
use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::store::{MemoryAccessTokens, UserStore};
use tower_password_grant::{Client, OpaqueIssuer, Password, PasswordGrant, PeerAddress, StaticClients, TokenEndpoint};
use users::Everybody;

const PASSWORD: &str = "correct horse battery staple";

fn endpoint(parameters: Argon2Parameters, threads: usize) -> TokenEndpoint {
    let hash = parameters.hash_blocking(&Password::new(PASSWORD.to_owned())).unwrap();
    let verifier = Argon2Verifier::builder(Everybody(hash)).parameters(parameters).threads(threads).build().unwrap();
    token_endpoint(verifier)
}

fn token_endpoint<S: UserStore>(verifier: Argon2Verifier<S>) -> TokenEndpoint {
    let client = Client::public("cli").allow_password_grant().scopes("read").default_scope("read").build().unwrap();
    PasswordGrant::builder()
        .clients(StaticClients::new([client]).unwrap())
        .verifier(verifier)
        .issuer(OpaqueIssuer::new(Arc::new(MemoryAccessTokens::new())))
        .peer_address(PeerAddress::unknown())
        .build()
        .unwrap()
        .endpoint()
}

async fn log_in(endpoint: &TokenEndpoint, user: usize) {
    assert_eq!(status(endpoint, user, PASSWORD).await, 200);
}

/// What is answered to a login.
async fn status(endpoint: &TokenEndpoint, user: usize, password: &str) -> u16 {
    let password: String = password.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let body = format!("grant_type=password&client_id=cli&username=user-{user}&password={password}");
    let request = Request::post("/oauth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    endpoint.clone().oneshot(request).await.unwrap().status().as_u16()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Nanoseconds that all threads of this process spent on the processor.
fn processor_nanos() -> Option<u64> {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        total += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(total)
}

fn resident_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find(|line| line.starts_with("VmRSS:"))?.split_whitespace().nth(1)?.parse().ok()
}

/// Milliseconds of `hashes` calls after a few that don't count.
fn time(hashes: usize, mut hash: impl FnMut()) -> f64 {
    for _ in 0..5 {
        hash();
    }
    let (start, on_processor) = (Instant::now(), processor_nanos());
    for _ in 0..hashes {
        hash();
    }
    let wall = start.elapsed().as_secs_f64() * 1e3;
    let busy = on_processor.zip(processor_nanos()).map(|(before, after)| (after - before) as f64 / 1e6);
    busy.unwrap_or(wall) / hashes as f64
}

/// One child: prints milliseconds per hash.
fn measure(variant: &str, memory: u32, passes: u32, hashes: usize) {
    let parameters = Argon2Parameters::new(memory, passes, 1).unwrap();
    let each = match variant {
        "portable" => {
            let mut bare = Portable::new(memory, passes);
            time(hashes, || {
                black_box(bare.hash(PASSWORD.as_bytes()));
            })
        }
        "chosen" => {
            let mut bare = Chosen::new(memory, passes);
            time(hashes, || {
                black_box(bare.hash(PASSWORD.as_bytes()));
            })
        }
        "PasswordVerifier" => {
            let argon2 = Argon2::from(Params::new(memory, passes, 1, None).unwrap());
            let hash = parameters.hash_blocking(&Password::new(PASSWORD.to_owned())).unwrap();
            time(hashes, || argon2.verify_password(PASSWORD.as_bytes(), hash.as_str()).unwrap())
        }
        _ => {
            let (endpoint, runtime) = (endpoint(parameters, 1), runtime());
            time(hashes, || runtime.block_on(log_in(&endpoint, 0)))
        }
    };
    println!("{each}");
}

/// One child: prints what the process holds before the verifier is built, and after 1/10, 1/2 and all verifications.
fn resident(verifications: usize) {
    let runtime = runtime();
    let base = resident_kib().unwrap_or(0);
    let endpoint = endpoint(Argon2Parameters::default(), 2);
    print!("{base}");
    let mut done = 0;
    for part in [verifications / 10, verifications / 2, verifications] {
        runtime.block_on(async {
            while done < part {
                tokio::join!(log_in(&endpoint, done), log_in(&endpoint, done + 1));
                done += 2;
            }
        });
        print!(" {}", resident_kib().unwrap_or(0));
    }
    println!();
}

fn child(arguments: &[String]) -> Vec<f64> {
    let output = Command::new(std::env::current_exe().unwrap()).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().map(|figure| figure.parse().unwrap()).collect()
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn verdict(met: bool) -> &'static str {
    if met { "met" } else { "MISSED" }
}

fn option(arguments: &[String], name: &str, default: usize) -> usize {
    let value = arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1));
    value.map_or(default, |value| value.parse().expect(name))
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments[at].parse().unwrap();
    match arguments.first().map(String::as_str) {
        Some("measure") => return measure(&arguments[1], number(2), number(3), number(4) as usize),
        Some("resident") => return resident(number(1) as usize),
        _ => {}
    }
    if let count @ 1.. = option(&arguments, "--compare", 0) {
        return compare::compare(count);
    }
    let rounds = option(&arguments, "--rounds", 5);
    for (memory, passes, hashes, limit) in [(19_456, 2, 60, 1.0), (47_104, 1, 30, 0.5)] {
        let mut figures = [const { Vec::new() }; 4];
        let (mut to_bare, mut to_verifier, mut to_portable) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..rounds {
            let each = ["chosen", "ours", "PasswordVerifier", "portable"].map(|variant| {
                child(&["measure".into(), variant.into(), memory.to_string(), passes.to_string(), hashes.to_string()])
                    [0]
            });
            to_bare.push(each[1] / each[0]);
            to_verifier.push(each[1] / each[2]);
            to_portable.push(each[1] / each[3]);
            for (all, one) in figures.iter_mut().zip(each) {
                all.push(one);
            }
        }
        let [chosen, ours, verifier, portable] = figures.map(median);
        let name = Chosen::NAME;
        println!("m={memory} KiB t={passes} p=1, ms of processor per login (median of {rounds} rounds):");
        println!(
            "  bare loop of {name} with reused memory {chosen:.2}, this crate's verifier {ours:.2}, PasswordVerifier \
             {verifier:.2}, bare loop of argon2 {portable:.2}"
        );
        let (bare, other) = (median(to_bare), median(to_verifier));
        println!("  R6 to the bare loop of {name}: {bare:.3} (at most 1.05): {}", verdict(bare <= 1.05));
        println!("  without a goal: to the bare loop of argon2: {:.3}", median(to_portable));
        println!("  R6 to PasswordVerifier: {other:.3} (at most {limit:.2}): {}", verdict(other <= limit));
    }
    let verifications = option(&arguments, "--verifications", 1000);
    let kib = child(&["resident".into(), verifications.to_string()]);
    let mib: Vec<f64> = kib.iter().map(|kib| kib / 1024.0).collect();
    let limit = mib[0] + 2.0 * 19.0 + 8.0;
    println!(
        "resident MiB on 2 threads: before {:.1}, after 1/10, 1/2 and all of {verifications}: {:.1?}",
        mib[0],
        &mib[1..]
    );
    println!("  R7: {:.1} (at most {limit:.1}): {}", mib[3], verdict(mib[3] <= limit));
    println!("  R7 flat: {:+.1} over the last half (at most 1): {}", mib[3] - mib[2], verdict(mib[3] - mib[2] <= 1.0));
}
