//! The server for a team that comes from Auth0. `tests/interop/auth0` drives it with the SDKs.

use serde_json::Value;

use crate::example::{Example, Scratch, Shell, ok, refused, shell};

fn start(scratch: &Scratch) -> Example {
    let file = scratch.0.join("auth0.sqlite");
    Example::launch("auth0", &[], &[("PORT", "0"), ("DATABASE", file.to_str().unwrap())])
}

/// A `curl` that trusts the example.
fn curl(example: &Example, scratch: &Scratch, rest: &str) -> String {
    let server = format!("https://localhost:{}", example.address.port());
    let authority = scratch.0.join("auth0.ca.pem");
    shell(&format!("curl -sS --cacert {} {}", authority.display(), rest.replace("SERVER", &server)))
}

#[test]
fn the_users_of_auth0_log_in_and_are_refused_as_there_and_again_after_a_restart() {
    let scratch = Scratch::new("auth0-example");
    let denied = || refused(403, "invalid_grant");
    let realms = [ok(), denied(), refused(400, "invalid_request")];
    let rules = [refused(403, "access_denied"), refused(403, "interaction_required"), refused(401, "password_leaked")];
    let open = || refused(403, "mfa_required");
    let factors = [open(), ok(), ok(), open(), ok()];
    let end = [ok(), refused(429, "too_many_attempts")];
    let expected = [&[ok(), ok(), ok()], &realms[..], &rules, &factors, &end].concat();
    for _ in 0..2 {
        let mut example = start(&scratch);
        let mut blocks = example.blocks();
        // Those wait for a person who types a code.
        blocks.retain(|block| !block.commands.contains("read -rp"));
        assert_eq!(Shell::start().paste(&blocks), expected);
    }
}

#[test]
fn each_start_has_its_own_certificate_authority_whose_key_is_in_no_file() {
    let scratch = Scratch::new("auth0-example-tls");
    let authority = scratch.0.join("auth0.ca.pem");
    let mut seen = Vec::new();
    for _ in 0..2 {
        let example = start(&scratch);
        let pem = std::fs::read_to_string(&authority).unwrap();
        assert_eq!((pem.matches("-----BEGIN").count(), pem.matches("BEGIN CERTIFICATE").count()), (1, 1), "{pem}");
        assert!(!seen.contains(&pem));
        seen.push(pem);
        let document = "SERVER/.well-known/openid-configuration";
        let found: Value = serde_json::from_str(&curl(&example, &scratch, document)).unwrap();
        assert_eq!(found["issuer"], format!("https://localhost:{}/", example.address.port()));
        // 60: the certificate is not known.
        let status = format!("curl -s https://localhost:{}/userinfo || echo $?", example.address.port());
        assert_eq!(shell(&status), "60\n");
    }
}

#[test]
fn userinfo_shows_what_the_scope_allows_and_nothing_without_openid() {
    let scratch = Scratch::new("auth0-example-userinfo");
    let example = start(&scratch);
    let userinfo = |scope: &str| -> Value {
        let form = "-d client_id=app -d grant_type=password -d username=alice@example.com";
        let password = "--data-urlencode 'password=tomato soup on a rainy day'";
        let login = format!("{form} {password} -d 'scope={scope}' SERVER/oauth/token");
        let tokens: Value = serde_json::from_str(&curl(&example, &scratch, &login)).unwrap();
        let token = tokens["access_token"].as_str().unwrap_or_else(|| panic!("{tokens}"));
        let bearer = format!("-w '%{{http_code}}' -H 'Authorization: Bearer {token}' SERVER/userinfo");
        let answer = curl(&example, &scratch, &bearer);
        let (body, status) = answer.split_at(answer.len() - 3);
        serde_json::json!([status, serde_json::from_str::<Value>(body).unwrap_or_default()])
    };
    let (email, name) = ("alice@example.com", "Alice, a customer");
    assert_eq!(userinfo("openid"), serde_json::json!(["200", { "sub": "auth0|1" }]));
    assert_eq!(userinfo("openid email"), serde_json::json!(["200", { "sub": "auth0|1", "email": email }]));
    assert_eq!(
        userinfo("openid email profile"),
        serde_json::json!(["200", { "sub": "auth0|1", "email": email, "name": name }])
    );
    assert_eq!(userinfo("email profile")[0], "403");
}
