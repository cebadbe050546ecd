//! The message says how to become one.
use tower_password_grant::PasswordGrant;

fn main() {
    let _ = PasswordGrant::builder().clients(vec!["conf"]);
}

//~ `Vec<&str>` is not a `ClientRegistry`
//~ find_client_fn(
//~ a trait object goes in an `Arc`
