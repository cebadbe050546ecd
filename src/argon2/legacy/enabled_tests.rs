use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::argon2::formats::recognise;

const PASSWORD: &str = "pässword";
// Made by libxcrypt.
const BCRYPT: &str = "$2b$05$abcdefghijklmnopqrstuucZGbUxuMlEqps0qcu2pjhO7vaatQZIC";
const BCRYPT_OF_72: &str = "$2y$05$abcdefghijklmnopqrstuuGUnCqbfgs3htOkLrFduUjAyLBw1Rq/u";
// Made by OpenSSL through Python's hashlib.
const SCRYPT: &str = "$scrypt$ln=10,r=8,p=2$c2l4dGVlbiBieXRlIHNsdA$i3zPayhXttG3b3k+glPFETFQEvyQK070Cha9HH7avgk";
const PBKDF2_SHA256: &str =
    "$pbkdf2-sha256$i=1000,l=32$c2l4dGVlbiBieXRlIHNsdA$Ump/8dM6u0/IJHpYbwqGM2ZCJyvR2Fh3+ysi0epCNog";
const PBKDF2_SHA512: &str = "$pbkdf2-sha512$i=1000,l=64$c2l4dGVlbiBieXRlIHNsdA$bN8nDYGDfAeiwrKxhbRa9z1dq7mPJiZn5yDHyitDHJfoLtMsvJ+CGgQ952lPLIPDHQHM5hFB1BG0pBM4jet0qw";

fn read(stored: &str) -> Result<Hash, UnusableHash> {
    recognise(stored).and_then(|known| Hash::read(&known, &Caps::default()))
}

fn matches(password: &str, stored: &str) -> Option<bool> {
    read(stored).expect(stored).matches(password.as_bytes()).ok()
}

#[test]
fn each_function_knows_the_right_password_from_wrong_ones() {
    let bcrypt_a = BCRYPT.replace("$2b$", "$2a$");
    let bcrypt_y = BCRYPT.replace("$2b$", "$2y$");
    for stored in [BCRYPT, &bcrypt_a, &bcrypt_y, SCRYPT, PBKDF2_SHA256, PBKDF2_SHA512] {
        assert_eq!(matches(PASSWORD, stored), Some(true), "{stored}");
        for wrong in ["password", "pässwor", "pässword ", "x"] {
            assert_eq!(matches(wrong, stored), Some(false), "{wrong} {stored}");
        }
    }
}

#[test]
fn bcrypt_never_takes_the_first_72_bytes_for_the_whole_password_t31() {
    let (right, longer) = ("a".repeat(72), "a".repeat(73));
    assert_eq!(matches(&right, BCRYPT_OF_72), Some(true));
    assert_eq!(matches(&longer, BCRYPT_OF_72), None);
    assert_eq!(matches(&format!("{right}b"), BCRYPT_OF_72), None);
    assert_eq!(matches(&"a".repeat(71), BCRYPT_OF_72), Some(false));
}

#[test]
fn a_zero_byte_makes_no_second_password_t31() {
    for stored in [BCRYPT, SCRYPT, PBKDF2_SHA256, PBKDF2_SHA512] {
        for twin in [format!("{PASSWORD}\0"), format!("{PASSWORD}\0{PASSWORD}")] {
            assert_eq!(matches(&twin, stored), None, "{stored}");
        }
    }
}

#[test]
fn a_cost_above_the_limit_and_a_broken_text_are_not_read_t30() {
    let unread = [
        BCRYPT.replace("$05$", "$15$"),
        BCRYPT.replace("$05$", "$31$"),
        BCRYPT.replace("$05$", "$03$"),
        BCRYPT.replace("$05$", "$xx$"),
        BCRYPT.replace("$2b$", "$2x$"),
        BCRYPT.replace("$2b$", "$2$"),
        BCRYPT.replace("abc", "äc"),
        BCRYPT.replace("ZIC", "Z"),
        SCRYPT.replace("ln=10", "ln=18"),
        SCRYPT.replace("ln=10", "ln=63"),
        SCRYPT.replace("ln=10", "ln=64"),
        SCRYPT.replace("ln=10", "ln=4294967295"),
        SCRYPT.replace("ln=10", "ln=0"),
        SCRYPT.replace("r=8", "r=4294967295"),
        SCRYPT.replace("r=8", "r=33"),
        SCRYPT.replace("r=8", "r=0"),
        SCRYPT.replace("p=2", "p=4294967295"),
        SCRYPT.replace("p=2", "p=0"),
        SCRYPT.replace("p=2", "p=33"),
        SCRYPT.replace("ln=10", "ln=17").replace("p=2", "p=5"),
        SCRYPT.replace(",p=2", ""),
        PBKDF2_SHA256.replace("i=1000", "i=2000001"),
        PBKDF2_SHA256.replace("i=1000", "i=0"),
        PBKDF2_SHA256.replace("i=1000", "i=99999999999"),
        PBKDF2_SHA256.replace("i=1000,", ""),
        PBKDF2_SHA256.replace("sha256", "md5"),
        "$pbkdf2-sha256$".to_owned(),
        "$scrypt$ln=10,r=8,p=2$c2l4dGVlbiBieXRlIHNsdA".to_owned(),
        "$2b$".to_owned(),
        "$".to_owned(),
        String::new(),
    ];
    for stored in unread {
        assert!(read(&stored).is_err(), "{stored}");
    }
}

