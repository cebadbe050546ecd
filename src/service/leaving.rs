use super::builder::Builder;
use crate::boundary::exceptions::SunsetExceptions;
use crate::protocol::secret::shared_key::SharedKey;

/// How the password grant ends for its clients: what the [plan](crate::client::Sunset) of each leaves to the endpoint.
impl<C, V, I> Builder<C, V, I> {
    /// Serves grants by which a password login begins only to clients with an [end date](crate::client::ClientBuilder::sunset). Others
    /// get `unauthorized_client`, and an event with [`Reason::SunsetRequired`](crate::audit::Reason::SunsetRequired). Default: off,
    /// because only you know the dates. Turn it on once each client has one, so that no new one comes without.
    pub fn require_sunset(mut self) -> Self {
        self.options.requires_sunset = true;
        self
    }

    /// The key of the hash by which a [ramp](crate::client::Sunset::ramp_from) chooses its users. Default: the
    /// [shared key](crate::limiter::AttackProtection::shared_key) of the attack protection; without one, a key that everybody knows.
    /// Restarts and other processes agree in each case. With the known key a stranger who knows the id of a subject can compute when
    /// it will be refused. With another key other users come first: do not change it while a ramp is under way.
    pub fn ramp_key(mut self, key: SharedKey) -> Self {
        self.options.ramp_key = Some(key);
        self
    }

    /// Asked about each user who would be refused by ramp or end, at clients whose plan
    /// [looks exceptions up](crate::client::Sunset::look_up_exceptions). Default: none, and such logins are answered with an error.
    /// Its time is that of a look-up ([`RequestLimits`](crate::mount::RequestLimits)).
    pub fn sunset_exceptions(mut self, exceptions: impl SunsetExceptions) -> Self {
        self.options.sunset_exceptions = Some(Box::new(exceptions));
        self
    }
}
