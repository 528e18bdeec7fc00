//! How far the learning signal reaches: against central differences in f64, and in networks made by hand.

mod common;

use common::{Random, Weighing, config, cpu};
use hornpipe::corpus::Epoch;
use hornpipe::inspect::Recorder;
use hornpipe::inspect::reach::{Quartiles, Reach, parameter_norms};
use hornpipe::nn::cell;
use hornpipe::nn::reference::{Network, States, backward, forward, loss, zero_states};
use hornpipe::nn::{Batch, Cell, Input, ModelConfig, Parameters};
use hornpipe::optim::Optimizer;
use hornpipe_kernels::Isa;
use hornpipe_kernels::gemm::Gemm;
use ndarray::{Array2, Array3, s};
use std::ops::ControlFlow;

/// Batches that a test made.
struct Batches(Vec<Batch>, bool);

impl Epoch for Batches {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn shape(&self) -> (usize, usize) {
        self.0[0].tokens.dim()
    }
    fn fill(&self, index: usize, batch: &mut Batch) {
        *batch = self.0[index].clone();
    }
    fn carries_state(&self) -> bool {
        self.1
    }
}

fn reach(config: &ModelConfig, parameters: &Parameters, batches: &Batches) -> Reach {
    let mut recorder = Recorder::new(Isa::best(), config, parameters);
    Reach::new(&mut recorder, batches, usize::MAX, &mut |_| ControlFlow::Continue(())).unwrap()
}

/// A state that is moved by `by` after step `t` of layer `l`, where everything that reads it sees it moved.
#[derive(Clone, Copy)]
struct Moved {
    l: usize,
    t: usize,
    unit: usize,
    cell: bool,
    by: f64,
}

/// The loss of the last step of row `row`, with one state moved.
fn moved_loss(network: &Network<f64>, batch: &Batch, states: &States<f64>, row: usize, moved: Moved) -> f64 {
    let (steps, rows) = (batch.steps(), batch.rows());
    let mut states = states.clone();
    for t in 0..steps {
        let table = network.embedding.as_ref().unwrap();
        let mut x = Array3::from_shape_fn((1, rows, table.ncols()), |(_, b, k)| {
            table[[batch.tokens[[t, b]] as usize, k]]
        });
        let resets = batch.resets.slice(s![t..t + 1, ..]).to_owned();
        for (l, weights) in network.layers.iter().enumerate() {
            let (h, c) = &mut states[l];
            let cache = cell::forward(network.cell, weights, &x, &resets, h, c);
            *h = cache.h.index_axis(ndarray::Axis(0), 0).to_owned();
            *c = cache.c.index_axis(ndarray::Axis(0), 0).to_owned();
            if (moved.l, moved.t) == (l, t) {
                let u = moved.unit;
                if moved.cell {
                    c[[row, u]] += moved.by;
                    let gate = |place: usize| cache.gates[[0, row, place * network.hidden() + u]];
                    let mut o = network.cell.lstm_gates().o.map_or(1.0, gate);
                    if network.cell == Cell::Peepholes {
                        // It sees the cell move.
                        let a = (o / (1.0 - o)).ln() + weights.extra[2 * network.hidden() + u] * moved.by;
                        o = 1.0 / (1.0 + (-a).exp());
                    }
                    let shows = |c: f64| if network.cell == Cell::NoOutputActivation { c } else { c.tanh() };
                    h[[row, u]] = o * shows(c[[row, u]]);
                } else {
                    h[[row, u]] += moved.by;
                }
            }
            x = h.clone().insert_axis(ndarray::Axis(0));
        }
    }
    let top: Array2<f64> = states.last().unwrap().0.clone();
    let logits = network.linear_weight.dot(&top.row(row)) + &network.linear_bias;
    let target = batch.targets[[steps - 1, row]] as usize;
    logits.mapv(f64::exp).sum().ln() - logits[target]
}

#[test]
fn norms_are_those_of_central_differences() {
    Cell::ALL.into_iter().for_each(norms_are_right);
}

