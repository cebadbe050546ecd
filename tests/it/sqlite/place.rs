//! Where the file lies: names that are none, files that cannot be written, and a file that goes away under the server.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tower_password_grant::error::BackendErrorKind;
use tower_password_grant::sqlite::{SqliteError, SqliteStore};
use tower_password_grant::store::{AccessTokenStore, OneTimeValues, RefreshTokenStore};
use tower_password_grant::testing::{begin_family, token_state};
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::{BackendError, Client, ClientRegistry};

use crate::support::folder::{Folder, at, digest, family, id, rotation};

/// What is said of it, in one line that starts with no name of a type.
fn said(error: &SqliteError) -> String {
    let text = error.to_string();
    assert!(format!("{error:?}").starts_with(&text), "`Debug` is the sentence, too: {error:?}");
    text
}

#[test]
fn a_name_that_sqlite_takes_for_something_else_than_a_file_is_refused_with_what_to_use_instead() {
    for name in [
        "",
        ":memory:",
        ":MEMORY:",
        "file:auth.db",
        "file::memory:?cache=shared",
        "sqlite::memory:",
        "sqlite://auth.db",
        "postgres://localhost/auth",
    ] {
        let error = SqliteStore::open(name).unwrap_err();
        assert!(matches!(error, SqliteError::NotAFileName(_)), "{name}: {error:?}");
        let said = said(&error);
        assert!(said.contains(&format!("`{name}`")) && said.contains("MemoryRefreshTokens"), "{said}");
        assert!(name.is_empty() || !Path::new(name).exists(), "{name}");
    }
}

