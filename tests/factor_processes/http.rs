//! The client of the service, and the service over two processes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use tower_password_grant::clock::Clock as _;

use super::factor_rounds::{Ask, Reply, Service};
use super::process::{Folder, Server};
use super::service::{FileTime, People, WITHOUT_BUDGETS};

/// A connection that goes on after an answer.
struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Self(BufReader::new(stream))
    }

    fn write(&mut self, ask: &Ask) {
        let Ask { method, path, bearer, body, from } = ask;
        let kind = if bearer.is_some() { "application/json" } else { "application/x-www-form-urlencoded" };
        let bearer = bearer.as_ref().map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: as.example\r\nx-forwarded-for: {from}\r\n{bearer}\
             content-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
    }

    /// `None` if the server died meanwhile.
    fn read(&mut self) -> Option<Reply> {
        let (mut status, mut length) = (None, 0);
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end().split_once(' ') {
                None if line == "\r\n" => break,
                Some((_, rest)) if status.is_none() => status = Some(rest[..3].parse().unwrap()),
                Some(("content-length:", value)) => length = value.parse().unwrap(),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some(Reply { status: status?, json: serde_json::from_slice(&body).unwrap_or_default() })
    }
}

/// The answer to one request; `None` if the server died meanwhile.
pub fn ask(address: SocketAddr, ask: &Ask) -> Option<Reply> {
    let mut connection = Connection::open(address);
    connection.write(ask);
    connection.read()
}

/// Two processes that serve one file.
pub struct Two {
    file: PathBuf,
    servers: Vec<Server>,
    /// To the one and the other in turn.
    connections: Vec<Connection>,
    _folder: Folder,
}

impl Two {
    pub fn new(has_budgets: bool) -> Self {
        let folder = Folder::new(if has_budgets { "factor-budgets" } else { "factor-free" });
        let file = if has_budgets { folder.file() } else { folder.file().with_file_name(WITHOUT_BUDGETS) };
        FileTime::beside(&file).set(0);
        let servers = (0..2).map(|_| Server::start(&file)).collect();
        Self { file, servers, connections: Vec::new(), _folder: folder }
    }

    fn written(&mut self, asks: &[Ask]) -> &mut [Connection] {
        for number in self.connections.len()..asks.len() {
            self.connections.push(Connection::open(self.servers[number % 2].address));
        }
        let used = &mut self.connections[..asks.len()];
        used.iter_mut().zip(asks).for_each(|(connection, ask)| connection.write(ask));
        used
    }
}

impl Drop for Two {
    fn drop(&mut self) {
        self.servers.drain(..).for_each(Server::kill);
    }
}

fn read(used: &mut [Connection]) -> Vec<Reply> {
    used.iter_mut().map(|connection| connection.read().expect("an answer")).collect()
}

impl Service for Two {
    fn all(&mut self, asks: Vec<Ask>) -> Vec<Reply> {
        read(self.written(&asks))
    }

    fn all_while(&mut self, asks: Vec<Ask>, meanwhile: impl FnOnce() + Send + 'static) -> Vec<Reply> {
        let used = self.written(&asks);
        let meanwhile = thread::spawn(meanwhile);
        let replies = read(used);
        meanwhile.join().unwrap();
        replies
    }

    fn time(&self) -> Duration {
        FileTime::beside(&self.file).now().duration_since(UNIX_EPOCH).unwrap()
    }

    fn advance(&self, seconds: u64) {
        FileTime::beside(&self.file).advance(seconds);
    }

    fn has_budgets(&self) -> bool {
        !self.file.ends_with(WITHOUT_BUDGETS)
    }

    fn change(&self, name: &str, locks: bool) -> Box<dyn FnOnce() + Send> {
        change(&self.file, name, locks)
    }
}

fn change(file: &Path, name: &str, locks: bool) -> Box<dyn FnOnce() + Send> {
    let (people, name) = (People::beside(file), name.to_owned());
    Box::new(move || if locks { people.lock(&name) } else { people.change_password(&name) })
}

/// A process that serves a file, and is started again after each kill.
pub struct Alone {
    file: PathBuf,
    server: Option<Server>,
}

impl Alone {
    pub fn start(file: &Path) -> Self {
        Self { file: file.to_owned(), server: Some(Server::start(file)) }
    }

    /// Kills it where this request stands still at a step, and starts another process over the file.
    pub fn kill_at(&mut self, step: usize, request: Ask) {
        let server = self.server.take().unwrap();
        server.kill_at(step, Duration::ZERO, move |address| ask(address, &request).map(drop));
        self.server = Some(Server::start(&self.file));
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }
}

impl Service for Alone {
    fn all(&mut self, asks: Vec<Ask>) -> Vec<Reply> {
        let address = self.server.as_ref().unwrap().address;
        asks.iter().map(|one| ask(address, one).expect("an answer")).collect()
    }

    fn all_while(&mut self, asks: Vec<Ask>, meanwhile: impl FnOnce() + Send + 'static) -> Vec<Reply> {
        meanwhile();
        self.all(asks)
    }

    fn time(&self) -> Duration {
        FileTime::beside(&self.file).now().duration_since(UNIX_EPOCH).unwrap()
    }

    fn advance(&self, seconds: u64) {
        FileTime::beside(&self.file).advance(seconds);
    }

    fn has_budgets(&self) -> bool {
        true
    }

    fn change(&self, name: &str, locks: bool) -> Box<dyn FnOnce() + Send> {
        change(&self.file, name, locks)
    }
}
