//! The gradients of the plain loops are the slopes of their forward pass: every parameter, the input, and the
//! initial state, in f64, against central differences.
//!
//! The stencil is that of sixth order,
//!
//! ```text
//! f'(x) ≈ (45 Δ(s) - 9 Δ(2s) + Δ(3s)) / 60 s,   Δ(d) = f(x + d) - f(x - d)          error s⁶·f⁽⁷⁾ / 140
//! ```
//!
//! With s = 1e-2 the error of the formula is about 1e-14·f⁽⁷⁾ and that of rounding about 1e-16·f / s, below 1e-13 for a loss of a few
//! nats; the plain difference of second order cannot get below about 1e-11, whatever its step. The relative error is
//! `|a - n| / max(|a|, |n|, 1e-4·scale)`, the scale being the greatest gradient of the same array: of a gradient ten
//! thousand times smaller than that, rounding leaves the differences too few digits.

mod common;

use common::{Bound, Random, Weighing, config};
use hornpipe::nn::cell::plain;
use hornpipe::nn::lstm::reference as layer;
use hornpipe::nn::reference::{Network, States, backward, forward, loss};
use hornpipe::nn::{Batch, Cell, Input, Layout, ModelConfig};
use ndarray::{Array2, Array3};

const STEP: f64 = 1e-2;
const RELATIVE_ERROR: f64 = 1e-6;
const FLOOR: f64 = 1e-4;

/// The slope of `f` when `shift(d)` moves one number of what `f` sees by `d` from where it stood.
fn slope(mut f: impl FnMut(f64) -> f64) -> f64 {
    let mut delta = |d: f64| f(d) - f(-d);
    (45.0 * delta(STEP) - 9.0 * delta(2.0 * STEP) + delta(3.0 * STEP)) / (60.0 * STEP)
}

/// Fails unless the relative error of every number of one array is small enough; returns the greatest.
#[track_caller]
fn compare(what: &str, analytic: &[f64], numeric: &[f64]) -> f64 {
    assert_eq!(analytic.len(), numeric.len(), "{what}");
    let scale = analytic.iter().chain(numeric).fold(0.0f64, |m, x| m.max(x.abs()));
    let mut worst = 0.0f64;
    for (k, (&a, &n)) in analytic.iter().zip(numeric).enumerate() {
        let size = a.abs().max(n.abs()).max(FLOOR * scale);
        let within = (a - n).abs() <= RELATIVE_ERROR * size;
        assert!(within, "{what}[{k}]: {a} instead of {n}");
        if size > 0.0 {
            worst = worst.max((a - n).abs() / size);
        }
    }
    worst
}

/// Numbers of a state or a gradient in one list.
fn flat(states: &States<f64>, which: usize) -> Vec<f64> {
    states.iter().flat_map(|(h, c)| [h, c][which].iter().copied()).collect()
}

struct Case {
    network: Network<f64>,
    batch: Batch,
    states: States<f64>,
    masks: Option<Vec<Array3<f64>>>,
}

impl Case {
    fn new(seed: u64, config: &ModelConfig, steps: usize, rows: usize, weighing: Weighing) -> Self {
        let mut random = Random::new(seed);
        // Where a gate or an activation less holds a cell back, it is steeper, and the formula's error greater.
        let scale = if config.cell == Cell::Lstm { 1.6 } else { 0.5 };
        let network = Network::from_parameters(config, &random.parameters(config, scale));
        let mut batch = random.batch(config.vocabulary, steps, rows, weighing, 0.2);
        // Whatever the dice say: a row that resets at once and twice running, and one that never does.
        batch.resets[[0, 0]] = true;
        (0..steps).for_each(|t| batch.resets[[t, rows - 1]] = false);
        if steps > 3 {
            (batch.resets[[2, 0]], batch.resets[[3, 0]]) = (true, true);
        }
        let memory = if config.cell.has_memory() { config.hidden } else { 0 };
        let mut array = |width| Array2::from_shape_simple_fn((rows, width), || random.number(0.9).into());
        let states = (0..config.layers).map(|_| (array(config.hidden), array(memory))).collect();
        let kept = 1.0 / (1.0 - f64::from(config.dropout));
        let mut mask = || {
            let shape = (steps, rows, config.hidden);
            Array3::from_shape_simple_fn(shape, || if random.chance(config.dropout) { 0.0 } else { kept })
        };
        let masks = (config.dropout > 0.0).then(|| (0..config.layers).map(|_| mask()).collect());
        Case { network, batch, states, masks }
    }

