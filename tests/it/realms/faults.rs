//! What only the operator can put right: realms that a client lists and nobody decides for, and clients of no realm.

use tower_password_grant::audit::Reason;
use tower_password_grant::realms::Realms;
use tower_password_grant::{Client, verify_fn};

use super::world::{Stores, World, app, clients, form};
use crate::support::capture::Capture;
use crate::support::faults::{Ledger, Switch};
use crate::support::protection::counted_by;
use crate::support::tokens::Login;

/// An endpoint over the customers alone, with clients that list other realms or none, and what it charges.
async fn lacking() -> (World, Ledger) {
    let stores = Stores::new();
    let ledger = Ledger::new(Switch::new(), Switch::new());
    let mut clients = clients();
    clients.push(Client::public("plain").allow_password_grant().scopes("read").default_scope("read"));
    let verifier = Realms::new().realm("customers", stores.customers.clone()).unwrap();
    let builder = stores.builder(clients, verifier).attack_protection(counted_by(ledger.clone()));
    (stores.start(builder.build().unwrap()).await, ledger)
}

#[tokio::test]
async fn a_realm_without_a_verifier_is_a_fault_that_is_told_and_never_another_realm() {
    let (world, ledger) = lacking().await;
    let (capture, _listening) = Capture::listen();
    for password in ["one", "two", "x"] {
        for answer in [
            world.login("app", password, "&realm=employees").await,
            world.login_in_realm("app", password, "&realm=employees").await,
            world.login("staff", password, "").await,
        ] {
            answer.assert_error(500, "server_error");
            assert!(!String::from_utf8_lossy(&answer.body).contains("employees"));
            assert_eq!(world.last().reason, Some(Reason::VerifierFailed));
        }
    }
    assert_eq!((world.stores.customers.asked(), ledger.book().account.made), (vec![], 0));
    #[cfg(feature = "tracing")]
    {
        let said = capture.events().into_iter().find(|said| said.field("message") == Some("token request failed"));
        let cause = said.unwrap().field("cause").unwrap().to_owned();
        assert!(cause.contains("employees") && cause.contains("`Realms::realm`"), "{cause}");
    }
    drop(capture);
    // The other realm of the same client works.
    world.login("app", "one", "").await.assert_ok();
}

#[tokio::test]
async fn a_client_of_no_realm_is_a_fault_that_is_told() {
    let (world, ledger) = lacking().await;
    let (capture, _listening) = Capture::listen();
    for more in ["", "&realm=customers", "&realm=a&realm=b"] {
        world.login("plain", "one", more).await.assert_error(500, "server_error");
        assert_eq!(world.last().reason, Some(Reason::VerifierFailed));
    }
    assert_eq!((world.stores.customers.asked(), ledger.book().account.made), (vec![], 0));
    #[cfg(feature = "tracing")]
    assert!(capture.text().contains("a client lists no realm"), "{}", capture.text());
    drop(capture);
}

#[tokio::test]
async fn a_refresh_in_a_realm_that_lost_its_verifier_is_a_fault_and_keeps_the_token() {
    let stores = Stores::new();
    let whole = stores.serve(clients()).await;
    let login = whole.tokens("app", "employees", "two").await;
    let customers = Realms::new().realm("customers", stores.customers.clone()).unwrap();
    let lacking = stores.serve_with(clients(), customers).await;
    lacking.refresh("app", &login.refresh).await.assert_error(500, "server_error");
    whole.refresh("app", &login.refresh).await.assert_ok();
}

#[tokio::test]
async fn a_verifier_that_cannot_decide_in_its_realm_gives_the_charge_back() {
    let stores = Stores::new();
    let ledger = Ledger::new(Switch::new(), Switch::new());
    let down = verify_fn(|_| async { Err("the directory is down".into()) });
    let verifier = Realms::new().realm("customers", down).unwrap();
    let builder = stores.builder(vec![app("app", &["customers"])], verifier);
    let layer = builder.attack_protection(counted_by(ledger.clone())).build().unwrap();
    let world = stores.start(layer).await;
    world.login("app", "one", "").await.assert_error(503, "temporarily_unavailable");
    assert_eq!((ledger.book().account.made, ledger.book().account.left), (1, 0));
}

#[tokio::test]
async fn verifiers_that_cannot_recheck_are_no_worse_off_than_alone() {
    let stores = Stores::new();
    let someone = || verify_fn(|_| async { Ok(tower_password_grant::Subject::new("1").into()) });
    let mixed =
        Realms::new().realm("customers", stores.customers.clone()).unwrap().realm("employees", someone()).unwrap();
    let world = stores.serve_with(clients(), mixed).await;
    let [able, unable] = [("customers", "one"), ("employees", "x")];
    let login = Login::of(&world.login("app", unable.1, "&realm=employees").await.assert_ok());
    world.refresh("app", &login.refresh).await.assert_error(500, "server_error");
    let login = world.tokens("app", able.0, able.1).await;
    world.refresh("app", &login.refresh).await.assert_ok();

    let (capture, _listening) = Capture::listen();
    let neither = Realms::new().realm("customers", someone()).unwrap();
    let world = stores.serve_with(vec![app("app", &["customers"])], neither).await;
    world.token(&form("password", "app", "anybody", "x", "")).await.assert_ok();
    #[cfg(feature = "tracing")]
    assert!(capture.text().contains("every refresh is"), "as for a verifier alone, it is told at the start");
    drop(capture);
}
