//! The realm grant: for clients that list it, with a realm that the request must name.

use std::time::Duration;

use tower_password_grant::audit::Reason;
use tower_password_grant::client::{ClientError, Sunset};
use tower_password_grant::realms::RealmError;
use tower_password_grant::{Client, Subject};

use super::world::{REALM_GRANT, Stores, World, app, clients, form};
use crate::support::ManualClock;
use crate::support::grants::OwnGrant;
use crate::support::tokens::{Login, text};

#[tokio::test]
async fn without_a_realm_a_name_or_a_password_it_is_incomplete() {
    let world = World::new().await;
    let whole = form(REALM_GRANT, "app", "alice", "two", "&realm=employees");
    world.token(&whole).await.assert_ok();
    for (part, empty) in
        [("&realm=employees", "&realm="), ("&username=alice", "&username="), ("&password=two", "&password=")]
    {
        for less in ["", empty] {
            let answer = world.token(&whole.replacen(part, less, 1)).await;
            answer.assert_error_about(400, "invalid_request", "missing");
            assert_eq!(world.last().reason, Some(Reason::MissingParameter));
            assert_eq!(world.last().grant_type.as_deref(), Some(REALM_GRANT));
        }
    }
}

#[tokio::test]
async fn a_client_uses_it_only_if_its_registration_lists_it() {
    let both = || Client::public("both").allow_password_grant().realms(["customers", "employees"]);
    let only = Client::public("only").allow_realm_grant().realms(["employees"]).scopes("read").default_scope("read");
    let stores = Stores::new();
    let world = stores.serve(vec![both().scopes("read").default_scope("read"), only]).await;
    let answer = world.login_in_realm("both", "two", "&realm=employees").await;
    answer.assert_error(400, "unauthorized_client");
    world.login("both", "two", "&realm=employees").await.assert_ok();
    world.login_in_realm("only", "two", "&realm=employees").await.assert_ok();
    world.login("only", "two", "&realm=employees").await.assert_error(400, "unauthorized_client");
}

#[tokio::test]
async fn the_audit_names_grant_type_and_realm() {
    let world = World::new().await;
    world.login_in_realm("app", "two", "&realm=employees").await.assert_ok();
    let event = world.last();
    assert_eq!(
        (event.grant_type.as_deref(), event.issued),
        (Some(REALM_GRANT), Some(("employees|1".into(), "read".into())))
    );
    assert!(event.shown.contains("realm: Some(\"employees\")"), "{}", event.shown);
}

#[tokio::test]
async fn the_end_date_of_the_client_is_one_for_both_grants_bc_03() {
    let clock = ManualClock::start();
    let day = Duration::from_secs(86_400);
    let sunset = Sunset::at(clock + day).deprecated_since(clock);
    let world = Stores::new().serve(vec![app("app", &["customers"]).sunset(sunset)]).await;
    for end in [false, true] {
        if end {
            world.stores.clock.advance(day);
        }
        for answer in
            [world.login("app", "one", "").await, world.login_in_realm("app", "one", "&realm=customers").await]
        {
            assert!(answer.header("sunset").is_some() && answer.header("deprecation").is_some(), "{answer:?}");
            if end { answer.assert_error(400, "unauthorized_client") } else { _ = answer.assert_ok() }
        }
    }
}

#[tokio::test]
async fn withdrawing_it_from_a_client_ends_the_refreshes_of_its_logins_and_of_no_others() {
    let stores = Stores::new();
    let world = stores.serve(vec![app("app", &["customers"])]).await;
    let by_realm = Login::of(&world.login_in_realm("app", "one", "&realm=customers").await.assert_ok());
    let by_password = Login::of(&world.login("app", "one", "&realm=customers").await.assert_ok());
    let poor = stores.serve(vec![app("app", &["customers"]).remove_grant(REALM_GRANT)]).await;
    poor.refresh("app", &by_realm.refresh).await.assert_error(400, "invalid_grant");
    assert_eq!(poor.last().reason, Some(Reason::GrantWithdrawn));
    poor.refresh("app", &by_password.refresh).await.assert_ok();
    // It is kept: given back, the login goes on.
    world.refresh("app", &by_realm.refresh).await.assert_ok();
}

#[test]
fn a_registration_whose_realms_or_realm_grant_make_no_sense_is_an_error() {
    let error = |builder: tower_password_grant::client::ClientBuilder| builder.build().unwrap_err();
    let client = || Client::public("app");
    assert_eq!(error(client().allow_realm_grant()), ClientError::RealmGrant);
    assert_eq!(error(client().realms([""; 0])), ClientError::Realm(RealmError::Empty));
    assert_eq!(error(client().realms(["a", "b", "a"])), ClientError::Realm(RealmError::Twice("a".to_owned())));
    let long = "r".repeat(129);
    for bad in ["", "a|b", "a\nb", &long] {
        let refused = ClientError::Realm(RealmError::Name(bad.to_owned()));
        assert_eq!(error(client().realm(bad)), refused);
        assert_eq!(error(client().realms(["good", bad])), refused);
    }
    let told = format!("{:?}", error(client().realm("a|b")));
    assert!(told.contains("the realms of a client are wrong: \"a|b\" names no realm"), "{told}");
}

/// The grant type may be named like any other one, as for an extension grant. Served here, it has nothing to choose from.
#[tokio::test]
async fn a_client_of_no_realm_that_lists_its_grant_type_is_refused_like_one_of_a_foreign_realm() {
    let plain = Client::public("plain").allow_grant(REALM_GRANT).scopes("read").default_scope("read").build().unwrap();
    let mut clients = clients();
    clients.push(plain.to_builder());
    let world = Stores::new().serve(clients).await;
    let foreign = world.login_in_realm("shop", "one", "&realm=employees").await;
    for realm in ["customers", "nowhere"] {
        let answer = world.login_in_realm("plain", "one", &format!("&realm={realm}")).await;
        answer.assert_error(400, "invalid_request");
        assert_eq!(answer.body, foreign.body);
    }
    world.login_in_realm("plain", "one", "").await.assert_error_about(400, "invalid_request", "missing");
    assert_eq!((world.stores.customers.asked(), world.stores.employees.asked()), (vec![], vec![]));
}

#[tokio::test]
async fn an_extension_grant_of_its_name_takes_its_place() {
    let own = OwnGrant::new(REALM_GRANT, &["badge"], |_| Ok(Subject::new("customers|by badge").into()));
    let stores = Stores::new();
    let client = app("app", &["customers"]).remove_grant("refresh_token");
    let builder = stores.builder(vec![client], stores.realms()).extension_grant(own);
    let world = stores.start(builder.build().unwrap()).await;
    let answer = world.token(&format!("grant_type={REALM_GRANT}&client_id=app&badge=1")).await;
    let token = text(&answer.assert_ok(), "access_token");
    let record =
        tower_password_grant::bearer::AccessTokenVerifier::verify(&*stores.issuer(), &token).await.unwrap().unwrap();
    assert_eq!((record.subject_id(), record.realm()), ("customers|by badge", Some("customers")));
}