#[test]
fn a_folder_that_is_missing_and_a_directory_are_told_by_name() {
    let folder = Folder::new();
    let missing = folder.path().join("missing").join("deep");
    let error = SqliteStore::open(missing.join("auth.db")).unwrap_err();
    assert!(matches!(&error, SqliteError::NoFolder(path) if *path == missing), "{error:?}");
    assert!(said(&error).contains("make it first"), "{error}");

    let error = SqliteStore::open(folder.path()).unwrap_err();
    assert!(matches!(&error, SqliteError::NotARegularFile(path) if path == folder.path()), "{error:?}");
    assert!(said(&error).contains("directory"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[cfg(unix)]
#[test]
fn a_device_and_a_link_that_leads_nowhere_are_no_files() {
    let folder = Folder::new();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path().join("nothing"), &link).unwrap();
    for path in [Path::new("/dev/null"), &link] {
        let error = SqliteStore::open(path).unwrap_err();
        assert!(matches!(error, SqliteError::NotARegularFile(_)), "{error:?}");
    }
    // One that leads to a file is as good as the file.
    drop(folder.store());
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(folder.file(), &link).unwrap();
    drop(SqliteStore::open(&link).unwrap());
}

#[test]
fn options_out_of_their_range_are_errors_and_are_not_cut() {
    let folder = Folder::new();
    let builder = || SqliteStore::builder(folder.file());
    let bad = [
        ("reader_threads", builder().reader_threads(0)),
        ("reader_threads", builder().reader_threads(5000)),
        ("queue", builder().queue(0)),
        ("busy_timeout", builder().busy_timeout(Duration::MAX)),
        ("max_size", builder().max_size(4096)),
        ("max_size", builder().max_size(u64::MAX)),
        ("prune_every", builder().prune_every(Duration::ZERO)),
        ("prune_every", builder().prune_every(Duration::MAX)),
    ];
    for (name, builder) in bad {
        let error = builder.open().unwrap_err();
        assert!(matches!(error, SqliteError::Option { option, .. } if option == name), "{error:?}");
        assert!(said(&error).contains(name), "{error}");
    }
    assert!(!folder.file().exists());
    drop(builder().reader_threads(1).queue(1).max_size(256 << 10).open().unwrap());
}

#[test]
fn a_lock_that_lasts_is_told_at_open() {
    let folder = Folder::new();
    drop(folder.store());
    let other = rusqlite::Connection::open(folder.file()).unwrap();
    other.busy_timeout(Duration::from_secs(5)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = SqliteStore::builder(folder.file()).busy_timeout(Duration::from_millis(20)).open().unwrap_err();
    assert!(matches!(error, SqliteError::Locked(_)), "{error:?}");
    assert!(said(&error).contains("another process"), "{error}");
}

#[cfg(unix)]
mod rights {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use super::*;

    const AS_NOBODY: &str = "SQLITE_TEST_AS_NOBODY";
    const NOBODY: u32 = 65_534;

    pub(super) fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Whether rights mean nothing to this process.
    fn is_root() -> bool {
        let folder = Folder::new();
        set_mode(folder.path(), 0o500);
        let is_made = fs::write(folder.path().join("x"), "").is_ok();
        set_mode(folder.path(), 0o700);
        is_made
    }

    /// Runs the test of this name in a process to which rights mean something; tells whether it did.
    fn runs_as_nobody(test: &str) -> bool {
        if std::env::var_os(AS_NOBODY).is_some() || !is_root() {
            return false;
        }
        // Where that user may read it and write beside it.
        let folder = Folder::new();
        set_mode(folder.path(), 0o777);
        let program = folder.path().join("test");
        fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
        let mut command = Command::new(&program);
        // The harness leaves the name of the binary out.
        let (_, module) = module_path!().split_once("::").unwrap();
        command
            .args(["--exact", &format!("{module}::{test}")])
            .env(AS_NOBODY, "1")
            .env("TMPDIR", folder.path())
            .current_dir("/");
        let output = command.uid(NOBODY).gid(NOBODY).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.contains("1 passed"), "{text}");
        true
    }

    fn must_not_be_writable(path: &Path) {
        let error = SqliteStore::open(path).unwrap_err();
        assert!(matches!(error, SqliteError::NotWritable { .. }), "{error:?}");
        let said = said(&error);
        assert!(said.contains("cannot be written") && said.contains("mode"), "{said}");
    }

    #[test]
    fn a_file_or_folder_that_cannot_be_written_is_told_at_open_and_not_at_the_first_login() {
        if runs_as_nobody("a_file_or_folder_that_cannot_be_written_is_told_at_open_and_not_at_the_first_login") {
            return;
        }
        let folder = Folder::new();
        drop(folder.store());
        while folder.path().join("auth.db-wal").exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        for mode in [0o400, 0o000] {
            set_mode(&folder.file(), mode);
            must_not_be_writable(&folder.file());
        }
        set_mode(&folder.file(), 0o600);
        // The log cannot be made, or the file itself.
        set_mode(folder.path(), 0o500);
        must_not_be_writable(&folder.file());
        must_not_be_writable(&folder.path().join("new.db"));
        set_mode(folder.path(), 0o700);
        // A log that another user left.
        let log = folder.path().join("auth.db-wal");
        fs::write(&log, "").unwrap();
        set_mode(&log, 0o400);
        must_not_be_writable(&folder.file());
        fs::remove_file(&log).unwrap();
        drop(folder.store());
    }

    #[test]
    fn a_file_of_another_user_is_told_with_that_user() {
        if runs_as_nobody("a_file_of_another_user_is_told_with_that_user") {
            return;
        }
        let error = SqliteStore::open("/etc/passwd").unwrap_err();
        assert!(said(&error).contains("it belongs to user 0, mode 644"), "{error}");
        assert!(matches!(error, SqliteError::NotWritable { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn what_lies_beside_the_file_is_as_private_as_the_file_and_the_file_keeps_its_rights() {
        let folder = Folder::new();
        folder.store().close().await;
        let [log, index] = ["auth.db-wal", "auth.db-shm"].map(|name| folder.path().join(name));
        // As a copy or a careless restore leaves them.
        for path in [&log, &index] {
            fs::write(path, "").unwrap();
            set_mode(path, 0o666);
        }
        let store = folder.store();
        store.consume(&digest("x"), at(0)).await.unwrap();
        assert_eq!([&folder.file(), &log, &index].map(|path| mode(path)), [0o600; 3]);
        store.close().await;
        set_mode(&folder.file(), 0o640);
        let store = folder.store();
        store.consume(&digest("y"), at(0)).await.unwrap();
        assert_eq!([&folder.file(), &log, &index].map(|path| mode(path)), [0o640; 3]);
        store.close().await;
    }
}

fn is_refused<T: std::fmt::Debug>(answer: Result<T, BackendError>) {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    let told = error.into_error().to_string();
    assert!(told.contains("removed or replaced") && told.contains("start the server again"), "{told}");
}

/// What takes the file away, and what it is called.
type Removal = (&'static str, fn(&Folder));

#[cfg(unix)]
const REMOVALS: [Removal; 5] = [
    ("the file is removed", |folder| fs::remove_file(folder.file()).unwrap()),
    ("the file is moved", |folder| fs::rename(folder.file(), folder.path().join("old.db")).unwrap()),
    ("another file has its name", |folder| {
        let copy = folder.path().join("copy.db");
        fs::copy(folder.file(), &copy).unwrap();
        fs::rename(copy, folder.file()).unwrap();
    }),
    ("the log is removed", |folder| fs::remove_file(folder.path().join("auth.db-wal")).unwrap()),
    ("the folder is moved", |folder| {
        let moved = folder.path().with_extension("moved");
        fs::rename(folder.path(), &moved).unwrap();
        fs::create_dir(folder.path()).unwrap();
        fs::remove_dir_all(moved).unwrap();
    }),
];

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_answered_as_done_once_the_file_was_removed_or_replaced() {
    for (name, remove) in REMOVALS {
        let folder = Folder::new();
        let store = folder.store();
        begin_family(&store, family(1), &digest("t0"), at(0)).await.unwrap();
        store.put_client(&Client::public("cli").build().unwrap()).await.unwrap();
        remove(&folder);
        println!("{name}");
        is_refused(rotation("t0", "t1", 1).by(&store).await.map_err(BackendError::from));
        // From then on nothing of the store is believed, for no caller.
        is_refused(RefreshTokenStore::find(&store, id(1)).await);
        is_refused(AccessTokenStore::find(&store, &digest("a")).await);
        is_refused(ClientRegistry::find(&store, "cli").await);
        is_refused(store.consume(&digest("v"), at(9)).await);
        assert!(store.stats().failures > 0);
        store.close().await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_comes_back_is_not_trusted_before_the_next_start() {
    let folder = Folder::new();
    let store = folder.store();
    begin_family(&store, family(1), &digest("t0"), at(0)).await.unwrap();
    let away = folder.path().join("away.db");
    fs::rename(folder.file(), &away).unwrap();
    is_refused(store.consume(&digest("v"), at(9)).await);
    fs::rename(&away, folder.file()).unwrap();
    is_refused(store.consume(&digest("v"), at(9)).await);
    store.close().await;
    let store = folder.store();
    assert!(token_state(&store, id(1), &digest("t0")).await.unwrap().is_some());
    store.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_is_gone_is_noticed_by_pruning_while_nothing_is_written() {
    let folder = Folder::new();
    let store = SqliteStore::builder(folder.file()).prune_every(Duration::from_millis(10)).open().unwrap();
    assert!(AccessTokenStore::find(&store, &digest("a")).await.unwrap().is_none());
    fs::remove_file(folder.file()).unwrap();
    for _ in 0..1000 {
        if let Err(error) = AccessTokenStore::find(&store, &digest("a")).await {
            is_refused::<()>(Err(error));
            store.close().await;
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nobody noticed");
}

#[cfg(unix)]
#[tokio::test]
async fn a_login_after_the_file_was_replaced_is_503_with_an_error_event() {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    use tower_password_grant::{OpaqueIssuer, PasswordGrant, PeerAddress, Subject, verify_fn};

    use crate::support::capture::Capture;

    let folder = Folder::new();
    let store = folder.store();
    let client = Client::public("cli")
        .allow_password_grant()
        .allow_refresh_tokens()
        .scopes("read")
        .default_scope("read")
        .build()
        .unwrap();
    store.put_client(&client).await.unwrap();
    let layer = PasswordGrant::builder()
        .clients(store.clone())
        .verifier(verify_fn(|_| async move { Ok(Subject::new("user-17").into()) }))
        .issuer(OpaqueIssuer::new(store.clone()))
        .refresh_tokens(RefreshTokens::in_store(store.clone()))
        .peer_address(PeerAddress::unknown())
        .build()
        .unwrap();
    let log_in = async || {
        let body = "grant_type=password&client_id=cli&username=alice&password=pw";
        let request = http::Request::post("/oauth/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(http_body_util::Full::new(bytes::Bytes::from(body)))
            .unwrap();
        let response = layer.endpoint().oneshot(request).await.unwrap();
        let (status, waits) = (response.status().as_u16(), response.headers().contains_key("retry-after"));
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, waits, String::from_utf8(body.to_vec()).unwrap())
    };
    assert_eq!(log_in().await.0, 200);
    fs::rename(folder.file(), folder.path().join("old.db")).unwrap();
    fs::write(folder.file(), "").unwrap();
    let (capture, _listening) = Capture::listen();
    for _ in 0..3 {
        capture.clear();
        let (status, waits, body) = log_in().await;
        assert_eq!((status, waits), (503, true), "{body}");
        assert!(body.contains("temporarily_unavailable") && !body.contains("auth.db"), "{body}");
        let events = capture.events();
        let error = events.iter().find(|said| said.level == tracing::Level::ERROR).expect("an error event");
        let cause = error.field("cause").unwrap();
        assert!(cause.contains("was removed or replaced") && cause.contains("auth.db"), "{cause}");
    }
    store.close().await;
}
