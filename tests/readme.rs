//! What the README says agrees with the rest.
#![allow(clippy::unwrap_used, missing_docs)]

const README: &str = include_str!("../README.md");
const MANIFEST: &str = include_str!("../Cargo.toml");

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
    for name in ["axum", "hyper", "tonic", "custom_user_store", "existing_endpoint", "argon2_jwt", "own_jwt_issuer"] {
        assert!(README.contains(&format!("`{name}`")), "{name}");
        let path = format!("{}/examples/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        assert!(std::path::Path::new(&path).is_file(), "{path}");
    }
}
