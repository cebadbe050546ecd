//! The probe of the other route.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::client::{Answer, PATIENCE};
use super::seen::Phase;

const PROBES: usize = 8;
const PROBES_PER_SECOND: u32 = 400;

/// Asks until the last phase ends. A blocking thread for each connection: tokio's timer has steps of a millisecond, which
/// is more than what is measured here.
pub fn probe(server: SocketAddr, phases: &[Phase]) -> Vec<JoinHandle<()>> {
    let one = |index| {
        let phases = phases.to_vec();
        thread::spawn(move || probe_on_one_connection(server, index, &phases))
    };
    (0..PROBES).map(one).collect()
}

fn probe_on_one_connection(server: SocketAddr, index: usize, phases: &[Phase]) {
    let open = || {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let mut stream = open();
    let every = Duration::from_secs(1) / PROBES_PER_SECOND;
    let begin = Instant::now();
    for number in 0.. {
        let due = begin + every * (number * PROBES as u32 + index as u32);
        let phase = Phase::at(phases, due);
        if due >= phase.window.to {
            return;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let status = get_hello(&mut stream);
        phase.note_due(due, status.map(|status| Answer { status, has_wait: false }));
        if status.is_none() {
            stream = open();
        }
    }
}

fn get_hello(stream: &mut TcpStream) -> Option<u16> {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").ok()?;
    let (mut answer, mut part) = (Vec::new(), [0; 1024]);
    while !answer.ends_with(b"\r\n\r\nhello") {
        match stream.read(&mut part).ok()? {
            0 => return None,
            read => answer.extend_from_slice(&part[..read]),
        }
    }
    std::str::from_utf8(&answer).ok()?.split(' ').nth(1)?.parse().ok()
}
