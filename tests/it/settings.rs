//! A setting out of range is an error that says the range, in each setter there is; none is changed silently.

use std::time::Duration;

use tower_password_grant::bearer::{BearerGuard, BearerGuardBuilder, IntrospectionClient, TokenCache};
use tower_password_grant::client::ClientBuilder;
use tower_password_grant::limiter::{
    IntrospectionCeiling, Limit, Limits, Lockout, MemoryLimiter, RequestCeiling, TokenBucket,
};
use tower_password_grant::mount::{Metadata, RequestLimits};
use tower_password_grant::store::{MemoryAccessTokens, MemoryOneTimeValues, MemoryRefreshTokens};
use tower_password_grant::token::{IntrospectionEndpoint, RefreshTokens};
use tower_password_grant::{Client, ClientSecret, OpaqueIssuer};

use crate::support::protection::{counted_by, up_to};
use crate::support::sources::{code, library};
use crate::support::{FixtureBuilder, Probe, builder, digest};

const NONE: Duration = Duration::ZERO;
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const TICK: Duration = Duration::from_nanos(1);

/// What a setting is answered, when everything is built.
type Told = Option<String>;

fn told<T, E: std::error::Error>(made: Result<T, E>) -> Told {
    made.err().map(|error| {
        // What `unwrap` prints is the same sentence.
        let (text, debug) = (error.to_string(), format!("{error:?}"));
        assert!(debug.contains(&text), "{debug}");
        text
    })
}

fn endpoint(change: impl FnOnce(FixtureBuilder) -> FixtureBuilder) -> Told {
    told(change(builder(&Probe::default())).build())
}

fn refreshing(change: impl FnOnce(RefreshTokens) -> RefreshTokens) -> Told {
    endpoint(|builder| builder.refresh_tokens(change(RefreshTokens::in_store(MemoryRefreshTokens::new()))))
}

fn document(age: Duration) -> Told {
    endpoint(|builder| builder.metadata(Metadata::new("https://as.example").max_age(age)))
}

fn requests(ceiling: RequestCeiling) -> Told {
    endpoint(|builder| builder.attack_protection(up_to(ceiling)))
}

fn ceiling(burst: u32, per_second: u32) -> Told {
    requests(RequestCeiling::per_address(burst, per_second))
}

fn factors(of_56: u32, of_48: u32) -> Told {
    requests(RequestCeiling::default().ipv6_factors(of_56, of_48))
}

fn body(bytes: usize) -> Told {
    endpoint(|builder| builder.request_limits(RequestLimits::new().max_body(bytes)))
}

fn limiter(change: impl FnOnce(Limits) -> Limits) -> Told {
    let limiter = MemoryLimiter::new().with_limits(change(Limits::new()));
    // Also within an `Arc`, as applications keep it.
    endpoint(|builder| builder.attack_protection(counted_by(std::sync::Arc::new(limiter))))
}

fn lockout(lockout: Lockout) -> Told {
    limiter(|rules| rules.with_account_and_address_budget(lockout))
}

fn bucket(burst: u32, refill_every: Duration) -> Told {
    limiter(|rules| rules.with_address_budget(TokenBucket::new(burst, refill_every)))
}

fn opaque_tokens() -> OpaqueIssuer<std::sync::Arc<MemoryAccessTokens>> {
    OpaqueIssuer::new(std::sync::Arc::new(MemoryAccessTokens::new()))
}

fn introspections(burst: u32, per_second: u32) -> Told {
    let ceiling = IntrospectionCeiling::per_client(burst, per_second).monitor();
    endpoint(|builder| {
        builder.introspection(IntrospectionEndpoint::as_leaf().ceiling(ceiling)).access_tokens(opaque_tokens())
    })
}

