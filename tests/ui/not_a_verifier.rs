//! The message says how to become one.
use tower_password_grant::PasswordGrant;

fn main() {
    let _ = PasswordGrant::builder().verifier("alice");
}

//~ `&str` is not a `CredentialVerifier`
//~ wrap a closure: `verify_fn(
//~ over a `UserStore` it is `Argon2Verifier::new(store)?`
//~ a trait object goes in an `Arc`
