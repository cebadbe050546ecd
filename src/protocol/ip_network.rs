//! Networks of addresses, as an application names them.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use super::explained::explained;

/// A network of IP addresses, such as `10.0.0.0/8`. One address is a network, too.
///
/// An IPv4 network that is written in IPv6's mapped form (`::ffff:10.0.0.0/104`) is the IPv4 network: addresses are compared in
/// that form.
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr};
/// use tower_password_grant::mount::IpNetwork;
///
/// let office: IpNetwork = "192.0.2.0/24".parse()?;
/// assert!(office.contains(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))));
/// assert_eq!(IpNetwork::from(IpAddr::V4(Ipv4Addr::LOCALHOST)).to_string(), "127.0.0.1/32");
/// assert!("192.0.2.0/33".parse::<IpNetwork>().is_err());
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IpNetwork(IpNet);

impl IpNetwork {
    /// Whether the address lies in it. An IPv4 address in IPv6's mapped form is the IPv4 address.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Neither the whole Internet, nor what was meant as IPv4 and would be a wide network of IPv6.
    pub(crate) fn is_narrow(&self) -> bool {
        self.0.prefix_len() > 0 && self.0.addr().to_canonical() == self.0.addr()
    }
}

/// A text that is no network of IP addresses.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network: write an address, or an address and the length of its prefix, as in `10.0.0.0/8`")]
pub struct IpNetworkError(String);

impl FromStr for IpNetwork {
    type Err = IpNetworkError;

    /// Reads `10.0.0.0/8`, or an address alone.
    fn from_str(text: &str) -> Result<Self, IpNetworkError> {
        let network = || text.parse().or_else(|_| text.parse().map(IpAddr::into)).ok();
        network().map(unmapped).map(Self).ok_or_else(|| IpNetworkError(text.to_owned()))
    }
}

impl From<IpAddr> for IpNetwork {
    fn from(address: IpAddr) -> Self {
        Self(address.to_canonical().into())
    }
}

fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(address, length)| Ipv4Net::new(address, length).ok()).map_or(network, IpNet::V4)
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for IpNetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        explained(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> IpNetwork {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_is_read_as_it_is_written() {
        for text in ["10.0.0.0/8", "192.0.2.7/32", "fd00:0:0:7::/64", "::/0"] {
            assert_eq!(network(text).to_string(), text);
        }
        assert_eq!(network("192.0.2.7"), network("192.0.2.7/32"));
        assert_eq!(network("2001:db8::1"), IpNetwork::from("2001:db8::1".parse::<IpAddr>().unwrap()));
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "proxy", "fe80::1%eth0"] {
            let error = bad.parse::<IpNetwork>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("`{bad}` is no network")), "{error}");
        }
    }

    #[test]
    fn the_mapped_form_is_the_ipv4_network() {
        assert_eq!(network("::ffff:10.0.0.0/104"), network("10.0.0.0/8"));
        assert!(network("10.0.0.0/8").contains("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!network("10.0.0.0/8").contains("11.0.0.1".parse().unwrap()));
        let is_narrow =
            ["10.0.0.0/8", "0.0.0.0/0", "::/0", "::ffff:0:0/96", "::ffff:0:0/95"].map(|text| network(text).is_narrow());
        assert_eq!(is_narrow, [true, false, false, false, false]);
    }
}
