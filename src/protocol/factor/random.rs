//! Random characters, each as likely as any other.

use zeroize::Zeroizing;

use crate::protocol::secret::secrets::{RandomnessError, fill_random};

/// Bytes that are drawn at once: of 256 values more than 200 fit into every alphabet here, so one draw is rarely not enough.
const DRAWN: usize = 8;

/// The digits of a code that is typed.
const DIGITS: [u8; 10] = *b"0123456789";

/// Six random digits.
///
/// # Errors
/// Fails when the operating system gives no randomness.
pub(super) fn six_digits() -> Result<Zeroizing<[u8; 6]>, RandomnessError> {
    let mut code = Zeroizing::new([0; 6]);
    for digit in code.iter_mut() {
        *digit = draw(&DIGITS)?;
    }
    Ok(code)
}

/// One random byte of an alphabet. A byte above its last whole multiple is thrown away: it would favour the first ones.
pub(super) fn draw<const N: usize>(alphabet: &[u8; N]) -> Result<u8, RandomnessError> {
    loop {
        let mut drawn = Zeroizing::new([0; DRAWN]);
        fill_random(drawn.as_mut_slice())?;
        if let Some(byte) = drawn.iter().find_map(|byte| pick(alphabet, *byte)) {
            return Ok(byte);
        }
    }
}

/// The byte of the alphabet that a random byte means, if it means one.
fn pick<const N: usize>(alphabet: &[u8; N], random: u8) -> Option<u8> {
    let size = u16::try_from(N).ok()?;
    let whole = 256_u16.checked_div(size)?.checked_mul(size)?;
    let random = u16::from(random);
    let place = random.checked_rem(size).filter(|_| random < whole)?;
    alphabet.get(usize::from(place)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_character_is_meant_by_as_many_random_bytes() {
        fn check<const N: usize>(alphabet: &[u8; N]) {
            let mut counts = [0; 256];
            (0..=255).filter_map(|random| pick(alphabet, random)).for_each(|byte| counts[usize::from(byte)] += 1);
            assert!(alphabet.iter().all(|byte| counts[usize::from(*byte)] == 256 / N));
            assert_eq!(counts.iter().sum::<usize>(), 256 / N * N);
        }
        check(&DIGITS);
        check(b"ACDEFGHJKMNPQRTUVWXY23456789");
        check(b"x");
    }

    #[test]
    fn each_digit_comes_at_each_place() {
        let mut seen = [[false; 10]; 6];
        for _ in 0..2000 {
            let code = six_digits().unwrap();
            for (place, digit) in code.iter().enumerate() {
                seen[place][usize::from(digit - b'0')] = true;
            }
        }
        assert_eq!(seen, [[true; 10]; 6]);
    }
}
