//! How often a client may ask for the answer that a user gives on another device.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use crate::protocol::secret::secrets::SecretDigest;

/// Once in each interval.
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);

/// The right to ask once about one delivery, within one interval. Two questions that are an interval apart never share it.
pub(crate) struct Turn {
    /// What is spent.
    pub(crate) value: SecretDigest,
    /// From when on nothing asks for it any more, if no clock is a whole interval behind.
    pub(crate) ends: SystemTime,
}

impl Turn {
    /// The turn at this time about the delivery of this identifier; `None` beyond all time.
    pub(crate) fn at(id: &[u8; 16], now: SystemTime) -> Option<Self> {
        let since = now.duration_since(UNIX_EPOCH).ok()?;
        let number = since.as_secs().checked_div(INTERVAL.as_secs())?;
        let digest =
            Sha256::new().chain_update(b"out of band turn 1\0").chain_update(id).chain_update(number.to_be_bytes());
        let ends = now.checked_add(INTERVAL)?.checked_add(INTERVAL)?;
        Some(Self { value: SecretDigest::from_bytes(digest.finalize().into()), ends })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(id: u8, millis: u64) -> [u8; 32] {
        *Turn::at(&[id; 16], UNIX_EPOCH + Duration::from_millis(millis)).unwrap().value.as_bytes()
    }

    #[test]
    fn a_turn_is_of_one_delivery_and_one_interval() {
        assert_eq!(value(1, 10_000), value(1, 14_999));
        assert_ne!(value(1, 10_000), value(2, 10_000));
        for start in 0..5000 {
            assert_ne!(value(1, start), value(1, start + 5000));
        }
    }

    #[test]
    fn a_turn_is_kept_for_longer_than_it_lasts() {
        let at = UNIX_EPOCH + Duration::from_secs(10);
        assert_eq!(Turn::at(&[1; 16], at).unwrap().ends, UNIX_EPOCH + Duration::from_secs(20));
        assert!(Turn::at(&[1; 16], UNIX_EPOCH - Duration::from_secs(1)).is_none());
    }
}
