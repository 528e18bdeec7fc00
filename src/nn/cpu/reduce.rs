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

use crate::threads::Threads;

/// `leaf` of each item, merged in the tree over `items`; `None` where there are none.
pub(super) fn reduce<T: Send, R: Send>(
    threads: &Threads,
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
            let (left, right) =
                threads.join(|| reduce(threads, left, leaf, merge), || reduce(threads, right, leaf, merge));
            match (left, right) {
                (Some(left), Some(right)) => Some(merge(left, right)),
                (one, other) => one.or(other),
            }
        }
    }
}

/// How many results of leaves and branches [`reduce`] holds at once, over `items` on `threads`. Each thread is at one leaf; what
/// waits for another branch hangs on the way from such a leaf to the root, and the ways of several threads soon meet. On one
/// thread that is exact; on several a thread that steals while it waits can leave a finished branch unmerged for a while, so
/// whoever makes room by this number must be ready to make more.
pub(super) fn live(threads: usize, items: usize) -> usize {
    let depth = items.next_power_of_two().ilog2();
    let threads = threads.min(items).max(1);
    (threads * (1 + depth - threads.ilog2()) as usize).min(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_depends_on_the_number_of_items_alone() {
        let threads = Threads::new(1).unwrap();
        let tree = |n: usize| {
            let mut items: Vec<usize> = (0..n).collect();
            reduce(&threads, &mut items, &|i| i.to_string(), &|a, b| format!("({a} {b})")).unwrap_or_default()
        };
        assert_eq!(tree(0), "");
        assert_eq!(tree(1), "0");
        assert_eq!(tree(5), "(((0 1) (2 3)) 4)");
        assert_eq!(tree(7), "(((0 1) (2 3)) ((4 5) 6))");
    }

    #[test]
    fn no_more_results_live_at_once_than_it_says() {
        use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
        let threads = Threads::new(1).unwrap();
        for n in 0..20 {
            let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let leaf = |_: &mut ()| {
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            };
            let merge = |(), ()| {
                now.fetch_sub(1, SeqCst);
            };
            threads.install(|| reduce(&threads, &mut vec![(); n], &leaf, &merge));
            assert!(most.into_inner() <= live(1, n), "{n} items");
        }
        assert_eq!((live(1, 8), live(2, 8), live(2, 2), live(16, 8), live(2, 0)), (4, 6, 2, 8, 0));
    }
}
