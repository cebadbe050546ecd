//! Settings that cannot work together are told: at the start where the clients are known, else at the first request of each.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tower_password_grant::MaybeFuture;
use tower_password_grant::client::{ClientAuthentication, ClientBuilder, Sunset, SunsetExceptions, WhoIsOut};
use tower_password_grant::mount::Profile;
use tower_password_grant::store::{
    FamilyId, MemoryAccessTokens, MemoryRefreshTokens, NewFamily, RefreshTokenStore, Rotation, StoreIdentity,
    StoredFamily,
};
use tower_password_grant::token::{IntrospectionEndpoint, MissingScope, RefreshTokens};
use tower_password_grant::{
    BackendError, Builder, Client, ClientRegistry, CredentialVerifier, Grant, IssuedTokens, OpaqueIssuer,
    PasswordGrant, PeerAddress, StaticClients, Subject, TokenIssuer, find_client_fn, verify_fn,
};

use crate::support::capture::{self, Capture};
use crate::support::tokens::{Tokens, TokensBuilder, confidential};
use crate::support::{self, FixtureBuilder, ManualClock, PW, Probe, digest, send, token_request};

/// Excepts nobody.
struct NoExceptions;

#[async_trait]
impl SunsetExceptions for NoExceptions {
    async fn excepted_until(&self, _: WhoIsOut<'_>) -> Result<Option<SystemTime>, BackendError> {
        Ok(None)
    }
}

/// The clients with a warning, and the warnings.
fn told(capture: &Capture) -> Vec<(Option<String>, String)> {
    let events = capture.events().into_iter();
    let misfits = events.filter(|said| said.field("message") == Some("settings cannot work together"));
    misfits
        .map(|said| {
            assert_eq!(said.level, tracing::Level::WARN);
            (said.field("client").map(str::to_owned), said.field("problem").unwrap().to_owned())
        })
        .collect()
}

/// What is told when an endpoint with this client is built.
fn warnings_about<I: TokenIssuer>(
    client: ClientBuilder,
    change: impl FnOnce(FixtureBuilder) -> Builder<StaticClients, Probe, I>,
) -> Vec<String> {
    capture::keep_listening();
    let clients = StaticClients::new([client.build().unwrap()]).unwrap();
    let (capture, _listening) = Capture::listen();
    let builder = support::builder(&Probe::default()).clients(clients).clock(ManualClock::new());
    change(builder).build().unwrap();
    told(&capture).into_iter().map(|(_, problem)| problem).collect()
}

fn full(client: ClientBuilder) -> ClientBuilder {
    client.allow_password_grant().scopes("read").default_scope("read")
}

