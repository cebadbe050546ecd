//! The engine's own limit: `redis-benchmark` with the scripts that the store was seen to call.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tower_password_grant::store::{AccessTokenStore, OneTimeValues, RefreshTokenStore};
use tower_password_grant::testing::{RefreshTokenUse, TokenUsed};

use super::fill::NAMES;
use super::server::{Noted, Server, open};
use crate::clients::{MONTH, Operation};
use crate::measured::{Measured, Moment, one_after_the_other};
use crate::names::{Filled, Random};

/// Twelve digits in its place are drawn for each call.
const DRAWN: &str = "__rand_int__";

/// One command, and of how many numbers one is drawn.
pub struct Call {
    words: Vec<OsString>,
    numbers: u64,
}

/// The names of the scripts, as the server knows them.
pub struct Sent {
    find: OsString,
    rotate: OsString,
    introspect: [OsString; 2],
    consume: OsString,
}

impl Sent {
    /// Has the store do each operation once, and looks at what it sends.
    pub async fn by_store(server: &Server, filled: &Filled) -> Self {
        let noted = Noted::connect(&server.redis.url()).await;
        let store = open(noted.clone()).await;
        let name = |words: &Vec<Vec<u8>>| OsString::from_vec(words[1].clone());
        let number = filled.own(0, 1, &mut Random::new());
        let id = (NAMES.family)(number);
        RefreshTokenStore::find(&store, id).await.unwrap().unwrap();
        let find = name(&noted.last(1)[0]);
        let [live, next] = filled.next_tokens(number);
        let using = RefreshTokenUse::new(id, live, SystemTime::now()).with_successor(next, [7; 32]);
        assert_eq!(using.by(&store).await.unwrap(), TokenUsed::Done);
        let rotate = name(&noted.last(1)[0]);
        AccessTokenStore::find(&store, &(NAMES.digest)(number)).await.unwrap().unwrap();
        let introspect = noted.last(2);
        let introspect = [name(&introspect[0]), name(&introspect[1])];
        let digest = (NAMES.new_digest)(&mut Random::new());
        assert!(store.consume(&digest, SystemTime::now() + MONTH).await.unwrap());
        Self { find, rotate, introspect, consume: name(&noted.last(1)[0]) }
    }

    /// The commands of an operation, one after the other.
    pub fn calls(&self, operation: Operation, filled: &Filled) -> Vec<Call> {
        let (all, half) = (filled.families, filled.families / 2);
        let zeros = "0".repeat(20);
        let family = |kind: &str| format!("bench:{{0000}}:{kind}:{zeros}{DRAWN}");
        let call = |script: &OsString, keys: Vec<String>, values: Vec<Vec<u8>>, numbers| {
            let mut words: Vec<OsString> = vec!["EVALSHA".into(), script.clone(), keys.len().to_string().into()];
            words.extend(keys.into_iter().map(Into::into));
            words.extend(values.into_iter().map(OsString::from_vec));
            Call { words, numbers }
        };
        let find = |numbers| call(&self.find, vec![family("family")], Vec::new(), numbers);
        match operation {
            Operation::Find => vec![find(all)],
            Operation::Rotate => {
                // It cannot send a zero byte: so the lineage is 257 bytes long, behind that length, where the store's has 113.
                let lineage = [&[1, 1][..], &[b'x'; 257]].concat();
                // The stamp is the one that all begin with, and stays it, so that each call writes.
                let stamp = b"stamped1".to_vec();
                let values = vec![stamp.clone(), stamp, lineage, Vec::new(), b"0".to_vec(), b"100".to_vec()];
                vec![find(half), call(&self.rotate, vec![family("family"), family("tokens")], values, half)]
            }
            Operation::Introspect => {
                let token = format!("bench:token:{}{zeros}{DRAWN}", "0".repeat(32));
                let [read, has] = &self.introspect;
                // Of another token, since it cannot draw the same number twice: the same work, but for the answer.
                let other = vec![[b'x'; 32].to_vec()];
                vec![call(read, vec![token], Vec::new(), all), call(has, vec![family("tokens")], other, all)]
            }
            Operation::Consume => {
                let over = (SystemTime::now() + MONTH).duration_since(UNIX_EPOCH).unwrap().as_millis().to_string();
                let key = format!("bench:spent:{}{DRAWN}", "1".repeat(52));
                vec![call(&self.consume, vec![key], vec![[b'x'; 16].to_vec(), over.into_bytes()], 2_000_000_000)]
            }
            // Its commands are sent at the same time, which the program cannot do.
            Operation::Refresh => Vec::new(),
        }
    }
}

/// One that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the commands of an operation, each for this time, over so many connections with so many calls under way on each.
pub async fn run(server: &Server, calls: &[Call], connections: usize, depth: usize, time: Duration) -> Measured {
    let mut all = None;
    for call in calls {
        let measured = run_one(server, call, connections, depth, time).await;
        all = Some(all.map_or(measured, |before| one_after_the_other(before, measured)));
    }
    all.unwrap()
}

async fn run_one(server: &Server, call: &Call, connections: usize, depth: usize, time: Duration) -> Measured {
    let mut command = Command::new("redis-benchmark");
    command.args(["-p", &server.redis.port.to_string(), "-c", &connections.to_string(), "-P", &depth.to_string()]);
    command.args(["-n", "2000000000", "-r", &call.numbers.to_string(), "-q"]).args(&call.words);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = Running(command.spawn().unwrap());
    tokio::time::sleep(Duration::from_millis(700)).await;
    let (begin, before) = (Moment::of(server).await, server.calls().await);
    tokio::time::sleep(time).await;
    let (end, after) = (Moment::of(server).await, server.calls().await);
    assert!(running.0.try_wait().unwrap().is_none(), "redis-benchmark has ended");
    drop(running);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(after > before, "redis-benchmark does nothing");
    end.since(begin, (after - before) as f64)
}
