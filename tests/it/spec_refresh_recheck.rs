//! What became of the user and of the client since the login counts at each refresh (T62).

use tower_password_grant::audit::Reason;
use tower_password_grant::{Client, Denial};

use crate::support::tokens::{Tokens, text};
use crate::support::{self, digest};

#[tokio::test]
async fn a_disabled_user_gets_nothing_and_may_go_on_once_enabled_again_rf_15_t62() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    for denial in [Denial::Disabled, Denial::Locked, Denial::UnknownUser, Denial::PasswordExpired] {
        tokens.users.change("user-alice", |account| account.denial = Some(denial.clone()));
        tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
    }
    tokens.users.change("user-alice", |account| account.denial = None);
    tokens.renewed("conf", &login.refresh).await;
}

#[tokio::test]
async fn a_changed_password_ends_the_logins_that_came_before_it_rf_15_t62() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    tokens.users.change("user-alice", |account| account.version = "2".to_owned());
    tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(tokens.reason(), Some(Reason::CredentialsChanged));
    assert!(!tokens.is_active(&login.access).await);
    // For good.
    tokens.users.change("user-alice", |account| account.version = "1".to_owned());
    tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
    tokens.users.change("user-alice", |account| account.version = "2".to_owned());
    let login = tokens.login("conf").await;
    tokens.renewed("conf", &login.refresh).await;
}

#[tokio::test]
async fn what_became_of_the_client_counts_at_each_refresh_rf_15_t62() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    let conf = || Client::confidential("conf", &digest("conf-pw")).scopes("read write").allow_introspection();

    // Removed.
    let other = tokens.with_clients(vec![Client::public("pub").build().unwrap()]);
    other.refresh("conf", &login.refresh).await.assert_error(401, "invalid_client");
    // Without the right to refresh.
    let other = tokens.with_clients(vec![conf().allow_password_grant().build().unwrap()]);
    other.refresh("conf", &login.refresh).await.assert_error(400, "unauthorized_client");
    assert!(!other.is_active(&login.refresh).await);
    // Without the grant type of the login.
    let other = tokens.with_clients(vec![conf().allow_refresh_tokens().build().unwrap()]);
    other.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(other.reason(), Some(Reason::GrantWithdrawn));
    assert!(!other.is_active(&login.refresh).await);
    // Moved to another realm.
    let moved = conf().allow_password_grant().allow_refresh_tokens().realm("b").build().unwrap();
    let other = tokens.with_clients(vec![moved]);
    other.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(other.reason(), Some(Reason::RealmWithdrawn));
    // Nothing of the granted scope is left.
    let poor = Client::confidential("conf", &digest("conf-pw")).scopes("other").allow_password_grant();
    let other = tokens.with_clients(vec![poor.allow_refresh_tokens().build().unwrap()]);
    other.refresh("conf", &login.refresh).await.assert_error(400, "invalid_scope");
    // With less scope: less is given.
    let less = Client::confidential("conf", &digest("conf-pw")).scopes("read").allow_password_grant();
    let other = tokens.with_clients(vec![less.allow_refresh_tokens().build().unwrap()]);
    let json = other.refresh("conf", &login.refresh).await.assert_ok();
    assert_eq!(json["scope"], "read");
    // These requests have not used the token up, nor narrowed it for good.
    let json = tokens.refresh("conf", &text(&json, "refresh_token")).await.assert_ok();
    assert_eq!(json["scope"], "read write");
}

#[tokio::test]
async fn what_the_user_may_have_narrows_each_refresh_and_never_widens_it() {
    let tokens = Tokens::new();
    let login = tokens.login("conf").await;
    tokens.users.change("user-alice", |account| account.scope = Some("read admin".to_owned()));
    let json = tokens.refresh("conf", &login.refresh).await.assert_ok();
    assert_eq!(json["scope"], "read");
    tokens.users.change("user-alice", |account| account.scope = None);
    let json = tokens.refresh("conf", &text(&json, "refresh_token")).await.assert_ok();
    assert_eq!(json["scope"], "read write");
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_user_can_be_logged_out_everywhere_on_sqlite_bc_08_ow_02() {
    use std::sync::Arc;
    use tower_password_grant::sqlite::SqliteStore;

    let folder = std::env::temp_dir().join(format!("spec-refresh-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let clock = support::ManualClock::new();
    let store = Arc::new(SqliteStore::builder(folder.join("auth.db")).clock(clock.clone()).open().unwrap());
    let clients = support::tokens::clients();
    let tokens = Tokens::over(clock, Arc::clone(&store) as _, Arc::clone(&store) as _, clients, |builder| builder);
    let login = tokens.login("conf").await;
    let logins = [tokens.renewed("conf", &login.refresh).await, tokens.login("conf").await];
    let bob = "grant_type=password&username=bob&password=correct+horse";
    let bob = tokens.post("/oauth/token", "conf", bob).await.assert_ok();
    assert_eq!(store.log_out(Some("b"), "user-alice").await.unwrap(), 0);
    assert_eq!(store.log_out(None, "user-alice").await.unwrap(), 2 + 3);
    for login in &logins {
        tokens.refresh("conf", &login.refresh).await.assert_error(400, "invalid_grant");
        assert!(!tokens.is_active(&login.access).await);
    }
    assert!(tokens.is_active(&text(&bob, "access_token")).await);
    tokens.renewed("conf", &text(&bob, "refresh_token")).await;
    store.close().await;
    std::fs::remove_dir_all(&folder).unwrap();
}
