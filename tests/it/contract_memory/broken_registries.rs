//! Registries that break one promise each.

use async_trait::async_trait;
use tower_password_grant::MaybeFuture;
use tower_password_grant::testing::contract;
use tower_password_grant::{BackendError, Client, ClientRegistry, StaticClients};

use super::complaint;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    KnowsNoOrigins,
    FindsNobody,
    ForgetsAnOption,
    IgnoresCase,
    IgnoresSpaces,
    FindsByPrefix,
    AnswersLaterAtOnce,
    AllowsEveryOrigin,
    AllowsSomeOrigins,
    ListsOneLess,
    ListsAnother,
}

const FAULTS: [(Fault, &str); 12] = [
    (Fault::None, ""),
    (Fault::KnowsNoOrigins, ""),
    (Fault::FindsNobody, "`find` finds every client by its id"),
    (Fault::ForgetsAnOption, "`find` gives a client with its whole registration"),
    (Fault::IgnoresCase, "`find` gives a client with its whole registration"),
    (Fault::IgnoresSpaces, "`find` finds no client by another id than its own, byte by byte"),
    (Fault::FindsByPrefix, "`find` finds no client by another id than its own, byte by byte"),
    (Fault::AnswersLaterAtOnce, "`find_at_once` answers what `find` does"),
    (Fault::AllowsEveryOrigin, "an origin that no client lists is not allowed"),
    (Fault::AllowsSomeOrigins, "`allows_origin` knows the origins of all clients, or of none"),
    (Fault::ListsOneLess, "`all_clients` answers each client once, or nothing"),
    (Fault::ListsAnother, "`all_clients` answers the clients as they are registered"),
];

struct Broken {
    fault: Fault,
    clients: Vec<Client>,
    right: StaticClients,
}

impl Broken {
    fn new(fault: Fault, clients: Vec<Client>) -> Self {
        Self { fault, right: StaticClients::new(clients.clone()).unwrap(), clients }
    }

    fn is_asked_for(&self, client: &Client, asked: &str) -> bool {
        let id = client.id().as_str();
        match self.fault {
            Fault::FindsNobody => false,
            Fault::IgnoresCase => id.eq_ignore_ascii_case(asked),
            Fault::IgnoresSpaces => id == asked.trim_end(),
            Fault::FindsByPrefix => !asked.is_empty() && id.starts_with(asked),
            _ => id == asked,
        }
    }
}

#[async_trait]
impl ClientRegistry for Broken {
    async fn find(&self, client_id: &str) -> Result<Option<Client>, BackendError> {
        let found = self.clients.iter().find(|client| self.is_asked_for(client, client_id)).cloned();
        Ok(match found {
            Some(found) if self.fault == Fault::ForgetsAnOption => {
                Some(found.to_builder().remove_grant("urn:example:ticket").build().unwrap())
            }
            found => found,
        })
    }

    fn find_at_once<'a>(&'a self, client_id: &'a str) -> MaybeFuture<'a, Result<Option<Client>, BackendError>> {
        if self.fault == Fault::AnswersLaterAtOnce { MaybeFuture::ready(Ok(None)) } else { self.find(client_id).into() }
    }

    async fn allows_origin(&self, origin: &str) -> Result<bool, BackendError> {
        match self.fault {
            Fault::KnowsNoOrigins => Ok(false),
            Fault::AllowsEveryOrigin => Ok(true),
            Fault::AllowsSomeOrigins => Ok(origin == "https://app.example"),
            _ => self.right.allows_origin(origin).await,
        }
    }

    fn all_clients(&self) -> Option<Vec<Client>> {
        let mut all = self.right.all_clients()?;
        match self.fault {
            Fault::ListsOneLess => drop(all.pop()),
            Fault::ListsAnother => all[0] = Client::public("another").build().unwrap(),
            _ => {}
        }
        Some(all)
    }
}

#[test]
fn each_promise_that_a_registry_breaks_is_named() {
    for (fault, promise) in FAULTS {
        let told = complaint(contract::client_registry(async |clients| Broken::new(fault, clients)));
        assert_eq!(told.is_empty(), promise.is_empty(), "{fault:?}: {told}");
        assert!(told.contains(promise), "{fault:?}: {told}");
    }
}
