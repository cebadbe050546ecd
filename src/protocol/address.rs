//! Addresses in the one form in which they are compared and counted.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One address in its one form: IPv4 that IPv6 carries (mapped, RFC 4291; NAT64's well-known prefix, RFC 6052; 6to4,
/// RFC 3056) becomes IPv4 again, so that a sender does not get a second budget by another way of writing.
pub(crate) fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        _ => IpAddr::V6(v6),
    }
}

/// What counts as one sender: an IPv4 address, or the /64 of an IPv6 address, all of which one machine may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    V4(u32),
    V6(u64),
}

impl Network {
    /// Its first address.
    pub(crate) fn first(self) -> IpAddr {
        match self {
            Self::V4(bits) => IpAddr::V4(Ipv4Addr::from_bits(bits)),
            Self::V6(bits) => IpAddr::V6(Ipv6Addr::from_bits(u128::from(bits) << 64)),
        }
    }

    pub(crate) fn of(address: IpAddr) -> Self {
        match canonical(address) {
            IpAddr::V4(v4) => Self::V4(v4.to_bits()),
            IpAddr::V6(v6) => Self::V6((v6.to_bits() >> 64) as u64),
        }
    }
}

impl Hash for Network {
    /// As few bytes as tell it: the two kinds differ in their number.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::V4(bits) => state.write_u32(*bits),
            Self::V6(bits) => state.write_u64(*bits),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn ipv4_in_ipv6_is_ipv4() {
        for text in ["192.0.2.33", "::ffff:192.0.2.33", "64:ff9b::192.0.2.33", "2002:c000:221::1", "2002:c000:221:7::"]
        {
            assert_eq!(canonical(parse(text)), parse("192.0.2.33"), "{text}");
            assert_eq!(Network::of(parse(text)), Network::of(parse("192.0.2.33")), "{text}");
        }
    }

    #[test]
    fn one_64_is_one_sender_and_every_ipv4_address_another() {
        assert_eq!(Network::of(parse("2001:db8:0:1::")), Network::of(parse("2001:db8:0:1:ffff:ffff:ffff:ffff")));
        for (one, other) in [
            ("2001:db8:0:1::", "2001:db8:0:2::"),
            ("192.0.2.1", "192.0.2.2"),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
            ("64:ff9b::192.0.2.1", "64:ff9b::192.0.2.2"),
            ("::", "0.0.0.0"),
            ("::1", "127.0.0.1"),
        ] {
            assert_ne!(Network::of(parse(one)), Network::of(parse(other)), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn the_canonical_form_is_idempotent_and_of_one_network(bits: u128, ipv4: u32) {
            for address in [IpAddr::V6(Ipv6Addr::from_bits(bits)), IpAddr::V4(Ipv4Addr::from_bits(ipv4))] {
                let once = canonical(address);
                prop_assert_eq!(canonical(once), once);
                prop_assert_eq!(Network::of(once), Network::of(address));
                prop_assert_eq!(Network::of(Network::of(address).first()), Network::of(address));
            }
        }
    }
}
