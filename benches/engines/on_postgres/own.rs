//! The engine's own limit: `pgbench` with the statements that the store was seen to send.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::mpsc;
use tower_password_grant::store::{AccessTokenStore, OneTimeValues, RefreshTokenStore, UnsavedAccessToken};
use tower_password_grant::testing::{RefreshTokenUse, TokenUsed};

use super::fill::{FACTOR, FIRST, NAMES, SCATTERED};
use super::server::{Note, Server, open_noted};
use crate::clients::{MONTH, Operation, record};
use crate::measured::{Measured, Moment};
use crate::names::{Filled, Random};

/// A script of `pgbench`, and the texts that stand in it.
#[derive(Clone, Default)]
pub struct Script {
    text: String,
    variables: Vec<(String, String)>,
}

/// A random family of the first so many, its number and its id.
fn draw(families: u64) -> String {
    format!(
        "\\set number random(0, {})\n\\set scattered (:number * {FACTOR}) % {SCATTERED}\n\\set family {FIRST} + :scattered\n",
        families - 1
    )
}

/// Each family once, in a random order, in parts of so many for each client. The rounds are of different families.
pub fn draw_each_once(families: u64, clients: u64, round: u64, rounds: u64) -> Script {
    let (each, first) = (families / clients, families / clients / rounds * round);
    let text = format!(
        "\\set turn :turn + 1\n\\set number permute(:client_id * {each} + :turn, {families})\n\
         \\set scattered (:number * {FACTOR}) % {SCATTERED}\n\\set family {FIRST} + :scattered\n"
    );
    Script { text, variables: vec![("turn".to_owned(), first.to_string())] }
}

const SEEDED_DIGEST: &str =
    "int8send(:scattered) || int8send(:scattered) || int8send(:scattered) || int8send(:scattered)";
const NEW_DIGEST: &str = "int8send(:one) || int8send(:other) || int8send(:one) || int8send(:other)";

pub fn draw_digest() -> String {
    format!("\\set one random(0, {0})\n\\set other random(0, {0})\n", SCATTERED - 1)
}

impl Script {
    /// A script of this text.
    pub fn of(text: String) -> Self {
        Self { text, variables: Vec::new() }
    }

    pub fn then(mut self, other: Self) -> Self {
        self.text.push_str(&other.text);
        self.variables.extend(other.variables);
        self
    }

    /// A statement as it was sent, with the same values but for those that are given here by their numbers. Ends so.
    pub fn sent(note: &Note, given: &[(usize, &str)], end: &str) -> Self {
        // A column needs a name to be kept.
        let mut text = note.statement.replace("ended IS NOT NULL\n", "ended IS NOT NULL AS is_ended\n");
        let mut variables = Vec::new();
        // From the last one on, so that none is taken for the beginning of another.
        for (number, value) in (1..).zip(&note.values).collect::<Vec<_>>().into_iter().rev() {
            let given = given.iter().find(|(place, _)| *place == number);
            let stands = match (given, value) {
                (Some((_, expression)), _) => (*expression).to_owned(),
                (None, None) => "NULL".to_owned(),
                // No variable is empty.
                (None, Some(value)) if value.is_empty() => "''".to_owned(),
                (None, Some(value)) => {
                    let name = format!("value{}_{number}", note.values.len());
                    variables.push((name.clone(), value.clone()));
                    format!(":{name}")
                }
            };
            text = text.replace(&format!("${number}"), &stands);
        }
        // Without a space `pgbench` loses the end of a variable before a backslash.
        Self { text: format!("{text} {end}\n"), variables }
    }
}

/// What the store sends for each operation.
pub struct Sent {
    find: Note,
    rotate: Note,
    refresh: Note,
    introspect: Note,
    consume: Note,
}

