//! A refresh is a login like any other: its user is asked about again, and it is weighed.
use std::time::SystemTime;

use crate::boundary::issuer::TokenIssuer;
use crate::boundary::ladder::grant::Login;
use crate::boundary::ladder::terms::Renewal;
use crate::boundary::ladder::user::{ReverifiedUser, VerifiedUser};
use crate::boundary::verifier::Verified;
use crate::protocol::client::policy::GrantRules;
use crate::protocol::wire::error::Reason;
use crate::boundary::ladder::clearance::Demand;

fn legal(
    issuer: &dyn TokenIssuer,
    renewal: Renewal,
    user: ReverifiedUser,
    demand: Demand,
    rules: &GrantRules,
    now: SystemTime,
) -> Result<(), Reason> {
    let login = Login::renewed(renewal, user, demand, rules, now)?;
    if let Ok(grant) = login.weigh() {
        drop(issuer.issue(grant));
    }
    Ok(())
}

fn unweighed(issuer: &dyn TokenIssuer, renewal: Renewal, user: ReverifiedUser, demand: Demand, rules: &GrantRules, now: SystemTime) -> Result<(), Reason> {
    let login = Login::renewed(renewal, user, demand, rules, now)?;
    drop(issuer.issue(login)); //~ expected `Grant`, found `Login`
    Ok(())
}

fn at_once(issuer: &dyn TokenIssuer, renewal: Renewal) {
    drop(issuer.issue(renewal)); //~ expected `Grant`, found `Renewal`
}

fn without_asking(renewal: Renewal, verified: Verified, demand: Demand, rules: &GrantRules, now: SystemTime) {
    let _ = Login::renewed(renewal, verified, demand, rules, now); //~ expected `ReverifiedUser`, found `Verified`
}

fn for_a_user_of_an_attempt(renewal: Renewal, user: VerifiedUser, demand: Demand, rules: &GrantRules, now: SystemTime) {
    let _ = Login::renewed(renewal, user, demand, rules, now); //~ expected `ReverifiedUser`, found `VerifiedUser`
}

fn as_a_first_login(renewal: Renewal, user: VerifiedUser, demand: Demand, rules: &GrantRules, now: SystemTime) {
    let _ = Login::of(renewal, user, demand, rules, now); //~ expected `Terms`, found `Renewal`
}