#[test]
fn a_hash_that_a_column_has_cut_off_is_not_read_as_a_shorter_one() {
    // The outputs of scrypt and PBKDF2 begin with each shorter one: what is left of them would be right for the password, and for
    // a guess in 2^8 if one byte were left.
    let django = "pbkdf2_sha256$1000$aSaltOfDjango123$gK1VhhKwphHPcwqZQIIrP0vKyiaw0xXSJGm88anPi58=";
    let passlib = "$pbkdf2-sha256$1000$n5MyplQqRcgZo7SW0tob4w$Ajsr5FiE5b4w.kItxu4KwAErKja3FHCMDyK6ZRqMl3g";
    for whole in [SCRYPT, PBKDF2_SHA256, PBKDF2_SHA512, BCRYPT, django, passlib] {
        assert!(read(whole).is_ok(), "{whole}");
        for length in 0..whole.len() {
            let is_whole = whole.get(length..) == Some("=");
            assert_eq!(read(&whole[..length]).is_ok(), is_whole, "{}", &whole[..length]);
        }
    }
}

#[test]
fn a_longer_output_of_pbkdf2_costs_its_rounds_once_for_each_block_t30() {
    let text = |digest: &str, rounds: u32, length: usize| {
        let hash = STANDARD_NO_PAD.encode(vec![7; length]);
        format!("$pbkdf2-{digest}$i={rounds},l={length}$c2l4dGVlbiBieXRlIHNsdA${hash}")
    };
    // A version 3 record of ASP.NET Core Identity.
    let record = |digest: u32, rounds: u32, length: usize| {
        let numbers = [digest, rounds, 16].map(u32::to_be_bytes);
        STANDARD.encode([&[1][..], numbers.as_flattened(), &[7; 16], &vec![7; length]].concat())
    };
    for (most, above) in [
        (text("sha1", 2_000_000, 20), text("sha1", 2_000_000, 21)),
        (text("sha1", 111_111, 330), text("sha1", 2_000_000, 330)),
        (text("sha256", 1_000_000, 64), text("sha256", 1_000_001, 64)),
        (text("sha512", 1_000_000, 65), text("sha512", 1_000_001, 65)),
        (record(0, 1_000_000, 32), record(0, 1_000_001, 32)),
        (record(1, 181_818, 340), record(1, 2_000_000, 340)),
        (record(2, 2_000_000, 32), record(2, u32::MAX, 340)),
    ] {
        assert!(read(&most).is_ok(), "{most}");
        assert!(read(&above).is_err(), "{above}");
    }
}

/// What a text may begin with, and be about anything.
const BEGINNINGS: [&str; 22] = [
    "",
    "$2b$05$",
    "$2b$",
    "bcrypt$$2b$",
    "bcrypt_sha256$$2b$04$",
    "$bcrypt-sha256$v=2,t=2b,r=",
    "$bcrypt-sha256$2a,",
    "$scrypt$ln=",
    "scrypt$1024$",
    "scrypt:1024:8:1$",
    "{scrypt}$",
    "{scrypt}$e0801$",
    "$e0801$",
    "$pbkdf2-sha256$",
    "$pbkdf2-sha512$i=",
    "pbkdf2_sha1$1$",
    "pbkdf2:sha256:",
    "{pbkdf2}",
    "{PBKDF2}",
    "{pbkdf2@SpringSecurity_v5_8}",
    "AQAAAAEAACcQ",
    "{",
];

proptest! {
    #[test]
    fn no_text_makes_a_panic_whatever_it_holds(
        beginning in select(&BEGINNINGS[..]),
        printable in "[ -~]{0,90}",
        typical in "[0-9a-f$:,=./+A]{0,90}",
        any: String,
    ) {
        for rest in [printable, typical, any] {
            let _ = read(&format!("{beginning}{rest}"));
        }
    }
}
