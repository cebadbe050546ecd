//! What is demanded is held against what was proven in one place, and neither is made up: no grant without clearance, none of what is
//! open, none by a challenge twice, none by a code that nobody was charged for.
use std::time::SystemTime;

use crate::boundary::factors::store::FactorStore;
use crate::boundary::factors::tools::FactorTools;
use crate::boundary::ladder::charge::{Charge, OfAccount, OfFactor};
use crate::boundary::ladder::clearance::{Cleared, Demand, Lack, Open, Proven, Right, Spent, weigh};
use crate::boundary::ladder::factor::{FittingOtp, Shown, TypedOtp, check_otp, spend};
use crate::boundary::ladder::grant::{Grant, Login};
use crate::boundary::ladder::open::OpenLogin;
use crate::boundary::ladder::terms::Terms;
use crate::boundary::ladder::user::{ReturningUser, ReverifiedUser};
use crate::boundary::once::OneTimeValues;
use crate::protocol::client::policy::GrantRules;
use crate::protocol::factor::authenticator::FactorUser;
use crate::protocol::factor::challenge::Challenge;
use crate::protocol::token::methods::{AuthenticationMethod, AuthenticationMethods};

struct Stores<'a> {
    once: &'a dyn OneTimeValues,
    factors: &'a dyn FactorStore,
}

async fn legal(
    stores: Stores<'_>,
    (challenge, shown): (Challenge, Shown),
    (terms, user, demand): (Terms, ReverifiedUser, Demand),
    (rules, now): (&GrantRules, SystemTime),
) -> Option<Grant> {
    let spent = spend(stores.once, challenge).await.ok()??;
    let user = user.returning_to(spent.challenge()).ok()?;
    let right = shown.count(stores.factors, (spent.challenge().user(), &user), now).await.ok()??;
    let login = Login::resumed(terms, user, (spent, right), demand, rules, now).ok()?;
    login.weigh().ok()
}

fn uncleared(login: Login) {
    let _: Grant = login.into(); //~ the trait bound `Grant: From<Login>` is not satisfied
}

fn cleared_by_hand() {
    let _: Cleared = Cleared(()); //~ cannot initialize a tuple struct which contains private fields
}

fn cleared_by_what_is_open(open: Open) {
    let _: Cleared = Cleared::from(open); //~ the trait bound `Cleared: From<Open>` is not satisfied
}

fn of_an_open_login(open: OpenLogin) {
    let _: Grant = open.into(); //~ the trait bound `Grant: From<OpenLogin>` is not satisfied
}

fn proven_by_hand(methods: AuthenticationMethods, now: SystemTime) {
    let _: Proven = Proven::by_verdict(methods, false, now); //~ associated function `by_verdict` is private
}

fn open_by_hand(methods: AuthenticationMethods) {
    let _: Open = Open(methods); //~ cannot initialize a tuple struct which contains private fields
}

fn spent_by_hand(challenge: Challenge) {
    let _: Option<Spent<Challenge>> = Spent::answered(challenge, true); //~ associated function `answered` is private
}

fn right_by_hand() {
    let _: Option<Right> = Right::checked(AuthenticationMethod::Otp, true); //~ associated function `checked` is private
}

async fn one_challenge_for_two_logins(once: &dyn OneTimeValues, challenge: Challenge) {
    let _ = spend(once, challenge).await;
    let _ = spend(once, challenge).await; //~ use of moved value: `challenge`
}

async fn one_code_for_two_logins(
    store: &dyn FactorStore,
    user: (FactorUser<'_>, &ReturningUser),
    shown: Shown,
    now: SystemTime,
) {
    let _ = shown.count(store, user, now).await;
    let _ = shown.count(store, user, now).await; //~ use of moved value: `shown`
}

async fn a_code_of_a_user_who_has_changed(
    store: &dyn FactorStore,
    user: (FactorUser<'_>, &ReverifiedUser),
    shown: Shown,
    now: SystemTime,
) {
    let _ = shown.count(store, user, now).await; //~ &ReturningUser)
}

fn a_code_without_a_charge(tools: &dyn FactorTools, typed: &TypedOtp<'_>) {
    let _: Option<FittingOtp> = check_otp((), tools, typed).0; //~ expected `Charge<OfFactor>`, found `()`
}

fn a_code_for_the_charge_of_a_password(charge: Charge<OfAccount>, tools: &dyn FactorTools, typed: &TypedOtp<'_>) {
    let _ = check_otp(charge, tools, typed); //~ expected `Charge<OfFactor>`, found `Charge<OfAccount>`
}

fn two_codes_for_one_charge(charge: Charge<OfFactor>, tools: &dyn FactorTools, typed: &TypedOtp<'_>) {
    let _ = check_otp(charge, tools, typed);
    let _ = check_otp(charge, tools, typed); //~ use of moved value: `charge`
}

fn a_demand_taken_back(demand: &mut Demand) {
    demand.factor = None; //~ field `factor` of struct `Demand` is private
}

fn a_demand_from_before(demand: Demand) {
    let _: (Demand, Demand) = (demand.clone(), demand); //~ no method named `clone` found for struct `Demand`
}

fn what_is_lacking_as_what_is_proven(demand: &Demand, lack: &Lack) {
    let _ = weigh(demand, lack); //~ expected `&Proven`, found `&Lack`
}

fn unproven(terms: Terms, user: ReturningUser, challenge: Challenge, right: Right, demand: Demand, rules: &GrantRules) {
    let now = SystemTime::UNIX_EPOCH;
    let _ = Login::resumed(terms, user, (challenge, right), demand, rules, now); //~ expected `Spent<Challenge>`, found `Challenge`
}
