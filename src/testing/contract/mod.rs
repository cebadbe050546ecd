//! Suites that hold your own stores to the contracts of their traits. A promise that is broken is a panic that names it, as
//! of any test.
//!
//! Each suite takes a function that makes a store with nothing in it, and calls it once for each scene. Where the store lies
//! outside the process, that is a new database, schema or key prefix. Time goes forward in the arguments of the calls alone,
//! never more than three hours from now, and the suites wait for nothing but answers: a store with a clock of its own must
//! let it show the present. Everything that is stored has a new random name, so that what another test left does no harm.
//!
//! A suite that asks for two handles of a store means two that share nothing but what lies outside of the process, such as two
//! pools over one database. In the memory of one process [`two_handles`] makes them.
//!
//! The calls are made in parallel, so the test needs a runtime with several threads:
//!
//! ```
//! use tower_password_grant::testing::contract;
//! use tower_password_grant::{MemoryOneTimeValues, MemoryRefreshTokens};
//!
//! # const _: &str = stringify!(
//! #[tokio::test(flavor = "multi_thread")]
//! # );
//! # mod shown {
//! # use super::*;
//! # pub
//! async fn my_store_keeps_its_promises() {
//!     // In place of these two: the stores of your own.
//!     let tokens = async || contract::two_handles(MemoryRefreshTokens::new());
//!     contract::refresh_token_store(tokens).await;
//!     let values = async || contract::two_handles(MemoryOneTimeValues::new());
//!     contract::one_time_values(values).await;
//! }
//! # }
//! # fn main() {
//! #     tokio::runtime::Runtime::new().unwrap().block_on(shown::my_store_keeps_its_promises());
//! # }
//! ```
//!
//! What the suites cannot show: that what was answered survives a crash of the machine, and that the cost of a call does not
//! grow with what is stored.

mod access;
mod limiter;
mod limiter_checks;
mod limiter_handles;
mod limiter_keys;
mod limiter_operator;
mod once;
mod one_step;
mod promise;
mod records;
mod records_races;
mod refresh;
mod refresh_ends;
mod refresh_facts;
mod refresh_races;

use std::sync::Arc;

use self::refresh::Scene;
use self::refresh_races::End;
use crate::boundary::access::AccessTokenStore;
use crate::boundary::limiter::AttemptLimiter;
use crate::boundary::once::OneTimeValues;
use crate::boundary::operator::LimiterOperator;
use crate::boundary::records::AttemptRecords;
use crate::boundary::refresh::RefreshTokenStore;

/// Holds a [`RefreshTokenStore`] to its contract. `make` answers two handles of one new store, as two processes have them.
/// About 30,000 calls.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn refresh_token_store<S: RefreshTokenStore>(make: impl AsyncFn() -> [S; 2]) {
    let scene = async || Scene::new(make().await);
    refresh_facts::facts(scene().await).await;
    refresh::what_is_not_there(scene().await).await;
    refresh::swaps(scene().await).await;
    refresh::begun_twice(scene().await).await;
    refresh::over_at_once(scene().await).await;
    refresh::later_version(scene().await).await;
    refresh::lost_answers(scene().await).await;
    refresh_ends::revoke_family(scene().await).await;
    refresh_ends::revoke_subject(scene().await).await;
    refresh_ends::crowd(scene().await).await;
    refresh_races::parallel_swaps(scene().await).await;
    refresh_races::parallel_ends(scene().await).await;
    refresh_races::parallel_uses(scene().await, refresh::LEEWAY).await;
    refresh_races::parallel_uses(scene().await, 0).await;
    refresh_races::parallel_reuses(scene().await).await;
    for by in [End::RevokeFamily, End::RevokeSubject, End::Replay] {
        refresh_races::end_while_used(scene().await, by).await;
    }
    refresh_races::parallel_logins(scene().await).await;
}

