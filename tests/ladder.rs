//! The real ladder, with its private types: what would leave a rung out does not compile.
//!
//! Each file of `tests/ui_ladder` is compiled as a module of the conductor, in a copy of the library. Its compile errors must
//! be those behind `//~`, on those lines, and no others; without those lines all of it must compile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub
)]

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "it/support/sources.rs"]
mod reader;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use reader::{read, root, rust_files};

/// An error by the name of its case and its line.
type Errors = BTreeMap<(String, u64), String>;

/// The manifest with nothing but the library, built as it is for tests.
fn manifest() -> String {
    let mut kept = String::new();
    let mut is_kept = true;
    for line in read("Cargo.toml").lines() {
        if line.starts_with('[') {
            is_kept = line.starts_with("[profile.dev")
                || ["[package]", "[features]", "[dependencies]", "[lints.rust]"].contains(&line);
        }
        if is_kept {
            writeln!(kept, "{line}").unwrap();
        }
    }
    kept + "\n[workspace]\n"
}

/// A folder of these files and no others. What has its text already is left, so that a second run has less to compile.
fn mirror(folder: &Path, files: &BTreeMap<PathBuf, String>) {
    remove_others(folder, Path::new(""), files);
    for (path, text) in files {
        let path = folder.join(path);
        if fs::read_to_string(&path).ok().as_ref() != Some(text) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }
}

/// Removes from `below`, a folder in `folder`, whatever is neither one of these files nor a folder of one.
fn remove_others(folder: &Path, below: &Path, files: &BTreeMap<PathBuf, String>) {
    let Ok(entries) = fs::read_dir(folder.join(below)) else { return };
    for entry in entries.map(Result::unwrap) {
        let path = below.join(entry.file_name());
        let has_files = files.keys().any(|file| file != &path && file.starts_with(&path));
        match entry.file_type().unwrap().is_dir() {
            true if has_files => remove_others(folder, &path, files),
            true => fs::remove_dir_all(entry.path()).unwrap(),
            false if files.contains_key(&path) => {}
            false => fs::remove_file(entry.path()).unwrap(),
        }
    }
}

/// A copy of the library with these modules in its conductor.
fn package(cases: &BTreeMap<String, String>) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ladder");
    let sources = root().join("src");
    let copied = [rust_files(&sources), guides(&sources), pages()].concat();
    let text = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        (path.strip_prefix(root()).unwrap().to_owned(), text)
    };
    let mut files: BTreeMap<_, _> = copied.into_iter().map(text).collect();
    let conductor = files.get_mut(Path::new("src/conductor/mod.rs")).unwrap();
    for name in cases.keys() {
        writeln!(conductor, "mod {name};").unwrap();
    }
    files.extend(cases.iter().map(|(name, text)| (format!("src/conductor/{name}.rs").into(), text.clone())));
    files.insert("Cargo.toml".into(), manifest());
    // The same versions as the crate's own, so that nothing has to be fetched.
    files.insert("Cargo.lock".into(), read("Cargo.lock"));
    mirror(&folder, &files);
    folder
}

/// The pages outside of the sources that these include.
fn pages() -> Vec<PathBuf> {
    let folders = [root().to_owned(), root().join("benches")];
    let entries = folders.into_iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect()
}

/// What the sources include.
fn guides(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { guides(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension != "rs"))
        .collect()
}

/// The errors of the compiler about these modules.
fn check(cases: &BTreeMap<String, String>) -> Errors {
    let folder = package(cases);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["check", "--offline", "--no-default-features", "--lib", "--message-format", "json", "--quiet"])
        // Beside the tests: what compiles the macros of its dependencies is built there already.
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap())
        .current_dir(&folder)
        .output()
        .unwrap();
    let mut errors = Errors::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        let message = &message["message"];
        let spans = message["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(span) = spans.iter().find(|span| span["is_primary"] == true) else { continue };
        if message["level"] == "error" {
            let file = span["file_name"].as_str().unwrap();
            let name = Path::new(file).file_stem().unwrap().to_str().unwrap().to_owned();
            let text = message["rendered"].as_str().unwrap();
            let known = errors.entry((name, span["line_start"].as_u64().unwrap())).or_default();
            assert!(known.is_empty(), "two errors in one line:\n{known}\n{text}");
            known.push_str(text);
        }
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() != errors.values().any(|_| true), "{said}");
    errors
}

#[test]
fn the_copy_has_what_the_library_has_and_nothing_that_it_had() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mirror");
    let found = || {
        let text = |path: PathBuf| {
            let text = fs::read_to_string(&path).unwrap();
            (path.strip_prefix(&folder).unwrap().to_owned(), text)
        };
        rust_files(&folder).into_iter().map(text).collect::<BTreeMap<_, _>>()
    };
    // A module becomes a folder and a file again; a whole folder goes.
    let file = [("a.rs", "1"), ("b/mod.rs", "2"), ("b/c/d.rs", "3")];
    let as_folder = [("a.rs", "4"), ("a.rs/e.rs", "5")];
    let stages = [&file[..], &[("a/mod.rs", "1"), ("b.rs", "2")], &file, &as_folder[1..], &as_folder[..1], &[]];
    for stage in stages {
        let files = stage.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        mirror(&folder, &files);
        assert_eq!(found(), files);
    }
    assert!(!folder.join("b").exists());
}

#[test]
fn a_rung_cannot_be_left_out() {
    let mut cases = BTreeMap::new();
    let mut expected = BTreeMap::new();
    for file in rust_files(&root().join("tests/ui_ladder")) {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&file).unwrap();
        for (line, number) in text.lines().zip(1..) {
            if let Some((_, error)) = line.split_once("//~ ") {
                expected.insert((name.clone(), number), error.to_owned());
            }
        }
        cases.insert(name, text);
    }
    assert!(expected.len() > 25);

    // The compiler looks at some things only once others are right: what it has found is left out, until there is no more.
    loop {
        let errors = check(&cases);
        if errors.is_empty() {
            break;
        }
        for ((name, line), error) in errors {
            let text = expected.remove(&(name.clone(), line));
            let text = text.unwrap_or_else(|| panic!("{name}, line {line} does not compile:\n{error}"));
            assert!(error.contains(&text), "{name}, line {line} lacks {text:?}:\n{error}");
            let case = cases.get_mut(&name).unwrap();
            let lines = case.lines().zip(1..).map(|(text, number)| if number == line { "" } else { text });
            *case = lines.collect::<Vec<_>>().join("\n");
        }
    }
    assert!(expected.is_empty(), "these compile: {expected:#?}");
}
