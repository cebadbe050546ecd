//! Tokens that must be refused, each for one reason (checklist JA-09, JA-10, BE-14).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE};
use serde_json::{Value, json};
use tower_password_grant::jwt::{KeySet, SigningAlgorithm, SigningKey};

use super::forge::*;
use super::helpers::*;

const ED: SigningAlgorithm = SigningAlgorithm::EdDsa;

fn token_of(algorithm: SigningAlgorithm) -> String {
    forged(algorithm, header(algorithm), claims())
}

#[test]
fn unsigned_tokens_are_refused_ja_01_ja_10() {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        for kid in [json!(kid(ED)), Value::Null] {
            let header = with(header(ED), json!({ "alg": alg, "kid": kid }));
            let input = format!("{}.{}", b64(header.to_string()), b64(claims().to_string()));
            refused(&lenient(), &format!("{input}."));
            refused(&lenient(), &input);
            refused(&lenient(), &signed(ED, &input));
        }
    }
    let (input, _) = token_of(ED).rsplit_once('.').map(|(input, rest)| (input.to_owned(), rest.to_owned())).unwrap();
    refused(&lenient(), &format!("{input}."));
    refused(&lenient(), &format!("{input}.{}", b64([0; 64])));
    refused(&lenient(), &format!("{input}.{}", b64([0; 1024])));
    refused(&lenient(), &format!("{input}.{}", b64([0; 2000])));
}

/// The public key as an attacker may have it: texts and bytes that a careless verifier might use as a secret.
fn spellings(algorithm: SigningAlgorithm) -> Vec<Vec<u8>> {
    let jwk = key(algorithm).verification_key().to_jwk();
    let members: Value = serde_json::from_str(&jwk).unwrap();
    let mut all = vec![jwk.clone().into_bytes(), format!("{{\"keys\":[{jwk}]}}").into_bytes(), Vec::new()];
    for name in ["n", "e", "x", "y", "kid"] {
        if let Some(text) = members[name].as_str() {
            all.push(text.as_bytes().to_vec());
            all.push(base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap());
        }
    }
    let private = format!("{}/tests/data/jwt/{}.pem", env!("CARGO_MANIFEST_DIR"), algorithm.name().to_lowercase());
    let output = std::process::Command::new("openssl").args(["pkey", "-pubout", "-in", &private]).output();
    if let Ok(output) = output.as_ref().map(|output| &output.stdout)
        && !output.is_empty()
    {
        let pem = String::from_utf8(output.clone()).unwrap();
        let inner: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        all.extend([output.clone(), pem.trim_end().as_bytes().to_vec(), STANDARD.decode(inner).unwrap()]);
    }
    all
}

#[test]
fn a_public_key_is_no_shared_secret_ja_10() {
    for algorithm in ALL {
        for secret in spellings(algorithm) {
            for (name, alg) in [
                ("HS256", jsonwebtoken::Algorithm::HS256),
                ("HS384", jsonwebtoken::Algorithm::HS384),
                ("HS512", jsonwebtoken::Algorithm::HS512),
            ] {
                // With its own name, with that of the key, and without a key.
                for header in [
                    json!({ "alg": name, "typ": "at+jwt", "kid": kid(algorithm) }),
                    json!({ "alg": name, "typ": "at+jwt" }),
                    header(algorithm),
                ] {
                    let input = format!("{}.{}", b64(header.to_string()), b64(claims().to_string()));
                    let key = jsonwebtoken::EncodingKey::from_secret(&secret);
                    let mac = jsonwebtoken::crypto::sign(input.as_bytes(), &key, alg).unwrap();
                    refused(&verifier(algorithm), &format!("{input}.{mac}"));
                    refused(&lenient(), &format!("{input}.{mac}"));
                }
            }
        }
    }
}

