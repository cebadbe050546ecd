//! An attempt comes from the endpoint alone, which charges it first.
use tower_password_grant::{Attempt, Password};

fn main() {
    let _ = Attempt { password: Password::new("x".to_owned()) };
}

//~ cannot construct `Attempt` with struct literal syntax
