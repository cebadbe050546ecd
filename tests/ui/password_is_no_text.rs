//! A password is not printed, compared or copied by accident.
use tower_password_grant::Password;

fn main() {
    let password = Password::new("x".to_owned());
    println!("{password}");
    let _ = password == password;
    let _ = password.clone();
}

//~ `Password` doesn't implement `std::fmt::Display`
//~ binary operation `==` cannot be applied to type `Password`
//~ no method named `clone` found for struct `Password`