impl Sent {
    /// Has the store do each operation once, and looks at what it sends.
    pub async fn by_store(server: &Server, filled: &Filled) -> Self {
        let (store, notes) = open_noted(&server.url()).await;
        let last = || notes.lock().unwrap().last().cloned().unwrap();
        let mut random = Random::new();
        let number = filled.own(0, 1, &mut random);
        let id = (NAMES.family)(number);
        RefreshTokenStore::find(&store, id).await.unwrap().unwrap();
        let find = last();
        let mut used = async |with_token: bool| {
            let [live, next] = filled.next_tokens(number);
            let mut using = RefreshTokenUse::new(id, live, SystemTime::now()).with_successor(next, [7; 32]);
            if with_token {
                let record = record("user-0").with_family(Some(id));
                using = using.with_access_token(UnsavedAccessToken::new((NAMES.new_digest)(&mut random), record));
            }
            assert_eq!(using.by(&store).await.unwrap(), TokenUsed::Done);
        };
        // The first one, which is shorter, is not what most are.
        used(false).await;
        used(false).await;
        let rotate = last();
        used(true).await;
        let refresh = last();
        AccessTokenStore::find(&store, &(NAMES.digest)(number)).await.unwrap().unwrap();
        let introspect = last();
        let digest = (NAMES.new_digest)(&mut Random::new());
        assert!(store.consume(&digest, SystemTime::now() + MONTH).await.unwrap());
        Self { find, rotate, refresh, introspect, consume: last() }
    }

    pub fn script(&self, operation: Operation, filled: &Filled) -> Script {
        let all = filled.families;
        let find =
            |families| Script::of(draw(families)).then(Script::sent(&self.find, &[(1, ":family")], "\\gset seen_"));
        match operation {
            Operation::Find => Script::of(draw(all)).then(Script::sent(&self.find, &[(1, ":family")], ";")),
            Operation::Rotate => find(all / 2).then(self.rotated()),
            Operation::Refresh => {
                let given = [(1, ":family"), (2, ":seen_stamp"), (4, ":family"), (5, NEW_DIGEST)];
                find(all / 2).then(Script::of(draw_digest())).then(Script::sent(&self.refresh, &given, ";"))
            }
            Operation::Introspect => {
                Script::of(draw(all)).then(Script::sent(&self.introspect, &[(1, SEEDED_DIGEST)], ";"))
            }
            Operation::Consume => Script::of(draw_digest()).then(Script::sent(&self.consume, &[(1, NEW_DIGEST)], ";")),
        }
    }

    /// Looks families up and rotates them, each once. The store cannot refresh them afterwards.
    pub fn each_once(&self, drawn: Script) -> Script {
        drawn.then(Script::sent(&self.find, &[(1, ":family")], "\\gset seen_")).then(self.rotated())
    }

    fn rotated(&self) -> Script {
        Script::sent(&self.rotate, &[(1, ":family"), (2, ":seen_stamp")], ";")
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

/// Runs a script for so many seconds, after one to warm up.
pub async fn run(server: &Server, script: &Script, clients: usize, seconds: usize) -> Measured {
    let file = std::env::temp_dir().join(format!("engines-{}.sql", std::process::id()));
    std::fs::write(&file, &script.text).unwrap();
    let mut command = Command::new(server.program("pgbench"));
    command.args(["-h", "127.0.0.1", "-p", &server.port.to_string(), "-U", "postgres", "-n", "-M", "extended"]);
    command.args(["-c", &clients.to_string(), "-j", &clients.min(2).to_string(), "-T", "3600", "-P", "1"]);
    for (name, value) in &script.variables {
        command.arg("-D").arg(format!("{name}={value}"));
    }
    command.arg("-f").arg(&file).arg("postgres").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (lines, mut said) = mpsc::unbounded_channel();
    let reader = BufReader::new(child.stderr.take().unwrap());
    std::thread::spawn(move || {
        for line in reader.lines().map_while(Result::ok) {
            if lines.send((Instant::now(), line)).is_err() {
                return;
            }
        }
    });
    let running = Running(child);
    // Progress is told each second: when it was told is known better than the line says.
    let mut next = async || loop {
        let line = tokio::time::timeout(Duration::from_secs(60), said.recv()).await;
        let (at, line) = line.expect("progress each second").expect("it runs until it is ended");
        if let Some(rest) = line.strip_prefix("progress: ") {
            let rate = rest.split(", ").find_map(|part| part.strip_suffix(" tps")?.parse::<f64>().ok());
            return (at, rate.unwrap());
        }
        assert!(!line.contains("error") && !line.contains("abort"), "{line}");
    };
    let (mut last, _) = next().await;
    let begin = Moment::of(server).await;
    let mut operations = 0.0;
    for _ in 0..seconds {
        let (at, rate) = next().await;
        operations += rate * (at - last).as_secs_f64();
        last = at;
    }
    let end = Moment::of(server).await;
    drop(running);
    assert!(operations > 0.0, "pgbench does nothing");
    // Its connections end before anything else is measured.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let _ = std::fs::remove_file(&file);
    end.since(begin, operations)
}
