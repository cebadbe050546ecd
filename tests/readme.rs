//! What the README and the manual say agrees with the rest.
#![allow(clippy::unwrap_used, missing_docs)]

const README: &str = include_str!("../README.md");
const MANIFEST: &str = include_str!("../Cargo.toml");

#[test]
fn the_standards_position_comes_first() {
    let first = README.split("\n\n").nth(1).unwrap();
    assert!(first.contains("RFC 9700") && first.contains("MUST NOT"), "{first}");
}

#[test]
fn the_readme_has_at_most_200_lines() {
    assert!(README.lines().count() <= 200, "{}", README.lines().count());
}

/// The repository's page shows the file, the documentation's page what `links.md` holds under the same name.
#[test]
fn each_drawing_that_a_page_shows_is_a_file_and_is_in_the_documentation_too() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let links = include_str!("../src/drawings/links.md");
    let mut shown = 0;
    for page in ["README.md", "benches/README.md", "src/manual/tokens.md", "src/manual/attack_protection.md"] {
        let page = root.join(page);
        let text = std::fs::read_to_string(&page).unwrap();
        for (name, path) in
            text.lines().filter_map(|line| line.split_once("]: ")).filter(|(_, to)| to.ends_with(".svg"))
        {
            shown += 1;
            assert!(page.parent().unwrap().join(path).is_file(), "{}: {path}", page.display());
            assert!(text.contains(&format!("]{name}]\n")), "{}: {name}]", page.display());
            assert!(links.contains(&format!("{name}]: <data:image/svg+xml,")), "{name}]");
        }
    }
    assert!(shown >= 6, "{shown}");
}

#[test]
fn the_page_of_the_structure_leads_to_files_that_are_there() {
    let page = include_str!("../src/manual/structure.md");
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut rows = 0;
    for line in page.lines() {
        let named: Vec<&str> = line.split('`').skip(1).step_by(2).collect();
        let (paths, words): (Vec<&str>, Vec<&str>) = named.into_iter().partition(|named| named.contains('/'));
        for path in &paths {
            assert!(root.join(path).exists(), "{path}: {line}");
        }
        if let ([path], [.., word], true) = (&*paths, &*words, line.starts_with('|') && line.matches('|').count() == 4)
        {
            rows += 1;
            assert!(std::fs::read_to_string(root.join(path)).unwrap().contains(word), "{word} in {path}");
        }
    }
    assert!(rows >= 25, "{rows}");
}

#[test]
fn the_named_rust_version_is_the_manifest_s() {
    let version = MANIFEST.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap().trim_matches('"');
    assert!(README.contains(&format!("`rust-version` is {version}")));
}

