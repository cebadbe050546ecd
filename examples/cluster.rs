//! Two servers that share one PostgreSQL and one Redis: what one of them begins the other goes on with, and what becomes of logins
//! while an engine is away.
//!
//! ```sh
//! cargo run --example cluster --features argon2,postgres,redis
//! ```
//!
//! PostgreSQL keeps clients, users, logins and tokens; Redis counts the attempts. Both are started from the programs on this machine
//! and removed afterwards, unless `POSTGRES_URL` and `REDIS_URL` name others: those are used as they are, with a schema
//! `password_grant` and keys of that prefix, and are not killed. The program ends by itself.

#[path = "demo/start.rs"]
mod start;

#[path = "cluster/engines.rs"]
mod engines;
#[allow(dead_code, reason = "the store takes the connections by itself")]
#[path = "postgres/pool.rs"]
mod pool;
#[path = "cluster/server.rs"]
mod server;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use engines::{Engine, Folder};
use server::{Server, postgres};
use start::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::limiter::LimiterOperator as _;
use tower_password_grant::store::NewUser;
use tower_password_grant::user::AccountKey;
use tower_password_grant::{Client, Password};

const PASSWORD: &str = "correct horse battery staple";

#[tokio::main]
async fn main() -> ExitCode {
    start::end(run().await)
}

async fn run() -> Result<(), Error> {
    let folder = Folder::new()?;
    let mut engines = [Engine::postgres(&folder)?, Engine::redis(&folder)?];
    let [postgres_url, redis_url] = engines.each_ref().map(|engine| engine.url.clone());
    fill(&postgres_url).await?;
    let one = server(&postgres_url, &redis_url).await?;
    let other = server(&postgres_url, &redis_url).await?;
    println!("PostgreSQL at {postgres_url}, Redis at {redis_url}");
    println!("two servers: http://{} and http://{}", one.address, other.address);

    goes_on_elsewhere(&one, &other).await?;
    is_locked_at_both(&one, &other).await?;
    let [postgres, redis] = &mut engines;
    is_away(postgres, "PostgreSQL", &one).await?;
    is_away(redis, "Redis", &one).await?;
    println!("done");
    Ok(())
}

/// Waits for an engine that has just been started.
async fn server(postgres_url: &str, redis_url: &str) -> Result<Server, Error> {
    retried(|| Server::start(postgres_url, redis_url)).await
}

async fn retried<T, F: Future<Output = Result<T, Error>>>(mut call: impl FnMut() -> F) -> Result<T, Error> {
    let start = Instant::now();
    loop {
        match call().await {
            Err(_) if start.elapsed() < Duration::from_secs(20) => sleep(Duration::from_millis(100)).await,
            answer => return answer,
        }
    }
}

/// A client and a user.
async fn fill(url: &str) -> Result<(), Error> {
    let store = retried(|| postgres(url)).await?;
    let cli = Client::public("demo-cli").allow_password_grant().allow_refresh_tokens();
    store.put_client(&cli.scopes("read").default_scope("read").build()?).await?;
    let hash = Argon2Verifier::new(store.clone())?.hash_password(Password::new(PASSWORD.to_owned())).await?;
    store.add_user(NewUser::new("user-1", "alice").with_password_hash(Some(hash))).await?;
    Ok(())
}

/// A status and a body.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn text(&self, name: &str) -> Result<String, Error> {
        let json: serde_json::Value = serde_json::from_str(&self.body)?;
        let text = json.get(name).and_then(serde_json::Value::as_str);
        let text = text.ok_or_else(|| format!("no {name} in {}", self.body))?;
        Ok(text.to_owned())
    }

    /// Fails if the status is another one.
    fn expect(self, status: u16) -> Result<Self, Error> {
        if self.status == status { Ok(self) } else { Err(format!("{} {}", self.status, self.body).into()) }
    }
}

