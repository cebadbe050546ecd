//! The message names the method to call.
use tower_password_grant::{
    find_client_fn, issue_fn, Grant, IssuedTokens, PasswordGrant, PeerAddress,
};
use tower_password_grant::token::Token;

fn main() {
    let _ = PasswordGrant::builder()
        .clients(find_client_fn(|_| async { Ok(None) }))
        .issuer(issue_fn(
            |grant: Grant| async move { Ok(IssuedTokens::bearer(Token::random("at_")?, grant.lifetime())) },
        ))
        .peer_address(PeerAddress::unknown())
        .build();
}

//~ call `.verifier(..)` with a `CredentialVerifier` before `.build()`
