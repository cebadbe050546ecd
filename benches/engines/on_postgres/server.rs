//! A PostgreSQL server that is made for a run and thrown away after it, with a disk that it waits for.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::{Manager, Pool, Runtime};
use tokio_postgres::{Client, NoTls};
use tower_password_grant::postgres::{
    PostgresClients, PostgresConnection, PostgresFailure, PostgresRow, PostgresStore, PostgresValue,
};

use crate::cluster::{free_port, other_user, programs};
use crate::measured::Engine;
use crate::processor;

pub const SCHEMA: &str = "bench";

/// Room for what is measured, and no checkpoint in the middle of it but those that are asked for.
const SETTINGS: &str = "-c listen_addresses=127.0.0.1 -k . -c shared_buffers=1GB -c max_connections=200 -c max_wal_size=16GB \
     -c checkpoint_timeout=1h -c maintenance_work_mem=512MB";

pub struct Server {
    programs: PathBuf,
    folder: PathBuf,
    user: Option<(u32, u32)>,
    pub port: u16,
    process: u32,
    /// The connection of those that look on.
    pub client: Client,
}

impl Server {
    pub async fn start() -> Self {
        let programs = programs().expect("no PostgreSQL server is installed (on Debian: apt-get install postgresql)");
        let folder = std::env::temp_dir().join(format!("engines-postgres-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let user = (fs::metadata(&folder).unwrap().uid() == 0).then(other_user);
        if let Some((user, group)) = user {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let port = free_port();
        let data = folder.join("data");
        let data = data.to_str().unwrap();
        let as_user = |program: &str, arguments: &[&str]| run(&programs, program, &folder, user, arguments);
        as_user("initdb", &["-D", data, "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"]);
        let options = format!("-p {port} {SETTINGS}");
        as_user("pg_ctl", &["-D", data, "--wait", "--log", "log", "--options", &options, "start"]);
        let client = connect(&url(port)).await;
        let process = fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
        let process = process.lines().next().unwrap().parse().unwrap();
        Self { programs, folder, user, port, process, client }
    }

    pub fn url(&self) -> String {
        url(self.port)
    }

    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// The one number that a query gives.
    pub async fn number(&self, query: &str) -> i64 {
        self.client.query_one(query, &[]).await.unwrap().get(0)
    }

    /// Whether a commit waits for the disk, from now on.
    pub async fn set_durable(&self, is_durable: bool) {
        let value = if is_durable { "on" } else { "off" };
        self.client.batch_execute(&format!("ALTER SYSTEM SET synchronous_commit = {value}")).await.unwrap();
        self.client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    /// So that whole pages go into the log of whatever follows, as after any checkpoint, and not of some only.
    pub async fn checkpoint(&self) {
        self.client.batch_execute("CHECKPOINT").await.unwrap();
    }

    /// Updates of a table, and how many of them stayed in their page.
    pub async fn updates(&self, table: &str) -> (i64, i64) {
        // What a connection did is counted a second later at most.
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        self.updates_so_far(table).await
    }

    /// The same, without those of the last second.
    pub async fn updates_so_far(&self, table: &str) -> (i64, i64) {
        let query = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE schemaname = $1 AND relname = $2";
        let row = self.client.query_one(query, &[&SCHEMA, &table]).await.unwrap();
        (row.get(0), row.get(1))
    }
}

fn url(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn run(programs: &std::path::Path, program: &str, folder: &PathBuf, user: Option<(u32, u32)>, arguments: &[&str]) {
    let mut command = Command::new(programs.join(program));
    command.args(arguments).current_dir(folder).env_clear().env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::null());
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    assert!(command.status().unwrap().success(), "{program} {arguments:?}");
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.folder.join("data");
        run(
            &self.programs,
            "pg_ctl",
            &self.folder,
            self.user,
            &["-D", data.to_str().unwrap(), "--wait", "--mode=immediate", "stop"],
        );
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Engine for Server {
    fn processor(&self) -> Duration {
        processor::of(self.process)
    }

    async fn log(&self) -> u64 {
        let query = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint";
        self.number(query).await.unsigned_abs()
    }
}

/// Connections that note the statements which go over them, with their values as texts.
pub struct Noted<C> {
    connection: C,
    pub notes: Notes,
}

pub type Notes = Arc<Mutex<Vec<Note>>>;

#[derive(Clone)]
pub struct Note {
    pub statement: String,
    pub values: Vec<Option<String>>,
}

fn as_text(value: &PostgresValue<'_>) -> Option<String> {
    match value {
        PostgresValue::Bytes(Some(bytes)) => {
            Some(bytes.iter().fold("\\x".to_owned(), |text, byte| format!("{text}{byte:02x}")))
        }
        PostgresValue::Text(Some(text)) => Some((*text).to_owned()),
        PostgresValue::BigInt(Some(number)) => Some(number.to_string()),
        // The statements that are noted have no others.
        _ => None,
    }
}

#[async_trait]
impl<C: PostgresConnection> PostgresConnection for Noted<C> {
    async fn query(&self, statement: &str, values: &[PostgresValue<'_>]) -> Result<Vec<PostgresRow>, PostgresFailure> {
        let note = Note { statement: statement.to_owned(), values: values.iter().map(as_text).collect() };
        self.notes.lock().unwrap().push(note);
        self.connection.query(statement, values).await
    }

    async fn run_script(&self, script: &str) -> Result<(), PostgresFailure> {
        self.connection.run_script(script).await
    }
}

fn pooled(url: &str, connections: usize) -> PostgresClients<deadpool_postgres::Client> {
    let manager = Manager::new(url.parse().unwrap(), NoTls);
    let pool = Pool::builder(manager).max_size(connections).runtime(Runtime::Tokio1).build().unwrap();
    let get = move || {
        let pool = pool.clone();
        async move { pool.get().await }
    };
    PostgresClients::pooled(get, |client: &deadpool_postgres::Client| client)
}

async fn open(connection: impl PostgresConnection) -> PostgresStore {
    let builder = PostgresStore::builder(connection).schema(SCHEMA).deadline(Duration::from_secs(60));
    builder.migrate().await.unwrap();
    builder.open().await.unwrap()
}

/// A store over a pool of so many connections.
pub async fn open_pooled(url: &str, connections: usize) -> PostgresStore {
    open(pooled(url, connections)).await
}

/// A store over one connection.
pub async fn open_one(url: &str) -> PostgresStore {
    open(PostgresClients::one(connect(url).await)).await
}

/// A store that notes what it does.
pub async fn open_noted(url: &str) -> (PostgresStore, Notes) {
    let notes = Notes::default();
    let connection = Noted { connection: pooled(url, 1), notes: Arc::clone(&notes) };
    (open(connection).await, notes)
}