fn norms_are_right(cell: Cell) {
    let config = ModelConfig { cell, ..config(7, Input::Embedding(3), 4, 3, 0.0) };
    let mut random = Random::new(12);
    let parameters = random.parameters(&config, 1.2);
    let network = Network::<f64>::from_parameters(&config, &parameters);
    let (steps, rows) = (6, 3);
    let mut batches: Vec<Batch> =
        (0..2).map(|_| random.batch(config.vocabulary, steps, rows, Weighing::Ones, 0.0)).collect();
    // In the second batch a tune begins in row 1, and row 2 has no loss at its end.
    batches[1].resets[[3, 1]] = true;
    batches[1].weights[[steps - 1, 2]] = 0.0;
    let got = reach(&config, &parameters, &Batches(batches.clone(), true));

    let mut states = zero_states(&network, rows);
    let mut next = vec![vec![[0usize; 2]; steps]; config.layers];
    for batch in &batches {
        for l in 0..config.layers {
            for lag in 0..steps {
                let t = steps - 1 - lag;
                for row in 0..rows {
                    let began = (0..steps).rev().find(|&t| batch.resets[[t, row]]).unwrap_or(0);
                    if batch.weights[[steps - 1, row]] == 0.0 || t < began {
                        continue;
                    }
                    for &cell in if cell.has_memory() { &[false, true][..] } else { &[false] } {
                        let slope = |unit: usize| {
                            let at = |by: f64| {
                                moved_loss(&network, batch, &states, row, Moved { l, t, unit, cell, by })
                            };
                            (at(1e-5) - at(-1e-5)) / 2e-5
                        };
                        let want = (0..config.hidden).map(|u| slope(u).powi(2)).sum::<f64>().sqrt();
                        let place = &mut next[l][lag][usize::from(cell)];
                        let curves = if cell { &got.c } else { &got.h };
                        let got = curves[l][lag][*place];
                        *place += 1;
                        let what = format!("{}, layer {l}, lag {lag}, row {row}, cell {cell}", config.cell);
                        assert!((got - want).abs() <= 1e-5 * want + 1e-8, "{what}: {got} for {want}");
                    }
                }
            }
        }
        states = forward(&network, batch, &states, None).final_states();
    }
    for (l, lags) in next.iter().enumerate() {
        for (lag, count) in lags.iter().enumerate() {
            let by_c = got.c.get(l).map_or(0, |curve| curve[lag].len());
            assert_eq!([got.h[l][lag].len(), by_c], *count, "{cell}, layer {l}, lag {lag}");
        }
    }
    // The beginning of row 1 of the second batch is out of reach, and its row 2 counts nowhere.
    assert_eq!([got.h[0][2].len(), got.h[0][3].len()], [5, 4]);
    assert_eq!(got.c.is_empty(), !cell.has_memory());
}

#[test]
fn a_memory_that_keeps_a_share_passes_that_share_back() {
    let config = config(3, Input::Embedding(2), 1, 1, 0.0);
    let mut parameters = Parameters::zeros(&config);
    let layout = Parameters::zeros(&config);
    let (at, linear) = (layout.layout().layer(0), layout.layout().linear().0);
    // The forget gate keeps 0.8, and nothing else connects the steps.
    parameters.slice_mut(at.bias)[1] = (0.8f32 / 0.2).ln();
    parameters.slice_mut(linear).copy_from_slice(&[1.0, -1.0, 0.5]);
    let mut batch = Batch::zeros(30, 1);
    batch.weights.fill(1.0);
    let got = reach(&config, &parameters, &Batches(vec![batch], false));
    for lag in 1..30 {
        let ratio = got.c[0][lag][0] / got.c[0][lag - 1][0];
        assert!((ratio - 0.8).abs() < 1e-5, "lag {lag}: {ratio}");
    }
    assert!(got.h[0][1..].iter().all(|norms| norms == &[0.0]), "h reaches nowhere");
    // 0.8^10 is above a tenth, 0.8^11 below.
    assert_eq!(Reach::falls_below(&got.c[0], 0.1), 11);
    assert_eq!(Reach::falls_below(&got.c[0], 1e-9), 30, "not within the window");
    assert_eq!(Reach::falls_below(&got.h[0], 0.1), 1);
}

#[test]
fn gradients_of_parameters_are_the_references() {
    let config = config(7, Input::Embedding(3), 4, 2, 0.3);
    let mut random = Random::new(3);
    let parameters = random.parameters(&config, 0.8);
    let batches: Vec<Batch> =
        (0..3).map(|_| random.batch(config.vocabulary, 5, 4, Weighing::Mixed, 0.1)).collect();
    let mut engine = cpu(&config, &parameters, Optimizer::Adam, Gemm::detect().unwrap(), 2, 1);
    let epoch = Batches(batches.clone(), true);
    let norms = parameter_norms(&mut engine, &epoch, 9, &mut |_| ControlFlow::Continue(())).unwrap();

    let network = Network::<f64>::from_parameters(&config, &parameters);
    let mut states = zero_states(&network, 4);
    let mut want = vec![Vec::new(); norms.len()];
    for batch in &batches {
        let pass = forward(&network, batch, &states, None);
        let values = backward(&network, batch, &pass, None, &loss(batch, &pass.logits).1).network.values();
        for (want, tensor) in want.iter_mut().zip(parameters.layout().tensors()) {
            want.push(values[tensor.range()].iter().map(|d| d * d).sum::<f64>().sqrt());
        }
        states = pass.final_states();
    }
    for (k, (got, want)) in norms.iter().zip(&want).enumerate() {
        let want = Quartiles::of(want).unwrap();
        for (got, want) in [(got.gradient.lower, want.lower), (got.gradient.median, want.median)] {
            assert!((got - want).abs() <= 1e-5 * want + 1e-8, "{k}: {got} for {want}");
        }
        let weight = parameters.slice(k).iter().map(|w| f64::from(*w).powi(2)).sum::<f64>().sqrt();
        assert!((got.weight - weight).abs() <= 1e-6 * weight);
    }
    let stopped = parameter_norms(&mut engine, &epoch, 9, &mut |_| ControlFlow::Break(()));
    assert_eq!(stopped, None);
}
