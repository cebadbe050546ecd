//! What is written for people: plain words, and code that fits on a page.

use std::fs;
use std::path::{Path, PathBuf};

use super::reader::{root, rust_files};

/// The widest line of code that a page of the documentation shows whole.
const WIDTH: usize = 90;

/// Words that hide what acts, or that few readers know.
const UNCLEAR: [&str; 14] = [
    "whoever",
    "whomever",
    "whom",
    "of yours",
    "tell of",
    "tells of",
    "told of",
    "telling of",
    "dearest",
    "mend",
    "mends",
    "mended",
    "shall",
    "such as are",
];

/// A "who" after one of these, or at the beginning of a sentence, stands for nobody in particular.
const BEFORE_BARE_WHO: [&str; 24] = [
    "about", "and", "at", "but", "by", "decide", "decides", "for", "from", "in", "is", "know", "knows", "learn",
    "learns", "of", "on", "or", "say", "says", "see", "show", "than", "to",
];

/// Pages for people, as paths from the root.
fn pages() -> Vec<PathBuf> {
    let manual = fs::read_dir(root().join("src/manual")).unwrap().map(|entry| entry.unwrap().path());
    let pages = ["README.md", "CHANGELOG.md", "SECURITY.md", "benches/README.md"].map(|page| root().join(page));
    manual.chain(pages).filter(|page| page.extension().is_some_and(|extension| extension == "md")).collect()
}

fn sources() -> Vec<PathBuf> {
    ["src", "tests", "examples", "benches"].iter().flat_map(|folder| rust_files(&root().join(folder))).collect()
}

/// The comment of a line, whatever stands before it.
fn comment(line: &str) -> Option<&str> {
    let trimmed = line.trim_start();
    let own = ["/// ", "//! ", "// "].iter().find_map(|mark| trimmed.strip_prefix(mark));
    own.or_else(|| line.split_once(" // ").map(|(_, comment)| comment))
}

/// Words in lower case without the marks around them, each with whether a sentence may begin with it.
fn words(text: &str) -> Vec<(String, bool)> {
    let is_mark = |c: char| !c.is_alphanumeric() && c != '\'';
    let mut begins = true;
    let mut words = Vec::new();
    for raw in text.split_whitespace() {
        let word = raw.trim_matches(is_mark).to_lowercase();
        if !word.is_empty() {
            words.push((word, begins || raw.starts_with(['(', '*'])));
        }
        begins = raw.ends_with(['.', ':', ';', '?', '!', '|']);
    }
    words
}

fn unclear(text: &str) -> Vec<String> {
    let words = words(text);
    let mut found = Vec::new();
    for (at, (word, begins)) in words.iter().enumerate() {
        let before = at.checked_sub(1).map_or("", |before| words[before].0.as_str());
        let pair = format!("{before} {word}");
        let is_bare_who = word == "who" && (*begins || BEFORE_BARE_WHO.contains(&before));
        if is_bare_who || UNCLEAR.contains(&word.as_str()) || UNCLEAR.contains(&pair.as_str()) {
            let around = words[at.saturating_sub(4)..].iter().take(9).map(|(word, _)| word.as_str());
            found.push(around.collect::<Vec<_>>().join(" "));
        }
    }
    found
}

fn name(file: &Path) -> String {
    file.strip_prefix(root()).unwrap().display().to_string()
}

#[test]
fn pages_and_comments_name_what_acts_in_plain_words() {
    let mut complaints = Vec::new();
    for file in pages() {
        complaints.extend(unclear(&fs::read_to_string(&file).unwrap()).into_iter().map(|it| (name(&file), it)));
    }
    for file in sources() {
        let text = fs::read_to_string(&file).unwrap();
        let comments: Vec<&str> = text.lines().map(|line| comment(line).unwrap_or(".")).collect();
        complaints.extend(unclear(&comments.join("\n")).into_iter().map(|it| (name(&file), it)));
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
    assert_eq!(unclear("It is for whom it may concern. Tell of it. The user who asks, and who not?").len(), 3);
}

/// The lines of code that a page shows: all in the blocks, but for the hidden ones of Rust.
fn shown(text: &str) -> Vec<&str> {
    let (mut shown, mut block) = (Vec::new(), None);
    for line in text.lines() {
        if let Some(fence) = line.trim_start().strip_prefix("```") {
            block = block.is_none().then(|| fence.is_empty() || fence.contains("no_run") || fence.starts_with("rust"));
        } else if block == Some(false) || block == Some(true) && !line.trim_start().starts_with("# ") {
            shown.push(line);
        }
    }
    shown
}

#[test]
fn code_on_pages_is_at_most_90_columns_wide() {
    let mut wide = Vec::new();
    let mut look = |file: &Path, text: &str| {
        let is_wide = |line: &&str| line.chars().count() > WIDTH;
        wide.extend(shown(text).into_iter().filter(is_wide).map(|line| format!("{}: {line}", name(file))));
    };
    for file in pages() {
        look(&file, &fs::read_to_string(&file).unwrap());
    }
    for file in rust_files(&root().join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let docs = text.lines().map(|line| {
            let line = line.trim_start();
            let doc = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
            doc.map_or("", |doc| doc.strip_prefix(' ').unwrap_or(doc))
        });
        look(&file, &docs.collect::<Vec<_>>().join("\n"));
    }
    assert!(wide.is_empty(), "{wide:#?}");
    assert_eq!(shown("text\n```\n# hidden\nshown\n```\n```sh\n# shown\n```").len(), 2);
}
