//! PgBouncer in transaction mode between the store and the server: each statement goes over whatever connection is free.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::cluster::{Postgres, free_port};
use crate::contract as suites;
use crate::database::{make_two_over, new_name};

/// A pooler on a free port, which ends with this value.
pub struct Pooler {
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
    pub async fn start(server: &Postgres, name: &str) -> Option<Self> {
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
             pool_mode = transaction\ndefault_pool_size = 4\nignore_startup_parameters = extra_float_digits\n",
            server.port
        );
        fs::write(&file, options).unwrap();
        let mut command = Command::new(program);
        command.arg("--quiet").arg(&file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((user, group)) = server.user {
            command.uid(user).gid(group);
        }
        let pooler = Self { process: command.spawn().unwrap(), port };
        for _ in 0..600 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Some(pooler);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the pooler takes no connections");
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stores_keep_their_contracts_through_a_pooler_in_transaction_mode() {
    let Some(server) = Postgres::start("postgres-pooler") else { return };
    let Some(pooler) = Pooler::start(&server, "postgres-pooler").await else { return };
    suites::whole(&server, async || make_two_over(&pooler.url(), &new_name()).await).await;
}
