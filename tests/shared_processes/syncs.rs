//! How long the log of a Redis server was each time that it was on the disk, as its system calls say.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use super::server::Redis;

/// A program that notes the system calls of a server. It ends with the server.
pub struct Syncs {
    tracer: Child,
    trace: PathBuf,
    /// The log's length when it began.
    length: u64,
}

fn log_of(server: &Redis) -> PathBuf {
    server.folder.join("appendonlydir/appendonly.aof.1.incr.aof")
}

fn length_of(log: &Path) -> u64 {
    fs::metadata(log).unwrap().len()
}

impl Syncs {
    /// Begins to note them, or says why it cannot.
    pub fn watch(server: &Redis) -> Option<Self> {
        let (trace, id) = (server.folder.join("trace"), server.id().unwrap().to_string());
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-s", "0", "-e", "trace=write,fdatasync,fsync", "-o", trace.to_str()?, "-p", &id]);
        let Ok(tracer) = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() else {
            println!("SKIPPED: what `everysec` loses: no strace is installed (on Debian: apt-get install strace)");
            return None;
        };
        let mut syncs = Self { tracer, trace, length: length_of(&log_of(server)) };
        // Each second it has something to note.
        for _ in 0..100 {
            let is_traced = fs::read_to_string(format!("/proc/{id}/status")).is_ok_and(|status| {
                status.lines().any(|line| line.starts_with("TracerPid:") && !line.ends_with("\t0"))
            });
            if is_traced {
                return Some(syncs);
            }
            sleep(Duration::from_millis(20));
        }
        let _ = syncs.tracer.kill();
        let _ = syncs.tracer.wait();
        println!("SKIPPED: what `everysec` loses: this system lets no process be traced");
        None
    }

    /// Cuts the log where it was on the disk last. Answers how much is left, and how much went.
    pub fn cut(mut self, server: &Redis) -> (u64, u64) {
        self.tracer.wait().unwrap();
        let kept = self.on_disk(&fs::read_to_string(&self.trace).unwrap());
        let log = log_of(server);
        let all = length_of(&log);
        assert!(kept <= all, "{kept} of {all}");
        OpenOptions::new().write(true).open(log).unwrap().set_len(kept).unwrap();
        (kept, all - kept)
    }

    /// The log's length at the beginning of the last call that has put it on the disk.
    fn on_disk(&self, trace: &str) -> u64 {
        let (mut length, mut kept) = (self.length, self.length);
        // Of threads whose call is noted in two lines: what it is, and how long the log was at its beginning.
        let mut begun: BTreeMap<&str, (bool, u64)> = BTreeMap::new();
        for line in trace.lines() {
            let Some((thread, call)) = line.split_once(' ') else { continue };
            let returned = call.rsplit_once(" = ").and_then(|(_, value)| value.split(' ').next()?.parse::<u64>().ok());
            let call = call.trim_start();
            let (is_write, before) = match begun.remove(thread) {
                Some(first) if call.contains(" resumed>") => first,
                _ if !call.contains(".aof>") => continue,
                _ => (call.starts_with("write("), length),
            };
            match returned {
                Some(written) if is_write => length += written,
                Some(_) => kept = kept.max(before),
                None => _ = begun.insert(thread, (is_write, before)),
            }
        }
        kept
    }
}