#[test]
fn the_examples_are_named_and_exist() {
    for name in [
        "axum",
        "hyper",
        "tonic",
        "postgres",
        "custom_user_store",
        "existing_endpoint",
        "remote_directory",
        "argon2_jwt",
        "own_jwt_issuer",
    ] {
        assert!(README.contains(&format!("`{name}`")), "{name}");
        let path = format!("{}/examples/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        assert!(std::path::Path::new(&path).is_file(), "{path}");
    }
}

#[test]
fn the_variables_of_the_examples_are_named_and_no_others_are_read() {
    let folder = format!("{}/examples", env!("CARGO_MANIFEST_DIR"));
    let parts = ["auth0", "demo", "postgres", "readme", "remote_directory"].map(|part| format!("{folder}/{part}"));
    let sources = parts.into_iter().chain([folder]);
    let files = sources.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let rust = files.filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    let texts: Vec<String> = rust.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let read = texts.iter().flat_map(|text| {
        let after = text.split("env::var").skip(1);
        after.filter_map(|rest| rest.split_once("(\"")?.1.split_once('"')).map(|(name, _)| name)
    });
    // What one example alone reads is told where it begins.
    let of_one = ["ORIGIN", "SIGNING_KEY_FILE"];
    let read: std::collections::BTreeSet<&str> = read.filter(|name| !of_one.contains(name)).collect();
    assert_eq!(read.into_iter().collect::<Vec<_>>(), ["DATABASE", "PORT"]);
    for name in ["`PORT`", "`DATABASE`"] {
        assert!(README.contains(name), "{name}");
    }
}

#[test]
fn the_first_command_is_that_of_the_main_example() {
    let command = README.lines().find(|line| line.starts_with("cargo run --example axum ")).unwrap();
    let features = command.split("--features ").nth(1).unwrap();
    let needed = MANIFEST.split("name = \"axum\"\nrequired-features = [").nth(1).unwrap().split(']').next().unwrap();
    assert_eq!(features, needed.replace(['"', ' '], ""));
    let example = include_str!("../examples/axum.rs");
    assert!(example.contains(&format!("//! {command}\n")), "{command}");
}

/// The names of the public methods in a source file.
fn methods(source: &'static str) -> impl Iterator<Item = &'static str> {
    source.lines().filter_map(|line| line.strip_prefix("    pub fn ")).filter_map(|rest| rest.split('(').next())
}

#[test]
fn the_manual_tells_the_default_of_every_setting() {
    let manual = include_str!("../src/manual/defaults.md");
    // Parts that have no default, and what is told with the setting that it belongs to.
    let parts = ["clients", "verifier", "issuer", "document", "clock", "client_auth_method", "extension_grant"];
    let told = ["builder", "build", "danger", "without_password_grant"];
    // How a value that holds settings is made.
    let made = ["new", "in_store", "at", "as_leaf"];
    let named = |name: &str| manual.contains(&format!("::{name})"));

    let sources = [
        include_str!("../src/service/builder.rs"),
        include_str!("../src/service/settings.rs"),
        include_str!("../src/service/tokens.rs"),
        include_str!("../src/service/operation.rs"),
        include_str!("../src/service/leaving.rs"),
        include_str!("../src/service/request_limits.rs"),
        include_str!("../src/service/refresh_tokens.rs"),
        include_str!("../src/service/revocation_endpoint.rs"),
        include_str!("../src/service/introspection_endpoint.rs"),
        include_str!("../src/limiter/protection.rs"),
    ];
    let untold = [&parts[..], &told, &made].concat();
    let builder = sources.into_iter().flat_map(methods).map(|name| name.split('<').next().unwrap());
    let missing: Vec<&str> = builder.filter(|name| !untold.contains(name) && !named(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");

    // Of a feature, so the page has no link to them.
    let factors = include_str!("../src/mfa/factors.rs").replace("const fn", "fn").leak();
    let missing: Vec<&str> = methods(factors)
        .filter(|name| !made.contains(&name.split('<').next().unwrap()))
        .filter(|name| !manual.contains(&format!("`Factors::{name}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");

    let client = include_str!("../src/protocol/client/builder.rs").split("impl ClientBuilder {").nth(1).unwrap();
    let told = ["secret", "allow_grant", "scopes", "default_scope", "access_token_lifetime", "build"];
    let missing: Vec<&str> = methods(client).filter(|name| !told.contains(name) && !named(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_manual_gives_an_old_table_its_keys_as_the_example_does() {
    let manual = include_str!("../src/manual/your_users.md");
    let example = include_str!("../examples/postgres/keys.rs").replace("pub(crate) ", "");
    let program = example.split_once("use std::").unwrap().1;
    assert!(manual.contains(program), "the manual's recipe is not examples/postgres/keys.rs");
}

/// The name and version of each SDK that a file of pinned packages has.
fn pinned(packages: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let node = |line: &'static str| line.trim().trim_end_matches(',').split_once("\": \"");
    let python = |line: &'static str| line.trim_end_matches('\\').split_once("==");
    let pairs = packages.lines().filter_map(move |line| node(line).or_else(|| python(line)));
    let pairs = pairs.map(|(name, version)| (name.trim_matches('"'), version.trim().trim_matches('"')));
    // Of two versions of one package one has another name.
    let pairs = pairs.map(|(name, version)| {
        version.strip_prefix("npm:").and_then(|it| it.split_once('@')).unwrap_or((name, version))
    });
    pairs.filter(|(name, _)| name.contains("auth0"))
}

#[test]
fn the_page_for_users_of_auth0_names_the_versions_that_are_run() {
    let page = include_str!("../src/manual/coming_from_auth0.md");
    let files = [
        include_str!("interop/auth0/package.json"),
        include_str!("interop/auth0/requirements.txt"),
        include_str!("browser/package.json"),
    ];
    let pinned: Vec<_> = files.into_iter().flat_map(pinned).filter(|(name, _)| *name != "name").collect();
    assert_eq!(pinned.len(), 7, "{pinned:?}");
    for (name, version) in pinned {
        let is_row = |line: &str| line.starts_with(&format!("| `{name}`")) && line.contains(&format!("| {version} |"));
        assert!(page.lines().any(is_row), "{name} {version}");
    }
}