#[test]
fn the_key_has_one_algorithm_and_the_token_does_not_choose_it_ja_10() {
    for own in ALL {
        for other in ALL.into_iter().filter(|other| *other != own) {
            // Signed by one key, in the name of another, with either algorithm.
            let mixed = json!({ "alg": own.name(), "typ": "at+jwt", "kid": kid(other) });
            refused(&lenient(), &forged(own, mixed.clone(), claims()));
            refused(&lenient(), &forged(other, mixed, claims()));
            refused(&verifier(own), &token_of(other));
        }
        good(&lenient(), &token_of(own));
    }
    for alg in ["RS384", "RS512", "PS256", "ES384", "ES256K", "Ed25519", "Ed448", "eddsa", "RSA-OAEP", "dir", "EdDSA "]
    {
        refused(&lenient(), &headed(json!({ "alg": alg })));
    }
    for alg in [json!(["EdDSA"]), json!(1), json!({}), Value::Null] {
        refused(&lenient(), &headed(json!({ "alg": alg })));
    }
}

#[test]
fn keys_come_from_the_configuration_and_never_from_the_token_ja_10() {
    let mallory = SigningKey::generate(ED).unwrap();
    let jwk: Value = serde_json::from_str(&mallory.verification_key().to_jwk()).unwrap();
    let own: Value = serde_json::from_str(&key(ED).verification_key().to_jwk()).unwrap();
    let pem = mallory.to_pkcs8_pem().unwrap();
    let hers = jsonwebtoken::EncodingKey::from_ed_der(&der(pem.expose()));
    let by_mallory = |change: Value| {
        let input = format!("{}.{}", b64(with(header(ED), change).to_string()), b64(claims().to_string()));
        let signature = jsonwebtoken::crypto::sign(input.as_bytes(), &hers, jsonwebtoken::Algorithm::EdDSA).unwrap();
        format!("{input}.{signature}")
    };
    let changes = [
        json!({ "jwk": jwk }),
        json!({ "jwk": own }),
        json!({ "jku": "https://mallory.example/jwks.json" }),
        json!({ "x5u": "https://mallory.example/cert.pem" }),
        json!({ "x5c": [STANDARD.encode("certificate")] }),
        json!({ "x5c": [] }),
    ];
    refused(&lenient(), &by_mallory(json!({})));
    for change in changes {
        for kid in [json!(kid(ED)), json!(mallory.kid()), Value::Null] {
            let change = with(change.clone(), json!({ "kid": kid }));
            refused(&lenient(), &by_mallory(change.clone()));
            // Even with the right signature: the writer of that header is not to be trusted.
            refused(&lenient(), &headed(change));
        }
    }
    let known = verifier_of(KeySet::new(mallory));
    good(&known, &by_mallory(json!({ "kid": jwk["kid"] })));
    refused(&known, &token_of(ED));
}

#[test]
fn a_foreign_kid_is_refused() {
    for kid in ["", "x", "../../etc/passwd", "' OR 1=1 --", "\0", &format!("{} ", kid(ED)), &"k".repeat(4000)] {
        refused(&lenient(), &headed(json!({ "kid": kid })));
    }
    for kid in [json!(1), json!([kid(ED)]), json!({}), json!(true)] {
        refused(&lenient(), &headed(json!({ "kid": kid })));
    }
    let null = r#"{"alg":"EdDSA","typ":"at+jwt","kid":null}"#;
    refused(&lenient(), &raw(ED, null, claims().to_string()));
}

#[test]
fn extensions_that_change_the_reading_are_refused_ja_10() {
    let changes = [
        json!({ "crit": ["exp"], "exp": NOW }),
        json!({ "crit": ["b64"], "b64": false }),
        json!({ "crit": ["b64"], "b64": true }),
        json!({ "crit": [] }),
        json!({ "crit": "x" }),
        json!({ "b64": true }),
        json!({ "zip": "DEF" }),
        json!({ "enc": "A128GCM" }),
    ];
    for change in changes {
        refused(&lenient(), &headed(change));
    }
    // An unencoded payload (RFC 7797), signed as it says.
    let header = with(header(ED), json!({ "crit": ["b64"], "b64": false }));
    refused(&lenient(), &signed(ED, &format!("{}.{}", b64(header.to_string()), claims())));
}