    fn loss(&self) -> f64 {
        let pass = forward(&self.network, &self.batch, &self.states, self.masks.as_deref());
        let sums = loss(&self.batch, &pass.logits).0;
        sums.nats / sums.weight
    }

    /// Checks every gradient of the network; returns the greatest relative error.
    fn check(&mut self, what: &str, layout: &Layout) -> f64 {
        let masks = self.masks.clone();
        let pass = forward(&self.network, &self.batch, &self.states, masks.as_deref());
        let (_, d_logits) = loss(&self.batch, &pass.logits);
        let gradients = backward(&self.network, &self.batch, &pass, masks.as_deref(), &d_logits);
        let analytic = gradients.network.values();
        assert_eq!(analytic.len(), layout.len());

        let mut numeric = Vec::new();
        for k in 0..analytic.len() {
            let start = self.network.values()[k];
            numeric.push(slope(|d| {
                *self.network.values_mut()[k] = start + d;
                self.loss()
            }));
            *self.network.values_mut()[k] = start;
        }
        let mut worst = 0.0f64;
        for tensor in layout.tensors() {
            let (name, range) = (format!("{what}: {}", tensor.name), tensor.range());
            worst = worst.max(compare(&name, &analytic[range.clone()], &numeric[range]));
        }

        for which in 0..2 {
            let mut numeric = Vec::new();
            for l in 0..self.states.len() {
                for k in 0..[&self.states[l].0, &self.states[l].1][which].len() {
                    fn number(state: &mut (Array2<f64>, Array2<f64>), which: usize, k: usize) -> &mut f64 {
                        let array = if which == 0 { &mut state.0 } else { &mut state.1 };
                        &mut array.as_slice_mut().expect("contiguous")[k]
                    }
                    let start = *number(&mut self.states[l], which, k);
                    numeric.push(slope(|d| {
                        *number(&mut self.states[l], which, k) = start + d;
                        self.loss()
                    }));
                    *number(&mut self.states[l], which, k) = start;
                }
            }
            let name = format!("{what}: {}", ["h0", "c0"][which]);
            worst = worst.max(compare(&name, &flat(&gradients.states, which), &numeric));
        }
        // Row 0 resets at once: nothing reaches its initial state.
        assert!(gradients.states.iter().all(|(h, c)| h.row(0).iter().chain(c.row(0)).all(|&d| d == 0.0)));
        worst
    }
}

#[test]
fn every_gradient_of_the_network_is_its_slope() {
    let mut worst = 0.0f64;
    for layers in 1..=3 {
        for input in [Input::Embedding(3), Input::Scalar] {
            for dropout in [0.0, 0.3] {
                for weighing in [Weighing::Ones, Weighing::Mixed, Weighing::ManyToOne] {
                    let config = config(7, input, 5, layers, dropout);
                    let what = format!("L {layers}, {input:?}, dropout {dropout}, {weighing:?}");
                    let mut case = Case::new(layers as u64, &config, 5, 3, weighing);
                    worst = worst.max(case.check(&what, &Layout::new(&config)));
                }
            }
        }
    }
    println!("network: greatest relative error {worst:.1e}");
}

