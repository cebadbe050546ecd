//! The message names the verifier of an issuer that signs.
use tower_password_grant::bearer::BearerGuard;

fn main() {
    let _ = BearerGuard::builder("issuer");
}

//~ `&str` is not an `AccessTokenVerifier`
//~ of a `JwtIssuer` it is `issuer.verifier()`
