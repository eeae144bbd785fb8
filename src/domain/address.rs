//! Which network addresses may be asked. A vendor's name must not lead into the library's own network.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One range of addresses, such as `10.1.0.0/16`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRule(ipnet::IpNet);

impl AddressRule {
    /// Reads `address` or `address/prefix`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let net = text.parse::<ipnet::IpNet>().ok();
        net.or_else(|| text.parse::<IpAddr>().ok().map(ipnet::IpNet::from)).map(Self)
    }

    /// Whether `address` lies in the range; an IPv4-mapped IPv6 address counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// Whether an address is reachable on the public Internet: not loopback, private, link-local, shared, documentation,
/// multicast or reserved (RFC 6890 and its registries), also when wrapped in IPv6.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => public_v4(v4),
        IpAddr::V6(v6) => public_v6(v6),
    }
}

fn public_v4(a: Ipv4Addr) -> bool {
    let [first, second, third, _] = a.octets();
    let shared = first == 100 && (64..128).contains(&second); // RFC 6598
    let benchmark = first == 198 && (second == 18 || second == 19); // RFC 2544
    let protocol = first == 192 && second == 0 && third == 0; // RFC 6890
    let relay = first == 192 && second == 88 && third == 99; // RFC 7526
    !(first == 0
        || first >= 240
        || a.is_loopback()
        || a.is_private()
        || a.is_link_local()
        || a.is_multicast()
        || a.is_documentation()
        || shared
        || benchmark
        || protocol
        || relay)
}

fn public_v6(a: Ipv6Addr) -> bool {
    let s = a.segments();
    let global_unicast = s[0] & 0xe000 == 0x2000; // 2000::/3 is all that IANA has given out
    let teredo_orchid_doc = s[0] == 0x2001 && (s[1] < 0x0200 || s[1] == 0x0db8);
    let six_to_four = s[0] == 0x2002;
    let documentation = s[0] == 0x3fff && s[1] < 0x1000;
    global_unicast && !teredo_orchid_doc && !six_to_four && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_addresses_are_not_public() {
        for inner in [
            "127.0.0.1",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.8",
            "198.18.0.1",
            "::1",
            "::",
            "::ffff:7f00:1",
            "fe80::1",
            "fd00::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "2001::1",
        ] {
            assert!(!is_public(inner.parse().unwrap()), "{inner}");
        }
        for outer in ["1.1.1.1", "9.9.9.9", "2606:4700::1111", "100.128.0.1"] {
            assert!(is_public(outer.parse().unwrap()), "{outer}");
        }
    }

    #[test]
    fn a_rule_is_an_address_or_a_range() {
        let range = AddressRule::parse("10.1.0.0/16").unwrap();
        assert!(range.contains("10.1.9.9".parse().unwrap()) && range.contains("::ffff:10.1.0.1".parse().unwrap()));
        assert!(!range.contains("10.2.0.1".parse().unwrap()));
        assert!(AddressRule::parse("::1").unwrap().contains("::1".parse().unwrap()));
        assert!(AddressRule::parse("10.1").is_none());
    }
}
