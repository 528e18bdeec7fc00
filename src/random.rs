//! Randomness whose values never change with a library's version.
//!
//! Everything random except dropout (which has its own counter-based generator in the kernels) comes from ChaCha8,
//! keyed by the run's seed and a purpose, so that the shuffle of epoch 7 can be made again without
//! the six before it. Only whole words are drawn; what is made of them is written out here, because
//! the sampling helpers of `rand` may change their algorithms between versions.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream of random numbers is for. Two purposes never share numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The initial weights.
    Init,
    /// The order of the data in one epoch.
    Shuffle {
        /// Counted from 0.
        epoch: u32,
    },
    /// The key that each tune has in one epoch.
    Augment {
        /// Counted from 0.
        epoch: u32,
    },
    /// The characters of one generated tune.
    Sampling {
        /// Its number in the run, counted from 0.
        tune: u32,
    },
    /// A composed tune of the built-in corpus.
    Composer {
        /// Its number in the corpus, counted from 0.
        tune: u32,
    },
    /// The window that a many-to-one model starts from.
    SeedWindow,
    /// The characters and samples of a gradient check.
    Check,
    /// How probes turn labels around.
    Probe,
}

impl Purpose {
    /// The ChaCha stream: the kind in the upper half, its number in the lower.
    fn stream(self) -> u64 {
        let (kind, number) = match self {
            Purpose::Init => (1, 0),
            Purpose::Shuffle { epoch } => (2, epoch),
            Purpose::Sampling { tune } => (3, tune),
            Purpose::Composer { tune } => (4, tune),
            Purpose::SeedWindow => (5, 0),
            Purpose::Check => (6, 0),
            Purpose::Probe => (7, 0),
            Purpose::Augment { epoch } => (8, epoch),
        };
        (kind << 32) | u64::from(number)
    }
}

/// A generator for one purpose of the run with this seed.
pub fn generator(seed: u64, purpose: Purpose) -> ChaCha8Rng {
    let mut key = [0u8; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    rng.set_stream(purpose.stream());
    rng
}

/// A uniform number in `[0, 1)` with 24 bits, all that an f32 holds there.
pub fn uniform(rng: &mut impl Rng) -> f32 {
    (rng.next_u32() >> 8) as f32 * (1.0 / (1u32 << 24) as f32)
}

/// A uniform integer in `0..bound`, without bias (Lemire's multiplication with rejection, 2019).
///
/// # Panics
/// Where `bound` is 0.
pub fn below(rng: &mut impl Rng, bound: u32) -> u32 {
    assert!(bound > 0, "no number is below 0");
    let threshold = bound.wrapping_neg() % bound;
    loop {
        let product = u64::from(rng.next_u32()) * u64::from(bound);
        if product as u32 >= threshold {
            return (product >> 32) as u32;
        }
    }
}

/// Puts `items` in a random order (Fisher and Yates); at most `u32::MAX` of them.
pub fn shuffle<T>(rng: &mut impl Rng, items: &mut [T]) {
    for i in (1..items.len()).rev() {
        let bound = u32::try_from(i + 1).expect("fewer than 2^32 items");
        items.swap(i, below(rng, bound) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purposes_and_seeds_do_not_share_numbers() {
        let first = |seed, purpose| generator(seed, purpose).next_u64();
        let a = first(1, Purpose::Init);
        assert_eq!(a, first(1, Purpose::Init));
        assert_ne!(a, first(2, Purpose::Init));
        assert_ne!(a, first(1, Purpose::Shuffle { epoch: 0 }));
        assert_ne!(first(1, Purpose::Shuffle { epoch: 0 }), first(1, Purpose::Shuffle { epoch: 1 }));
    }

    #[test]
    fn below_is_even_over_its_range() {
        let mut rng = generator(7, Purpose::Init);
        let mut counts = [0u32; 6];
        for _ in 0..60_000 {
            counts[below(&mut rng, 6) as usize] += 1;
        }
        assert!(counts.iter().all(|&n| (9_600..10_400).contains(&n)), "{counts:?}");
    }

    #[test]
    fn shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..1000).collect();
        shuffle(&mut generator(7, Purpose::Shuffle { epoch: 3 }), &mut items);
        assert_ne!(items, (0..1000).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..1000).collect::<Vec<_>>());
    }
}