/// Holds an [`AccessTokenStore`] to its contract. `make` answers two handles of one new store. The records expire an hour from
/// now. A store that bounds the tokens of one login has to keep 64 of them at least.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn access_token_store<S: AccessTokenStore>(make: impl AsyncFn() -> [S; 2]) {
    let one = async || {
        let [one, _other] = make().await;
        one
    };
    access::facts(one().await).await;
    access::revoke(one().await).await;
    access::revoke_family(one().await).await;
    access::revoke_subject(one().await).await;
    access::crowd(one().await, true).await;
    access::crowd(one().await, false).await;
    access::crowd_of_logins(one().await).await;
    access::parallel(make().await).await;
    access::lost_answers(make().await).await;
}

/// Holds a store that keeps both kinds of tokens, and has a [`StoreIdentity`](crate::StoreIdentity), to what that says: the
/// access token that comes with a login or a refresh is saved in that step, or not at all. `make` answers two handles of one
/// new store. Run it beside [`refresh_token_store`] and [`access_token_store`], where no step brings an access token.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn tokens_in_one_step<S: RefreshTokenStore + AccessTokenStore>(make: impl AsyncFn() -> [S; 2]) {
    let scene = async || Scene::new(make().await);
    one_step::identity(scene().await).await;
    one_step::begun(scene().await).await;
    one_step::rotated(scene().await).await;
    one_step::ended(scene().await).await;
    one_step::parallel(scene().await).await;
    one_step::given_up(scene().await).await;
}

/// Holds [`OneTimeValues`] to their contract. `make` answers two handles of one new store. The values expire ten minutes from
/// now.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn one_time_values<S: OneTimeValues>(make: impl AsyncFn() -> [S; 2]) {
    let [one, _other] = make().await;
    once::in_turn(one).await;
    once::parallel(make().await).await;
    once::lost_answers(make().await).await;
}

/// Holds an [`AttemptLimiter`] to what its contract asks of every one, whatever its budgets are. Give it some that are spent
/// by fewer than 1,000 attempts and whose windows are longer than the test; that of one address, if there is one, must be
/// larger than that of an account from there, as it is by default. `make` answers two handles of one new store.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn attempt_limiter<L: AttemptLimiter>(make: impl AsyncFn() -> [L; 2]) {
    limiter_handles::in_turn(&make).await;
    limiter::parallel(&make).await;
    limiter::dropped(&make).await;
    limiter::success(&make).await;
    limiter::untried(&make).await;
    limiter::undecided(&make).await;
    limiter::own_charges_only(&make).await;
    limiter::settled_again(&make).await;
    limiter::refused(&make).await;
    limiter_keys::parts(&make).await;
    limiter_keys::networks(&make).await;
    limiter_keys::known_addresses(&make).await;
    limiter_checks::one_after_the_other(&make).await;
    limiter_checks::parallel(&make).await;
    limiter_handles::forgiven(&make).await;
    limiter_handles::parallel(&make).await;
    limiter_handles::lost_answers(&make).await;
}

/// Holds a [`LimiterOperator`] to its contract, with the same budgets as [`attempt_limiter`]. `make` answers two handles of one
/// new store. Locks are listed through the handle through which they began.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn limiter_operator<L: AttemptLimiter + LimiterOperator>(make: impl AsyncFn() -> [L; 2]) {
    limiter_operator::nothing(&make).await;
    limiter_operator::listed(&make).await;
    limiter_operator::pages(&make).await;
    limiter_operator::unblocked(&make).await;
    limiter_operator::clients(&make).await;
    limiter_operator::under_way(&make).await;
    limiter_operator::everything(&make).await;
}

/// Holds [`AttemptRecords`] to their contract. `make` answers two handles of one new store, as two processes have them; the
/// time of that store shows the present.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn attempt_records<S: AttemptRecords>(make: impl AsyncFn() -> [S; 2]) {
    records::kept(make().await).await;
    records::stale(make().await).await;
    records::all_or_none(make().await).await;
    records::over_already(make().await).await;
    records::time(make().await).await;
    records_races::one_wins(make().await).await;
    records_races::nothing_is_lost(make().await).await;
    records_races::lost_answers(make().await).await;
    records_races::given_up(make().await).await;
}

/// Two handles of a store that lies in the memory of this process, for the suites that ask for two.
pub fn two_handles<S>(store: S) -> [Arc<S>; 2] {
    let store = Arc::new(store);
    [Arc::clone(&store), store]
}
