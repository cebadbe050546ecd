//! What the repository promises about itself: no environment variables, no panicking shortcuts, lints that stay on, a
//! feature table that tells the truth, few dependencies, and plain words.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs,
    unreachable_pub
)]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "it/support/sources.rs"]
mod reader;
#[path = "hygiene/words.rs"]
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use reader::{library, read, root, rust_files};

/// What an axum application has anyway: axum, tokio (full), serde, serde_json, tracing and tracing-subscriber, each with
/// its default features, on Linux.
const AXUM_APP: [&str; 62] = [
    "atomic-waker",
    "axum",
    "axum-core",
    "bytes",
    "cfg-if",
    "errno",
    "form_urlencoded",
    "futures-core",
    "futures-task",
    "futures-util",
    "http",
    "http-body",
    "http-body-util",
    "httparse",
    "httpdate",
    "hyper",
    "hyper-util",
    "itoa",
    "lazy_static",
    "libc",
    "lock_api",
    "log",
    "matchit",
    "memchr",
    "mime",
    "mio",
    "nu-ansi-term",
    "once_cell",
    "parking_lot",
    "parking_lot_core",
    "percent-encoding",
    "pin-project-lite",
    "proc-macro2",
    "quote",
    "ryu",
    "scopeguard",
    "serde",
    "serde_core",
    "serde_derive",
    "serde_json",
    "serde_path_to_error",
    "serde_urlencoded",
    "sharded-slab",
    "signal-hook-registry",
    "slab",
    "smallvec",
    "socket2",
    "syn",
    "sync_wrapper",
    "thread_local",
    "tokio",
    "tokio-macros",
    "tower",
    "tower-layer",
    "tower-service",
    "tracing",
    "tracing-attributes",
    "tracing-core",
    "tracing-log",
    "tracing-subscriber",
    "unicode-ident",
    "zmij",
];

/// The most crates that the default features may add to it.
const BUDGET: usize = 25;

/// Each source file with its code: no comments, no unit tests.
fn code() -> Vec<(String, String)> {
    library().into_iter().map(|(path, text)| (path, reader::code(&text))).collect()
}

#[test]
fn the_library_reads_no_environment_variables() {
    for (file, code) in code() {
        for word in ["std::env", "env::var", "env::args", "use std::{env", "env!("] {
            assert!(!code.contains(word), "{file}: {word}");
        }
    }
}

#[test]
fn the_library_has_no_panicking_shortcuts_and_allows_itself_none() {
    let words = [
        ".unwrap()",
        ".expect(",
        "panic!(",
        "todo!(",
        "unimplemented!(",
        "unreachable!(",
        "dbg!(",
        "println!(",
        "eprintln!(",
        "allow(clippy::unwrap_used",
        "allow(clippy::expect_used",
        "allow(clippy::panic",
        "allow(clippy::indexing_slicing",
        "allow(clippy::arithmetic_side_effects",
        "unsafe ",
    ];
    // The suites for users' own stores are tests, and fail as tests do: in one place.
    let fails = |file: &str, word: &str| file == "testing/contract/promise.rs" && word.contains("panic");
    for (file, code) in code() {
        for word in words {
            assert!(!code.contains(word) || fails(&file, word), "{file}: {word}");
        }
    }
}

/// Traits that nobody implements: they carry the builder's compiler errors, or stand inside the crate.
const NOT_IMPLEMENTED: [&str; 5] = ["AnswerBody", "HasClients", "HasVerifier", "HasIssuer", "LoginNotes"];

