//! A cheap ceiling on all token requests of one address, before anything of them is read.

use std::net::IpAddr;
use std::time::Duration;

use super::meter::{Counted, Meter};
use super::rate::Rate;
use crate::boundary::setting::{SettingError, one_or_more};
use crate::limiter::step::network::Tier;
use crate::protocol::address::{IPV6_FACTORS, Network};

/// How many token requests of one address (IPv6: of one /64) are taken, whatever they hold. All of an IPv6 /56 may make 4 times
/// as many together, and all of a /48 16 times as many: a provider may give a customer as much.
///
/// It never grows: addresses are counted in 65,536 cells of 8 bytes, chosen by a hash under a secret key.
/// So a few addresses share a cell; a flood from very many makes it stricter.
///
/// Its refusals cost next to nothing: not even the registry is asked whose pages may read them, so they have no CORS headers.
///
/// An introspection request is counted like every other one, and given back once its client has authenticated and
/// [may ask](crate::client::ClientBuilder::allow_introspection): else any sender could use up the ceiling of an API's address by sending
/// that API made-up tokens. What such a client may ask is bounded by its own
/// [`IntrospectionCeiling`](crate::limiter::IntrospectionCeiling).
pub struct RequestCeiling {
    rate: Rate,
    /// How many times the rate of a /64 a /56 and a /48 have.
    factors: [u32; 2],
}

/// The /56 and the /48 around a /64, each with its width.
fn around(bits: u64) -> [(u8, u64); 2] {
    Tier::ALL.map(|tier| (tier.prefix_len(), tier.bits(bits)))
}

impl RequestCeiling {
    /// `burst` requests at once, and `per_second` in the long run.
    ///
    /// `burst` is at least 1, `per_second` from 1 to 1,000,000: [`build`](crate::Builder::build) refuses other values.
    #[must_use]
    pub fn per_address(burst: u32, per_second: u32) -> Self {
        Self { rate: Rate::new(burst, per_second), factors: IPV6_FACTORS }
    }

    /// No ceiling: for a host whose proxy has one.
    #[must_use]
    pub fn none() -> Self {
        Self { rate: Rate::none(), factors: IPV6_FACTORS }
    }

    /// The factors of IPv6 networks: how many times the rate and the burst of a /64 all of its /56 and all of its /48 have together.
    /// Default: 4 and 16, the same as [`Limits::with_ipv6_factors`](crate::limiter::Limits::with_ipv6_factors). At
    /// least 1: [`build`](crate::Builder::build) refuses 0. Raise the second where very many of your users come from one /48.
    #[must_use]
    pub fn ipv6_factors(mut self, net_56: u32, net_48: u32) -> Self {
        self.factors = [net_56, net_48];
        self
    }

    /// Refuses nothing, but says in events what it would have refused.
    #[must_use]
    pub fn monitor(mut self) -> Self {
        self.rate.monitor();
        self
    }

    /// Counts one request; `Err` with the time to wait if it is too many, which is then not counted.
    #[inline]
    pub(crate) fn count(&self, address: IpAddr, now: Duration) -> Result<Counted, Duration> {
        let Some(meter) = self.rate.meter() else { return Ok(Counted::default()) };
        let network = Network::of(address);
        let counted = meter.count(network, now)?;
        match network {
            Network::V4(_) => Ok(counted),
            Network::V6(bits) => self.count_wider(meter, bits, counted, now),
        }
    }

    /// Counts a request that its /64 has room for on the networks around it; on none where one has no room.
    fn count_wider(&self, meter: &Meter, bits: u64, own: Counted, now: Duration) -> Result<Counted, Duration> {
        let [of_56, of_48] = self.factors;
        let [net_56, net_48] = around(bits);
        let wide = meter.count_times(net_56, of_56, now).and_then(|wide| {
            let wider = meter.count_times(net_48, of_48, now);
            let wider = wider.inspect_err(|_| meter.give_back_times(net_56, of_56, wide, now))?;
            Ok([wide, wider])
        });
        let wide = wide.inspect_err(|_| meter.give_back(Network::V6(bits), own, now))?;
        Ok(own.with_wider(wide))
    }

    /// Gives back what a counted request of this address still takes up.
    pub(crate) fn give_back(&self, address: IpAddr, counted: Counted, now: Duration) {
        let Some(meter) = self.rate.meter() else { return };
        let network = Network::of(address);
        meter.give_back(network, counted, now);
        if let Network::V6(bits) = network {
            for ((around, factor), counted) in around(bits).into_iter().zip(self.factors).zip(counted.wider()) {
                meter.give_back_times(around, factor, counted, now);
            }
        }
    }

