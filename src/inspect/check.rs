//! The gradient check: an engine's gradients against the slopes of the plain loops' loss.
//!
//! A slope is taken in f64 with the central difference of sixth order,
//!
//! ```text
//! f'(x) ≈ (45 Δ(s) - 9 Δ(2s) + Δ(3s)) / 60 s,   Δ(d) = f(x + d) - f(x - d)          error s⁶·f⁽⁷⁾ / 140
//! ```
//!
//! for a random sample of each parameter's numbers. Trained weights can make a loss too crooked for the first step `s`: where a slope
//! is not the gradient, `s` is halved some times, and the slope that changed least from one halving to the next counts, whatever it says.
//! The plain loops' own gradients, which these slopes prove, are compared with the
//! engine's for all of them. The error of a number is
//!
//! ```text
//! |a - b| / max(|b|, 1e-3 · the greatest |b| of the same parameter)
//! ```
//!
//! since f32 has few digits left for a number a thousand times smaller than what it was added up with. Whether an error to a
//! slope is allowed is asked after taking off what rounding makes of the differences of a loss of a few nats.

use crate::nn::reference::{Masks, Network, States, backward, forward, loss, zero_states};
use crate::nn::{Batch, Engine, Masking, State, WeightDrop, dropout_masks};
use crate::random::{Purpose, below, generator};
pub use crate::threads::ThreadError;
use crate::threads::Threads;
use ndarray::Array3;
use std::borrow::Cow;
use std::ops::ControlFlow;

/// The error that is allowed between an engine in f32 and f64.
pub const ALLOWED: f64 = 2e-3;
/// The error that is allowed between the plain loops' gradients and the slopes, both in f64.
pub const ALLOWED_IN_F64: f64 = 1e-6;
/// Of the greatest gradient of a parameter: what smaller ones are measured by.
const FLOOR: f64 = 1e-3;
/// `s`
const STEP: f64 = 1e-2;
/// How often it is halved at most.
const HALVINGS: i32 = 6;
/// The rounding of a slope: some 2⁻⁵³ of a few nats, over `s`.
const ROUNDING: f64 = 1e-12;

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Numbers of each parameter whose slope is taken.
    pub samples: usize,
    /// `T` of the batch.
    pub steps: usize,
    /// `B` of the batch.
    pub rows: usize,
    /// Whether only the last step has a loss.
    pub many_to_one: bool,
    /// Which characters, dropout masks and samples.
    pub seed: u64,
    /// Threads that take slopes; 0 for all cores.
    pub threads: usize,
}

/// The greatest errors of one parameter.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct ParameterCheck {
    /// As in checkpoints.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Numbers whose slope was taken.
    pub sampled: usize,
    /// The engine's gradients against the slopes.
    pub engine_to_slopes: f64,
    /// The engine's gradients against those of the plain loops in f64, all numbers.
    pub engine_to_reference: f64,
    /// The plain loops' gradients against the slopes.
    pub reference_to_slopes: f64,
    /// Whether all three are allowed.
    pub passed: bool,
}

/// A number whose slope is taken.
#[derive(Clone, Copy, Debug)]
struct Number {
    /// Its place in [`Network::values`].
    place: usize,
    /// The plain loops' gradient.
    gradient: f64,
    /// The greatest gradient of its parameter.
    scale: f64,
}

/// What is the same for every slope.
struct Case<'a> {
    batch: &'a Batch,
    states: &'a States<f64>,
    masks: Option<&'a Masks<f64>>,
    drop: Option<WeightDrop>,
}

