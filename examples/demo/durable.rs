//! What the demo keeps in one SQLite file, which outlives the process: employees and customers, their second factors, clients,
//! tokens.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
use tower_password_grant::client::ClientBuilder;
use tower_password_grant::realms::Realms;
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::store::{LoginName, NewUser, UserStore as _};
use tower_password_grant::{BackendError, Password};

use crate::demo::{self, CUSTOMERS, CUSTOMERS_PASSWORD, EMPLOYEES, Error, PASSWORD};
use crate::leaving;

/// The directories of users that a login may choose. Without a choice it is the first.
pub(crate) const REALMS: [&str; 2] = [EMPLOYEES, CUSTOMERS];

/// The users of each realm, and the password of all of them. Two people are called alice, and two bob.
const USERS: [(&str, &[&str], &str); 2] = [
    (EMPLOYEES, &["alice", "bob", "dave", "erin", "frank"], PASSWORD),
    (CUSTOMERS, &["alice", "bob", "carol"], CUSTOMERS_PASSWORD),
];

/// Where the file is: the environment's `DATABASE`, or `demo.sqlite` beside the program, and so in `target/`.
pub(crate) fn file() -> Result<PathBuf, Error> {
    match std::env::var_os("DATABASE") {
        Some(path) => Ok(path.into()),
        None => Ok(std::env::current_exe()?.with_file_name("demo.sqlite")),
    }
}

/// Opens the file, which keeps users, clients, tokens and counted attempts, with what the demo needs.
pub(crate) async fn open(file: &Path) -> Result<SqliteStore, Error> {
    let opened = {
        let file = file.to_owned();
        tokio::task::spawn_blocking(|| SqliteStore::open(file)).await?
    };
    let store = opened.map_err(|error| {
        format!("cannot open {}: {error}; choose another file, as in DATABASE=auth.db", file.display())
    })?;
    register(&store).await?;
    Ok(store)
}

/// A verifier for each realm. Here both ask the same file, which finds a name among the users of the realm alone, and share its
/// hashing threads. A directory of another kind, such as LDAP, would take the place of one of them.
///
/// The ids of a file are unique over all its realms. So tokens keep them as they are, and `set_password_hash` and `end_logins` of
/// the store find the logins of a user by them. Over two files the ids would get their realm in front.
pub(crate) fn realms(store: &SqliteStore) -> Result<Realms, Error> {
    let employees = Arc::new(Argon2Verifier::new(store.clone())?);
    let customers = Arc::clone(&employees);
    Ok(Realms::new().realm(EMPLOYEES, employees)?.realm(CUSTOMERS, customers)?.keep_subject_ids())
}

/// Adds what the demo needs and the file does not have yet.
async fn register(store: &SqliteStore) -> Result<(), Error> {
    let [service, cli, api] = demo::clients();
    // Two log users of both realms in, with second factors; one of them has to leave the grant. The third asks about their tokens.
    let logs_in = |client: ClientBuilder| client.allow_realm_grant().allow_second_factor();
    // The date of a start before stays. What is rehearsed ends with the process.
    let end = leaving::registered(store).await?.map_or_else(leaving::plan, Ok)?;
    for client in [logs_in(service), logs_in(cli).sunset(end.without_brownouts()), api] {
        store.put_client(&client.realms(REALMS).build()?).await?;
    }
    for (realm, logins, password) in USERS {
        for login in logins {
            add(store, realm, login, password).await?;
        }
    }
    Ok(())
}

async fn add(store: &SqliteStore, realm: &str, login: &str, password: &str) -> Result<(), Error> {
    let found = store.find(&LoginName::new(login), Some(realm)).await.map_err(BackendError::into_error)?;
    if found.is_none() {
        let password = Password::new(password.to_owned());
        let hash = tokio::task::spawn_blocking(move || Argon2Parameters::default().hash_blocking(&password)).await??;
        let user = NewUser::new(format!("{realm}:{login}"), login).with_realm(Some(realm)).with_password_hash(hash);
        store.add_user(user).await?;
    }
    Ok(())
}
