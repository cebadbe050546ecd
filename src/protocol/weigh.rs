//! What is demanded of a login beyond right credentials, held against what it has proven.

use super::error::Reason;

/// What the operator demands of a login.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demanded {
    /// Its password is known from no leak.
    pub(crate) unleaked_password: bool,
}

/// What is known of a login beyond its credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proven {
    /// Its password was found among leaked ones. Not so if the shield could not decide: the list is an extra, which fails open.
    pub(crate) leaked_password: bool,
}

/// Decides whether a login gives anything.
pub(crate) const fn weigh(demanded: Demanded, proven: Proven) -> Result<(), Reason> {
    if demanded.unleaked_password && proven.leaked_password {
        return Err(Reason::PasswordLeaked);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaked_password_is_refused_only_where_an_unleaked_one_is_demanded() {
        for (unleaked_password, leaked_password, is_refused) in
            [(false, false, false), (false, true, false), (true, false, false), (true, true, true)]
        {
            let weighed = weigh(Demanded { unleaked_password }, Proven { leaked_password });
            assert_eq!(weighed.is_err_and(|reason| reason == Reason::PasswordLeaked), is_refused);
        }
    }
}
