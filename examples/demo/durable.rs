//! The demo with everything in one SQLite file, which outlives the process.

use std::net::SocketAddr;
use std::path::PathBuf;

use tower_password_grant::argon2::Argon2Parameters;
use tower_password_grant::sqlite::{NewUser, SqliteStore};
use tower_password_grant::store::{LoginName, UserStore as _};
use tower_password_grant::{BackendError, Password, PeerAddress};

use crate::demo::{self, Demo, Error, PASSWORD, Parts};

/// Where the file is: the environment's `DATABASE`, or `demo.sqlite` beside the program, and so in `target/`.
pub(crate) fn file() -> Result<PathBuf, Error> {
    match std::env::var_os("DATABASE") {
        Some(path) => Ok(path.into()),
        None => Ok(std::env::current_exe()?.with_file_name("demo.sqlite")),
    }
}

/// The endpoints over this file, which keeps users, clients, tokens and counted attempts.
pub(crate) async fn open(file: PathBuf, address: SocketAddr, peer: PeerAddress) -> Result<Demo, Error> {
    let opened = {
        let file = file.clone();
        tokio::task::spawn_blocking(|| SqliteStore::open(file)).await?
    };
    let store = opened.map_err(|error| {
        format!("cannot open {}: {error}; choose another file, as in DATABASE=auth.db", file.display())
    })?;
    register(&store).await?;
    let parts = Parts {
        clients: store.clone(),
        users: store.clone(),
        refresh_tokens: store.clone(),
        access_tokens: store.clone(),
        limiter: store.limiter(),
    };
    Demo::over(parts, address, peer)
}

/// Adds what the demo needs and the file does not have yet.
async fn register(store: &SqliteStore) -> Result<(), Error> {
    for client in demo::clients()? {
        store.put_client(&client).await?;
    }
    for login in ["alice", "bob"] {
        if store.find(&LoginName::new(login), None).await.map_err(BackendError::into_error)?.is_none() {
            let password = Password::new(PASSWORD.to_owned());
            let hash =
                tokio::task::spawn_blocking(move || Argon2Parameters::default().hash_blocking(&password)).await??;
            let user = NewUser::new(format!("user:{login}"), login).with_password_hash(hash);
            store.add_user(user).await?;
        }
    }
    Ok(())
}
