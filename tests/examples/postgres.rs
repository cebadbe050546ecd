//! The example over PostgreSQL, with a real server that is made for the test: an old table gets its keys, old hashes are
//! replaced at the login, and what is wrong with the database is told soon, as 503.

use std::fs::File;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use crate::cluster::Postgres;
use crate::example::{Example, Shell, ok, refused, shell};

/// The table that is there already.
const TABLE: &str = include_str!("../../examples/postgres/users.sql");

async fn connect(server: &Postgres) -> Client {
    let (client, connection) = tokio_postgres::connect(&server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// What `prepare` says.
fn prepare(server: &Postgres) -> String {
    let output = Example::program("postgres").arg("prepare").env("DATABASE", server.url()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn launch(server: &Postgres) -> Example {
    let told = File::create(server.folder.join("told")).unwrap();
    Example::of(Example::program("postgres").env("PORT", "0").env("DATABASE", server.url()).stderr(told))
}

async fn text(client: &Client, query: &str) -> String {
    client.query_one(query, &[]).await.unwrap().get(0)
}

/// The status and `Retry-After` of a login, and how long it took.
async fn log_in(server: SocketAddr, name: &'static str) -> (u16, Option<u64>, Duration) {
    let form = format!(
        "-d client_id=demo-cli -d grant_type=password --data-urlencode 'username={name}' \
         --data-urlencode 'password=correct horse battery staple'"
    );
    let command = format!(
        "curl -sS -o /dev/null -w '%{{http_code}} %header{{retry-after}}' {form} http://{}/oauth/token",
        server
    );
    let began = Instant::now();
    let answer = tokio::task::spawn_blocking(move || shell(&command)).await.unwrap();
    let (status, retry) = answer.split_once(' ').unwrap();
    (status.parse().unwrap(), retry.parse().ok(), began.elapsed())
}

/// Above what the example's own limits add up to, below any deadline of the whole request.
const SOON: Duration = Duration::from_secs(9);

#[tokio::test(flavor = "multi_thread")]
async fn an_old_table_of_users_logs_in_over_postgresql() {
    let Some(server) = Postgres::start("postgres-example") else { return };
    let client = connect(&server).await;
    let environment = [("PORT", "0"), ("DATABASE", &*server.url())];
    let complaint = |arguments: &[&str]| Example::complaint("postgres", arguments, &environment);

    // What is missing is told with its cure.
    assert!(complaint(&[]).contains("psql \"$DATABASE\" -f examples/postgres/users.sql"), "{}", complaint(&[]));
    client.batch_execute(TABLE).await.unwrap();
    assert!(complaint(&[]).contains("run this once with the argument `prepare`"), "{}", complaint(&[]));

    // Each user gets a key, but those who would share one.
    let said = prepare(&server);
    assert!(
        said.contains("`dave@example.com`, which would be several users: 4 (Dave@example.com), 5 (dave@Example.com)")
    );
    let keys = "SELECT string_agg(coalesce(account_key, '-'), ' ' ORDER BY id) FROM users";
    assert_eq!(text(&client, keys).await, "alice bob@example.com carol - -");

    let bob = "SELECT password_hash FROM users WHERE login = 'Bob@Example.com'";
    assert!(text(&client, bob).await.starts_with("$2b$10$"));
    let mut example = launch(&server);
    let commands = example.blocks();
    let wrong = || refused(400, "invalid_grant");
    assert_eq!(Shell::start().paste(&commands), [ok(), ok(), ok(), wrong(), wrong(), wrong()]);
    // The login has replaced the old hash, and it goes on under the new one.
    assert!(text(&client, bob).await.starts_with("$argon2id$"));
    assert_eq!(log_in(example.address, "BOB@example.com").await.0, 200);

    // One of two accounts is renamed by a person: now both log in.
    client.execute("UPDATE users SET login = 'dave2@example.com' WHERE id = 5", &[]).await.unwrap();
    assert_eq!(prepare(&server), "every user has a key\n");
    assert_eq!(text(&client, keys).await, "alice bob@example.com carol dave@example.com dave2@example.com");
    for name in ["DAVE@example.com", "Dave2@Example.com"] {
        assert_eq!(log_in(example.address, name).await.0, 200, "{name}");
    }
    // And no other account can take a key that is somebody's.
    let twin = "INSERT INTO users (login, account_key, password_hash) VALUES ('ALICE', 'alice', 'x')";
    assert!(client.execute(twin, &[]).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_asks_the_table_whether_the_user_may_stay_logged_in() {
    let Some(server) = Postgres::start("postgres-refresh") else { return };
    let client = connect(&server).await;
    client.batch_execute(TABLE).await.unwrap();
    prepare(&server);
    let mut example = launch(&server);
    let login = example.blocks().swap_remove(1).commands;
    let mut shell = Shell::start();
    let member = |answer: &str, name: &str| {
        let rest = answer.split_once(&format!("\"{name}\":\"")).unwrap_or_else(|| panic!("{answer}")).1.to_owned();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let tokens = shell.run(&login);
    let me = format!(
        "curl -sS -H 'Authorization: Bearer {}' http://{}/api/me",
        member(&tokens, "access_token"),
        example.address
    );
    assert_eq!(shell.run(&me), "1");

    let refresh = |token: &str| {
        format!(
            "curl -isS -d client_id=demo-cli -d grant_type=refresh_token -d refresh_token={token} http://{}/oauth/token",
            example.address
        )
    };
    let again = shell.run(&refresh(&member(&tokens, "refresh_token")));
    assert!(again.starts_with("HTTP/1.1 200"), "{again}");
    client.execute("UPDATE users SET disabled = true WHERE id = 1", &[]).await.unwrap();
    let refused = shell.run(&refresh(&member(&again, "refresh_token")));
    assert!(refused.starts_with("HTTP/1.1 400") && refused.contains("invalid_grant"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_or_busy_is_503_soon_and_200_when_it_is_back() {
    let Some(server) = Postgres::start("postgres-outage") else { return };
    let client = connect(&server).await;
    client.batch_execute(TABLE).await.unwrap();
    prepare(&server);
    let example = launch(&server);
    assert_eq!(log_in(example.address, "alice").await.0, 200);

    // Every connection waits for a lock: the server itself gives up, and a login that gets no connection is told to come back.
    client.batch_execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE;").await.unwrap();
    let logins: JoinSet<_> = (0..12).map(|_| log_in(example.address, "alice")).collect();
    let answers = logins.join_all().await;
    let overloaded = answers.iter().filter(|(_, retry, _)| *retry == Some(1)).count();
    assert_eq!(overloaded, 8, "{answers:?}");
    for (status, retry, time) in &answers {
        assert!(*status == 503 && retry.is_some() && *time < SOON, "{answers:?}");
    }
    client.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(log_in(example.address, "alice").await.0, 200);

    // A server that neither answers nor refuses.
    server.freeze(true);
    let (status, retry, time) = log_in(example.address, "alice").await;
    assert!(status == 503 && retry.is_some() && time < SOON, "{status} {retry:?} {time:?}");
    server.freeze(false);
    assert_eq!(log_in(example.address, "alice").await.0, 200);

    drop(client);
    server.stop();
    for _ in 0..2 {
        let (status, retry, time) = log_in(example.address, "alice").await;
        assert!(status == 503 && retry.is_some() && time < SOON, "{status} {retry:?} {time:?}");
    }
    server.begin();
    assert_eq!(log_in(example.address, "alice").await.0, 200);
    let told = std::fs::read_to_string(server.folder.join("told")).unwrap();
    for cause in ["reason=overloaded", "canceling statement due to statement timeout", "Connection refused"] {
        assert!(told.contains(cause), "{cause}: {told}");
    }
}
