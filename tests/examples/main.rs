//! Each example is started, and the commands that it prints are run as they stand, with the real `curl`.
//!
//! Cargo builds the examples with the tests (`cargo test`); for this file alone: `cargo build --examples`, with the same
//! features.
#![cfg(feature = "argon2")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, unreachable_pub)]

use example::{Example, Scratch, Shell, ok, refused, shell};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

mod example;

/// For the test in it. As a test target of its own, Cargo would no longer build the program.
#[path = "../../examples/custom_user_store.rs"]
#[allow(dead_code)]
mod custom_user_store;

/// For the test of it.
#[path = "../../examples/demo/account.rs"]
#[allow(dead_code)]
mod account;

#[path = "../../examples/postgres/attempts.rs"]
#[cfg(all(feature = "testing", target_os = "linux"))]
mod attempts;
#[path = "../../examples/postgres/pool.rs"]
#[cfg(all(feature = "testing", target_os = "linux"))]
#[allow(dead_code, reason = "the example uses the rest")]
mod pool;

#[cfg(all(feature = "jwt", feature = "sqlite"))]
mod auth0;
#[cfg(target_os = "linux")]
mod cluster;
#[cfg(all(feature = "legacy-hashes", target_os = "linux"))]
mod postgres;
#[cfg(all(feature = "testing", target_os = "linux"))]
mod postgres_records;
#[cfg(all(feature = "postgres", feature = "redis", target_os = "linux"))]
mod two_servers;

/// What the commands of the three frameworks show: logins, then what `between` shows, then refreshes and the end of a family,
/// then what `after` shows, revocation and introspection, and what fails.
fn shown_by_the_demo(between: &[(u16, String)], after: &[(u16, String)]) -> Vec<(u16, String)> {
    let refreshes = [ok(), ok(), refused(400, "invalid_grant"), refused(400, "invalid_grant")];
    let introspected = |code: &str| (200, code.to_owned());
    let revocation = [ok(), introspected("active"), ok(), introspected("inactive"), ok()];
    let failures = [
        refused(400, "invalid_grant"),
        refused(401, "invalid_client"),
        refused(400, "invalid_scope"),
        refused(429, "too_many_attempts"),
    ];
    [&[ok(), ok()], between, &refreshes, after, &revocation, &failures].concat()
}

