use std::{
    cmp::Reverse,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// A range of addresses, as in `172.17.0.0/16` or `fd00::/64`. What of an address lies behind the prefix
/// is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subnet {
    base: IpAddr,
    prefix: u8,
}

impl Subnet {
    /// `None` if an address has fewer bits than the prefix.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        let base = match address {
            IpAddr::V4(address) if prefix <= 32 => Ipv4Addr::from_bits(address.to_bits() & !rest_v4(prefix)).into(),
            IpAddr::V6(address) if prefix <= 128 => Ipv6Addr::from_bits(address.to_bits() & !rest_v6(prefix)).into(),
            IpAddr::V4(_) | IpAddr::V6(_) => return None,
        };
        Some(Self { base, prefix })
    }

    /// Its first address.
    pub fn base(self) -> IpAddr {
        self.base
    }

    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Its last address.
    pub fn last(self) -> IpAddr {
        match self.base {
            IpAddr::V4(base) => Ipv4Addr::from_bits(base.to_bits() | rest_v4(self.prefix)).into(),
            IpAddr::V6(base) => Ipv6Addr::from_bits(base.to_bits() | rest_v6(self.prefix)).into(),
        }
    }

    pub fn contains(self, address: IpAddr) -> bool {
        (self.base..=self.last()).contains(&address)
    }

    pub fn overlaps(self, other: Self) -> bool {
        self.base <= other.last() && other.base <= self.last()
    }
}

/// The bits behind a prefix.
fn rest_v4(prefix: u8) -> u32 {
    u32::MAX.checked_shr(prefix.into()).unwrap_or(0)
}

fn rest_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shr(prefix.into()).unwrap_or(0)
}

/// Why a text is not a [`Subnet`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a subnet: write it as in `172.28.0.0/16`")]
pub struct SubnetError {
    text: String,
}

impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let read = || {
            let (address, prefix) = text.split_once('/')?;
            Self::new(address.parse().ok()?, prefix.parse().ok()?)
        };
        read().ok_or_else(|| SubnetError { text: text.to_owned() })
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

/// Ranges in order, each with what holds it, to find those that share addresses without comparing all
/// with all. Of several, those count that were given first.
#[derive(Debug, Clone)]
pub struct Subnets<T> {
    sorted: Vec<(Subnet, T)>,
    /// For each the one, up to it, that reaches furthest.
    furthest: Vec<usize>,
}

impl<T> Subnets<T> {
    pub fn new(ranges: impl IntoIterator<Item = (Subnet, T)>) -> Self {
        let mut sorted: Vec<(Subnet, T)> = ranges.into_iter().collect();
        sorted.sort_by_key(|(subnet, _)| (subnet.base, Reverse(subnet.last())));
        let mut furthest: Vec<usize> = Vec::with_capacity(sorted.len());
        for (index, (subnet, _)) in sorted.iter().enumerate() {
            let before = furthest.last().copied().filter(|before: &usize| sorted[*before].0.last() >= subnet.last());
            furthest.push(before.unwrap_or(index));
        }
        Self { sorted, furthest }
    }

    /// One that shares addresses with a range.
    pub fn overlapping(&self, subnet: Subnet) -> Option<&(Subnet, T)> {
        let begun = self.sorted.partition_point(|(other, _)| other.base <= subnet.last());
        let candidate = &self.sorted[self.furthest[begun.checked_sub(1)?]];
        candidate.0.overlaps(subnet).then_some(candidate)
    }

    /// Each that shares addresses with one before it, beside that one.
    pub fn clashes(&self) -> impl Iterator<Item = (&(Subnet, T), &(Subnet, T))> {
        let pairs = self.furthest.iter().zip(self.sorted.iter().skip(1));
        pairs.map(|(before, later)| (&self.sorted[*before], later)).filter(|(before, later)| before.0.overlaps(later.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_up_to_their_prefix() {
        let table = [
            ("172.28.5.1/16", Some("172.28.0.0/16 to 172.28.255.255")),
            ("10.0.0.7/32", Some("10.0.0.7/32 to 10.0.0.7")),
            ("0.0.0.0/0", Some("0.0.0.0/0 to 255.255.255.255")),
            ("fd00:1::9/64", Some("fd00:1::/64 to fd00:1::ffff:ffff:ffff:ffff")),
            ("10.0.0.0/33", None),
            ("10.0.0.0", None),
            ("fd00::/129", None),
        ];
        for (text, expected) in table {
            let found = text.parse::<Subnet>().map(|subnet| format!("{subnet} to {}", subnet.last())).ok();
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn ranges_that_share_addresses_are_found() {
        let ranges = |texts: &str| {
            let ranges = texts.split_whitespace().enumerate();
            Subnets::new(ranges.map(|(index, text)| (text.parse::<Subnet>().unwrap(), index)))
        };
        let table = [
            ("10.0.0.0/24 10.0.1.0/24", "", "10.0.2.0/24", None),
            ("10.0.1.0/24 10.0.0.0/16", "1-0", "10.0.9.0/24", Some(1)),
            ("10.0.0.0/16 10.0.1.0/24 10.0.2.0/24", "0-1 0-2", "10.0.0.0/8", Some(0)),
            ("10.0.0.0/24 10.0.0.0/24", "0-1", "10.0.0.128/25", Some(0)),
            ("10.0.0.0/8 fd00::/8", "", "fd12::/16", Some(1)),
            ("", "", "10.0.0.0/8", None),
        ];
        for (texts, clashes, wanted, found) in table {
            let ranges = ranges(texts);
            let pairs: Vec<String> = ranges.clashes().map(|(one, other)| format!("{}-{}", one.1, other.1)).collect();
            assert_eq!(pairs.join(" "), clashes, "{texts}");
            assert_eq!(ranges.overlapping(wanted.parse().unwrap()).map(|found| found.1), found, "{wanted} in {texts}");
        }
    }
}
