//! The end of the grant for the client of the page: which users still need it, and a rehearsal by a button. An application shows this to its
//! operators alone.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use tower_password_grant::client::{ClientError, Sunset};
use tower_password_grant::sqlite::SqliteStore;
use tower_password_grant::usage::{Page, UsageLedger};
use tower_password_grant::{BackendError, ClientId, ClientRegistry as _};

use crate::demo::{CLI, Error};

const DAY: Duration = Duration::from_secs(86_400);
/// How far back the report looks.
const WINDOW: Duration = Duration::from_secs(30 * 86_400);
/// A rehearsal, short enough to be waited for.
const BROWNOUT: Duration = Duration::from_secs(60);
/// What a client is told to read. The page of the manual stands for a page of your own.
const GUIDE: &str = "https://docs.rs/tower-password-grant/latest/tower_password_grant/manual/leaving/index.html";

/// Half a year from now: a date of your own calendar.
pub(crate) fn plan() -> Result<Sunset, ClientError> {
    Sunset::at(SystemTime::now() + DAY * 180).with_link(GUIDE)
}

/// The plan that the client has in the file.
pub(crate) async fn registered(store: &SqliteStore) -> Result<Option<Sunset>, Error> {
    let client = store.find(CLI).await.map_err(BackendError::into_error)?;
    Ok(client.and_then(|client| client.sunset().cloned()))
}

#[derive(Clone)]
pub(crate) struct Leaving {
    pub(crate) store: SqliteStore,
    pub(crate) usage: UsageLedger,
}

impl Leaving {
    /// Changes the plan of the client, from the next request on.
    async fn change(
        &self,
        change: impl FnOnce(Sunset) -> Result<Sunset, ClientError> + Send + 'static,
    ) -> Result<StatusCode, Error> {
        let is_changed = self.store.change_sunset(CLI, change).await?;
        if is_changed { Ok(StatusCode::NO_CONTENT) } else { Err("the client has no end".into()) }
    }
}

/// The report as a terminal shows it, and the last users by password of the page's client.
pub(crate) async fn report(State(leaving): State<Leaving>) -> Result<Json<Value>, StatusCode> {
    let read = async {
        let report = leaving.usage.report(WINDOW).await?;
        let stayers = leaving.usage.stayers(&ClientId::new(CLI)?, &Page::first(WINDOW)).await?.stayers;
        let stayers: Vec<_> = stayers.iter().map(|user| user.subject.to_string()).collect();
        Ok::<_, Error>(Json(json!({ "report": report.to_string(), "stayers": stayers })))
    };
    read.await.map_err(failed)
}

/// Rehearses the end: for a minute nobody logs in by this client.
pub(crate) async fn begin_brownout(State(leaving): State<Leaving>) -> Result<StatusCode, StatusCode> {
    leaving.change(|plan| plan.without_brownouts().brownout(SystemTime::now(), BROWNOUT)).await.map_err(failed)
}

/// Takes it back.
pub(crate) async fn end_brownout(State(leaving): State<Leaving>) -> Result<StatusCode, StatusCode> {
    leaving.change(|plan| Ok(plan.without_brownouts())).await.map_err(failed)
}

fn failed(error: Error) -> StatusCode {
    eprintln!("the end of the grant: {error}");
    StatusCode::SERVICE_UNAVAILABLE
}
