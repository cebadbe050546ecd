//! The filter of leaked passwords: it finds every password of its list and hardly any other, survives its file, and meets
//! hostile lists and files with an error.

use std::fmt::Write as _;
use std::io::{self, BufReader, Read};
use std::sync::LazyLock;

use proptest::prelude::*;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use tower_password_grant::Password;
use tower_password_grant::leaks::{LeakedPasswords, LeakedPasswordsError as Error};
use tower_password_grant::user::OnLeak;

use crate::support::{AUTH, Fixture, PW};

fn has(leaked: &LeakedPasswords, password: &str) -> bool {
    leaked.contains(&Password::new(password.to_owned()))
}

fn file_of(leaked: &LeakedPasswords) -> Vec<u8> {
    let mut file = Vec::new();
    leaked.write_to(&mut file).unwrap();
    file
}

fn sha1_line(password: &str) -> String {
    Sha1::digest(password).iter().fold(String::new(), |mut line, byte| {
        write!(line, "{byte:02X}").unwrap();
        line
    })
}

const COUNT: u32 = 100_000;

/// Enough for every number of this file to show.
static LARGE: LazyLock<LeakedPasswords> =
    LazyLock::new(|| LeakedPasswords::from_passwords((0..COUNT).map(|number| format!("leaked {number}"))).unwrap());

#[test]
fn every_password_of_the_list_is_found_and_of_others_less_than_one_in_ten_thousand() {
    assert_eq!(LARGE.count(), COUNT);
    assert!((0..COUNT).all(|number| has(&LARGE, &format!("leaked {number}"))));
    let mistakes = (0..1_000_000).filter(|number| has(&LARGE, &format!("other {number}"))).count();
    // 15 are expected. None at all would be a set, not a filter, or a look-up that never finds.
    assert!((1..100).contains(&mistakes), "{mistakes} mistakes");
}

#[test]
fn a_filter_takes_what_its_documentation_says() {
    let bytes = file_of(&LARGE).len() as f64 / f64::from(COUNT);
    assert!((2.25..2.5).contains(&bytes), "{bytes} bytes for each password");
}

#[test]
fn a_filter_survives_its_file() {
    let path = std::env::temp_dir().join(format!("leaked-{}.filter", std::process::id()));
    LARGE.write_to(std::fs::File::create(&path).unwrap()).unwrap();
    let opened = LeakedPasswords::open(&path);
    std::fs::remove_file(&path).unwrap();
    let opened = opened.unwrap();
    assert_eq!(opened.count(), COUNT);
    assert!((0..COUNT).all(|number| has(&opened, &format!("leaked {number}"))));
    for number in 0..100_000 {
        let other = format!("other {number}");
        assert_eq!(has(&opened, &other), has(&LARGE, &other));
    }
    assert_eq!(file_of(&opened), file_of(&LARGE), "the same list gives the same file");
    assert!(matches!(LeakedPasswords::open(&path), Err(Error::Io(_))));
}

#[test]
fn lists_of_every_small_size_make_filters() {
    for size in 1..300 {
        let list: Vec<_> = (0..size).map(|number| format!("{size} {number}")).collect();
        let leaked = LeakedPasswords::from_passwords(&list).unwrap();
        let read = LeakedPasswords::read_from(&*file_of(&leaked)).unwrap();
        assert!(list.iter().all(|password| has(&leaked, password) && has(&read, password)), "{size}");
        assert!((0..100).filter(|number| has(&read, &format!("other {number}"))).count() < 3, "{size}");
    }
}

#[test]
fn the_lines_of_a_list_are_passwords_byte_by_byte() {
    let list = "123456\r\npassword\n\n\r\n password\npassword \r\nzoë\npassword\nqwerty".as_bytes();
    let leaked = LeakedPasswords::from_list(list).unwrap();
    assert_eq!(leaked.count(), 6);
    for password in ["123456", "password", " password", "password ", "zoë", "qwerty"] {
        assert!(has(&leaked, password), "{password}");
    }
    for password in ["", "password\r", "qwerty\n", "Password", "12345", "zoe"] {
        assert!(!has(&leaked, password), "{password:?}");
    }
    // Latin-1 does no harm, and is not found as UTF-8.
    let leaked = LeakedPasswords::from_list(&b"zo\xeb\nqwerty"[..]).unwrap();
    assert!(has(&leaked, "qwerty") && !has(&leaked, "zoë"));
}