    pub(crate) fn is_monitor(&self) -> bool {
        self.rate.is_monitor()
    }

    /// Whether its rate and its factors are ones that can be.
    pub(crate) fn check(&self) -> Result<(), SettingError> {
        if self.rate.is_none() {
            return Ok(());
        }
        for factor in self.factors {
            one_or_more("RequestCeiling::ipv6_factors", factor)?;
        }
        self.rate.check("RequestCeiling::per_address")
    }
}

impl Default for RequestCeiling {
    /// 1,000 at once and 100 a second.
    fn default() -> Self {
        Self::per_address(1000, 100)
    }
}

impl std::fmt::Debug for RequestCeiling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestCeiling").field("rate", &self.rate).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_count_each_for_itself_and_one_64_as_one() {
        let ceiling = RequestCeiling::per_address(1, 1);
        let count = |text: &str| ceiling.count(text.parse().unwrap(), Duration::ZERO).is_ok();
        assert!(count("192.0.2.1") && count("192.0.2.2") && count("2001:db8::1"));
        assert!(!count("::ffff:192.0.2.1") && !count("2001:db8::2"));
    }

    /// How many of so many requests are taken, each from another /64 of a /48.
    fn taken(ceiling: &RequestCeiling, subnets: impl Iterator<Item = u16>, now: Duration) -> usize {
        subnets.filter(|subnet| ceiling.count(net(*subnet), now).is_ok()).count()
    }

    fn net(subnet: u16) -> IpAddr {
        std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, subnet, 0, 0, 0, 1).into()
    }

    /// Addresses that share a cell by chance are only refused too early: so the best of some runs, each under a key of its own.
    fn best<const N: usize>(run: impl Fn() -> Option<[usize; N]>) -> [usize; N] {
        let runs: Vec<_> = (0..8).filter_map(|_| run()).collect();
        std::array::from_fn(|at| runs.iter().map(|run| run[at]).max().unwrap())
    }

    #[test]
    fn a_56_has_4_times_and_a_48_16_times_what_a_64_has() {
        assert_eq!(best(|| Some(of_wider_networks())), [40, 1, 160, 16, 20]);
    }

    fn of_wider_networks() -> [usize; 5] {
        let ceiling = RequestCeiling::per_address(10, 1);
        let now = Duration::from_secs(100);
        let net_56 = taken(&ceiling, (0..4800).map(|n| n % 16), now);
        // What was refused by the wider network is not counted on the narrower one: a quarter second later there is one more.
        let later = taken(&ceiling, 0..16, now + Duration::from_millis(250));
        let ceiling = RequestCeiling::per_address(10, 1);
        let net_48 = taken(&ceiling, 0..u16::MAX, now);
        let a_second_later = taken(&ceiling, 0..u16::MAX, now + Duration::from_secs(1));
        let ceiling = RequestCeiling::per_address(10, 1).ipv6_factors(u32::MAX, 2);
        [net_56, later, net_48, a_second_later, taken(&ceiling, 0..u16::MAX, now)]
    }

    #[test]
    fn what_is_given_back_is_given_back_to_the_wider_networks_too() {
        assert_eq!(best(after_giving_back), [160, 160]);
    }

    /// `None` if addresses that share a cell were refused.
    fn after_giving_back() -> Option<[usize; 2]> {
        let ceiling = RequestCeiling::per_address(10, 1);
        for round in 0..1000 {
            let now = Duration::from_millis(round / 10);
            let counted = ceiling.count(net(round as u16), now).ok()?;
            ceiling.give_back(net(round as u16), counted, now);
        }
        let all_64s = taken(&ceiling, 0..4800, Duration::from_millis(100));
        // Nothing that has passed.
        let ceiling = RequestCeiling::per_address(10, 1);
        let count = |n: u16| ceiling.count(net(n << 8), Duration::ZERO).ok();
        let counted = (0..160).map(count).collect::<Option<Vec<_>>>()?;
        let later = Duration::from_secs(10);
        (0..).zip(counted).for_each(|(n, counted)| ceiling.give_back(net(n << 8), counted, later));
        Some([all_64s, taken(&ceiling, (0..200).map(|n| n << 8), later)])
    }

    #[test]
    fn no_ceiling_is_no_mistake_whatever_its_mode() {
        assert!(RequestCeiling::none().monitor().check().is_ok() && RequestCeiling::default().check().is_ok());
        assert!(RequestCeiling::none().ipv6_factors(0, 0).check().is_ok());
        assert!(RequestCeiling::per_address(0, 1).monitor().check().is_err());
    }
}