/// The methods that have a default, each on the safe side: no origin is allowed, spellings of a name share one budget, no login is
/// prolonged, no token is said to be revoked, a check is charged before it is compared, no client is said to be known, a grant of
/// the application's own is no password grant, no store is the same as another one, no verifier is said to know which realms,
/// no issuer is said to name itself in its tokens or to sign ID tokens, no user is said to have agreed on another device.
/// `find_at_once`, `verify_at_once`, `issue_at_once` and `ask` ask the method that they stand for. `validate` and `follow_clock` decide on no request: a part that has settings or a clock of its own says it.
/// No question on another device is said to be answered, and none has a URI to show.
/// `has_shared_key` causes a warning alone. `check_subject` only refuses more than an endpoint does whose verifier has no realms.
/// A sink without `login_notes` takes events.
const SAFE_DEFAULTS: [&str; 26] = [
    "login_notes",
    "most_records",
    "status",
    "enrolment_uri",
    "find_at_once",
    "verify_at_once",
    "issue_at_once",
    "ask",
    "all_clients",
    "follow_clock",
    "has_shared_key",
    "id_token_algorithms",
    "identity",
    "issuer_identifier",
    "store_identity",
    "allows_origin",
    "account_key",
    "begins_password_login",
    "recheck",
    "find_by_id",
    "realms",
    "revoke",
    "revoke_family",
    "check",
    "check_subject",
    "validate",
];

#[test]
fn every_boundary_trait_tells_its_contract_and_defaults_no_decision() {
    let mut traits = 0;
    for (file, text) in library() {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(name) = line.strip_prefix("pub trait ").and_then(|rest| rest.split([':', ' ', '<']).next()) else {
                continue;
            };
            if NOT_IMPLEMENTED.contains(&name) {
                continue;
            }
            traits += 1;
            let starts = lines[..at].iter().rposition(|line| line.is_empty()).unwrap_or(0);
            let docs = lines[starts..at].join("\n");
            let body = lines[at..].iter().take_while(|line| **line != "}").copied().collect::<Vec<_>>().join("\n");
            let waits = body.contains("async fn") || body.contains("MaybeFuture<");
            let sections: &[&str] =
                if waits { &["Contract", "Security", "Cancellation", "Errors"] } else { &["Contract", "Security"] };
            for section in sections {
                assert!(docs.contains(&format!("/// # {section}\n")), "{file}: {name} has no section {section}");
            }
            // A method with a body has a default.
            let mut method = "";
            for line in body.lines() {
                let bare = line.trim_start().trim_start_matches("async ");
                method = bare.strip_prefix("fn ").and_then(|rest| rest.split(['(', '<']).next()).unwrap_or(method);
                assert!(line != "    }" || SAFE_DEFAULTS.contains(&method), "{file}: {name} has a default `{method}`");
            }
        }
    }
    assert!(traits >= 11, "{traits}");
}

