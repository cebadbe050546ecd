//! A login needs a user that the application has verified: neither a name nor a verdict of our own will do.
use std::time::SystemTime;

use crate::boundary::ladder::clearance::Demand;
use crate::boundary::ladder::grant::{Grant, Login};
use crate::boundary::ladder::terms::Terms;
use crate::boundary::ladder::user::VerifiedUser;
use crate::boundary::verifier::Verified;
use crate::protocol::client::policy::GrantRules;
use crate::protocol::wire::error::Reason;
use crate::protocol::user::subject::Subject;

fn legal(terms: Terms, user: VerifiedUser, demand: Demand, rules: &GrantRules, now: SystemTime) -> Result<Login, Reason> {
    Login::of(terms, user, demand, rules, now)
}

fn of_anybody(terms: Terms, subject: Subject, demand: Demand, rules: &GrantRules, now: SystemTime) {
    let _ = Login::of(terms, subject, demand, rules, now); //~ expected `VerifiedUser`, found `Subject`
}

fn of_a_verdict_of_our_own(terms: Terms, verified: Verified, demand: Demand, rules: &GrantRules, now: SystemTime) {
    let _ = Login::of(terms, verified, demand, rules, now); //~ expected `VerifiedUser`, found `Verified`
}

fn written_by_hand(verified: Verified) {
    let _ = VerifiedUser { verified, password: None }; //~ field `verified` of struct `VerifiedUser` is private
}

fn granted_by_hand(grant: Grant) {
    let _ = Grant { leaves_record: true, ..grant }; //~ of struct `Grant` are private
}
