use std::sync::Arc;
use std::time::Duration;

use super::factors::Scene as FactorScene;
use super::limiter_operator::Operated;
use super::promise::Make;
use super::refresh::Scene;
use super::refresh_races::End;
use super::usage::Scene as UsageScene;
use crate::boundary::access::AccessTokenStore;
use crate::boundary::factors::store::FactorStore;
use crate::boundary::limiter::AttemptLimiter;
use crate::boundary::once::OneTimeValues;
use crate::boundary::operator::LimiterOperator;
use crate::boundary::records::AttemptRecords;
use crate::boundary::refresh::RefreshTokenStore;
use crate::boundary::registry::ClientRegistry;
use crate::boundary::usage::UsageStore;
use crate::boundary::users::insert::UserInsert;
use crate::boundary::users::store::UserStore;
use crate::boundary::users::stored_user::StoredUser;
use crate::protocol::client::registered::Client;

/// A store of both kinds of tokens.
trait BothTokens: RefreshTokenStore + AccessTokenStore {}

impl<S: RefreshTokenStore + AccessTokenStore> BothTokens for S {}

/// Holds a [`RefreshTokenStore`] to its contract. `make` answers two handles of one new store, as two processes have them.
/// About 30,000 calls.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn refresh_token_store<S: RefreshTokenStore>(make: impl AsyncFn() -> [S; 2]) {
    let scene = async || Scene::new(make().await.map(|store| -> Arc<dyn RefreshTokenStore> { Arc::new(store) }));
    super::refresh_facts::facts(scene().await).await;
    super::refresh::what_is_not_there(scene().await).await;
    super::refresh::swaps(scene().await).await;
    super::refresh::begun_twice(scene().await).await;
    super::refresh::over_at_once(scene().await).await;
    super::refresh::later_version(scene().await).await;
    super::refresh::lost_answers(scene().await).await;
    super::refresh_ends::revoke_family(scene().await).await;
    super::refresh_ends::revoke_subject(scene().await).await;
    super::refresh_ends::crowd(scene().await).await;
    super::refresh_races::parallel_swaps(scene().await).await;
    super::refresh_races::parallel_ends(scene().await).await;
    super::refresh_races::parallel_uses(scene().await, super::refresh::LEEWAY).await;
    super::refresh_races::parallel_uses(scene().await, 0).await;
    super::refresh_races::parallel_reuses(scene().await).await;
    for by in [End::RevokeFamily, End::RevokeSubject, End::Replay] {
        super::refresh_races::end_while_used(scene().await, by).await;
    }
    super::refresh_races::parallel_logins(scene().await).await;
}

/// Holds an [`AccessTokenStore`] to its contract. `make` answers two handles of one new store. The records expire an hour from
/// now. A store that bounds the tokens of one login has to keep 64 of them at least.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn access_token_store<S: AccessTokenStore>(make: impl AsyncFn() -> [S; 2]) {
    let make = async || make().await.map(|store| -> Arc<dyn AccessTokenStore> { Arc::new(store) });
    let one = async || {
        let [one, _other] = make().await;
        one
    };
    super::access::facts(one().await).await;
    super::access::revoke(one().await).await;
    super::access::revoke_family(one().await).await;
    super::access::revoke_subject(one().await).await;
    super::access::crowd(one().await, true).await;
    super::access::crowd(one().await, false).await;
    super::access::crowd_of_logins(one().await).await;
    super::access::parallel(make().await).await;
    super::access::lost_answers(make().await).await;
}

/// Holds a store that keeps both kinds of tokens, and has a [`StoreIdentity`](crate::store::StoreIdentity), to what that says: the
/// access token that comes with a login or a refresh is saved in that step, or not at all. `make` answers two handles of one
/// new store. Run it beside [`refresh_token_store`] and [`access_token_store`], where no step brings an access token.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn tokens_in_one_step<S: RefreshTokenStore + AccessTokenStore>(make: impl AsyncFn() -> [S; 2]) {
    let scene = async || Scene::new(make().await.map(|store| -> Arc<dyn BothTokens> { Arc::new(store) }));
    super::one_step::identity(scene().await).await;
    super::one_step::begun(scene().await).await;
    super::one_step::rotated(scene().await).await;
    super::one_step::ended(scene().await).await;
    super::one_step::parallel(scene().await).await;
    super::one_step::given_up(scene().await).await;
}

