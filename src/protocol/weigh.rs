//! What is demanded of a login beyond right credentials, held against what it has proven.

use super::wire::error::Reason;

/// What the operator demands of a login. There is none that demands nothing by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demanded {
    unleaked_password: bool,
}

impl Demanded {
    /// What the settings of the endpoint say. `unleaked_password`: the password of a login that has one is known from no leak.
    pub(crate) const fn by_settings(unleaked_password: bool) -> Self {
        Self { unleaked_password }
    }
}

/// What is known of a login beyond its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proven {
    pub(crate) password: Look,
}

/// What a look at the password of a login has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing to look at: it has none.
    NoPassword,
    /// Nothing looked at it.
    NotLooked,
    /// It is among no leaked ones.
    Clear,
    Leaked,
    /// The shield could not decide: the list is an extra, which fails open.
    Failed,
}

impl Proven {
    /// Of a login whose credentials are right, with a password among them or not, before anything else is looked at.
    pub(crate) const fn nothing(has_password: bool) -> Self {
        Self { password: if has_password { Look::NotLooked } else { Look::NoPassword } }
    }
}

/// Decides whether a login gives anything.
pub(crate) const fn weigh(demanded: Demanded, proven: Proven) -> Result<(), Reason> {
    if !demanded.unleaked_password {
        return Ok(());
    }
    match proven.password {
        Look::NoPassword | Look::Clear | Look::Failed => Ok(()),
        Look::Leaked => Err(Reason::PasswordLeaked),
        // What is demanded was left out: nothing is decided.
        Look::NotLooked => Err(Reason::VerifierFailed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_unleaked_password_is_demanded_only_a_look_that_failed_stands_for_one_that_found_nothing() {
        let weighed = |demands, password| weigh(Demanded::by_settings(demands), Proven { password }).err();
        for (look, refusal) in [
            (Look::NoPassword, None),
            (Look::NotLooked, Some(Reason::VerifierFailed)),
            (Look::Clear, None),
            (Look::Leaked, Some(Reason::PasswordLeaked)),
            (Look::Failed, None),
        ] {
            assert_eq!([weighed(true, look), weighed(false, look)], [refusal, None], "{look:?}");
        }
        assert_eq!(
            [true, false].map(|has_password| Proven::nothing(has_password).password),
            [Look::NotLooked, Look::NoPassword]
        );
    }
}
