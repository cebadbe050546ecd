//! No answer without a body says of what type it is: a client that goes by the type parses nothing, and fails
//! (RFC 9110 section 8.3).

use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use tower_password_grant::mount::{Metadata, PublicDocument};

use crate::support::bearer::{self, Api};
use crate::support::server::{Connection, Server};
use crate::support::tokens::{Tokens, clients};
use crate::support::{Answer, basic};

/// A document with this body; without one its type panics.
struct Document(Option<&'static str>);

impl PublicDocument for Document {
    fn content_type(&self) -> HeaderValue {
        HeaderValue::from_static("application/jwk-set+json")
    }

    fn body(&self) -> Bytes {
        Bytes::from_static(self.0.expect("on purpose").as_bytes())
    }

    fn max_age(&self) -> Duration {
        Duration::from_secs(60)
    }
}

fn tokens() -> Tokens {
    Tokens::with(clients(), |builder| {
        builder
            .metadata(Metadata::new("https://as.example"))
            .document("/jwks", Document(Some("{}")))
            .document("/empty", Document(Some("")))
            .document("/broken", Document(None))
    })
}

const METADATA: &str = "/.well-known/oauth-authorization-server";

#[tokio::test]
async fn no_answer_of_the_layer_without_a_body_has_a_type() {
    let tokens = tokens();
    let conf = basic("conf", "conf-pw");
    let paths = ["/oauth/token", "/oauth/revoke", "/oauth/introspect", METADATA, "/jwks", "/empty", "/broken"];
    let server = Server::start(&tokens.layer).await;
    let mut empty = Vec::new();
    for path in paths {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            for more in ["", "origin: https://page.example\r\n", "accept: text/html\r\n"] {
                let form = format!("token={}", "x".repeat(20));
                let request = format!(
                    "{method} {path} HTTP/1.1\r\nhost: as.example\r\nauthorization: {conf}\r\n{more}content-type: \
                     application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
                    form.len()
                );
                let mut connection = Connection::open(server.address).await;
                connection.write(request).await;
                let (head, body) = raw(&mut connection).await;
                if method == "HEAD" {
                    // The head of what GET gives, which tells the length of something (RFC 9110 section 9.3.2).
                    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
                    assert_eq!(
                        length != "0",
                        head.iter().any(|line| line.starts_with("content-type:")),
                        "{path} {head:?}"
                    );
                } else if body.is_empty() {
                    assert!(!head.iter().any(|line| line.starts_with("content-type:")), "{method} {path} {head:?}");
                    empty.push((method, path, head[0].split(' ').nth(1).unwrap().to_owned()));
                } else {
                    assert!(head.iter().any(|line| line.starts_with("content-type:")), "{method} {path} {head:?}");
                }
            }
        }
    }
    let found = |method: &str, path: &str, status: &str| {
        let is_it = |one: &(&str, &str, String)| (one.0, one.1, &*one.2) == (method, path, status);
        assert!(empty.iter().any(is_it), "{method} {path} {status}: {empty:?}");
    };
    found("POST", "/oauth/revoke", "200");
    for path in ["/oauth/token", "/oauth/revoke", "/oauth/introspect"] {
        found("OPTIONS", path, "204");
    }
    found("POST", METADATA, "405");
    found("OPTIONS", "/jwks", "405");
    found("GET", "/empty", "200");
    found("GET", "/broken", "500");
}

/// The lines of a head, in lower case, and the body.
async fn raw(connection: &mut Connection) -> (Vec<String>, String) {
    connection.finish().await;
    let text = connection.rest().await.to_ascii_lowercase();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split("\r\n").map(str::to_owned).collect(), body.to_owned())
}

#[tokio::test]
async fn a_revocation_has_an_empty_answer_without_a_type_or_json_for_a_client_that_accepts_nothing_else() {
    let tokens = tokens();
    let conf = basic("conf", "conf-pw");
    let revoke = async |accept: &[(&'static str, &'static str)]| -> Answer {
        let token = tokens.login("conf").await.refresh;
        let mut headers = vec![("authorization", &*conf)];
        headers.extend_from_slice(accept);
        let answer = tokens.send("POST", "/oauth/revoke", &headers, &format!("token={token}")).await;
        tokens.refresh("conf", &token).await.assert_error(400, "invalid_grant");
        answer
    };
    for accept in [&[][..], &[("accept", "*/*")], &[("accept", "text/html")]] {
        let answer = revoke(accept).await;
        answer.assert_empty_ok();
        assert_eq!(answer.header("content-type"), None, "{accept:?}");
    }
    let answer = revoke(&[("accept", "application/json")]).await;
    assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b"{}"[..]));
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

#[tokio::test]
async fn a_guard_that_refuses_without_a_body_names_no_type_but_grpcs() {
    let api = Api::start(&bearer::Tokens::new()).await;
    let mut empty = 0;
    for authorization in [None, Some("Basic eDp5"), Some("Bearer"), Some("Bearer unknown"), Some("Bearer t")] {
        for method in ["GET", "POST"] {
            let headers: Vec<_> = authorization.into_iter().map(|value| ("authorization", value)).collect();
            let answer = api.send(method, "/api/me", &headers, "").await;
            assert_eq!(answer.header("content-type").is_some(), !answer.body.is_empty(), "{answer:?}");
            empty += usize::from(answer.body.is_empty());
            // A "Trailers-Only" answer of gRPC's has no body, and must name its type all the same.
            let headers: Vec<_> = headers.into_iter().chain([("content-type", "application/grpc")]).collect();
            let answer = api.send(method, "/api/me", &headers, "").await;
            if answer.header("grpc-status").is_some() {
                assert_eq!((answer.header("content-type"), answer.body.len()), (Some("application/grpc"), 0));
            }
        }
    }
    assert_eq!(empty, 4);
}
