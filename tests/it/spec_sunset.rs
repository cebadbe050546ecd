//! Keeping the grant small and announcing its end (RFC 9700 section 2.4, RFC 8594, RFC 9745).

use std::time::Duration;

use async_trait::async_trait;
use tower_password_grant::client::{ClientError, Sunset};
use tower_password_grant::store::MemoryRefreshTokens;
use tower_password_grant::token::RefreshTokens;
use tower_password_grant::user::Recheck;
use tower_password_grant::{
    Attempt, BackendError, Builder, Client, CredentialVerifier, StaticClients, Subject, Verdict,
};

use crate::support::grants::OwnGrant;
use crate::support::{self, AUTH, Answer, Fixture, ManualClock, PW, Probe, digest, pw, send, token_request};

const DAY: Duration = Duration::from_secs(86_400);
const TYPE: &str = "urn:example:grant:badge";
const REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";

/// `conf`, whose password logins end in 30 days, and `conf2`, whose do not.
fn clients() -> StaticClients {
    let sunset = Sunset::at(ManualClock::start() + DAY * 30).with_link("https://docs.example/move").unwrap();
    let client = |id, secret| {
        let client = Client::confidential(id, &digest(secret)).allow_password_grant().allow_grant(TYPE);
        client.allow_grant(REALM).allow_refresh_tokens().scopes("read").default_scope("read")
    };
    let clients =
        [client("conf", "s3cret").sunset(sunset).build().unwrap(), client("conf2", "s3cret2").build().unwrap()];
    StaticClients::new(clients).unwrap()
}

fn with_own_grants<V, I>(builder: Builder<StaticClients, V, I>) -> Builder<StaticClients, V, I> {
    let own = |name, field| OwnGrant::new(name, &[field], |_| Ok(Subject::new("user-1").into()));
    builder.extension_grant(own(TYPE, "badge")).extension_grant(own(REALM, "password").begins_password_login(true))
}

fn ending(clock: &ManualClock) -> Fixture {
    Fixture::with(|builder| with_own_grants(builder.clients(clients()).clock(clock.clone())))
}

/// A verifier that still knows every user.
struct Everybody;

#[async_trait]
impl CredentialVerifier for Everybody {
    async fn verify(&self, _: Attempt) -> Result<Verdict, BackendError> {
        Ok(Subject::new("user-1").into())
    }

    async fn recheck(&self, login: &Recheck) -> Result<Verdict, BackendError> {
        Ok(Subject::new(login.subject_id().to_owned()).into())
    }
}

fn announced(answer: &Answer) -> [Option<&str>; 3] {
    [answer.header("deprecation"), answer.header("sunset"), answer.header("link")]
}

const ANNOUNCEMENT: [Option<&str>; 3] = [
    Some("@1735689600"),
    Some("Sat, 31 Jan 2026 00:00:00 GMT"),
    Some(
        "<https://docs.example/move>; rel=\"deprecation\"; type=\"text/html\", \
         <https://docs.example/move>; rel=\"sunset\"; type=\"text/html\"",
    ),
];

#[tokio::test]
async fn a_new_client_may_use_no_grant_until_its_registration_says_so_bc_01_bc_02_se_05() {
    let client = Client::confidential("conf", &digest("s3cret")).scopes("read").default_scope("read").build().unwrap();
    let fixture = Fixture::with(|builder| builder.clients(StaticClients::new([client]).unwrap()));
    fixture.token(AUTH, PW).await.assert_error(400, "unauthorized_client");
    assert_eq!(fixture.probe.calls(), 0);
}

#[tokio::test]
async fn the_end_is_announced_with_every_answer_of_the_grant_bc_03() {
    let fixture = ending(&ManualClock::new());
    let fine = fixture.token(AUTH, PW).await;
    fine.assert_ok();
    assert_eq!(announced(&fine), ANNOUNCEMENT);
    let denied = fixture.token(AUTH, "grant_type=password&username=alice&password=x").await;
    denied.assert_error(400, "invalid_grant");
    assert_eq!(announced(&denied), ANNOUNCEMENT);
}

#[tokio::test]
async fn the_end_is_announced_to_nobody_else_bc_03() {
    let fixture = ending(&ManualClock::new());
    let other = fixture.token(&[("authorization", &support::basic("conf2", "s3cret2"))], PW).await;
    other.assert_ok();
    let stranger = fixture.token(&[("authorization", &support::basic("conf", "wrong"))], PW).await;
    stranger.assert_error(401, "invalid_client");
    let badge = fixture.token(AUTH, &format!("grant_type={TYPE}&badge=1")).await;
    badge.assert_ok();
    for answer in [other, stranger, badge] {
        assert_eq!(announced(&answer), [None; 3]);
    }
}