/// The names that a file hands on to applications.
fn handed_on(text: &str) -> Vec<String> {
    let lists =
        text.split("\npub use ").skip(1).map(|rest| rest.split(';').next().unwrap().rsplit("::").next().unwrap());
    let words = lists.flat_map(|list| list.split(|c: char| !c.is_alphanumeric() && c != '_'));
    words.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_root_holds_what_most_applications_use_and_a_name_stands_in_one_place() {
    let root_names = handed_on(&read("src/lib.rs"));
    assert!((20..=28).contains(&root_names.len()), "{} names at the root", root_names.len());
    let library = read("src/lib.rs");
    let modules: Vec<&str> = library
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .filter(|name| !["manual", "fuzzing"].contains(name))
        .collect();
    let mut names = root_names;
    for module in &modules {
        let is_folder = root().join(format!("src/{module}/mod.rs")).is_file();
        let file = if is_folder { format!("src/{module}/mod.rs") } else { format!("src/{module}.rs") };
        let text = read(&file);
        assert!(
            text.lines().take_while(|line| line.starts_with("//!")).count() >= 4,
            "{module} does not say what it is for"
        );
        names.extend(handed_on(&text));
    }
    assert!(names.len() > 150, "{}", names.len());
    let mut seen = BTreeSet::new();
    for name in &names {
        assert!(seen.insert(name), "{name} stands in two places");
    }
}

#[test]
fn every_boundary_trait_stands_in_the_manual() {
    let traits = read("src/manual/traits.md");
    for (file, text) in code() {
        for name in text.lines().filter_map(|line| line.strip_prefix("pub trait ")) {
            let name = name.split([':', ' ', '<']).next().unwrap();
            let is_told = NOT_IMPLEMENTED.contains(&name) || traits.contains(&format!("`{name}`"));
            assert!(is_told, "{file}: {name} in src/manual/traits.md");
        }
    }
}

#[test]
fn the_lints_stay_on() {
    let manifest = read("Cargo.toml");
    let lints = manifest.split("[lints.rust]").nth(1).expect("lints are configured");
    for lint in [
        "unsafe_code = \"forbid\"",
        "missing_docs = \"deny\"",
        "missing_debug_implementations = \"deny\"",
        "expect_used = \"deny\"",
        "indexing_slicing = \"deny\"",
        "panic = \"deny\"",
        "unwrap_used = \"deny\"",
    ] {
        assert!(lints.contains(lint), "{lint}");
    }
    let library = read("src/lib.rs");
    assert!(library.contains("deny(clippy::arithmetic_side_effects, clippy::string_slice)"));
}

#[test]
fn every_public_error_prints_its_sentence_where_a_main_returns_it() {
    let mut errors = 0;
    for (file, code) in code() {
        let lines: Vec<&str> = code.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let item = line.strip_prefix("pub enum ").or_else(|| line.strip_prefix("pub struct "));
            let Some(name) =
                item.and_then(|rest| rest.split([' ', '(', '{']).next()).filter(|name| name.ends_with("Error"))
            else {
                continue;
            };
            errors += 1;
            let attributes =
                lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.trim().is_empty());
            assert!(attributes.clone().all(|line| !line.contains("Debug")), "{file}: {name} derives Debug");
            let debug = code.split(&format!("impl fmt::Debug for {name} {{")).nth(1).unwrap_or_default();
            let debug = debug.split("\n}").next().unwrap_or_default();
            assert!(debug.contains("explained("), "{file}: the Debug of {name} is no sentence");
        }
    }
    assert!(errors >= 18, "{errors}");
}

/// A method that an application calls itself, not one that it implements: `?` must take its error wherever it is called.
#[test]
fn what_an_application_calls_itself_fails_with_an_error_type() {
    let mut calls = 0;
    for (file, code) in code() {
        let methods = code.split("\n    pub ").skip(1).filter_map(|rest| rest.split(['{', ';']).next());
        for signature in methods.filter(|rest| rest.starts_with("fn ") || rest.starts_with("async fn ")) {
            let answer = signature.split("where").next().and_then(|rest| rest.split("->").last()).unwrap_or_default();
            calls += usize::from(answer.contains("OperationError>"));
            assert!(!answer.contains("Result<") || !answer.contains("BackendError>"), "{file}: {signature}");
        }
    }
    assert!(calls >= 14, "{calls}");
}

/// The features of the manifest, and whether each is on by default.
fn features() -> BTreeMap<String, bool> {
    let manifest = read("Cargo.toml");
    let section = manifest.split("[features]").nth(1).unwrap();
    let section = section.split("\n[").next().unwrap();
    let mut lines = section.lines().filter_map(|line| line.split_once(" = "));
    let default = lines.clone().find(|(name, _)| *name == "default").unwrap().1.to_owned();
    lines
        .by_ref()
        .filter(|(name, _)| *name != "default" && !name.starts_with('#'))
        .map(|(name, _)| (name.to_owned(), default.contains(&format!("\"{name}\""))))
        .collect()
}

