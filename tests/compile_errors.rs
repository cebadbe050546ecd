//! What the compiler says about wrong use: each file of `tests/ui` is compiled against the crate, and its errors must
//! contain the texts behind `//~`; a file without such lines must compile.
//!
//! Only our own words are compared, so another compiler or another set of features changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The library that this test was built with stands beside it. Of several, for other features, the newest is of these sources.
fn library() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("libtower_password_grant-") && name.ends_with(".rlib")
    };
    let built = |path: &PathBuf| fs::metadata(path).unwrap().modified().unwrap();
    files.filter(is_library).max_by_key(built).expect("cargo built the library for this test")
}

/// What the compiler that built the library says of a program that uses it.
fn compile(program: &Path, library: &Path) -> Output {
    let cargo = std::env::var_os("CARGO").map(PathBuf::from);
    let compiler = cargo.map_or("rustc".into(), |cargo| cargo.with_file_name("rustc"));
    let mut library_named = std::ffi::OsString::from("tower_password_grant=");
    library_named.push(library);
    Command::new(compiler)
        .args(["--edition", "2024", "--crate-type", "bin", "--emit", "metadata", "--cap-lints", "allow", "--out-dir"])
        .args([Path::new(env!("CARGO_TARGET_TMPDIR")), Path::new("-L"), library.parent().unwrap()])
        .arg("--extern")
        .args([library_named.as_os_str(), program.as_os_str()])
        .output()
        .unwrap()
}

#[test]
fn wrong_use_is_a_compile_error_that_names_the_cure() {
    let library = library();
    let mut programs = 0;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui")).unwrap() {
        let program = entry.unwrap().path();
        let text = fs::read_to_string(&program).unwrap();
        let expected: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("//~ ")).collect();
        let output = compile(&program, &library);
        // The compiler leaves the crate out where no other crate has a type of that name.
        let said = String::from_utf8(output.stderr).unwrap().replace("tower_password_grant::", "");
        let name = program.display();
        assert_eq!(output.status.success(), expected.is_empty(), "{name}: {said}");
        for text in expected {
            assert!(said.contains(text), "{name} lacks {text:?}:\n{said}");
        }
        programs += 1;
    }
    assert!(programs > 5);
}
