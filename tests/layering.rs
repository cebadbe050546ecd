//! The rings of the design, enforced from the sources: which room may use which, what each ring must not contain, and how files
//! look. The arrow always points down.
//!
//! | Ring | Modules | May use |
//! |---|---|---|
//! | 0 | `protocol` | nothing of ours; no async, clock, tokio, tower, tracing |
//! | 1 | `boundary` | 0; no framework |
//! | 1 | `observe`, `protection` | 0, `boundary`; no tower, no framework, no database |
//! | 2 | `conductor` | 0, 1; no tower, no framework |
//! | 3 | `service` | 0, 1, 2; no framework |
//! | rooms | everything else: `argon2`, `bearer`, `jwt`, `memory`, `sqlite`, `testing` ... | 0, 1 |
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    missing_docs,
    unreachable_pub
)]

#[path = "layering/circles.rs"]
mod circles;
#[path = "layering/modules.rs"]
mod modules;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "it/support/sources.rs"]
mod reader;

use std::collections::BTreeSet;
use std::fs;

use modules::{Source, exports, has_word, sources, uses};
use reader::{ends_with_its_tests, library, root, rust_files};

const CORE: [&str; 7] = ["protocol", "boundary", "observe", "protection", "conductor", "service", "memory"];
const FRAMEWORKS: [&str; 4] = ["axum::", "hyper::", "hyper_util::", "tonic::"];

/// The modules that `module` may use besides itself.
fn may_use(module: &str) -> &'static [&'static str] {
    match module {
        "protocol" => &[],
        "boundary" => &["protocol"],
        "observe" | "protection" => &["protocol", "boundary"],
        "service" => &["protocol", "boundary", "observe", "protection", "conductor"],
        // The conductor and the rooms.
        _ => &["protocol", "boundary", "observe", "protection"],
    }
}

/// Edges beyond the rings, each with its reason.
const EXCEPTIONS: [(&str, &str); 6] = [
    // One body type for every layer of the crate.
    ("bearer/mod.rs", "service::ResponseBody"),
    // The user table of the store, for applications with both features.
    ("sqlite/users/mod.rs", "argon2::LoginName"),
    ("sqlite/users/mod.rs", "argon2::StoredUser"),
    ("sqlite/users/mod.rs", "argon2::UserStatus"),
    ("sqlite/users/mod.rs", "argon2::UserStore"),
    ("sqlite/users/new_user.rs", "argon2::UserStatus"),
];

/// Words that must not stand in a ring's code.
fn forbidden(module: &str) -> Vec<&'static str> {
    let mut words = FRAMEWORKS.to_vec();
    match module {
        "protocol" => words.extend([
            "async",
            "await",
            "Future",
            "tokio::",
            "tower::",
            "tracing::",
            "metrics::",
            "Instant",
            "now()",
            "async_trait::",
        ]),
        "boundary" => words.extend(["tokio::", "tower::", "tracing::", "metrics::"]),
        "protection" => words.extend(["tower::", "rusqlite::"]),
        "conductor" | "observe" => words.push("tower::"),
        _ => {}
    }
    words
}

/// What is wrong with the layers of these files.
fn violations(sources: &[Source]) -> Vec<String> {
    let lib = sources.iter().find(|source| source.path == "lib.rs").map_or("", |source| source.code.as_str());
    let exports = exports(lib);
    let mut wrong = Vec::new();
    for source in sources {
        let Some(ring) = source.ring() else { continue };
        for path in uses(source, &exports) {
            let target = path.split("::").next().unwrap();
            let legal = target == ring
                || may_use(ring).contains(&target)
                || EXCEPTIONS.contains(&(source.path.as_str(), path.as_str()));
            if !legal {
                wrong.push(format!("{} uses `{path}`", source.path));
            }
        }
        for word in forbidden(ring) {
            if has_word(&source.code, word) {
                wrong.push(format!("{} contains `{word}`", source.path));
            }
        }
        let speaks = source.path.starts_with("observe/telemetry/");
        if !speaks && (source.code.contains("tracing::") || source.code.contains("metrics::")) {
            wrong.push(format!("{} speaks past `observe/telemetry`", source.path));
        }
        // However it is written: `cfg(not(feature = ..))`, `cfg!(feature = ..)`, `cfg_attr(feature = ..)`.
        if source.code.contains("feature = \"") && !source.path.ends_with("mod.rs") {
            wrong.push(format!("{} switches on a feature", source.path));
        }
    }
    wrong
}

