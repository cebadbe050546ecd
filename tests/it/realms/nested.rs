//! Verifiers of realms within verifiers of several directories and the reverse, and subjects that come from elsewhere.

use tower_password_grant::audit::Reason;
use tower_password_grant::realms::{FirstOf, Realms};
use tower_password_grant::{CredentialVerifier, Subject};

use super::world::{Directory, Stores, World, app, clients, form};
use crate::support::Answer;
use crate::support::grants::OwnGrant;
use crate::support::tokens::Login;

/// Two more directories, with bob as user 7 of each, whose passwords are those of their realms.
fn others() -> [Directory; 2] {
    ["one", "two"].map(|password| {
        let directory = Directory::of(&["bob"], password);
        directory.rename("bob", "7");
        directory
    })
}

fn realms(directories: [impl CredentialVerifier; 2]) -> Realms {
    let [customers, employees] = directories;
    Realms::new().realm("customers", customers).unwrap().realm("employees", employees).unwrap()
}

async fn log_in(world: &World, name: &str, realm: &str, password: &str) -> Answer {
    world.token(&form("password", "app", name, password, &format!("&realm={realm}"))).await
}

#[tokio::test]
async fn directories_within_realms_and_realms_within_directories_keep_realms_apart() {
    for inner in [false, true] {
        let stores = Stores::new();
        let [customers, employees] = others();
        let world = if inner {
            let first = [stores.customers.clone(), stores.employees.clone()];
            let [one, two] = first.map(FirstOf::new);
            stores.serve_with(clients(), realms([one.then(customers), two.then(employees)])).await
        } else {
            let users = FirstOf::new(stores.realms()).then(realms([customers, employees]));
            stores.serve_with(clients(), users).await
        };
        for (name, realm, password, subject) in [
            ("alice", "customers", "one", "customers|1"),
            ("alice", "employees", "two", "employees|1"),
            ("bob", "customers", "one", "customers|7"),
            ("bob", "employees", "two", "employees|7"),
        ] {
            let login = Login::of(&log_in(&world, name, realm, password).await.assert_ok());
            let login = Login::of(&world.refresh("app", &login.refresh).await.assert_ok());
            assert_eq!(world.holder(&login.access).await, (subject.to_owned(), realm.to_owned()), "{inner}");
            let other = if password == "one" { "two" } else { "one" };
            log_in(&world, name, realm, other).await.assert_error(400, "invalid_grant");
        }
        for guess in 0..10 {
            log_in(&world, "bob", "customers", &format!("x{guess}")).await;
        }
        log_in(&world, "bob", "customers", "one").await.assert_error(429, "too_many_attempts");
        log_in(&world, "bob", "employees", "two").await.assert_ok();
    }
}

#[tokio::test]
async fn a_realm_that_one_of_several_directories_lacks_is_a_fault_for_all_names() {
    let stores = Stores::new();
    let users = FirstOf::new(stores.realms()).then(Realms::new().realm("customers", others()[0].clone()).unwrap());
    let world = stores.serve_with(clients(), users).await;
    for (name, password) in [("alice", "two"), ("alice", "x"), ("nobody", "x")] {
        log_in(&world, name, "employees", password).await.assert_error(500, "server_error");
    }
    assert!(stores.employees.asked().iter().all(|asked| matches!(asked, super::world::Asked::Key(_))));
    log_in(&world, "alice", "customers", "one").await.assert_ok();
}

#[tokio::test]
async fn a_subject_of_an_extension_grant_without_its_realm_begins_no_login_that_goes_on() {
    const TYPE: &str = "urn:example:ticket";
    let stores = Stores::new();
    let ticket = OwnGrant::new(TYPE, &["ticket"], |request| {
        Ok(Subject::new(request.field("ticket").unwrap_or_default().to_owned()).into())
    });
    let clients = clients().into_iter().map(|client| client.allow_grant(TYPE));
    let without_refresh = app("brief", &["customers", "employees"]).allow_grant(TYPE).remove_grant("refresh_token");
    let clients = clients.chain([without_refresh]).collect();
    let layer = stores.builder(clients, stores.realms()).extension_grant(ticket).build().unwrap();
    let world = stores.start(layer).await;
    for (subject, reason) in [
        ("1", Some(Reason::ExtensionFailed)),
        ("employees|1", Some(Reason::ExtensionFailed)),
        ("customers", Some(Reason::ExtensionFailed)),
        ("customers|", Some(Reason::UnknownUser)),
        ("customers|customers|1", Some(Reason::UnknownUser)),
        ("customers|1", None),
    ] {
        let answer = world.token(&format!("grant_type={TYPE}&client_id=app&ticket={subject}")).await;
        assert_eq!(world.last().reason, reason, "{subject}");
        let form = format!("grant_type={TYPE}&client_id=brief&ticket={subject}");
        match reason {
            None => drop(answer.assert_ok()),
            Some(Reason::ExtensionFailed) => {
                answer.assert_error(500, "server_error");
                // Nothing of it hangs on a second look, which only a login with refresh tokens gets.
                world.token(&form).await.assert_error(500, "server_error");
                assert_eq!(world.last().reason, reason, "{subject}");
            }
            Some(_) => {
                answer.assert_error(400, "invalid_grant");
                world.token(&form).await.assert_ok();
            }
        }
    }
}