#[test]
fn a_list_of_hashes_finds_the_passwords_of_these_hashes() {
    let list = format!(
        "{}\n{}:10434004\r\n\n{}:0\n{}\n",
        sha1_line("123456"),
        sha1_line("password"),
        sha1_line("zoë").to_lowercase(),
        sha1_line("123456"),
    );
    let leaked = LeakedPasswords::from_sha1_list(list.as_bytes()).unwrap();
    assert_eq!(leaked.count(), 3);
    assert!(["123456", "password", "zoë"].iter().all(|password| has(&leaked, password)));
    assert!(!has(&leaked, "qwerty") && !has(&leaked, &sha1_line("password")));
    let same = LeakedPasswords::from_passwords(["123456", "password", "zoë"]).unwrap();
    assert_eq!(file_of(&leaked), file_of(&same));
}

#[test]
fn a_line_that_is_no_hash_is_named_by_its_number_and_not_repeated() {
    let good = sha1_line("password");
    for bad in
        ["hunter2", &good[1..], &format!("{good}0"), &format!("{good}:"), &format!("{good};7"), &format!("{good} ")]
    {
        let list = format!("{good}\r\n\n{bad}\n{good}");
        let error = LeakedPasswords::from_sha1_list(list.as_bytes()).unwrap_err();
        assert!(matches!(error, Error::Line(3)), "{error}");
        let told = format!("{error} {error:?}");
        assert!(told.contains("line 3 ") && !told.contains(bad) && !told.contains(&good), "{told}");
    }
}

#[test]
fn an_empty_list_is_refused() {
    for list in ["", "\n", "\r\n\r\n"] {
        assert!(matches!(LeakedPasswords::from_list(list.as_bytes()), Err(Error::Empty)));
        assert!(matches!(LeakedPasswords::from_sha1_list(list.as_bytes()), Err(Error::Empty)));
    }
    assert!(matches!(LeakedPasswords::from_passwords(["", ""]), Err(Error::Empty)));
    assert!(matches!(LeakedPasswords::from_passwords(Vec::<String>::new()), Err(Error::Empty)));
}

/// Gives some bytes, one at a time and with interruptions, then fails.
struct Broken<'a>(&'a [u8], bool);

impl Read for Broken<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        let Some((first, rest)) = self.0.split_first() else { return Err(io::Error::other("the disk is gone")) };
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        room[0] = *first;
        self.0 = rest;
        Ok(1)
    }
}

#[test]
fn a_failing_disk_is_told_with_its_cause() {
    let file = file_of(&LeakedPasswords::from_passwords(["password"]).unwrap());
    let errors = [
        LeakedPasswords::from_list(BufReader::new(Broken(b"password\n", false))).unwrap_err(),
        LeakedPasswords::from_sha1_list(BufReader::new(Broken(sha1_line("x").as_bytes(), false))).unwrap_err(),
        LeakedPasswords::read_from(Broken(b"", false)).unwrap_err(),
        LeakedPasswords::read_from(Broken(&file[..50], false)).unwrap_err(),
        // Whether something follows cannot be told.
        LeakedPasswords::read_from(Broken(&file, false)).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, Error::Io(_)));
        assert!(format!("{error:?}").contains("the disk is gone"), "{error:?}");
    }
    // Interruptions alone do no harm.
    let read = LeakedPasswords::read_from(Broken(&file, false).chain(&[][..]).take(file.len() as u64)).unwrap();
    assert!(has(&read, "password"));
}

fn small() -> Vec<u8> {
    file_of(&LeakedPasswords::from_passwords((0..100).map(|number| number.to_string())).unwrap())
}