/// Holds a [`UsageStore`] to its contract. `make` answers two handles of one new store. About 1,000 calls; a store with a bound needs
/// room for 10,000 rows.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn usage_store<S: UsageStore>(make: impl AsyncFn() -> [S; 2]) {
    let scene = async || UsageScene::new(make().await.map(|store| -> Arc<dyn UsageStore> { Arc::new(store) }));
    super::usage::facts(scene().await).await;
    super::usage::merged(scene().await).await;
    super::usage::users(scene().await).await;
    super::usage::counts(scene().await).await;
    super::usage::pages(scene().await).await;
    super::usage_ends::forgotten(scene().await).await;
    super::usage_ends::pruned(scene().await).await;
    super::usage_ends::parallel(scene().await).await;
    super::usage_ends::lost_answers(scene().await).await;
}

/// Holds [`OneTimeValues`] to their contract. `make` answers two handles of one new store. The values expire ten minutes from
/// now.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn one_time_values<S: OneTimeValues>(make: impl AsyncFn() -> [S; 2]) {
    let make = async || make().await.map(|store| -> Arc<dyn OneTimeValues> { Arc::new(store) });
    let [one, _other] = make().await;
    super::once::in_turn(one).await;
    super::once::parallel(make().await).await;
    super::once::lost_answers(make().await).await;
}

/// Holds a [`FactorStore`] to its contract. `make` answers two handles of one new store. About 15,000 calls for some 300 users.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn factor_store<S: FactorStore>(make: impl AsyncFn() -> [S; 2]) {
    let scene = async || FactorScene::new(make().await.map(|store| -> Arc<dyn FactorStore> { Arc::new(store) }));
    super::factors::facts(scene().await).await;
    super::factors::enrolments(scene().await).await;
    super::factors::confirmations(scene().await).await;
    super::factors::over(scene().await).await;
    super::factors::bound(scene().await).await;
    super::factors::removals(scene().await).await;
    super::factors::steps(scene().await).await;
    super::factors::recovery_codes(scene().await).await;
    super::factors::users(scene().await).await;
    super::factors_races::equal_steps(scene().await).await;
    super::factors_races::different_steps(scene().await).await;
    super::factors_races::equal_codes(scene().await).await;
    super::factors_races::enrolments(scene().await).await;
    super::factors_races::confirmations(scene().await).await;
    super::factors_races::confirm_while_enrolled(scene().await).await;
    super::factors_races::confirm_while_removed(scene().await).await;
    super::factors_races::removals(scene().await).await;
    super::factors_races::lost_answers(scene().await).await;
}

/// Holds an [`AttemptLimiter`] to what its contract asks of every one, whatever its budgets are. Give it some that are spent
/// by fewer than 1,000 attempts and whose windows are longer than the test; that of one address, if there is one, must be
/// larger than that of an account from there, as it is by default.
///
/// `make` answers two handles of one store in which nothing was counted yet, and is called some 80 times: each scene counts under the
/// same names and addresses. A [`LimiterOperator`] forgets everything first. Over [`AttemptRecords`] a new key is enough, under
/// which no count is found:
///
/// ```
/// # use tower_password_grant::limiter::{AttemptRecords, SharedKey, StoredLimiter};
/// # use tower_password_grant::testing::contract;
/// async fn holds<S: AttemptRecords>(open: impl Fn() -> S, random: impl Fn() -> [u8; 32]) {
///     let make = async || {
///         let key = SharedKey::new(random()).expect("32 bytes are enough");
///         [(); 2].map(|()| StoredLimiter::new(open(), &key))
///     };
///     contract::attempt_limiter(make).await;
///     contract::limiter_operator(make).await;
/// }
/// ```
///
/// For a [`StoredLimiter`](crate::limiter::StoredLimiter) over a store of your own [`attempt_records`] is the suite that counts: this
/// one passes over most stores that break a promise.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn attempt_limiter<L: AttemptLimiter>(make: impl AsyncFn() -> [L; 2]) {
    let make = &make;
    let make: Make<'_, Arc<dyn AttemptLimiter>> =
        &|| Box::pin(async move { make().await.map(|limiter| -> Arc<dyn AttemptLimiter> { Arc::new(limiter) }) });
    super::limiter_handles::in_turn(make).await;
    super::limiter::parallel(make).await;
    super::limiter::dropped(make).await;
    super::limiter::success(make).await;
    super::limiter::untried(make).await;
    super::limiter::undecided(make).await;
    super::limiter::own_charges_only(make).await;
    super::limiter::settled_again(make).await;
    super::limiter::refused(make).await;
    super::limiter_keys::parts(make).await;
    super::limiter_keys::networks(make).await;
    super::limiter_keys::known_addresses(make).await;
    super::limiter_checks::one_after_the_other(make).await;
    super::limiter_checks::parallel(make).await;
    super::limiter_handles::forgiven(make).await;
    super::limiter_handles::parallel(make).await;
    super::limiter_handles::lost_answers(make).await;
}

