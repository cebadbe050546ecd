/// Choices that weaken the endpoint. Each names the attack that it opens. See
/// [`Builder::danger`](crate::Builder::danger).
#[derive(Debug, Default)]
#[must_use]
pub struct Danger {
    pub(super) reveal_custom_denials: bool,
}

impl Danger {
    /// Sends the code and description of [`Denial::Custom`](crate::Denial::Custom) instead of `invalid_grant`, and the reason of a
    /// [login rule](crate::rules::Ruling::deny) as `error_description`. Default: off, but the
    /// [profile of Auth0](crate::mount::Profile::Auth0) shows reasons of login rules in any case.
    ///
    /// The attack: such an answer shows that the account exists and, if the verifier returns it before the password was
    /// found right, shows it to every guesser of names. A rule is asked only after that, so its reason shows that the password is
    /// right.
    pub fn reveal_custom_denials(mut self) -> Self {
        self.reveal_custom_denials = true;
        self
    }
}
