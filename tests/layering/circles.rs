//! No circle of imports among the files of the library, but those that are named here with their reason.
//!
//! A `mod.rs` that only hands names on is looked through: what counts is the file in which the name stands.

use std::collections::{BTreeMap, BTreeSet};

use super::modules::{Source, exports, paths_after, sources, spread, uses};

/// The circles that there are, each with its reason. A file that leaves one is struck here, so the list only shrinks.
const ALLOWED: [(&[&str], &str); 6] = [
    (&["argon2/config.rs", "argon2/verifier.rs"], "a type and its builder"),
    (&["bearer/builder.rs", "bearer/guard.rs"], "a type and its builder"),
    (&["postgres/builder.rs", "postgres/store.rs"], "a type and its builder"),
    (&["protocol/client/builder.rs", "protocol/client/registered.rs"], "a type and its builder"),
    (&["redis/builder.rs", "redis/store.rs"], "a type and its builder"),
    (
        &[
            "sqlite/access.rs",
            "sqlite/builder.rs",
            "sqlite/clients.rs",
            "sqlite/factors.rs",
            "sqlite/once.rs",
            "sqlite/open.rs",
            "sqlite/refresh.rs",
            "sqlite/statements.rs",
            "sqlite/store.rs",
            "sqlite/writer.rs",
        ],
        "one store, which prepares the statements of all its tables when it opens",
    ),
];

/// The files, and how names lead to them.
struct House {
    sources: BTreeMap<String, Source>,
    exports: std::collections::HashMap<String, String>,
}

/// The path of a `use` that a `mod.rs` hands on, by the name under which it does.
fn handed_on(source: &Source) -> BTreeMap<String, Vec<String>> {
    let mut names = BTreeMap::new();
    for statement in source.code.split(';') {
        let Some(at) = statement.find("use ") else { continue };
        let is_use = matches!(
            statement[..at].trim_end().lines().last().map(str::trim),
            None | Some("" | "pub" | "pub(crate)" | "pub(super)")
        );
        let mut paths = Vec::new();
        spread(statement[at + 4..].trim(), "", &mut paths);
        for path in paths.iter().filter(|_| is_use) {
            let mut full: Vec<String> = path.split("::").map(str::to_owned).collect();
            let name = full.last().unwrap().clone();
            match full[0].as_str() {
                "crate" => drop(full.remove(0)),
                _ => full.splice(0..0, source.module.iter().cloned()).for_each(drop),
            }
            names.insert(name, full);
        }
    }
    names
}

/// The files of a module that is declared under another name than its file's.
fn other_names(source: &Source, name: &str) -> Vec<String> {
    let folder = source.path.trim_end_matches("mod.rs");
    let lines: Vec<&str> = source.code.lines().map(str::trim).collect();
    let declares = |line: &str| line.ends_with(&format!("mod {name};"));
    let named = lines.windows(2).filter(|pair| declares(pair[1]));
    named
        .filter_map(|pair| pair[0].strip_prefix("#[path = \"")?.strip_suffix("\"]"))
        .map(|file| format!("{folder}{file}"))
        .collect()
}

/// Whether a `mod.rs` holds more than names.
fn has_code(source: &Source) -> bool {
    ["fn ", "struct ", "enum ", "trait ", "impl ", "const "].iter().any(|word| source.code.contains(word))
}

impl House {
    fn new(sources: Vec<Source>) -> Self {
        let exports =
            exports(sources.iter().find(|source| source.path == "lib.rs").map_or("", |lib| lib.code.as_str()));
        Self { sources: sources.into_iter().map(|source| (source.path.clone(), source)).collect(), exports }
    }

    /// The files in which what this path names stands.
    fn files_of(&self, path: &[String], most: usize) -> Vec<String> {
        for length in (1..=path.len()).rev() {
            let place = path[..length].join("/");
            if self.sources.contains_key(&format!("{place}.rs")) {
                return vec![format!("{place}.rs")];
            }
            let Some(face) = self.sources.get(&format!("{place}/mod.rs")) else { continue };
            if let (Some(name), Some(most)) = (path.get(length), most.checked_sub(1)) {
                let named = other_names(face, name);
                if !named.is_empty() {
                    return named;
                }
                if let Some(next) = handed_on(face).get(name).filter(|next| next.as_slice() != &path[..=length]) {
                    return self.files_of(&[next.as_slice(), &path[length + 1..]].concat(), most);
                }
            }
            return if has_code(face) { vec![face.path.clone()] } else { Vec::new() };
        }
        Vec::new()
    }

