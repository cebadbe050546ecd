//! The load: keep-alive connections that send the sample again as soon as it was answered.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::server::Server;
use super::support::{BASIC, BODY, PATH};

/// What one turn of one server cost.
#[derive(Clone, Copy, Default)]
pub struct Measured {
    requests: u64,
    cpu_nanos: u64,
    seconds: f64,
}

impl Measured {
    pub fn cpu_micros(&self) -> f64 {
        self.cpu_nanos as f64 / self.requests as f64 / 1000.0
    }

    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.seconds
    }
}

/// Loads `server` for about `time`.
pub fn run(server: &Server, connections: usize, time: Duration) -> Measured {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut streams = Vec::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(server.address).await.expect("the server accepts connections");
            stream.set_nodelay(true).unwrap();
            streams.push(stream);
        }
        let (start, cpu) = (Instant::now(), server.cpu_nanos());
        let end = start + time;
        let mut clients: JoinSet<_> = streams.into_iter().map(|stream| client(stream, end)).collect();
        let mut requests = 0;
        while let Some(done) = clients.join_next().await {
            requests += done.unwrap().expect("every request is answered 200");
        }
        let cpu_nanos = server.cpu_nanos() - cpu;
        assert!(requests > 0, "the server answered");
        Measured { requests, cpu_nanos, seconds: start.elapsed().as_secs_f64() }
    })
}

/// Sends requests over one connection until `end`; gives their number.
async fn client(mut stream: TcpStream, end: Instant) -> io::Result<u64> {
    let request = format!(
        "POST {PATH} HTTP/1.1\r\nHost: server.example.com\r\nAuthorization: {BASIC}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let mut buffer = vec![0; 4096];
    let mut answered = 0;
    while Instant::now() < end {
        stream.write_all(request.as_bytes()).await?;
        let mut filled = 0;
        loop {
            let read = stream.read(&mut buffer[filled..]).await?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += read;
            if is_complete(&buffer[..filled])? {
                break;
            }
        }
        answered += 1;
    }
    Ok(answered)
}

/// Whether this is a whole response; an error if it is not one with tokens.
fn is_complete(response: &[u8]) -> io::Result<bool> {
    let text = std::str::from_utf8(response).map_err(io::Error::other)?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(false) };
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(io::Error::other(text.to_owned()));
    }
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.and_then(|(_, value)| value.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    if body.len() < length {
        return Ok(false);
    }
    if !body.contains("access_token") {
        return Err(io::Error::other(text.to_owned()));
    }
    Ok(true)
}

pub fn move_to_core(core: usize) {
    pin(std::process::id(), core);
}

/// Pins a process to one core, where that can be done; says so where it cannot.
pub fn pin(process: u32, core: usize) {
    let status = Command::new("taskset")
        .args(["-p", "-c", &core.to_string(), &process.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !status.is_ok_and(|status| status.success()) {
        eprintln!("not pinned to core {core}: `taskset` is missing or there is no such core");
    }
}
