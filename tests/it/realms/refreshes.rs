//! Refreshes: the verifier of the login's own realm decides, on the identifier that it gave.

use tower_password_grant::audit::Reason;

use super::world::{Asked, Stores, World, app, clients};
use crate::support::tokens::Login;

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
        assert_eq!(taken.last().reason, Some(Reason::ForeignToken));
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