    /// The files that a file imports from.
    fn imports(&self, source: &Source) -> BTreeSet<String> {
        let mut paths: BTreeSet<String> = uses(source, &self.exports);
        if source.path.ends_with("/mod.rs") {
            // It calls its children by their names alone.
            let children = source.code.lines().filter_map(|line| line.trim().rsplit("mod ").next()?.strip_suffix(';'));
            let own =
                source.code.split(';').filter(|statement| !statement.contains("use ")).collect::<Vec<_>>().join(";");
            for child in children {
                let within = |path| [&source.module.join("::"), child, path].join("::");
                paths.extend(paths_after(&own, &format!("{child}::")).iter().map(|path| within(path)));
            }
        }
        let parts = |path: &String| path.split("::").map(str::to_owned).collect::<Vec<_>>();
        let mut files: BTreeSet<String> = paths.iter().flat_map(|path| self.files_of(&parts(path), 8)).collect();
        files.remove(&source.path);
        files
    }

    /// The sets of files of which each one reaches each other.
    fn circles(&self) -> BTreeSet<BTreeSet<String>> {
        let counts = |source: &&Source| !source.path.ends_with("mod.rs") && source.path != "lib.rs" || has_code(source);
        let nodes: Vec<&Source> = self.sources.values().filter(counts).collect();
        let mut reached: BTreeMap<&str, BTreeSet<String>> =
            nodes.iter().map(|source| (source.path.as_str(), self.imports(source))).collect();
        loop {
            let mut has_grown = false;
            for source in &nodes {
                let further: BTreeSet<String> = reached[source.path.as_str()]
                    .iter()
                    .filter_map(|next| reached.get(next.as_str()))
                    .flatten()
                    .cloned()
                    .collect();
                let own = reached.get_mut(source.path.as_str()).unwrap();
                let before = own.len();
                own.extend(further);
                has_grown |= own.len() > before;
            }
            if !has_grown {
                break;
            }
        }
        let is_on_one = |source: &&&Source| reached[source.path.as_str()].contains(&source.path);
        let with = |source: &Source| {
            let comes_back =
                |other: &&String| reached.get(other.as_str()).is_some_and(|from| from.contains(&source.path));
            reached[source.path.as_str()].iter().filter(comes_back).cloned().collect()
        };
        nodes.iter().filter(is_on_one).map(|source| with(source)).collect()
    }
}

#[test]
fn files_import_each_other_in_no_circle_but_the_allowed() {
    let found = House::new(sources()).circles();
    let is_allowed = |circle: &&BTreeSet<String>| {
        ALLOWED.iter().any(|(files, _)| circle.iter().all(|file| files.contains(&file.as_str())))
    };
    let new: Vec<_> = found.iter().filter(|circle| !is_allowed(circle)).collect();
    assert!(new.is_empty(), "not allowed: {new:#?}");
    let on_one: BTreeSet<&str> = found.iter().flatten().map(String::as_str).collect();
    let gone: Vec<_> =
        ALLOWED.iter().flat_map(|(files, _)| files.iter()).filter(|file| !on_one.contains(*file)).collect();
    assert!(gone.is_empty(), "on no circle any more: {gone:?}");
}

#[test]
fn a_circle_is_found_through_the_faces_of_folders_and_other_names() {
    let circles = |files: &[(&str, &str)]| {
        let sources = files.iter().map(|(path, text)| Source::new(path, text)).collect();
        let found = House::new(sources).circles();
        found.into_iter().map(|circle| circle.into_iter().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let straight = [("a/x.rs", "use super::y::Y;"), ("a/y.rs", "fn f() { crate::a::x::g() }")];
    assert_eq!(circles(&straight), ["a/x.rs a/y.rs"]);
    let only_in_tests = [
        ("a/x.rs", "use super::y::Y;"),
        ("a/y.rs", "struct Y;\n#[cfg(test)]\nmod tests {\n use super::super::x::X;\n}"),
    ];
    assert!(circles(&only_in_tests).is_empty());
    let handed_on = [
        ("a/mod.rs", "mod x;\nmod y;\npub use x::{X, Z};"),
        ("a/x.rs", "use super::y::Y;\npub struct X;"),
        ("a/y.rs", "use super::X;"),
    ];
    assert_eq!(circles(&handed_on), ["a/x.rs a/y.rs"]);
    let other_name = [
        ("a/mod.rs", "#[path = \"y_on.rs\"]\nmod y;\nmod x;"),
        ("a/x.rs", "use super::y::Y;"),
        ("a/y_on.rs", "use super::x::X;"),
    ];
    assert_eq!(circles(&other_name), ["a/x.rs a/y_on.rs"]);
    let face_with_code = [("a/mod.rs", "mod x;\nfn all() { x::one() }"), ("a/x.rs", "use super::all;\nfn one() {}")];
    assert_eq!(circles(&face_with_code), ["a/mod.rs a/x.rs"]);
    let from_the_root = [("lib.rs", "pub use a::x::X;"), ("a/x.rs", "use super::y::Y;"), ("a/y.rs", "use crate::X;")];
    assert_eq!(circles(&from_the_root), ["a/x.rs a/y.rs"]);
}