async fn ask(server: &Server, request: &str) -> Result<Answer, Error> {
    let mut stream = TcpStream::connect(server.address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or("an answer without a head")?;
    let status = head.split(' ').nth(1).ok_or("an answer without a status")?.parse()?;
    Ok(Answer { status, head: head.to_owned(), body: body.to_owned() })
}

async fn token(server: &Server, form: &str) -> Result<Answer, Error> {
    let form = format!("client_id=demo-cli&{form}");
    let head = format!(
        "POST /oauth/token HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        form.len()
    );
    ask(server, &(head + &form)).await
}

async fn login(server: &Server, password: &str) -> Result<Answer, Error> {
    let password = password.replace(' ', "+");
    token(server, &format!("grant_type=password&username=alice&password={password}")).await
}

async fn refresh(server: &Server, refresh_token: &str) -> Result<Answer, Error> {
    token(server, &format!("grant_type=refresh_token&refresh_token={refresh_token}")).await
}

async fn goes_on_elsewhere(one: &Server, other: &Server) -> Result<(), Error> {
    println!("\n# A login at one server goes on at the other");
    let tokens = login(one, PASSWORD).await?.expect(200)?;
    println!("a login at the first: 200");
    let old = tokens.text("refresh_token")?;
    let tokens = refresh(other, &old).await?.expect(200)?;
    println!("its refresh at the second: 200");
    let access = tokens.text("access_token")?;
    let request = format!(
        "GET /api/me HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {access}\r\n\r\n"
    );
    let answer = ask(one, &request).await?.expect(200)?;
    println!("the new access token at the API of the first: 200, {}", answer.body);
    let again = login(one, PASSWORD).await?.expect(200)?.text("refresh_token")?;
    let (first, second) = tokio::try_join!(refresh(one, &again), refresh(other, &again))?;
    println!("the same refresh token at both at once: {} and {}", first.status, second.status);
    Ok(())
}

async fn is_locked_at_both(one: &Server, other: &Server) -> Result<(), Error> {
    println!("\n# Guesses count at both servers together");
    for guess in 0..3 {
        let first = login(one, &format!("wrong-{guess}")).await?.expect(400)?.status;
        let second = login(other, &format!("wrong+{guess}")).await?.expect(400)?.status;
        println!("wrong passwords at the first and the second: {first}, {second}");
    }
    let [first, second] = [login(one, PASSWORD).await?, login(other, PASSWORD).await?].map(|answer| answer.status);
    println!("the right one at both: {first}, {second}");
    let alice = AccountKey::resolved("user-1");
    let locks = one.limiter.locks_of(None, &alice).await?.len();
    let lifted = other.limiter.unblock_account(None, &alice).await?;
    println!("an operator sees {locks} lock at the first, and lifts {lifted} at the second");
    login(one, PASSWORD).await?.expect(200)?;
    println!("the right one at the first: 200");
    Ok(())
}

async fn is_away(engine: &mut Engine, name: &str, server: &Server) -> Result<(), Error> {
    let kept = login(server, PASSWORD).await?.expect(200)?.text("refresh_token")?;
    if !engine.kill() {
        println!("\n# {name} was not started here, and is not killed");
        return Ok(());
    }
    println!("\n# {name} is killed: nobody is let in without a count");
    let refused = login(server, PASSWORD).await?.expect(503)?;
    let wait = refused.head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap_or("none");
    println!("a login: 503, retry-after: {wait}");
    if name == "Redis" {
        let answer = refresh(server, &kept).await?.expect(200)?;
        println!("a refresh, which needs no count: {}", answer.status);
    }
    engine.begin()?;
    let start = Instant::now();
    while login(server, PASSWORD).await?.status != 200 {
        if start.elapsed() > Duration::from_secs(30) {
            return Err(format!("{name} does not serve again").into());
        }
        sleep(Duration::from_millis(50)).await;
    }
    println!("it is started again: a login is 200 after {} ms", start.elapsed().as_millis());
    if name == "PostgreSQL" {
        refresh(server, &kept).await?.expect(200)?;
        println!("and the login of before goes on: 200");
    }
    Ok(())
}
