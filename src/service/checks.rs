use ipnet::IpNet;

use super::config_error::ConfigError;
use crate::boundary::peer::PeerAddress;
use crate::boundary::transport::TransportSecurity;

pub(super) fn check_paths<'a>(paths: impl Iterator<Item = &'a String>) -> Result<(), ConfigError> {
    let mut seen = std::collections::HashSet::new();
    for path in paths {
        let legal = path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic() && !b"?#".contains(&b));
        if !legal {
            return Err(ConfigError::Path(path.clone()));
        }
        if !seen.insert(path) {
            return Err(ConfigError::PathTwice(path.clone()));
        }
    }
    Ok(())
}

pub(super) fn check_proxies(peer: &PeerAddress, transport: &TransportSecurity) -> Result<(), ConfigError> {
    let proxies = peer.proxies();
    if peer.is_unknown() && (transport.needs_peer() || proxies.is_some()) {
        return Err(ConfigError::ProxiesWithoutPeer);
    }
    let networks = proxies.map(|proxies| proxies.networks()).unwrap_or_default();
    if proxies.is_some() && networks.is_empty() {
        return Err(ConfigError::NoProxies);
    }
    match networks.iter().chain(transport.networks()).find(|network| !is_narrow(network)) {
        Some(network) => Err(ConfigError::ProxyNetwork(*network)),
        None => Ok(()),
    }
}

/// Neither the whole Internet, nor what was meant as IPv4 and would be a wide network of IPv6.
pub(super) fn is_narrow(network: &IpNet) -> bool {
    network.prefix_len() > 0 && network.addr().to_canonical() == network.addr()
}
