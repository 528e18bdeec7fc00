//! The one place where what shards computed is added up.
//!
//! The order of a floating-point sum decides its last bits. So the sum over shards is a binary tree whose shape depends
//! on the number of shards alone; threads only decide who computes which branch:
//!
//! ```text
//! shards  0   1   2   3   4
//!          \ /     \ /    |
//!           └───┬───┘     |
//!               └────┬────┘
//! ```
//!
//! A branch is added up as soon as its two halves are there, so few gradient buffers live at a time.

use super::join;

/// `leaf` of each item, merged in the tree over `items`; `None` where there are none.
pub(super) fn reduce<T: Send, R: Send>(
    items: &mut [T],
    leaf: &(impl Fn(&mut T) -> R + Sync),
    merge: &(impl Fn(R, R) -> R + Sync),
) -> Option<R> {
    match items {
        [] => None,
        [item] => Some(leaf(item)),
        _ => {
            // The largest power of two below the length: whole subtrees stand on the left.
            let (left, right) = items.split_at_mut(items.len().next_power_of_two() / 2);
            let (left, right) = join(|| reduce(left, leaf, merge), || reduce(right, leaf, merge));
            match (left, right) {
                (Some(left), Some(right)) => Some(merge(left, right)),
                (one, other) => one.or(other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_depends_on_the_number_of_items_alone() {
        let tree = |n: usize| {
            let mut items: Vec<usize> = (0..n).collect();
            reduce(&mut items, &|i| i.to_string(), &|a, b| format!("({a} {b})")).unwrap_or_default()
        };
        assert_eq!(tree(0), "");
        assert_eq!(tree(1), "0");
        assert_eq!(tree(5), "(((0 1) (2 3)) 4)");
        assert_eq!(tree(7), "(((0 1) (2 3)) ((4 5) 6))");
    }
}
