//! The best of several tries.

/// Of each `tries` in a row, the one with the greatest rank; of equal ones, or where ranks cannot be compared, the first. 0 counts as 1.
pub fn best_of<T, R: PartialOrd>(
    all: impl IntoIterator<Item = T>,
    tries: usize,
    rank: impl Fn(&T) -> R,
) -> Vec<T> {
    let mut best: Vec<T> = Vec::new();
    for (at, one) in all.into_iter().enumerate() {
        match best.last_mut() {
            Some(last) if at % tries.max(1) > 0 => {
                if rank(&one) > rank(last) {
                    *last = one;
                }
            }
            _ => best.push(one),
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_each_row_is_kept() {
        let tries = [("a", Some(-2.0)), ("b", Some(-1.0)), ("c", Some(-1.0)), ("d", None), ("e", Some(-9.0))];
        let kept = |n| best_of(tries, n, |(_, rank)| *rank).iter().map(|(name, _)| *name).collect::<String>();
        assert_eq!(kept(1), "abcde");
        assert_eq!(kept(0), "abcde");
        assert_eq!(kept(3), "be");
        assert_eq!(kept(9), "b");
    }
}