#[test]
fn every_module_uses_only_what_lies_below_it() {
    let wrong = violations(&sources());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_exception_is_needed() {
    let sources = sources();
    let lib = sources.iter().find(|source| source.path == "lib.rs").unwrap();
    let exports = exports(&lib.code);
    for (file, path) in EXCEPTIONS {
        let source = sources.iter().find(|source| source.path == file).unwrap_or_else(|| panic!("{file} is gone"));
        assert!(uses(source, &exports).contains(path), "{file} does not use `{path}` any more");
        let (ring, target) = (source.ring().unwrap(), path.split("::").next().unwrap());
        assert!(target != ring && !may_use(ring).contains(&target), "{file} may use `{path}` without an exception");
    }
}

#[test]
fn the_core_names_no_room() {
    let sources = sources();
    let rooms: BTreeSet<&str> = sources.iter().filter_map(Source::ring).filter(|ring| !CORE.contains(ring)).collect();
    for source in sources.iter().filter(|source| source.ring().is_some_and(|ring| CORE.contains(&ring))) {
        for room in &rooms {
            let named = source.code.contains(&format!("crate::{room}"));
            assert!(!named, "{} names the room `{room}`", source.path);
        }
        for library in ["argon2::", "password_hash::", "bcrypt::", "aws_lc_rs::", "sha1::", "xorf::", "rusqlite::"] {
            assert!(!source.code.contains(library), "{} uses `{library}`", source.path);
        }
    }
}

#[test]
fn files_are_short_and_the_ladder_is_shorter() {
    for folder in ["src", "tests", "benches", "examples", "fuzz/fuzz_targets"] {
        for file in rust_files(&root().join(folder)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            let most = if file.starts_with(root().join("src/service")) { 250 } else { 500 };
            assert!(lines < most, "{} has {lines} lines", file.display());
        }
    }
    let ladder = sources().into_iter().find(|source| source.path == "conductor/exchange.rs").unwrap();
    assert!(ladder.lines < 200);
}

#[test]
fn unit_tests_stand_last() {
    for (path, text) in library() {
        assert!(ends_with_its_tests(&text), "{path}");
    }
    assert!(ends_with_its_tests("fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n"));
    assert!(!ends_with_its_tests("#[cfg(test)]\nuse x::y;\nfn a() {}\n"));
    assert!(!ends_with_its_tests("#[cfg(test)]\nmod tests {\n}\nfn a() {}\n"));
}

/// How the realm of a request is read from the registration of its client, and the only places that do: where terms are made,
/// and where a registration is kept. Everything below has it from terms, an attempt, a login, a grant, a family or a record.
const REALM: [(&str, &[&str]); 3] = [
    ("chosen_realm(", &["boundary/ladder/terms.rs", "protocol/client/registered.rs", "testing/attempt.rs"]),
    ("served_realm(", &["protocol/client/registered.rs", "protocol/client/policy.rs"]),
    ("default_realm(", &["protocol/client/registered.rs", "sqlite/registration.rs"]),
];

#[test]
fn the_realm_of_a_request_is_chosen_where_terms_are_made() {
    let sources = sources();
    for (read, places) in REALM {
        let reads = |source: &&Source| has_word(&source.code, read);
        let readers: BTreeSet<&str> = sources.iter().filter(reads).map(|source| source.path.as_str()).collect();
        assert_eq!(readers, places.iter().copied().collect(), "`{read}`");
    }
}

#[test]
fn this_test_finds_what_it_looks_for() {
    let lib = Source::new("lib.rs", "pub use service::{Builder, PasswordGrant};\npub use boundary::clock::Clock;");
    let cases = [
        ("protocol/wire/form.rs", "use crate::boundary::clock::Clock;", 1),
        ("protocol/wire/form.rs", "use super::texts::Texts;\n// use crate::boundary::clock::Clock;", 0),
        ("protocol/wire/form.rs", "pub async fn read() {}", 1),
        ("protocol/wire/form.rs", "let asynchronous = 1;\n#[cfg(test)]\nmod tests { use crate::service::x; }", 0),
        ("protocol/wire/form.rs", "use super::super::conductor::trail;", 1),
        ("boundary/issuer.rs", "use crate::{boundary::clock::{Clock, X}, conductor::y, protocol::z};", 1),
        ("boundary/issuer.rs", "use crate::Builder;", 1),
        ("boundary/issuer.rs", "use crate::Clock;", 0),
        ("conductor/exchange.rs", "use tower::Service;", 1),
        ("conductor/exchange.rs", "let hint = \"in axum\";", 0),
        ("conductor/exchange.rs", "tracing::info!(1);", 1),
        ("service/options.rs", "use crate::limiter::memory::limiter::MemoryLimiter;", 0),
        ("observe/audit.rs", "use crate::conductor::trail::Trail;", 1),
        ("limiter/memory/limiter.rs", "use crate::observe::telemetry;", 1),
        ("sqlite/writer.rs", "use crate::observe::telemetry;", 0),
        ("sqlite/writer.rs", "use crate::conductor::trail::Trail;", 1),
        ("service/layer.rs", "#[cfg(feature = \"jwt\")]\nfn x() {}", 1),
        ("service/layer.rs", "#[cfg(not(feature = \"jwt\"))]\nfn x() {}", 1),
        ("observe/telemetry/events_on.rs", "let x = cfg!(feature = \"metrics\");", 1),
        ("jwt/issuer.rs", "use crate::argon2::Verifier;", 1),
        ("jwt/issuer.rs", "use super::keys::Key;\nuse crate::boundary::ladder::grant::Grant;", 0),
        ("jwt/mod.rs", "#[cfg(feature = \"legacy\")]\nmod x;\nuse super::memory::opaque;", 1),
    ];
    for (path, text, expected) in cases {
        let lib = Source::new("lib.rs", &lib.code);
        let wrong = violations(&[lib, Source::new(path, text)]);
        assert_eq!(wrong.len(), expected, "{path}: {text}\n{wrong:?}");
    }
}
