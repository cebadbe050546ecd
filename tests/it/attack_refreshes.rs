//! One user who refreshes without end, against the store in memory: nobody else loses a login, and no old token is forgotten
//! (T55, RF-11).

use std::sync::Arc;

use tower_password_grant::audit::Reason;
use tower_password_grant::store::{MemoryAccessTokens, MemoryRefreshTokens};

use crate::support::ManualClock;
use crate::support::counts::count;
use crate::support::protection::without_ceiling;
use crate::support::tokens::{Tokens, clients};

fn member(json: &serde_json::Value, name: &str) -> String {
    json[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn refreshes_of_one_user_that_would_fill_the_store_cost_nobody_a_login_and_hide_no_replay() {
    // With the full count, as many as the store has room for by default.
    let refreshes = count(100_000);
    let clock = ManualClock::new();
    let access = Arc::new(MemoryAccessTokens::new().with_clock(clock.clone()).with_capacity(refreshes).unwrap());
    // Far fewer logins fit than tokens are given.
    let refresh = MemoryRefreshTokens::new().with_clock(clock.clone()).with_capacity(8).unwrap();
    let tokens = Tokens::over(clock, access, Arc::new(refresh), clients(), |builder| {
        builder.attack_protection(without_ceiling())
    });
    let (victim, idle, attacker) = (tokens.login("conf").await, tokens.login("conf").await, tokens.login("pub").await);
    let next = tokens.refresh("conf", &victim.refresh).await.assert_ok();
    let newest = tokens.refresh("conf", &member(&next, "refresh_token")).await.assert_ok();

    let mut live = attacker.refresh.clone();
    for _ in 0..refreshes {
        live = member(&tokens.refresh("pub", &live).await.assert_ok(), "refresh_token");
    }

    // The other login of the victim, and the access token that it got long ago, are as good as ever.
    assert!(tokens.is_active(&idle.access).await);
    tokens.refresh("conf", &idle.refresh).await.assert_ok();
    // A copy of the victim's first token still ends its family.
    tokens.refresh("conf", &victim.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(tokens.reason(), Some(Reason::RefreshTokenReplayed));
    tokens.refresh("conf", &member(&newest, "refresh_token")).await.assert_error(400, "invalid_grant");
    assert_eq!(tokens.reason(), Some(Reason::RefreshTokenEnded));
    assert!(!tokens.is_active(&member(&newest, "access_token")).await);
    // So does a copy of the attacker's own first token, that many tokens later.
    tokens.refresh("pub", &attacker.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(tokens.reason(), Some(Reason::RefreshTokenReplayed));
    tokens.refresh("pub", &live).await.assert_error(400, "invalid_grant");
}
