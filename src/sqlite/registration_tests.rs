use std::time::{SystemTime, UNIX_EPOCH};

use super::*;

fn at(millis: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(millis)
}

/// A client with every option that there is.
fn full() -> Client {
    let sunset =
        Sunset::at(at(7_777)).deprecated_since(at(5_000)).with_link("https://docs.example/move?a=1#b").unwrap();
    Client::confidential("full client", &SecretDigest::of("first"))
        .secret(&SecretDigest::of("second"), Some(at(9_999)))
        .authenticate_by(ClientAuthentication::SecretPost)
        .raw_basic()
        .trust_end_user_address()
        .allow_password_grant()
        .allow_refresh_tokens()
        .allow_grant("urn:example:ticket")
        .scopes("read write")
        .default_scope("read")
        .allow_origin("https://app.example")
        .realm("staff")
        .access_token_lifetime(Duration::new(77, 3))
        .refresh_token_lifetime(Duration::from_secs(88))
        .refresh_token_idle_lifetime(Duration::from_secs(66))
        .refresh_token_leeway(Duration::from_nanos(1))
        .reuse_refresh_tokens()
        .allow_introspection()
        .resource_server("https://api.example")
        .sunset(sunset)
        .build()
        .unwrap()
}

#[test]
fn a_client_is_read_as_it_was_written_with_every_option() {
    let unset = Client::public("full client").build().unwrap();
    for (set, default) in full().facts().iter().zip(unset.facts()).skip(1) {
        assert_ne!(*set, default, "every option is set, so that none can be left out unseen");
    }
    let others = [
        unset,
        Client::with_method("a", "private_key_jwt").build().unwrap(),
        Client::confidential("b", &SecretDigest::of("s")).build().unwrap(),
        Client::confidential("c", &SecretDigest::of("s"))
            .authenticate_by(ClientAuthentication::SecretBasic)
            .realm("")
            .refresh_token_leeway(Duration::ZERO)
            .sunset(Sunset::at(at(0)))
            .build()
            .unwrap(),
        full(),
    ];
    for client in others {
        for is_enabled in [true, false] {
            let written = write(&client, is_enabled).unwrap();
            let found = read(client.id().as_str(), &written).unwrap();
            assert_eq!(found.client.facts(), client.facts(), "{written}");
            assert_eq!(found.is_enabled, is_enabled, "{written}");
        }
    }
}

#[test]
fn a_deprecation_that_was_written_with_a_date_after_the_end_locks_nobody_out() {
    let written = r#"{"authentication":"none","sunset":{"end":7777,"deprecated":9000}}"#;
    let client = read("a", written).unwrap().client;
    let sunset = client.sunset().unwrap();
    assert_eq!((sunset.end(), sunset.deprecation_date()), (at(7_777), Some(at(7_000))));
    assert_eq!(read("a", &write(&client, true).unwrap()).unwrap().client.facts(), client.facts());
}

#[test]
fn an_origin_that_no_browser_sends_locks_nobody_out() {
    let written = r#"{"authentication":"none","origins":["https://*.example","https://app.example"]}"#;
    assert_eq!(read("a", written).unwrap().client.origins(), ["https://app.example"]);
}

#[test]
fn an_option_that_this_version_does_not_know_is_refused() {
    assert!(read("a", r#"{"authentication":"none"}"#).is_ok());
    for bad in [
        r#"{"authentication":"none","only_on_mondays":true}"#,
        r#"{"authentication":"secret"}"#,
        r#"{"authentication":"moon"}"#,
        r#"{}"#,
        "",
    ] {
        assert!(read("a", bad).is_err(), "{bad}");
    }
}
