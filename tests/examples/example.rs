//! A running example, and a shell into which the commands that it prints are pasted.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A running example.
pub struct Example {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub address: SocketAddr,
}

/// Commands that an example printed, and what it says that they show.
pub struct Block {
    pub title: String,
    pub commands: String,
}

impl Example {
    pub fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    pub fn start_with(name: &str, arguments: &[&str]) -> Self {
        Self::launch(name, arguments, &[("PORT", "0")])
    }

    pub fn launch(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::of(Self::program(name).args(arguments).envs(environment.iter().copied()))
    }

    /// The example that a command starts.
    pub fn of(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().expect("it ended without a line").unwrap();
        let place = first.strip_prefix("listening on ").and_then(|url| url.split_once("://"));
        let place = place.unwrap_or_else(|| panic!("{first}")).1;
        let address = place.replace("localhost", "127.0.0.1").parse().unwrap();
        Self { process, lines, address }
    }

    /// The program of an example.
    pub fn program(name: &str) -> Command {
        let mut program: PathBuf = std::env::current_exe().unwrap();
        program.pop();
        assert!(program.ends_with("deps"), "{program:?}");
        program.set_file_name("examples");
        program.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        assert!(program.is_file(), "{} is missing; run `cargo build --examples` first", program.display());
        Command::new(program)
    }

    /// What an example that cannot start says of it.
    pub fn complaint(name: &str, arguments: &[&str], environment: &[(&str, &str)]) -> String {
        let output = Self::program(name).args(arguments).envs(environment.iter().copied()).output().unwrap();
        assert!(!output.status.success(), "{name} {arguments:?} {environment:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The commands in their blocks; the first, without a title, prepares the others.
    pub fn blocks(&mut self) -> Vec<Block> {
        let mut blocks = vec![Block { title: String::new(), commands: String::new() }];
        // What is said before the first empty line is for people.
        for line in self.lines.by_ref().skip_while(|line| !line.as_ref().unwrap().is_empty()) {
            let line = line.unwrap();
            if line.ends_with("Ctrl-C stops it.") {
                break;
            }
            match line.strip_prefix("# ") {
                Some(title) => blocks.push(Block { title: title.to_owned(), commands: String::new() }),
                None => blocks.last_mut().unwrap().commands += &(line + "\n"),
            }
        }
        blocks
    }

    /// Runs the printed commands in one shell, as if they were pasted, and gives what the last answer to each block
    /// was: its status and, of an error, its code.
    pub fn run_commands(&mut self) -> Vec<(u16, String)> {
        Shell::start().paste(&self.blocks())
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A terminal of somebody who pastes commands.
pub struct Shell {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Shell {
    pub fn start() -> Self {
        let mut process = Command::new("sh").arg("-eu").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output }
    }

    pub fn run(&mut self, commands: &str) -> String {
        let input = self.process.stdin.as_mut().unwrap();
        writeln!(input, "{commands}\necho '>>>'").unwrap();
        let mut output = String::new();
        while !output.ends_with(">>>\n") {
            assert!(self.output.read_line(&mut output).unwrap() > 0, "the shell ended: {commands}\n{output}");
        }
        output.trim_end_matches(">>>\n").to_owned()
    }

    pub fn paste(&mut self, blocks: &[Block]) -> Vec<(u16, String)> {
        let answers = blocks.iter().map(|block| (self.run(&block.commands), &block.title));
        answers.filter(|(_, title)| !title.is_empty()).map(|(answers, title)| last_answer(&answers, title)).collect()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

pub fn shell(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The last answer of a block, which must be what its title promises.
fn last_answer(answers: &str, title: &str) -> (u16, String) {
    if let Some((_, status)) = title.split_once("grpc-status ") {
        // Of a refusal in the head, otherwise in the trailers.
        assert!(answers.contains(&format!("grpc-status: {status}")), "{title}: {answers}");
        return (200, format!("grpc-status {status}"));
    }
    let last = answers.rsplit("HTTP/1.1 ").next().unwrap();
    let (head, body) = last.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{title}: {answers}"));
    let status = &head[..3];
    let is_success = status.starts_with('2');
    let json: Value = match body.trim() {
        "" if is_success => Value::Null,
        body => serde_json::from_str(body).unwrap_or_else(|error| panic!("{title}: {error}: {body}")),
    };
    let code = json["error"].as_str().unwrap_or_default();
    assert_eq!(json["access_token"].is_string() || json["error"].is_null(), is_success, "{title}: {answers}");
    assert!(title.ends_with(format!(", {status} {code}").trim_end()), "{title}: {answers}");
    assert!(is_success || head.to_ascii_lowercase().contains("cache-control: no-store"), "{head}");
    let code = json["active"].as_bool().map_or(code, |active| if active { "active" } else { "inactive" });
    (status.parse().unwrap(), code.to_owned())
}

pub fn ok() -> (u16, String) {
    (200, String::new())
}

pub fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// A file that is there for one test.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}
