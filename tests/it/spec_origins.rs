//! Whose page sent a request, and which origins a client can list (D-39, RFC 6454).

use tower_password_grant::Client;
use tower_password_grant::mount::Metadata;

use crate::support::{AUTH, Fixture, PW, token_request};

#[tokio::test]
async fn where_the_public_url_is_known_a_page_of_the_same_host_under_another_scheme_is_foreign_ht_11() {
    let by_setting = Fixture::with(|builder| builder.public_url("https://as.example/login"));
    let metadata = || Metadata::new("https://id.example/tenant").base_url("https://as.example/auth");
    let by_metadata = Fixture::with(|builder| builder.metadata(metadata()));
    let over_metadata = Fixture::with(|builder| builder.metadata(metadata()).public_url("https://as.example"));
    for fixture in [by_setting, by_metadata, over_metadata] {
        let token = async |origin: &str, host: &'static str| {
            let mut request = token_request(&[AUTH[0], ("origin", origin)], PW);
            request.headers_mut().insert("host", http::HeaderValue::from_static(host));
            fixture.send(request).await
        };
        for host in ["as.example", "10.0.0.5:8080", "evil.example"] {
            // Whatever a proxy, or a name that was bound to this address, makes of the request's own host.
            token("https://as.example", host).await.assert_ok();
            token("https://AS.example:443", host).await.assert_ok();
            for foreign in
                ["http://as.example", "http://as.example:443", "https://as.example:8443", "https://id.example", "null"]
            {
                token(foreign, host).await.assert_error_about(400, "invalid_request", "origin");
            }
            let its_own = format!("https://{host}");
            if host != "as.example" {
                token(&its_own, host).await.assert_error_about(400, "invalid_request", "origin");
            }
        }
        // A browser believes that a page is of this server if its name was bound to this server's address.
        for site in ["same-origin", "none"] {
            for foreign in ["http://as.example", "https://evil.example", "null"] {
                let said = [AUTH[0], ("host", "evil.example"), ("origin", foreign), ("sec-fetch-site", site)];
                fixture.token(&said, PW).await.assert_error_about(400, "invalid_request", "origin");
            }
            fixture.token(&[AUTH[0], ("sec-fetch-site", site)], PW).await.assert_ok();
        }
        let said = [AUTH[0], ("origin", "https://as.example"), ("sec-fetch-site", "cross-site")];
        fixture.token(&said, PW).await.assert_error_about(400, "invalid_request", "origin");
        // What is no browser names no page.
        let said = [AUTH[0], ("origin", "https://as.example"), ("sec-fetch-site", "same-origin")];
        fixture.token(&said, PW).await.assert_ok();
        fixture.token(AUTH, PW).await.assert_ok();
    }
}

#[test]
fn an_origin_is_listed_as_a_browser_sends_it_or_not_at_all_ht_08() {
    let lists = |origin: &str| Client::public("pub").allow_origin(origin).build().is_ok();
    for sent in [
        "https://app.example",
        "https://app.example:8443",
        "http://localhost:3000",
        "http://127.0.0.1:3000",
        "http://[::1]:3000",
        "https://app_example",
        "https://xn--bcher-kva.example",
        "capacitor://localhost",
        "chrome-extension://abcdefghijklmnop",
    ] {
        assert!(lists(sent), "{sent}");
    }
    for never_sent in [
        "https://*.example",
        "*",
        "null",
        "https://app.example:443",
        "http://app.example:80",
        "https://app.example:08443",
        "https://app.example/",
        "https://app.example/page",
        "https://app.example?x",
        "https://app.example#x",
        "https://u@app.example",
        "https://App.example",
        "app.example",
        "//app.example",
        "https://",
        "https://app.example, https://b.example",
        "https://app.example https://b.example",
        "https://b\u{fc}cher.example",
        "http://[::0001]:3000",
        "http://[::1%25eth0]",
    ] {
        assert!(!lists(never_sent), "{never_sent}");
    }
}
