//! From logits to a character.
//!
//! ```text
//! w_i = exp((logit_i − max) / temperature)          the softmax without its division, in f64
//! top-k     w_i = 0 for all but the k largest logits
//! top-p     w_i = 0 for all but the smallest set of largest logits whose share of what top-k left reaches p
//! draw      the first i with w_0 + … + w_i > u · Σ w,  u uniform in [0, 1)
//! ```
//!
//! The largest weight is 1, so nothing overflows, however low the temperature. Equal logits rank by their index, and
//! the draw always goes by index, so a filter that leaves everything changes nothing. (Top-p: Holtzman et al., "The
//! Curious Case of Neural Text Degeneration", 2020.)

use super::GenerateError;
use crate::random::uniform;
use rand::Rng;

/// How the next character is chosen among all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Always the likeliest, the first of them where several are; then nothing is drawn and the rest has no effect.
    pub greedy: bool,
    /// Above 0. Below 1 the likely become likelier, above 1 all become alike; 1 is what the network says.
    pub temperature: f32,
    /// Only so many of the likeliest, at least 1.
    pub top_k: Option<usize>,
    /// Only the likeliest that together have this share of the probability, above 0 and at most 1. Of those that
    /// `top_k` leaves, where both are given; the likeliest is always left.
    pub top_p: Option<f32>,
}

impl Default for Sampling {
    /// From the network's own distribution: temperature 1 and no filter.
    fn default() -> Self {
        Sampling { greedy: false, temperature: 1.0, top_k: None, top_p: None }
    }
}

/// Room for one choice, kept from one to the next.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// `[V]`
    weights: Vec<f64>,
    /// `[V]`: the characters, likeliest first.
    order: Vec<u32>,
    /// `[V]`: logits, less than every number where a character is not allowed.
    masked: Vec<f32>,
}

impl Sampling {
    /// Whether one can choose like this.
    ///
    /// # Errors
    /// Names the first setting that is out of range.
    pub fn validate(&self) -> Result<(), GenerateError> {
        let refuse = |what, allowed, found: String| Err(GenerateError::Setting { what, allowed, found });
        if !(self.temperature > 0.0 && self.temperature.is_finite()) {
            return refuse("the temperature", "a number above 0", self.temperature.to_string());
        }
        match (self.top_k, self.top_p) {
            (Some(0), _) => refuse("top-k", "at least 1", "0".to_owned()),
            (_, Some(p)) if !(p > 0.0 && p <= 1.0) => refuse("top-p", "above 0 and at most 1", p.to_string()),
            _ => Ok(()),
        }
    }

    /// Chooses the next character by its logits `[V]`, which must be finite. Unless greedy, it draws one number
    /// from `rng`. Allocates nothing once `scratch` has grown to `V`.
    ///
    /// # Panics
    /// Where there are no logits.
    pub fn sample(&self, logits: &[f32], rng: &mut impl Rng, scratch: &mut Scratch) -> u32 {
        let best = first_largest(logits);
        if self.greedy {
            return best as u32;
        }
        self.weigh(logits, f64::from(logits[best]), scratch);
        draw(&scratch.weights, rng).unwrap_or(best) as u32
    }

