//! What the endpoint says of its realms: metadata, and warnings about registrations that do not fit.

use tower_password_grant::client::ClientBuilder;
use tower_password_grant::mount::Metadata;
use tower_password_grant::realms::{RealmError, Realms};
use tower_password_grant::{Client, CredentialVerifier, PasswordGrantLayer, find_client_fn};

use super::world::{Directory, REALM_GRANT, Stores, World, app, clients};
use crate::support::capture::Capture;

async fn grants(world: &World) -> Vec<String> {
    let document = world.get("/.well-known/oauth-authorization-server").await;
    let json: serde_json::Value = serde_json::from_slice(&document).unwrap();
    let grants = json["grant_types_supported"].as_array().unwrap();
    grants.iter().map(|grant| grant.as_str().unwrap().to_owned()).collect()
}

async fn grants_of(layer: PasswordGrantLayer) -> Vec<String> {
    grants(&Stores::new().start(layer).await).await
}

#[tokio::test]
async fn the_metadata_name_the_realm_grant_where_there_are_realms_and_clients_for_it_md_05() {
    let stores = Stores::new();
    let all = ["password", "refresh_token", REALM_GRANT];
    let build = |clients: Vec<ClientBuilder>| stores.builder(clients, stores.realms());
    assert_eq!(grants_of(build(clients()).build().unwrap()).await, all);
    let plain = || vec![Client::public("app").allow_password_grant().realm("customers").scopes("read")];
    assert_eq!(grants_of(build(plain()).build().unwrap()).await, all[..2]);
    let hidden = Metadata::new("https://as.example").hide_password_grant();
    assert_eq!(grants_of(build(clients()).metadata(hidden).build().unwrap()).await, ["refresh_token"]);
    assert_eq!(grants_of(build(clients()).without_password_grant().build().unwrap()).await, ["refresh_token"]);
    // Clients that are not known at the start: whether they can use it is known from the verifier alone.
    let later = || find_client_fn(|_| async { Ok(Some(app("app", &["employees"]).build()?)) });
    assert_eq!(grants_of(build(plain()).clients(later()).build().unwrap()).await, all);
    let silent = build(plain()).clients(later()).verifier(Directory::of(&["alice"], "two"));
    let world = stores.start(silent.build().unwrap()).await;
    assert_eq!(grants(&world).await, all[..2]);
    world.login_in_realm("app", "two", "&realm=employees").await.assert_ok();
}

#[tokio::test]
async fn without_the_password_grant_there_is_no_realm_grant() {
    let stores = Stores::new();
    let builder = stores.builder(clients(), stores.realms()).without_password_grant();
    let world = stores.start(builder.build().unwrap()).await;
    let answer = world.login_in_realm("app", "two", "&realm=employees").await;
    answer.assert_error(400, "unsupported_grant_type");
}

/// What is told when an endpoint with this client is built.
#[cfg(feature = "tracing")]
fn warnings_about(client: ClientBuilder, verifier: impl CredentialVerifier) -> Vec<String> {
    let stores = Stores::new();
    let builder = stores.builder(vec![client], verifier);
    let (capture, _listening) = Capture::listen();
    builder.build().unwrap();
    let problems = capture.events().into_iter().filter_map(|said| said.field("problem").map(str::to_owned));
    problems.filter(|problem| problem.contains("realm")).collect()
}

#[cfg(feature = "tracing")]
#[tokio::test]
async fn realms_that_do_not_fit_are_told_at_the_start() {
    let stores = Stores::new();
    let lists = |realms: &[&str]| app("app", realms);
    assert_eq!(warnings_about(lists(&["customers", "employees"]), stores.realms()), [""; 0]);
    assert_eq!(warnings_about(lists(&["customers", "nowhere"]), Directory::default()), [""; 0]);
    let lacking = warnings_about(lists(&["customers", "nowhere"]), stores.realms());
    assert!(lacking.len() == 1 && lacking[0].contains("`Realms::realm`"), "{lacking:?}");
    let plain = || Client::public("app").allow_password_grant().scopes("read");
    let unbound = warnings_about(plain(), stores.realms());
    assert!(unbound.len() == 1 && unbound[0].contains("users of realms only"), "{unbound:?}");
    let nothing_to_choose = warnings_about(plain().allow_grant(REALM_GRANT), Directory::default());
    assert!(nothing_to_choose.len() == 1 && nothing_to_choose[0].contains("realm grant"), "{nothing_to_choose:?}");
    // An API that asks about tokens logs nobody in. What it lists bounds what it is shown.
    let api = || Client::confidential("rs", &crate::support::digest("x")).allow_introspection();
    assert_eq!(warnings_about(api().realm("employees"), stores.realms()), [""; 0]);
    assert_eq!(warnings_about(api(), Directory::default()), [""; 0]);
    let sees_all = warnings_about(api(), stores.realms());
    assert!(sees_all.len() == 1 && sees_all[0].contains("the tokens of every realm"), "{sees_all:?}");
}

#[test]
fn realms_are_named_once_each_and_by_names_that_clients_can_list() {
    let one = || Realms::new().realm("a", Directory::default());
    assert_eq!(one().unwrap().realm("a", Directory::default()).unwrap_err(), RealmError::Twice("a".to_owned()));
    for bad in ["", "a|b", "a\u{7}", &"r".repeat(129)] {
        let refused = Realms::new().realm(bad, Directory::default()).unwrap_err();
        assert_eq!(refused, RealmError::Name(bad.to_owned()));
    }
    let both = one().unwrap().realm("b", Directory::default()).unwrap();
    assert_eq!(both.realms(), Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(std::sync::Arc::new(both).realms().map(|realms| realms.len()), Some(2));
    assert_eq!(Directory::default().realms(), None);
}