fn client(change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Told {
    told(change(Client::confidential("c", &digest("s"))).build())
}

fn guard(change: impl FnOnce(BearerGuardBuilder) -> BearerGuardBuilder) -> Told {
    told(change(BearerGuard::builder(opaque_tokens()).any_audience()).build())
}

fn asking() -> IntrospectionClient<()> {
    IntrospectionClient::new("https://as.example/i", (), "rs", &ClientSecret::new("s".to_owned())).unwrap()
}

/// Each setting with what it may not be, the range that its error says, and the ends of the range.
fn settings() -> Vec<(&'static str, Vec<Told>, &'static str, Vec<Told>)> {
    let cache = |tokens, age| guard(|guard| guard.cache(TokenCache::new(tokens, age)));
    vec![
        (
            "RequestCeiling::per_address",
            vec![ceiling(0, 1), ceiling(1, 0), ceiling(1, 1_000_001), ceiling(1, u32::MAX)],
            "1 or more at once, and 1 to 1,000,000 a second",
            vec![ceiling(1, 1), ceiling(u32::MAX, 1_000_000)],
        ),
        (
            "RequestCeiling::ipv6_factors",
            vec![factors(0, 16), factors(4, 0)],
            "`RequestCeiling::ipv6_factors`: 0 is out of range: choose 1 or more",
            vec![factors(1, 1), factors(u32::MAX, u32::MAX)],
        ),
        (
            "IntrospectionCeiling::per_client",
            vec![introspections(0, 1), introspections(1, 0), introspections(1, 1_000_001)],
            "1 or more at once, and 1 to 1,000,000 a second",
            vec![introspections(1, 1), introspections(u32::MAX, 1_000_000)],
        ),
        (
            "Lockout::new",
            vec![
                limiter(|rules| rules.with_budget(0, MINUTE)),
                limiter(|rules| rules.with_account_budget(Lockout::new(0, MINUTE))),
                limiter(|rules| rules.with_client_and_address_budget(Lockout::new(0, MINUTE))),
            ],
            "1 attempt or more",
            vec![limiter(|rules| rules.with_budget(1, MINUTE)), limiter(|rules| rules.with_budget(u32::MAX, HOUR))],
        ),
        (
            "Lockout::new and Lockout::locked_for",
            vec![
                lockout(Lockout::new(1, MILLISECOND - TICK)),
                lockout(Lockout::new(1, MINUTE).locked_for(NONE, MINUTE)),
            ],
            "1 millisecond or more",
            vec![
                lockout(Lockout::new(1, MILLISECOND)),
                lockout(Lockout::new(1, Duration::MAX)),
                lockout(Lockout::new(1, MINUTE).locked_for(MILLISECOND, MILLISECOND)),
            ],
        ),
        (
            "Lockout::locked_for",
            vec![lockout(Lockout::new(1, MINUTE).locked_for(MINUTE, SECOND))],
            "no shorter than the first",
            vec![lockout(Lockout::new(1, MINUTE).locked_for(MINUTE, HOUR))],
        ),
        (
            "TokenBucket::new",
            vec![bucket(0, MINUTE), bucket(1, NONE), bucket(u32::MAX, HOUR * 24 * 365), bucket(1, Duration::MAX)],
            "or more",
            vec![bucket(1, MILLISECOND), bucket(u32::MAX, SECOND)],
        ),
        (
            "Limits::with_ipv6_factors",
            vec![limiter(|rules| rules.with_ipv6_factors(0, 16)), limiter(|rules| rules.with_ipv6_factors(4, 0))],
            "1 or more",
            vec![limiter(|rules| rules.with_ipv6_factors(1, u32::MAX))],
        ),
        (
            "Limits::with_capacity",
            vec![limiter(|rules| rules.with_capacity(0))],
            "1 or more",
            vec![limiter(|rules| rules.with_capacity(1))],
        ),
        (
            "Limits::disable",
            vec![
                limiter(|rules| rules.disable(Limit::Requests)),
                limiter(|rules| rules.disable(Limit::Introspections)),
            ],
            "a limit of the limiter",
            [Limit::AccountAndAddress, Limit::Account, Limit::Address, Limit::ClientAndAddress]
                .map(|rule| limiter(|rules| rules.disable(rule)))
                .into(),
        ),
        (
            "Limits::monitor",
            vec![limiter(|rules| rules.monitor(Limit::Introspections).monitor(Limit::Account))],
            "a limit of the limiter",
            vec![limiter(|rules| rules.monitor(Limit::ClientAndAddress))],
        ),
        ("Metadata::max_age", vec![document(HOUR + TICK)], "an hour at most", vec![document(NONE), document(HOUR)]),
        ("RequestLimits::max_body", vec![body(0)], "0 bytes", vec![body(1)]),
        (
            "access_token_lifetime",
            vec![endpoint(|b| b.access_token_lifetime(SECOND - TICK))],
            "less than a second",
            vec![endpoint(|b| b.access_token_lifetime(SECOND))],
        ),
        (
            "RefreshTokens::lifetime",
            vec![refreshing(|r| r.lifetime(SECOND - TICK))],
            "less than a second",
            vec![refreshing(|r| r.lifetime(SECOND))],
        ),
        (
            "RefreshTokens::idle_lifetime",
            vec![refreshing(|r| r.idle_lifetime(NONE))],
            "less than a second",
            vec![refreshing(|r| r.idle_lifetime(SECOND))],
        ),
        (
            "RefreshTokens::access_token_lifetime",
            vec![refreshing(|r| r.access_token_lifetime(NONE))],
            "less than a second",
            vec![refreshing(|r| r.access_token_lifetime(SECOND))],
        ),
        (
            "RefreshTokens::leeway",
            vec![refreshing(|r| r.leeway(MINUTE + TICK))],
            "60 seconds",
            vec![refreshing(|r| r.leeway(NONE)), refreshing(|r| r.leeway(MINUTE))],
        ),
        (
            "the lifetimes and the leeway of a client",
            vec![
                client(|c| c.access_token_lifetime(NONE)),
                client(|c| c.refresh_token_lifetime(NONE)),
                client(|c| c.refresh_token_idle_lifetime(SECOND - TICK)),
                client(|c| c.refresh_token_leeway(MINUTE + TICK)),
            ],
            "second",
            vec![client(|c| c.access_token_lifetime(SECOND).refresh_token_leeway(MINUTE))],
        ),
        (
            "TokenCache::new",
            vec![cache(0, MINUTE), cache(1, NONE)],
            "at least 1 token and a `max_age` of more than 0",
            vec![cache(1, TICK)],
        ),
        (
            "BearerGuardBuilder::deadline",
            vec![guard(|guard| guard.deadline(NONE))],
            "deadline of 0",
            vec![guard(|guard| guard.deadline(TICK))],
        ),
        (
            "IntrospectionClient::with_deadline",
            vec![told(asking().with_deadline(NONE))],
            "deadline of 0",
            vec![told(asking().with_deadline(TICK))],
        ),
        (
            "IntrospectionClient::with_inactive_max_age",
            vec![
                told(asking().with_inactive_max_age(MINUTE + TICK)),
                told(asking().with_inactive_max_age(Duration::MAX)),
            ],
            "0 to 60 seconds",
            vec![told(asking().with_inactive_max_age(NONE)), told(asking().with_inactive_max_age(MINUTE))],
        ),
        (
            "IntrospectionClient::with_clock_skew",
            vec![told(asking().with_clock_skew(5 * MINUTE))],
            "0 to 60 seconds",
            vec![told(asking().with_clock_skew(NONE)), told(asking().with_clock_skew(MINUTE))],
        ),
        (
            "MemoryAccessTokens::with_capacity",
            vec![told(MemoryAccessTokens::new().with_capacity(0))],
            "1 or more",
            vec![told(MemoryAccessTokens::new().with_capacity(1))],
        ),
        (
            "MemoryRefreshTokens::with_capacity",
            vec![told(MemoryRefreshTokens::new().with_capacity(0))],
            "1 or more",
            vec![told(MemoryRefreshTokens::new().with_capacity(1))],
        ),
        (
            "MemoryOneTimeValues::with_capacity",
            vec![told(MemoryOneTimeValues::new().with_capacity(0))],
            "1 or more",
            vec![told(MemoryOneTimeValues::new().with_capacity(1))],
        ),
    ]
}

#[test]
fn a_setting_out_of_range_is_an_error_that_says_the_range() {
    for (setting, bad, range, good) in settings() {
        for (number, told) in bad.into_iter().enumerate() {
            let told = told.unwrap_or_else(|| panic!("{setting}, value {number}: taken"));
            assert!(told.contains(range), "{setting}: {told}");
        }
        for (number, told) in good.into_iter().enumerate() {
            assert_eq!(told, None, "{setting}, value {number}");
        }
    }
}

/// Functions that take a number or a time and give their own type back: the setters and constructors.
fn setters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for function in text.split("\n    pub ").skip(1) {
        let Some((head, body)) = function.split_once("{\n") else { continue };
        let head = head.split_whitespace().collect::<Vec<_>>().join(" ");
        let takes =
            ["Duration", "u8", "u16", "u32", "u64", "usize"].iter().any(|kind| head.contains(&format!(": {kind}")));
        if takes && head.contains("-> ") && head.contains("Self") {
            let body = body.split("\n    }\n").next().unwrap_or_default();
            found.push((head, body.to_owned()));
        }
    }
    found
}

#[test]
fn no_setter_changes_what_it_is_given() {
    let mut seen = 0;
    for (file, text) in library() {
        for (head, body) in setters(&code(&text)) {
            seen += 1;
            for word in [".max(", ".min(", ".clamp("] {
                assert!(!body.contains(word), "{file}: `{head}` has {word}..)");
            }
        }
    }
    assert!(seen > 40, "only {seen} setters were found");
}

#[cfg(feature = "sqlite")]
#[test]
fn the_limiter_in_sqlite_has_its_rules_checked_like_the_one_in_memory() {
    use tower_password_grant::sqlite::SqliteStore;

    let folder = std::env::temp_dir().join(format!("settings-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let store = SqliteStore::open(folder.join("limiter.db")).unwrap();
    let with =
        |rules: Limits| endpoint(|builder| builder.attack_protection(counted_by(store.limiter().with_limits(rules))));
    assert!(with(Limits::new().with_budget(0, MINUTE)).is_some_and(|told| told.contains("1 attempt or more")));
    assert_eq!(with(Limits::new().with_budget(1, MINUTE)), None);
    drop(store);
    std::fs::remove_dir_all(folder).unwrap();
}
