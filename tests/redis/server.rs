//! A Redis server that is made for one test and thrown away after it.
//!
//! Needs the program of the distribution's package (on Debian: `apt-get install redis-server`), or that of Valkey. Without it a test
//! says so and ends, unless `REQUIRE_REDIS=1` is set. A server that the package started is not touched.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A server on a free port of 127.0.0.1, which ends with this value.
pub struct Redis {
    program: PathBuf,
    /// Everything of it: the data and the log.
    pub folder: PathBuf,
    options: Vec<String>,
    pub port: u16,
    process: Mutex<Option<Child>>,
}

impl Redis {
    /// Starts a server without a log of its data, or says why there is none.
    pub fn start(name: &str) -> Option<Self> {
        Self::start_with(name, &["--appendonly", "no"])
    }

    pub fn start_with(name: &str, options: &[&str]) -> Option<Self> {
        static SERVERS: AtomicUsize = AtomicUsize::new(0);
        crate::events::listen();
        let Some(program) = program() else {
            let why = "no Redis server is installed (on Debian: apt-get install redis-server)";
            assert_ne!(std::env::var("REQUIRE_REDIS").as_deref(), Ok("1"), "{why}");
            // Past the capture of test output, so that nobody takes this for a pass.
            let _ = std::io::stderr().write_all(format!("\nSKIPPED: {name}: {why}\n").as_bytes());
            return None;
        };
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("redis-{name}-{}-{number}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let mut server = Self { program, folder, options, port: 0, process: Mutex::new(None) };
        // Another program may take a port between its choice and the start.
        let is_started = (0..5).any(|_| {
            server.port = free_port();
            server.has_begun()
        });
        assert!(is_started, "{}", server.log());
        Some(server)
    }

    /// Starts it again over the same data, and waits until it answers.
    pub fn begin(&self) {
        assert!(self.has_begun(), "{}", self.log());
    }

    /// Starts it again so that it loads its data for some seconds, and does not wait until it has.
    pub fn begin_slowly(&self) {
        let slow = ["--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024"];
        *self.process.lock().unwrap() = Some(self.command().args(slow).spawn().unwrap());
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", "", "--logfile", "log"]);
        command.args(&self.options).args(["--dir", self.folder.to_str().unwrap()]);
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn has_begun(&self) -> bool {
        let mut child = self.command().spawn().unwrap();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(30) {
            if self.says("+PONG") {
                *self.process.lock().unwrap() = Some(child);
                return true;
            }
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }

    /// Whether its answer to a ping begins so.
    pub fn says(&self, wanted: &str) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let mut answer = vec![0; wanted.len()];
        let is_sent = stream.write_all(b"PING\r\n").is_ok();
        is_sent && stream.read_exact(&mut answer).is_ok() && answer == wanted.as_bytes()
    }

    /// Of its process, while it runs.
    #[allow(dead_code, reason = "other tests use it")]
    pub fn id(&self) -> Option<u32> {
        self.process.lock().unwrap().as_ref().map(Child::id)
    }

    /// Ends it at once, as the loss of its process does.
    pub fn kill(&self) {
        if let Some(mut child) = self.process.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Stops it where it is, so that it neither answers nor refuses, or lets it go on.
    pub fn freeze(&self, is_frozen: bool) {
        let Some(id) = self.process.lock().unwrap().as_ref().map(Child::id) else { return };
        let signal = if is_frozen { "-STOP" } else { "-CONT" };
        // A program of this name is not on every system, but every shell has one.
        let script = format!("kill {signal} {id}");
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
        // A child of it may still write its log anew, until it sees that the server is gone.
        let is_gone = || fs::remove_dir_all(&self.folder).is_ok() || !self.folder.exists();
        let _ = (0..100).any(|_| {
            is_gone() || {
                sleep(Duration::from_millis(50));
                false
            }
        });
    }
}

/// One that this program gives to nothing else, so that a server that was killed has it still when it begins again. No connection
/// that goes out has one of these.
pub fn free_port() -> u16 {
    static PORTS: AtomicUsize = AtomicUsize::new(0);
    let first = std::process::id() as usize * 97;
    let next = || (10_000 + (first + PORTS.fetch_add(1, Ordering::Relaxed)) % 20_000) as u16;
    std::iter::repeat_with(next).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    ["redis-server", "valkey-server"]
        .iter()
        .find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file()))
}
