//! Requests in parallel (G31): batches of equal requests, and one request after the other behind a queue that never
//! empties.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use super::options::Options;
use super::pairs::{Comparison, ask, run};
use super::random::Random;
use super::report::{Aim, Row, Shown, Unit};
use super::server::{CLIENT, SHARED, WIDE, WIDE_THREADS};
use super::stats::Paired;
use super::users::{known, unknown, wrong};
use super::wire::{Connection, login};

const BATCH: usize = 8;
const WARM_UP: usize = 3;
/// Eight of them wait at any time, far from a full queue: no request is refused.
const BACKGROUND: usize = WIDE_THREADS + 8;

/// Pairs of batches: the time until all of a batch are answered.
pub fn batches(options: &Options, address: SocketAddr, random: &mut Random) -> Vec<Row> {
    let mut connections: Vec<Connection> = (0..BATCH).map(|_| Connection::open(address)).collect();
    let mut rows = vec![
        ("G31", "8 equal at once: unknown name / wrong password", Aim::Equal, WIDE),
        ("G34", "mistake: equal requests share one hash", Aim::Caught, SHARED),
    ];
    rows.retain(|(goal, name, ..)| options.wants(goal, name));
    let mut times: Vec<[Vec<f64>; 2]> = rows.iter().map(|_| Default::default()).collect();
    for round in 0..options.parallel + WARM_UP {
        for (times, (.., path)) in times.iter_mut().zip(&rows) {
            let first = usize::from(random.coin());
            for class in [first, 1 - first] {
                let user = if class == 0 { known(random) } else { unknown(random) };
                let time = batch(&mut connections, &login(path, CLIENT, &user, &wrong(random)));
                if round >= WARM_UP {
                    times[class].push(time);
                }
            }
        }
    }
    let rows = rows.into_iter().zip(times).map(|((goal, name, aim, _), [first, second])| {
        let paired = Paired::of(&first, &second);
        Row { goal, name, aim, shown: Shown::Paired { paired, unit: Unit::Percent, bound: 3.0 } }
    });
    rows.collect()
}

/// Milliseconds until all connections have the answer.
fn batch(connections: &mut [Connection], request: &[u8]) -> f64 {
    let start = Instant::now();
    for connection in connections.iter_mut() {
        connection.send(request);
    }
    for connection in connections.iter_mut() {
        let answer = connection.receive();
        assert!(answer.body.contains("invalid_grant"), "{} {}", answer.status, answer.body);
    }
    start.elapsed().as_secs_f64() * 1e3
}

/// Pairs of single requests while other connections keep every hashing thread busy and jobs waiting.
pub fn saturated(options: &Options, address: SocketAddr, random: &mut Random) -> Vec<Row> {
    let comparison = Comparison {
        goal: "G31",
        name: "behind a busy queue: unknown name / wrong password",
        aim: Aim::Equal,
        pairs: options.parallel,
        hashes: 1,
        bound: 5.0,
        unit: Unit::Percent,
        first: ask(WIDE, known),
        second: ask(WIDE, unknown),
        error: "invalid_grant",
    };
    if !options.wants(comparison.goal, comparison.name) {
        return Vec::new();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let background: Vec<_> = (0..BACKGROUND)
        .map(|_| {
            let (stop, mut random) = (Arc::clone(&stop), Random::new(random.next()));
            thread::spawn(move || {
                let mut connection = Connection::open(address);
                while !stop.load(Ordering::Relaxed) {
                    let user = if random.coin() { known(&mut random) } else { unknown(&mut random) };
                    let answer = connection.exchange(&login(WIDE, CLIENT, &user, &wrong(&mut random))).1;
                    assert!(answer.body.contains("invalid_grant"), "{} {}", answer.status, answer.body);
                }
            })
        })
        .collect();
    let rows = run(vec![comparison], address, random);
    stop.store(true, Ordering::Relaxed);
    for thread in background {
        thread.join().unwrap();
    }
    rows
}