#[test]
fn tokens_of_another_kind_are_refused_be_14_ja_09() {
    let types = ["JWT", "jwt", "", "at", "at+jwt ", "application/jwt", "id_token+jwt", "token-introspection+jwt"];
    for typ in types.into_iter().chain(["logout+jwt", "dpop+jwt", "rt+jwt", "application/application/at+jwt"]) {
        refused(&lenient(), &headed(json!({ "typ": typ })));
    }
    for typ in [Value::Null, json!(["at+jwt"]), json!(1)] {
        refused(&lenient(), &headed(json!({ "typ": typ })));
    }
    let id_token =
        json!({ "iss": ISSUER, "sub": "user-alice", "aud": "conf", "iat": NOW, "exp": NOW + 60, "nonce": "n" });
    refused(&lenient(), &forged(ED, with(header(ED), json!({ "typ": "JWT" })), id_token.clone()));
    refused(&lenient(), &forged(ED, header(ED), id_token));
    let assertion = json!({ "iss": "conf", "sub": "conf", "aud": ISSUER, "jti": "1", "iat": NOW, "exp": NOW + 60 });
    refused(&lenient(), &forged(ED, with(header(ED), json!({ "typ": null })), assertion.clone()));
    refused(&lenient(), &forged(ED, header(ED), assertion));
    for opaque in ["rt_", "at_"] {
        refused(&lenient(), &format!("{opaque}{}", "A".repeat(43)));
    }
    // An encrypted token (RFC 7516) has five parts.
    refused(
        &lenient(),
        &format!("{}.{}.{}.{}.{}", b64(header(ED).to_string()), b64("k"), b64("i"), b64("c"), b64("t")),
    );
    // The issuer's key signed one with four and one with five.
    let input = format!("{}.{}", b64(header(ED).to_string()), b64(claims().to_string()));
    good(&lenient(), &signed(ED, &input));
    for more in ["", "AAAA", "AAAA.AAAA"] {
        refused(&lenient(), &signed(ED, &format!("{input}.{more}")));
    }
}

#[test]
fn a_token_that_is_cut_off_or_longer_is_refused() {
    for algorithm in ALL {
        let verifier = verifier(algorithm);
        let token = token_of(algorithm);
        good(&verifier, &token);
        for at in 0..token.len() {
            refused(&verifier, &token[..at]);
            refused(&verifier, &token[at + 1..]);
        }
        for more in ["A", "AA", "AAA", "AAAA", ".", "..", ".AAAA", "=", "==", " ", "\n", "\t", "\0", "%00", "é", "&x"]
        {
            refused(&verifier, &format!("{token}{more}"));
            refused(&verifier, &format!("{more}{token}"));
            for (at, _) in token.match_indices('.') {
                refused(&verifier, &format!("{}{more}{}", &token[..at], &token[at..]));
                refused(&verifier, &format!("{}{more}{}", &token[..=at], &token[at + 1..]));
            }
        }
    }
}

#[test]
fn one_token_has_one_spelling() {
    for algorithm in ALL {
        let verifier = verifier(algorithm);
        let token = token_of(algorithm);
        let parts: Vec<&str> = token.split('.').collect();
        let decoded: Vec<Vec<u8>> = (0..3).map(|at| base64_decode(parts[at])).collect();
        for at in 0..3 {
            let put = |text: &str| {
                let mut parts = parts.clone();
                parts[at] = text;
                parts.join(".")
            };
            refused(&verifier, &put(""));
            for engine in [&URL_SAFE, &STANDARD] {
                let padded = engine.encode(&decoded[at]);
                if padded != parts[at] {
                    refused(&verifier, &put(&padded));
                }
            }
            let standard = STANDARD_NO_PAD.encode(&decoded[at]);
            if standard != parts[at] {
                refused(&verifier, &put(&standard));
            }
            // The bits that are left over in the last character.
            if !parts[at].len().is_multiple_of(4) {
                let (rest, last) = parts[at].split_at(parts[at].len() - 1);
                let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
                for other in alphabet.chars().filter(|other| !last.starts_with(*other)) {
                    refused(&verifier, &put(&format!("{rest}{other}")));
                }
            }
            for space in [" ", "\n", "\r\n", "\t", "\u{a0}", "\0"] {
                let middle = parts[at].len() / 2;
                refused(&verifier, &put(&format!("{}{space}{}", &parts[at][..middle], &parts[at][middle..])));
            }
        }
    }
}

