//! A server that is this same program in another process, and requests to it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

/// Where the server finds the name of its file.
pub const SERVER: &str = "CRASH_SERVER_OVER";

/// Runs this program as what it was started for: as a server over a file, or to kill such servers.
pub fn run<F: Future<Output = ()>>(serve: impl FnOnce(PathBuf) -> F, kill: impl FnOnce()) {
    // Asked by the test harness of cargo for its tests: there is one, and it has no name.
    if std::env::args().any(|argument| argument == "--list") {
        return;
    }
    match std::env::var(SERVER) {
        Ok(file) => {
            tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(serve(file.into()));
        }
        Err(_) => kill(),
    }
}

/// A number of kills, by the name of its variable.
pub fn kills(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// A server in a process of its own, to be killed.
pub struct Server {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub address: SocketAddr,
}

impl Server {
    pub fn start(file: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process =
            command.env(SERVER, file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the server starts");
        let (input, output) = (process.stdin.take().unwrap(), BufReader::new(process.stdout.take().unwrap()));
        let mut server = Self { process, input, output, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        server.address = server.line().parse().expect("the server tells where it listens");
        server
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// Kills the server so long after a request has come to stand still at this step. Its answer is lost.
    pub fn kill_at<T: Send + 'static>(
        mut self,
        step: usize,
        delay: Duration,
        request: impl FnOnce(SocketAddr) -> Option<T> + Send + 'static,
    ) {
        writeln!(self.input, "{step}").unwrap();
        assert_eq!(self.line(), "set");
        let address = self.address;
        let client = thread::spawn(move || request(address));
        assert_eq!(self.line(), "standing", "step {step}");
        thread::sleep(delay);
        self.kill();
        assert!(client.join().unwrap().is_none(), "step {step}: the answer was lost");
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// Status and body; `None` if the server died meanwhile.
pub fn post(address: SocketAddr, from: Ipv4Addr, form: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let request = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: as.example\r\nconnection: close\r\nx-forwarded-for: {from}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    // A body that was cut off is no answer.
    let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    (body.len() == length).then(|| (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
}

pub fn member(json: &str, name: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    json[name].as_str().unwrap_or_else(|| panic!("no {name} in {json}")).to_owned()
}

/// An address that nobody had before.
pub fn someone() -> Ipv4Addr {
    static NEXT: AtomicU32 = AtomicU32::new(0x0a00_0000);
    Ipv4Addr::from(NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A folder that goes with this value.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("crash-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// The database in it.
    pub fn file(&self) -> PathBuf {
        self.0.join("auth.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