#[tokio::test]
async fn after_the_end_the_client_is_unauthorized_for_the_password_grant_and_for_nothing_else_bc_03() {
    let clock = ManualClock::new();
    let fixture = ending(&clock);
    clock.advance(DAY * 30 - Duration::from_secs(1));
    fixture.token(AUTH, PW).await.assert_ok();
    clock.advance(Duration::from_secs(1));
    let calls = fixture.probe.calls();
    fixture.token(AUTH, PW).await.assert_error(400, "unauthorized_client");
    assert_eq!(fixture.probe.calls(), calls);
    fixture.token(AUTH, &format!("grant_type={TYPE}&badge=1")).await.assert_ok();
    fixture.token(&[("authorization", &support::basic("conf2", "s3cret2"))], PW).await.assert_ok();
}

#[tokio::test]
async fn the_end_is_one_of_every_grant_type_by_which_a_password_login_begins_bc_03() {
    let clock = ManualClock::new();
    let fixture = ending(&clock);
    let realm = format!("grant_type={REALM}&password=x&realm=staff");
    let before = fixture.token(AUTH, &realm).await;
    before.assert_ok();
    assert_eq!(announced(&before), ANNOUNCEMENT);
    clock.advance(DAY * 30);
    let after = fixture.token(AUTH, &realm).await;
    after.assert_error(400, "unauthorized_client");
    assert_eq!(announced(&after), ANNOUNCEMENT);
    fixture.token(&[("authorization", &support::basic("conf2", "s3cret2"))], &realm).await.assert_ok();
}

#[tokio::test]
async fn a_login_that_has_begun_goes_on_after_the_end_bc_03() {
    let clock = ManualClock::new();
    let builder = support::builder(&Probe::default()).clients(clients()).clock(clock.clone()).verifier(Everybody);
    let refresh = RefreshTokens::in_store(MemoryRefreshTokens::new()).lifetime(DAY * 60).idle_lifetime(DAY * 60);
    let layer = with_own_grants(builder.refresh_tokens(refresh)).build().unwrap();
    let ask = async |body: String| send(&layer, token_request(AUTH, &body)).await;
    let mut tokens = Vec::new();
    for login in [PW.to_owned(), format!("grant_type={REALM}&password=x"), format!("grant_type={TYPE}&badge=1")] {
        let json = ask(login).await.assert_ok();
        tokens.push(json["refresh_token"].as_str().unwrap().to_owned());
    }
    clock.advance(DAY * 31);
    for token in tokens {
        let refreshed = ask(format!("grant_type=refresh_token&refresh_token={token}")).await;
        refreshed.assert_ok();
        assert_eq!(announced(&refreshed), [None; 3]);
    }
}

#[test]
fn the_link_is_an_absolute_uri_bc_03() {
    for bad in ["/move", "https://docs.example/a b", "https://docs.example/>", "https://docs.example/\"", ""] {
        assert!(Sunset::at(ManualClock::start()).with_link(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn the_date_of_deprecation_can_be_set_bc_03() {
    let sunset = Sunset::at(ManualClock::start() + DAY).deprecated_since(ManualClock::start());
    let client = Client::public("pub").allow_password_grant().scopes("read").default_scope("read").sunset(sunset);
    let clients = StaticClients::new([client.build().unwrap()]).unwrap();
    let fixture = Fixture::with(|builder| builder.clients(clients).clock(ManualClock::new()));
    let answer = fixture.token(&[], &pw("client_id=pub")).await;
    answer.assert_ok();
    assert_eq!(announced(&answer), [Some("@1767225600"), Some("Fri, 02 Jan 2026 00:00:00 GMT"), None]);
}

#[test]
fn a_client_cannot_end_before_it_is_deprecated_bc_03() {
    let client = |sunset| Client::public("pub").sunset(sunset).build().map(|_| ());
    let end = ManualClock::start() + DAY;
    for late in [end + Duration::from_secs(1), end + DAY, end + DAY * 365 * 10_000] {
        assert_eq!(client(Sunset::at(end).deprecated_since(late)), Err(ClientError::SunsetBeforeDeprecation));
    }
    // One moment for both is no contradiction, nor is what headers cannot tell apart.
    for date in [end, end + Duration::from_millis(999), end - DAY, std::time::SystemTime::UNIX_EPOCH - DAY] {
        assert_eq!(client(Sunset::at(end).deprecated_since(date)), Ok(()));
    }
    // A registration that says nothing of it cannot be wrong, also with an end that is long past.
    for end in [end, std::time::SystemTime::UNIX_EPOCH, std::time::SystemTime::UNIX_EPOCH - DAY] {
        assert_eq!(client(Sunset::at(end)), Ok(()));
    }
    assert!(ClientError::SunsetBeforeDeprecation.to_string().contains("`deprecated_since`"));
}

#[tokio::test]
async fn no_answer_is_a_redirect_or_sets_a_cookie_bc_12_ok_11() {
    // Every answer of every test passes the same assertions; here for a path that a framework would redirect.
    let fixture = Fixture::new();
    for body in [PW, "", "grant_type=password&username=alice&password=x"] {
        let answer = fixture.token(AUTH, body).await;
        assert!(!answer.status.is_redirection());
        assert!(answer.header("location").is_none() && answer.header("set-cookie").is_none());
    }
}
