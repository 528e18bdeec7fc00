//! Drawing one of several things, by whole numbers only, so that every machine draws the same.

use rand_chacha::ChaCha8Rng;

use crate::random::below;

/// One of `items`, each as likely as the others.
pub(super) fn pick<T: Copy>(rng: &mut ChaCha8Rng, items: &[T]) -> T {
    items[below(rng, items.len() as u32) as usize]
}

/// One of `items`, each as likely as its weight says.
///
/// # Panics
/// Where no weight is above 0.
pub(super) fn weighted<T: Copy>(rng: &mut ChaCha8Rng, items: &[(u32, T)]) -> T {
    let mut left = below(rng, items.iter().map(|(weight, _)| weight).sum());
    for &(weight, item) in items {
        if left < weight {
            return item;
        }
        left -= weight;
    }
    unreachable!("the number drawn is below the sum of the weights")
}

/// True in `percent` of 100 cases.
pub(super) fn chance(rng: &mut ChaCha8Rng, percent: u32) -> bool {
    below(rng, 100) < percent
}