impl Case<'_> {
    /// The network whose weights are dropped.
    fn seen<'n>(&self, network: &'n Network<f64>) -> Cow<'n, Network<f64>> {
        let mut seen = Cow::Borrowed(network);
        if let Some(drop) = self.drop {
            drop.apply(seen.to_mut());
        }
        seen
    }

    fn loss(&self, network: &Network<f64>) -> f64 {
        let network = &self.seen(network);
        let sums = loss(self.batch, &forward(network, self.batch, self.states, self.masks).logits).0;
        sums.nats / sums.weight
    }

    /// The slope by a number.
    fn slope(&self, network: &mut Network<f64>, number: Number) -> f64 {
        let mut slope = self.slope_by(network, number.place, STEP);
        // Not NaN either.
        if error(number.gradient, slope, number.scale, ROUNDING) <= ALLOWED_IN_F64 {
            return slope;
        }
        let (mut last, mut least) = (slope, f64::INFINITY);
        for halvings in 1..=HALVINGS {
            let next = self.slope_by(network, number.place, STEP * 0.5f64.powi(halvings));
            let change = (next - last).abs();
            if change < least {
                (slope, least) = (next, change);
            }
            last = next;
        }
        slope
    }

    /// The slope by number `k`, in the order of [`Network::values`], with steps of `s`.
    fn slope_by(&self, network: &mut Network<f64>, k: usize, s: f64) -> f64 {
        let start = network.values()[k];
        let mut at = |d: f64| {
            *network.values_mut().swap_remove(k) = start + d;
            self.loss(network)
        };
        let mut delta = |d: f64| at(d) - at(-d);
        let slope = (45.0 * delta(s) - 9.0 * delta(2.0 * s) + delta(3.0 * s)) / (60.0 * s);
        *network.values_mut().swap_remove(k) = start;
        slope
    }

    /// The slopes by several numbers, on all threads.
    fn slopes(&self, threads: &Threads, networks: &mut [Network<f64>], numbers: &[Number]) -> Vec<f64> {
        match networks {
            [] => Vec::new(),
            [network] => numbers.iter().map(|&number| self.slope(network, number)).collect(),
            _ => {
                let (left, right) = networks.split_at_mut(networks.len() / 2);
                let middle = numbers.len() * left.len() / (left.len() + right.len());
                let (first, second) = numbers.split_at(middle);
                let (mut slopes, more) = threads
                    .join(|| self.slopes(threads, left, first), || self.slopes(threads, right, second));
                slopes.extend(more);
                slopes
            }
        }
    }
}