#[test]
fn so_it_is_of_every_cell() {
    for cell in Cell::ALL {
        let mut worst = 0.0f64;
        for layers in 1..=2 {
            for input in [Input::Embedding(3), Input::Scalar] {
                for (dropout, weighing) in [(0.0, Weighing::Mixed), (0.3, Weighing::ManyToOne)] {
                    let config = ModelConfig { cell, ..config(7, input, 5, layers, dropout) };
                    let what = format!("{cell}, L {layers}, {input:?}, dropout {dropout}, {weighing:?}");
                    let mut case = Case::new(20 + layers as u64, &config, 5, 3, weighing);
                    worst = worst.max(case.check(&what, &Layout::new(&config)));
                }
            }
        }
        println!("{cell}: greatest relative error {worst:.1e}");
    }
}

/// The plain loops of the variants, asked for the LSTM that lacks nothing, are those of the LSTM.
#[test]
fn the_variant_that_differs_in_nothing_is_the_lstm() {
    let config = config(2, Input::Embedding(4), 5, 1, 0.0);
    let mut random = Random::new(13);
    let weights = Network::<f64>::from_parameters(&config, &random.parameters(&config, 0.8)).layers.remove(0);
    let mut array = |width| Array3::from_shape_simple_fn((6, 3, width), || f64::from(random.number(1.0)));
    let (x, d_h, h0, c0) = (array(4), array(5), array(5), array(5));
    let [h0, c0] = [h0, c0].map(|state| state.index_axis(ndarray::Axis(0), 0).to_owned());
    let resets = Array2::from_shape_fn((6, 3), |(t, b)| (t + b) % 4 == 3);
    let lstm = layer::forward(&weights, &x, &resets, &h0, &c0);
    let variant = plain::forward(Cell::Lstm, &weights, &x, &resets, &h0, &c0);
    assert_eq!((&variant.h, &variant.c, &variant.gates), (&lstm.h, &lstm.c, &lstm.gates));
    let mut gradients = [weights.zeros_like(), weights.zeros_like()];
    let [of_lstm, of_variant] = &mut gradients;
    let left = layer::backward(&weights, &lstm, &resets, &d_h, of_lstm);
    let right = plain::backward(Cell::Lstm, &weights, &variant, &resets, &d_h, of_variant);
    let mut bound = Bound::new(1e-14, 1e-15);
    bound.check("d_x", right.d_x, left.d_x);
    bound.check("d_h0", right.d_h0, left.d_h0);
    bound.check("d_c0", right.d_c0, left.d_c0);
    bound.check("d_w_ih", of_variant.w_ih.iter().copied(), of_lstm.w_ih.iter().copied());
    bound.check("d_w_hh", of_variant.w_hh.iter().copied(), of_lstm.w_hh.iter().copied());
    bound.check("d_b", of_variant.bias.iter().copied(), of_lstm.bias.iter().copied());
}

#[test]
fn so_it_is_at_the_smallest_sizes() {
    let mut worst = 0.0f64;
    for (vocabulary, embedding, hidden, steps, rows) in
        [(2, 1, 1, 1, 2), (2, 1, 1, 9, 2), (3, 9, 1, 4, 2), (13, 1, 7, 1, 3)]
    {
        let config = config(vocabulary, Input::Embedding(embedding), hidden, 2, 0.3);
        let mut case = Case::new(7, &config, steps, rows, Weighing::Mixed);
        worst = worst.max(case.check(&format!("{config:?}"), &Layout::new(&config)));
    }
    println!("smallest networks: greatest relative error {worst:.1e}");
}