/// Holds an [`AttemptLimiter`] to what it promises about second factors: their own guesses, and passwords that are right while a
/// factor is open. For a limiter behind an endpoint with [`second_factor`](crate::Builder::second_factor), beside
/// [`attempt_limiter`], which says what `make` answers; it is called some 15 times. One challenge must have fewer codes than its
/// user has in a short time, as by default.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn factor_limiter<L: AttemptLimiter>(make: impl AsyncFn() -> [L; 2]) {
    let make = &make;
    let make: Make<'_, Arc<dyn AttemptLimiter>> =
        &|| Box::pin(async move { make().await.map(|limiter| -> Arc<dyn AttemptLimiter> { Arc::new(limiter) }) });
    super::limiter_factors::spent(make).await;
    super::limiter_factors::apart(make).await;
    super::limiter_factors::messages(make).await;
    super::limiter_factors::finished(make).await;
    super::limiter_factors::parallel(make).await;
    super::limiter_factors::resumed(make).await;
}

/// Holds a [`LimiterOperator`] to its contract, with the same budgets as [`attempt_limiter`]. `make` answers two handles of one
/// store in which nothing was counted yet, as there, and is called a dozen times. Locks are listed through the handle through which they began.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn limiter_operator<L: AttemptLimiter + LimiterOperator>(make: impl AsyncFn() -> [L; 2]) {
    let make = &make;
    let make: Make<'_, Arc<dyn Operated>> =
        &|| Box::pin(async move { make().await.map(|limiter| -> Arc<dyn Operated> { Arc::new(limiter) }) });
    super::limiter_operator::nothing(make).await;
    super::limiter_operator::listed(make).await;
    super::limiter_operator::pages(make).await;
    super::limiter_operator::unblocked(make).await;
    super::limiter_operator::clients(make).await;
    super::limiter_operator::under_way(make).await;
    super::limiter_operator::factors(make).await;
    super::limiter_operator::everything(make).await;
}

/// Holds [`AttemptRecords`] to their contract. Of the suites of a limiter over a store of your own this is the one that counts: the
/// other two show that the limiter works over it, and pass over most stores that break a promise.
///
/// `make` answers two handles of one store, as two processes have them; it is called about a dozen times. The store need not
/// be empty: all keys are new. The time of the store shows the present: it may differ from that of the machine that runs the
/// suite by less than ten minutes. How long a record is kept beyond its first minute shows
/// [`attempt_records_over_time`].
///
/// ```
/// # use std::path::Path;
/// # use tower_password_grant::limiter::AttemptRecords;
/// # use tower_password_grant::testing::contract;
/// async fn holds<S: AttemptRecords>(open: impl Fn(&Path) -> S, path: &Path) {
///     // Two handles that share nothing but what lies at the path.
///     contract::attempt_records(async || [path, path].map(&open)).await;
/// }
/// ```
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn attempt_records<S: AttemptRecords>(make: impl AsyncFn() -> [S; 2]) {
    let make = async || make().await.map(|store| -> Arc<dyn AttemptRecords> { Arc::new(store) });
    super::records::kept(make().await).await;
    super::records_keys::keys(make().await).await;
    super::records::in_order(make().await).await;
    super::records::stale(make().await).await;
    super::records_keys::special_stamps(make().await).await;
    super::records::all_or_none(make().await).await;
    super::records_time::over_already(make().await).await;
    super::records_time::present_time(make().await).await;
    super::records_time::fine_time(make().await).await;
    super::records_races::one_wins(make().await).await;
    super::records_races::nothing_is_lost(make().await).await;
    super::records_races::lost_answers(make().await).await;
    super::records_races::given_up(make().await).await;
}

