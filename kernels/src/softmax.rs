//! Softmax and cross-entropy in one pass over a row of logits.
//!
//! ```text
//! p_k = exp(z_k - max z) / Σ_j exp(z_j - max z)          loss = w · -ln p_target
//! d_z_k = w · (p_k - [k = target]) / W                   W: the weights of the whole minibatch
//! ```

use crate::Isa;
use crate::simd::{Kernel, Simd, vectors};
use crate::vecmath::exp;

/// What a set of predictions came to. Sums are f64, so that they do not depend on how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LossSums {
    /// `Σ w · -ln p_target`, in nats.
    pub nats: f64,
    /// `Σ w`
    pub weight: f64,
    /// `Σ w` over the predictions whose most probable character is the target.
    pub correct: f64,
}

impl LossSums {
    /// The sums of both.
    pub fn plus(self, other: LossSums) -> LossSums {
        LossSums {
            nats: self.nats + other.nats,
            weight: self.weight + other.weight,
            correct: self.correct + other.correct,
        }
    }
}

/// Rows of logits with their targets.
pub struct CrossEntropy<'a> {
    /// `[N, V]`: in, the logits; out, the gradient of the loss, where `total_weight` is given.
    pub logits: &'a mut [f32],
    /// `[N]`, each below `V`
    pub targets: &'a [u32],
    /// `[N]`, each `>= 0`
    pub weights: &'a [f32],
    /// `W`, the weights of the whole minibatch; none where only the loss is wanted and `logits` stay as they are.
    pub total_weight: Option<f64>,
}

impl CrossEntropy<'_> {
    /// Computes the sums of the loss, and the gradient in place.
    ///
    /// # Panics
    /// Where the lengths do not fit, or a target is not below `V`.
    pub fn run(self, isa: Isa, vocabulary: usize) -> LossSums {
        assert_eq!(self.targets.len(), self.weights.len(), "targets and weights [N]");
        assert_eq!(self.logits.len(), self.targets.len() * vocabulary, "logits [N, V]");
        assert!(self.targets.iter().all(|&t| (t as usize) < vocabulary), "targets below V");
        isa.run(Run { vocabulary, arguments: self })
    }
}

struct Run<'a> {
    vocabulary: usize,
    arguments: CrossEntropy<'a>,
}

impl Kernel for Run<'_> {
    type Output = LossSums;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> LossSums {
        let CrossEntropy { logits, targets, weights, total_weight } = self.arguments;
        let mut sums = LossSums::default();
        for ((row, &target), &weight) in
            logits.chunks_exact_mut(self.vocabulary.max(1)).zip(targets).zip(weights)
        {
            if weight == 0.0 {
                if total_weight.is_some() {
                    row.fill(0.0);
                }
                continue;
            }
            let w = f64::from(weight);
            let (greatest, sum) = max_and_sum(s, row);
            let z = row[target as usize];
            sums.nats += w * (f64::from(sum).ln() + f64::from(greatest) - f64::from(z));
            sums.weight += w;
            // The first of equals counts, as an argmax would have it.
            let first = row.iter().position(|&x| x == greatest);
            sums.correct += if first == Some(target as usize) { w } else { 0.0 };
            if let Some(total) = total_weight {
                let scale = (w / total) as f32;
                normalise(s, row, greatest, scale / sum);
                row[target as usize] -= scale;
            }
        }
        sums
    }
}

/// The greatest logit and `Σ exp(z - greatest)`.
#[inline(always)]
fn max_and_sum<S: Simd>(s: S, row: &[f32]) -> (f32, f32) {
    let p = row.as_ptr();
    let mut greatest = row[0];
    let mut best = s.splat(greatest);
    for (at, n) in vectors(s, row.len()) {
        if n == S::LANES {
            // SAFETY: `vectors` stays within the row.
            best = s.max(unsafe { s.load(p.add(at)) }, best);
        } else {
            row[at..].iter().for_each(|&x| greatest = greatest.max(x));
        }
    }
    greatest = greatest.max(s.greatest(best));
    let mut sum = 0.0;
    let mut lanes = s.splat(0.0);
    for (at, n) in vectors(s, row.len()) {
        // SAFETY: as above.
        let e = exp(s, s.sub(unsafe { s.load_first(p.add(at), n) }, s.splat(greatest)));
        if n == S::LANES {
            lanes = s.add(lanes, e);
        } else {
            let mut rest = [0.0; 16];
            // SAFETY: `n < LANES <= 16` numbers are written.
            unsafe { s.store_first(rest.as_mut_ptr(), e, n) };
            sum += rest.iter().sum::<f32>();
        }
    }
    (greatest, sum + s.sum(lanes))
}

