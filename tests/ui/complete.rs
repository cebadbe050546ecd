//! With every part it compiles.
use tower_password_grant::{
    find_client_fn, issue_fn, verify_fn, Denial, Grant, IssuedTokens, PasswordGrant,
    PeerAddress,
};
use tower_password_grant::token::Token;

fn main() {
    let _ = PasswordGrant::builder()
        .clients(find_client_fn(|_| async { Ok(None) }))
        .verifier(verify_fn(|_| async { Ok(Denial::UnknownUser.into()) }))
        .issuer(issue_fn(|grant: Grant| async move {
            Ok(IssuedTokens::bearer(Token::random("at_")?, grant.lifetime()))
        }))
        .peer_address(PeerAddress::unknown())
        .build();
}
