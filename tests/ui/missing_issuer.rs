//! The message names the method to call.
use tower_password_grant::{find_client_fn, verify_fn, Denial, PasswordGrant, PeerAddress};

fn main() {
    let _ = PasswordGrant::builder()
        .clients(find_client_fn(|_| async { Ok(None) }))
        .verifier(verify_fn(|_| async { Ok(Denial::UnknownUser.into()) }))
        .peer_address(PeerAddress::unknown())
        .build();
}

//~ call `.issuer(..)` with a `TokenIssuer` before `.build()`