    /// Chooses among those characters only for which `after` gives something, and gives that too: the distribution is that of
    /// [`sample`](Self::sample) with all other logits at -∞. None where nothing is allowed.
    ///
    /// What is drawn and not allowed is taken out, and another one drawn. That gives each allowed character its share of what
    /// all allowed ones have together, as masking does, but asks only about those that are drawn. Filters are of allowed ones. A character
    /// among the `top_k` of all is also among those of the allowed ones; for any other that is drawn, those that rank before it are asked
    /// about, until `top_k` are allowed. With `top_p` all are asked about first.
    pub(super) fn sample_allowed<T>(
        &self,
        logits: &[f32],
        rng: &mut impl Rng,
        scratch: &mut Scratch,
        mut after: impl FnMut(u32) -> Option<T>,
    ) -> Option<(u32, T)> {
        let mut masked = std::mem::take(&mut scratch.masked);
        masked.clear();
        masked.extend_from_slice(logits);
        let ask_all = self.top_p.is_some();
        if ask_all {
            let forbidden = (0..).zip(&mut masked).filter(|(i, _)| after(*i).is_none());
            forbidden.for_each(|(_, logit)| *logit = f32::NEG_INFINITY);
        }
        let weighing = Sampling { top_k: self.top_k.filter(|_| ask_all), ..*self };
        let most = self.top_k.filter(|_| !ask_all && !self.greedy);
        let mut found = None;
        let mut weighed = false;
        while found.is_none() {
            let best = first_largest(&masked);
            if masked[best] == f32::NEG_INFINITY {
                break;
            }
            if !self.greedy && !weighed {
                weighing.weigh(&masked, f64::from(masked[best]), scratch);
                weighed = true;
            }
            let drawn = if self.greedy { best } else { draw(&scratch.weights, rng).unwrap_or(best) };
            let next = after(drawn as u32);
            masked[drawn] = f32::NEG_INFINITY;
            if let (Some(most), true) = (most, next.is_some())
                && !ranks_within(most, logits, drawn, &mut after)
            {
                // Nor does any that ranks behind it.
                for i in (0..logits.len()).filter(|&i| !ranks_before(logits, i, drawn)) {
                    masked[i] = f32::NEG_INFINITY;
                    scratch.weights[i] = 0.0;
                }
                continue;
            }
            found = next.map(|next| (drawn as u32, next));
            if found.is_none() && !self.greedy {
                let weight = std::mem::take(&mut scratch.weights[drawn]);
                // Beside the largest the others may all have been nothing.
                weighed = weight < 0.5;
            }
        }
        scratch.masked = masked;
        found
    }

    /// Leaves every character's weight in `scratch`: 0 where it may not be chosen.
    fn weigh(&self, logits: &[f32], largest: f64, scratch: &mut Scratch) {
        let Scratch { weights, order, .. } = scratch;
        let temperature = f64::from(self.temperature);
        weights.clear();
        weights.extend(logits.iter().map(|&logit| ((f64::from(logit) - largest) / temperature).exp()));

        let top_k = self.top_k.unwrap_or(logits.len()).clamp(1, logits.len());
        let top_p = self.top_p.filter(|&p| p < 1.0);
        if top_k == logits.len() && top_p.is_none() {
            return;
        }
        order.clear();
        order.extend(0..logits.len() as u32);
        // Adding 0 makes -0 equal to 0.
        let logit = |i: u32| logits[i as usize] + 0.0;
        order.sort_unstable_by(|&a, &b| logit(b).total_cmp(&logit(a)).then(a.cmp(&b)));
        let kept = top_p.map_or(top_k, |p| {
            let ranked = || order[..top_k].iter().map(|&i| weights[i as usize]);
            let enough = f64::from(p) * ranked().sum::<f64>();
            let mut sum = 0.0;
            let last = ranked().position(|weight| {
                sum += weight;
                sum >= enough
            });
            last.map_or(top_k, |last| last + 1)
        });
        for &i in &order[kept..] {
            weights[i as usize] = 0.0;
        }
    }
}

/// Whether character `j` is likelier than character `i`, or as likely and earlier.
fn ranks_before(logits: &[f32], j: usize, i: usize) -> bool {
    logits[j] > logits[i] || (logits[j] == logits[i] && j < i)
}

/// Whether fewer than `most` of those for which `after` gives something rank before character `i`.
fn ranks_within<T>(most: usize, logits: &[f32], i: usize, after: &mut impl FnMut(u32) -> Option<T>) -> bool {
    let before = || (0..logits.len()).filter(|&j| ranks_before(logits, j, i));
    before().count() < most || before().filter(|&j| after(j as u32).is_some()).take(most).count() < most
}

/// Draws an index by its weight. The mark is below the total, so it is reached, unless there is nothing to draw from.
fn draw(weights: &[f64], rng: &mut impl Rng) -> Option<usize> {
    let total: f64 = weights.iter().sum();
    let mark = f64::from(uniform(rng)) * total;
    let mut sum = 0.0;
    weights.iter().position(|&weight| {
        sum += weight;
        sum > mark
    })
}

