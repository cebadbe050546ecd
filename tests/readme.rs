//! What the README says agrees with the rest.
#![allow(clippy::unwrap_used, missing_docs)]

const README: &str = include_str!("../README.md");
const MANIFEST: &str = include_str!("../Cargo.toml");

/// The lines of the manifest's section `[features]`.
fn manifest_features() -> impl Iterator<Item = (&'static str, &'static str)> {
    let section = MANIFEST.split("\n[features]\n").nth(1).unwrap().split("\n[").next().unwrap();
    section.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(" = "))
}

#[test]
fn the_feature_table_is_the_manifest() {
    let (_, default) = manifest_features().find(|(name, _)| *name == "default").unwrap();
    let expected: Vec<String> = manifest_features()
        .filter(|(name, _)| *name != "default")
        .map(|(name, _)| {
            let by_default = if default.contains(&format!("\"{name}\"")) { "yes" } else { "no" };
            format!("| `{name}` | {by_default} | ")
        })
        .collect();
    let section = README.split("\n## Features\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows.len(), expected.len(), "{rows:?}");
    for row in expected {
        assert!(rows.iter().any(|line| line.starts_with(&row)), "the README lacks {row}");
    }
}

#[test]
fn the_standards_position_comes_first() {
    let first = README.split("\n\n").nth(1).unwrap();
    assert!(first.contains("RFC 9700") && first.contains("MUST NOT"), "{first}");
}

#[test]
fn the_named_rust_version_is_the_manifest_s() {
    let version = MANIFEST.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(README.contains(&format!("`rust-version` is {version}")));
}

#[test]
fn the_examples_are_named_and_exist() {
    for name in ["axum", "hyper", "tonic", "custom_user_store", "existing_endpoint", "argon2_jwt"] {
        assert!(README.contains(&format!("`{name}`")), "{name}");
        assert!(MANIFEST.contains(&format!("[[example]]\nname = \"{name}\"\n")), "{name}");
    }
}
