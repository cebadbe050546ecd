//! Only what was weighed is a grant, and nothing else is issued.
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::ladder::grant::{Grant, Login};
use crate::boundary::ladder::terms::Terms;
use crate::boundary::login_event::LoginEvent;
use crate::protocol::wire::error::TokenError;
use crate::protocol::weigh::Demanded;

fn legal(issuer: &dyn TokenIssuer, login: Login, demanded: Demanded) -> Result<(), TokenError> {
    let grant: Grant = login.weigh(demanded)?;
    drop(issuer.issue(grant));
    Ok(())
}

fn a_login(issuer: &dyn TokenIssuer, login: Login) {
    drop(issuer.issue(login)); //~ expected `Grant`, found `Login`
}

fn what_a_rule_sees(issuer: &dyn TokenIssuer, event: LoginEvent) {
    drop(issuer.issue(event)); //~ expected `Grant`, found `LoginEvent`
}

fn terms(issuer: &dyn TokenIssuer, terms: Terms) {
    drop(issuer.issue(terms)); //~ expected `Grant`, found `Terms`
}

fn against_nothing(login: Login) {
    let _ = login.weigh(); //~ argument #1 of type `Demanded` is missing
}

fn against_no_demands(login: Login) {
    let _ = login.weigh(Demanded::default()); //~ no function or associated item named `default` found
}

fn against_made_up_demands(login: Login) {
    let _ = login.weigh(Demanded { unleaked_password: false, rules: 0 }); //~ fields `unleaked_password` and `rules` of struct `Demanded` are private
}

fn weighed_twice(login: Login, demanded: Demanded) {
    let _ = login.weigh(demanded);
    let _ = login.weigh(demanded); //~ use of moved value: `login`
}