fn base64_decode(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[test]
fn no_bit_of_a_token_can_be_flipped() {
    for algorithm in ALL {
        let verifier = verifier(algorithm);
        let token = token_of(algorithm);
        let mut flips = 0;
        for at in 0..token.len() {
            for bit in 0..7 {
                let mut bytes = token.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                refused(&verifier, std::str::from_utf8(&bytes).unwrap());
                flips += 1;
            }
        }
        assert_eq!(flips, token.len() * 7);
    }
}

#[test]
fn an_ecdsa_signature_is_64_raw_bytes_and_no_der() {
    let verifier = verifier(SigningAlgorithm::Es256);
    let token = token_of(SigningAlgorithm::Es256);
    let (input, signature) = token.rsplit_once('.').unwrap();
    let raw = base64_decode(signature);
    let integer = |bytes: &[u8]| {
        let bytes: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        let sign: &[u8] = if bytes[0] >= 0x80 { &[0] } else { &[] };
        [&[2, u8::try_from(bytes.len() + sign.len()).unwrap()], sign, &bytes].concat()
    };
    let (r, s) = (integer(&raw[..32]), integer(&raw[32..]));
    let der = [&[0x30, u8::try_from(r.len() + s.len()).unwrap()][..], &r, &s].concat();
    refused(&verifier, &format!("{input}.{}", b64(der)));
    refused(&verifier, &format!("{input}.{}", b64([&[0][..], &raw[..32], &[0], &raw[32..]].concat())));
    refused(&verifier, &format!("{input}.{}", b64([&raw[32..], &raw[..32]].concat())));
    refused(&verifier, &format!("{input}.{}", b64([&raw[..32], &[0; 32]].concat())));
    refused(&verifier, &format!("{input}.{}", b64([&[0; 32], &raw[32..]].concat())));

    // The other half of the curve: as good a signature, as the documentation says, and of the same content.
    let order: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
        0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut negated = raw[..32].to_vec();
    let (mut difference, mut borrow) = ([0_u8; 32], 0_i16);
    for at in (0..32).rev() {
        let digit = i16::from(order[at]) - i16::from(raw[32 + at]) - borrow;
        borrow = i16::from(digit < 0);
        difference[at] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    negated.extend(difference);
    let twin = good(&verifier, &format!("{input}.{}", b64(negated)));
    assert_eq!(twin.claim::<String>("jti").unwrap(), good(&verifier, &token).claim::<String>("jti").unwrap());
}

#[test]
fn claims_of_the_profile_are_required_and_have_their_types_ja_03_ja_09() {
    let verifier = verifier(ED);
    for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        for value in [Value::Null, json!({}), json!(true), json!(""), json!([[]])] {
            refused(&verifier, &claiming(json!({ name: value })));
        }
        let null = claims().to_string().replace(&format!("\"{name}\":"), &format!("\"{name}\":null,\"_{name}\":"));
        refused(&verifier, &raw(ED, header(ED).to_string(), null));
    }
    for name in ["scope", "realm", "auth_time", "nbf"] {
        for value in [json!({}), json!(true), json!([1]), json!("\u{1}")] {
            if name != "realm" || !value.is_string() {
                refused(&verifier, &claiming(json!({ name: value })));
            }
        }
    }
    for client in ["caf\u{e9}", "a\nb", &"x".repeat(257)] {
        refused(&verifier, &claiming(json!({ "client_id": client })));
    }
    for scope in ["a  b", " a", "a ", "a\"b", "a\u{e9}"] {
        refused(&verifier, &claiming(json!({ "scope": scope })));
    }
    good(&verifier, &claiming(json!({ "scope": "" })));
    assert_eq!(good(&verifier, &claiming(json!({ "realm": "" }))).realm(), Some(""));
}

#[test]
fn times_are_numbers_within_bounds_ja_03() {
    let verifier = verifier(ED);
    let text = |name: &str, number: &str| {
        let mut claims = claims();
        claims[name] = json!("@");
        raw(ED, header(ED).to_string(), claims.to_string().replace("\"@\"", number))
    };
    good(&verifier, &text("exp", "253402300799"));
    good(&verifier, &text("exp", "2.5e11"));
    let wrong =
        ["-1", "-0.5", "-1800000060", "1e300", "1e400", "-1e400", "253402300800", "18446744073709551615", "1e18"];
    let broken =
        ["18446744073709551616", "NaN", "Infinity", "0x7fffffff", "01800000060", "1800000060.", "\"1800000060\""];
    for number in wrong.into_iter().chain(broken) {
        for name in ["exp", "iat", "nbf", "auth_time"] {
            refused(&verifier, &text(name, number));
        }
    }
    for zero in ["0", "0.0", "-0.0", "1e-300", "1799999999.9999", "1.8e9"] {
        refused(&verifier, &text("exp", zero));
    }
    good(&verifier, &text("iat", "0"));
}

#[test]
fn no_member_stands_twice() {
    let verifier = verifier(ED);
    let (head, body) = (header(ED).to_string(), claims().to_string());
    good(&verifier, &raw(ED, &head, &body));
    let add = |text: &str, member: &str| format!("{},{member}}}", text.strip_suffix('}').unwrap());
    for member in [r#""alg":"EdDSA""#, r#""typ":"at+jwt""#, r#""kid":"x""#, r#""a":1,"a":1"#, r#""\u0061lg":"none""#] {
        refused(&verifier, &raw(ED, add(&head, member), &body));
    }
    for name in claims().as_object().unwrap().keys() {
        let member = format!("\"{name}\":{}", claims()[name]);
        refused(&verifier, &raw(ED, &head, add(&body, &member)));
        refused(
            &verifier,
            &raw(ED, &head, add(&body, &member.replacen(&name[..1], &format!("\\u{:04x}", name.as_bytes()[0]), 1))),
        );
    }
    refused(&verifier, &raw(ED, &head, add(&body, r#""x":1,"x":1"#)));
    good(&verifier, &raw(ED, add(&head, r#""x":1"#), add(&body, r#""x":1"#)));
}

#[test]
fn what_is_no_json_object_in_utf_8_is_refused() {
    let verifier = verifier(ED);
    let (head, body) = (header(ED).to_string(), claims().to_string());
    let broken: [Vec<u8>; 16] = [
        b"".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"\"x\"".to_vec(),
        b"{}".to_vec(),
        b"{".to_vec(),
        format!("[{body}]").into_bytes(),
        format!("{body}{body}").into_bytes(),
        format!("{body}x").into_bytes(),
        format!("{body}\0").into_bytes(),
        format!("\u{feff}{body}").into_bytes(),
        body.replace("user-alice", "\n").into_bytes(),
        body.replace("user-alice", "\\ud800").into_bytes(),
        body.replace('"', "'").into_bytes(),
        body.replace('}', ",}").into_bytes(),
        body.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ];
    for text in &broken {
        refused(&verifier, &raw(ED, &head, text));
        refused(&verifier, &raw(ED, text, &body));
    }
    let latin: Vec<u8> = body.bytes().map(|byte| if byte == b'-' { 0xe9 } else { byte }).collect();
    refused(&verifier, &raw(ED, &head, latin));
    for shape in ["", ".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d", "....", "\u{1f980}", "é.é.é"] {
        refused(&verifier, shape);
    }
    let deep = format!("{}{}", "[".repeat(2900), "]".repeat(2900));
    for text in [deep.clone(), format!("{{\"x\":{deep}}}"), "[".repeat(5800), "{\"a\":".repeat(1100)] {
        refused(&verifier, &raw(ED, &head, &text));
        refused(&verifier, &raw(ED, &text, &body));
    }
    let nested = |depth: usize| {
        let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        raw(ED, &head, body.replace('{', &format!("{{\"x\":{text},")))
    };
    good(&verifier, &nested(100));
    refused(&verifier, &nested(200));
    let long = "A".repeat(100_000);
    for text in [long.clone(), format!("{long}.{long}.{long}"), ".".repeat(100_000)] {
        refused(&verifier, &text);
    }
}
