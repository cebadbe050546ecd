//! Each example is started, and the commands that it prints are run as they stand, with the real `curl`.
//!
//! Cargo builds the examples with the tests (`cargo test`); for this file alone: `cargo build --examples`, with the same
//! features.
#![cfg(feature = "argon2")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]
#![allow(clippy::arithmetic_side_effects, clippy::string_slice)]

use std::io::{BufRead as _, BufReader, Lines};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

/// For the test in it. As a test target of its own, Cargo would no longer build the program.
#[path = "../examples/custom_user_store.rs"]
#[allow(dead_code)]
mod custom_user_store;

/// A running example.
struct Example {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    address: SocketAddr,
}

impl Example {
    fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    fn start_with(name: &str, arguments: &[&str]) -> Self {
        let mut program: PathBuf = std::env::current_exe().unwrap();
        program.pop();
        assert!(program.ends_with("deps"), "{program:?}");
        program.set_file_name("examples");
        program.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        let mut process = Command::new(&program)
            .args(arguments)
            .env("PORT", "0")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; run `cargo build --examples` first", program.display()));
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let first = lines.next().expect("it ended without a line").unwrap();
        let address = first.strip_prefix("listening on http://").unwrap_or_else(|| panic!("{first}")).parse().unwrap();
        Self { process, lines, address }
    }

