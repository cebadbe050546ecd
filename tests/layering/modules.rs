//! Which module of the library uses which, read from the sources.
#![allow(dead_code, clippy::unwrap_used, missing_docs, unreachable_pub)]
#![allow(clippy::string_slice, clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::{BTreeSet, HashMap};

use super::reader::{code, library};

pub struct Source {
    /// Relative to `src`, with `/`.
    pub path: String,
    pub lines: usize,
    /// Without comments and unit tests.
    pub code: String,
    /// The modules from the crate's root to this file's own.
    pub module: Vec<String>,
}

impl Source {
    pub fn new(path: &str, text: &str) -> Self {
        let mut module: Vec<String> = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| last == "mod" || last == "lib") {
            module.pop();
        }
        Self { path: path.to_owned(), lines: text.lines().count(), code: code(text), module }
    }

    pub fn ring(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }
}

pub fn sources() -> Vec<Source> {
    library().iter().map(|(path, text)| Source::new(path, text)).collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

pub fn has_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().is_some_and(is_word);
        let after = code[at + word.len()..].chars().next().is_some_and(is_word);
        !before && (!after || !word.ends_with(is_word))
    })
}

/// The paths that follow `root` (`crate::`), with groups in braces spread out.
pub fn paths_after(code: &str, root: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(root) {
        if !code[..at].chars().next_back().is_some_and(|c| is_word(c) || c == ':') {
            spread(&code[at + root.len()..], "", &mut found);
        }
    }
    found
}

/// Reads one path, or one group of them, from the start of `text`; returns what follows.
pub fn spread<'a>(text: &'a str, prefix: &str, found: &mut Vec<String>) -> &'a str {
    let text = text.trim_start();
    if let Some(group) = text.strip_prefix('{') {
        let mut rest = group;
        loop {
            rest = spread(rest, prefix, found).trim_start();
            match rest.strip_prefix(',') {
                Some(next) if !next.trim_start().starts_with('}') => rest = next,
                Some(next) => return next.trim_start().trim_start_matches('}'),
                None => return rest.strip_prefix('}').unwrap_or(rest),
            }
        }
    }
    let end = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    match rest.strip_prefix("::") {
        Some(next) if next.starts_with(|c: char| is_word(c) || c == '{') => spread(next, &path, found),
        _ => {
            found.push(path);
            rest
        }
    }
}

/// Where the names that `lib.rs` exports come from.
pub fn exports(lib: &str) -> HashMap<String, String> {
    let mut exports = HashMap::new();
    for (at, found) in lib.match_indices("pub use ") {
        let mut paths = Vec::new();
        spread(&lib[at + found.len()..], "", &mut paths);
        for path in paths {
            let name = path.rsplit("::").next().unwrap().to_owned();
            exports.insert(name, path);
        }
    }
    exports
}

/// Every path of ours that a file uses, from the crate's root.
pub fn uses(source: &Source, exports: &HashMap<String, String>) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = paths_after(&source.code, "crate::")
        .into_iter()
        .map(|path| {
            let first = path.split("::").next().unwrap();
            exports.get(first).cloned().unwrap_or(path)
        })
        .collect();
    for depth in 1..=4 {
        let root = "super::".repeat(depth);
        let keep = source.module.len().saturating_sub(depth);
        for path in paths_after(&source.code, &root) {
            if !path.starts_with("super") {
                let mut full = source.module[..keep].to_vec();
                full.push(path);
                found.insert(full.join("::"));
            }
        }
    }
    found
}
