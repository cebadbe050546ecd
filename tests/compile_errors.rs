//! What the compiler says about wrong use: each file of `tests/ui` is compiled against the crate, and its errors must
//! contain the texts behind `//~`; a file without such lines must compile.
//!
//! Only our own words are compared, so another compiler or another set of features changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package whose programs are the files of `tests/ui`.
fn package(root: &Path) -> (PathBuf, BTreeMap<String, Vec<String>>) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui");
    fs::create_dir_all(&folder).unwrap();
    let mut manifest = format!(
        "[package]\nname = \"ui\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n\
         tower-password-grant = {{ path = {:?}, default-features = false }}\n",
        root.to_str().unwrap()
    );
    let mut expected = BTreeMap::new();
    for entry in fs::read_dir(root.join("tests/ui")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        write!(manifest, "\n[[bin]]\nname = {name:?}\npath = {:?}\n", path.to_str().unwrap()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let texts = text.lines().filter_map(|line| line.strip_prefix("//~ ")).map(str::to_owned).collect();
        expected.insert(name, texts);
    }
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    // The same versions as the crate's own, so that nothing has to be fetched.
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    (folder, expected)
}

#[test]
fn wrong_use_is_a_compile_error_that_names_the_cure() {
    let (folder, expected) = package(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert!(expected.len() > 5);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["check", "--offline", "--bins", "--keep-going", "--message-format", "json", "--quiet"])
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .current_dir(&folder)
        .output()
        .unwrap();
    let mut errors: BTreeMap<String, String> = BTreeMap::new();
    let mut built = Vec::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        let target = message["target"]["name"].as_str().unwrap_or_default().to_owned();
        match message["reason"].as_str() {
            Some("compiler-message") if message["message"]["level"] == "error" => {
                errors.entry(target).or_default().push_str(message["message"]["rendered"].as_str().unwrap());
            }
            Some("compiler-artifact") => built.push(target),
            _ => {}
        }
    }
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(built.iter().any(|name| name == "tower_password_grant"), "the crate itself was not built: {said}");
    for (name, texts) in expected {
        if texts.is_empty() {
            assert!(built.contains(&name), "{name} does not compile: {errors:#?}");
            continue;
        }
        let error = errors.get(&name).unwrap_or_else(|| panic!("{name} compiles: {said}"));
        for text in texts {
            assert!(error.contains(&text), "{name} lacks {text:?}:\n{error}");
        }
    }
}
