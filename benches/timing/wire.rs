//! A keep-alive connection, blocking: the times of an asynchronous client would be those of its runtime too.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// No answer takes this long; it turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What the client can see of an answer, besides its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Connection {
    pub fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream, buffer: Vec::with_capacity(4096) }
    }

    pub fn send(&mut self, request: &[u8]) {
        self.stream.write_all(request).unwrap();
    }

    /// The next answer, to its last byte.
    pub fn receive(&mut self) -> Answer {
        self.buffer.clear();
        loop {
            if let Some(answer) = self.parse() {
                return answer;
            }
            let mut part = [0; 4096];
            let read = self.stream.read(&mut part).unwrap();
            assert!(read > 0, "closed before the answer ended");
            self.buffer.extend_from_slice(&part[..read]);
        }
    }

    /// Milliseconds to the last byte of the answer.
    pub fn exchange(&mut self, request: &[u8]) -> (f64, Answer) {
        let start = Instant::now();
        self.send(request);
        let answer = self.receive();
        (start.elapsed().as_secs_f64() * 1e3, answer)
    }

    fn parse(&self) -> Option<Answer> {
        let text = std::str::from_utf8(&self.buffer).unwrap();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (body.len() == length).then(|| Answer { status, body: body.to_owned() })
    }
}

/// A form post, as it stands on the wire.
pub fn post(path: &str, form: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{form}",
        form.len()
    )
    .into_bytes()
}

/// A password request of a public client.
pub fn login(path: &str, client: &str, user: &str, password: &str) -> Vec<u8> {
    post(path, &form(client, user, password))
}

pub fn form(client: &str, user: &str, password: &str) -> String {
    format!("grant_type=password&client_id={client}&username={user}&password={password}")
}