#[test]
fn every_part_of_a_file_is_refused_and_so_is_more_than_a_file() {
    let file = small();
    for length in 0..file.len() {
        let error = LeakedPasswords::read_from(&file[..length]).unwrap_err();
        let expected = if length < 8 { matches!(error, Error::NotAFilter) } else { matches!(error, Error::Length) };
        assert!(expected, "{length}: {error}");
    }
    for more in [&b"\0"[..], &file] {
        assert!(matches!(LeakedPasswords::read_from(&*[&*file, more].concat()), Err(Error::Length)));
    }
    LeakedPasswords::read_from(&*file).unwrap();
}

#[test]
fn every_flipped_bit_of_a_file_is_refused() {
    let file = small();
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut bent = file.clone();
            bent[at] ^= 1 << bit;
            let error = LeakedPasswords::read_from(&*bent).unwrap_err();
            match at {
                0..8 => assert!(matches!(error, Error::NotAFilter), "{at}: {error}"),
                8..12 => assert!(matches!(error, Error::Version(_)), "{at}: {error}"),
                // How many, seed and lengths: a checksum that fails, if not numbers that cannot be.
                12..32 => assert!(matches!(error, Error::Damaged | Error::Length), "{at}: {error}"),
                _ => assert!(matches!(error, Error::Damaged), "{at}: {error}"),
            }
        }
    }
}

/// A file of these numbers with a right checksum, as somebody would forge it.
fn forged(count: u32, seed: u64, segment: u32, begins: u32, fingerprints: &[u8]) -> Vec<u8> {
    let mut file = b"tpgleaks\x01\0\0\0".to_vec();
    file.extend(count.to_le_bytes());
    file.extend(seed.to_le_bytes());
    file.extend(segment.to_le_bytes());
    file.extend(begins.to_le_bytes());
    file.extend(fingerprints);
    let checksum = Sha256::digest(&file);
    file.extend(checksum);
    file
}

/// A filter may find what it likes, as long as it does not panic.
fn look_up_in(leaked: &LeakedPasswords) {
    for number in 0..200 {
        let _ = has(leaked, &number.to_string());
    }
}

#[test]
fn a_forged_file_is_refused_where_a_look_up_would_leave_it() {
    let room = |fingerprints: usize| vec![0xa5; 2 * fingerprints];
    look_up_in(&LeakedPasswords::read_from(&*forged(10, 7, 8, 24, &room(40))).unwrap());
    for (why, count, segment, begins, fingerprints) in [
        ("a segment that is no power of two", 10, 6, 24, 36),
        ("a segment of nothing", 10, 0, 24, 24),
        ("segments with a rest", 10, 8, 25, 41),
        ("nothing to begin in", 10, 8, 0, 16),
        ("no passwords", 0, 8, 24, 40),
        ("more passwords than fingerprints", 41, 8, 24, 40),
        ("lengths beyond 32 bits", 10, 1 << 31, 1 << 31, 40),
        ("lengths just beyond 32 bits", 10, 1 << 30, 1 << 31, 40),
    ] {
        let file = forged(count, 7, segment, begins, &room(fingerprints));
        let error = LeakedPasswords::read_from(&*file).unwrap_err();
        assert!(matches!(error, Error::Damaged), "{why}: {error}");
    }
    for fingerprints in [0, 1, 39, 41, 400] {
        let error = LeakedPasswords::read_from(&*forged(10, 7, 8, 24, &room(fingerprints))).unwrap_err();
        assert!(matches!(error, Error::Length | Error::Damaged), "{fingerprints}: {error}");
    }
}

#[test]
fn other_files_and_versions_are_named() {
    for other in [&b""[..], b"123456\npassword\n", &[0; 100], b"tpgleak", "5BAA61E4C9B93F3F:1\n".as_bytes()] {
        assert!(matches!(LeakedPasswords::read_from(other), Err(Error::NotAFilter)));
    }
    let mut newer = small();
    newer[8] = 2;
    let error = LeakedPasswords::read_from(&*newer).unwrap_err();
    assert!(error.to_string().contains("version 2 "), "{error}");
}

