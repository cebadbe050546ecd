//! The suites of `testing::contract` on the stores in memory, and on broken ones: each promise that a store breaks is named.

mod broken_factor_limiter;
mod broken_factors;
mod broken_limiter;
mod broken_one_step;
mod broken_records;
mod broken_registries;
mod broken_stores;
mod broken_tokens;
mod broken_usage;
mod broken_users;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::runtime::Builder;
use tower_password_grant::StaticClients;
use tower_password_grant::limiter::{Limit, Limits, Lockout, MemoryLimiter, SharedKey, StoredLimiter};
use tower_password_grant::store::{
    MemoryAccessTokens, MemoryFactors, MemoryOneTimeValues, MemoryRefreshTokens, MemoryUsage,
};
use tower_password_grant::testing::contract::{self, two_handles};

use crate::support::ManualClock;
use crate::support::records::MapRecords;
use crate::support::reference;

/// What the suite says of the store.
pub fn complaint(suite: impl Future<Output = ()>) -> String {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap();
    let told = catch_unwind(AssertUnwindSafe(|| runtime.block_on(suite)));
    match told {
        Ok(()) => String::new(),
        Err(told) => told.downcast_ref::<String>().cloned().unwrap_or_else(|| {
            told.downcast_ref::<&str>().map_or_else(|| "no text".to_owned(), |text| (*text).to_owned())
        }),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refresh_tokens_in_memory_keep_the_contract_rf_10_rf_13() {
    contract::refresh_token_store(async || contract::two_handles(MemoryRefreshTokens::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_keeps_the_contract() {
    contract::refresh_token_store(async || contract::two_handles(reference::PlainStore::default())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn access_tokens_in_memory_keep_the_contract() {
    contract::access_token_store(async || two_handles(MemoryAccessTokens::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_time_values_in_memory_keep_the_contract() {
    // A function that answers a future will do as well.
    contract::one_time_values(|| async { two_handles(MemoryOneTimeValues::new()) }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn authenticators_in_memory_keep_the_contract() {
    contract::factor_store(async || two_handles(MemoryFactors::new())).await;
    contract::one_time_values(async || two_handles(MemoryFactors::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_in_memory_keeps_the_contract() {
    let usage = Arc::new(MemoryUsage::new());
    // Also over what was left.
    for _ in 0..2 {
        contract::usage_store(async || two_handles(Arc::clone(&usage))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixed_list_of_clients_keeps_the_contract() {
    contract::client_registry(async |clients| StaticClients::new(clients).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limiter_in_memory_keeps_the_contract_t2() {
    let with = |rules| two_handles(MemoryLimiter::new().with_limits(rules));
    let minute = std::time::Duration::from_secs(60);
    let (rules, one) = (Limits::new(), Lockout::new(1, minute));
    // The last one has budgets that other rules than the first one spend.
    let by_account = rules.disable(Limit::AccountAndAddress).with_account_budget(Lockout::new(20, minute));
    for rules in [rules, rules.with_account_and_address_budget(one), by_account] {
        contract::attempt_limiter(async || with(rules)).await;
        contract::factor_limiter(async || with(rules)).await;
        contract::limiter_operator(async || with(rules)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_in_a_map_keep_the_contract() {
    contract::attempt_records(async || two_handles(MapRecords::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_suites_of_tokens_run_again_over_what_they_left() {
    let refresh = Arc::new(MemoryRefreshTokens::new());
    let access = Arc::new(MemoryAccessTokens::new());
    let values = Arc::new(MemoryOneTimeValues::new());
    let factors = Arc::new(MemoryFactors::new());
    for _ in 0..2 {
        contract::refresh_token_store(async || two_handles(Arc::clone(&refresh))).await;
        contract::access_token_store(async || two_handles(Arc::clone(&access))).await;
        contract::one_time_values(async || two_handles(Arc::clone(&values))).await;
        contract::factor_store(async || two_handles(Arc::clone(&factors))).await;
    }
}

/// As in continuous integration over one database.
#[tokio::test(flavor = "multi_thread")]
async fn the_suites_of_attempts_run_again_over_what_they_left() {
    let (records, runs) = (MapRecords::new(), AtomicU64::new(0));
    let handles = async || two_handles(records.clone());
    let limiters = async || {
        let run = runs.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        let key = SharedKey::new(run.repeat(4)).unwrap();
        [(); 2].map(|()| StoredLimiter::new(records.clone(), &key))
    };
    let mut left = 0;
    for _ in 0..2 {
        contract::attempt_records(handles).await;
        contract::attempt_limiter(limiters).await;
        contract::factor_limiter(limiters).await;
        contract::limiter_operator(limiters).await;
        assert!(records.len() > left, "nothing is left");
        left = records.len();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_in_a_map_are_kept_as_long_as_they_say() {
    let clock = ManualClock::new();
    let make = async || two_handles(MapRecords::with_clock(Arc::new(clock.clone())));
    contract::attempt_records_over_time(make, async |time| clock.advance(time)).await;
    contract::attempt_records_over_time(make, async |time| clock.advance(time)).await;
}

/// Two limiters that share nothing but the records, as two processes do.
#[tokio::test(flavor = "multi_thread")]
async fn limiters_over_records_in_a_map_keep_the_contract_t2() {
    let minute = std::time::Duration::from_secs(60);
    let (rules, one) = (Limits::new(), Lockout::new(1, minute));
    let by_account = rules.disable(Limit::AccountAndAddress).with_account_budget(Lockout::new(20, minute));
    for rules in [rules, rules.with_account_and_address_budget(one), by_account] {
        let key = SharedKey::new([7; 32]).unwrap();
        let make = async || {
            let records = MapRecords::new();
            [(); 2].map(|()| StoredLimiter::new(records.clone(), &key).with_limits(rules))
        };
        contract::attempt_limiter(make).await;
        contract::factor_limiter(make).await;
        contract::limiter_operator(make).await;
    }
}

#[test]
fn a_suite_says_what_it_needs() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let suite = contract::one_time_values(async || two_handles(MemoryOneTimeValues::new()));
    let told = catch_unwind(AssertUnwindSafe(|| runtime.block_on(suite))).unwrap_err();
    let told = told.downcast_ref::<&str>().expect("a message");
    assert!(told.contains("flavor = \"multi_thread\""), "{told}");

    let small = async || two_handles(MemoryOneTimeValues::new().with_capacity(1).unwrap());
    let told = complaint(contract::one_time_values(small));
    assert!(told.contains("no room for another one-time value"), "{told}");
}