#[tokio::test]
async fn each_registration_that_cannot_work_is_told_at_the_start_and_those_that_can_are_not() {
    let app = || full(Client::public("app"));
    let yesterday = ManualClock::start() - Duration::from_secs(86_400);
    let tomorrow = ManualClock::start() + Duration::from_secs(86_400);
    let secret = || Client::confidential("app", &digest("x"));
    let expired = |end| full(Client::confidential("app", &digest("x"))).secret(&digest("y"), Some(end));
    let sunset = |end| app().sunset(Sunset::at(end).deprecated_since(yesterday));
    let later = tomorrow + Duration::from_secs(1);
    let looked_up = |end| app().sunset(Sunset::at(end).deprecated_since(yesterday).look_up_exceptions(later).unwrap());
    let post = || full(secret()).authenticate_by(ClientAuthentication::SecretPost);
    let api = || secret().allow_introspection();
    let access = |builder: FixtureBuilder| builder.access_tokens(OpaqueIssuer::new(MemoryAccessTokens::new()));
    type Told = Vec<String>;
    let cases: Vec<(&str, Told, Told)> = vec![
        (
            "it may have refresh tokens",
            warnings_about(app().allow_refresh_tokens(), |builder| builder),
            warnings_about(app(), |builder| builder),
        ),
        (
            "not served here",
            warnings_about(app().allow_grant("urn:x"), |builder| builder),
            warnings_about(app(), |builder| builder),
        ),
        (
            "it may show a second factor",
            warnings_about(app().allow_second_factor(), |builder| builder),
            warnings_about(app(), |builder| builder),
        ),
        ("it may introspect", warnings_about(api(), |builder| builder), warnings_about(api(), access)),
        (
            "which is refused",
            warnings_about(post(), FixtureBuilder::refuse_secrets_in_body),
            warnings_about(post(), |builder| builder),
        ),
        (
            "its end date is over",
            warnings_about(sunset(ManualClock::start()), |builder| builder),
            warnings_about(sunset(tomorrow), |builder| builder),
        ),
        (
            "it has no end date",
            warnings_about(app(), FixtureBuilder::require_sunset),
            warnings_about(sunset(tomorrow), FixtureBuilder::require_sunset),
        ),
        (
            "looks exceptions up",
            warnings_about(looked_up(tomorrow), |builder| builder),
            warnings_about(looked_up(tomorrow), |builder| builder.sunset_exceptions(NoExceptions)),
        ),
        (
            "its end date is over",
            warnings_about(sunset(yesterday), |builder| builder),
            // Somebody is still let in.
            warnings_about(looked_up(yesterday), |builder| builder.sunset_exceptions(NoExceptions)),
        ),
        (
            "registered for no scope",
            warnings_about(Client::public("app").allow_password_grant(), |builder| builder),
            warnings_about(Client::public("app").allow_password_grant(), |builder| {
                builder.missing_scope(MissingScope::Scopeless)
            }),
        ),
        (
            "within `.scope_ceiling(..)`",
            warnings_about(app(), |builder| builder.scope_ceiling("write")),
            warnings_about(app(), |builder| builder.scope_ceiling("write read")),
        ),
        (
            "no client may introspect",
            warnings_about(app(), |builder| access(builder).introspection(IntrospectionEndpoint::at("/i"))),
            warnings_about(api(), |builder| access(builder).introspection(IntrospectionEndpoint::at("/i"))),
        ),
    ];
    for (piece, told, fitting) in cases {
        assert!(told.len() == 1 && told.iter().all(|one| one.contains(piece)), "{piece}: {told:?}");
        assert_eq!(fitting, Vec::<String>::new(), "{piece}");
    }
    assert_eq!(warnings_about(expired(yesterday), |builder| builder), Vec::<String>::new(), "one secret lives");
}

#[tokio::test]
async fn scopes_that_a_profile_has_for_every_client_count_and_a_ceiling_without_its_scope_of_refresh_tokens_is_told() {
    capture::keep_listening();
    let start = |client: Client, change: fn(TokensBuilder) -> TokensBuilder| {
        let (capture, _listening) = Capture::listen();
        Tokens::with(vec![client], change);
        told(&capture).into_iter().map(|(_, problem)| problem).collect::<Vec<_>>()
    };
    let client = || confidential(|client| client).remove(0);
    let told = start(client(), |builder| builder.profile(Profile::Auth0).scope_ceiling("read"));
    assert!(told.len() == 1 && told[0].contains("lacks the scope that the profile asks"), "{told:?}");
    assert_eq!(start(client(), |builder| builder.scope_ceiling("read")).len(), 0);
    let fitting = start(client(), |builder| builder.profile(Profile::Auth0).scope_ceiling("read offline_access"));
    assert_eq!(fitting.len(), 0);
    let without_scopes = || client().to_builder().remove_scope("read write admin").build().unwrap();
    assert_eq!(start(without_scopes(), |builder| builder).len(), 1);
    assert_eq!(start(without_scopes(), |builder| builder.profile(Profile::Auth0)).len(), 0);
}

/// An issuer with ID tokens, of which no login gets one.
struct GivesIdTokens;

#[async_trait]
impl TokenIssuer for GivesIdTokens {
    async fn issue(&self, _: Grant) -> Result<IssuedTokens, BackendError> {
        Err(BackendError::fault("nobody logs in"))
    }

    fn id_token_algorithms(&self) -> Vec<String> {
        vec!["RS256".to_owned()]
    }
}

