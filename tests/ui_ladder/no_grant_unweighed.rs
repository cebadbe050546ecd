//! Only what was weighed is a grant, and nothing else is issued.
use crate::boundary::issuer::TokenIssuer;
use crate::boundary::ladder::grant::{Grant, Login};
use crate::boundary::ladder::terms::Terms;
use crate::boundary::login_event::LoginEvent;
use crate::boundary::ladder::clearance::Demand;

fn legal(issuer: &dyn TokenIssuer, mut login: Login) {
    login.demand_by_settings(true);
    if let Ok(grant) = login.weigh() {
        let grant: Grant = grant;
        drop(issuer.issue(grant));
    }
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

fn against_no_demands() {
    let _: Demand = Demand::default(); //~ no function or associated item named `default` found
}

fn against_made_up_demands(mut login: Login, demand: Demand) {
    login.demand = demand; //~ field `demand` of struct `Login` is private
}

fn as_if_the_settings_were_asked(mut login: Login) {
    login.proven.note_asked_for_factors(); //~ field `proven` of struct `Login` is private
}

fn weighed_twice(login: Login) {
    let _ = login.weigh();
    let _ = login.weigh(); //~ use of moved value: `login`
}
