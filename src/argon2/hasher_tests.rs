use password_hash::phc::Salt;

use super::super::argon2_hash::Caps;
use super::super::engine::portable::Portable;
use super::super::legacy;
use super::*;

fn hasher() -> Hasher {
    let caps = Caps { memory: 256, passes: 3, lanes: 2 };
    Hasher {
        parameters: Argon2Parameters::new(64, 1, 1).unwrap(),
        readable: Readable { caps, legacy: legacy::Caps::default(), own: Vec::new(), keys: None },
        preparation: None,
        decoy_salt: [7; SALT],
        hashes: AtomicU64::new(0),
        unusable: AtomicU64::new(0),
    }
}

/// The implementation whose memory can be looked at.
fn memory(hasher: &Hasher) -> Portable {
    Portable::of(hasher.parameters.blocks()).unwrap()
}

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

/// What is checked, the runs it took, and the unusable hashes it met.
fn check(text: &str, stored: Option<&str>) -> (Checked, u64, u64) {
    let hasher = hasher();
    let (checked, fresh) = hasher.check(&password(text), stored, false, &mut memory(&hasher)).unwrap();
    assert_eq!(fresh, None);
    (checked, hasher.hashes.load(Ordering::Relaxed), hasher.unusable.load(Ordering::Relaxed))
}

// From the test suite of the reference implementation.
const ID: &str = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
const ID_TWO_LANES: &str = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";
const I: &str = "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8";
const I_FIRST_VERSION: &str = "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY";

#[test]
fn hashes_of_every_variant_version_and_lane_count_are_understood_and_outdated() {
    for stored in [ID, ID_TWO_LANES, I, I_FIRST_VERSION] {
        assert_eq!(check("password", Some(stored)), (Checked::Right, 1, 0), "{stored}");
        assert_eq!(check("differentpassword", Some(stored)), (Checked::Wrong, 1, 0), "{stored}");
    }
}

#[test]
fn a_new_hash_is_current_and_right_for_its_password_only() {
    let hasher = hasher();
    let mut memory = memory(&hasher);
    let hash = hasher.make(&password("correct horse"), &mut memory).unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
    let mut is = |text: &str| hasher.check(&password(text), Some(&hash), true, &mut memory).unwrap();
    assert_eq!(is("correct horse"), (Checked::Right, None), "nothing to upgrade");
    for wrong in ["", "correct hors", "correct horse ", "Correct horse", "correct horse\0"] {
        assert_eq!(is(wrong), (Checked::Wrong, None), "{wrong:?}");
    }
}

#[test]
fn every_unusable_hash_takes_exactly_one_run_like_a_missing_one_t19_t20() {
    assert_eq!(check("password", None), (Checked::Wrong, 1, 0));
    let above_the_caps = [
        ID.replace("m=256", "m=257"),
        ID.replace("t=2", "t=4"),
        ID_TWO_LANES.replace("p=2", "p=3"),
        ID.replace("m=256", "m=4294967295"),
        ID.replace("t=2", "t=4294967295"),
        ID.replace("p=1", "p=4294967295"),
    ];
    let broken = [
        String::new(),
        "!".to_owned(),
        "password".to_owned(),
        "$".to_owned(),
        "$argon2id".to_owned(),
        "$argon2id$v=19$m=256,t=2,p=1".to_owned(),
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ".to_owned(),
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$".to_owned(),
        ID.replace("v=19", "v=18"),
        ID.replace("t=2", "t=0"),
        ID.replace("p=1", "p=0"),
        ID.replace("m=256", "m=7"),
        ID.replace("m=256", "m=-1"),
        ID.replace("m=256", "é=256"),
        ID.replace("argon2id", "argon2x"),
        ID.replace("c29tZXNhbHQ", "c2"),
        format!("{ID}$"),
        format!("{ID}{}", "A".repeat(1000)),
        "$1$salt$qJH7.N4xYta3aEG/dfqo/0".to_owned(),
    ];
    for stored in above_the_caps.iter().chain(&broken) {
        let (checked, runs, unusable) = check("password", Some(stored));
        assert!(matches!(checked, Checked::Unusable(_)), "{stored}");
        assert_eq!((runs, unusable), (1, 1), "{stored}");
    }
}

#[test]
fn the_run_for_an_unknown_user_does_the_very_work_of_a_current_hash_t20() {
    let hasher = Hasher { parameters: Argon2Parameters::new(128, 3, 2).unwrap(), ..hasher() };
    let mut of_decoy = memory(&hasher);
    hasher.check(&password("password"), None, true, &mut of_decoy).unwrap();

    // Argon2's memory after the last pass depends on every parameter: a cheaper run leaves another one behind.
    let salt = Salt::new(&hasher.decoy_salt).unwrap();
    let stored = format!("$argon2id$v=19$m=128,t=3,p=2${salt}$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4");
    let mut of_real = memory(&hasher);
    hasher.check(&password("password"), Some(&stored), true, &mut of_real).unwrap();
    assert!(of_decoy.words().eq(of_real.words()));
    assert!(of_decoy.words().any(|word| *word != 0));

    let mut of_cheaper = memory(&hasher);
    let cheaper = Argon2Parameters::new(128, 2, 2).unwrap();
    let params = cheaper.params(None).unwrap();
    let function = Argon2Parameters::function(&params, None);
    of_cheaper.run(&function, b"password", &hasher.decoy_salt, &mut [0; OUTPUT]).unwrap();
    assert!(of_decoy.words().ne(of_cheaper.words()), "this test can fail");
}

#[test]
fn a_thread_keeps_its_block_and_gives_back_what_a_costlier_stored_hash_took_t30() {
    let hasher = hasher();
    let mut memory = memory(&hasher);
    let own = memory.address_and_blocks();
    assert_eq!(own.1, 64);
    for stored in [None, Some(ID), Some(I), Some("broken")] {
        for _ in 0..10 {
            hasher.check(&password("password"), stored, false, &mut memory).unwrap();
            assert_eq!(memory.address_and_blocks(), own);
        }
    }
}

#[test]
fn an_upgrade_is_made_only_for_a_right_password_with_an_outdated_hash() {
    let hasher = Arc::new(hasher());
    let mut memory = Chosen::of(hasher.parameters.blocks()).unwrap();
    let current = hasher.make(&password("password"), &mut memory).unwrap();
    let mut run = |password: &str, stored: &str, upgrade: bool| {
        let task = Task::Check { stored: Some(stored.to_owned()), upgrade };
        let job = Job { hasher: Arc::clone(&hasher), password: Password::new(password.to_owned()), task };
        let done = job.run(&mut memory).unwrap();
        assert_eq!(done.password.expose(), password);
        (done.right, done.fresh)
    };
    assert_eq!(run("password", &current, true), (true, None));
    assert_eq!(run("wrong", ID, true), (false, None));
    assert_eq!(run("password", ID, false), (true, None));
    let (right, fresh) = run("password", ID, true);
    assert!(right);
    let fresh = fresh.unwrap();
    assert!(fresh.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{fresh}");
    assert_eq!(run("password", &fresh, true), (true, None));
}
