//! The user service: it owns the users and their passwords, and answers questions about them to callers with a credential.
//! It may be a program in any language, elsewhere.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Json, Request, State as Of};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, RETRY_AFTER};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::questions::{Found, Guess, Guessed, MAX_QUESTION, Named, Question as _, State, StateOf, UserId};

/// The credential of the token endpoint, and that of the service's operators, who may do more. Yours are random, and come from
/// where you keep secrets.
pub(crate) const ENDPOINT_CREDENTIAL: &str = "endpoint-credential-that-everybody-knows";
pub(crate) const OPERATOR_CREDENTIAL: &str = "operator-credential-that-everybody-knows";

/// What an operator does, each by a POST.
pub(crate) const SET_PASSWORD: &str = "/v1/set-password";
pub(crate) const DISABLE: &str = "/v1/disable";
pub(crate) const CLOSE: &str = "/v1/close";

/// Hashes at once. More would only make each of them slower.
const HASHES: usize = 4;

/// The users, in memory. In an application this is a database.
pub(crate) struct UserService {
    users: RwLock<Vec<User>>,
    /// The hash that a guess at an unknown name is compared with, so that it costs the same.
    decoy: String,
    hashing: Arc<Semaphore>,
    is_closed: AtomicBool,
}

struct User {
    id: UserId,
    name: String,
    hash: String,
    /// Changes with each new password.
    version: u32,
    is_disabled: bool,
}

#[derive(Deserialize)]
struct NewPassword {
    id: String,
    password: String,
}

type Service = Of<Arc<UserService>>;
type Error = Box<dyn std::error::Error + Send + Sync>;

impl UserService {
    /// A service of users with these ids, names and passwords. Hashes on the calling thread.
    pub(crate) fn new(users: &[(&str, &str, &str)]) -> Result<Self, Error> {
        let user = |(id, name, password): &(&str, &str, &str)| {
            let (id, hash) = (UserId::try_from((*id).to_owned())?, hash(password)?);
            Ok::<_, Error>(User { id, name: canonical(name), hash, version: 1, is_disabled: false })
        };
        Ok(Self {
            users: RwLock::new(users.iter().map(user).collect::<Result<_, _>>()?),
            decoy: hash("nobody has this password")?,
            hashing: Arc::new(Semaphore::new(HASHES)),
            is_closed: AtomicBool::new(false),
        })
    }

    /// Serves until the listener fails.
    pub(crate) async fn serve(self, listener: TcpListener) -> io::Result<()> {
        let service = Arc::new(self);
        let questions = Router::new()
            .route(Guess::PATH, post(guess))
            .route(Named::PATH, post(find))
            .route(StateOf::PATH, post(state))
            .layer(from_fn_with_state(Arc::clone(&service), while_open))
            .layer(from_fn(|request: Request, next: Next| only_with(ENDPOINT_CREDENTIAL, request, next)));
        let operations = Router::new()
            .route(SET_PASSWORD, post(set_password))
            .route(DISABLE, post(disable))
            .route(CLOSE, post(close))
            .layer(from_fn(|request: Request, next: Next| only_with(OPERATOR_CREDENTIAL, request, next)));
        let router = questions.merge(operations).layer(DefaultBodyLimit::max(MAX_QUESTION)).with_state(service);
        axum::serve(listener, router).await
    }

    /// What `look` sees of the first user that fits.
    fn look<T>(&self, fits: impl Fn(&User) -> bool, look: impl FnOnce(&User) -> T) -> Option<T> {
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        users.iter().find(|user| fits(user)).map(look)
    }

    /// Changes the user with this id, if there is one.
    fn change(&self, id: &str, change: impl FnOnce(&mut User)) -> StatusCode {
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        let user = users.iter_mut().find(|user| user.id.as_str() == id);
        user.map(change).map_or(StatusCode::NOT_FOUND, |()| StatusCode::OK)
    }
}

/// The spelling rule of this service: capital letters and white space at the ends do not count.
fn canonical(name: &str) -> String {
    name.trim().to_lowercase()
}

fn hash(password: &str) -> argon2::password_hash::Result<String> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
}

/// The door of the service.
async fn only_with(credential: &str, request: Request, next: Next) -> Response {
    let sent = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    match sent {
        Some(sent) if bool::from(sent.ct_eq(credential.as_bytes())) => next.run(request).await,
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

async fn while_open(Of(service): Service, request: Request, next: Next) -> Response {
    if service.is_closed.load(Ordering::Relaxed) { busy("30") } else { next.run(request).await }
}

fn busy(seconds: &'static str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, seconds)]).into_response()
}

/// One hash for every guess; what else is known of the user is said only after the right password.
async fn guess(Of(service): Service, Json(guess): Json<Guess<'static>>) -> Response {
    let Ok(place) = Arc::clone(&service.hashing).try_acquire_owned() else { return busy("1") };
    let name = canonical(&guess.name);
    let user = service.look(
        |user| user.name == name,
        |user| {
            let right = Guessed::Right { id: user.id.clone(), version: user.version };
            (user.hash.clone(), if user.is_disabled { Guessed::Disabled } else { right })
        },
    );
    let (hash, if_right, if_wrong) = match user {
        Some((hash, if_right)) => (hash, if_right, Guessed::WrongPassword),
        None => (service.decoy.clone(), Guessed::UnknownUser, Guessed::UnknownUser),
    };
    let hashing = spawn_blocking(move || {
        // A caller that hangs up does not give the place back before the hash is done.
        let _place = place;
        Argon2::default().verify_password(guess.password.as_bytes(), &*hash).is_ok()
    });
    match hashing.await {
        Ok(true) => Json(if_right).into_response(),
        Ok(false) => Json(if_wrong).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn find(Of(service): Service, Json(named): Json<Named<'static>>) -> Json<Found> {
    let name = canonical(&named.name);
    let found = service.look(|user| user.name == name, |user| Found::Account { id: user.id.clone() });
    Json(found.unwrap_or(Found::Nobody))
}

async fn state(Of(service): Service, Json(asked): Json<StateOf<'static>>) -> Json<State> {
    let state = service.look(
        |user| user.id.as_str() == asked.id,
        |user| if user.is_disabled { State::Disabled } else { State::Active { version: user.version } },
    );
    Json(state.unwrap_or(State::UnknownUser))
}

/// An operator gives a user another password. It ends the logins that the user has: their version is an old one.
async fn set_password(Of(service): Service, Json(new): Json<NewPassword>) -> StatusCode {
    match spawn_blocking(move || hash(&new.password)).await {
        Ok(Ok(hash)) => service.change(&new.id, |user| {
            user.hash = hash;
            user.version = user.version.wrapping_add(1);
        }),
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// An operator disables a user.
async fn disable(Of(service): Service, Json(asked): Json<StateOf<'static>>) -> StatusCode {
    service.change(&asked.id, |user| user.is_disabled = true)
}

/// An operator closes the service, as for maintenance.
async fn close(Of(service): Service) {
    service.is_closed.store(true, Ordering::Relaxed);
}