/// Holds [`AttemptRecords`] to the time from which a record is [forgotten](crate::limiter::RecordChange::forgotten_at), which
/// [`attempt_records`] cannot show: a store that drops every record after a minute, or takes seconds for milliseconds, ends
/// each lock after a minute, and passes everywhere else.
///
/// `make` is called once. `pass` lets that much time pass for the store, 52 minutes in all, and has it remove what is over then:
/// it moves the clock that the store goes by, or, in a database, the times that are kept back by as much.
///
/// ```
/// # use std::time::Duration;
/// # use tower_password_grant::limiter::AttemptRecords;
/// # use tower_password_grant::testing::{ManualClock, contract};
/// async fn holds<S: AttemptRecords>(open: impl Fn(ManualClock) -> [S; 2]) {
///     let clock = ManualClock::new();
///     let pass = async |time: Duration| clock.advance(time);
///     contract::attempt_records_over_time(async || open(clock.clone()), pass).await;
/// }
/// ```
///
/// In PostgreSQL `pass` runs `UPDATE login_attempts SET forgotten_at = forgotten_at - $1`, and then the statement that prunes.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn attempt_records_over_time<S: AttemptRecords>(
    make: impl AsyncFn() -> [S; 2],
    pass: impl AsyncFn(Duration),
) {
    super::records_time::over_time(make().await, pass).await;
}

/// Holds a [`ClientRegistry`] to its contract. `make` answers a new registry of these clients and no others. They have every option
/// that there is, and their instants are whole milliseconds.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn client_registry<R: ClientRegistry>(make: impl AsyncFn(Vec<Client>) -> R) {
    let clients = super::registry::clients();
    super::registry::all(&make(clients.clone()).await, &clients);
    super::registry::finds(make(clients.clone()).await, &clients).await;
    super::registry::origins(make(clients).await).await;
}

/// Holds a [`UserStore`] to its contract. `make` answers two handles of one new store of these users and no others, each with the
/// login name by which the user is found. They are active and belong to no realm. The names are in the
/// [canonical form](crate::user::AccountKey::canonical), and the hashes have 255 characters.
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn user_store<S: UserStore>(make: impl AsyncFn([(String, StoredUser); 2]) -> [S; 2]) {
    let users = super::users::users();
    let one = async || {
        let [one, _other] = make(users.clone()).await;
        one
    };
    super::users::finds(one().await, &users).await;
    super::users::saves(one().await, users.clone()).await;
    super::users::parallel(make(users.clone()).await, users).await;
}

/// Holds a [`UserInsert`] to its contract, beyond that of a [`UserStore`]. `make` answers two handles of one new store of these users,
/// as for [`user_store`].
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn user_insert<S: UserInsert>(make: impl AsyncFn([(String, StoredUser); 2]) -> [S; 2]) {
    let users = super::users::users();
    let [one, _other] = make(users.clone()).await;
    super::users::inserts(one, users.clone()).await;
    super::users::inserts_in_parallel(make(users).await).await;
}

/// Holds your own change of a password to what logins need of it: afterwards the user has the new hash and another
/// [credential version](StoredUser::credential_version), so that the logins of the old password end. `make` answers two handles of one
/// new store of these users, as for [`user_store`]; one of them has a credential version of its own, as users may who were
/// [moved](UserInsert). `change` gives the user with this id a hash, as your application does it.
///
/// ```
/// use tower_password_grant::testing::contract;
/// # #[cfg(feature = "sqlite")]
/// use tower_password_grant::sqlite::SqliteStore;
/// # #[cfg(feature = "sqlite")]
/// use tower_password_grant::store::NewUser;
///
/// # #[cfg(feature = "sqlite")]
/// # async fn shown(file: &std::path::Path) {
/// contract::password_change(
///     async |users| {
///         let store = SqliteStore::open(file).expect("a store");
///         for (name, user) in users {
///             let hash = user.password_hash().map(str::to_owned);
///             let new = NewUser::new(user.id(), &name).with_password_hash(hash);
///             assert!(store.add_user(new).await.expect("an answer"));
///         }
///         contract::two_handles(store)
///     },
///     async |store, id, hash| {
///         store.set_password_hash(id, Some(hash)).await.expect("an answer");
///     },
/// )
/// .await;
/// # }
/// ```
///
/// # Panics
/// At the first promise that is broken, or call that fails.
pub async fn password_change<S: UserStore>(
    make: impl AsyncFn([(String, StoredUser); 2]) -> [S; 2],
    change: impl AsyncFn(&S, &str, &str),
) {
    let users = super::users::versioned_users();
    let [one, _other] = make(users.clone()).await;
    super::users::changes(one, users, change).await;
}

/// Two handles of a store that lies in the memory of this process, for the suites that ask for two.
pub fn two_handles<S>(store: S) -> [Arc<S>; 2] {
    let store = Arc::new(store);
    [Arc::clone(&store), store]
}
