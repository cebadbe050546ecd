//! The message names the method to call.
use tower_password_grant::{
    issue_fn, verify_fn, Denial, Grant, IssuedTokens, PasswordGrant, PeerAddress,
};
use tower_password_grant::token::Token;

fn main() {
    let _ = PasswordGrant::builder()
        .verifier(verify_fn(|_| async { Ok(Denial::UnknownUser.into()) }))
        .issuer(issue_fn(
            |grant: Grant| async move { Ok(IssuedTokens::bearer(Token::random("at_")?, grant.lifetime())) },
        ))
        .peer_address(PeerAddress::unknown())
        .build();
}

//~ call `.clients(..)` with a `ClientRegistry` before `.build()`
