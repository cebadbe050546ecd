//! A user service whose every answer a test chooses, and which notes what reaches it.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tower_password_grant::CredentialVerifier;

use super::super::world::House;
use super::directory::RemoteDirectory;
use super::questions::{Guess, Named, Question as _, StateOf};
use crate::support::faults::{Ledger, Switch};
use crate::support::protection::counted_by;

pub const GUESS: &str = Guess::PATH;
pub const FIND: &str = Named::PATH;
pub const STATE: &str = StateOf::PATH;

pub const RIGHT: &str = "correct horse";
pub const CREDENTIAL: &str = "cr3dential-of-the-endpoint";

/// What becomes of a question.
#[derive(Clone)]
pub enum Reply {
    /// These bytes.
    Bytes(String),
    /// The connection is closed, without a byte.
    Close,
    /// Nothing.
    Hang,
}

/// An answer of this status, with these header lines and this body.
pub fn answer(status: &str, lines: &str, body: &str) -> Reply {
    Reply::Bytes(format!("HTTP/1.1 {status}\r\n{lines}content-length: {}\r\n\r\n{body}", body.len()))
}

/// A question that arrived whole.
#[derive(Clone, Debug)]
pub struct Asked {
    pub head: String,
    pub path: String,
    pub question: Value,
    /// The number of the connection.
    pub connection: usize,
}

#[derive(Default)]
struct Script {
    next: HashMap<&'static str, VecDeque<Reply>>,
    always: HashMap<&'static str, Reply>,
}

impl Script {
    fn reply(&mut self, asked: &Asked) -> Reply {
        let next = self.next.get_mut(&*asked.path).and_then(VecDeque::pop_front);
        next.or_else(|| self.always.get(&*asked.path).cloned()).unwrap_or_else(|| honest(asked))
    }
}

/// The service has one user, alice.
fn honest(asked: &Asked) -> Reply {
    let text = |member: &str| asked.question[member].as_str().unwrap().to_lowercase();
    let body = match &*asked.path {
        FIND if text("name") == "alice" => json!({ "outcome": "account", "id": "17" }),
        FIND => json!({ "outcome": "nobody" }),
        GUESS if text("name") != "alice" => json!({ "outcome": "unknown_user" }),
        GUESS if text("password") != RIGHT => json!({ "outcome": "wrong_password" }),
        GUESS => json!({ "outcome": "right", "id": "17", "version": 1 }),
        STATE if text("id") == "17" => json!({ "outcome": "active", "version": 1 }),
        STATE => json!({ "outcome": "unknown_user" }),
        path => panic!("{path}"),
    };
    answer("200 OK", "", &body.to_string())
}

/// What the service and its connections share.
struct Inside {
    script: Mutex<Script>,
    asked: Mutex<Vec<Asked>>,
    news: Notify,
    hang_ups: watch::Sender<()>,
}

pub struct Scripted {
    pub address: SocketAddr,
    inside: Arc<Inside>,
    task: JoinHandle<()>,
}

impl Scripted {
    pub async fn start() -> Self {
        Self::listen(Self::down())
    }

    /// A port on which nobody listens, and which nobody else can have.
    pub fn down() -> TcpSocket {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket
    }

    pub fn listen(socket: TcpSocket) -> Self {
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let (script, asked, news, hang_ups) = Default::default();
        let inside = Arc::new(Inside { script, asked, news, hang_ups });
        let task = tokio::spawn(accept(listener, Arc::clone(&inside)));
        Self { address, inside, task }
    }

    /// The next question at this path is answered so, behind those that were said before.
    pub fn next(&self, path: &'static str, reply: Reply) {
        self.inside.script.lock().unwrap().next.entry(path).or_default().push_back(reply);
    }

    pub fn always(&self, path: &'static str, reply: Reply) {
        self.inside.script.lock().unwrap().always.insert(path, reply);
    }

    /// Closes every connection that waits for a question.
    pub fn hang_up(&self) {
        self.inside.hang_ups.send_replace(());
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.inside.asked.lock().unwrap().clone()
    }

    pub fn count(&self, path: &str) -> usize {
        self.asked().iter().filter(|asked| asked.path == path).count()
    }

    /// Waits until so many questions at this path have arrived.
    pub async fn reached(&self, path: &str, count: usize) {
        loop {
            let news = self.inside.news.notified();
            if self.count(path) >= count {
                return;
            }
            news.await;
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, inside: Arc<Inside>) {
    let mut connections = 0;
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, connections, Arc::clone(&inside)));
        connections += 1;
    }
}

/// Answers the questions of one connection, until either side closes it.
async fn serve(mut stream: TcpStream, connection: usize, inside: Arc<Inside>) {
    let mut hang_ups = inside.hang_ups.subscribe();
    let mut bytes = Vec::new();
    loop {
        let asked = tokio::select! {
            asked = read(&mut stream, &mut bytes, connection) => asked,
            _ = hang_ups.changed() => return,
        };
        let Some(asked) = asked else { return };
        inside.asked.lock().unwrap().push(asked.clone());
        let reply = inside.script.lock().unwrap().reply(&asked);
        inside.news.notify_waiters();
        match reply {
            // A caller that has read enough may be gone already.
            Reply::Bytes(text) if stream.write_all(text.as_bytes()).await.is_ok() => {}
            Reply::Bytes(_) | Reply::Close => return,
            Reply::Hang => {
                let _ = stream.read_buf(&mut bytes).await;
                return;
            }
        }
    }
}

async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>, connection: usize) -> Option<Asked> {
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let whole = end + 4 + length.parse::<usize>().unwrap();
            if bytes.len() >= whole {
                let question = serde_json::from_slice(&bytes[end + 4..whole]).unwrap();
                bytes.drain(..whole);
                let path = head.split(' ').nth(1).unwrap().to_owned();
                return Some(Asked { head, path, question, connection });
            }
        }
        if stream.read_buf(bytes).await.unwrap_or(0) == 0 {
            return None;
        }
    }
}

pub fn directory(address: SocketAddr) -> RemoteDirectory {
    RemoteDirectory::new(address.to_string().parse().unwrap(), CREDENTIAL).unwrap()
}

/// An endpoint with the default budgets, and what it charges.
pub async fn counted(users: impl CredentialVerifier) -> (House, Ledger) {
    let ledger = Ledger::new(Switch::new(), Switch::new());
    (House::with(users, counted_by(ledger.clone()), Default::default()).await, ledger)
}
