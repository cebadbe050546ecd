//! The promises of a [`ClientRegistry`].

use std::collections::BTreeMap;
use std::time::Duration;

use super::promise::{answer, broken, later, made, must, must_be, new_digest, new_name, present};
use crate::boundary::registry::ClientRegistry;
use crate::protocol::client::builder::ClientBuilder;
use crate::protocol::client::registered::Client;
use crate::protocol::client::sunset::end::Sunset;
use crate::testing::every_option::with_every_option;

/// The origins of two of the clients.
const ORIGINS: [&str; 2] = ["https://app.example", "http://localhost:3000"];

/// Clients that differ in every option, two of them by the case of their ids alone.
pub(super) fn clients() -> Vec<Client> {
    let id = new_name("client");
    let [one_origin, other_origin] = ORIGINS;
    let end = Sunset::at(later(present(), 3_600_000)).with_link("https://docs.example/move?a=1#b");
    let end = end.and_then(|end| end.brownout(later(present(), 60_000), Duration::from_secs(60)));
    let end = end.and_then(|end| end.ramp_from(later(present(), 1_800_000)));
    let end = end.and_then(|end| end.except("kim \u{e9}'\"\\", later(present(), 7_200_000)));
    let end = end.and_then(|end| end.look_up_exceptions(later(present(), 7_300_000)));
    let end = end.and_then(|end| end.end_families_at(later(present(), 7_400_000)));
    let full = Client::confidential(&new_name("with everything"), &new_digest());
    let full = with_every_option(full, (&new_digest(), later(present(), 789)), made(end))
        .allow_origin(other_origin)
        .realm("staff \u{e9}'\"\\")
        .refresh_token_lifetime(Duration::from_millis(88_001))
        .resource_server("https://api.example/?a=b");
    let many: Vec<String> = (0..100).map(|number| format!("scope-{number}")).collect();
    let builders: [ClientBuilder; 6] = [
        Client::public(&id),
        Client::confidential(&id.to_uppercase(), &new_digest()).allow_password_grant(),
        Client::with_method(&new_name("!\"#%&'()*+,/;<=>?@[]^`{|}~"), "private_key_jwt"),
        Client::public(&new_name("many")).scopes(&many.join(" ")).realms(["staff", "Staff", "\u{e9}'\"\\"]),
        Client::public(&new_name("page")).allow_password_grant().allow_origin(one_origin),
        full,
    ];
    builders.into_iter().map(|client| made(client.build())).collect()
}

async fn find<R: ClientRegistry>(registry: &R, id: &str) -> Option<String> {
    let found = answer(registry.find(id).await);
    let at_once = answer(registry.find_at_once(id).await);
    let [found, at_once] = [found, at_once].map(|client| client.map(|client| client.to_text()));
    must(found == at_once, "`find_at_once` answers what `find` does");
    found
}

pub(super) async fn finds<R: ClientRegistry>(registry: R, clients: &[Client]) {
    for client in clients {
        match find(&registry, client.id().as_str()).await {
            Some(found) => must(found == client.to_text(), "`find` gives a client with its whole registration"),
            None => broken("`find` finds every client by its id"),
        }
    }
    let ids = clients.iter().map(|client| client.id().as_str());
    let beside = ids.flat_map(|id| {
        let first: String = id.chars().take(id.len().saturating_sub(1)).collect();
        [format!("{id} "), format!(" {id}"), format!("{id}%"), first, swapped(id)]
    });
    let is_registered = |id: &String| clients.iter().any(|client| client.id().as_str() == id);
    for id in beside.filter(|id| !is_registered(id)).chain(["%".to_owned(), "' OR 1=1 --".to_owned()]) {
        must(find(&registry, &id).await.is_none(), "`find` finds no client by another id than its own, byte by byte");
    }
}

/// Upper case for lower case, and the reverse.
fn swapped(id: &str) -> String {
    let swap = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    id.chars().map(swap).collect()
}

pub(super) async fn origins<R: ClientRegistry>(registry: R) {
    for other in ["https://other.example", "https://app.example:8443", "%", ""] {
        must(!answer(registry.allows_origin(other).await), "an origin that no client lists is not allowed");
    }
    let [one, other] = ORIGINS;
    let allowed = [answer(registry.allows_origin(one).await), answer(registry.allows_origin(other).await)];
    must(
        allowed != [true, false] && allowed != [false, true],
        "`allows_origin` knows the origins of all clients, or of none",
    );
}

pub(super) fn all<R: ClientRegistry>(registry: &R, clients: &[Client]) {
    let texts = |clients: &[Client]| -> BTreeMap<String, String> {
        clients.iter().map(|client| (client.id().to_string(), client.to_text())).collect()
    };
    if let Some(all) = registry.all_clients() {
        must_be(all.len(), clients.len(), "`all_clients` answers each client once, or nothing");
        must(texts(&all) == texts(clients), "`all_clients` answers the clients as they are registered");
    }
}
