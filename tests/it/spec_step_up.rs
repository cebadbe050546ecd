//! How the user of a token was authenticated, from the verdict to the API behind the guard (RFC 8176, RFC 9068 section 2.2.1).

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tower_password_grant::grant::{ExtensionGrant, ExtensionRequest};
use tower_password_grant::rules::{LoginEvent, Ruling, rule_fn};
use tower_password_grant::token::{AuthenticationMethod as Method, AuthenticationMethods as Methods};
use tower_password_grant::user::AccountKey;
use tower_password_grant::{BackendError, Client, Denial, MaybeFuture, Subject, Verdict, verify_fn};

use crate::support::tokens::{Tokens, confidential};
use crate::support::{AUTH, PW, Probe, builder, send, token_request};

const VOUCHED: &str = "urn:x:vouched";

/// A grant of an application that says how the user was authenticated: in the words that stores keep.
struct Vouched;

#[async_trait]
impl ExtensionGrant for Vouched {
    fn grant_type(&self) -> &str {
        VOUCHED
    }

    fn required_fields(&self) -> &[&str] {
        &["methods"]
    }

    fn account_key<'a>(
        &'a self,
        _: &'a ExtensionRequest,
    ) -> MaybeFuture<'a, Result<Option<AccountKey<'a>>, BackendError>> {
        MaybeFuture::ready(Ok(None))
    }

    async fn exchange(&self, request: ExtensionRequest) -> Result<Verdict, BackendError> {
        let methods = match request.field("methods") {
            None | Some("unknown") => Methods::NONE,
            Some(names) => names.parse().map_err(BackendError::fault)?,
        };
        Ok(Verdict::granted(Subject::new("user-alice").with_credential_version("1")).with_methods(methods))
    }
}

fn clients() -> Vec<Client> {
    confidential(|client| client.allow_grant(VOUCHED))
}

/// An endpoint with that grant, and what its rules have seen.
fn vouching() -> (Tokens, Arc<Mutex<Vec<Methods>>>) {
    let seen = Arc::<Mutex<Vec<Methods>>>::default();
    let rule = {
        let seen = Arc::clone(&seen);
        rule_fn("watching", move |login: LoginEvent| {
            seen.lock().unwrap().push(login.methods());
            async { Ok(Ruling::proceed()) }
        })
    };
    (Tokens::with(clients(), |builder| builder.extension_grant(Vouched).rule(rule)), seen)
}

/// A login by these methods.
fn by(methods: &str) -> String {
    format!("grant_type={VOUCHED}&methods={methods}")
}

#[tokio::test]
async fn rules_see_what_a_verdict_says_of_the_methods_and_the_password_by_itself() {
    let (tokens, seen) = vouching();
    tokens.login("conf").await;
    tokens.post("/oauth/token", "conf", &by("otp+sms")).await.assert_ok();
    tokens.post("/oauth/token", "conf", &by("unknown")).await.assert_ok();
    let otp_and_sms = Methods::NONE.with(Method::Otp).with(Method::Sms);
    assert_eq!(*seen.lock().unwrap(), [Methods::NONE.with(Method::Password), otp_and_sms, Methods::NONE]);

    // A verifier that looks at a code beside the password says so.
    let seen = Arc::<Mutex<Vec<Methods>>>::default();
    let granted = Arc::clone(&seen);
    let layer = builder(&Probe::default())
        .verifier(verify_fn(|_| async {
            let verdict = Verdict::granted(Subject::new("user-alice"));
            Ok(verdict.with_methods(Methods::NONE.with(Method::Sms)).with_methods(Methods::NONE.with(Method::Otp)))
        }))
        .issuer(tower_password_grant::issue_fn(move |grant| {
            granted.lock().unwrap().push(grant.methods());
            async { Err(BackendError::fault("nobody logs in")) }
        }))
        .build()
        .unwrap();
    send(&layer, token_request(AUTH, PW)).await.assert_error(500, "server_error");
    let both = Methods::NONE.with(Method::Password).with(Method::Otp);
    assert_eq!(*seen.lock().unwrap(), [both]);
    // Nothing is said of a denial.
    let denied = Verdict::from(Denial::Locked).with_methods(both);
    assert!(matches!(denied, Verdict::Denied(Denial::Locked)));
}
