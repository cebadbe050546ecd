//! An own user table: a text file whose users log in by their login name or by their e-mail address.
//!
//! ```sh
//! cargo run --example custom_user_store --no-default-features --features argon2
//! ```
//!
//! Both names find the same id, so guesses under either of them are counted together. No name may belong to two accounts:
//! a user who took another's e-mail address as a login name could lock the other out.

#[path = "demo/start.rs"]
mod start;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{PoisonError, RwLock};

use async_trait::async_trait;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::routing::get;
use axum::{Router, ServiceExt};
use start::Error;
use tower::Layer as _;
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::store::{LoginName, MemoryAccessTokens, StoredUser, UserStatus, UserStore};
use tower_password_grant::user::AccountKey;
use tower_password_grant::{BackendError, Client, OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients};

/// All users have the password `correct horse battery staple`.
const TABLE: &str = include_str!("users.txt");

struct User {
    id: String,
    login: String,
    email: String,
    status: UserStatus,
    hash: String,
}

/// The table, in memory. With a database, each method is one statement.
#[derive(Default)]
struct Users {
    rows: RwLock<Vec<User>>,
}

impl Users {
    fn read(table: &str) -> Result<Self, Error> {
        let users = Self::default();
        for line in table.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
            users.insert(User::read(line).ok_or_else(|| format!("cannot read the user `{line}`"))?)?;
        }
        Ok(users)
    }

    /// Adds a user if no other has its names, as a login name or as an e-mail address. With a database: a table of names
    /// with one unique index, written in the same transaction.
    fn insert(&self, user: User) -> Result<(), Error> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        let is_taken = |name: &String| rows.iter().any(|other| other.names().contains(&name));
        if let Some(name) = user.names().into_iter().find(|name| name.is_empty() || is_taken(name)) {
            return Err(format!("`{name}` cannot be a name of user {}: it is empty or taken", user.id).into());
        }
        rows.push(user);
        Ok(())
    }

    fn find_row(&self, is_asked: impl Fn(&User) -> bool) -> Option<StoredUser> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.iter().find(|user| is_asked(user)).map(User::stored)
    }
}

impl User {
    fn read(line: &str) -> Option<Self> {
        let mut columns = line.split_whitespace().map(str::to_owned);
        let mut next = || columns.next();
        Some(Self {
            id: next()?,
            login: canonical(&next()?),
            email: canonical(&next()?),
            status: match next()?.as_str() {
                "active" => UserStatus::Active,
                "disabled" => UserStatus::Disabled,
                _ => return None,
            },
            hash: next()?,
        })
    }

    fn stored(&self) -> StoredUser {
        StoredUser::new(self.id.clone()).with_password_hash(self.hash.clone()).with_status(self.status.clone())
    }

    fn names(&self) -> [&String; 2] {
        [&self.login, &self.email]
    }
}

/// The form in which names are looked up, so the one in which they are stored.
fn canonical(name: &str) -> String {
    AccountKey::canonical(name).as_str().to_owned()
}

#[async_trait]
impl UserStore for Users {
    /// `SELECT .. WHERE login = $1 OR email = $1`
    async fn find(&self, login: &LoginName<'_>, _realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        let name = login.canonical();
        Ok(self.find_row(|user| user.login == name || user.email == name))
    }

    /// `SELECT .. WHERE id = $1`; asked when the tokens are issued, and at each refresh if the endpoint has refresh tokens
    async fn find_by_id(&self, user_id: &str, _realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        Ok(self.find_row(|user| user.id == user_id))
    }

    /// `UPDATE .. SET hash = $3 WHERE id = $1 AND hash = $2`
    async fn save_hash(&self, user_id: &str, old_hash: &str, new_hash: &str) -> Result<bool, BackendError> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        let user = rows.iter_mut().find(|user| user.id == user_id && user.hash == old_hash);
        Ok(user.map(|user| new_hash.clone_into(&mut user.hash)).is_some())
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    start::end(serve().await)
}

async fn serve() -> Result<(), Error> {
    let cli = Client::public("demo-cli").allow_password_grant().scopes("read").default_scope("read").build()?;
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new([cli])?)
        .verifier(Argon2Verifier::new(Users::read(TABLE)?)?)
        .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
        .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
        .build()?;
    let router = Router::new().route("/", get(|| async { "hello" }));
    let app = layer.with_body(Body::from).layer(router);

    let listener = start::listen().await?;
    print_commands(listener.local_addr()?);
    let app = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(app);
    axum::serve(listener, app).await?;
    Ok(())
}

fn print_commands(address: SocketAddr) {
    let command = |name: &str, password: &str| {
        format!(
            "curl -isS -w '\\n' -d client_id=demo-cli -d grant_type=password -d username={name} \
             --data-urlencode \"password={password}\" http://{address}/oauth/token"
        )
    };
    let login = |name: &str, password: &str| println!("{}", command(name, password));
    let right = "correct horse battery staple";
    println!("listening on http://{address}");
    println!("\n# by login name, 200");
    login("alice", right);
    println!("\n# by e-mail address, in any case, 200");
    login("Alice@Example.com", right);
    println!("\n# the right password of a disabled account: the same answer as to a wrong one, 400 invalid_grant");
    login("carol", right);
    println!("\n# guessing under one name spends the budget of the other too, 429 too_many_attempts");
    println!("for n in 1 2 3 4 5 6 7 8 9 10; do {}; done", command("bob", "guess$n"));
    login("bob@example.com", "guess");
    println!("\nCtrl-C stops it.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn both_names_and_the_id_find_one_user() -> Result<(), Error> {
        let users = Users::read(TABLE)?;
        let by_name = users.find(&LoginName::new("alice"), None).await.map_err(BackendError::into_error)?;
        let id = by_name.ok_or("alice")?.id().to_owned();
        let by_email = users.find(&LoginName::new("alice@example.com"), None).await;
        let by_id = users.find_by_id(&id, None).await;
        for found in [by_email, by_id] {
            assert_eq!(found.map_err(BackendError::into_error)?.map(|user| user.id().to_owned()), Some(id.clone()));
        }
        let nobody = users.find_by_id("alice", None).await.map_err(BackendError::into_error)?;
        assert!(nobody.is_none(), "a login name is no id");
        Ok(())
    }

    #[test]
    fn no_account_takes_a_name_of_another_t27() -> Result<(), Error> {
        let users = Users::read(TABLE)?;
        let row =
            |login: &str, email: &str| User::read(&format!("99 {login} {email} active $argon2id$..")).ok_or("row");
        for (login, email) in [
            ("alice", "new@example.com"),
            ("ALICE", "new@example.com"),
            ("alice@example.com", "new@example.com"),
            ("Ａlice@Example.com", "new@example.com"),
            ("bob\u{200b}@example.com", "new@example.com"),
            ("new", "bob"),
            ("new", "Bob@example.com"),
            ("new", "\u{200b}"),
        ] {
            assert!(users.insert(row(login, email)?).is_err(), "{login} {email}");
        }
        users.insert(row("new", "new@example.com")?)?;
        assert!(users.insert(row("new@example.com", "other@example.com")?).is_err());
        Ok(())
    }
}
