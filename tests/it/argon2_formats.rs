//! What old tables hold: texts of many systems, and what becomes of each.

use metrics_exporter_prometheus::PrometheusBuilder;
use tower_password_grant::argon2::{Argon2Verifier, HashFormat, UnusableHash};
use tower_password_grant::store::UserStatus;
use tower_password_grant::testing::attempt;
use tower_password_grant::{CredentialVerifier as _, Denial, Password, Verdict};
use tracing::Level;

use Outcome::{Meant, Refused, Right};

use crate::support::argon2_users::{House, Users, cheap};
use crate::support::capture::{Capture, Said};

const PASSWORD: &str = "correct horse";
const HUNDRED: &str =
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

#[derive(Clone, Copy)]
enum Outcome {
    /// This password logs in, no other does, and the hash is upgraded.
    Right(&'static str),
    /// No password logs in, and a warning says the format and, among other things, the cause.
    Refused(&'static str, &'static str),
    /// Somebody wrote that there is no password: nothing to warn of.
    Meant,
}

/// Made by Django 5.2.19, passlib 1.7.4 with bcrypt 4.0.1 and argon2-cffi 25.1.0, PyNaCl 1.6.2 (libsodium) and Werkzeug
/// 3.1.9, at low costs. Spring's without a version are those of its reference documentation. Spring's of 5.8 and those of
/// ASP.NET Identity were made by Python's hashlib, as their sources describe them.
#[rustfmt::skip]
const TEXTS: [(&str, &str, Outcome); 78] = [
    ("django pbkdf2_sha256", "pbkdf2_sha256$1000$aSaltOfDjango123$gK1VhhKwphHPcwqZQIIrP0vKyiaw0xXSJGm88anPi58=", Right(PASSWORD)),
    ("django pbkdf2_sha1", "pbkdf2_sha1$1000$aSaltOfDjango123$G8+64iO3k5YOUxA+hHp/GQoFJZg=", Right(PASSWORD)),
    ("django argon2", "argon2$argon2id$v=19$m=64,t=1,p=1$YVNhbHRPZkRqYW5nbzEyMw$aZtKqeQNdoavfDP+hZ8VPYx9Mnmm8io4StqdrfmVAzs", Right(PASSWORD)),
    ("django bcrypt_sha256", "bcrypt_sha256$$2b$04$mvO5gWjhKX7XtgoA83kzAOhjRFYvJF.Sa8S4h8nO1VNH9z1kqzjjC", Right(PASSWORD)),
    ("django bcrypt", "bcrypt$$2b$04$hyKBqwt/mc2sSmgLreooK.gimOYY5lidl5IIrwNjJ4M9duG9qNeoy", Right(PASSWORD)),
    ("django scrypt", "scrypt$1024$aSaltOfDjango123$8$5$Eekzyy3QgJI7jUih8kEIJpczLi8h0yODEYivZKkdl/OrSjYTZcKkF1TO4tlMxrdtMpdsH1i/BQBcL02sO90yyA==", Right(PASSWORD)),
    ("django bcrypt_sha256, 100 bytes", "bcrypt_sha256$$2b$04$QGW.Qw53DKukozreELGv9eDQIaHAzOraZMbOOLglwTKda3wmQSFOC", Right(HUNDRED)),
    ("django, no password", "!nwXqpMKGFC5PPXmB9Pz1yplRNSMG1F5BIuFKJQBf", Meant),
    ("django md5", "md5$aSaltOfDjango123$456aef5ff9590213389e99b7968dd6ef", Refused("Django's md5", "HashFormat")),
    ("passlib pbkdf2_sha256", "$pbkdf2-sha256$1000$n5MyplQqRcgZo7SW0tob4w$Ajsr5FiE5b4w.kItxu4KwAErKja3FHCMDyK6ZRqMl3g", Right(PASSWORD)),
    ("passlib pbkdf2_sha512", "$pbkdf2-sha512$1000$CuG89z7HGIMwRiglZEyptQ$pG3kwvnNJFFeeVpaVhXdZYH/KWGtWDEGQkWMD803liLKnAO7CpurH89VGd2btI74P1tm/iwRq8lv2HbkCW0IWQ", Right(PASSWORD)),
    ("passlib pbkdf2_sha1", "$pbkdf2$1000$B0AIQUjpXQvBuNda632PsQ$.tWk5dFyQS/zKUMylntCEDd3Ti0", Right(PASSWORD)),
    ("passlib bcrypt_sha256 v2", "$bcrypt-sha256$v=2,t=2b,r=4$al/.9yURlka6kDrJVn5jX.$hqQJ855kK4DfrMsd8KWMxoIjvMn2efi", Right(PASSWORD)),
    ("passlib bcrypt_sha256 v1", "$bcrypt-sha256$2b,4$yQWDAwOg0EDYDflb7D3TL.$uRZYo8GbSLMQ.ZTRR1QjGsxSZ8q3YI.", Right(PASSWORD)),
    ("passlib bcrypt 2b", "$2b$04$Ka4zc5nWkwQ5fiYsD7ph7uSQYyvNWeevDItpDnHsGcIQ3RU.BE8ZC", Right(PASSWORD)),
    ("passlib bcrypt 2a", "$2a$04$1liMQ/YQBuCFUIwJulWEI.zRVEdFW.zSLDbiVrUBijvMK6SIE0LhS", Right(PASSWORD)),
    ("passlib bcrypt 2y", "$2y$04$XyQ9dphYNz7y0dVI1kqsdOsqaCeWbEQA9yusZGnr8mj14v0EenBeO", Right(PASSWORD)),
    ("passlib scrypt", "$scrypt$ln=10,r=8,p=1$Qsg5p9SaE0IoJcTYOwfg/A$2jN+ZnHd2XhrRYm3q/03zGnV9x4mlFUPK7+1SJlKLLQ", Right(PASSWORD)),
    ("passlib argon2", "$argon2id$v=19$m=64,t=1,p=1$9D6H0JoTQqh1DmHsnXPO2Q$9q4upxomYa6undH3OKHMns/tqmjOTnYi6VqUyAfCRGI", Right(PASSWORD)),
    ("passlib argon2i", "$argon2i$v=19$m=64,t=1,p=1$UaoVAqAUAqD03jsH4JzTWg$awYvSlT2/grYYnz3xX6XfVrS0tlYhfWoAnS527l/cf8", Right(PASSWORD)),
    ("passlib argon2d", "$argon2d$v=19$m=64,t=1,p=1$915LqVXKeQ9BSOndW4vxng$14zcxYpOWG52M5d3IQJsKEfTyr8NzN5FZNKmWquCOZ4", Right(PASSWORD)),
    ("passlib bcrypt_sha256, 100 bytes", "$bcrypt-sha256$v=2,t=2b,r=4$QHabCcmr33XhvaCxGq5Ah.$cs0NrIhVpvj9oPM5FCas9kQqMD2dT06", Right(HUNDRED)),
    ("passlib ldap_pbkdf2_sha1", "{PBKDF2}1000$thaCcK6VktI6p3ROac2ZMw$h6h6tkJop8UOIvHfqsmWD4jDngk", Right(PASSWORD)),
    ("passlib ldap_pbkdf2_sha256", "{PBKDF2-SHA256}1000$5HwvpXQuhbA2xpiTEiIEQA$2jiALxXcet6Ef/Lhf4DL2SYOx9c1gRSyPwCOf.OeN48", Right(PASSWORD)),
    ("passlib ldap_pbkdf2_sha512", "{PBKDF2-SHA512}1000$NebcO.d8j7F2bs25916rdQ$J4.ACZlYO2u7vFFA2OlsBjhPQcWpTlW38CGs8UoiyOm5biQlFAJvbx92B91uTYJ2i73Dlqe9wkzOyJb50Y74nA", Right(PASSWORD)),
    ("passlib ldap ssha", "{SSHA}o8PXHgdS/g6QUjgZKj+vI+uxHZZ2zjkH", Refused("SHA-1 in braces", "HashFormat")),
    ("passlib sha512_crypt", "$6$rounds=1000$HpxFqBIQh.mxLXnN$8u7AbPH0sA8RK8hnvpCCZE.bBx/0a4VPPb3r6hnAlme2u8.xPjoiJy1XB55Hn4MFNDJSjxVl79kRaaIYWb6yH.", Refused("sha512-crypt", "HashFormat")),
    ("passlib sha256_crypt", "$5$rounds=1000$2mFvr4e1GpHo3jUp$N0SZhS38KBk5El2A2vZw1urc.IfL9O1p8fRUNj4FqpD", Refused("sha256-crypt", "HashFormat")),
    ("passlib md5_crypt", "$1$w8.us20P$9vpDLU8hQ9pf4IDRZglDG.", Refused("md5-crypt", "HashFormat")),
    ("passlib apr_md5", "$apr1$.eipyOYw$BAWdnZeNndsIsZbpcVsp31", Refused("Apache's md5-crypt", "HashFormat")),
    ("passlib phpass", "$P$5jdHlf3xynDSNs51WI8JP7m0pMm.3C1", Refused("phpass", "HashFormat")),
    ("passlib des", "DWFMF4Oi1nzBM", Refused("13 characters", "HashFormat")),
    ("passlib mysql41", "*0E8F21E4240F5AD5A07D088F9C93890D13D78A4E", Refused("MySQL's PASSWORD()", "HashFormat")),
    ("passlib hex_md5", "3cb4e732631f47e6eb961f34554b7cde", Refused("32 hexadecimal digits", "HashFormat")),
    ("passlib hex_sha1", "2f9e53523b62abc141a2b4d6019d23cba835dbd0", Refused("40 hexadecimal digits", "HashFormat")),
    ("passlib hex_sha256", "4104d36f8da2c254349f85836793ebe029e0c957063a34c91c2e9203187b5631", Refused("64 hexadecimal digits", "HashFormat")),
    ("passlib cta", "$p5k2$3e8$dq71fm8tRQiBMKa09v5fKw==$Zc6kJnsEbQ7ZEiQngUY0j6ZDqec=", Refused("pbkdf2 $p5k2$", "HashFormat")),
    ("libsodium interactive", "$argon2id$v=19$m=65536,t=2,p=1$si6PotCRRIBGMWt0/ebf/w$89sP/YB19/R1GCkmdJjpRqUUWv9HKcbQkvPN4s1S0Ms", Right(PASSWORD)),
    ("libsodium moderate", "$argon2id$v=19$m=262144,t=3,p=1$22xD74GDaNgokyfG3ZeGAg$hqIcLVyBdLAZhLV9DhxeXFLOiJy8yJDTYK4M9+32lys", Refused("Argon2", "max_stored_cost")),
    ("werkzeug scrypt", "scrypt:1024:8:1$maBKKe21Em0C7ryC$3ee3167674dee435291ed10f1ee84cd2a3856b22006087e9082319d48e8570bc949e9330d0b1e02d674b70b7b651575e11a94b4c0578d919cab922f051a11d3c", Right(PASSWORD)),
    ("werkzeug pbkdf2", "pbkdf2:sha256:1000$BQ13Xhwx9ISNqylX$56ba47093f0a6c5cf84a7921f461f5eed0f36905c19e497fe1fb7c85652e6196", Right(PASSWORD)),
    ("werkzeug pbkdf2 512", "pbkdf2:sha512:1000$DSjz9m79z55veQQ8$90103a96d71c38aec3ec563d7ef77b22bdc0cdb149154ff671f2c8b3d559047cc4cdb877641643794022e267704da0553a941938e251028f94b97e27e94e2eb6", Right(PASSWORD)),
    ("werkzeug pbkdf2 sha1", "pbkdf2:sha1:1000$eNYLoOvaddMdAvTx$be4213de0471a42de7349538544ef9f980f1c136", Right(PASSWORD)),
    ("spring bcrypt", "{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe.20cQQubK3.HZWzG3YB1tlRy.fqvM/BG", Right("password")),
    ("spring noop", "{noop}password", Refused("Spring's {noop}", "clear text")),
    ("spring pbkdf2", "{pbkdf2}5d923b44a6d129f3ddf3e3c8d29412723dcbde72445e8ef6bf3b508fbf17fa4ed4d6b99ca763d8dc", Right("password")),
    ("spring scrypt", "{scrypt}$e0801$8bWJaSu2IKSn9Z9kM+TPXfOc/9bdYSrN1oD9qfVThWEwdRTnO7re7Ei+fUZRJ68k9lTyuTeUp4of4g24hHnazw==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=", Right("password")),
    ("spring scrypt without a prefix", "$e0801$8bWJaSu2IKSn9Z9kM+TPXfOc/9bdYSrN1oD9qfVThWEwdRTnO7re7Ei+fUZRJ68k9lTyuTeUp4of4g24hHnazw==$OAOec05+bXxvuu/1qZ6NUR+xQYvYv7BeL1QxwRpY5Pc=", Right("password")),
    ("spring sha256", "{sha256}97cde38028ad898ebc02e690819fa220e88c62e0699403e94fff291cfffaf8410849f27605abcbc0", Refused("SHA-2 in braces", "HashFormat")),
    ("spring pbkdf2 5.8", "{pbkdf2@SpringSecurity_v5_8}000102030405060708090a0b0c0d0e0f714eb4e46d526b82298560f1af99f32b59323cf07d3a1978bf45ba35d7c39861", Right(PASSWORD)),
    ("spring scrypt 5.8", "{scrypt@SpringSecurity_v5_8}$100801$AAECAwQFBgcICQoLDA0ODw==$AEdilbUUghuzO9l/XjztzHn0E0plniwgnETbi2/m6IM=", Right(PASSWORD)),
    ("spring argon2", "{argon2}$argon2id$v=19$m=64,t=1,p=1$9D6H0JoTQqh1DmHsnXPO2Q$9q4upxomYa6undH3OKHMns/tqmjOTnYi6VqUyAfCRGI", Right(PASSWORD)),
    ("spring argon2 5.8", "{argon2@SpringSecurity_v5_8}$argon2id$v=19$m=64,t=1,p=1$9D6H0JoTQqh1DmHsnXPO2Q$9q4upxomYa6undH3OKHMns/tqmjOTnYi6VqUyAfCRGI", Right(PASSWORD)),
    ("spring ldap", "{ldap}x", Refused("Spring's {ldap}", "HashFormat")),
    ("an unknown id", "{acme}x", Refused("an unknown id in braces", "HashFormat")),
    ("aspnet v3 sha256", "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg/lFQcOA1On2wE5YZhLh7q7ntzP9Krf9NCBoM//wxbovw==", Right(PASSWORD)),
    ("aspnet v3 sha512", "AQAAAAIAAYagAAAAEAABAgMEBQYHCAkKCwwNDg8LJ1+nXP1HCEVtkGVQ8YRRub3RhgjMuQMQ6K7+XxmQVQ==", Right(PASSWORD)),
    ("aspnet v3 sha1", "AQAAAAAAAAPoAAAAEAABAgMEBQYHCAkKCwwNDg+d2FbDdriytxO2vgdAVMuIpGVW4BGF6o0NJn8znGUhaQ==", Right(PASSWORD)),
    ("aspnet v2", "AAABAgMEBQYHCAkKCwwNDg+d2FbDdriytxO2vgdAVMuIpGVW4BGF6o0NJn8znGUhaQ==", Right(PASSWORD)),
    ("bcrypt of a faulty kind", "$2x$04$Ka4zc5nWkwQ5fiYsD7ph7uSQYyvNWeevDItpDnHsGcIQ3RU.BE8ZC", Refused("bcrypt $2x$", "set it anew")),
    ("bcrypt of a faulty kind in braces", "{bcrypt}$2x$04$Ka4zc5nWkwQ5fiYsD7ph7uSQYyvNWeevDItpDnHsGcIQ3RU.BE8ZC", Refused("bcrypt $2x$", "set it anew")),
    ("dovecot", "{BLF-CRYPT}$2y$04$XyQ9dphYNz7y0dVI1kqsdOsqaCeWbEQA9yusZGnr8mj14v0EenBeO", Right(PASSWORD)),
    ("ldap crypt", "{CRYPT}$2b$04$Ka4zc5nWkwQ5fiYsD7ph7uSQYyvNWeevDItpDnHsGcIQ3RU.BE8ZC", Right(PASSWORD)),
    ("bcrypt in CHAR(72)", "$2b$04$Ka4zc5nWkwQ5fiYsD7ph7uSQYyvNWeevDItpDnHsGcIQ3RU.BE8ZC            ", Right(PASSWORD)),
    ("Argon2 in CHAR(128)", "$argon2id$v=19$m=64,t=1,p=1$9D6H0JoTQqh1DmHsnXPO2Q$9q4upxomYa6undH3OKHMns/tqmjOTnYi6VqUyAfCRGI                                  ", Right(PASSWORD)),
    ("Argon2 with a line break", "$argon2id$v=19$m=64,t=1,p=1$9D6H0JoTQqh1DmHsnXPO2Q$9q4upxomYa6undH3OKHMns/tqmjOTnYi6VqUyAfCRGI\r\n", Right(PASSWORD)),
    ("libsodium's zero bytes", "$argon2id$v=19$m=65536,t=2,p=1$si6PotCRRIBGMWt0/ebf/w$89sP/YB19/R1GCkmdJjpRqUUWv9HKcbQkvPN4s1S0Ms\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", Right(PASSWORD)),
    ("Argon2 in VARCHAR(60)", "$argon2id$v=19$m=64,t=1,p=1$9D6H0JoTQqh1DmHsnXPO2Q$9q4upxomY", Refused("Argon2", "cut off")),
    ("Argon2 in VARCHAR(80)", "$argon2id$v=19$m=64,t=1,p=1$9D6H0JoTQqh1DmHsnXPO2Q$9q4upxomYa6undH3OKHMns/tqmjOT", Refused("Argon2", "cut off")),
    ("Argon2 in VARCHAR(86)", "$argon2id$v=19$m=64,t=1,p=1$9D6H0JoTQqh1DmHsnXPO2Q$9q4upxomYa6undH3OKHMns/tqmjOTnYi6Vq", Refused("Argon2", "cut off")),
    ("Argon2 in VARCHAR(92)", "$argon2id$v=19$m=64,t=1,p=1$9D6H0JoTQqh1DmHsnXPO2Q$9q4upxomYa6undH3OKHMns/tqmjOTnYi6VqUyAfCR", Refused("Argon2", "cut off")),
    ("bcrypt in VARCHAR(50)", "$2b$04$Ka4zc5nWkwQ5fiYsD7ph7uSQYyvNWeevDItpDnHsGcI", Refused("bcrypt", "cut off")),
    ("Django in VARCHAR(80)", "pbkdf2_sha256$1000$aSaltOfDjango123$gK1VhhKwphHPcwqZQIIrP0vKyiaw", Refused("Django's pbkdf2_sha256", "cut off")),
    ("a hash of the shadow file, locked", "!$6$abc$def", Meant),
    ("no login", "*", Meant),
    ("empty", "", Meant),
    ("yescrypt", "$y$j9T$abc$def", Refused("yescrypt", "HashFormat")),
    ("anything", "hunter2", Refused("unknown", "HashFormat")),
];

/// The warnings about stored hashes.
fn warnings(capture: &Capture) -> Vec<Said> {
    let of_hash = |said: &Said| said.level == Level::WARN && said.field("format").is_some();
    capture.events().into_iter().filter(of_hash).collect()
}

#[tokio::test]
async fn every_text_of_an_old_table_logs_in_and_is_upgraded_or_tells_the_operator_why_not() {
    let (capture, _listening) = Capture::listen();
    let house = House::new();
    let wrong = house.log_in("nobody", "x").await;
    for (number, (name, stored, outcome)) in TEXTS.into_iter().enumerate() {
        let login = format!("user{number}");
        house.users.set(&login, stored.to_owned(), UserStatus::Active);
        let password = if let Right(password) = outcome { password } else { PASSWORD };
        capture.clear();
        for guess in [&format!("{password}x"), password] {
            let before = house.verifier.stats();
            let answer = house.log_in(&login, guess).await;
            let runs = house.verifier.stats().hashes - before.hashes;
            if let Right(_) = outcome {
                let expected = if guess == password { format!("id-{login}") } else { "wrong_password".to_owned() };
                assert_eq!(house.last_reason(), expected, "{name}: {stored}");
            } else {
                assert_eq!(house.last_reason(), "unusable_hash", "{name}: {stored}");
                assert_eq!(runs, 1, "{name}: as for an unknown user");
                assert_eq!(house.verifier.stats().unusable_hashes, before.unusable_hashes + 1, "{name}");
            }
            if house.last_reason() != format!("id-{login}") {
                let told = (answer.status, &answer.body, &answer.headers);
                assert_eq!(told, (wrong.status, &wrong.body, &wrong.headers), "{name}: nothing shows on the wire");
            }
        }
        let now = house.users.hash(&login);
        let warnings = warnings(&capture);
        match outcome {
            Right(_) => {
                assert!(now.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{name}: {now}");
                house.log_in(&login, password).await.assert_ok();
                assert!(warnings.is_empty(), "{name}: {warnings:?}");
            }
            Meant => {
                assert_eq!((now.as_str(), warnings.len()), (stored, 0), "{name}");
            }
            Refused(format, cause) => {
                assert_eq!((now.as_str(), warnings.len()), (stored, 2), "{name}");
                for said in warnings {
                    assert!(said.field("format").unwrap().contains(format), "{name}: {said:?}");
                    assert!(said.field("cause").unwrap().contains(cause), "{name}: {said:?}");
                    assert_eq!(said.field("subject"), Some(format!("id-{login}").as_str()));
                }
                let said = capture.text();
                // Nothing of the text, beyond the format's own name and a word that each line has, and nothing of the password.
                for part in stored.split(['$', ':', '}']).filter(|part| part.len() > 5) {
                    assert!(format.contains(part) || part == "password" || !said.contains(part), "{name}: {part}");
                }
                assert!(!said.contains(PASSWORD));
            }
        }
    }
}

#[tokio::test]
async fn a_hash_above_the_limits_is_served_once_the_operator_raises_them() {
    let moderate = TEXTS.iter().find(|(name, ..)| *name == "libsodium moderate").unwrap().1;
    let house = House::with(|builder| builder.max_stored_cost(256 * 1024, 3, 1).threads(1));
    house.users.set("bob", moderate.to_owned(), UserStatus::Active);
    house.log_in("bob", PASSWORD).await.assert_ok();
    assert!(house.users.hash("bob").starts_with("$argon2id$v=19$m=64,"));
}

#[tokio::test]
async fn more_than_bcrypt_looks_at_is_told_to_the_operator_too_by_event_audit_and_metric() {
    let (capture, _listening) = Capture::listen();
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let house = House::new();
    let bcrypt = TEXTS.iter().find(|(name, ..)| *name == "passlib bcrypt 2b").unwrap().1;
    house.users.set("bob", bcrypt.to_owned(), UserStatus::Active);
    house.log_in("bob", &"a".repeat(73)).await.assert_error(400, "invalid_grant");
    assert_eq!(house.last_reason(), "unusable_hash");
    let warnings = warnings(&capture);
    assert_eq!(warnings.len(), 1);
    assert_eq!(warnings[0].field("format"), Some("bcrypt"));
    assert!(warnings[0].field("cause").unwrap().contains("72 bytes"));
    assert!(
        metrics.render().contains("oauth_token_requests_total{outcome=\"unusable_hash\"} 1"),
        "{}",
        metrics.render()
    );
    house.log_in("bob", PASSWORD).await.assert_ok();
}

/// A format of an application's own, which costs nothing.
struct OldShop;

impl HashFormat for OldShop {
    fn name(&self) -> &'static str {
        "the old shop's"
    }

    fn recognises(&self, stored: &str) -> bool {
        stored.starts_with("acme1:") || stored.starts_with("$argon2") || stored.starts_with("$2b$")
    }

    fn verify(&self, stored: &str, password: &Password) -> Result<bool, UnusableHash> {
        assert!(!stored.contains("panic"), "as broken code does");
        let expected = stored.strip_prefix("acme1:").ok_or(UnusableHash::new("it has no version"))?;
        let reversed: String = password.expose().chars().rev().collect();
        Ok(reversed == expected)
    }
}

#[tokio::test]
async fn a_format_of_the_applications_own_logs_in_is_upgraded_and_shows_no_less_work_than_an_unknown_user() {
    let (capture, _listening) = Capture::listen();
    let house = House::with(|builder| builder.hash_format(OldShop));
    house.users.set("bob", " acme1:esroh tcerroc  ".to_owned(), UserStatus::Active);
    house.users.set("closed", "acme1:esroh tcerroc".to_owned(), UserStatus::Disabled);
    // One run of Argon2 each: of the dummy, or of the upgrade.
    assert_eq!(house.runs("nobody", "x").await, 1);
    assert_eq!((house.runs("bob", "x").await, house.last_reason().as_str()), (1, "wrong_password"));
    assert_eq!((house.runs("closed", "x").await, house.last_reason().as_str()), (1, "wrong_password"));
    assert_eq!((house.runs("closed", PASSWORD).await, house.last_reason().as_str()), (1, "disabled"));
    assert_eq!((house.runs("bob", PASSWORD).await, house.last_reason().as_str()), (1, "id-bob"));
    assert!(house.users.hash("bob").starts_with("$argon2id$"));
    // What an upgrade wrote is never read by a format of the application's own.
    house.log_in("bob", PASSWORD).await.assert_ok();
    // It comes before the formats that are read without it.
    house.users.set(
        "bob",
        "$2b$04$Ka4zc5nWkwQ5fiYsD7ph7uSQYyvNWeevDItpDnHsGcIQ3RU.BE8ZC".to_owned(),
        UserStatus::Active,
    );
    capture.clear();
    assert_eq!((house.runs("bob", PASSWORD).await, house.last_reason().as_str()), (1, "unusable_hash"));
    let said = warnings(&capture).remove(0);
    assert_eq!((said.field("format"), said.field("cause")), (Some("the old shop's"), Some("it has no version")));
    house.users.set("bob", "acme1:panic".to_owned(), UserStatus::Active);
    house.log_in("bob", PASSWORD).await.assert_error(500, "server_error");
    house.log_in("alice", PASSWORD).await.assert_ok();
}

#[tokio::test]
async fn the_verdict_on_an_unusable_hash_is_a_denial_of_its_own() {
    let users = std::sync::Arc::new(Users::default());
    users.set("bob", "$1$abc$def".to_owned(), UserStatus::Disabled);
    let verifier = Argon2Verifier::builder(users).parameters(cheap()).threads(1).build().unwrap();
    let verdict = verifier.verify(attempt("bob", PASSWORD).build().unwrap()).await.unwrap();
    assert!(matches!(verdict, Verdict::Denied(Denial::UnusableHash)), "{verdict:?}");
}
