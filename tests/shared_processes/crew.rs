//! The servers, as this program starts, asks and kills them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::process::SERVER;
use super::steps::Step;
use super::worker::{ENGINE, Order, TRAIL, Task, Told, micros};

/// Long after any answer should have come.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server in a process of its own.
pub struct Server {
    process: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    pub address: SocketAddr,
}

fn read_all(output: ChildStdout) -> Receiver<String> {
    let (send, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Server {
    pub fn start(url: &str, trail: Option<&Path>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(SERVER, ENGINE).env(ENGINE, url).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.envs(trail.map(|trail| (TRAIL, trail)));
        let mut process = command.spawn().expect("the server starts");
        let (input, lines) = (process.stdin.take().unwrap(), read_all(process.stdout.take().unwrap()));
        let mut server = Self { process, input, lines, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        server.address = server.line().parse().expect("the server tells where it listens");
        server
    }

    fn line(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("the server says something")
    }

    fn order(&mut self, task: Task, at: u64) {
        writeln!(self.input, "{}", serde_json::to_string(&Order { task, at }).unwrap()).unwrap();
    }

    fn told(&mut self) -> Told {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"))
    }

    /// Has the next request stand still at a step.
    pub fn trap(&mut self, step: Step) {
        self.order(Task::Trap(step), 0);
        self.told();
    }

    /// Waits until a request stands still.
    pub fn stands(&mut self) {
        assert_eq!(self.line(), "standing");
    }

    pub fn let_go(&mut self) {
        self.order(Task::LetGo, 0);
        // What stood still may say something, too.
        self.told();
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Servers over one engine.
pub fn start(servers: usize, url: &str) -> Vec<Server> {
    (0..servers).map(|_| Server::start(url, None)).collect()
}

/// Has each server do its task, all from one moment on.
pub fn at_once(servers: &mut [Server], tasks: impl IntoIterator<Item = Task>) -> Vec<Told> {
    let tasks: Vec<Task> = tasks.into_iter().collect();
    assert_eq!(tasks.len(), servers.len());
    // Enough for all of them to have read what they have to do.
    let at = micros() + 2_000;
    servers.iter_mut().zip(tasks).for_each(|(server, task)| server.order(task, at));
    servers.iter_mut().map(Server::told).collect()
}

/// How many answers had this status.
pub fn count(told: &[Told], status: u16) -> usize {
    told.iter().filter_map(|told| told.statuses.get(&status)).sum()
}

/// How many answers had another one than these.
pub fn others(told: &[Told], statuses: &[u16]) -> usize {
    let all = told.iter().flat_map(|told| &told.statuses);
    all.filter(|(status, _)| !statuses.contains(status)).map(|(_, count)| count).sum()
}
