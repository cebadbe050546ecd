//! Clients on the way to the end of the grant. They log in as ever until `POST /leave`: then their plans are registered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use axum::Router;
use axum::routing::post;
use tower_password_grant::client::{ClientBuilder, Sunset};
use tower_password_grant::{BackendError, Client, ClientRegistry, StaticClients};

use super::Error;

/// Its end is rehearsed for a day.
const REHEARSING: &str = "rehearsing";
/// Its end is over.
const ENDED: &str = "ended";
/// The same, and one user is excepted.
const LAST_USERS: &str = "last-users";
const EXCEPTED: &str = "customers|user:alice";

const GUIDE: &str = "https://docs.example/move-to-code-flow";
const DAY: Duration = Duration::from_secs(86_400);

/// What the registry holds before and after it.
pub(crate) struct Leaving {
    before: StaticClients,
    after: StaticClients,
    has_begun: AtomicBool,
}

impl Leaving {
    /// These clients, and the ones that leave, each made of its id. Prints what a client must know of their plans; dates in seconds
    /// since 1970.
    pub(crate) fn new(others: &[Client], client: impl Fn(&str) -> ClientBuilder) -> Result<Arc<Self>, Error> {
        let now = SystemTime::now();
        let (over, coming) = (Sunset::at(now - DAY).with_link(GUIDE)?, Sunset::at(now + DAY * 30).with_link(GUIDE)?);
        let leaving = [
            client(REHEARSING).sunset(coming.clone().brownout(now - DAY / 2, DAY)?),
            client(ENDED).sunset(over.clone()),
            client(LAST_USERS).sunset(over.clone().except(EXCEPTED, now + DAY)?),
        ];
        let after = leaving.into_iter().map(ClientBuilder::build).collect::<Result<Vec<_>, _>>()?;
        let before = [REHEARSING, ENDED, LAST_USERS].map(|id| client(id).build());
        let before = before.into_iter().collect::<Result<Vec<_>, _>>()?;
        println!("REHEARSING_CLIENT_ID={REHEARSING}\nENDED_CLIENT_ID={ENDED}\nLAST_USERS_CLIENT_ID={LAST_USERS}");
        println!("GUIDE={GUIDE}\nBROWNOUT_END={}", seconds(now + DAY / 2)?);
        println!("END_TO_COME={}\nEND={}", seconds(coming.end())?, seconds(over.end())?);
        let registry = |leaving: Vec<Client>| StaticClients::new(others.iter().cloned().chain(leaving));
        Ok(Arc::new(Self { before: registry(before)?, after: registry(after)?, has_begun: AtomicBool::new(false) }))
    }

    /// With the way to register the plans.
    pub(crate) fn router(self: Arc<Self>) -> Router {
        let begin = move || async move { self.has_begun.store(true, Ordering::SeqCst) };
        Router::new().route("/leave", post(begin))
    }
}

#[async_trait]
impl ClientRegistry for Leaving {
    async fn find(&self, client_id: &str) -> Result<Option<Client>, BackendError> {
        let clients = if self.has_begun.load(Ordering::SeqCst) { &self.after } else { &self.before };
        clients.find(client_id).await
    }
}

fn seconds(time: SystemTime) -> Result<u64, Error> {
    Ok(time.duration_since(UNIX_EPOCH)?.as_secs())
}