/// One layer alone, under a loss that weighs every output: `Σ d_h ⊙ h`.
#[test]
fn every_gradient_of_a_layer_is_its_slope() {
    let mut random = Random::new(11);
    let (steps, rows, inputs, hidden) = (6, 3, 4, 5);
    let config = config(2, Input::Embedding(inputs), hidden, 1, 0.0);
    let weights = Network::<f64>::from_parameters(&config, &random.parameters(&config, 0.8)).layers.remove(0);
    let mut resets = Array2::from_elem((steps, rows), false);
    for (t, b) in [(0, 0), (3, 0), (4, 0), (2, 1), (steps - 1, 1)] {
        resets[[t, b]] = true;
    }
    let mut array = |t: usize, width: usize| {
        Array3::from_shape_simple_fn((t, rows, width), || f64::from(random.number(1.0)))
    };
    let (x, d_h, state) = (array(steps, inputs), array(steps, hidden), array(2, hidden));
    let (h0, c0) =
        (state.index_axis(ndarray::Axis(0), 0).to_owned(), state.index_axis(ndarray::Axis(0), 1).to_owned());

    let cache = layer::forward(&weights, &x, &resets, &h0, &c0);
    let mut gradients = weights.zeros_like();
    let upstream = layer::backward(&weights, &cache, &resets, &d_h, &mut gradients);

    let value = |weights: &layer::Layer<f64>, x: &Array3<f64>, h0: &Array2<f64>, c0: &Array2<f64>| -> f64 {
        (layer::forward(weights, x, &resets, h0, c0).h * &d_h).sum()
    };
    /// Slopes by every number of an array, `value` being given a moved copy.
    fn slopes<D: ndarray::Dimension>(
        array: &ndarray::Array<f64, D>,
        value: impl Fn(&ndarray::Array<f64, D>) -> f64,
    ) -> Vec<f64> {
        let moved = |k: usize, d: f64| {
            let mut copy = array.clone();
            *copy.iter_mut().nth(k).expect("within the array") += d;
            value(&copy)
        };
        (0..array.len()).map(|k| slope(|d| moved(k, d))).collect()
    }
    let with = |change: &dyn Fn(&mut layer::Layer<f64>)| {
        let mut copy = weights.clone();
        change(&mut copy);
        value(&copy, &x, &h0, &c0)
    };
    let errors = [
        ("x", upstream.d_x.iter().copied().collect(), slopes(&x, |x| value(&weights, x, &h0, &c0))),
        ("h0", upstream.d_h0.iter().copied().collect(), slopes(&h0, |h0| value(&weights, &x, h0, &c0))),
        ("c0", upstream.d_c0.iter().copied().collect(), slopes(&c0, |c0| value(&weights, &x, &h0, c0))),
        (
            "w_ih",
            gradients.w_ih.iter().copied().collect(),
            slopes(&weights.w_ih, |w| with(&|l| l.w_ih.assign(w))),
        ),
        (
            "w_hh",
            gradients.w_hh.iter().copied().collect(),
            slopes(&weights.w_hh, |w| with(&|l| l.w_hh.assign(w))),
        ),
        ("bias", gradients.bias.to_vec(), slopes(&weights.bias, |b| with(&|l| l.bias.assign(b)))),
    ]
    .map(|(what, analytic, numeric): (_, Vec<f64>, _)| compare(what, &analytic, &numeric));
    println!("layer: greatest relative error {:.1e}", errors.into_iter().fold(0.0, f64::max));
}

#[test]
#[should_panic(expected = "instead of")]
fn a_gradient_that_is_off_by_a_hundred_thousandth_is_seen() {
    compare("d", &[1.0, 0.5], &[1.0, 0.500_005]);
}

#[test]
#[should_panic(expected = "instead of")]
fn a_gradient_that_is_nan_is_seen() {
    compare("d", &[1.0, f64::NAN], &[1.0, 0.5]);
}

#[test]
#[should_panic(expected = "instead of")]
fn nan_is_within_no_bound() {
    Bound::new(1.0, 1.0).check("x", [f64::NAN], [0.0]);
}

#[test]
#[should_panic(expected = "different lengths")]
fn a_part_is_not_the_whole() {
    Bound::new(1.0, 1.0).check("x", [0.0; 2], [0.0; 3]);
}
