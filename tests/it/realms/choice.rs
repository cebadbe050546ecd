//! Which realm a login is of: the one of the client's list that the request names, or its first.

use std::sync::{Arc, Mutex};

use tower_password_grant::audit::Reason;
use tower_password_grant::limiter::RequestCeiling;
use tower_password_grant::{Client, ClientRegistry as _, StaticClients, Subject, verify_fn};

use super::world::{Asked, REALM_GRANT, Stores, World, app, clients, form};
use crate::support::faults::{Ledger, Switch};
use crate::support::grants::OwnGrant;
use crate::support::protection::counted_by;
use crate::support::tokens::text;
use crate::support::{Answer, Fixture, PW};

#[tokio::test]
async fn a_login_is_of_the_realm_that_it_names_and_of_the_clients_first_without_one() {
    let world = World::new().await;
    for (more, password, realm) in [
        ("", "one", "customers"),
        ("&realm=", "one", "customers"),
        ("&realm", "one", "customers"),
        ("&realm=customers", "one", "customers"),
        ("&realm=employees", "two", "employees"),
        ("&realm=emplo%79ees", "two", "employees"),
    ] {
        let mut answers = vec![world.login("app", password, more).await];
        if more.contains("ees") || more.contains("ers") {
            answers.push(world.login_in_realm("app", password, more).await);
        }
        for answer in answers {
            let token = text(&answer.assert_ok(), "access_token");
            let holder = (format!("{realm}|1"), realm.to_owned());
            assert_eq!(world.holder(&token).await, holder, "{more}");
        }
        // The other directory does not know the password, and was not asked.
        let (one, other) = (&world.stores.customers, &world.stores.employees);
        let (asked, not_asked) = if realm == "customers" { (one, other) } else { (other, one) };
        assert_eq!(not_asked.asked(), []);
        let asked = asked.asked();
        assert!(asked.contains(&Asked::Verify(Some(realm.to_owned()), None)), "the field was understood: {asked:?}");
    }
    // The password of one realm opens no other.
    world.login("app", "two", "").await.assert_error(400, "invalid_grant");
    world.login("app", "one", "&realm=employees").await.assert_error(400, "invalid_grant");
}

/// What no client lists, what another one lists, what is too long or cannot be printed, as they stand in a form.
fn bad_realms() -> Vec<String> {
    let long = ["r", "customers"].map(|text| text.repeat(129));
    let odd =
        ["nowhere", "employees", "Customers", "customers+", "customers%7c1", "%01", "%0a", "%00", "%7f", "%c2%85"];
    odd.into_iter().map(str::to_owned).chain(long).chain(["%ff".to_owned()]).collect()
}

