//! The verifier over the example's own service: whose login it is, and for how long.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tower_password_grant::argon2::Argon2Verifier;
use tower_password_grant::realms::{FirstOf, Migrate, Realms};
use tower_password_grant::user::{AccountKey, AccountKeyKind};
use tower_password_grant::{CredentialVerifier, Denial, verify_fn};

use super::super::world::{House, face};
use super::directory::RemoteDirectory;
use super::scripted::RIGHT;
use super::service::{CLOSE, DISABLE, ENDPOINT_CREDENTIAL, OPERATOR_CREDENTIAL, SET_PASSWORD, UserService};
use crate::support::argon2_users::cheap;
use crate::support::folder::Folder;

struct Service(SocketAddr);

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let users = UserService::new(&[("17", "alice", RIGHT), ("18", "bob", RIGHT)]).unwrap();
        tokio::spawn(users.serve(listener));
        Self(address)
    }

    fn users(&self) -> RemoteDirectory {
        self.users_for(ENDPOINT_CREDENTIAL)
    }

    fn users_for(&self, credential: &str) -> RemoteDirectory {
        RemoteDirectory::new(self.0.to_string().parse().unwrap(), credential).unwrap()
    }

    /// Posts a question, and answers the status.
    async fn post(&self, credential: &str, path: &str, question: Value) -> u16 {
        let body = question.to_string();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: users\r\nauthorization: Bearer {credential}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.0).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer["HTTP/1.1 ".len()..][..3].parse().unwrap()
    }

    async fn operate(&self, path: &str, question: Value) {
        assert_eq!(self.post(OPERATOR_CREDENTIAL, path, question).await, 200);
    }
}

#[tokio::test]
async fn all_denials_of_the_service_have_one_face_and_each_its_reason() {
    let service = Service::start().await;
    let house = House::over(service.users()).await;
    house.log_in("alice", RIGHT).await.assert_ok();
    assert_eq!(house.last(), "17");
    service.operate(DISABLE, json!({ "id": "18" })).await;
    let mut faces = Vec::new();
    for (name, password, reason) in [
        ("alice", "wrong", "wrong_password"),
        ("bob", "wrong", "wrong_password"),
        ("bob", RIGHT, "disabled"),
        ("nobody", RIGHT, "unknown_user"),
        ("nobody", "nobody has this password", "unknown_user"),
    ] {
        let answer = house.log_in(name, password).await;
        answer.assert_error(400, "invalid_grant");
        assert_eq!(house.last(), reason);
        faces.push(face(&answer));
    }
    assert!(faces.windows(2).all(|pair| pair[0] == pair[1]), "{faces:?}");
}

#[tokio::test]
async fn a_login_ends_at_its_refresh_once_the_service_has_disabled_the_user_or_given_another_password() {
    let service = Service::start().await;
    let house = House::over(service.users()).await;
    for (name, id, path, question, reason) in [
        ("alice", "17", DISABLE, json!({ "id": "17" }), "disabled"),
        ("bob", "18", SET_PASSWORD, json!({ "id": "18", "password": "another horse" }), "credentials_changed"),
    ] {
        let token = house.refresh_token(name, RIGHT).await;
        let renewed = house.refresh(&token).await.assert_ok();
        assert_eq!(house.last(), id);
        service.operate(path, question).await;
        let token = renewed["refresh_token"].as_str().unwrap();
        house.refresh(token).await.assert_error(400, "invalid_grant");
        assert_eq!(house.last(), reason);
        house.log_in(name, RIGHT).await.assert_error(400, "invalid_grant");
    }
    house.log_in("bob", "another horse").await.assert_ok();
}

#[tokio::test]
async fn all_spellings_that_the_service_takes_for_one_account_have_one_key_its_id() {
    let service = Service::start().await;
    let users = service.users();
    for (name, kind, text) in [
        ("alice", AccountKeyKind::Resolved, "17"),
        (" ALICE\t", AccountKeyKind::Resolved, "17"),
        (" Nobody", AccountKeyKind::Phantom, "nobody"),
    ] {
        let key: AccountKey<'_> = users.account_key(name, None).await.unwrap();
        assert_eq!((key.kind(), key.as_str()), (kind, text));
    }
}

#[tokio::test]
async fn a_credential_that_the_service_refuses_is_a_fault_and_no_verdict() {
    let service = Service::start().await;
    for credential in ["", "wrong", OPERATOR_CREDENTIAL] {
        let house = House::over(service.users_for(credential)).await;
        house.log_in("alice", RIGHT).await.assert_error(500, "server_error");
        assert_eq!(service.post(credential, "/v1/guess", json!({ "name": "alice", "password": RIGHT })).await, 401);
    }
    assert_eq!(service.post(ENDPOINT_CREDENTIAL, DISABLE, json!({ "id": "17" })).await, 401);
    assert_eq!(service.post(OPERATOR_CREDENTIAL, DISABLE, json!({ "id": "19" })).await, 404);
    House::over(service.users()).await.log_in("alice", RIGHT).await.assert_ok();
}

#[tokio::test]
async fn the_service_is_the_directory_of_a_realm_and_one_of_several() {
    let service = Service::start().await;
    let realms = Realms::new().realm("acme", service.users()).unwrap();
    let house = House::over(realms).await;
    house.log_in_by("staff", "alice", RIGHT).await.assert_ok();
    assert_eq!(house.last(), "acme|17");
    let nobody = verify_fn(|_| async { Ok(Denial::UnknownUser.into()) });
    let house = House::over(FirstOf::new(service.users()).then(nobody)).await;
    house.refresh(&house.refresh_token("bob", RIGHT).await).await.assert_ok();
    house.log_in("bob", "wrong").await.assert_error(400, "invalid_grant");
    house.log_in("carol", RIGHT).await.assert_error(400, "invalid_grant");
    assert_eq!(house.last(), "unknown_user");
}

#[tokio::test]
async fn users_who_moved_out_of_the_service_need_it_no_more_and_stay_logged_in() {
    let service = Service::start().await;
    let folder = Folder::new();
    let store = folder.store();
    let new = Argon2Verifier::builder(store.clone()).parameters(cheap()).build().unwrap();
    let house = House::over(Migrate::new(service.users().count_by_login_name(), new)).await;
    let token = house.refresh_token("ALICE", RIGHT).await;
    assert_eq!(house.last(), "17");
    service.operate(CLOSE, json!({})).await;
    house.refresh(&token).await.assert_ok();
    house.log_in("alice", RIGHT).await.assert_ok();
    assert_eq!(house.last(), "17");
    let waiting = house.log_in("bob", RIGHT).await;
    waiting.assert_error(503, "temporarily_unavailable");
    assert_eq!(waiting.header("retry-after"), Some("30"));
    store.close().await;
}
