//! A PostgreSQL server that is made for one test and thrown away after it.
//!
//! Needs the programs of the distribution's package (on Debian: `apt-get install postgresql`). Without them a test says so and
//! ends, unless `REQUIRE_POSTGRES=1` is set. A cluster that the package made is not touched.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A server on a free port of 127.0.0.1, which ends with this value.
pub struct Postgres {
    programs: PathBuf,
    /// Everything of it: the data, the log, the socket.
    pub folder: PathBuf,
    /// The user under which it runs, where the test runs as root: PostgreSQL refuses that.
    pub user: Option<(u32, u32)>,
    pub port: u16,
}

impl Postgres {
    /// Starts a server, or says why there is none.
    pub fn start(name: &str) -> Option<Self> {
        let Some(programs) = programs() else {
            let why = "no PostgreSQL server is installed (on Debian: apt-get install postgresql)";
            assert_ne!(std::env::var("REQUIRE_POSTGRES").as_deref(), Ok("1"), "{why}");
            // Past the capture of test output, so that nobody takes this for a pass.
            let _ = std::io::stderr().write_all(format!("\nSKIPPED: {name}: {why}\n").as_bytes());
            return None;
        };
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let user = (fs::metadata(&folder).unwrap().uid() == 0).then(other_user);
        if let Some((user, group)) = user {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let mut server = Self { programs, folder, user, port: 0 };
        server.make_data();
        // Another program may take a port between its choice and the start.
        let is_started = (0..5).any(|_| {
            server.port = free_port();
            server.has_begun()
        });
        assert!(is_started, "{}", server.log());
        Some(server)
    }

    /// A copy of what `initdb` makes, which takes it a second: it runs once for all tests.
    fn make_data(&self) {
        static MADE: OnceLock<PathBuf> = OnceLock::new();
        let data = self.folder.join("data");
        let made = MADE.get_or_init(|| {
            let options = ["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"];
            self.run("initdb", &[&options[..], &["--wal-segsize=1"]].concat());
            let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgres");
            let _ = fs::remove_dir_all(&made);
            copy(&data, &made);
            made
        });
        if !data.exists() {
            copy(made, &data);
        }
    }

    /// Starts it again, and waits until it takes connections.
    pub fn begin(&self) {
        assert!(self.has_begun(), "{}", self.log());
    }

    fn has_begun(&self) -> bool {
        let options = format!("-p {} -c listen_addresses=127.0.0.1 -k . -c fsync=off", self.port);
        let log = self.folder.join("log");
        self.succeeds("pg_ctl", &["--wait", "--log", log.to_str().unwrap(), "--options", &options, "start"])
    }

    /// Stops it, with all its connections.
    pub fn stop(&self) {
        self.run("pg_ctl", &["--wait", "--mode=fast", "stop"]);
    }

    /// Stops all its processes where they are, so that it neither answers nor refuses, or lets them go on.
    pub fn freeze(&self, is_frozen: bool) {
        let Some(main) = self.main_process() else { return };
        signal(if is_frozen { "-STOP" } else { "-CONT" }, &format!("{main} {}", children(&main)));
    }

    /// Ends all its processes at once, as the loss of its machine does, and waits until they are gone.
    #[allow(dead_code, reason = "other tests use it")]
    pub fn kill(&self) {
        let Some(main) = self.main_process() else { return };
        // So that it begins no other child meanwhile.
        signal("-STOP", &main);
        let all = format!("{main} {}", children(&main));
        signal("-KILL", &all);
        // What is left of one has no arguments any more.
        let lives = |id: &str| fs::read(format!("/proc/{id}/cmdline")).is_ok_and(|arguments| !arguments.is_empty());
        while all.split_whitespace().any(lives) {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        // For the next one a process counts as running until the system has cleared it away, which it may do late.
        for lock in ["postmaster.pid", &format!(".s.PGSQL.{}.lock", self.port)] {
            let _ = fs::remove_file(self.folder.join("data").join(lock));
        }
    }

    /// A copy of this server that follows it, over a port that leads to it.
    #[allow(dead_code, reason = "other tests use it")]
    pub fn stand_by(&self, name: &str, through: u16) -> Self {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        if let Some((user, group)) = self.user {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let mut copy = Self { programs: self.programs.clone(), folder, user: self.user, port: 0 };
        let through = through.to_string();
        let of = ["--host=127.0.0.1", "--port", &through, "--username=postgres"];
        copy.run("pg_basebackup", &[&of[..], &["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]].concat());
        copy.port = free_port();
        copy.begin();
        copy
    }

    /// Makes a server of what has followed one.
    #[allow(dead_code, reason = "other tests use it")]
    pub fn promote(&self) {
        self.run("pg_ctl", &["--wait", "promote"]);
    }

    fn main_process(&self) -> Option<String> {
        let file = fs::read_to_string(self.folder.join("data/postmaster.pid")).ok()?;
        Some(file.lines().next()?.to_owned())
    }

    /// The URL of its one database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        assert!(self.succeeds(program, arguments), "{program} {arguments:?}: {}", self.log());
    }

    fn succeeds(&self, program: &str, arguments: &[&str]) -> bool {
        let mut command = Command::new(self.programs.join(program));
        command.args(["-D", self.folder.join("data").to_str().unwrap()]).args(arguments);
        command.current_dir(&self.folder).env_clear().env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command.status().unwrap().success()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.freeze(false);
        // It may be stopped already, or killed.
        if self.main_process().is_some() {
            let _ = self.succeeds("pg_ctl", &["--wait", "--mode=immediate", "stop"]);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn children(process: &str) -> String {
    fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default()
}

fn signal(name: &str, processes: &str) {
    // A program of this name is not on every system, but every shell has one.
    let script = format!("kill {name} {processes}");
    let _ = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status().unwrap();
}

/// Copies a folder, with its owner and its rights.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success(), "{}", from.display());
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where the newest server's programs are: Debian's packages put none of them into the path.
pub fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(|entry| {
        let folder = entry.ok()?;
        Some((folder.file_name().to_str()?.parse::<u32>().ok()?, folder.path().join("bin")))
    });
    let debian = versions.filter(|(_, folder)| has_server(folder)).max().map(|(_, folder)| folder);
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian.or_else(|| std::env::split_paths(&path).find(|folder| has_server(folder)))
}

fn has_server(folder: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres"].iter().all(|name| folder.join(name).is_file())
}

/// The ids of `postgres`, which the package makes, or of `nobody`.
pub fn other_user() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let fields: Vec<&str> = users.lines().find(|line| line.starts_with(&format!("{name}:")))?.split(':').collect();
        Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
    };
    find("postgres").or_else(|| find("nobody")).unwrap()
}