/// What the client sees, but for the time.
fn face(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
    let shown = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (answer.status.as_u16(), shown, String::from_utf8(answer.body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_realm_that_the_client_does_not_list_is_invalid_request_byte_for_byte_whether_it_exists_or_not() {
    let stores = Stores::new();
    let ledger = Ledger::new(Switch::new(), Switch::new());
    let unbounded = counted_by(ledger.clone()).request_ceiling(RequestCeiling::none());
    let builder = stores.builder(clients(), stores.realms()).attack_protection(unbounded);
    let world = stores.start(builder.build().unwrap()).await;
    let expected = face(&world.login("shop", "one", "&realm=nowhere").await);
    assert_eq!(expected.0, 400);
    for realm in bad_realms() {
        for _ in 0..20 {
            let more = format!("&realm={realm}");
            for answer in [world.login("shop", "one", &more).await, world.login_in_realm("shop", "one", &more).await] {
                answer.assert_error(400, "invalid_request");
                assert_eq!(face(&answer), expected, "{realm}");
                assert_eq!(world.last().reason, Some(Reason::UnknownRealm), "{realm}");
            }
        }
    }
    // Nothing was looked up, and nothing charged.
    assert_eq!((stores.customers.asked(), stores.employees.asked()), (vec![], vec![]));
    assert_eq!(ledger.book().account.made, 0);
    // A name that exists is refused in the same way.
    let unknown = world.token(&form("password", "shop", "nobody", "x", "&realm=nowhere")).await;
    assert_eq!(face(&unknown), expected);
}

#[tokio::test]
async fn a_realm_that_is_sent_twice_is_refused_as_any_repeated_parameter() {
    let world = World::new().await;
    for more in [
        "&realm=customers&realm=employees",
        "&realm=customers&realm=customers",
        "&realm=&realm=customers",
        "&realm=customers&realm=",
        "&realm=nowhere&r%65alm=nowhere",
    ] {
        for answer in [world.login("app", "one", more).await, world.login_in_realm("app", "one", more).await] {
            answer.assert_error_about(400, "invalid_request", "repeated");
            assert_eq!(world.last().reason, Some(Reason::RepeatedParameter));
        }
    }
    assert_eq!((world.stores.customers.asked(), world.stores.employees.asked()), (vec![], vec![]));
}

#[tokio::test]
async fn a_bad_realm_is_refused_before_a_bad_scope() {
    let world = World::new().await;
    world.login("app", "one", "&realm=nowhere&scope=admin").await.assert_error(400, "invalid_request");
    world.login("app", "one", "&realm=employees&scope=admin").await.assert_error(400, "invalid_scope");
}

#[tokio::test]
async fn to_a_client_that_lists_no_realm_it_is_a_field_that_the_endpoint_does_not_know() {
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let fields = Arc::clone(&seen);
    let verifier = verify_fn(move |attempt| {
        let realms = attempt.fields().filter(|(name, _)| *name == "realm").map(|(_, value)| value.to_owned());
        fields.lock().unwrap().extend(realms);
        assert_eq!(attempt.realm(), None);
        async move { Ok(Subject::new("user-1").into()) }
    });
    let plain = || Client::public("app").allow_password_grant().scopes("read").default_scope("read");
    let stores = Stores::new();
    let world = stores.serve_with(vec![plain()], verifier).await;
    let long = "r".repeat(300);
    world.login("app", "x", &format!("&realm=a&realm=a|b&realm={long}&realm=")).await.assert_ok();
    assert_eq!(*seen.lock().unwrap(), ["a", "a|b", &long, ""]);
}

#[tokio::test]
async fn the_default_realm_by_its_name_is_the_same_login_as_without_it() {
    let world = World::new().await;
    // The same mistake counts once, so 30 of it leave the budget of ten open.
    for more in ["", "&realm=customers", "&realm="] {
        for _ in 0..10 {
            world.login("app", "mistake", more).await.assert_error(400, "invalid_grant");
        }
        world.login_in_realm("app", "mistake", "&realm=customers").await.assert_error(400, "invalid_grant");
    }
    world.login("app", "one", "").await.assert_ok();
}

#[tokio::test]
async fn an_extension_grant_is_of_the_realm_that_its_request_names_among_those_of_the_client() {
    let seen = Arc::<Mutex<Vec<(Option<String>, Option<String>)>>>::default();
    let told = Arc::clone(&seen);
    let own = OwnGrant::new("urn:x:badge", &["badge"], move |request| {
        let said = (request.realm().map(str::to_owned), request.field("realm").map(str::to_owned));
        told.lock().unwrap().push(said);
        Ok(Subject::new(format!("{}|user-1", request.realm().unwrap())).into())
    });
    let client = app("app", &["customers", "employees"]).allow_grant("urn:x:badge");
    let stores = Stores::new();
    // Without a second look, for which the verifier of its realm is asked.
    let builder = stores.builder(vec![client.remove_grant("refresh_token")], stores.realms()).extension_grant(own);
    let world = stores.start(builder.build().unwrap()).await;
    let ask = async |more: &str| world.token(&format!("grant_type=urn:x:badge&badge=1&client_id=app{more}")).await;
    ask("").await.assert_ok();
    ask("&realm=employees").await.assert_ok();
    ask("&realm=nowhere").await.assert_error(400, "invalid_request");
    ask("&realm=employees&realm=employees").await.assert_error_about(400, "invalid_request", "repeated");
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(*seen.lock().unwrap(), [(some("customers"), None), (some("employees"), some("employees"))]);
}

#[tokio::test]
async fn a_client_says_which_realms_it_lists() {
    let client = app("app", &["b", "a"]).build().unwrap();
    assert_eq!((client.realms().collect::<Vec<_>>(), client.default_realm()), (vec!["b", "a"], Some("b")));
    let bound = client.to_builder().realm("c").build().unwrap();
    assert_eq!((bound.realms().collect::<Vec<_>>(), bound.default_realm()), (vec!["c"], Some("c")));
    let found = StaticClients::new([bound]).unwrap().find("app").await.unwrap().unwrap();
    assert_eq!(found.realms().collect::<Vec<_>>(), ["c"]);
    assert_eq!(Client::public("x").build().unwrap().realms().count(), 0);
}

#[tokio::test]
async fn an_endpoint_without_realms_knows_no_realm_grant_and_answers_as_ever() {
    let fixture = Fixture::new();
    let body = PW.replacen("password", REALM_GRANT, 1) + "&client_id=pub&realm=customers";
    fixture.token(&[], &body).await.assert_error(400, "unsupported_grant_type");
    assert_eq!(fixture.probe.calls(), 0);
}
