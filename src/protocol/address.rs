//! Addresses in the one form in which they are compared and counted.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where a request comes from: the machine, and what it is counted on. Only this type says which of the two is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sender {
    machine: IpAddr,
    counted: IpAddr,
}

impl Sender {
    #[inline]
    pub(crate) fn of(address: IpAddr) -> Self {
        Self { machine: address.to_canonical(), counted: canonical(address) }
    }

    /// The machine itself, for lists of machines that are trusted or spared. Only the mapped form is the same machine as
    /// the IPv4 address in it: an IPv6 address that was made from an IPv4 address is another machine.
    pub(crate) fn machine(self) -> IpAddr {
        self.machine
    }

    /// The address that budgets are counted on.
    pub(crate) fn counted(self) -> IpAddr {
        self.counted
    }
}

/// One address in its one form: IPv4 that IPv6 carries (mapped, RFC 4291; NAT64's well-known prefix, RFC 6052; 6to4,
/// RFC 3056; Teredo, RFC 4380) becomes IPv4 again, so that one IPv4 address does not get more budgets with the networks
/// that are made from it.
///
/// Other forms stay: NAT64 in a prefix of one's own (RFC 8215) does not tell where the address lies in it; ISATAP
/// (RFC 5214) and the two forms below `::` (RFC 4291 section 2.5.5.1, RFC 2765) have all their machines in one /64.
fn canonical(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let (high, low) = match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            (high, low)
        }
        // The address of the client is written upside down.
        [0x2001, 0, .., high, low] => (!high, !low),
        _ => return address,
    };
    IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
}

/// What counts as one sender: an IPv4 address, or the /64 of an IPv6 address, all of which one machine may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    V4(u32),
    V6(u64),
}

/// How many times what a /64 may do all of a /56 and all of a /48 may do together, by default: a provider may give a customer as
/// much.
pub(crate) const IPV6_FACTORS: [u32; 2] = [4, 16];

impl Network {
    /// Its first address.
    pub(crate) fn first(self) -> IpAddr {
        match self {
            Self::V4(bits) => IpAddr::V4(Ipv4Addr::from_bits(bits)),
            Self::V6(bits) => IpAddr::V6(Ipv6Addr::from_bits(u128::from(bits) << 64)),
        }
    }

    #[inline]
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
        for text in [
            "192.0.2.33",
            "::ffff:192.0.2.33",
            "64:ff9b::192.0.2.33",
            "2002:c000:221::1",
            "2002:c000:221:7::",
            "2001:0:4136:e378:8000:63bf:3fff:fdde",
            "2001:0:1:2:3:4:3fff:fdde",
        ] {
            assert_eq!(canonical(parse(text)), parse("192.0.2.33"), "{text}");
            assert_eq!(Network::of(parse(text)), Network::of(parse("192.0.2.33")), "{text}");
        }
    }

    #[test]
    fn only_the_mapped_form_is_the_machine_whose_address_it_holds() {
        assert_eq!(Sender::of(parse("::ffff:192.0.2.33")).machine(), parse("192.0.2.33"));
        let others = ["64:ff9b::192.0.2.33", "64:ff9b:1::192.0.2.33", "2002:c000:221::1", "2001:0:1:2:3:4:3fff:fdde"];
        for text in others.into_iter().chain(["::192.0.2.33", "::ffff:0:192.0.2.33", "2001:db8::200:5efe:192.0.2.33"]) {
            assert_eq!(Sender::of(parse(text)).machine(), parse(text));
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
