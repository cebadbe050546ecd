use super::*;

#[test]
fn generated_secrets_are_letters_and_digits_of_256_bits() {
    let secret = ClientSecret::generate().unwrap();
    assert_eq!(secret.expose().len(), 43);
    assert!(secret.expose().bytes().all(|b| b.is_ascii_alphanumeric()));
    assert_ne!(secret.expose(), ClientSecret::generate().unwrap().expose());
}

#[test]
fn registration_refuses_what_the_standard_does_not_allow_ab_01_o21_03() {
    let error = |builder: ClientBuilder| builder.build().unwrap_err();
    let digest = SecretDigest::of("s3cret");
    assert_eq!(error(Client::public("café")), ClientError::Id);
    assert_eq!(error(Client::public("")), ClientError::Id);
    assert_eq!(error(Client::confidential("a", &SecretDigest::of(""))), ClientError::EmptySecret);
    assert_eq!(error(Client::public("a").secret(&digest, None)), ClientError::Authentication);
    assert_eq!(error(Client::public("a").default_scope("read")), ClientError::DefaultScope);
    for name in ["", "a\nb", "a\u{85}"] {
        assert_eq!(error(Client::public("a").allow_audience(name)), ClientError::Audience, "{name:?}");
    }
    let short = Duration::from_millis(999);
    assert_eq!(error(Client::public("a").access_token_lifetime(short)), ClientError::Lifetime(short));
    let two = Client::confidential("a", &digest).secret(&digest, None);
    assert_eq!(error(two.secret(&digest, None)), ClientError::TooManySecrets);
}

#[test]
fn origins_are_written_as_browsers_send_them_ht_08() {
    for good in ["https://a.example", "http://localhost:3000", "https://[::1]:8443", "http://192.0.2.1"] {
        assert!(Client::public("a").allow_origin(good).build().is_ok(), "{good}");
    }
    for bad in [
        "https://a.example/",
        "https://a.example?x",
        "https://a.example#x",
        "https://u@a.example",
        "https://A.example",
        "https://a.example:443",
        "http://a.example:80",
        "a.example",
        "//a.example",
        "null",
        "*",
        "",
    ] {
        assert_eq!(Client::public("a").allow_origin(bad).build().unwrap_err(), ClientError::Origin, "{bad}");
    }
}

impl Client {
    /// Every field, for the tests of the registration: a new one does not compile until it is here.
    pub(crate) fn fields(&self) -> [String; 16] {
        let Inner {
            id,
            authentication,
            secrets,
            raw_basic,
            trusts_end_user_address,
            grants,
            scopes,
            default_scope,
            origins,
            realms,
            lifetime,
            sunset,
            stands_for,
            allowed_audiences,
            may_introspect,
            refresh,
        } = &*self.0;
        let secret = |secret: &StoredSecret| (*secret.digest.as_bytes(), secret.expires);
        let secrets: Vec<_> = secrets.iter().flatten().map(secret).collect();
        [
            format!("{id:?}"),
            format!("{authentication:?}"),
            format!("{secrets:?}"),
            format!("{raw_basic:?}"),
            format!("{trusts_end_user_address:?}"),
            format!("{grants:?}"),
            format!("{scopes:?}"),
            format!("{default_scope:?}"),
            format!("{origins:?}"),
            format!("{realms:?}"),
            format!("{lifetime:?}"),
            format!("{sunset:?}"),
            format!("{stands_for:?}"),
            format!("{allowed_audiences:?}"),
            format!("{may_introspect:?}"),
            format!("{refresh:?}"),
        ]
    }
}
