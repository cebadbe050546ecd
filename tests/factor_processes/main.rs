//! The promises of authenticators in the SQLite file over several processes: of equal codes in two processes exactly one counts, and
//! `kill -9` at any step of a change leaves it whole or undone. No code counts twice, no factor is lost, and no user is left
//! without a way in. Once for the steps of the store, and once for the service over it.
//!
//! This program starts itself as a worker, which does over a file what its input says, and as a service. `FACTOR_RACES`
//! (default 200) is the number of rounds of each race of steps, `CRASH_KILLS_AT_EACH_STEP` (default 5) that of kills at each;
//! `FACTOR_SERVICE_RACES` (default 6) and `FACTOR_SERVICE_KILLS` (default 1) are those of requests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

#[path = "../it/support/factor_rounds.rs"]
mod factor_rounds;
mod http;
mod kept;
mod kills;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../sqlite_crash/process.rs"]
mod process;
mod service;
#[path = "../it/support/totp.rs"]
mod totp;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../sqlite_crash/trap.rs"]
mod trap;
mod worker;

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Two;
use kept::{CODES, Kept, look, prepare};
use process::Folder;
use worker::{STEPS, Step, WORKER, What, Worker, work};

fn main() {
    process::run(serve, || {
        races(process::kills("FACTOR_RACES", 200));
        kill_at_each_step(process::kills("CRASH_KILLS_AT_EACH_STEP", 5));
        service_races(process::kills("FACTOR_SERVICE_RACES", 6));
        kills::at_each_step(process::kills("FACTOR_SERVICE_KILLS", 1));
    });
}

async fn serve(file: PathBuf) {
    if std::env::var_os(WORKER).is_some() { work(file).await } else { service::serve(file).await }
}

/// Half of the rounds with the default budgets, half without any.
fn service_races(rounds: usize) {
    type Race = fn(&mut Two, usize);
    let races: [(&str, Race); 7] = [
        ("100 right codes for one challenge", factor_rounds::right_codes),
        ("one right code for 50 challenges", factor_rounds::challenges),
        ("50 codes for one challenge", factor_rounds::codes),
        ("different right codes at once", factor_rounds::different_codes),
        ("50 equal recovery codes", factor_rounds::recovery_codes),
        ("two enrolments and two confirmations", factor_rounds::enrolments),
        ("a lock or a new password between the steps", factor_rounds::changes),
    ];
    let mut services = [true, false].map(Two::new);
    for (what, race) in races {
        services.iter_mut().for_each(|service| race(service, rounds.div_ceil(2)));
        println!("ok: {rounds} rounds of requests to two processes: {what}");
    }
}

/// What happens at the same time in two processes, how often in each, and what must be there before.
const RACES: [(What, usize, Kept); 4] = [
    (What::Spend, 50, Kept::Active),
    (What::Swap, 25, Kept::Active),
    (What::Confirm, 1, Kept::Waiting),
    (What::Remove, 1, Kept::Active),
];

fn races(rounds: usize) {
    let folder = Folder::new("factor-races");
    let file = folder.file();
    let mut workers = [Worker::start(&file), Worker::start(&file)];
    for (what, calls, before) in RACES {
        for round in 0..rounds {
            let user = format!("{what:?}-{round}");
            prepare(&file, &user, before);
            workers.iter_mut().for_each(|worker| worker.tell(what, &user, calls, None));
            let won: usize = workers.iter_mut().map(Worker::answer).sum();
            assert_eq!(won, 1, "{what:?}: of {} equal calls in two processes exactly one is done", 2 * calls);
            let seen = look(&file, &user);
            match what {
                What::Spend => assert_eq!(seen.last_step, Some(worker::CODE)),
                What::Swap => assert_eq!((seen.old, seen.codes), (false, CODES), "a swap takes one code and adds one"),
                What::Confirm => assert_eq!(seen.kept(), Kept::Active),
                What::Remove | What::Enrol | What::Next => assert_eq!(seen.kept(), Kept::Nothing),
            }
        }
        println!("ok: {rounds} rounds of {} equal calls in two processes: {what:?}", 2 * calls);
    }
    for round in 0..rounds {
        let user = format!("Enrol-{round}");
        workers.iter_mut().for_each(|worker| worker.tell(What::Enrol, &user, 1, None));
        let begun: usize = workers.iter_mut().map(Worker::answer).sum();
        assert!((1..=2).contains(&begun), "{begun}");
        let seen = look(&file, &user);
        assert_eq!((seen.kept(), seen.authenticators, seen.codes), (Kept::Waiting, 2, CODES), "one enrolment is left");
    }
    println!("ok: {rounds} rounds of two enrolments in two processes: one is left");
}

/// What is killed, with what must be there before, and afterwards if it is done.
const CHANGES: [(What, Kept, Kept); 5] = [
    (What::Enrol, Kept::Nothing, Kept::Waiting),
    (What::Confirm, Kept::Waiting, Kept::Active),
    (What::Spend, Kept::Active, Kept::Active),
    (What::Swap, Kept::Active, Kept::Active),
    (What::Remove, Kept::Active, Kept::Nothing),
];

fn kill_at_each_step(kills: usize) {
    let folder = Folder::new("factor-kills");
    let file = folder.file();
    for (what, before, after) in CHANGES {
        let mut all_done = 0;
        for step in STEPS {
            for round in 0..kills {
                let user = format!("{what:?}-{step:?}-{round}");
                prepare(&file, &user, before);
                let delay = Duration::from_millis(if step == Step::AtCommit { 3 * round as u64 } else { 0 });
                let mut worker = Worker::start(&file);
                worker.tell(what, &user, 1, Some(step));
                worker.kill_where_it_stands(delay);
                all_done += usize::from(check(&file, &user, what, step, before, after));
            }
        }
        let all = kills * STEPS.len();
        println!("ok: {all} kills while {what:?} was under way: {all_done} were done whole, the others not at all");
    }
}

/// Looks at what a kill has left, and goes on as the user would. Answers whether the change was done.
fn check(file: &Path, user: &str, what: What, step: Step, before: Kept, after: Kept) -> bool {
    let seen = look(file, user);
    let is_done = match what {
        What::Spend => seen.last_step == Some(worker::CODE),
        What::Swap => !seen.old,
        What::Enrol | What::Confirm | What::Remove | What::Next => seen.kept() == after,
    };
    assert_eq!(seen.kept(), if is_done { after } else { before }, "{what:?} at {step:?} is whole or undone");
    assert!(seen.kept() == Kept::Nothing || seen.codes == CODES, "{what:?} at {step:?}: {} codes", seen.codes);
    assert!(is_done == (step == Step::Done) || step == Step::AtCommit, "{what:?} at {step:?}: done is {is_done}");

    let mut worker = Worker::start(file);
    worker.tell(what, user, 1, None);
    let answer = worker.answer();
    match what {
        // Asked again, it is done once in all.
        What::Spend | What::Swap | What::Confirm | What::Remove => assert_eq!(answer, usize::from(!is_done)),
        What::Enrol | What::Next => assert_eq!(answer, 1, "{what:?} at {step:?}: an enrolment can be begun again"),
    }
    let seen = look(file, user);
    assert_eq!(seen.kept(), after, "{what:?} at {step:?}");
    if after == Kept::Active {
        worker.tell(What::Next, user, 1, None);
        assert_eq!(worker.answer(), 1, "{what:?} at {step:?}: the next code lets the user in");
    }
    is_done
}
