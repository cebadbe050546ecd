//! What an issuer must be given.

use tower_password_grant::jwt::{JwtConfigError, JwtIssuer, KeySet, SigningAlgorithm};

use super::helpers::*;

fn new(issuer: &str, audience: &[&str]) -> Result<JwtIssuer, JwtConfigError> {
    JwtIssuer::new(issuer, audience.iter().copied(), KeySet::new(key(SigningAlgorithm::EdDsa)))
}

#[test]
fn an_issuer_that_is_no_https_url_is_refused_by_its_name() {
    for bad in ["", "as.example", "http://as.example", "https://as.example?a=b", "https://as.example#f"] {
        let error = new(bad, &[AUDIENCE]).unwrap_err();
        assert_eq!(error, JwtConfigError::Issuer(bad.to_owned()));
        assert!(error.to_string().contains("https URL"));
    }
    new("http://localhost:3000", &[AUDIENCE]).unwrap();
}

#[test]
fn a_token_has_an_audience_ja_04() {
    assert_eq!(new(ISSUER, &[]).unwrap_err(), JwtConfigError::NoAudience);
    assert_eq!(new(ISSUER, &["a", ""]).unwrap_err(), JwtConfigError::Audience(String::new()));
    assert_eq!(new(ISSUER, &["a\n"]).unwrap_err(), JwtConfigError::Audience("a\n".to_owned()));
    assert_eq!(new(ISSUER, &["a", "b", "a"]).unwrap_err(), JwtConfigError::AudienceTwice("a".to_owned()));
}
