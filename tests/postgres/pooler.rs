//! PgBouncer in transaction mode between the store and the server: each statement goes over whatever connection is free.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;
use tower_password_grant::postgres::PostgresStore;
use tower_password_grant::testing::contract;

use crate::cluster::{Postgres, free_port};
use crate::contract as suites;
use crate::database::{errors, make_two_over, new_name};

/// A pooler on a free port, which ends with this value.
struct Pooler {
    process: Child,
    port: u16,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// It is in a folder that not every path has.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    folders.find_map(|folder| Some(folder.join("pgbouncer")).filter(|file| file.is_file()))
}

impl Pooler {
    /// Starts a pooler, or says why there is none.
    async fn start(server: &Postgres, name: &str) -> Option<Self> {
        let Some(program) = program() else {
            let why = "no pooler is installed (on Debian: apt-get install pgbouncer)";
            assert_ne!(std::env::var("REQUIRE_POSTGRES").as_deref(), Ok("1"), "{why}");
            // Past the capture of test output, so that nobody takes this for a pass.
            let _ = std::io::stderr().write_all(format!("\nSKIPPED: {name}: {why}\n").as_bytes());
            return None;
        };
        let (port, file) = (free_port(), server.folder.join("pooler.ini"));
        let options = format!(
            "[databases]\npostgres = host=127.0.0.1 port={} dbname=postgres user=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\ndefault_pool_size = 4\n",
            server.port
        );
        fs::write(&file, options).unwrap();
        let mut command = Command::new(program);
        command.arg("--quiet").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((user, group)) = server.user {
            command.uid(user).gid(group);
        }
        let pooler = Self { process: command.spawn().unwrap(), port };
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Some(pooler);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the pooler takes no connections");
    }

    /// Two stores over empty tables, all of whose statements go through the pooler.
    async fn new_two(&self) -> [PostgresStore; 2] {
        make_two_over(&format!("postgres://postgres@127.0.0.1:{}/postgres", self.port), &new_name()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stores_keep_their_contracts_through_a_pooler_in_transaction_mode() {
    let Some(server) = Postgres::start("postgres-pooler") else { return };
    let Some(pooler) = Pooler::start(&server, "postgres-pooler").await else { return };
    contract::one_time_values(async || pooler.new_two().await).await;
    contract::access_token_store(async || pooler.new_two().await).await;
    contract::attempt_records(async || pooler.new_two().await).await;
    suites::clients(async || pooler.new_two().await).await;
    suites::users(async || pooler.new_two().await).await;
    contract::factor_store(async || pooler.new_two().await).await;
    contract::usage_store(async || pooler.new_two().await).await;
    assert_eq!(errors(&server), [""; 0]);
    // These begin a family twice, which is one.
    contract::tokens_in_one_step(async || pooler.new_two().await).await;
    contract::refresh_token_store(async || pooler.new_two().await).await;
}
