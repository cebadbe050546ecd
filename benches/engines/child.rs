//! Processes beside this one: this program, started once more.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tower_password_grant::postgres::PostgresStore;
use tower_password_grant::redis::RedisStore;

use crate::{on_postgres, on_redis};

/// A process that was started, and ends with this value.
pub struct Started {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Started {
    /// Starts this program with these arguments, and waits until it is ready.
    pub fn with(arguments: &[&str]) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut started = Self { child, input, output };
        assert_eq!(started.line(), "ready");
        started
    }

    pub fn go(&mut self) {
        writeln!(self.input, "go").unwrap();
    }

    /// The next line that it says.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says that this process is ready, and waits until it is to go.
pub fn ready() {
    println!("ready");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// The store of one of several processes.
pub enum Store {
    Postgres(PostgresStore),
    Redis(RedisStore),
}

/// Opens the store that this URL leads to.
pub async fn open(url: &str) -> Store {
    if url.starts_with("redis:") {
        Store::Redis(on_redis::server::open(on_redis::server::connect(url).await).await)
    } else {
        Store::Postgres(on_postgres::server::open_pooled(url, 16).await)
    }
}