#[tokio::test]
async fn an_audience_that_no_login_of_the_client_could_have_is_told() {
    let auth0 = |builder: FixtureBuilder| builder.profile(Profile::Auth0);
    let with_id_tokens = |builder: FixtureBuilder| builder.issuer(GivesIdTokens);
    let naming = |audience: &str| full(Client::public("app")).allow_audience(audience);
    let told = warnings_about(naming("urn:api"), |builder| builder);
    assert!(told.len() == 1 && told[0].contains("which the profile does not read"), "{told:?}");
    let told = warnings_about(naming("app"), |builder| with_id_tokens(auth0(builder)));
    assert!(told.len() == 1 && told[0].contains("may name itself as the audience"), "{told:?}");
    let none = Vec::<String>::new();
    assert_eq!(warnings_about(naming("urn:api"), |builder| with_id_tokens(auth0(builder))), none);
    assert_eq!(warnings_about(naming("app"), auth0), none);
}

#[tokio::test]
async fn a_client_whose_secrets_have_all_expired_is_told() {
    let then = ManualClock::start();
    let client = Client::public("app").authenticate_by(ClientAuthentication::Secret).secret(&digest("x"), Some(then));
    assert_eq!(warnings_about(full(client), |builder| builder), ["all its secrets have expired"]);
}

#[tokio::test]
async fn a_refresh_that_no_verifier_can_answer_is_told_at_the_start() {
    capture::keep_listening();
    let start = |verifier: Arc<dyn CredentialVerifier>| {
        let client = full(Client::public("app")).allow_refresh_tokens().build().unwrap();
        let (capture, _listening) = Capture::listen();
        PasswordGrant::builder()
            .clients(StaticClients::new([client]).unwrap())
            .verifier(verifier)
            .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
            .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
            .peer_address(PeerAddress::socket_addr())
            .build()
            .unwrap();
        told(&capture)
    };
    let closure = || verify_fn(|_| async { Ok(Subject::new("user-1").into()) });
    let told = start(Arc::new(closure()));
    assert!(told.len() == 1 && told.iter().all(|(client, problem)| client.is_none() && problem.contains("recheck")));
    assert_eq!(start(Arc::new(closure().with_recheck(|_| async { Ok(Subject::new("user-1").into()) }))), []);
    #[cfg(feature = "argon2")]
    {
        let argon2 = |store: argon2_stores::Store| argon2_stores::verifier(store);
        assert_eq!(start(argon2(argon2_stores::Store::ByName)).len(), 1);
        assert_eq!(start(argon2(argon2_stores::Store::ById)), []);
    }
}

#[tokio::test]
async fn refresh_tokens_that_no_client_may_have_are_told_at_the_start_where_the_clients_are_known() {
    capture::keep_listening();
    let start = |clients: Arc<dyn ClientRegistry>| {
        let (capture, _listening) = Capture::listen();
        let user = || async { Ok(Subject::new("user-1").into()) };
        PasswordGrant::builder()
            .clients(clients)
            .verifier(verify_fn(move |_| user()).with_recheck(move |_| user()))
            .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
            .refresh_tokens(RefreshTokens::in_store(MemoryRefreshTokens::new()))
            .peer_address(PeerAddress::socket_addr())
            .build()
            .unwrap();
        told(&capture)
    };
    let plain = || full(Client::public("plain")).build().unwrap();
    let refreshing = full(Client::public("refreshing")).allow_refresh_tokens().build().unwrap();
    let told = start(Arc::new(StaticClients::new([plain()]).unwrap()));
    assert!(told.len() == 1 && told[0].0.is_none() && told[0].1.contains("no client may refresh"), "{told:?}");
    assert_eq!(start(Arc::new(StaticClients::new([plain(), refreshing]).unwrap())), []);
    assert_eq!(start(Arc::new(find_client_fn(|_| async { Ok(None) }))), [], "nobody knows who is in the registry");
}

/// A store that knows which one it is, and does not care whether the other is the same.
struct Named<S>(S, StoreIdentity);

