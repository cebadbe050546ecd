//! The sources of this repository, as tests read them.

use std::fs;
use std::path::{Path, PathBuf};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// All Rust files below `folder`.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The files of the library: paths relative to `src` with `/`, and their texts. Files of unit tests are left out.
pub fn library() -> Vec<(String, String)> {
    let folder = root().join("src");
    let relative = |file: &Path| file.strip_prefix(&folder).unwrap().to_str().unwrap().replace('\\', "/");
    let files: Vec<_> = rust_files(&folder)
        .iter()
        .map(|file| (relative(file), fs::read_to_string(file).unwrap()))
        .filter(|(path, _)| !path.ends_with("_tests.rs") && !path.ends_with("/tests.rs"))
        .collect();
    assert!(files.len() > 40, "the sources were not found");
    files
}

/// Where the unit tests begin, which stand last.
fn tests_of(text: &str) -> usize {
    text.lines().position(|line| line == "#[cfg(test)]").unwrap_or(usize::MAX)
}

/// The text without comments and unit tests.
pub fn code(text: &str) -> String {
    let bare = |line: &str| line.split("//").next().unwrap_or_default().to_owned();
    text.lines().take(tests_of(text)).map(bare).collect::<Vec<_>>().join("\n")
}

/// Whether nothing but one module follows the first `#[cfg(test)]`, so that [`code`] leaves out no more than that.
pub fn ends_with_its_tests(text: &str) -> bool {
    let mut rest = text.lines().skip(tests_of(text)).skip(1).skip_while(|line| line.starts_with("#[path"));
    match rest.next() {
        None => true,
        Some("mod tests;") => rest.next().is_none(),
        Some("mod tests {") => rest.skip_while(|line| *line != "}").count() == 1,
        Some(_) => false,
    }
}
