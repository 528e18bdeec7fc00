//! The best of several tries.

use super::Generated;

/// How good a tune is; of two tries, the one with the greater number is kept.
///
/// So far that is how probable the tune is to the network. This is the one place where other scores join in.
fn score(tune: &Generated) -> f64 {
    tune.log_probability.unwrap_or(f64::NEG_INFINITY)
}

/// Of each `tries` tunes in a row, the best one: a tune that ended comes before one that did not, then the score decides, then the
/// order. 0 counts as 1.
pub fn best_of(tunes: Vec<Generated>, tries: usize) -> Vec<Generated> {
    let mut best: Vec<Generated> = Vec::new();
    for (at, tune) in tunes.into_iter().enumerate() {
        let rank = |tune: &Generated| (tune.ended, score(tune));
        match best.last_mut() {
            Some(last) if at % tries.max(1) > 0 => {
                if rank(&tune) > rank(last) {
                    *last = tune;
                }
            }
            _ => best.push(tune),
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_of_each_row_is_kept() {
        let tune = |text: &str, ended, log_probability| Generated {
            text: text.to_owned(),
            prime_characters: 0,
            generated: 1,
            ended,
            log_probability,
        };
        let tunes = vec![
            tune("a", true, Some(-2.0)),
            tune("b", true, Some(-1.0)),
            tune("c", false, Some(-0.5)),
            tune("d", false, None),
            tune("e", false, Some(-9.0)),
        ];
        let kept = |tries| best_of(tunes.clone(), tries).into_iter().map(|t| t.text).collect::<String>();
        assert_eq!(kept(1), "abcde");
        assert_eq!(kept(0), "abcde");
        assert_eq!(kept(3), "be");
        assert_eq!(kept(9), "b");
    }
}