#[async_trait]
impl TokenIssuer for Named<OpaqueIssuer<MemoryAccessTokens>> {
    async fn issue(&self, grant: Grant) -> Result<IssuedTokens, BackendError> {
        self.0.issue(grant).await
    }

    fn store_identity(&self) -> Option<StoreIdentity> {
        Some(self.1.clone())
    }
}

#[async_trait]
impl RefreshTokenStore for Named<MemoryRefreshTokens> {
    async fn begin(&self, new: NewFamily) -> Result<Vec<FamilyId>, BackendError> {
        self.0.begin(new).await
    }

    fn find(&self, family: FamilyId) -> MaybeFuture<'_, Result<Option<StoredFamily>, BackendError>> {
        self.0.find(family)
    }

    fn rotate(&self, rotation: Rotation) -> MaybeFuture<'_, Result<bool, BackendError>> {
        self.0.rotate(rotation)
    }

    async fn revoke_family(&self, family: FamilyId) -> Result<bool, BackendError> {
        self.0.revoke_family(family).await
    }

    async fn revoke_subject(&self, realm: Option<&str>, subject: &str) -> Result<u64, BackendError> {
        self.0.revoke_subject(realm, subject).await
    }

    fn identity(&self) -> Option<StoreIdentity> {
        Some(self.1.clone())
    }
}

#[tokio::test]
async fn an_issuer_and_refresh_tokens_of_two_stores_are_told_and_those_of_one_are_not() {
    capture::keep_listening();
    let told = |issuer: Arc<dyn TokenIssuer>, refresh: Arc<dyn RefreshTokenStore>| {
        let client = full(Client::public("app")).allow_refresh_tokens().build().unwrap();
        let (capture, _listening) = Capture::listen();
        PasswordGrant::builder()
            .clients(StaticClients::new([client]).unwrap())
            .verifier(Probe::default())
            .issuer(issuer)
            .refresh_tokens(RefreshTokens::in_store(refresh))
            .peer_address(PeerAddress::socket_addr())
            .build()
            .unwrap();
        told(&capture).into_iter().map(|(_, problem)| problem).collect::<Vec<_>>()
    };
    let opaque = || OpaqueIssuer::new(MemoryAccessTokens::new());
    let issuer = |identity: &StoreIdentity| Arc::new(Named(opaque(), identity.clone()));
    let refresh = |identity: &StoreIdentity| Arc::new(Named(MemoryRefreshTokens::new(), identity.clone()));
    let (one, other) = (StoreIdentity::new(), StoreIdentity::new());
    let apart = told(issuer(&one), refresh(&other));
    assert!(apart.iter().any(|problem| problem.contains("open the store once")), "{apart:?}");
    for problems in [
        told(issuer(&one), refresh(&one)),
        told(Arc::new(opaque()), refresh(&one)),
        told(issuer(&one), Arc::new(MemoryRefreshTokens::new())),
    ] {
        assert!(!problems.iter().any(|problem| problem.contains("open the store once")), "{problems:?}");
    }
}

#[cfg(feature = "argon2")]
mod argon2_stores {
    use super::*;
    use tower_password_grant::argon2::{Argon2Parameters, Argon2Verifier};
    use tower_password_grant::store::{LoginName, StoredUser, UserStore};

    pub enum Store {
        ByName,
        ById,
    }

    /// A store without `find_by_id`, and one with it, which must not be asked at the start.
    struct ByName;
    struct ById;

    #[async_trait]
    impl UserStore for ByName {
        async fn find(&self, _: &LoginName<'_>, _: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
            panic!("nobody logs in")
        }

        async fn save_hash(&self, _: &str, _: &str, _: &str) -> Result<bool, BackendError> {
            panic!("nobody logs in")
        }
    }

    #[async_trait]
    impl UserStore for ById {
        async fn find(&self, _: &LoginName<'_>, _: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
            panic!("nobody logs in")
        }

        async fn find_by_id(&self, _: &str, _: Option<&str>) -> Result<Option<StoredUser>, BackendError> {
            panic!("nothing is asked only to find out whether it could be")
        }

