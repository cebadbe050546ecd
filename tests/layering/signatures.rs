//! What applications see of an item, read from the sources: signatures, fields, variants, traits.
#![allow(clippy::unwrap_used, clippy::string_slice, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeSet;

use super::modules::{Source, has_word, paths_after};
use super::reader::read;

/// The crates that public signatures may name, each because it is the language in which applications and this crate talk:
/// requests and answers (`http`, `http-body`, `bytes`), layers and services (`tower`), and what can be written as JSON (`serde`,
/// its traits alone). `http-body-util` has `Full`, the body that HTTP clients of applications are made for: a body of this crate's
/// own would ask for a second client with connections of its own. `tokio-postgres` and `sqlx` stand in the one adapter over
/// each, to which applications give their own clients or pool, and `redis` where they give their connections. A new major version of
/// any other crate must not be one of this crate.
const ALLOWED: [&str; 9] =
    ["bytes", "http", "http_body", "http_body_util", "redis", "serde", "sqlx", "tokio_postgres", "tower"];

/// The crates that no public signature may name.
pub fn hidden_crates() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let names = section.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "));
    let names = names.map(|(name, _)| name.replace('-', "_"));
    names.filter(|name| !ALLOWED.contains(&name.as_str())).collect()
}

/// The text up to where the body, the value or the next item begins.
fn head(text: &str) -> &str {
    &text[..text.find(['{', ';']).unwrap_or(text.len())]
}

/// The item that begins here, to the brace in the first column.
fn whole(text: &str) -> &str {
    &text[..text.find("\n}").unwrap_or(text.len())]
}

/// What applications see of the items of this code. `public` has the names of all public types.
fn seen<'a>(code: &'a str, public: &BTreeSet<String>) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in code.split_inclusive('\n') {
        let here = &code[at + line.len() - line.trim_start().len()..];
        at += line.len();
        let bare = line.trim();
        let name = |rest: &str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap().to_owned();
        if let Some(rest) = bare.strip_prefix("pub ") {
            let is_field = !["fn", "async", "const", "struct", "enum", "trait", "type", "use", "mod", "static"]
                .contains(&rest.split(' ').next().unwrap());
            if is_field {
                found.push(line);
            } else if rest.starts_with("enum ") || rest.starts_with("trait ") {
                found.push(whole(here));
            } else if rest.starts_with("struct ") {
                // Private fields of a tuple are not seen.
                let head = head(here);
                found.push(if head.contains("(pub ") { head } else { head.split('(').next().unwrap() });
            } else {
                found.push(head(here));
            }
        } else if line.starts_with("impl") {
            let target = head(here).rsplit(" for ").next().unwrap();
            let target = target.strip_prefix("impl").map_or(target, str::trim);
            if head(here).contains(" for ") && public.contains(&name(target)) {
                found.push(head(here));
            }
        }
    }
    found
}

/// Where public items of these files name a hidden crate: by its path, or by a name that the file takes from it.
pub fn names_of_hidden_crates(sources: &[Source], hidden: &[String]) -> Vec<String> {
    let declared = |line: &str| {
        let rest = ["pub struct ", "pub enum "].iter().find_map(|word| line.strip_prefix(word))?;
        Some(rest.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned())
    };
    let public: BTreeSet<String> = sources.iter().flat_map(|source| source.code.lines().filter_map(declared)).collect();
    let mut wrong = Vec::new();
    for source in sources {
        let code = source.code.replace(" as _", "");
        let taken = paths_after(&code, "use ").into_iter().filter_map(|path| {
            let (root, _) = path.split_once("::")?;
            hidden.iter().any(|name| name == root).then(|| path.rsplit("::").next().unwrap().to_owned())
        });
        let taken: Vec<String> = taken.collect();
        for text in seen(&source.code, &public) {
            let by_path = hidden.iter().map(|name| format!("{name}::")).filter(|path| {
                text.match_indices(path.as_str()).any(|(at, _)| {
                    !text[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
                })
            });
            for name in by_path.chain(taken.iter().filter(|name| has_word(text, name)).cloned()) {
                wrong.push(format!("{}: `{name}` in `{}`", source.path, text.lines().next().unwrap().trim()));
            }
        }
    }
    wrong
}
