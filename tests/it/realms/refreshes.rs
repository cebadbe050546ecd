//! Refreshes: the verifier of the login's own realm decides, on the identifier that it gave.

use tower_password_grant::audit::Reason;

use tower_password_grant::Client;
use tower_password_grant::token::RevocationEndpoint;

use super::world::{Asked, Stores, World, app, clients};
use crate::support::tokens::Login;
use crate::support::{basic, digest};

#[tokio::test]
async fn a_refresh_and_the_second_look_ask_the_realm_of_the_login_about_its_own_identifier() {
    let world = World::new().await;
    let (customers, employees) = (&world.stores.customers, &world.stores.employees);
    let login = world.tokens("app", "employees", "two").await;
    let recheck = || Asked::Recheck("1".to_owned());
    let verify = Asked::Verify(Some("employees".to_owned()), None);
    assert_eq!(employees.asked(), [Asked::Key("alice".to_owned()), verify, recheck()]);
    let renewed = Login::of(&world.refresh("app", &login.refresh).await.assert_ok());
    assert_eq!((employees.asked(), customers.asked()), (vec![recheck()], vec![]));
    assert_eq!(world.holder(&renewed.access).await.0, "employees|1");
}

#[tokio::test]
async fn a_user_who_is_disabled_in_one_realm_is_prolonged_in_the_other() {
    let world = World::new().await;
    let customer = world.tokens("app", "customers", "one").await;
    let employee = world.tokens("app", "employees", "two").await;
    world.stores.employees.disable("alice");
    world.refresh("app", &employee.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(world.last().reason, Some(Reason::Disabled));
    world.refresh("app", &customer.refresh).await.assert_ok();
}

#[tokio::test]
async fn of_a_realm_that_is_taken_from_a_client_its_refresh_tokens_are_refused_and_kept() {
    let stores = Stores::new();
    let both = stores.serve(clients()).await;
    let customer = both.tokens("app", "customers", "one").await;
    let employee = both.tokens("app", "employees", "two").await;
    let taken = stores.serve(vec![app("app", &["customers"])]).await;
    for _ in 0..3 {
        taken.refresh("app", &employee.refresh).await.assert_error(400, "invalid_grant");
        assert_eq!(taken.last().reason, Some(Reason::RealmWithdrawn));
    }
    let customer = Login::of(&taken.refresh("app", &customer.refresh).await.assert_ok());
    taken.login("app", "two", "&realm=employees").await.assert_error(400, "invalid_request");
    // Another default changes nothing of logins that have begun.
    let turned = stores.serve(vec![app("app", &["employees", "customers"])]).await;
    turned.refresh("app", &employee.refresh).await.assert_ok();
    let customer = Login::of(&turned.refresh("app", &customer.refresh).await.assert_ok());
    assert_eq!(both.holder(&customer.access).await.0, "customers|1");
}

#[tokio::test]
async fn a_client_ends_its_own_logins_in_a_realm_that_was_taken_from_it_t71() {
    let conf = |realms: &[&str]| {
        let client = Client::confidential("conf", &digest("conf-pw")).allow_password_grant().allow_refresh_tokens();
        client.realms(realms).scopes("read").default_scope("read")
    };
    let credentials = format!("Authorization: {}\r\n", basic("conf", "conf-pw"));
    for (client, lines) in [("app", ""), ("conf", credentials.as_str())] {
        let stores = Stores::new();
        let serve = async |realms: &[&str]| {
            let others = clients().into_iter().skip(1);
            let all = [app("app", realms), conf(realms)].into_iter().chain(others).collect();
            let builder = stores.builder(all, stores.realms()).revocation(RevocationEndpoint::at("/oauth/revoke"));
            stores.start(builder.build().unwrap()).await
        };
        let (both, taken) = (serve(&["customers", "employees"]).await, serve(&["customers"]).await);
        let id = if lines.is_empty() { "&client_id=app" } else { "" };
        let log_in = async || {
            let form = format!("grant_type=password&username=alice&password=two&realm=employees{id}");
            Login::of(&both.post("/oauth/token", lines, &form).await.assert_ok())
        };
        let revoke = async |token: &str| {
            taken.post("/oauth/revoke", lines, &format!("token={token}{id}")).await.assert_empty_ok();
            let event = taken.last();
            assert!(event.reason.is_none() && event.shown.contains(r#"realm: Some("employees")"#), "{}", event.shown);
        };

        let (by_refresh, by_access) = (log_in().await, log_in().await);
        revoke(&by_refresh.refresh).await;
        taken.post("/oauth/revoke", lines, &format!("token={}{id}", by_access.access)).await.assert_empty_ok();
        for token in [&by_refresh.access, &by_access.access] {
            assert_eq!(both.introspect("all", token).await["active"], false, "{client}");
        }
        let form = format!("grant_type=refresh_token&refresh_token={}{id}", by_refresh.refresh);
        both.post("/oauth/token", lines, &form).await.assert_error(400, "invalid_grant");
        assert_eq!(both.last().reason, Some(Reason::RefreshTokenEnded), "{client}");
    }
}

#[tokio::test]
async fn refreshes_in_a_realm_that_was_taken_from_a_client_spend_no_budget_of_their_address() {
    let stores = Stores::new();
    let login = stores.serve(clients()).await.tokens("app", "employees", "two").await;
    let taken = stores.serve(vec![app("app", &["customers"])]).await;
    // More than the budget of an address.
    for _ in 0..301 {
        taken.refresh("app", &login.refresh).await.assert_error(400, "invalid_grant");
    }
    taken.login("app", "one", "").await.assert_ok();
}

#[tokio::test]
async fn identifiers_that_are_unique_anyway_stay_as_they_are() {
    let stores = Stores::new();
    let world = stores.serve_with(clients(), stores.realms().keep_subject_ids()).await;
    let login = world.tokens("app", "employees", "two").await;
    assert_eq!(world.holder(&login.access).await, ("1".to_owned(), "employees".to_owned()));
    let renewed = Login::of(&world.refresh("app", &login.refresh).await.assert_ok());
    assert_eq!(world.holder(&renewed.access).await.0, "1");
    stores.employees.disable("alice");
    world.refresh("app", &renewed.refresh).await.assert_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_login_under_the_other_setting_of_identifiers_is_a_fault_that_keeps_its_tokens() {
    let stores = Stores::new();
    let [prefixing, keeping] =
        [stores.serve(clients()).await, stores.serve_with(clients(), stores.realms().keep_subject_ids()).await];
    let login = keeping.tokens("app", "employees", "two").await;
    stores.employees.asked();
    prefixing.refresh("app", &login.refresh).await.assert_error(500, "server_error");
    assert_eq!(prefixing.last().reason, Some(Reason::VerifierFailed));
    assert_eq!(stores.employees.asked(), [], "nobody is looked up by an identifier that may be another's");
    keeping.refresh("app", &login.refresh).await.assert_ok();

    let login = prefixing.tokens("app", "employees", "two").await;
    keeping.refresh("app", &login.refresh).await.assert_error(500, "server_error");
    assert_eq!(keeping.last().reason, Some(Reason::VerifierFailed));
    let login = Login::of(&prefixing.refresh("app", &login.refresh).await.assert_ok());
    // One who is in the directory under neither of the two has gone.
    stores.employees.remove("alice");
    keeping.refresh("app", &login.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(keeping.last().reason, Some(Reason::UnknownUser));
}

#[tokio::test]
async fn identifiers_that_begin_with_their_realm_anyway_stay_as_they_are() {
    let stores = Stores::new();
    stores.employees.rename("alice", "employees|1");
    let keeping = stores.serve_with(clients(), stores.realms().keep_subject_ids()).await;
    let login = keeping.tokens("app", "employees", "two").await;
    let login = Login::of(&keeping.refresh("app", &login.refresh).await.assert_ok());
    assert_eq!(keeping.holder(&login.access).await.0, "employees|1");
    stores.employees.disable("alice");
    keeping.refresh("app", &login.refresh).await.assert_error(400, "invalid_grant");
    stores.employees.remove("alice");
    keeping.refresh("app", &login.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(keeping.last().reason, Some(Reason::UnknownUser));
}
