//! The verifier without the feature `legacy-hashes`. Every other build of the tests has it.

use tower_password_grant::store::UserStatus;
use tracing::Level;

use crate::support::argon2_users::House;
use crate::support::capture::Capture;

#[tokio::test]
async fn an_old_hash_is_unusable_and_the_warning_names_the_feature_to_switch_on() {
    for (stored, format) in [
        ("$2b$04$Ka4zc5nWkwQ5fiYsD7ph7uSQYyvNWeevDItpDnHsGcIQ3RU.BE8ZC", "bcrypt"),
        ("{bcrypt}$2b$04$Ka4zc5nWkwQ5fiYsD7ph7uSQYyvNWeevDItpDnHsGcIQ3RU.BE8ZC", "bcrypt in braces"),
        ("pbkdf2_sha256$1000$aSaltOfDjango123$gK1VhhKwphHPcwqZQIIrP0vKyiaw0xXSJGm88anPi58=", "Django's pbkdf2_sha256"),
        ("$scrypt$ln=10,r=8,p=1$Qsg5p9SaE0IoJcTYOwfg/A$2jN+ZnHd2XhrRYm3q/03zGnV9x4mlFUPK7+1SJlKLLQ", "scrypt"),
        ("AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg/lFQcOA1On2wE5YZhLh7q7ntzP9Krf9NCBoM//wxbovw==", "ASP.NET Identity"),
    ] {
        let (capture, _listening) = Capture::listen();
        let house = House::new();
        house.users.set("bob", stored.to_owned(), UserStatus::Active);
        assert_eq!(house.runs("bob", "correct horse").await, 1);
        assert_eq!(house.last_reason(), "unusable_hash");
        let said = capture.events().into_iter().find(|said| said.field("format").is_some()).unwrap();
        assert_eq!((said.level, said.field("format")), (Level::WARN, Some(format)));
        assert!(said.field("cause").unwrap().contains("feature `legacy-hashes`"), "{said:?}");
        assert_eq!(house.users.hash("bob"), stored);
    }
}

#[tokio::test]
async fn argon2_of_other_systems_is_read() {
    let house = House::new();
    let current = house.users.hash("alice");
    for stored in
        [format!("argon2{current}"), format!("{{argon2@SpringSecurity_v5_8}}{current}"), format!("{current:<128}")]
    {
        house.users.set("alice", stored, UserStatus::Active);
        house.log_in("alice", "correct horse").await.assert_ok();
    }
}
