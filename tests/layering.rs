//! The rings of the design, enforced from the sources: which room may use which, what each ring must not contain, and how files
//! look. The arrow always points down.
//!
//! | Ring | Modules | May use |
//! |---|---|---|
//! | 0 | `protocol` | nothing of ours; no async, clock, tokio, tower, tracing |
//! | 1 | `boundary` | 0; no framework |
//! | 1 | `observe`, `limiter` | 0, `boundary`; no tower, no framework, no database |
//! | 2 | `conductor` | 0, 1; no tower, no framework |
//! | 3 | `service` | 0, 1, 2; no framework |
//! | faces | `audit`, `client`, `grant`, `mount`, `store`, `token`, `user`: public names alone | 0, 1, 3, `memory` |
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
#[path = "layering/signatures.rs"]
mod signatures;

use std::collections::BTreeSet;
use std::fs;

use modules::{Source, exports, has_word, sources, uses};
use reader::{ends_with_its_tests, library, root, rust_files};

const CORE: [&str; 7] = ["protocol", "boundary", "observe", "limiter", "conductor", "service", "memory"];
/// The public modules that hold names of several rings, and nothing else. Nothing inside uses them.
const FACES: [&str; 10] = ["audit", "client", "clock", "error", "grant", "mount", "rules", "store", "token", "user"];
const FRAMEWORKS: [&str; 4] = ["axum::", "hyper::", "hyper_util::", "tonic::"];

/// The modules that `module` may use besides itself.
fn may_use(module: &str) -> &'static [&'static str] {
    match module {
        "protocol" => &[],
        "boundary" => &["protocol"],
        "observe" => &["protocol", "boundary"],
        "limiter" => &["protocol", "boundary", "observe"],
        "service" => &["protocol", "boundary", "observe", "limiter", "conductor"],
        face if FACES.contains(&face) => &["protocol", "boundary", "observe", "limiter", "memory", "service"],
        // The conductor and the rooms.
        _ => &["protocol", "boundary", "observe", "limiter"],
    }
}

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
        "limiter" => words.extend(["tower::", "rusqlite::"]),
        "conductor" | "observe" => words.push("tower::"),
        _ => {}
    }
    words
}

