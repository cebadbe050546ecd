//! The two engines: those that the environment names, or throwaway ones from the programs on this machine.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::start::Error;

/// A folder that goes with this value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Result<Self, Error> {
        let folder = std::env::temp_dir().join(format!("cluster-{}", std::process::id()));
        fs::create_dir(&folder).map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
        Ok(Self(folder))
    }

    fn inner(&self, name: &str) -> Result<PathBuf, Error> {
        let folder = self.0.join(name);
        fs::create_dir(&folder)?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An engine, which ends with this value if it was started here.
pub(crate) struct Engine {
    pub(crate) url: String,
    own: Option<Own>,
}

struct Own {
    program: PathBuf,
    arguments: Vec<String>,
    folder: PathBuf,
    /// Another user than `root`, which PostgreSQL refuses.
    user: Option<(u32, u32)>,
    process: Option<Child>,
}

impl Own {
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    fn begin(&mut self) -> Result<(), Error> {
        let mut command = self.command(&self.program);
        self.process = Some(command.args(&self.arguments).spawn()?);
        Ok(())
    }
}

impl Engine {
    /// The PostgreSQL of `POSTGRES_URL`, or one of this program.
    pub(crate) fn postgres(folder: &Folder) -> Result<Self, Error> {
        if let Ok(url) = std::env::var("POSTGRES_URL") {
            return Ok(Self { url, own: None });
        }
        let programs = postgres_programs().ok_or(
            "no PostgreSQL server is installed: on Debian `apt-get install postgresql`, or name one in POSTGRES_URL",
        )?;
        let folder = folder.inner("postgres")?;
        let user = (fs::metadata(&folder)?.uid() == 0).then(other_user).transpose()?;
        if let Some((user, group)) = user {
            chown(&folder, Some(user), Some(group))?;
        }
        let data = folder.join("data").display().to_string();
        // Reached over a socket in its folder, by its own user and root alone.
        let socket = folder.display().to_string();
        let arguments = ["-D", &data, "-h", "", "-k", &socket, "-c", "unix_socket_permissions=0700"].map(str::to_owned);
        let url = format!("host='{socket}' user=postgres dbname=postgres");
        let program = programs.join("postgres");
        let mut own = Own { program, arguments: arguments.into(), folder, user, process: None };
        let made = own
            .command(&programs.join("initdb"))
            .args([
                "-D",
                &data,
                "--auth-local=trust",
                "--auth-host=reject",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
            ])
            .status()?;
        if !made.success() {
            return Err("initdb has failed".into());
        }
        own.begin()?;
        Ok(Self { url, own: Some(own) })
    }

    /// The Redis or Valkey of `REDIS_URL`, or one of this program that writes each change to its disk before it answers.
    pub(crate) fn redis(folder: &Folder) -> Result<Self, Error> {
        if let Ok(url) = std::env::var("REDIS_URL") {
            return Ok(Self { url, own: None });
        }
        let program = in_path(&["redis-server", "valkey-server"]).ok_or(
            "no Redis server is installed: on Debian `apt-get install redis-server`, or name one in REDIS_URL",
        )?;
        let (folder, port) = (folder.inner("redis")?, free_port()?);
        let port_text = port.to_string();
        let arguments = [
            "--port",
            &port_text,
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ];
        let arguments = arguments.map(str::to_owned).into();
        let mut own = Own { program, arguments, folder, user: None, process: None };
        own.begin()?;
        Ok(Self { url: format!("redis://127.0.0.1:{port}/"), own: Some(own) })
    }

    /// Kills it, as the loss of its process does. One that was not started here is left alone, which the answer says.
    pub(crate) fn kill(&mut self) -> bool {
        let Some(process) = self.own.as_mut().and_then(|own| own.process.take()) else { return false };
        end(process);
        true
    }

    /// Starts it again over what it has kept.
    pub(crate) fn begin(&mut self) -> Result<(), Error> {
        self.own.as_mut().map_or(Ok(()), Own::begin)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Kills a process and its children: those of PostgreSQL would go on for a while, and keep the next server from its data.
fn end(mut process: Child) {
    let id = process.id();
    let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
    let _ = process.kill();
    // A program of this name is not on every system, but every shell has one.
    let script = format!("kill -9 {children}");
    if !children.trim().is_empty() {
        let _ = Command::new("sh").args(["-c", &script]).stderr(Stdio::null()).status();
    }
    let _ = process.wait();
}

fn free_port() -> Result<u16, Error> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn in_path(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    names.iter().find_map(|name| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file()))
}

/// Where the newest server's programs are: Debian's packages put none of them into the path.
fn postgres_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(|entry| {
        let folder = entry.ok()?;
        Some((folder.file_name().to_str()?.parse::<u32>().ok()?, folder.path().join("bin")))
    });
    let debian = versions.filter(|(_, folder)| folder.join("initdb").is_file()).max().map(|(_, folder)| folder);
    debian.or_else(|| in_path(&["initdb"])?.parent().map(Path::to_owned))
}

/// The ids of `postgres`, which the package makes, or of `nobody`.
fn other_user() -> Result<(u32, u32), Error> {
    let users = fs::read_to_string("/etc/passwd")?;
    let find = |name: &str| {
        let fields: Vec<&str> = users.lines().find(|line| line.starts_with(&format!("{name}:")))?.split(':').collect();
        Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
    };
    let user = find("postgres").or_else(|| find("nobody"));
    user.ok_or_else(|| "PostgreSQL does not run as root, and there is no user `postgres` or `nobody`".into())
}