#[cfg(all(feature = "mfa", feature = "sqlite"))]
#[test]
fn axum_keeps_users_logged_in_over_a_restart() {
    let scratch = Scratch::new("axum-example");
    let file = scratch.0.join("demo.sqlite");
    let file = file.to_str().unwrap();
    let mut example = Example::launch("axum", &[], &[("PORT", "0"), ("DATABASE", file)]);
    let mut blocks = example.blocks();
    let later = blocks.iter().position(|block| block.title.starts_with("after a restart")).unwrap();
    let later = blocks.split_off(later);

    let mut shell = Shell::start();
    let api = [ok(), ok(), refused(403, "insufficient_scope")];
    let realms =
        [ok(), refused(400, "invalid_grant"), ok(), refused(400, "invalid_request"), refused(400, "invalid_request")];
    let rules = [ok(), ok(), ok(), ok(), refused(400, "invalid_grant"), refused(400, "interaction_required"), ok()];
    let to_the_first_factor =
        [ok(), refused(401, "insufficient_user_authentication"), refused(403, "mfa_required"), ok(), ok(), ok()];
    let removed = (204, String::new());
    let to_the_last = [refused(403, "mfa_required"), refused(400, "invalid_grant"), ok(), ok(), removed, ok()];
    let factors = to_the_first_factor.into_iter().chain(to_the_last);
    let mut walk = shown_by_the_demo(&api, &[refused(401, "invalid_token")]);
    // A rehearsal of the end, which is taken back, and the report.
    let done = || (204, String::new());
    let leaving = [ok(), done(), refused(400, "unauthorized_client"), ok(), done(), ok(), ok()];
    walk.extend(realms.into_iter().chain(rules).chain(factors).chain(leaving).chain([ok()]));
    assert_eq!(shell.paste(&blocks), walk);

    // They work without a restart, too, and after two.
    let expected = [ok(), ok(), refused(429, "too_many_attempts")];
    assert_eq!(shell.paste(&later), expected);
    let port = example.address.port().to_string();
    for _ in 0..2 {
        drop(example);
        example = Example::launch("axum", &[], &[("PORT", &port), ("DATABASE", file)]);
        assert_eq!(shell.paste(&later), expected);
        // What was written before the restart is there, too.
        let me = shell.run(&later[0].commands);
        assert!(me.contains(r#""note":"buy milk""#), "{me}");
    }
    // And all of it once more, with what the file has by now.
    assert_eq!(shell.paste(&blocks), walk);
}

#[cfg(all(feature = "mfa", feature = "sqlite"))]
#[test]
fn axum_keeps_no_token_password_or_secret_in_its_file() {
    let scratch = Scratch::new("axum-example-file");
    let file = scratch.0.join("demo.sqlite");
    let mut example = Example::launch("axum", &[], &[("PORT", "0"), ("DATABASE", file.to_str().unwrap())]);
    let mut shell = Shell::start();
    let blocks = example.blocks();
    shell.paste(&blocks[..2]);
    // An active factor, before its user logs in with a recovery code and removes it.
    let enrols = blocks.iter().position(|block| block.title.starts_with("log frank in")).unwrap();
    shell.paste(&blocks[enrols..enrols + 6]);
    let tokens = shell.run("echo \"$access $first $secret $recovery\"");
    let mut kept = Vec::new();
    for entry in std::fs::read_dir(&scratch.0).unwrap() {
        kept.extend(std::fs::read(entry.unwrap().path()).unwrap());
    }
    let holds = |text: &str| kept.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(holds("employees:alice") && holds("customers:alice") && holds("demo-service") && holds("totp|dev_"));
    let secrets = ["correct horse", "tomato soup", "everybody-knows", "everybody knows"]
        .into_iter()
        .chain(tokens.split_whitespace());
    for secret in secrets {
        assert!(secret.len() > 10 && !holds(secret), "{secret}");
    }
}

#[cfg(all(feature = "mfa", feature = "sqlite"))]
#[test]
fn axum_keeps_its_realms_apart_and_shows_what_each_login_rule_did() {
    let scratch = Scratch::new("axum-example-realms");
    let file = scratch.0.join("demo.sqlite");
    let mut example = Example::launch("axum", &[], &[("PORT", "0"), ("DATABASE", file.to_str().unwrap())]);
    let blocks = example.blocks();
    let mut shell = Shell::start();
    shell.run(&blocks[0].commands);
    // The answer to the block of this title, as JSON.
    let mut answer = |title: &str| -> Value {
        let block = blocks.iter().find(|block| block.title.starts_with(title)).unwrap();
        let answer = shell.run(&block.commands);
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let given = |me: &Value| -> Vec<(String, String, u64)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let rules = me["claims"]["https://api.example/rules"].as_array().unwrap().iter();
        rules.map(|rule| (text(&rule["rule"]), text(&rule["scope"]), rule["lifetime"].as_u64().unwrap())).collect()
    };
    let rules = |scopes: [&str; 4], lifetimes: [u64; 4]| -> Vec<(String, String, u64)> {
        let names = ["good standing", "customers only read", "short tokens for customers", "department"];
        let rules = names.iter().zip(scopes).zip(lifetimes);
        rules.map(|((name, scope), lifetime)| ((*name).to_owned(), scope.to_owned(), lifetime)).collect()
    };

    let tokens = answer("rules take the scope write away");
    assert_eq!((tokens["scope"].as_str(), tokens["expires_in"].as_u64()), (Some("read"), Some(900)));
    let customer = answer("the API sees what each rule was given");
    let who = |me: &Value| [me["sub"].clone(), me["realm"].clone(), me["scope"].clone()];
    assert_eq!(who(&customer), ["customers:alice", "customers", "read"]);
    assert_eq!(given(&customer), rules(["read write", "read write", "read", "read"], [3600, 3600, 3600, 900]));
    assert_eq!(customer["claims"]["https://api.example/department"], Value::Null);

    assert_eq!(answer("an employee gets what was asked for")["expires_in"], 3600);
    let employee = answer("and by a rule a claim");
    assert_eq!(who(&employee), ["employees:alice", "employees", "read write"]);
    assert_eq!(given(&employee), rules(["read write"; 4], [3600; 4]));
    assert_eq!(employee["claims"]["https://api.example/department"], "engineering");

    // The client of a refused user sees nothing of the rule, the operator does.
    let wrong = answer("the password of the employee alice is not");
    assert_eq!(answer("a rule refuses dave"), wrong);
    answer("carol has to accept");
    let trail = answer("the operator sees");
    let outcomes = trail.as_array().unwrap().iter().map(|event| (event["realm"].as_str(), event["outcome"].as_str()));
    let expected = [
        (Some("customers"), Some("refused: interaction_required, by the rule \"good standing\"")),
        (Some("employees"), Some("refused: rule_denied, by the rule \"good standing\": the contract has ended")),
        (Some("customers"), Some("refused: wrong_password")),
        (Some("employees"), Some("tokens for employees:alice with the scope read write")),
        (Some("customers"), Some("tokens for customers:alice with the scope read")),
    ];
    assert_eq!(outcomes.collect::<Vec<_>>(), expected);
}

#[cfg(all(feature = "mfa", feature = "sqlite"))]
#[test]
fn axum_describes_its_endpoints() {
    let scratch = Scratch::new("axum-example-metadata");
    let file = scratch.0.join("demo.sqlite");
    let example = Example::launch("axum", &[], &[("PORT", "0"), ("DATABASE", file.to_str().unwrap())]);
    let server = format!("http://{}", example.address);
    let metadata: Value =
        serde_json::from_str(&shell(&format!("curl -sS {server}/.well-known/oauth-authorization-server"))).unwrap();
    assert_eq!(metadata["issuer"], server);
    for (name, path) in [("token", "token"), ("revocation", "revoke"), ("introspection", "introspect")] {
        assert_eq!(metadata[format!("{name}_endpoint")], format!("{server}/oauth/{path}"));
    }
    assert_eq!(metadata["mfa_challenge_endpoint"], format!("{server}/mfa/challenge"));
    let of_auth0 = ["password-realm", "mfa-otp", "mfa-oob", "mfa-recovery-code"];
    let of_auth0 = of_auth0.map(|grant| format!("http://auth0.com/oauth/grant-type/{grant}"));
    let grants = [&["password".to_owned(), "refresh_token".to_owned()][..], &of_auth0].concat();
    assert_eq!(metadata["grant_types_supported"], serde_json::json!(grants));
    let unknown = format!("curl -sS -o /dev/null -w '%{{http_code}}' -H 'Authorization: Bearer x' {server}/api/me");
    assert_eq!(shell(&unknown), "401");
}

#[test]
fn hyper_serves_tokens_over_http_1_and_2() {
    let mut example = Example::start("hyper");
    assert_eq!(example.run_commands(), shown_by_the_demo(&[], &[]));
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        assert_eq!(shell(&format!("curl -sS {version} http://{}/", example.address)), "hello");
    }
}

#[tokio::test]
async fn tonic_serves_tokens_beside_grpc_on_one_port_and_guards_a_service() {
    use account::WhoAmIRequest;
    use account::account_client::AccountClient;
    use tonic::{Code, Request};
    use tonic_health::pb::HealthCheckRequest;
    use tonic_health::pb::health_client::HealthClient;

    let mut example = Example::start("tonic");
    let calls = [(200, "grpc-status 16".to_owned()), (200, "grpc-status 0".to_owned())];
    assert_eq!(example.run_commands(), shown_by_the_demo(&calls, &[]));
    let server = format!("http://{}", example.address);
    let channel = tonic::transport::Endpoint::new(server.clone()).unwrap().connect().await.unwrap();
    let request = HealthCheckRequest { service: "demo.Account".to_owned() };
    let health = HealthClient::new(channel.clone()).check(request).await.unwrap().into_inner();
    assert_eq!(health.status, tonic_health::ServingStatus::Serving as i32);

    let mut account = AccountClient::new(channel);
    let with = |token: &str| {
        let mut request = Request::new(WhoAmIRequest {});
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    };
    assert_eq!(account.who_am_i(WhoAmIRequest {}).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(account.who_am_i(with("at_x")).await.unwrap_err().code(), Code::Unauthenticated);

    let login = |scope: &str| {
        let form = "-d client_id=demo-cli -d grant_type=password -d username=alice";
        let password = "--data-urlencode 'password=correct horse battery staple'";
        let tokens = shell(&format!("curl -sS {form} {password} -d scope={scope} {server}/oauth/token"));
        let tokens: Value = serde_json::from_str(&tokens).unwrap();
        tokens["access_token"].as_str().unwrap_or_else(|| panic!("{tokens}")).to_owned()
    };
    let caller = account.who_am_i(with(&login("read"))).await.unwrap().into_inner();
    assert_eq!([caller.subject, caller.client_id, caller.scope], ["user:alice", "demo-cli", "read"]);
    let too_little = account.who_am_i(with(&login("write"))).await.unwrap_err();
    assert_eq!(too_little.code(), Code::PermissionDenied);
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

#[cfg(feature = "sqlite")]
#[test]
fn a_remote_directory_decides_on_each_login_and_each_refresh() {
    let mut example = Example::start("remote_directory");
    let denied = || refused(400, "invalid_grant");
    let of_alice = [ok(), ok(), denied(), ok(), ok(), denied()];
    let of_bob = [ok(), ok(), denied(), denied()];
    let closed = [ok(), refused(503, "temporarily_unavailable")];
    assert_eq!(example.run_commands(), [&of_alice[..], &of_bob, &closed].concat());
}

#[cfg(feature = "sqlite")]
#[test]
fn users_leave_a_remote_directory_for_a_file_in_which_they_still_are_after_a_restart() {
    let scratch = Scratch::new("remote-directory-example");
    let file = scratch.0.join("users.sqlite");
    let environment = [("PORT", "0"), ("DATABASE", file.to_str().unwrap())];
    let expected = [ok(), refused(400, "invalid_grant"), ok(), ok(), ok(), refused(503, "temporarily_unavailable")];
    for _ in 0..2 {
        assert_eq!(Example::launch("remote_directory", &[], &environment).run_commands(), expected);
    }
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
    assert_eq!(example.run_commands(), [ok(), ok(), ok(), refused(400, "invalid_grant")]);
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
    let program = include_str!("../../examples/readme/main.rs").split_once("\n\n").unwrap().1;
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&format!("```rust,no_run\n{program}```")), "README.md shows another program");

    let example = Example::start("readme");
    let command = readme.split_once("```sh\ncurl ").expect("README.md shows no curl command").1;
    let command = format!("curl {}", command.split_once("```").unwrap().0);
    let command = command.replace("127.0.0.1:8080", &example.address.to_string());
    let tokens: Value = serde_json::from_str(&shell(&command)).unwrap();
    assert!(tokens["access_token"].as_str().unwrap().starts_with("at_"), "{tokens}");
    assert_eq!(tokens["scope"], "read");
}

/// What each program says when it cannot start: a sentence with its cure, and no more.
#[track_caller]
fn assert_sentence(complaint: &str, words: &[&str]) {
    let sentence = complaint.strip_prefix("error: ").and_then(|rest| rest.strip_suffix('\n'));
    let sentence = sentence.unwrap_or_else(|| panic!("{complaint:?}"));
    // No values as Rust writes them.
    assert!(!sentence.contains(['\n', '{', '"']), "{sentence}");
    for word in words {
        assert!(sentence.contains(word), "{word}: {sentence}");
    }
}

#[cfg(all(feature = "sqlite", feature = "jwt", feature = "breach-filter"))]
#[test]
fn each_example_tells_in_a_sentence_why_it_cannot_start() {
    let scratch = Scratch::new("examples-that-cannot-start");
    let nowhere = scratch.0.join("nowhere").join("file");
    let nowhere = nowhere.to_str().unwrap();
    let file = scratch.0.join("demo.sqlite");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let database = ("DATABASE", file.to_str().unwrap());
    let names = [
        "argon2_jwt",
        "auth0",
        "axum",
        "breach_filter",
        "custom_user_store",
        "existing_endpoint",
        "hyper",
        "own_jwt_issuer",
        "readme",
        "remote_directory",
        "tonic",
    ];
    for name in names {
        let complaint = Example::complaint(name, &[], &[("PORT", &port), database]);
        assert_sentence(&complaint, &[&port, "Address already in use", "PORT"]);
        let complaint = Example::complaint(name, &[], &[("PORT", "http"), database]);
        assert_sentence(&complaint, &["PORT", "number"]);
    }
    for name in ["argon2_jwt", "own_jwt_issuer"] {
        let complaint = Example::complaint(name, &[], &[("PORT", "0"), ("SIGNING_KEY_FILE", nowhere)]);
        assert_sentence(&complaint, &[nowhere, "SIGNING_KEY_FILE", "No such file"]);
    }
    let complaint = Example::complaint("axum", &[], &[("PORT", "0"), ("DATABASE", nowhere)]);
    assert_sentence(&complaint, &[nowhere, "DATABASE="]);
    let complaint = Example::complaint("auth0", &[], &[("PORT", "0"), ("DATABASE", nowhere)]);
    assert_sentence(&complaint, &[nowhere, "DATABASE"]);
    let complaint = Example::complaint("auth0", &[], &[("PORT", "0"), database, ("ORIGIN", "my page")]);
    assert_sentence(&complaint, &["origin"]);
    let complaint = Example::complaint("remote_directory", &[], &[("PORT", "0"), ("DATABASE", nowhere)]);
    assert_sentence(&complaint, &[nowhere, "DATABASE"]);
    let complaint = Example::complaint("breach_filter", &[nowhere], &[("PORT", "0")]);
    assert_sentence(&complaint, &[nowhere, "the argument", "No such file"]);
}

#[cfg(feature = "legacy-hashes")]
#[test]
fn the_postgres_example_tells_in_a_sentence_what_it_needs_to_know() {
    let complaint = |arguments: &[&str], database: &str| {
        Example::complaint("postgres", arguments, &[("PORT", "0"), ("DATABASE", database)])
    };
    assert_sentence(&complaint(&["prepaer"], ""), &["`prepaer`", "`prepare`"]);
    assert_sentence(&complaint(&[], "auth.db"), &["DATABASE", "postgres://"]);
    // A port on which nobody listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = format!("postgres://nobody@{free}/app");
    for arguments in [&[][..], &["prepare"]] {
        assert_sentence(&complaint(arguments, &server), &["Connection refused", "DATABASE"]);
    }
}