#[test]
fn the_feature_table_of_the_readme_is_that_of_the_manifest() {
    let features = features();
    assert!(features.contains_key("argon2") && features["tracing"]);
    assert!(!features.contains_key("full"));
    let Ok(readme) = fs::read_to_string(root().join("README.md")) else { return };
    let table = readme.lines().skip_while(|line| !line.starts_with("| Feature")).skip(2);
    let rows: BTreeMap<String, bool> = table
        .take_while(|line| line.starts_with('|'))
        .flat_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let is_default = cells[2] == "yes";
            cells[1].split(", ").map(move |name| (name.trim_matches('`').to_owned(), is_default))
        })
        .collect();
    assert_eq!(rows, features);
}

/// The crates that a build with these features has, as `cargo tree` names them.
fn crates_with(features: &[&str]) -> BTreeSet<String> {
    tree(&["--features", &features.join(",")])
}

fn tree(arguments: &[&str]) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"])
        .args(["--target", "x86_64-unknown-linux-gnu"])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    tree.lines().filter_map(|line| line.split(' ').next()).filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_default_features_add_few_crates_to_an_axum_application() {
    let crates = crates_with(&[]);
    assert!(crates.contains("tower-password-grant") && crates.contains("argon2"), "{crates:?}");
    let new: Vec<_> = crates.into_iter().filter(|name| !AXUM_APP.contains(&name.as_str())).collect();
    assert!(new.len() <= BUDGET, "{} crates: {new:?}", new.len());
}

#[test]
fn second_factors_add_13_crates_and_no_compiler_of_another_language() {
    let (without, with) = (crates_with(&[]), crates_with(&["mfa"]));
    let new: Vec<_> = with.difference(&without).filter(|name| !AXUM_APP.contains(&name.as_str())).collect();
    assert!(with.contains("chacha20poly1305") && new.len() <= 13, "{} crates: {new:?}", new.len());
    assert!(!new.iter().any(|name| name.ends_with("-sys")), "{new:?}");
}

/// Their build takes the file as it is, and fails if something is missing.
#[test]
fn the_lock_file_of_the_fuzz_targets_has_every_dependency() {
    let manifest = read("fuzz/Cargo.toml");
    assert!(manifest.contains("default-features = false, features = [\"jwt\", \"mfa\"]"), "other features");
    let lock = read("fuzz/Cargo.lock");
    let is_own = |entry: &&str| entry.contains("name = \"tower-password-grant\"\n");
    let locked = lock.split("[[package]]").find(is_own).unwrap();
    let needed = tree(&["--depth", "1", "--no-default-features", "--features", "jwt,mfa"]);
    assert!(needed.contains("sha1"), "{needed:?}");
    for name in needed.iter().filter(|name| *name != "tower-password-grant") {
        // One of several versions is named with its number.
        let is_locked = [format!(" \"{name}\","), format!(" \"{name} ")].iter().any(|text| locked.contains(text));
        assert!(is_locked, "{name} is missing in fuzz/Cargo.lock");
    }
}

#[test]
fn no_dependency_gives_the_core_a_framework_or_a_tls_stack() {
    let manifest = read("Cargo.toml");
    let section = manifest.split("\n[dependencies]").nth(1).unwrap().split("\n[dev-dependencies]").next().unwrap();
    for name in ["axum", "hyper", "tonic", "rustls", "openssl", "native-tls", "reqwest"] {
        assert!(!section.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}");
    }
}

#[test]
fn every_test_file_belongs_to_a_target() {
    let files = rust_files(&root().join("tests"));
    let all: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    for file in files {
        let relative = file.strip_prefix(root().join("tests")).unwrap().to_str().unwrap().replace('\\', "/");
        let (folder, name) = relative.rsplit_once('/').unwrap_or(("", &relative));
        let module = name.trim_end_matches(".rs");
        let used = folder.is_empty()
            || folder.starts_with("ui")
            || name == "mod.rs"
            || name == "main.rs"
            || all.contains(&format!("mod {module};"))
            || all.contains(&format!("#[path = \"{relative}\"]"));
        assert!(used, "{relative} is in no target");
    }
}
