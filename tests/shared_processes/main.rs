//! The promises of the stores in PostgreSQL and Redis over several processes, and through faults, over real engines that are made
//! for this program: races over two and four processes; a proxy that drops, delays, cuts and swallows at each call; SIGKILL of
//! servers and engines at each step of a request and at random under load.
//!
//! This program starts itself as a server. Without the programs of an engine it says loudly that its part was skipped;
//! `REQUIRE_POSTGRES=1` and `REQUIRE_REDIS=1` make that a failure. How much it does (`full_run` does all of it):
//!
//! | Variable | Default | |
//! |---|---|---|
//! | `SHARED_PARTS` | `races,calls,kills` | what is done; `losses` prints what weaker settings lose |
//! | `SHARED_ENGINES` | `postgres,redis` | over which engines |
//! | `SHARED_GUESS_ROUNDS` | 10 | rounds of 200 guesses at once, half of them over two processes and half over four |
//! | `SHARED_REFRESH_ROUNDS` | 20 | the same of 64 refreshes of one token |
//! | `SHARED_ROUNDS` | 3 | of each other race |
//! | `SHARED_CHECKS` | 0 | 1: calls that only check a connection are delayed and swallowed, too |
//! | `SHARED_STEP_KILLS` | 1 | kills of a server at each step |
//! | `SHARED_ENGINE_STEPS` | 4 | steps at which the engine is killed, of all |
//! | `SHARED_KILLS` | 4 | kills at random under load |
//! | `SHARED_LOSSES` | 3 | runs of each loss |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

mod calls;
mod clients;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../examples/cluster.rs"]
mod cluster;
mod crew;
mod endpoint;
mod engine;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../redis/events.rs"]
mod events;
mod kills;
mod load;
mod losses;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../sqlite_crash/process.rs"]
mod process;
mod proxy;
mod races;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../it/support/refresh_token.rs"]
mod refresh_token;
mod rig;
mod rows;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../redis/server.rs"]
mod server;
mod steps;
mod syncs;
mod worker;
mod written;

use std::thread;

use engine::{Engine, SOUND, Store};
use kills::Kills;
use races::Races;
use tower_password_grant::postgres::PostgresStore;
use tower_password_grant::redis::RedisStore;

fn main() {
    let serve = |_| async { worker::work(&std::env::var(worker::ENGINE).unwrap()).await };
    process::run(serve, || {
        let engines: [fn(); 2] = [|| block_on(of_postgres()), || block_on(of_redis())];
        // Most of the time each waits for something.
        let engines = engines.map(thread::spawn);
        let failed = engines.into_iter().filter_map(|engine| engine.join().err()).count();
        assert_eq!(failed, 0, "engines over which a promise was broken");
    });
}

fn block_on(all: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(all);
}

/// Whether a word is among those of this variable.
fn has(variable: &str, default: &str, word: &str) -> bool {
    let words = std::env::var(variable).unwrap_or_else(|_| default.to_owned());
    words.split(',').any(|other| other == word)
}

fn part(name: &str) -> bool {
    has("SHARED_PARTS", "races,calls,kills", name)
}

fn of_engine(name: &str) -> bool {
    has("SHARED_ENGINES", "postgres,redis", name)
}

async fn of_postgres() {
    if !of_engine("postgres") {
        return;
    }
    if part("losses") {
        losses::of_postgres().await;
    }
    if has_promises()
        && let Some(engine) = Engine::postgres("postgres")
    {
        let store = PostgresStore::open(&engine.url(), SOUND).await;
        over(&engine, store).await;
    }
}

async fn of_redis() {
    if !of_engine("redis") {
        return;
    }
    if part("losses") {
        losses::of_redis().await;
    }
    if has_promises()
        && let Some(engine) = Engine::redis("redis")
    {
        let store = RedisStore::open(&engine.url(), SOUND).await;
        over(&engine, store).await;
    }
}

fn has_promises() -> bool {
    ["races", "calls", "kills"].into_iter().any(part)
}

/// A conflict is an answer: the log of the server has no line of one.
fn quiet(engine: &Engine) {
    let Engine::Postgres(server) = engine else { return };
    let log = server.log();
    let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR:") || line.contains("PANIC:")).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

async fn over<S: Store>(engine: &Engine, store: S) {
    if part("races") {
        Races { title: engine.title(), url: engine.url(), store: store.clone() }.run().await;
        quiet(engine);
    }
    if part("calls") {
        calls::all(engine, &store).await;
    }
    if part("kills") {
        let folder = process::Folder::new(engine.title());
        let kills = Kills { engine, store, trail: folder.file().with_extension("trail") };
        kills.at_each_step().await;
        kills.at_random(process::kills("SHARED_KILLS", 4)).await;
    }
}
