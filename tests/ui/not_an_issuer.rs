//! The message says how to become one.
use tower_password_grant::PasswordGrant;

fn main() {
    let _ = PasswordGrant::builder().issuer(());
}

//~ `()` is not a `TokenIssuer`
//~ use `OpaqueIssuer`, or wrap a closure: `issue_fn(
//~ a trait object goes in an `Arc`