/// The index of the largest, the first of them where several are.
fn first_largest(logits: &[f32]) -> usize {
    assert!(!logits.is_empty(), "logits [V] of at least one character");
    (1..logits.len()).fold(0, |best, i| if logits[i] > logits[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, generator};
    use proptest::prelude::*;

    fn rng() -> impl Rng {
        generator(11, Purpose::Sampling { tune: 0 })
    }

    /// How often each character comes in `draws` draws.
    fn counts(sampling: Sampling, logits: &[f32], draws: u32) -> Vec<u32> {
        let (mut rng, mut scratch) = (rng(), Scratch::default());
        let mut counts = vec![0; logits.len()];
        (0..draws).for_each(|_| counts[sampling.sample(logits, &mut rng, &mut scratch) as usize] += 1);
        counts
    }

    /// Which characters may be chosen.
    fn allowed(sampling: Sampling, logits: &[f32]) -> Vec<usize> {
        let mut scratch = Scratch::default();
        sampling.weigh(logits, f64::from(logits[first_largest(logits)]), &mut scratch);
        (0..logits.len()).filter(|&i| scratch.weights[i] > 0.0).collect()
    }

    /// Pearson's χ² of `n` draws against the probabilities in `expected`.
    fn chi_square(counts: &[u32], expected: &[f64]) -> f64 {
        let n = f64::from(counts.iter().sum::<u32>());
        let terms =
            counts.iter().zip(expected).map(|(&count, p)| (f64::from(count) - n * p).powi(2) / (n * p));
        terms.sum()
    }

    fn softmax(logits: &[f64]) -> Vec<f64> {
        let total: f64 = logits.iter().map(|x| x.exp()).sum();
        logits.iter().map(|x| x.exp() / total).collect()
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        let refused = |sampling: Sampling| sampling.validate().unwrap_err().to_string();
        let with = Sampling::default;
        assert_eq!(with().validate(), Ok(()));
        assert_eq!(Sampling { top_k: Some(1), top_p: Some(1.0), ..with() }.validate(), Ok(()));
        for temperature in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(refused(Sampling { temperature, ..with() }).contains("temperature"));
        }
        assert_eq!(refused(Sampling { top_k: Some(0), ..with() }), "top-k is 0, but must be at least 1");
        for p in [0.0, -0.1, 1.1, f32::NAN] {
            assert!(refused(Sampling { top_p: Some(p), ..with() }).contains("above 0 and at most 1"));
        }
    }

    #[test]
    fn draws_follow_the_softmax_at_the_temperature() {
        let logits = [0.5, -1.0, 2.0, 0.0, 1.0, -0.5];
        for temperature in [0.7, 1.0, 1.6] {
            let expected = softmax(&logits.map(|x| x / f64::from(temperature)));
            let sampling = Sampling { temperature, ..Sampling::default() };
            let counts = counts(sampling, &logits.map(|x| x as f32), 60_000);
            // With 5 degrees of freedom χ² is above 25.7 in one of 10,000 such tests; the draws here are always the same.
            let chi_square = chi_square(&counts, &expected);
            assert!(chi_square < 25.7, "{temperature}: {chi_square}, {counts:?}");
        }
    }

    #[test]
    fn what_a_filter_leaves_keeps_its_proportions() {
        let logits = [0.5, -1.0, 2.0, 0.0, 1.0, -0.5];
        let counts = counts(Sampling { top_k: Some(3), ..Sampling::default() }, &logits, 60_000);
        assert_eq!([counts[1], counts[3], counts[5]], [0, 0, 0]);
        let chi_square = chi_square(&[counts[0], counts[2], counts[4]], &softmax(&[0.5, 2.0, 1.0]));
        // With 2 degrees of freedom: one of 10,000.
        assert!(chi_square < 18.4, "{chi_square}");
    }

    #[test]
    fn nucleus_is_the_smallest_set_that_reaches_p() {
        // Probabilities 1/8, 1/2, 1/8, 1/4, exact in binary up to the logarithm's rounding.
        let logits = [0.125f32.ln(), 0.5f32.ln(), 0.125f32.ln(), 0.25f32.ln()];
        let set =
            |top_k, top_p| allowed(Sampling { top_k, top_p: Some(top_p), ..Sampling::default() }, &logits);
        assert_eq!(set(None, 1e-9), [1]);
        assert_eq!(set(None, 0.49), [1]);
        assert_eq!(set(None, 0.51), [1, 3]);
        assert_eq!(set(None, 0.76), [0, 1, 3]); // the lower index of two equals
        assert_eq!(set(None, 0.88), [0, 1, 2, 3]);
        // Of the two that top-k leaves, the first has 2/3.
        assert_eq!(set(Some(2), 0.66), [1]);
        assert_eq!(set(Some(2), 0.67), [1, 3]);
    }

    #[test]
    fn equals_rank_by_index() {
        let sampling = |top_k| Sampling { top_k: Some(top_k), ..Sampling::default() };
        assert_eq!(allowed(sampling(2), &[1.0, 1.0, 1.0]), [0, 1]);
        assert_eq!(allowed(sampling(1), &[-0.0, 0.0]), [0]);
        let greedy = Sampling { greedy: true, ..Sampling::default() };
        assert_eq!(greedy.sample(&[0.0, 3.0, 3.0], &mut rng(), &mut Scratch::default()), 1);
    }

    proptest! {
        /// Only what masking and then filtering would leave, from logits with ties; and none only where none is allowed.
        #[test]
        fn filters_are_of_what_is_allowed(
            ranks in prop::collection::vec((-4i8..4, any::<bool>()), 1..40),
            top_k in prop::option::of(1usize..45),
            top_p in prop::option::of(prop::sample::select(vec![0.1f32, 0.6, 0.99])),
            temperature in prop::sample::select(vec![1e-3f32, 1.0, 50.0]),
            seed in any::<u64>(),
        ) {
            let logits: Vec<f32> = ranks.iter().map(|&(rank, _)| rank.into()).collect();
            let allow = |i: u32| ranks[i as usize].1.then_some(());
            let mask = |&(rank, allowed): &(i8, bool)| if allowed { rank.into() } else { f32::NEG_INFINITY };
            let masked: Vec<f32> = ranks.iter().map(mask).collect();
            let sampling = Sampling { greedy: false, temperature, top_k, top_p };
            let mut rng = generator(seed, Purpose::SeedWindow);
            let mut scratch = Scratch::default();
            let found = sampling.sample_allowed(&logits, &mut rng, &mut scratch, allow);
            let Some((found, ())) = found else {
                prop_assert!(ranks.iter().all(|rank| !rank.1));
                return Ok(());
            };
            prop_assert!(allow(found).is_some());
            let best = f64::from(masked[first_largest(&masked)]);
            sampling.weigh(&masked, best, &mut scratch);
            prop_assert!(scratch.weights[found as usize] > 0.0, "{found} of {masked:?}");
        }
    }

    #[test]
    fn the_top_k_asks_about_few_even_where_all_are_alike() {
        let (mut rng, mut scratch, mut asked) = (rng(), Scratch::default(), 0);
        for top_k in [1, 20].repeat(500) {
            let sampling = Sampling { top_k: Some(top_k), ..Sampling::default() };
            let after = |_| {
                asked += 1;
                Some(())
            };
            sampling.sample_allowed(&[0.0; 93], &mut rng, &mut scratch, after).unwrap();
        }
        // About ln(93 / k) rejections, after up to k + 1 questions each; all would be 93.
        assert!(asked < 40 * 1000, "{asked}");
    }

    #[test]
    fn what_is_not_allowed_is_as_if_its_logit_were_minus_infinity() {
        // The two that are not allowed have nearly all of the probability.
        let logits = [0.5, 9.0, 2.0, 0.0, 8.0, -0.5];
        let allowed = |i: u32| (i != 1 && i != 4).then_some(());
        let draw = |sampling: Sampling| {
            let (mut rng, mut scratch, mut counts) = (rng(), Scratch::default(), vec![0; 6]);
            for _ in 0..40_000 {
                let (i, ()) = sampling.sample_allowed(&logits, &mut rng, &mut scratch, allowed).unwrap();
                counts[i as usize] += 1;
            }
            counts
        };
        let counts = draw(Sampling::default());
        assert_eq!([counts[1], counts[4]], [0, 0]);
        let kept = [counts[0], counts[2], counts[3], counts[5]];
        // With 3 degrees of freedom: one of 10,000.
        let chi_square = chi_square(&kept, &softmax(&[0.5, 2.0, 0.0, -0.5]));
        assert!(chi_square < 21.2, "{chi_square}");
        // A filter counts allowed ones.
        let two = draw(Sampling { top_k: Some(2), ..Sampling::default() });
        assert_eq!([two[1], two[3], two[4], two[5]], [0; 4]);
        // With 1 degree of freedom: one of 10,000.
        let off = self::chi_square(&[two[0], two[2]], &softmax(&[0.5, 2.0]));
        assert!(off < 15.2, "{off}");
        let one = draw(Sampling { top_k: Some(1), ..Sampling::default() });
        assert_eq!(one[2], 40_000);
        assert_eq!(draw(Sampling { greedy: true, ..Sampling::default() })[2], 40_000);
        let nothing =
            Sampling::default().sample_allowed(&logits, &mut rng(), &mut Scratch::default(), |_| None::<()>);
        assert_eq!(nothing, None);
    }

    fn logits() -> impl Strategy<Value = Vec<f32>> {
        // Few distinct values, so that ties are common; or any at all.
        let coarse = (-8i8..8).prop_map(|x| f32::from(x) / 2.0);
        prop_oneof![
            proptest::collection::vec(coarse, 1..40),
            proptest::collection::vec(-1e30f32..1e30, 1..40),
            proptest::collection::vec(-20.0f32..20.0, 1..100),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn top_k_leaves_the_k_largest(logits in logits(), k in 1usize..50) {
            // So hot that no weight underflows.
            let sampling = Sampling { temperature: 1e30, top_k: Some(k), ..Sampling::default() };
            let left = allowed(sampling, &logits);
            prop_assert_eq!(left.len(), k.min(logits.len()));
            for i in (0..logits.len()).filter(|i| !left.contains(i)) {
                for &j in &left {
                    prop_assert!(logits[j] > logits[i] || (logits[j] == logits[i] && j < i));
                }
            }
        }

        #[test]
        fn top_p_leaves_no_more_than_it_needs(logits in logits(), p in 0.001f32..1.0) {
            let left = allowed(Sampling { top_p: Some(p), ..Sampling::default() }, &logits);
            let largest = logits.iter().fold(f32::MIN, |a, &b| a.max(b));
            let shares = softmax(&logits.iter().map(|&x| f64::from(x) - f64::from(largest)).collect::<Vec<_>>());
            let share: f64 = left.iter().map(|&i| shares[i]).sum();
            let least = left.iter().map(|&i| shares[i]).fold(f64::MAX, f64::min);
            prop_assert!(left.contains(&first_largest(&logits)));
            // Summed in another order, so up to rounding.
            prop_assert!(share >= f64::from(p) - 1e-12);
            prop_assert!(left.len() == 1 || share - least < f64::from(p) + 1e-12);
        }

        #[test]
        fn filters_that_leave_everything_change_nothing(logits in logits(), seed: u64) {
            let pick = |top_k, top_p| {
                let mut rng = generator(seed, Purpose::Sampling { tune: 0 });
                let sampling = Sampling { top_k, top_p, ..Sampling::default() };
                sampling.sample(&logits, &mut rng, &mut Scratch::default())
            };
            prop_assert_eq!(pick(None, None), pick(Some(logits.len()), Some(1.0)));
        }

        #[test]
        fn a_temperature_near_zero_is_greedy(mut logits in logits(), seed: u64) {
            // Equals of the largest would share the probability.
            let best = first_largest(&logits);
            let others = logits.iter_mut().enumerate().filter(|&(i, _)| i != best);
            let largest = others.map(|(_, x)| *x).fold(f32::MIN, f32::max);
            logits[best] = logits[best].max(largest + 1e-6 * largest.abs().max(1.0));
            let mut rng = generator(seed, Purpose::Sampling { tune: 0 });
            let cold = Sampling { temperature: 1e-30, ..Sampling::default() };
            let greedy = Sampling { greedy: true, ..Sampling::default() };
            let mut scratch = Scratch::default();
            let chosen = cold.sample(&logits, &mut rng, &mut scratch);
            prop_assert_eq!(chosen, greedy.sample(&logits, &mut rng, &mut scratch));
        }

        #[test]
        fn the_choice_is_always_allowed(
            logits in logits(), k in 1usize..50, p in 0.001f32..=1.0, temperature in 1e-3f32..1e3, seed: u64,
        ) {
            let sampling = Sampling { greedy: false, temperature, top_k: Some(k), top_p: Some(p) };
            let mut rng = generator(seed, Purpose::Sampling { tune: 0 });
            let chosen = sampling.sample(&logits, &mut rng, &mut Scratch::default());
            prop_assert!(allowed(sampling, &logits).contains(&(chosen as usize)));
        }
    }
}