        async fn save_hash(&self, _: &str, _: &str, _: &str) -> Result<bool, BackendError> {
            panic!("nobody logs in")
        }
    }

    pub fn verifier(store: Store) -> Arc<dyn CredentialVerifier> {
        let cheap = || Argon2Parameters::new(64, 1, 1).unwrap();
        match store {
            Store::ByName => Arc::new(Argon2Verifier::builder(ByName).parameters(cheap()).threads(1).build().unwrap()),
            Store::ById => Arc::new(Argon2Verifier::builder(ById).parameters(cheap()).threads(1).build().unwrap()),
        }
    }
}

#[tokio::test]
async fn clients_that_are_not_known_at_the_start_are_told_at_their_first_request_and_once() {
    capture::keep_listening();
    let registry = find_client_fn(|id: String| async move {
        let client = full(Client::public(&id));
        Ok(Some(if id.starts_with("fit") { client } else { client.allow_refresh_tokens() }.build()?))
    });
    let (capture, _listening) = Capture::listen();
    let layer = PasswordGrant::builder()
        .clients(registry)
        .verifier(Probe::default())
        .issuer(OpaqueIssuer::new(MemoryAccessTokens::new()))
        .peer_address(PeerAddress::socket_addr())
        .build()
        .unwrap();
    assert_eq!(told(&capture), [], "nobody is known yet");
    for id in ["fit", "app", "app", "web", "app", "fit"] {
        send(&layer, token_request(&[], &format!("{PW}&client_id={id}"))).await.assert_ok();
    }
    let clients: Vec<_> = told(&capture).into_iter().filter_map(|(client, _)| client).collect();
    assert_eq!(clients, ["app", "web"]);
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_shared_key_that_the_endpoint_or_the_limiter_lacks_is_told_at_the_start() {
    use tower_password_grant::limiter::SharedKey;
    use tower_password_grant::sqlite::SqliteStore;

    use crate::support::folder::Folder;
    use crate::support::protection::counted_by;

    capture::keep_listening();
    let key = SharedKey::new([7; 32]).unwrap();
    for (limiter_has, endpoint_has, piece) in [
        (true, true, None),
        (false, false, None),
        (true, false, Some("give it to the endpoint too, `AttackProtection::shared_key`")),
        (false, true, Some("give it to the store too, `SqliteStoreBuilder::shared_key`")),
    ] {
        let folder = Folder::new();
        let mut store = SqliteStore::builder(folder.file());
        if limiter_has {
            store = store.shared_key(key.clone());
        }
        let store = store.open().unwrap();
        let problems = warnings_about(full(Client::public("app")), |builder| {
            let protection = counted_by(store.limiter());
            let keyed = if endpoint_has { protection.shared_key(key.clone()) } else { protection };
            builder.attack_protection(keyed)
        });
        assert_eq!(problems.len(), usize::from(piece.is_some()), "{problems:?}");
        assert!(piece.is_none_or(|piece| problems[0].contains(piece)), "{problems:?}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_recheck_that_denies_what_was_just_verified_is_told_with_each_login_and_one_that_agrees_is_not() {
    capture::keep_listening();
    let told = async |id: &'static str| {
        let verifier = verify_fn(|_| async { Ok(Subject::new("user-1").into()) })
            .with_recheck(move |_| async move { Ok(Subject::new(id).into()) });
        let layer = support::builder(&Probe::default()).verifier(verifier).build().unwrap();
        let (capture, _listening) = Capture::listen();
        let status = send(&layer, token_request(support::AUTH, PW)).await.status.as_u16();
        let events = capture.events().into_iter();
        let said =
            |text: Option<&str>| text.is_some_and(|text| text.starts_with("`CredentialVerifier::recheck` denied"));
        let hints = events.filter(|event| said(event.field("message")) && event.level == tracing::Level::WARN);
        (status, hints.filter_map(|hint| hint.field("reason").map(str::to_owned)).collect::<Vec<_>>())
    };
    assert_eq!(told("user-1").await, (200, vec![]));
    assert_eq!(told("alice").await, (400, vec!["credentials_changed".to_owned()]));
}
