//! What counts as one sender, as keys: an IPv4 address or an IPv6 /64, and what an IPv6 address counts to beside that.
//!
//! A key of IPv6 holds a hash of its /48 and, mixed with it, the 16 bits behind. So the keys of its /56 and its /48 follow from
//! that of the /64, and no other's do.

/// A network that holds many /64s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Tier {
    Net56,
    Net48,
}

impl Tier {
    /// From the narrower to the wider, as they are counted.
    pub(crate) const ALL: [Self; 2] = [Self::Net56, Self::Net48];

    /// How many bits of an address tell such a network.
    #[inline]
    pub(crate) const fn prefix_len(self) -> u8 {
        match self {
            Self::Net56 => 56,
            Self::Net48 => 48,
        }
    }

    /// The bits of such a network around the /64 with these bits.
    #[inline]
    pub(crate) const fn bits(self, of_64: u64) -> u64 {
        of_64 >> 64_u8.saturating_sub(self.prefix_len())
    }
}

/// The keys of the networks around an IPv6 /64, from the narrower to the wider; none around others.
#[inline]
pub(crate) fn around(key: u64) -> impl Iterator<Item = u64> {
    Tier::ALL.into_iter().filter(move |_| is_ipv6(key)).map(move |tier| widened(key, tier))
}

/// Of keys of IPv6. It chooses neither a shard nor a cell.
const IPV6: u64 = 1 << 15;
/// Where what is mixed lies: partly in the bits that choose a shard, partly in those that a hash map looks at first.
const MIXED: u32 = 16;
/// Odd, so that multiplying by it can be undone.
const FACTOR: u32 = 0x9e37_79b1;
const INVERSE: u32 = inverse(FACTOR);

/// By Newton's method, which doubles the right bits with each step, from the three that the number itself has right.
#[inline]
const fn inverse(factor: u32) -> u32 {
    let mut found = factor;
    let mut step = 0_u32;
    while step < 4 {
        found = found.wrapping_mul(2_u32.wrapping_sub(factor.wrapping_mul(found)));
        step = step.saturating_add(1);
    }
    found
}

/// The key of an IPv4 address, or of none.
#[inline]
pub(crate) const fn single(hash: u64) -> u64 {
    hash & !IPV6
}

/// The key of an IPv6 /64: the hash of its /48, and the 16 bits behind that.
#[inline]
pub(crate) const fn of_64(hash: u64, subnet: u16) -> u64 {
    mix(hash, (subnet as u32) << 16 | (hash >> MIXED) as u32 & 0xfffc)
}

/// Whether it is the key of an IPv6 network.
#[inline]
pub(crate) const fn is_ipv6(key: u64) -> bool {
    key & IPV6 != 0
}

/// The key of the network of this width around an IPv6 /64.
#[inline]
pub(crate) const fn widened(key: u64, tier: Tier) -> u64 {
    let inner = unmix(key);
    let (kept, mark) = match tier {
        Tier::Net56 => (0xff00_fffc, 1),
        Tier::Net48 => (0x0000_fffc, 2),
    };
    mix(key, inner & kept | mark)
}

/// Which width the key of an IPv6 network has; `None` for a /64.
#[inline]
pub(crate) const fn tier(key: u64) -> Option<Tier> {
    match unmix(key) & 3 {
        1 => Some(Tier::Net56),
        2 => Some(Tier::Net48),
        _ => None,
    }
}

/// How many bits of an address the key stands for.
#[must_use]
pub(crate) const fn prefix_len(key: u64) -> u8 {
    match tier(key) {
        _ if !is_ipv6(key) => 32,
        Some(tier) => tier.prefix_len(),
        None => 64,
    }
}

/// How many crowds there are.
pub(crate) const CROWDS: usize = 256;

/// In which crowd the networks of a /48 are counted together; `None` for IPv4.
#[inline]
pub(crate) const fn crowd(key: u64) -> Option<usize> {
    if is_ipv6(key) { Some((key >> 48 & 0xff) as usize) } else { None }
}

/// Bits that belong to the /48 alone.
#[inline]
const fn salt(key: u64) -> u32 {
    ((key >> 48) as u32) << 16 | key as u32 & 0x7fff
}

#[inline]
const fn mix(around: u64, inner: u32) -> u64 {
    let product = (inner ^ salt(around)).wrapping_mul(FACTOR);
    let mixed = product ^ product >> 16;
    around & !(0xffff_ffff << MIXED) | (mixed as u64) << MIXED | IPV6
}

#[inline]
const fn unmix(key: u64) -> u32 {
    let mixed = (key >> MIXED) as u32;
    (mixed ^ mixed >> 16).wrapping_mul(INVERSE) ^ salt(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_wider_networks_follow_from_a_64_and_are_those_of_its_neighbours(hash: u64, one: u16, other: u16) {
            let (key, next) = (of_64(hash, one), of_64(hash, other));
            prop_assert!(is_ipv6(key) && !is_ipv6(single(hash)));
            prop_assert_eq!(key == next, one == other);
            prop_assert_eq!(widened(key, Tier::Net48), widened(next, Tier::Net48));
            let (wide, far) = (widened(key, Tier::Net56), widened(next, Tier::Net56));
            prop_assert_eq!(wide == far, one >> 8 == other >> 8);
            prop_assert_eq!([prefix_len(key), prefix_len(wide), prefix_len(widened(key, Tier::Net48))], [64, 56, 48]);
            prop_assert_eq!(widened(wide, Tier::Net48), widened(key, Tier::Net48));
            prop_assert_eq!([crowd(key), crowd(wide), crowd(single(hash))], [crowd(next), crowd(far), None]);
            prop_assert!(![key, next, far].contains(&widened(key, Tier::Net48)) && ![key, next].contains(&wide));
        }
    }

    #[test]
    fn the_64s_of_one_48_are_spread_over_shards_and_slots() {
        let keys: Vec<u64> = (0..=u16::MAX).map(|subnet| of_64(0x0123_4567_89ab_cdef, subnet)).collect();
        for at in [16, 32, 39] {
            let mut counts = [0_u32; 64];
            keys.iter().for_each(|key| counts[(key >> at & 63) as usize] += 1);
            assert!(counts.iter().all(|count| (512..2048).contains(count)), "{at}: {counts:?}");
        }
    }
}
