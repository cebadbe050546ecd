//! What a code is held against, counted: the time of a refusal must not show what fits.

use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::boundary::factors::tools::{NewOtp, SealedKind};
use crate::protocol::secret::secrets::RandomnessError;
use crate::protocol::wiped::Wiped;

const STEP: u64 = 7;

/// Keeps which secrets were asked. A code fits the secret of its own bytes.
#[derive(Default)]
struct Asked(Mutex<Vec<Vec<u8>>>);

impl FactorTools for Asked {
    fn seal(&self, _: SealedKind, _: &[&str], plain: &[u8]) -> Result<Vec<u8>, RandomnessError> {
        Ok(plain.to_vec())
    }

    fn open(&self, _: SealedKind, _: &[&str], sealed: Vec<u8>) -> Option<Unlocked> {
        Some(unlocked(sealed))
    }

    fn matching_step(&self, secret: &[u8], code: &str, _: SystemTime) -> Option<u64> {
        self.0.lock().unwrap().push(secret.to_vec());
        (secret == code.as_bytes()).then_some(STEP)
    }

    fn new_otp(&self, _: &str) -> Result<NewOtp, RandomnessError> {
        Ok(NewOtp { secret: Vec::new().into(), text: String::new().into(), uri: String::new().into() })
    }
}

fn unlocked(bytes: Vec<u8>) -> Unlocked {
    let value = 0..bytes.len();
    Unlocked { bytes: Wiped::new(bytes), value }
}

/// An authenticator of this kind with this secret.
fn authenticator(kind: AuthenticatorKind, secret: &str) -> Authenticator {
    let id = AuthenticatorId::random(kind).unwrap();
    Authenticator::new(id, kind, None, secret.as_bytes().to_vec(), UNIX_EPOCH)
}

/// The place of the app that a code fits among these, and the secrets that it was held against.
fn held_against(all: &[Authenticator], code: &str) -> (Option<usize>, Vec<Vec<u8>>) {
    let (tools, open) = (Asked::default(), |app: &Authenticator| Ok(unlocked(app.sealed.clone())));
    let typed = TypedOtp { all, open: &open, code, now: UNIX_EPOCH + Duration::from_secs(STEP * 30) };
    let fitting = typed.fitting_app(&tools).unwrap_or_else(|_| panic!("each secret opens"));
    let place = fitting.map(|(app, step)| {
        assert_eq!(step, STEP);
        all.iter().position(|one| one.id == app.id).unwrap()
    });
    (place, tools.0.into_inner().unwrap())
}

#[test]
fn a_code_is_held_against_every_app_whichever_it_is_of_and_whatever_it_looks_like() {
    let secrets = ["first", "second", "third"];
    let mut all: Vec<_> = secrets.map(|secret| authenticator(AuthenticatorKind::Otp, secret)).into();
    all.insert(1, authenticator(AuthenticatorKind::RecoveryCodes, "none"));
    for (code, place) in [("first", Some(0)), ("second", Some(2)), ("third", Some(3)), ("none", None), ("", None)] {
        let (fitting, asked) = held_against(&all, code);
        assert_eq!(fitting, place, "{code}");
        assert_eq!(asked, secrets.map(|secret| secret.as_bytes().to_vec()), "{code}");
    }
}

#[test]
fn a_user_without_an_app_costs_one_check() {
    for all in [vec![], vec![authenticator(AuthenticatorKind::RecoveryCodes, "none")]] {
        assert_eq!(held_against(&all, "123456"), (None, vec![vec![0; 20]]));
    }
}
