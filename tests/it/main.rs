//! How the library behaves, in one binary: a module for each matter. What needs a process of its own, because it counts memory,
//! threads or files, or reads sources, stands beside it.
//!
//! What a test needs of the library's features is said here and nowhere else.
#![cfg_attr(
    not(all(
        feature = "legacy-hashes",
        feature = "jwt",
        feature = "sqlite",
        feature = "testing",
        feature = "tracing"
    )),
    allow(dead_code, unused_imports, reason = "without a feature, what its tests need is left over")
)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, unreachable_pub)]

mod support;

mod answers_at_once;
#[cfg(feature = "argon2")]
mod argon2;
#[cfg(all(feature = "argon2", feature = "tracing"))]
mod argon2_columns;
#[cfg(feature = "argon2")]
mod argon2_faults;
#[cfg(all(feature = "legacy-hashes", feature = "metrics", feature = "testing", feature = "tracing"))]
mod argon2_formats;
#[cfg(all(feature = "argon2", feature = "opaque-string", feature = "tracing"))]
mod argon2_keys;
#[cfg(feature = "legacy-hashes")]
mod argon2_legacy;
#[cfg(feature = "argon2")]
mod argon2_overload;
#[cfg(all(feature = "argon2", feature = "tracing", not(feature = "legacy-hashes")))]
mod argon2_plain;
#[cfg(feature = "argon2")]
mod argon2_upgrade;
mod attack_budgets;
mod attack_crowding;
mod attack_day;
mod attack_introspection;
mod attack_keys;
mod attack_operator;
#[cfg(target_os = "linux")]
mod attack_protection;
mod attack_refreshes;
#[cfg(feature = "tracing")]
mod audit;
mod auth0;
mod bearer_attacks;
mod bearer_faults;
mod bearer_introspection;
mod bearer_mounts;
mod bodies;
#[cfg(feature = "breach-filter")]
mod breach_filter;
mod builder_errors;
#[cfg(feature = "tracing")]
mod canary;
mod cancellation;
#[cfg(feature = "tracing")]
mod client_address;
#[cfg(feature = "testing")]
mod client_checks;
mod comparisons;
#[cfg(feature = "testing")]
mod contract_memory;
mod deadlines;
#[cfg(all(feature = "argon2", feature = "sqlite", feature = "testing", feature = "tracing"))]
mod directories;
mod empty_answers;
#[cfg(feature = "tracing")]
mod end_user_address;
#[cfg(feature = "testing")]
mod factor_races;
mod faults;
mod grpc_web;
mod ipv6_networks;
#[cfg(feature = "jwt")]
mod jwt;
#[cfg(feature = "tracing")]
mod leaving;
#[cfg(feature = "metrics")]
mod metrics;
mod misfits;
mod mounts;
mod oauth2_client;
mod one_clock;
mod one_step;
#[cfg(all(feature = "argon2", feature = "sqlite", feature = "testing"))]
mod operator_errors;
#[cfg(feature = "testing")]
mod parallel_guesses;
mod properties;
mod realms;
#[cfg(feature = "testing")]
mod refresh_http_races;
#[cfg(feature = "testing")]
mod refresh_minted;
#[cfg(feature = "testing")]
mod refresh_races;
#[cfg(feature = "tracing")]
mod rules;
#[cfg(feature = "mfa")]
mod second_factor;
#[cfg(all(feature = "argon2", feature = "sqlite", feature = "testing"))]
mod second_request;
mod settings;
#[cfg(feature = "sqlite")]
mod settle_again;
#[cfg(all(feature = "sqlite", feature = "testing"))]
mod shared_key;
#[cfg(feature = "tracing")]
mod shield;
mod spec_abnf_encoding;
mod spec_any_request;
mod spec_bearer;
mod spec_client_auth_methods;
mod spec_client_authentication;
mod spec_errors;
mod spec_extension_grants;
mod spec_fail_closed;
mod spec_http;
mod spec_http_wire;
mod spec_introspection;
mod spec_metadata;
mod spec_order_of_checks;
mod spec_origins;
mod spec_parameters;
mod spec_password_grant;
mod spec_refresh;
mod spec_refresh_clock;
mod spec_refresh_recheck;
mod spec_responses;
mod spec_revocation;
mod spec_scope;
#[cfg(all(feature = "argon2", feature = "sqlite"))]
mod spec_second_look;
mod spec_step_up;
mod spec_sunset;
mod spec_tokens;
mod spec_tower;
#[cfg(feature = "argon2")]
mod spelling;
#[cfg(all(feature = "argon2", feature = "sqlite", feature = "testing"))]
mod sqlite;
#[cfg(feature = "testing")]
mod store_differential;
#[cfg(feature = "testing")]
mod stored_limiter;
#[cfg(feature = "testing")]
mod testing_parts;
mod token_faults;
mod token_guard;
mod tokens_from_the_future;
mod usage;
mod wire_replay;
