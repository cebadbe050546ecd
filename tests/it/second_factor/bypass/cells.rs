//! The table: each way in at each client and in each profile, and how it is refused.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tower_password_grant::mount::Profile;

use super::{EXCHANGE, counted};
use crate::second_factor::flow::open;
use crate::second_factor::ways::{PHONE, text};
use crate::support::Answer;
use crate::support::factors::{AUDIENCE, FORM, FactorBed, JSON, bearer_of, request};

const PASSWORD: &str = "grant_type=password&username=alice&password=correct+horse";
const REALM: &str = "http://auth0.com/oauth/grant-type/password-realm";
/// The header of `shop`.
const SHOP: &str = "Basic c2hvcDpzM2NyZXQ=";
const CLIENTS: [&str; 5] = ["app", "other", "shop", "staff", "plain"];

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Says {
    /// A second factor is demanded, and the client may go on with it.
    Open,
    /// The same, and the client may not.
    Shut,
    /// This status and code.
    No(u16, &'static str),
    /// The one by the profile of the RFC, the other by Auth0's.
    Differs((u16, &'static str), (u16, &'static str)),
    /// A wrong code or token, whose status is the profile's.
    Wrong,
    /// 200, with no token in it.
    Told,
}

use Says::{Differs, No, Open, Shut, Told, Wrong};

/// The client has no right to it.
const UNAUTHORIZED: Says = Differs((400, "unauthorized_client"), (403, "unauthorized_client"));
/// The client is not the one that it says.
const NO_CLIENT: Says = Differs((400, "invalid_client"), (401, "access_denied"));

struct Cell {
    name: String,
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
    says: Says,
}

/// A form to a path; `shop` authenticates by its header.
fn form(path: &str, client: &str, body: &str, says: Says) -> Cell {
    let mut headers = vec![(FORM.0, FORM.1.to_owned())];
    let body = if client == "shop" {
        headers.push(("authorization", SHOP.to_owned()));
        body.to_owned()
    } else {
        format!("client_id={client}&{body}")
    };
    let name = format!("{client}: {path} {body}");
    Cell { name, method: Method::POST, path: path.to_owned(), headers, body, says }
}

fn token(client: &str, body: &str, says: Says) -> Cell {
    form("/oauth/token", client, body, says)
}

/// The second step by this way.
fn finish(client: &str, way: &str, values: &str, says: Says) -> Cell {
    token(client, &format!("grant_type=http://auth0.com/oauth/grant-type/mfa-{way}&{values}"), says)
}

/// A request to an endpoint that goes by a bearer.
fn managed(bearer: (&str, &str), method: Method, path: &str, body: &Value, says: Says) -> Cell {
    let headers = vec![(JSON.0, JSON.1.to_owned()), ("authorization", bearer_of(bearer.1))];
    let body = if method == Method::POST { body.to_string() } else { String::new() };
    let name = format!("{method} {path} with {}", bearer.0);
    Cell { name, method, path: path.to_owned(), headers, body, says }
}

/// What an attacker with the password has, and what is shown at the wrong place.
struct Known {
    /// Refresh tokens from before the enrolment, of each client.
    before: Vec<(&'static str, String)>,
    /// One of an extension grant.
    before_by_exchange: String,
    /// Access tokens from before it: for the endpoints of second factors, and for nothing.
    weak: String,
    ordinary: String,
    /// Open logins: of alice at `app` and in a realm of `staff`, and of bob.
    open: String,
    open_in_realm: String,
    open_of_bob: String,
    /// Right codes of each of them.
    code: String,
    code_in_realm: String,
    code_of_bob: String,
    recovery_of_bob: String,
    /// A message for alice's login, its code, and one for another of her logins.
    oob: String,
    typed: String,
    other_oob: String,
    /// Her authenticator app.
    id: String,
}

async fn send(bed: &FactorBed, cell: &Cell) -> Answer {
    let headers: Vec<(&str, &str)> = cell.headers.iter().map(|(name, value)| (*name, &**value)).collect();
    bed.send(request(cell.method.clone(), &cell.path, &headers, &cell.body)).await
}

async fn given(bed: &FactorBed, client: &str, body: &str) -> Value {
    let answer = send(bed, &token(client, body, Told)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

async fn left_open(bed: &FactorBed, client: &str, body: &str) -> String {
    open(&send(bed, &token(client, body, Open)).await)
}

/// An authenticator app, enrolled and confirmed: its secret, and a recovery code.
async fn enrol(bed: &FactorBed, client: &str, login: &str) -> (String, String) {
    let scope = "enroll+read:authenticators+remove:authenticators";
    let bearer = text(&given(bed, client, &format!("{login}&audience={AUDIENCE}&scope={scope}")).await, "access_token");
    let (secret, json) = bed.enrol_app(&bearer).await;
    let values = format!("mfa_token={}&otp={}", text(&json, "mfa_token"), bed.code(&secret));
    assert_eq!(send(bed, &finish(client, "otp", &values, Told)).await.status, 200);
    (secret, json["recovery_codes"][0].as_str().unwrap().to_owned())
}

/// alice before the enrolment, then with an app and a phone; in a realm with another app; and bob with one.
async fn known(bed: &FactorBed, profile: Profile) -> Known {
    let scope = if profile == Profile::Auth0 { "&scope=read+offline_access" } else { "&scope=read" };
    let mut before = Vec::new();
    for client in CLIENTS {
        before.push((client, text(&given(bed, client, &format!("{PASSWORD}{scope}")).await, "refresh_token")));
    }
    let exchange = given(bed, "app", &format!("grant_type={EXCHANGE}&methods=pwd{scope}")).await;
    let weak = bed.manager("alice").await;
    let ordinary = text(&given(bed, "app", PASSWORD).await, "access_token");

    let (secret, _) = enrol(bed, "app", PASSWORD).await;
    let (secret_in_realm, _) = enrol(bed, "staff", PASSWORD).await;
    let (secret_of_bob, recovery_of_bob) = enrol(bed, "app", &PASSWORD.replace("alice", "bob")).await;
    let strong = bed.strong("alice").await;
    let phone = json!({ "authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": PHONE });
    let begun = bed.associate(&strong, &phone).await.json();
    let confirmed = bed.redeem_oob(&text(&begun, "mfa_token"), &text(&begun, "oob_code"), Some(&bed.typed())).await;
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    bed.clock.advance(Duration::from_secs(60));

    let other_oob = bed.sent(&left_open(bed, "app", PASSWORD).await).await;
    let open = left_open(bed, "app", PASSWORD).await;
    let oob = bed.sent(&open).await;
    let listed = bed.list(&strong).await.json();
    let app = listed.as_array().unwrap().iter().find(|one| one["type"] == "otp").unwrap();
    Known {
        before,
        before_by_exchange: text(&exchange, "refresh_token"),
        weak,
        ordinary,
        open,
        open_in_realm: left_open(bed, "staff", PASSWORD).await,
        open_of_bob: left_open(bed, "app", &PASSWORD.replace("alice", "bob")).await,
        code: bed.code(&secret),
        code_in_realm: bed.code(&secret_in_realm),
        code_of_bob: bed.code(&secret_of_bob),
        recovery_of_bob,
        oob,
        typed: bed.typed(),
        other_oob,
        id: text(app, "id").replace('|', "%7C"),
    }
}

/// First steps: each grant at each client, with whatever is added to it.
fn first_steps(known: &Known, profile: Profile) -> Vec<Cell> {
    let mut cells = Vec::new();
    for client in CLIENTS {
        let leaves = if client == "plain" { Shut } else { Open };
        let code = &known.code;
        for more in [
            "",
            "&scope=read",
            &format!("&otp={code}"),
            &format!("&mfa_token={}&otp={code}", known.open),
            "&mfa_token=x&recovery_code=x",
        ] {
            cells.push(token(client, &format!("{PASSWORD}{more}"), leaves));
        }
        // Auth0 leaves out what it does not know of a scope.
        let is_unknown = client == "plain" && profile == Profile::Rfc6749;
        let managing = if is_unknown { No(400, "invalid_scope") } else { leaves };
        cells.push(token(client, &format!("{PASSWORD}&audience={AUDIENCE}&scope=enroll"), managing));
        for methods in ["", "&methods=pwd", "&methods=otp"] {
            cells.push(token(client, &format!("grant_type={EXCHANGE}{methods}"), leaves));
        }
        let in_realm = format!("{}&realm=one", PASSWORD.replace("=password&", &format!("={REALM}&")));
        let says = if client == "staff" { Open } else { UNAUTHORIZED };
        cells.push(token(client, &in_realm, says));
    }
    cells.push(token("staff", &format!("{PASSWORD}&realm=one"), Open));
    for (client, before) in &known.before {
        let leaves = if *client == "plain" { Shut } else { Open };
        cells.push(token(client, &format!("grant_type=refresh_token&refresh_token={before}"), leaves));
        let with_code = format!("grant_type=refresh_token&refresh_token={before}&otp={}", known.code);
        cells.push(token(client, &with_code, leaves));
    }
    let before = &known.before_by_exchange;
    cells.push(token("app", &format!("grant_type=refresh_token&refresh_token={before}"), Open));
    cells
}

/// Second steps: a right value at the wrong place, and a wrong one at the right place.
fn second_steps(known: &Known) -> Vec<Cell> {
    let Known { open, open_in_realm, open_of_bob, code, code_in_realm, code_of_bob, oob, typed, .. } = known;
    let mut cells = Vec::new();
    for client in ["other", "shop", "staff", "plain"] {
        let says = if client == "plain" { UNAUTHORIZED } else { Wrong };
        cells.push(finish(client, "otp", &format!("mfa_token={open}&otp={code}"), says));
        cells.push(finish(client, "oob", &format!("mfa_token={open}&oob_code={oob}&binding_code={typed}"), says));
        cells.push(finish(client, "recovery-code", &format!("mfa_token={open}&recovery_code=x"), says));
    }
    let (refresh, recovery) = (&known.before[0].1, &known.recovery_of_bob);
    for (way, values, says) in [
        // Of another realm or user.
        ("otp", format!("mfa_token={open_in_realm}&otp={code_in_realm}"), Wrong),
        ("otp", format!("mfa_token={open}&otp={code_in_realm}"), Wrong),
        ("otp", format!("mfa_token={open}&otp={code_of_bob}"), Wrong),
        ("otp", format!("mfa_token={open_of_bob}&otp={code}"), Wrong),
        ("recovery-code", format!("mfa_token={open}&recovery_code={recovery}"), Wrong),
        ("oob", format!("mfa_token={open_of_bob}&oob_code={oob}&binding_code={typed}"), Wrong),
        ("oob", format!("mfa_token={open}&oob_code={}&binding_code={typed}", known.other_oob), Wrong),
        // None, and no code.
        ("otp", format!("mfa_token={open}"), No(400, "invalid_request")),
        ("otp", format!("mfa_token={open}&otp="), No(400, "invalid_request")),
        ("otp", format!("otp={code}"), No(400, "invalid_request")),
        ("otp", format!("mfa_token={open}&otp=000000"), Wrong),
        ("otp", format!("mfa_token={open}&otp={typed}"), Wrong),
        ("oob", format!("mfa_token={open}&oob_code={oob}"), No(400, "authorization_pending")),
        ("oob", format!("mfa_token={open}&oob_code={oob}&binding_code={code}"), Wrong),
        ("oob", format!("mfa_token={open}&oob_code={open}&binding_code={typed}"), Wrong),
        ("oob", format!("mfa_token={open}&binding_code={typed}"), No(400, "invalid_request")),
        ("recovery-code", format!("mfa_token={open}&recovery_code={code}"), Wrong),
        ("recovery-code", format!("mfa_token={open}"), No(400, "invalid_request")),
        // What is no login that is open.
        ("otp", format!("mfa_token={refresh}&otp={code}"), Wrong),
        ("otp", format!("mfa_token={}&otp={code}", known.weak), Wrong),
        ("otp", format!("mfa_token={}&otp={code}", known.ordinary), Wrong),
        ("otp", format!("mfa_token={oob}&otp={code}"), Wrong),
    ] {
        cells.push(finish("app", way, &values, says));
    }
    cells.push(finish("staff", "otp", &format!("mfa_token={open_in_realm}&otp={code}&realm=two"), Wrong));
    for body in [format!("refresh_token={open}"), format!("refresh_token={oob}")] {
        cells.push(token("app", &format!("grant_type=refresh_token&{body}"), Wrong));
    }
    cells
}

/// The other endpoints.
fn endpoints(known: &Known) -> Vec<Cell> {
    let Known { open, weak, ordinary, oob, .. } = known;
    let mut cells = Vec::new();
    for client in CLIENTS {
        let says = if client == "app" { Told } else { Wrong };
        cells.push(form("/mfa/challenge", client, &format!("mfa_token={open}&challenge_type=otp"), says));
    }
    for bearer in [weak, ordinary, oob] {
        cells.push(form("/mfa/challenge", "app", &format!("mfa_token={bearer}&challenge_type=otp"), Wrong));
    }
    let (enrol, one) = (json!({ "authenticator_types": ["otp"] }), format!("/mfa/authenticators/{}", known.id));
    let stranger = No(401, "invalid_token");
    let refresh = &known.before[0].1;
    for (name, bearer, [enrols, lists, removes]) in [
        ("a login that is open", open, [No(403, "access_denied"), Told, No(403, "insufficient_scope")]),
        ("a token from before", weak, [No(403, "access_denied"), Told, No(403, "insufficient_scope")]),
        ("a token for something else", ordinary, [stranger; 3]),
        ("a refresh token", refresh, [stranger; 3]),
        ("a message", oob, [stranger; 3]),
    ] {
        cells.push(managed((name, bearer), Method::POST, "/mfa/associate", &enrol, enrols));
        cells.push(managed((name, bearer), Method::GET, "/mfa/authenticators", &enrol, lists));
        cells.push(managed((name, bearer), Method::DELETE, &one, &enrol, removes));
    }
    for value in [open, oob] {
        for path in ["/oauth/introspect", "/oauth/revoke"] {
            cells.push(form(path, "shop", &format!("token={value}"), Told));
        }
    }
    cells.push(form("/oauth/introspect", "app", &format!("token={open}"), NO_CLIENT));
    cells.push(form("/oauth/revoke", "app", &format!("token={open}"), Told));
    cells
}

/// Whether an answer is what the cell says, and gives nothing.
fn is_as_said(cell: &Cell, answer: &Answer, profile: Profile) -> bool {
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let tokens = ["access_token", "refresh_token", "id_token"];
    if tokens.iter().any(|name| json.get(name).is_some()) || json["active"] == true {
        return false;
    }
    let wrong = if profile == Profile::Auth0 { 403 } else { 400 };
    let (status, code) = match cell.says {
        Open | Shut => (403, "mfa_required"),
        No(status, code) => (status, code),
        Differs(by_rfc, by_auth0) => {
            if profile == Profile::Auth0 {
                by_auth0
            } else {
                by_rfc
            }
        }
        Wrong => (wrong, "invalid_grant"),
        Told => return answer.status == 200,
    };
    let leaves = json.get("mfa_token").is_some_and(Value::is_string);
    answer.status == status && json["error"] == code && leaves == (cell.says == Open)
}

#[tokio::test]
async fn no_grant_client_realm_or_endpoint_gives_an_enrolled_user_a_token_without_a_code_t73_t77_t81_t98_t99() {
    for profile in [Profile::Rfc6749, Profile::Auth0] {
        let (bed, count) = counted(profile);
        let known = known(&bed, profile).await;
        let issued = count.load(SeqCst);
        let cells = first_steps(&known, profile).into_iter().chain(second_steps(&known)).chain(endpoints(&known));
        let cells: Vec<Cell> = cells.collect();
        let mut wrong = Vec::new();
        for cell in &cells {
            let answer = send(&bed, cell).await;
            if !is_as_said(cell, &answer, profile) || count.load(SeqCst) != issued {
                let Answer { status, body, .. } = &answer;
                wrong.push(format!("{}\n    is {:?}, and was {status} {body:?}", cell.name, cell.says));
            }
        }
        assert!(wrong.is_empty(), "{profile:?}, {} of {} cells:\n{}", wrong.len(), cells.len(), wrong.join("\n"));
        assert_eq!(count.load(SeqCst), issued, "something was issued");

        // What was shown at the wrong places was right, and none of it was used up.
        let by_app = finish("app", "otp", &format!("mfa_token={}&otp={}", known.open, known.code), Told);
        assert_eq!(send(&bed, &by_app).await.status, 200);
        let values = format!("mfa_token={}&otp={}", known.open_in_realm, known.code_in_realm);
        assert_eq!(send(&bed, &finish("staff", "otp", &values, Told)).await.status, 200);
        let values = format!("mfa_token={}&recovery_code={}", known.open_of_bob, known.recovery_of_bob);
        assert_eq!(send(&bed, &finish("app", "recovery-code", &values, Told)).await.status, 200);
        assert_eq!(count.load(SeqCst), issued + 3);
    }
}