/// What stands in a `mod.rs` beside declarations of modules, names that are handed on, and attributes.
fn other_than_names(code: &str) -> String {
    // A page of the manual is a module with nothing in it.
    let code = code.replace(" {}", ";");
    let bare = code.lines().filter(|line| !line.trim().starts_with("#[")).collect::<Vec<_>>().join("\n");
    let is_names = |statement: &str| {
        let text = statement.trim();
        let word = text.strip_prefix("pub").map_or(text, |rest| rest.trim_start_matches(|c| c != ' ').trim_start());
        let is_plain = !word.contains(['(', '=']);
        text.is_empty() || is_plain && (word.starts_with("use ") || word.starts_with("mod ") && !word.contains('{'))
    };
    bare.split(';').filter(|statement| !is_names(statement)).collect::<Vec<_>>().join("\n").trim().to_owned()
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
            if target != ring && !may_use(ring).contains(&target) {
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
fn a_mod_file_holds_docs_declarations_and_re_exports_only() {
    let is_face =
        |source: &&Source| source.path.ends_with("mod.rs") || source.ring().is_some_and(|ring| FACES.contains(&ring));
    for source in sources().iter().filter(is_face) {
        let other = other_than_names(&source.code);
        assert!(other.is_empty(), "{} holds {other:?}", source.path);
    }
    assert_eq!(
        other_than_names("#[cfg(a)]\npub(crate) mod x;\n\nuse a::{\n    B,\n    c::D,\n};\npub use x::Y;\n"),
        ""
    );
    assert_eq!(other_than_names("mod x;\nconst A: u8 = 1;"), "const A: u8 = 1");
    assert_eq!(other_than_names("pub mod x {\n    fn y() { z() }\n}"), "pub mod x {\n    fn y() { z() }\n}");
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
        for library in [
            "argon2::",
            "password_hash::",
            "bcrypt::",
            "aws_lc_rs::",
            "sha1::",
            "xorf::",
            "rusqlite::",
            "chacha20poly1305::",
            "totp_rs::",
        ] {
            assert!(!source.code.contains(library), "{} uses `{library}`", source.path);
        }
    }
}

#[test]
fn an_engine_of_the_limiter_is_known_to_no_other_room() {
    // The value that the builder takes holds a ceiling. It chooses no engine: the service does.
    let held = ("limiter/protection.rs", "limiter::ceiling::requests::RequestCeiling");
    let engines = ["limiter::memory::", "limiter::stored::", "limiter::ceiling::"];
    let sources = sources();
    for source in sources.iter().filter(|source| source.path.starts_with("limiter/")) {
        let own = source.path.split('/').nth(1).unwrap();
        for path in uses(source, &exports("")) {
            let is_of_another = |engine: &str| path.starts_with(engine) && engine.split("::").nth(1) != Some(own);
            let may = own == "mod.rs" || (source.path.as_str(), path.as_str()) == held;
            assert!(may || !engines.into_iter().any(is_of_another), "{} uses `{path}`", source.path);
        }
    }
    // What is kept must not depend on how another engine works in memory. The service chooses an engine.
    let is_outside = |source: &&Source| !["limiter", "service"].contains(&source.ring().unwrap_or("limiter"));
    for source in sources.iter().filter(is_outside) {
        for path in uses(source, &exports("")) {
            let is_engine = |engine: &str| path.starts_with(engine);
            let [memory, stored, _] = engines;
            assert!(!is_engine(memory) && !is_engine(stored), "{} uses `{path}`", source.path);
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

#[test]
fn no_public_signature_names_a_crate_that_applications_need_not_know() {
    let hidden = signatures::hidden_crates();
    for name in ["ipnet", "serde_json", "rusqlite", "argon2", "password_hash", "async_trait", "tokio"] {
        assert!(hidden.iter().any(|hidden| hidden == name), "{name}");
    }
    let wrong = signatures::names_of_hidden_crates(&sources(), &hidden);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let cases = [
        ("pub fn x(n: impl IntoIterator<Item = IpNet>) {}", true),
        ("pub fn x(\n    n: IpNet,\n) -> u8 { 1 }", true),
        ("fn x(n: IpNet) {}\npub(crate) fn y(n: IpNet) {}", false),
        ("pub fn x() { let n = IpNet::default(); }", false),
        ("pub struct X(IpNet);", false),
        ("pub struct X(pub IpNet);", true),
        ("pub struct X {\n    a: IpNet,\n    pub b: ipnet::IpNet,\n}", true),
        ("pub enum X {\n    A(ipnet::Ipv4Net),\n}", true),
        ("pub struct X;\nimpl From<IpNet> for X {}", true),
        ("struct X;\nimpl From<IpNet> for X {}", false),
        ("pub trait X {\n    fn a(&self) -> IpNet;\n}", true),
        ("pub use ipnet::IpNet as Network;", true),
    ];
    for (code, is_wrong) in cases {
        let source = Source::new("x.rs", &format!("use ipnet::{{IpNet, Ipv4Net as _}};\n{code}"));
        let wrong = signatures::names_of_hidden_crates(&[source], &hidden);
        assert_eq!(!wrong.is_empty(), is_wrong, "{code}: {wrong:?}");
    }
}

/// How the realm of a request is read from the registration of its client, and the only places that do: where terms are made,
/// and where a registration is kept. Everything below has it from terms, an attempt, a login, a grant, a family or a record.
const REALM: [(&str, &[&str]); 4] = [
    (
        "chosen_realm(",
        &["boundary/ladder/terms.rs", "protocol/client/registered.rs", "testing/attempt.rs", "testing/login_event.rs"],
    ),
    ("served_realm(", &["protocol/client/registered.rs", "protocol/client/policy.rs"]),
    ("default_realm(", &["protocol/client/registered.rs"]),
    ("client.realms(", &["protocol/client/members.rs", "conductor/misfits.rs"]),
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

/// What is decided in one place, and the word by which it would be decided in another: what becomes of a lock after a panic, which
/// answers are not kept, which lifetimes and leeways a token may have, which verifiers look at one attempt in turn, and what login
/// rules are shown.
const ONE_PLACE: [(&str, &[&str]); 8] = [
    ("PoisonError", &["boundary/sync.rs"]),
    ("\"no-store\"", &["protocol/wire/caching.rs", "jwt/remote.rs"]),
    ("> MAX_LEEWAY", &["protocol/token/lifetime.rs", "protocol/token/clock_steps.rs"]),
    ("< SHORTEST_LIFETIME", &["protocol/token/lifetime.rs"]),
    ("for_next_verifier(", &["boundary/verifier.rs", "realms/first_of.rs", "realms/migrate.rs"]),
    ("for_nobody(", &["boundary/verifier.rs", "realms/first_of.rs"]),
    ("RequestFacts {", &["boundary/login_event.rs", "boundary/ladder/terms.rs", "testing/login_event.rs"]),
    ("LoginFacts {", &["boundary/login_event.rs", "boundary/ladder/grant.rs", "testing/login_event.rs"]),
];

#[test]
fn what_is_decided_in_one_place_is_decided_in_no_other() {
    let sources = sources();
    for (word, places) in ONE_PLACE {
        let decides = |source: &&Source| source.code.contains(word);
        let found: BTreeSet<&str> = sources.iter().filter(decides).map(|source| source.path.as_str()).collect();
        assert_eq!(found, places.iter().copied().collect(), "`{word}`");
    }
}

/// Where a value of this type is written with its fields: neither a type nor an implementation begins there.
fn written<'a>(source: &'a Source, value: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_value = move |at: &usize| {
        let before = &source.code[..*at];
        let is_whole = !before.ends_with(|last: char| last.is_alphanumeric() || last == '_');
        is_whole && !["struct ", "impl ", "for ", "enum "].iter().any(|word| before.ends_with(word))
    };
    source.code.match_indices(value).map(|(at, _)| at).filter(is_value)
}

#[test]
fn a_grant_is_written_once_and_what_it_is_of_has_fields_of_its_own() {
    for (value, place) in [("Grant {", "boundary/ladder/grant.rs"), ("Cleared(())", "boundary/ladder/clearance.rs")] {
        let sources = sources();
        let found: Vec<&str> =
            sources.iter().flat_map(|source| written(source, value).map(|_| source.path.as_str())).collect();
        assert_eq!(found, [place], "`{value}`");
    }
    // Nor within its own implementation under its other name.
    let sources = sources();
    let grant = sources.iter().find(|source| source.path == "boundary/ladder/grant.rs").unwrap();
    let own = grant.code.split_once("impl Grant {").unwrap().1.split_once("\n}\n").unwrap().0;
    assert!(own.contains("fn of("), "{own}");
    assert_eq!(own.matches("Self {").count(), own.matches("-> Self {").count(), "{own}");
    for (code, count) in [
        ("fn x() -> Grant {}", 1),
        ("let x = Grant { facts };", 1),
        ("pub struct Grant { x: u8 }\nimpl Grant {}\nimpl Debug for Grant {}", 0),
        ("let x = RealmGrant { x };", 0),
    ] {
        assert_eq!(written(&Source::new("x.rs", code), "Grant {").count(), count, "{code}");
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
        ("protocol/wire/form.rs", "use super::super::super::conductor::trail;", 1),
        ("boundary/issuer.rs", "use crate::{boundary::clock::{Clock, X}, conductor::y, protocol::z};", 1),
        ("boundary/issuer.rs", "use crate::Builder;", 1),
        ("boundary/issuer.rs", "use crate::Clock;", 0),
        ("conductor/exchange.rs", "use tower::Service;", 1),
        ("conductor/exchange.rs", "let hint = \"in axum\";", 0),
        ("conductor/exchange.rs", "tracing::info!(1);", 1),
        ("service/options.rs", "use crate::limiter::memory::limiter::MemoryLimiter;", 0),
        ("observe/audit.rs", "use crate::conductor::trail::Trail;", 1),
        ("limiter/memory/limiter.rs", "use crate::observe::telemetry;", 0),
        ("observe/audit.rs", "use crate::limiter::locks::Locks;", 1),
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