    /// Runs the printed commands in one shell, as if they were pasted, and gives what the last answer to each block
    /// was: its status and, of an error, its code.
    fn run_commands(&mut self) -> Vec<(u16, String)> {
        let mut script = String::from("set -eu\n");
        let mut titles = Vec::new();
        for line in self.lines.by_ref() {
            let line = line.unwrap();
            if line == "Ctrl-C stops it." {
                break;
            }
            match line.strip_prefix("# ") {
                Some(title) => {
                    titles.push(title.to_owned());
                    script.push_str("echo '>>>'\n");
                }
                None => script = script + &line + "\n",
            }
        }
        let output = shell(&script);
        let blocks: Vec<_> = output.split(">>>\n").skip(1).collect();
        assert_eq!(blocks.len(), titles.len(), "{output}");
        blocks.into_iter().zip(titles).map(|(answers, title)| last_answer(answers, &title)).collect()
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn shell(script: &str) -> String {
    let output = Command::new("sh").args(["-c", script]).output().unwrap();
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The last answer of a block, which must be what its title promises.
fn last_answer(answers: &str, title: &str) -> (u16, String) {
    let last = answers.rsplit("HTTP/1.1 ").next().unwrap();
    let (head, body) = last.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{title}: {answers}"));
    let json: Value = serde_json::from_str(body.trim()).unwrap_or_else(|error| panic!("{title}: {error}: {body}"));
    let status = &head[..3];
    let code = json["error"].as_str().unwrap_or_default();
    assert_eq!(json["access_token"].is_string() || json["error"].is_null(), status == "200", "{title}: {answers}");
    assert!(title.ends_with(format!(", {status} {code}").trim_end()), "{title}: {answers}");
    assert!(status == "200" || head.to_ascii_lowercase().contains("cache-control: no-store"), "{head}");
    (status.parse().unwrap(), code.to_owned())
}

fn ok() -> (u16, String) {
    (200, String::new())
}

fn refused(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

/// What the commands of the three frameworks show.
fn shown_by_the_demo() -> Vec<(u16, String)> {
    vec![
        ok(),
        ok(),
        refused(400, "invalid_grant"),
        refused(401, "invalid_client"),
        refused(400, "invalid_scope"),
        refused(429, "too_many_attempts"),
    ]
}

#[test]
fn axum_serves_tokens_that_open_its_own_routes() {
    let mut example = Example::start("axum");
    let mut expected = shown_by_the_demo();
    expected.push(ok());
    assert_eq!(example.run_commands(), expected);
    let address = example.address;
    assert_eq!(shell(&format!("curl -sS http://{address}/")), "hello");
    let unknown =
        format!("curl -sS -o /dev/null -w '%{{http_code}}' -H 'Authorization: Bearer x' http://{address}/api/me");
    assert_eq!(shell(&unknown), "401");
}

#[test]
fn hyper_serves_tokens_over_http_1_and_2() {
    let mut example = Example::start("hyper");
    assert_eq!(example.run_commands(), shown_by_the_demo());
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        assert_eq!(shell(&format!("curl -sS {version} http://{}/", example.address)), "hello");
    }
}

#[tokio::test]
async fn tonic_serves_tokens_beside_grpc_on_one_port() {
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    let mut example = Example::start("tonic");
    assert_eq!(example.run_commands(), shown_by_the_demo());
    let channel =
        tonic::transport::Endpoint::new(format!("http://{}", example.address)).unwrap().connect().await.unwrap();
    let request = HealthCheckRequest { service: "demo".to_owned() };
    let health = HealthClient::new(channel).check(request).await.unwrap().into_inner();
    assert_eq!(health.status, tonic_health::ServingStatus::Serving as i32);
}

#[test]
fn a_custom_user_store_counts_all_names_of_an_account_together() {
    let mut example = Example::start("custom_user_store");
    let expected = [ok(), ok(), refused(400, "invalid_grant"), refused(429, "too_many_attempts")];
    assert_eq!(example.run_commands(), expected);
}

#[test]
fn an_existing_endpoint_keeps_its_grants() {
    let mut example = Example::start("existing_endpoint");
    let expected = [ok(), ok(), refused(400, "invalid_grant"), refused(400, "unsupported_grant_type")];
    assert_eq!(example.run_commands(), expected);
}

#[cfg(feature = "breach-filter")]
#[test]
fn a_breach_filter_refuses_passwords_of_its_list_after_they_were_found_right() {
    let (open, closed) = (ok(), refused(400, "password_leaked"));
    let wrong = || refused(400, "invalid_grant");
    let expected = [open.clone(), wrong(), closed.clone(), wrong()];
    assert_eq!(Example::start("breach_filter").run_commands(), expected);

    // With lists of one's own, each of which leaves a filter beside it.
    let folder = std::env::temp_dir().join(format!("breach-filter-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    for (name, content) in [
        ("passwords.txt", "hunter2\r\ncorrect horse battery staple\r\n"),
        ("hashes.sha1", "abf7aad6438836dbe526aa231abde2d0eef74d42:7\n"),
    ] {
        let list = folder.join(name);
        std::fs::write(&list, content).unwrap();
        let mut example = Example::start_with("breach_filter", &[list.to_str().unwrap()]);
        assert_eq!(example.run_commands(), [closed.clone(), wrong(), open.clone(), wrong()], "{name}");
        assert!(list.with_extension("filter").is_file());
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Fetches a token and the keys of a running example, and verifies the one with the other.
fn verified_claims(example: &Example, algorithm: Algorithm, password: &str) -> Value {
    let server = format!("http://{}", example.address);
    let login = format!(
        "-d client_id=demo-cli -d grant_type=password -d username=alice --data-urlencode 'password={password}'"
    );
    let tokens: Value = serde_json::from_str(&shell(&format!("curl -sS {login} {server}/oauth/token"))).unwrap();
    let token = tokens["access_token"].as_str().unwrap_or_else(|| panic!("{tokens}"));
    let jwks: JwkSet = serde_json::from_str(&shell(&format!("curl -sS {server}/.well-known/jwks.json"))).unwrap();

    let key = jwks.find(&decode_header(token).unwrap().kid.unwrap()).unwrap();
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation.set_issuer(&[&server]);
    validation.set_audience(&["https://api.example"]);
    decode::<Value>(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims
}

#[cfg(feature = "jwt")]
#[test]
fn signed_tokens_verify_with_the_published_keys() {
    let mut example = Example::start("argon2_jwt");
    assert_eq!(example.run_commands(), [ok(), ok(), refused(400, "invalid_grant")]);
    let claims = verified_claims(&example, Algorithm::ES256, "correct horse battery staple");
    assert_eq!((claims["sub"].as_str(), claims["client_id"].as_str()), (Some("user:alice"), Some("demo-cli")));
}

#[test]
fn tokens_of_an_own_jwt_issuer_verify_with_its_published_key() {
    let mut example = Example::start("own_jwt_issuer");
    assert_eq!(example.run_commands(), [ok(), ok()]);
    let claims = verified_claims(&example, Algorithm::EdDSA, "correct horse");
    assert_eq!(claims["client_id"], "demo-cli");
}

#[test]
fn the_readme_program_is_the_one_of_the_readme_and_gives_a_token() {
    let program = include_str!("../examples/readme.rs").split_once("\n\n").unwrap().1;
    let readme = include_str!("../README.md");
    assert!(readme.contains(&format!("```rust,no_run\n{program}```")), "README.md shows another program");

    let example = Example::start_with("readme", &["127.0.0.1:0"]);
    let command = readme.lines().find(|line| line.starts_with("curl ")).expect("README.md shows no curl command");
    let command = command.replace("127.0.0.1:8080", &example.address.to_string());
    let tokens: Value = serde_json::from_str(&shell(&command)).unwrap();
    assert!(tokens["access_token"].as_str().unwrap().starts_with("at_"), "{tokens}");
    assert_eq!(tokens["scope"], "read");
}
