//! An own user table: a text file whose users log in by their login name or by their e-mail address.
//!
//! ```sh
//! cargo run --example custom_user_store --no-default-features --features argon2
//! ```
//!
//! Two names for one account need an own account key, or each name gets a budget of guesses of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_password_grant::argon2::{Argon2Verifier, StoredUser, UserStatus, UserStore};
use tower_password_grant::{
    AccountKey, Attempt, BackendError, Client, CredentialVerifier, MaybeFuture, MemoryAccessTokens, OpaqueIssuer,
    PasswordGrant, PeerAddress, StaticClients, Verdict,
};

type Error = Box<dyn std::error::Error + Send + Sync>;

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
struct Users {
    rows: RwLock<Vec<User>>,
}

impl Users {
    fn read(table: &str) -> Result<Self, Error> {
        let lines = table.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let rows = lines.map(|line| User::read(line).ok_or_else(|| format!("cannot read the user `{line}`")));
        Ok(Self { rows: RwLock::new(rows.collect::<Result<_, _>>()?) })
    }

    /// Reads a user by either name: `SELECT .. WHERE login = $1 OR email = $1`.
    fn look_up<T>(&self, name: &str, read: impl Fn(&User) -> T) -> Option<T> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.iter().find(|user| user.login == name || user.email == name).map(read)
    }
}

impl User {
    fn read(line: &str) -> Option<Self> {
        let mut columns = line.split_whitespace().map(str::to_owned);
        let mut next = || columns.next();
        Some(Self {
            id: next()?,
            login: next()?,
            email: next()?,
            status: match next()?.as_str() {
                "active" => UserStatus::Active,
                "disabled" => UserStatus::Disabled,
                _ => return None,
            },
            hash: next()?,
        })
    }
}

#[async_trait]
impl UserStore for Users {
    async fn find(&self, login: &str, _realm: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
        Ok(self.look_up(login, |user| {
            StoredUser::new(user.id.clone()).with_password_hash(user.hash.clone()).with_status(user.status.clone())
        }))
    }

    /// `UPDATE .. SET hash = $3 WHERE id = $1 AND hash = $2`
    async fn save_hash(&self, user_id: &str, old_hash: &str, new_hash: &str) -> Result<bool, BackendError> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        let user = rows.iter_mut().find(|user| user.id == user_id && user.hash == old_hash);
        Ok(user.map(|user| new_hash.clone_into(&mut user.hash)).is_some())
    }
}

/// The Argon2 verifier with an own account key.
struct AliasVerifier {
    users: Arc<Users>,
    argon2: Argon2Verifier<Arc<Users>>,
}

#[async_trait]
impl CredentialVerifier for AliasVerifier {
    async fn verify(&self, attempt: Attempt) -> Result<Verdict, BackendError> {
        self.argon2.verify(attempt).await
    }

    /// The user's id, whichever name was typed. Known and unknown names are kept apart by a prefix.
    fn account_key<'a>(
        &'a self,
        username: &'a str,
        _realm: Option<&'a str>,
    ) -> MaybeFuture<'a, Result<AccountKey<'a>, BackendError>> {
        let name = AccountKey::canonical(username);
        let id = self.users.look_up(name.as_str(), |user| format!("id:{}", user.id));
        // With a database: `MaybeFuture::new(async move { .. })`.
        MaybeFuture::ready(Ok(AccountKey::new(id.unwrap_or_else(|| format!("name:{}", name.as_str())))))
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let users = Arc::new(Users::read(TABLE)?);
    let verifier = AliasVerifier { argon2: Argon2Verifier::new(Arc::clone(&users))?, users };
    let cli = Client::public("demo-cli").allow_password_grant().scopes("read").default_scope("read").build()?;
    let layer = PasswordGrant::builder()
        .clients(StaticClients::new([cli])?)
        .verifier(verifier)
        .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
        .peer_address(PeerAddress::extension(|info: &ConnectInfo<SocketAddr>| Some(info.0.ip())))
        .build()?;
    let app = Router::new().route("/", get(|| async { "hello" })).layer(layer);

    let port = std::env::var("PORT").map_or(Ok(8080), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    print_commands(listener.local_addr()?);
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?;
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
