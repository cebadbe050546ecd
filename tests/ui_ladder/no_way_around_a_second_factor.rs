//! What is demanded is held against what was proven in one place, and neither is made up: no grant without clearance, none of what is
//! open, none by a challenge twice or for another client, none by a code that nobody was charged for or that another login was shown.
use std::sync::Arc;
use std::time::SystemTime;

use crate::boundary::factors::store::FactorStore;
use crate::boundary::factors::tools::FactorTools;
use crate::boundary::ladder::charge::{Charge, Guessed, OfAccount, OfFactor};
use crate::boundary::ladder::clearance::{Cleared, Demand, Lack, Open, Proven, Right, weigh};
use crate::boundary::ladder::client::PermittedClient;
use crate::boundary::ladder::factor::{FittingOtp, Returned, Shown, Spent, TypedOtp, check_otp};
use crate::boundary::ladder::grant::{Grant, Login};
use crate::boundary::ladder::challenge::{NewChallenge, Opened, Unsealed};
use crate::boundary::ladder::open::OpenLogin;
use crate::boundary::ladder::terms::Terms;
use crate::boundary::ladder::user::{ReturningUser, ReverifiedUser};
use crate::boundary::once::OneTimeValues;
use crate::conductor::factors::seals::Seals;
use crate::protocol::client::grant_type::GrantType;
use crate::protocol::client::policy::GrantRules;
use crate::protocol::client::registered::Client;
use crate::protocol::client::sunset::judge::Admission;
use crate::protocol::factor::challenge::Challenge;
use crate::protocol::token::methods::{AuthenticationMethod, AuthenticationMethods};

struct Stores<'a> {
    once: &'a dyn OneTimeValues,
    factors: &'a dyn FactorStore,
}

async fn legal(
    stores: Stores<'_>,
    shown: Shown,
    (terms, user, demand): (Terms, ReverifiedUser, Demand),
    (rules, now): (&GrantRules, SystemTime),
) -> Option<Grant> {
    let spent = shown.spend(stores.once).await.ok()??;
    let returned = spent.returning(user).ok()?.count(stores.factors, now).await.ok()??;
    let login = Login::resumed(terms, returned, demand, rules, now).ok()?;
    login.weigh().ok()
}

fn legal_of_a_token(client: &Client, unsealed: Unsealed, tools: &dyn FactorTools, charge: Charge<OfFactor>, typed: &TypedOtp<'_>) {
    if let Ok(opened) = unsealed.bound_to(client) {
        let _: (Result<Option<FittingOtp>, _>, _) = check_otp(charge, &opened, tools, typed);
    }
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
    let _: Proven = Proven::by_verdict(methods, false, Admission::In, now); //~ associated function `by_verdict` is private
}

fn open_by_hand(methods: AuthenticationMethods) {
    let _: Open = Open(methods); //~ cannot initialize a tuple struct which contains private fields
}

fn left_by_hand(challenge: Challenge) {
    let _: NewChallenge = NewChallenge(challenge); //~ cannot initialize a tuple struct which contains private fields
}

fn sealed_by_hand(seals: &Seals, challenge: &Challenge) {
    let _ = seals.seal_challenge(challenge); //~ expected `&NewChallenge`, found `&Challenge`
}

fn unsealed_by_hand(challenge: Challenge) {
    let _: Unsealed = Unsealed(challenge); //~ cannot initialize a tuple struct which contains private fields
}

fn opened_by_hand(challenge: Arc<Challenge>) {
    let _: Opened = Opened(challenge); //~ cannot initialize a tuple struct which contains private fields
}

fn charged_for_any_client(unsealed: &Unsealed) {
    let _: Guessed<'_, OfFactor> = Guessed::factor(unsealed); //~ expected `&Opened`, found `&Unsealed`
}

fn checked_for_any_client(charge: Charge<OfFactor>, unsealed: &Unsealed, tools: &dyn FactorTools, typed: &TypedOtp<'_>) {
    let _ = check_otp(charge, unsealed, tools, typed); //~ expected `&Opened`, found `&Unsealed`
}

fn terms_for_any_client(client: PermittedClient, unsealed: &Unsealed, began: GrantType, rules: &GrantRules) {
    let _ = Terms::of_open(client, unsealed, began, rules, || SystemTime::UNIX_EPOCH); //~ expected `&Opened`, found `&Unsealed`
}

fn spent_by_hand(shown: Shown) {
    let _: Spent = Spent(shown); //~ cannot initialize a tuple struct which contains private fields
}

fn right_by_hand(earlier: AuthenticationMethods) {
    let _: Option<Right> = Right::checked(earlier, AuthenticationMethod::Otp, true); //~ associated function `checked` is private
}

async fn one_code_for_two_logins(once: &dyn OneTimeValues, shown: Shown) {
    let _ = shown.spend(once).await;
    let _ = shown.spend(once).await; //~ use of moved value: `shown`
}

fn one_challenge_for_two_logins(spent: Spent, [first, second]: [ReverifiedUser; 2]) {
    let _ = spent.returning(first);
    let _ = spent.returning(second); //~ use of moved value: `spent`
}

fn the_code_of_another_login(mut shown: Shown, other: Arc<Challenge>) {
    shown.challenge = other; //~ field `challenge` of struct `Shown` is private
}

fn the_right_of_another_login(mut returned: Returned, other: Right) {
    returned.right = other; //~ field `right` of struct `Returned` is private
}

async fn counted_before_the_challenge_is_spent(shown: Shown, store: &dyn FactorStore) {
    let _ = shown.count(store, SystemTime::UNIX_EPOCH).await; //~ no method named `count` found for struct `Shown`
}

async fn counted_before_the_user_is_looked_at(spent: Spent, store: &dyn FactorStore) {
    let _ = spent.count(store, SystemTime::UNIX_EPOCH).await; //~ no method named `count` found for struct `Spent`
}

fn a_code_without_a_charge(opened: &Opened, tools: &dyn FactorTools, typed: &TypedOtp<'_>) {
    let _: Result<Option<FittingOtp>, _> = check_otp((), opened, tools, typed).0; //~ expected `Charge<OfFactor>`, found `()`
}

fn a_code_for_the_charge_of_a_password(charge: Charge<OfAccount>, opened: &Opened, tools: &dyn FactorTools, typed: &TypedOtp<'_>) {
    let _ = check_otp(charge, opened, tools, typed); //~ expected `Charge<OfFactor>`, found `Charge<OfAccount>`
}

fn two_codes_for_one_charge(charge: Charge<OfFactor>, opened: &Opened, tools: &dyn FactorTools, typed: &TypedOtp<'_>) {
    let _ = check_otp(charge, opened, tools, typed);
    let _ = check_otp(charge, opened, tools, typed); //~ use of moved value: `charge`
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

fn unproven(terms: Terms, user: ReturningUser, demand: Demand, rules: &GrantRules) {
    let now = SystemTime::UNIX_EPOCH;
    let _ = Login::resumed(terms, user, demand, rules, now); //~ expected `Returned`, found `ReturningUser`
}
