//! What is demanded of a login beyond right credentials, held against what it has proven.

use super::wire::error::Reason;

/// What the operator demands of a login. There is none that demands nothing by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Demanded {
    unleaked_password: bool,
    rules: usize,
}

impl Demanded {
    /// What the settings of the endpoint say. `unleaked_password`: the password of a login that has one is known from no leak.
    /// `rules`: so many login rules let it go on.
    pub(crate) const fn by_settings(unleaked_password: bool, rules: usize) -> Self {
        Self { unleaked_password, rules }
    }
}

/// What is known of a login beyond its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Proven {
    pub(crate) password: Look,
    /// How many login rules have let it go on.
    pub(crate) rules: usize,
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
        Self { password: if has_password { Look::NotLooked } else { Look::NoPassword }, rules: 0 }
    }
}

/// Decides whether a login gives anything.
pub(crate) const fn weigh(demanded: Demanded, proven: Proven) -> Result<(), Reason> {
    match weigh_password(demanded, proven) {
        // What is demanded was left out: nothing is decided.
        Ok(()) if proven.rules < demanded.rules => Err(Reason::RuleFailed),
        weighed => weighed,
    }
}

/// Decides whether the password of a login is good enough, before anything that comes after it.
pub(crate) const fn weigh_password(demanded: Demanded, proven: Proven) -> Result<(), Reason> {
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
        let weighed = |demands, password| weigh(Demanded::by_settings(demands, 0), Proven { password, rules: 0 }).err();
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

    #[test]
    fn a_login_that_a_rule_was_not_asked_about_gives_nothing() {
        for (demanded, rules, refusal) in
            [(0, 0, None), (1, 0, Some(Reason::RuleFailed)), (3, 2, Some(Reason::RuleFailed)), (3, 3, None)]
        {
            let proven = Proven { rules, ..Proven::nothing(true) };
            assert_eq!(weigh(Demanded::by_settings(false, demanded), proven).err(), refusal, "{rules} of {demanded}");
            // A password that is not good enough is refused before any rule is asked.
            let leaked = Proven { password: Look::Leaked, ..proven };
            let demanded = Demanded::by_settings(true, demanded);
            let refusals = [weigh(demanded, leaked), weigh_password(demanded, leaked)];
            assert_eq!(refusals.map(Result::err), [Some(Reason::PasswordLeaked); 2]);
        }
    }
}
