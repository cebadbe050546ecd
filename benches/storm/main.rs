//! A storm of logins, and what the host's other route sees of it.
//!
//! `cargo bench --bench storm -- [--rounds 3] [--seconds 6] [--guesses 0] [--reserved 50] [--only botnet]`
//!
//! With `--features argon2-fast` before the `--` by the faster implementation of Argon2, in server and hashing limit alike.
//!
//! The server is axum on 2 tokio workers with the layer over an `Argon2Verifier`, all with their defaults (m=19456 KiB, t=2,
//! p=1, a thread for each core, a queue of at most 1 second and a quarter of it for each address, refusals held 100 ms, every
//! limit of the attack protection on). The load comes through one proxy that names its clients' addresses in
//! `X-Forwarded-For`; each client has one of its own.
//!
//! The storm: 200 keep-alive connections log in as fast as they are answered, each time as another user. Modes: a client that
//! gets 503 tries again after 100 ms; tries again at once; and, for S6 only, 20 of the connections hang up in the middle of
//! their logins.
//!
//! The attacks: 200 honest clients log in 20 times a second in all, whether or not they are answered (open loop), with the
//! right password and without a second try; 3 seconds alone, to compare with, then beside guessers. Every guess is another
//! password for another name, so that the budgets of accounts are no help. Modes: one hostile address guesses on 50
//! connections as fast as it is answered, or at most `--guesses` times a second if that is not 0 (G20); 1,000 hostile
//! addresses guess 5 times a second each, open loop, over 100 HTTP/2 connections (G21). Beside those, 40 honest clients that
//! come back log in 20 times a second in all, each as its own user, which it does in the seconds alone, too: the queue has a
//! reserved part for them (G22), `--reserved` percent of it. A botnet of that size has its share of the rest, so what honest
//! logins from new addresses get beside it has no goal. `--only botnet` runs that alone, some 14 seconds for each round.
//!
//! In all of them a probe sends 400 `GET /` a second over 8 connections, open loop, timed from when each was due.
//!
//! Server and load are processes of their own, so that the resident memory is the server's alone and no runtime is shared.
//! They do share the machine's cores: what the load takes (for some ten thousand guesses a second as much as the server) is
//! missing from the logins, and the probe's times include the wait of the probe itself for a core. The hashing limit, bare
//! threads on every core with reused memory, is measured by the parent right before and right after each round, while
//! nothing else of this benchmark runs, and averaged.
//!
//! The listener's backlog is 1024 and connections are opened one after the other: with the 128 of `TcpListener::bind`, a
//! burst of 200 connects overflows it, and each lost one costs a second of SYN retries that have nothing to do with the
//! hashing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

mod attack;
#[path = "../support/bare.rs"]
mod bare;
mod client;
mod goals;
mod limit;
mod load;
mod probe;
mod round;
mod seen;
mod server;
#[path = "../support/users.rs"]
mod users;

use std::time::Duration;

use attack::{BOTS, HONEST_PER_SECOND, HOSTILE};
use goals::{Rounds, judge, judge_botnet};
use limit::hashing_limit;
use load::{LOGINS, Mode, WARM_UP, load};
use round::{print, round};
use server::serve;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("serve") => return serve(arguments.get(1).map(|percent| percent.parse().unwrap())),
        Some("load") => {
            let seconds = Duration::from_secs(arguments[3].parse().unwrap());
            let fastest = arguments[4].parse().unwrap();
            return load(arguments[1].parse().unwrap(), Mode::named(&arguments[2]), seconds, fastest);
        }
        _ => {}
    }
    let text = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)
    };
    let option = |name: &str| text(name).map(|value| value.parse::<u64>().expect(name));
    let rounds = option("--rounds").unwrap_or(3);
    let (seconds, guesses) = (option("--seconds").unwrap_or(6), option("--guesses").unwrap_or(0));
    let reserved = option("--reserved");
    let is_botnet_only = text("--only").is_some_and(|mode| mode == Mode::Botnet.name());
    println!("{LOGINS} connections, m=19456 KiB t=2 p=1, {rounds} rounds of {seconds} s after {} s", WARM_UP.as_secs());
    println!(
        "attacks: {HONEST_PER_SECOND} honest logins/s beside 1 address on {HOSTILE} connections, or {BOTS} addresses"
    );
    let mut all = Rounds::default();
    let mut limit = hashing_limit();
    let mut run = |mode, seconds, rounds: &mut Vec<_>| {
        let round = round(mode, seconds, guesses, reserved, &mut limit);
        print(mode, &round);
        rounds.push(round);
    };
    if is_botnet_only {
        (0..rounds).for_each(|_| run(Mode::Botnet, seconds, &mut all.botnet));
        return judge_botnet(&all.botnet);
    }
    for _ in 0..rounds {
        run(Mode::RetryLater, seconds, &mut all.later);
        run(Mode::RetryAtOnce, seconds, &mut all.at_once);
        run(Mode::Hostile, seconds, &mut all.hostile);
        run(Mode::Botnet, seconds, &mut all.botnet);
    }
    run(Mode::HangUp, seconds.min(3), &mut all.rude);
    judge(&all);
}