/// The key that the filter's first seed mixes to `hash`.
fn key_that_mixes_to(hash: u64) -> u64 {
    let inverse =
        |odd: u64| (0..6).fold(odd, |guess, _| guess.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(guess))));
    let unfold = |mixed: u64| mixed ^ mixed >> 33;
    let key = unfold(hash).wrapping_mul(inverse(0xc4ce_b9fe_1a85_ec53));
    let key = unfold(unfold(key).wrapping_mul(inverse(0xff51_afd7_ed55_8ccd)));
    // `splitmix64(1)`
    key.wrapping_sub(0x910a_2dec_8902_5cc1)
}

#[test]
fn hashes_that_were_chosen_to_collide_give_a_filter_or_an_error() {
    // 200 hashes that begin in one place, of which the constructor can count 63.
    let hashes: Vec<_> = (0..200).map(|number| key_that_mixes_to(number << 40)).collect();
    let list: String = hashes.iter().map(|key| format!("{key:016x}{:024}\n", 0)).collect();
    match LeakedPasswords::from_sha1_list(list.as_bytes()) {
        Ok(leaked) => assert_eq!(leaked.count(), 200),
        Err(error) => assert!(matches!(error, Error::Construction), "{error}"),
    }
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_make_a_filter(bytes in proptest::collection::vec(any::<u8>(), 0..300), marked: bool) {
        let bytes = if marked { [b"tpgleaks\x01\0\0\0", &*bytes].concat() } else { bytes };
        if let Ok(leaked) = LeakedPasswords::read_from(&*bytes) {
            look_up_in(&leaked);
        }
    }

    #[test]
    fn any_forged_file_is_refused_or_never_left_by_a_look_up(
        count in 0..200_u32,
        seed: u64,
        segment in prop_oneof![(0..8_u32).prop_map(|bits| 1 << bits), 0..140_u32, any::<u32>()],
        begins in prop_oneof![0..300_u32, any::<u32>()],
        fill: u8,
        missing in prop_oneof![Just(0_u32), 0..5_u32],
    ) {
        let begins = if segment < 140 && begins % 2 == 0 { begins / segment.max(1) * segment } else { begins };
        // As many fingerprints as the numbers say, or somewhat fewer.
        let length = begins.saturating_add(segment.saturating_mul(2)).min(2000).saturating_sub(missing);
        if let Ok(leaked) = LeakedPasswords::read_from(&*forged(count, seed, segment, begins, &vec![fill; 2 * length as usize])) {
            look_up_in(&leaked);
        }
    }

    #[test]
    fn any_list_gives_a_filter_that_finds_all_of_it_or_an_error(list in proptest::collection::vec("[^\r\n]{0,12}", 0..40)) {
        let text = list.join("\n");
        match LeakedPasswords::from_list(text.as_bytes()) {
            Ok(leaked) => prop_assert!(list.iter().all(|password| password.is_empty() || has(&leaked, password))),
            Err(error) => prop_assert!(matches!(error, Error::Empty) && list.iter().all(String::is_empty)),
        }
        let _ = LeakedPasswords::from_sha1_list(text.as_bytes()).map_err(|error| error.to_string());
    }
}

#[tokio::test]
async fn over_the_layer_the_filter_blocks_what_its_list_has() {
    let leaked = LeakedPasswords::from_passwords(["123456", "correct horse"]).unwrap();
    let fixture = Fixture::with(|builder| builder.shield(leaked, OnLeak::Block));
    fixture.token(AUTH, PW).await.assert_error(400, "password_leaked");
    let guess = fixture.token(AUTH, "grant_type=password&username=alice&password=123456").await;
    guess.assert_error(400, "invalid_grant");
    let zoe = serde_urlencoded::to_string([("grant_type", "password"), ("username", "zoë"), ("password", " %&+£€")]);
    fixture.token(AUTH, &zoe.unwrap()).await.assert_ok();
}

#[test]
fn a_filter_shows_no_more_than_its_count() {
    assert_eq!(format!("{:?}", *LARGE), "LeakedPasswords { count: 100000, .. }");
}
