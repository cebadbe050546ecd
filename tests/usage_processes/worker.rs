//! A process that logs users in, and records that over a file; and its handle.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::future::poll_fn;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tower_password_grant::ClientId;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::UsageStore;
use tower_password_grant::usage::{ClientUser, Day, LoginCount, LoginWay, Usage, UsageBatch, UsageRow};

use super::process::SERVER;
use super::recount::{Batch, Login, trail_of};

/// Batches until it is killed.
pub const FOR_EVER: u32 = u32::MAX;
const LOGINS: u32 = 20;

/// Where a batch stands still, to be killed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The logins are in the trail.
    Before,
    /// The write is on its way, and waits for another transaction.
    Waiting,
    /// It waits no more, and is killed while it is written.
    AtCommit,
    Done,
}

pub const STEPS: [Step; 4] = [Step::Before, Step::Waiting, Step::AtCommit, Step::Done];

pub struct Worker {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    pub fn start(file: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process =
            command.env(SERVER, file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the worker starts");
        let (input, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut worker = Self { process, input, output };
        assert_eq!(worker.line(), "ready");
        worker
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Has so many batches of logins made and recorded, and the last one stand still at a step.
    pub fn tell(&mut self, batches: u32, step: Option<Step>) {
        let step = step.map_or(STEPS.len(), |step| STEPS.iter().position(|other| *other == step).unwrap());
        writeln!(self.input, "{batches} {step}").unwrap();
    }

    /// Until all batches are recorded.
    pub fn wait(&mut self) {
        assert_eq!(self.line(), "done");
    }

    /// SIGKILL, so long after the batch has come to stand still. Answers the number of the process.
    pub fn kill_where_it_stands(mut self, delay: Duration) -> u32 {
        assert_eq!(self.line(), "standing");
        thread::sleep(delay);
        self.kill()
    }

    /// SIGKILL. Answers the number of the process.
    pub fn kill(mut self) -> u32 {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.process.id()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The logins of this process.
struct Logins {
    process: u32,
    batches: u32,
    trail: File,
    /// What was counted so far of each client, way and day.
    counts: BTreeMap<(String, u8, u32), u64>,
}

impl Logins {
    /// Lets some users log in, and writes that into the trail, each with one write.
    fn next(&mut self) -> UsageBatch {
        self.batches += 1;
        let batch = Batch { process: self.process, number: self.batches };
        let mut rows = Vec::new();
        let mut changed = BTreeMap::new();
        for at in 0..LOGINS {
            let mixed = (self.process.wrapping_mul(31) ^ self.batches.wrapping_mul(LOGINS).wrapping_add(at))
                .wrapping_mul(0x9e37_79b9)
                >> 8;
            let login = Login {
                batch,
                client: ["app", "web"][mixed as usize % 2].to_owned(),
                user: format!("user-{}", mixed / 2 % 97),
                way: (mixed / 500 % 5) as u8,
                day: 20_500 + mixed / 4096 % 60,
            };
            self.trail.write_all(login.line().as_bytes()).unwrap();
            rows.push(row(&login));
            let key = (login.client, login.way, login.day);
            let count = self.counts.entry(key.clone()).or_default();
            *count += 1;
            changed.insert(key, *count);
        }
        let counts = changed.into_iter().map(|((client, way, day), logins)| {
            let (client, way) = (ClientId::new(&client).unwrap(), LoginWay::from_number(way).unwrap());
            LoginCount::new(client, way, true, Day::from_number(day), self.process.into(), logins)
        });
        UsageBatch::new(rows, counts.collect())
    }
}

fn row(login: &Login) -> UsageRow {
    let client = ClientId::new(&login.client).unwrap();
    let usage = Usage::new(LoginWay::from_number(login.way).unwrap(), true, Day::from_number(login.day));
    UsageRow::new(ClientUser::new(&client, None, &login.user), usage)
}

/// Records a batch, and stands still at a step for ever.
async fn stand(store: SqliteStore, file: &Path, batch: UsageBatch, step: Step) {
    let other = rusqlite::Connection::open(file).unwrap();
    let writing = store.clone();
    let mut write = Box::pin(async move { writing.record(batch).await });
    match step {
        Step::Before => {}
        Step::Done => drop(write.as_mut().await.unwrap()),
        Step::Waiting | Step::AtCommit => {
            other.execute_batch("BEGIN IMMEDIATE").unwrap();
            let is_pending = poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx).is_pending())).await;
            assert!(is_pending, "nothing held it up");
            while store.stats().waiting > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    if step == Step::AtCommit {
        drop(other);
    } else {
        std::mem::forget(other);
    }
    println!("standing");
    std::future::pending::<()>().await;
}

/// Works until the process is killed, or the one that started it is gone.
pub async fn work(file: PathBuf) {
    let store = SqliteStore::open(&file).unwrap();
    let trail = OpenOptions::new().create(true).append(true).open(trail_of(&file)).unwrap();
    let mut logins = Logins { process: std::process::id(), batches: 0, trail, counts: BTreeMap::new() };
    println!("ready");
    let (lines, mut told) = tokio::sync::mpsc::unbounded_channel();
    thread::spawn(move || {
        std::io::stdin().lines().map_while(Result::ok).for_each(|line| lines.send(line).unwrap());
        std::process::exit(1);
    });
    while let Some(line) = told.recv().await {
        let (batches, step) = line.split_once(' ').unwrap();
        for _ in 0..batches.parse::<u32>().unwrap() {
            let batch = logins.next();
            match STEPS.get(step.parse::<usize>().unwrap()) {
                Some(step) => stand(store.clone(), &file, batch, *step).await,
                None => drop(store.record(batch).await.unwrap()),
            }
        }
        println!("done");
    }
}
