//! An attempt comes from the endpoint alone, which charges it first.
use tower_password_grant::Attempt;

fn main() {
    let _ = Attempt {};
}

//~ cannot construct `Attempt` with struct literal syntax
