//! The promises of the ledger's rows in the SQLite file over several processes, against a recount of their audit trails: the counts
//! of two processes add up, and `kill -9` at any step leaves a batch whole or undone. So no row is torn, no count is ever above the
//! trail's, and after a process that ended cleanly they are equal. A process with the layer and its ledger that is killed has written
//! the beginning of its trail.
//!
//! This program starts itself as a worker: it writes each login into its trail, as an audit sink would, and then records them in
//! batches over the file. `CRASH_KILLS_AT_EACH_STEP` (default 5) is the number of kills at each step, `CRASH_KILLS` (default 40)
//! that at random times, of two processes each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::arithmetic_side_effects, missing_docs, unreachable_pub)]

mod ledger;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "../sqlite_crash/process.rs"]
mod process;
mod recount;
mod worker;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use process::{Folder, kills};
use recount::{Batch, Recount, in_file, reported, trail};
use worker::{FOR_EVER, STEPS, Step, Worker, work};

fn main() {
    let run = |file| async move { if ledger::is_wanted() { ledger::serve(file).await } else { work(file).await } };
    process::run(run, || {
        cleanly();
        at_each_step(kills("CRASH_KILLS_AT_EACH_STEP", 5));
        at_random_times(kills("CRASH_KILLS", 40));
        ledger::is_killed(kills("CRASH_KILLS", 40));
    });
}

/// Two processes that write at the same time, and end when they are done.
fn cleanly() {
    let folder = Folder::new("usage-clean");
    let file = folder.file();
    let mut workers = [Worker::start(&file), Worker::start(&file)];
    workers.iter_mut().for_each(|worker| worker.tell(100, None));
    workers.iter_mut().for_each(Worker::wait);
    let recounted = Recount::of(&trail(&file), &BTreeSet::new());
    assert_eq!(in_file(&file), recounted, "the file is what the trails of both say");
    assert_eq!(reported(&file), recounted.all_logins());
    println!("ok: {} logins of two processes are counted as in their trails", recounted.all_logins());
}

fn at_each_step(kills: usize) {
    let folder = Folder::new("usage-steps");
    let file = folder.file();
    let mut lost = BTreeSet::new();
    for step in STEPS {
        let mut done = 0;
        for round in 0..kills {
            let mut worker = Worker::start(&file);
            worker.tell(2, None);
            worker.wait();
            let delay = Duration::from_millis(if step == Step::AtCommit { 2 * round as u64 } else { 0 });
            worker.tell(1, Some(step));
            let process = worker.kill_where_it_stands(delay);
            let is_done = settle(&file, &mut lost, &[process]) == 0;
            done += usize::from(is_done);
            assert!(is_done == (step == Step::Done) || step == Step::AtCommit, "{step:?}: done is {is_done}");
        }
        println!("ok: {kills} kills at {step:?}: {done} batches were recorded as a whole, the others not at all");
    }
    // What was lost stays lost, and nothing else was.
    let mut worker = Worker::start(&file);
    worker.tell(5, None);
    worker.wait();
    assert_eq!(in_file(&file), Recount::of(&trail(&file), &lost));
}

fn at_random_times(kills: usize) {
    let folder = Folder::new("usage-random");
    let file = folder.file();
    let (mut lost, mut undone) = (BTreeSet::new(), 0);
    for round in 0..kills as u64 {
        let mut workers = [Worker::start(&file), Worker::start(&file)];
        workers.iter_mut().for_each(|worker| worker.tell(FOR_EVER, None));
        std::thread::sleep(Duration::from_micros(3_000 + round * 7_919 % 40_000));
        undone += settle(&file, &mut lost, &workers.map(Worker::kill));
    }
    let recounted = Recount::of(&trail(&file), &BTreeSet::new());
    let counted = in_file(&file).all_logins();
    assert!(counted <= recounted.all_logins());
    println!(
        "ok: {kills} kills of two processes at random times: of {} logins {counted} are counted, {undone} batches undone, none torn",
        recounted.all_logins(),
    );
}

/// Finds out which of the last batches of these processes were recorded: each as a whole, or not at all. Answers how many were not,
/// and adds them to what is `lost`.
fn settle(file: &Path, lost: &mut BTreeSet<Batch>, killed: &[u32]) -> usize {
    let (trail, seen) = (trail(file), in_file(file));
    let last = |process: u32| trail.iter().map(|login| login.batch).filter(|batch| batch.process == process).max();
    let last: Vec<Batch> = killed.iter().filter_map(|process| last(*process)).collect();
    for choice in 0..1_u32 << last.len() {
        let undone = last.iter().enumerate().filter(|(at, _)| choice >> at & 1 == 1).map(|(_, batch)| *batch);
        let missing: BTreeSet<Batch> = lost.iter().copied().chain(undone).collect();
        if seen == Recount::of(&trail, &missing) {
            let before = lost.len();
            *lost = missing;
            return lost.len() - before;
        }
    }
    panic!("a row or a count is of a part of a batch: {seen:?}");
}