/// `row[k] = exp(row[k] - greatest) · factor`
#[inline(always)]
fn normalise<S: Simd>(s: S, row: &mut [f32], greatest: f32, factor: f32) {
    let p = row.as_mut_ptr();
    for (at, n) in vectors(s, row.len()) {
        // SAFETY: `vectors` stays within the row.
        unsafe {
            let e = exp(s, s.sub(s.load_first(p.add(at), n), s.splat(greatest)));
            s.store_first(p.add(at), s.mul(e, s.splat(factor)), n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fenced, Noise, close, isas};

    #[test]
    fn loss_and_gradient_match_f64() {
        let mut noise = Noise::new(6);
        for isa in isas() {
            for vocabulary in [1, 2, 15, 16, 17, 93, 130] {
                for rows in 1..=17 {
                    let scale = [1.0, 30.0, 1e4][rows % 3];
                    let logits = noise.vec(rows * vocabulary, scale);
                    let targets: Vec<u32> = (0..rows).map(|r| (r * 7 % vocabulary) as u32).collect();
                    let weights: Vec<f32> = (0..rows).map(|r| [1.0, 0.0, 0.5][r % 3]).collect();
                    let total = 17.5;
                    let mut want = vec![0.0; logits.len()];
                    let mut sums = LossSums::default();
                    for r in 0..rows {
                        let z: Vec<f64> =
                            logits[r * vocabulary..][..vocabulary].iter().map(|&x| f64::from(x)).collect();
                        let top = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                        let sum: f64 = z.iter().map(|z| (z - top).exp()).sum();
                        let (w, t) = (f64::from(weights[r]), targets[r] as usize);
                        sums.nats += w * (sum.ln() + top - z[t]);
                        sums.weight += w;
                        sums.correct += if z[t] == top { w } else { 0.0 };
                        for k in 0..vocabulary {
                            let hit = if k == t { 1.0 } else { 0.0 };
                            want[r * vocabulary + k] = w / total * ((z[k] - top).exp() / sum - hit);
                        }
                    }
                    let mut got = Fenced::new(&logits);
                    let (targets, weights) = (&targets[..], &weights[..]);
                    let report =
                        CrossEntropy { logits: &mut got, targets, weights, total_weight: Some(total) }
                            .run(isa, vocabulary);
                    close(&got, &want, 1e-5, 1e-7, &format!("{isa} V {vocabulary} d_logits"));
                    let near = (report.nats - sums.nats).abs() <= 1e-5 * sums.nats.abs() + 1e-5;
                    assert!(near, "{isa} V {vocabulary} scale {scale}: {report:?} instead of {sums:?}");
                    assert_eq!((report.weight, report.correct), (sums.weight, sums.correct));

                    let mut same = Fenced::new(&logits);
                    let again = CrossEntropy { logits: &mut same, targets, weights, total_weight: None }
                        .run(isa, vocabulary);
                    assert_eq!(
                        (again, &same[..]),
                        (report, &logits[..]),
                        "evaluation leaves the logits alone"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_not_finite_shows_in_the_loss() {
        for isa in isas() {
            for at in [0, 3, 18] {
                let mut logits = vec![0.0; 19];
                logits[at] = f32::NAN;
                let report =
                    CrossEntropy { logits: &mut logits, targets: &[1], weights: &[1.0], total_weight: None }
                        .run(isa, 19);
                assert!(!report.nats.is_finite(), "{isa} {at}");
            }
        }
    }
}
