//! In which way a login went.

use serde::{Serialize, Serializer};

/// In which way a login went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum LoginWay {
    /// By the password grant (RFC 6749 section 4.3).
    Password,
    /// By the password grant in a realm that the request names.
    Realm,
    /// By a second factor that has finished it, however it was begun.
    SecondFactor,
    /// By an [extension grant](crate::grant::ExtensionGrant).
    Extension,
    /// Past this endpoint, as by the code flow of another server: the application has noted it.
    Elsewhere,
}

impl LoginWay {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [Self::Password, Self::Realm, Self::SecondFactor, Self::Extension, Self::Elsewhere];

    /// A stable name in `snake_case`, fit for a metric label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Realm => "realm",
            Self::SecondFactor => "second_factor",
            Self::Extension => "extension",
            Self::Elsewhere => "elsewhere",
        }
    }

    /// A stable number, for stores: less than 128.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Password => 0,
            Self::Realm => 1,
            Self::SecondFactor => 2,
            Self::Extension => 3,
            Self::Elsewhere => 4,
        }
    }

    /// The way with this number, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.number() == number)
    }

    /// The number of a way together with whether a password has begun the logins, for a key.
    #[allow(dead_code, reason = "for rooms, which are features")]
    pub(crate) const fn number_with(self, is_by_password: bool) -> u8 {
        self.number().saturating_mul(2).saturating_add(is_by_password as u8)
    }

    /// What has this [number](Self::number_with), if there is something.
    #[allow(dead_code, reason = "for rooms, which are features")]
    pub(crate) fn from_number_with(number: u8) -> Option<(Self, bool)> {
        Some((Self::from_number(number / 2)?, number % 2 == 1))
    }
}

impl Serialize for LoginWay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_has_a_name_and_a_number_of_its_own() {
        for (at, way) in LoginWay::ALL.into_iter().enumerate() {
            assert_eq!((usize::from(way.number()), LoginWay::from_number(way.number())), (at, Some(way)));
            assert_eq!(LoginWay::ALL.into_iter().filter(|other| other.as_str() == way.as_str()).count(), 1);
            for is_by_password in [false, true] {
                let number = way.number_with(is_by_password);
                assert_eq!(LoginWay::from_number_with(number), Some((way, is_by_password)));
            }
        }
        assert_eq!((LoginWay::from_number(5), LoginWay::from_number_with(10)), (None, None));
    }
}
