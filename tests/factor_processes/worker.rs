//! A process that does over a file what its input says, and its handle.

use std::future::poll_fn;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{AuthenticatorId, Enrolled, FactorStore as _, Removed, SecretDigest};

use super::kept::{app_of, code, enrolment, now, unique, user};
use super::process::SERVER;

/// What a worker is told from a service by.
pub const WORKER: &str = "FACTOR_WORKER";

/// The step whose code everybody types, and the next one.
pub const CODE: u64 = 70;
const NEXT: u64 = 71;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Enrol,
    Confirm,
    Spend,
    Swap,
    Remove,
    /// Spends the next code.
    Next,
}

const ALL: [What; 6] = [What::Enrol, What::Confirm, What::Spend, What::Swap, What::Remove, What::Next];

/// Where a change stands still, to be killed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Before,
    /// The write is on its way, and waits for another transaction.
    Waiting,
    /// It waits no more, and is killed while it is written.
    AtCommit,
    Done,
}

pub const STEPS: [Step; 4] = [Step::Before, Step::Waiting, Step::AtCommit, Step::Done];

/// A worker in a process of its own.
pub struct Worker {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Worker {
    pub fn start(file: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process = command
            .env(SERVER, file)
            .env(WORKER, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker starts");
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

    /// Has a change of a user made so many times at once, and stand still at a step.
    pub fn tell(&mut self, what: What, user: &str, calls: usize, step: Option<Step>) {
        let what = ALL.iter().position(|other| *other == what).unwrap();
        let step = step.map_or(STEPS.len(), |step| STEPS.iter().position(|other| *other == step).unwrap());
        writeln!(self.input, "{what} {user} {calls} {step}").unwrap();
    }

    /// How many calls made the change.
    pub fn answer(&mut self) -> usize {
        self.line().parse().expect("a number")
    }

    /// SIGKILL, so long after the change has come to stand still.
    pub fn kill_where_it_stands(mut self, delay: Duration) {
        assert_eq!(self.line(), "standing");
        thread::sleep(delay);
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A change that is made with the first poll and its commit.
struct Change {
    store: SqliteStore,
    what: What,
    name: String,
    app: Option<AuthenticatorId>,
}

impl Change {
    async fn new(store: &SqliteStore, what: What, name: &str) -> Self {
        Self { store: store.clone(), what, name: name.to_owned(), app: app_of(store, name).await }
    }

    /// Makes it, and answers whether it was made by this call.
    async fn make(self) -> bool {
        let Self { store, what, name, app } = self;
        let user = user(&name);
        match (what, &app) {
            (What::Enrol, _) => store.enrol(user, enrolment(&name), now()).await.unwrap() == Enrolled::Begun,
            (What::Swap, _) => {
                let new = SecretDigest::of(&unique().to_string());
                store.swap_recovery_code(user, &code(&name, 0), &new).await.unwrap()
            }
            (What::Confirm, Some(app)) => store.confirm(user, app, true, now()).await.unwrap(),
            (What::Spend, Some(app)) => store.spend_step(user, app, CODE).await.unwrap(),
            (What::Next, Some(app)) => store.spend_step(user, app, NEXT).await.unwrap(),
            (What::Remove, Some(app)) => store.remove(user, app, false).await.unwrap() == Removed::Gone,
            (_, None) => false,
        }
    }

    /// Makes it, and stands still at a step for ever.
    async fn stand(self, file: &Path, step: Step) {
        let store = self.store.clone();
        let other = rusqlite::Connection::open(file).unwrap();
        let mut change = Box::pin(self.make());
        match step {
            Step::Before => {}
            Step::Done => assert!(change.as_mut().await),
            Step::Waiting | Step::AtCommit => {
                other.execute_batch("BEGIN IMMEDIATE").unwrap();
                let is_pending = poll_fn(|cx| Poll::Ready(change.as_mut().poll(cx).is_pending())).await;
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
}

/// Works until the process is killed, or the one that started it is gone.
pub async fn work(file: PathBuf) {
    let store = SqliteStore::open(&file).unwrap();
    println!("ready");
    let (lines, mut told) = tokio::sync::mpsc::unbounded_channel();
    thread::spawn(move || {
        std::io::stdin().lines().map_while(Result::ok).for_each(|line| lines.send(line).unwrap());
        std::process::exit(1);
    });
    while let Some(line) = told.recv().await {
        let words: Vec<&str> = line.split(' ').collect();
        let [what, name, calls, step] = words[..] else { panic!("{line}") };
        let (what, calls): (What, usize) = (ALL[what.parse::<usize>().unwrap()], calls.parse().unwrap());
        if let Some(step) = STEPS.get(step.parse::<usize>().unwrap()) {
            Change::new(&store, what, name).await.stand(&file, *step).await;
        }
        let mut changes = Vec::new();
        for _ in 0..calls {
            changes.push(Change::new(&store, what, name).await);
        }
        let calls: Vec<_> = changes.into_iter().map(|change| tokio::spawn(change.make())).collect();
        let mut won = 0_usize;
        for call in calls {
            won += usize::from(call.await.unwrap());
        }
        println!("{won}");
    }
}
