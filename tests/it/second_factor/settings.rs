//! Settings that cannot be are refused when the endpoint is built, with the method to change.

use std::sync::Arc;

use tower_password_grant::mfa::{Channel, Factors};
use tower_password_grant::mount::Metadata;
use tower_password_grant::store::MemoryFactors;
use tower_password_grant::user::SecretKeys;
use tower_password_grant::{OpaqueIssuer, PasswordGrant, PeerAddress, StaticClients};

use crate::support::factors::{ISSUER, Outbox, People, clients};

fn bare() -> Factors {
    Factors::new(Arc::new(MemoryFactors::new()), SecretKeys::random().unwrap())
}

/// Why `build()` refuses these factors, if it does.
fn fault(factors: Factors) -> Option<String> {
    let builder = PasswordGrant::builder()
        .clients(StaticClients::new(clients()).unwrap())
        .verifier(People::default())
        .issuer(OpaqueIssuer::new(tower_password_grant::store::MemoryAccessTokens::new()))
        .metadata(Metadata::new(ISSUER))
        .second_factor(factors)
        .peer_address(PeerAddress::unknown());
    builder.build().err().map(|error| error.to_string())
}

#[test]
fn a_name_a_number_and_a_channel_outside_their_range_are_named() {
    let cases = [
        (bare().totp(""), "`Factors::totp`: \"\" is out of range: choose 1 to 64 characters without a colon"),
        (bare().totp("a:b"), "`Factors::totp`: \"a:b\" is out of range"),
        (bare().totp("a\n"), "`Factors::totp`"),
        (bare().totp("a".repeat(65)), "`Factors::totp`"),
        (bare().totp("Bank").recovery_codes(0), "`Factors::recovery_codes`: 0 is out of range: choose 1 to 20"),
        (bare().totp("Bank").recovery_codes(21), "`Factors::recovery_codes`: 21 is out of range: choose 1 to 20"),
        (
            bare().deliver(Channel::Sms, Outbox::default()).deliver(Channel::Sms, Outbox::default()),
            "`Factors::deliver`: Sms twice is out of range: choose each once",
        ),
        (bare(), "`Factors`: no factor is out of range: choose `totp`, `deliver` or both"),
    ];
    for (factors, said) in cases {
        let fault = fault(factors).expect(said);
        assert!(fault.contains(said), "{fault}");
    }
}

#[test]
fn what_is_in_range_is_taken() {
    let two = bare().deliver(Channel::Sms, Outbox::default()).deliver(Channel::Voice, Outbox::default());
    let cases = [
        bare().totp("ä".repeat(64)).recovery_codes(1),
        bare().totp("Bank").recovery_codes(20),
        bare().totp("Bank").without_recovery_codes(),
        two,
    ];
    for factors in cases {
        assert_eq!(fault(factors), None);
    }
}