/// Checks the gradients of an engine, whose carried state is lost, on random characters with the model's dropout. `progress` hears the
/// share that is done and may break it off; then there is no result.
///
/// # Errors
/// Where the system gives no threads.
///
/// # Panics
/// Where a setting is 0.
pub fn check(
    engine: &mut dyn Engine,
    settings: Settings,
    progress: &mut dyn FnMut(f64) -> ControlFlow<()>,
) -> Result<Option<Vec<ParameterCheck>>, ThreadError> {
    let Settings { samples, steps, rows, many_to_one, seed, threads } = settings;
    assert!(samples > 0 && steps > 0 && rows > 0, "something to check");
    let config = engine.config().clone();
    let mut random = generator(seed, Purpose::Check);
    let mut batch = Batch::zeros(steps, rows);
    for token in batch.tokens.iter_mut().chain(&mut batch.targets) {
        *token = below(&mut random, config.vocabulary as u32);
    }
    if many_to_one {
        batch.weights.row_mut(steps - 1).fill(1.0);
    } else {
        batch.weights.fill(1.0);
    }
    let masking =
        Some(Masking { seed, step: 0 }).filter(|_| config.dropout > 0.0 || config.weight_drop > 0.0);
    let masks: Option<Vec<Array3<f64>>> = masking.map(|masking| {
        dropout_masks(&config, masking, steps, rows).iter().map(|mask| mask.mapv(f64::from)).collect()
    });

    engine.set_state(&State::zeros(&config, rows));
    engine.gradients(&batch, masking);
    let found: Vec<f64> = engine.last_gradients().values().iter().map(|&d| d.into()).collect();

    let network = Network::<f64>::from_parameters(&config, engine.parameters());
    let states = zero_states(&network, rows);
    let drop = WeightDrop::new(&config, masking);
    let case = Case { batch: &batch, states: &states, masks: masks.as_deref(), drop };
    let seen = case.seen(&network);
    let pass = forward(&seen, &batch, &states, masks.as_deref());
    let (_, d_logits) = loss(&batch, &pass.logits);
    let mut exact = backward(&seen, &batch, &pass, masks.as_deref(), &d_logits).network;
    if let Some(drop) = drop {
        drop.apply(&mut exact);
    }
    let exact = exact.values();

    let threads = Threads::new(threads)?;
    let mut networks = vec![network; threads.count()];
    let layout = engine.parameters().layout();
    let mut checks = Vec::new();
    for (done, tensor) in layout.tensors().iter().enumerate() {
        let range = tensor.range();
        let (found, exact) = (&found[range.clone()], &exact[range.clone()]);
        let scale = exact.iter().fold(0.0f64, |scale, d| scale.max(d.abs()));
        // Characters that do not occur have no gradient, which says little; the comparison of all numbers sees them.
        let some: Vec<usize> = (0..exact.len()).filter(|&k| exact[k] != 0.0).collect();
        let count = samples.min(some.len());
        let chosen: Vec<usize> = match count {
            n if n == some.len() => some,
            n => (0..n).map(|_| some[below(&mut random, some.len() as u32) as usize]).collect(),
        };
        let number = |&k: &usize| Number { place: range.start + k, gradient: exact[k], scale };
        let numbers: Vec<Number> = chosen.iter().map(number).collect();
        let slopes = threads.install(|| case.slopes(&threads, &mut networks, &numbers));
        let at_samples = |gradients: &[f64], rounding| {
            let pairs = chosen.iter().zip(&slopes);
            greatest(pairs.map(|(&k, &slope)| error(gradients[k], slope, scale, rounding)))
        };
        let engine_to_reference = greatest(found.iter().zip(exact).map(|(&a, &b)| error(a, b, scale, 0.0)));
        checks.push(ParameterCheck {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            sampled: chosen.len(),
            engine_to_slopes: at_samples(found, 0.0),
            engine_to_reference,
            reference_to_slopes: at_samples(exact, 0.0),
            // Written so that NaN fails.
            passed: at_samples(found, ROUNDING) <= ALLOWED
                && engine_to_reference <= ALLOWED
                && at_samples(exact, ROUNDING) <= ALLOWED_IN_F64,
        });
        if progress((done + 1) as f64 / layout.tensors().len() as f64).is_break() {
            return Ok(None);
        }
    }
    Ok(Some(checks))
}

/// The error of `a`, which should be `b` but for `rounding`, in a parameter whose greatest gradient is `scale`.
fn error(a: f64, b: f64, scale: f64, rounding: f64) -> f64 {
    let distance = (a - b).abs();
    if distance <= rounding { 0.0 } else { (distance - rounding) / b.abs().max(FLOOR * scale) }
}

/// The greatest; NaN where one is.
fn greatest(errors: impl Iterator<Item = f64>) -> f64 {
    errors.fold(0.0, |greatest, error| if error.is_nan() || error > greatest { error } else { greatest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_is_nan_is_the_greatest() {
        assert!(greatest([1.0, f64::NAN, 2.0].into_iter()).is_nan());
        assert_eq!(greatest([1.0, 3.0, 2.0].into_iter()), 3.0);
        assert_eq!((error(2.0, 1.0, 1.0, 0.0), error(1e-3, 0.0, 1.0, 0.0)), (1.0, 1.0));
        assert_eq!((error(0.0, 0.0, 0.0, 0.0), error(1.0, 0.0, 0.0, 0.0)), (0.0, f64::INFINITY));
        assert_eq!((error(1.5, 1.0, 1.0, 0.5), error(1.5, 1.0, 1.0, 0.25)), (0.0, 0.25));
        assert!(error(f64::NAN, 1.0, 1.0, 0.5).is_nan());
    }
}
