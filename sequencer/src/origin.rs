//! Where a submission came from, as far as sharing needs to know.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address prefix: what one network can hand to itself for free counts as one. IPv4 by /24, IPv6 by /48.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// Inside this process: queue items, tests, operators.
    Local,
    /// The first three bytes of an IPv4 address.
    V4([u8; 3]),
    /// The first six bytes of an IPv6 address.
    V6([u8; 6]),
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => v4_prefix(v4),
            IpAddr::V6(v6) => v6_prefix(v6),
        }
    }
}

fn v4_prefix(address: Ipv4Addr) -> Origin {
    let [a, b, c, _] = address.octets();
    Origin::V4([a, b, c])
}

fn v6_prefix(address: Ipv6Addr) -> Origin {
    if let Some(v4) = address.to_ipv4_mapped() {
        return v4_prefix(v4);
    }
    let [a, b, c, d, e, f, ..] = address.octets();
    Origin::V6([a, b, c, d, e, f])
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local => f.write_str("local"),
            Self::V4([a, b, c]) => write!(f, "{a}.{b}.{c}.0/24"),
            Self::V6(bytes) => {
                let mut octets = [0u8; 16];
                octets[..6].copy_from_slice(bytes);
                write!(f, "{}/48", Ipv6Addr::from(octets))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::from(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn one_network_is_one_origin() {
        assert_eq!(origin("192.0.2.1"), origin("192.0.2.254"));
        assert_ne!(origin("192.0.2.1"), origin("192.0.3.1"));
        assert_eq!(origin("2001:db8:1:ffff::1"), origin("2001:db8:1::2"));
        assert_ne!(origin("2001:db8:1::1"), origin("2001:db8:2::1"));
        assert_eq!(origin("::ffff:192.0.2.7"), origin("192.0.2.1"));
        assert_eq!(origin("2001:db8:1::1").to_string(), "2001:db8:1::/48");
    }
}
