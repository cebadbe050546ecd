//! An attempt is verified once: a second one cannot be made of it.
use tower_password_grant::Attempt;

fn twice(attempt: Attempt) {
    let _ = attempt.for_next_verifier();
    let _ = attempt.for_nobody();
    let _ = attempt.clone();
}

fn main() {
    let _ = twice;
}

//~ method `for_next_verifier` is private
//~ method `for_nobody` is private
//~ no method named `clone` found for struct `Attempt`
