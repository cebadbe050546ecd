//! What the application brings, the same in each framework: its users, its clients, its tokens; and the commands that
//! show them at work.
#![allow(dead_code, reason = "not every example looks tokens up")]

use std::net::SocketAddr;
use std::sync::Arc;

use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::{
    Client, ClientSecret, MemoryAccessTokens, OpaqueIssuer, PasswordGrant, PasswordGrantLayer, PeerAddress,
    StaticClients,
};

use self::users::Users;

pub(crate) mod users;

pub(crate) type Error = Box<dyn std::error::Error + Send + Sync>;

/// A password that is only ever typed into this demo.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// The token endpoint, with parts that live in this process.
pub(crate) struct Demo {
    pub(crate) layer: PasswordGrantLayer,
    pub(crate) tokens: Arc<OpaqueIssuer<MemoryAccessTokens>>,
    secret: ClientSecret,
}

impl Demo {
    /// One confidential and one public client, and the users alice and bob. The confidential client's secret is new at
    /// each start.
    pub(crate) fn new(peer: PeerAddress) -> Result<Self, Error> {
        let secret = ClientSecret::generate()?;
        let clients = StaticClients::new([
            Client::confidential("demo-service", &secret.digest())
                .allow_password_grant()
                .scopes("read write")
                .default_scope("read")
                .build()?,
            Client::public("demo-cli").allow_password_grant().scopes("read").default_scope("read").build()?,
        ])?;
        let tokens = Arc::new(OpaqueIssuer::new(MemoryAccessTokens::new()));
        let layer = PasswordGrant::builder()
            .clients(clients)
            .verifier(Argon2Verifier::new(Users::with_password(["alice", "bob"], PASSWORD)?)?)
            .issuer(Arc::clone(&tokens))
            .peer_address(peer)
            .build()?;
        Ok(Self { layer, tokens, secret })
    }

    /// A shell command that puts a new token for alice into a variable.
    pub(crate) fn token_command(&self, variable: &str, address: SocketAddr) -> String {
        let secret = self.secret.expose();
        format!(
            "{variable}=$(curl -sS -u demo-service:{secret} -d grant_type=password -d username=alice \
             --data-urlencode 'password={PASSWORD}' http://{address}/oauth/token | \
             sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')"
        )
    }

    /// Prints commands to paste into another terminal: one that succeeds, then others.
    pub(crate) fn print_commands(&self, address: SocketAddr) {
        let url = format!("http://{address}/oauth/token");
        let secret = self.secret.expose();
        let form = |username: &str, password: &str| {
            format!("-d grant_type=password -d username={username} --data-urlencode 'password={password}'")
        };
        let alice = form("alice", PASSWORD);
        println!("listening on http://{address}");
        println!("\n# a token for alice, 200");
        println!("curl -isS -w '\\n' -u demo-service:{secret} {alice} -d 'scope=read write' {url}");
        println!("\n# the same for a client without a secret, 200");
        println!("curl -isS -w '\\n' -d client_id=demo-cli {alice} {url}");
        println!("\n# a wrong password, 400 invalid_grant");
        println!("curl -isS -w '\\n' -u demo-service:{secret} {} {url}", form("alice", "wrong"));
        println!("\n# a wrong client secret, 401 invalid_client");
        println!("curl -isS -w '\\n' -u demo-service:wrong {alice} {url}");
        println!("\n# a scope that the client is not registered for, 400 invalid_scope");
        println!("curl -isS -w '\\n' -d client_id=demo-cli {alice} -d scope=admin {url}");
        println!("\n# ten guesses at bob's password are answered, the eleventh is one too many, 429 too_many_attempts");
        println!(
            "for n in 1 2 3 4 5 6 7 8 9 10 11; do curl -isS -w '\\n' -d client_id=demo-cli -d grant_type=password \
             -d username=bob -d password=guess$n {url}; done"
        );
    }
}

/// The port to listen on: the environment's `PORT`, 8080 without it, any free one for 0.
pub(crate) fn port() -> Result<u16, Error> {
    Ok(std::env::var("PORT").map_or(Ok(8080), |port| port.parse())?)
}
