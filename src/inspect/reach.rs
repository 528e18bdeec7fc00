//! How far the learning signal reaches: the gradients of the loss at one step by the states of the steps before it.
//!
//! For windows of `T` steps whose loss is that of the last step alone, `-ln p(target)`, each layer's ‖∂loss/∂h_t‖ and ‖∂loss/∂c_t‖
//! against the lag `T - 1 - t`. In the names of [`crate::nn::lstm::reference::backward`] they are the norms of `d_h` and `d_c`: all that
//! reaches the loss from h_t, by the layers above and by the steps after; and from c_t, by h_t and by the next step.
//!
//! ```text
//! d_h = from above + d_a_next w_hh              d_c = d_c_next ⊙ f_next + d_h ⊙ o ⊙ (1 - tanh²(c))
//! ```
//!
//! and likewise of [other cells](crate::nn::cell), of which a GRU and an RNN have no c.
//!
//! Where a tune begins within a window, nothing passes back, and lags beyond are not counted.

use super::quantile::quantile;
use super::{Record, Recorder};
use crate::corpus::Epoch;
use crate::nn::cell::batched;
use crate::nn::{Batch, Engine, ModelConfig, Parameters, State};
use hornpipe_kernels::{Isa, Packed, Team};
use serde::Serialize;
use std::ops::ControlFlow;

/// Norms of gradients by layer and lag, one for each window that reaches so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Reach {
    /// `[L][lags]`: ‖∂loss/∂h‖.
    pub h: Vec<Vec<Vec<f64>>>,
    /// `[L][lags]`: ‖∂loss/∂c‖; empty where the cell has none.
    pub c: Vec<Vec<Vec<f64>>>,
}

/// Quartiles of the norms at one lag.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quartiles {
    /// The windows that reach so far.
    pub windows: usize,
    /// A quarter of them are below.
    pub lower: f64,
    /// Half of them are below.
    pub median: f64,
    /// A quarter of them are above.
    pub upper: f64,
}

impl Quartiles {
    /// Of these norms; none of nothing.
    pub fn of(norms: &[f64]) -> Option<Self> {
        Some(Quartiles {
            windows: norms.len(),
            lower: quantile(norms, 0.25)?,
            median: quantile(norms, 0.5)?,
            upper: quantile(norms, 0.75)?,
        })
    }
}

/// The weights that gradients pass back through.
struct Back {
    /// `w_ih`, for `d_a · w_ih`, of each layer but the first.
    input: Vec<Option<Packed>>,
    /// The cell's step back, with `w_hh`.
    recurrent: Vec<batched::Weights>,
    /// The numbers of what [`Cell::extra`](crate::nn::Cell::extra) names.
    extra: usize,
    /// The linear layer's `[V, H]`, for `d_logits · w`.
    linear: Packed,
}

impl Back {
    fn new(isa: Isa, config: &ModelConfig, parameters: &Parameters) -> Self {
        let layout = parameters.layout();
        let packed = |depth, outputs, index| {
            let mut packed = Packed::new(isa, depth, outputs);
            packed.pack_columns(parameters.slice(index));
            packed
        };
        let (hidden, gates) = (config.hidden, config.cell.gates() * config.hidden);
        let recurrent = |l| {
            let (mut weights, at) = (batched::Weights::new(isa, config.cell, hidden), layout.layer(l));
            weights.pack(parameters.slice(at.w_hh), at.extra.map_or(&[], |at| parameters.slice(at)));
            weights
        };
        Back {
            input: (0..config.layers)
                .map(|l| (l > 0).then(|| packed(gates, hidden, layout.layer(l).w_ih)))
                .collect(),
            recurrent: (0..config.layers).map(recurrent).collect(),
            extra: config.cell.extra().map_or(0, |(_, vectors)| vectors * hidden),
            linear: packed(config.vocabulary, hidden, layout.linear().0),
        }
    }
}

impl Reach {
    /// Reads the first `batches` batches of an epoch, each row of which is a window, without dropout. `progress` hears the batches that
    /// are done and may break it off; then there is no result.
    pub fn new(
        recorder: &mut Recorder,
        epoch: &dyn Epoch,
        batches: usize,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Option<Self> {
        let (steps, rows) = epoch.shape();
        let (layers, memory) = (recorder.config().layers, recorder.config().cell.has_memory());
        let empty = || vec![vec![Vec::new(); steps]; layers];
        let mut reach = Reach { h: empty(), c: if memory { empty() } else { Vec::new() } };
        let back = Back::new(recorder.isa(), recorder.config(), recorder.parameters());
        let mut batch = Batch::zeros(steps, rows);
        recorder.begin(rows);
        for index in 0..batches.min(epoch.len()) {
            epoch.fill(index, &mut batch);
            if !epoch.carries_state() {
                recorder.begin(rows);
            }
            let start: Vec<_> = (0..layers).map(|l| recorder.carried(l).map(<[f32]>::to_vec)).collect();
            let record = recorder.run(&batch);
            reach.add(record, &start, &back, &batch);
            if progress(index + 1).is_break() {
                return None;
            }
        }
        Some(reach)
    }

    /// Back-propagates the loss of the last step of each row that has one there. `start` is the state, h and c each `[B, H]`, that entered
    /// each layer's first step.
    fn add(&mut self, record: Record, start: &[[Vec<f32>; 2]], back: &Back, batch: &Batch) {
        let (steps, rows) = (record.steps(), record.rows());
        let hidden = back.linear.outputs();
        let memory = !self.c.is_empty();
        // Asked for by the cell's step and of no use here.
        let mut d_extra = vec![0.0; back.extra];
        let last = steps - 1;
        let counts: Vec<bool> = batch.weights.row(last).iter().map(|&w| w > 0.0).collect();
        // How many steps back a row's signal goes: to where its tune begins.
        let begins: Vec<usize> =
            (0..rows).map(|r| (0..steps).rev().find(|&t| batch.resets[[t, r]]).unwrap_or(0)).collect();

        // [T, R, H]: the gradient of the layer's output by what is above it.
        let mut above = vec![0.0; steps * rows * hidden];
        let mut d_logits = Vec::with_capacity(rows * back.linear.depth());
        for (r, &counts) in counts.iter().enumerate() {
            d_logits.extend(d_loss(record.logits(last, r), batch.targets[[last, r]], counts));
        }
        let team = &mut Team::alone();
        back.linear.multiply(&d_logits, None, &mut above[last * rows * hidden..], team);

        // [R, H] each: what the step after sends back to h by the product, what beside it, and the whole gradient of c.
        let [mut d_h, mut d_prev, mut d_c] = [0; 3].map(|_| vec![0.0; rows * hidden]);
        for l in (0..self.h.len()).rev() {
            d_h.fill(0.0);
            d_prev.fill(0.0);
            for t in (0..steps).rev() {
                let from_above = &mut above[t * rows * hidden..][..rows * hidden];
                let resets: Vec<usize> = (0..rows).filter(|&r| batch.resets[[t, r]]).collect();
                let cleared = |mut array: Vec<f32>| {
                    let width = array.len() / rows;
                    resets.iter().for_each(|r| array[r * width..(r + 1) * width].fill(0.0));
                    array
                };
                if memory {
                    d_c.copy_from_slice(&d_prev);
                } else {
                    d_h.iter_mut().zip(&d_prev).for_each(|(d, beside)| *d += beside);
                }
                d_h.iter_mut().zip(&*from_above).for_each(|(d, above)| *d += above);
                let layer = record.layer(l);
                let (mut gates, mut side) = (step(layer.gates(), t, steps), step(layer.side(), t, steps));
                let (h_prev, c_prev) = match t {
                    0 => (start[l][0].clone(), start[l][1].clone()),
                    t => (step(layer.output(), t - 1, steps), step(layer.cell(), t - 1, steps)),
                };
                back.recurrent[l].backward(batched::Backward {
                    h_prev: &cleared(h_prev),
                    c_prev: &cleared(c_prev),
                    c: &step(layer.cell(), t, steps),
                    gates: &mut gates,
                    side: &mut side,
                    d_h: &d_h,
                    d_c: &mut d_c,
                    d_prev: &mut d_prev,
                    d_extra: &mut d_extra,
                });
                for r in (0..rows).filter(|&r| counts[r] && t >= begins[r]) {
                    let units = r * hidden..(r + 1) * hidden;
                    self.h[l][last - t].push(norm(d_h[units.clone()].iter().copied()));
                    if memory {
                        self.c[l][last - t].push(norm(d_c[units].iter().copied()));
                    }
                }
                if let Some(input) = &back.input[l] {
                    // What passes to the layer below, in the place of what has passed to this one.
                    input.multiply(&gates, None, from_above, team);
                }
                back.recurrent[l].back(if side.is_empty() { &gates } else { &side }, &mut d_h, team);
                (d_h, d_prev) = (cleared(d_h), cleared(d_prev));
            }
        }
    }

    /// The median at each lag of one curve of [`Reach::h`] or [`Reach::c`], as far as any window reaches.
    pub fn medians(curve: &[Vec<f64>]) -> Vec<f64> {
        curve.iter().map_while(|norms| quantile(norms, 0.5)).collect()
    }

    /// The first lag at which the median of a curve has fallen below this share of its greatest, and stays there; the number of lags
    /// where it does not.
    pub fn falls_below(curve: &[Vec<f64>], share: f64) -> usize {
        let medians = Reach::medians(curve);
        let bound = share * medians.iter().fold(0.0, |greatest: f64, &m| greatest.max(m));
        medians.iter().rposition(|&median| median >= bound).map_or(0, |last| last + 1)
    }
}

/// The gradient of one row's loss by its logits; zero where the row does not count.
fn d_loss(logits: &[f32], target: u32, counts: bool) -> Vec<f32> {
    let greatest = logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let exps: Vec<f64> = logits.iter().map(|&z| f64::from(z - greatest).exp()).collect();
    let sum: f64 = exps.iter().sum();
    let hit = |v: usize| if v == target as usize { 1.0 } else { 0.0 };
    let share = if counts { 1.0 } else { 0.0 };
    exps.iter().enumerate().map(|(v, e)| (share * (e / sum - hit(v))) as f32).collect()
}

/// Step `t` of an array of all steps.
fn step(all: &[f32], t: usize, steps: usize) -> Vec<f32> {
    let size = all.len() / steps;
    all[t * size..(t + 1) * size].to_vec()
}

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

/// The size of one parameter and of its gradient.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParameterNorms {
    /// As in checkpoints.
    pub name: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// The norm of its weights.
    pub weight: f64,
    /// The norm of its gradient, over batches.
    pub gradient: Quartiles,
}

/// The norms of all parameters and of their gradients over the first `batches` batches of an epoch, without dropout. The engine's
/// carried state is lost. `progress` is as for [`Reach::new`].
pub fn parameter_norms(
    engine: &mut dyn Engine,
    epoch: &dyn Epoch,
    batches: usize,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Option<Vec<ParameterNorms>> {
    let (steps, rows) = epoch.shape();
    let config = engine.config().clone();
    let zeros = State::zeros(&config, rows);
    let mut batch = Batch::zeros(steps, rows);
    let count = engine.parameters().layout().tensors().len();
    let mut gradients = vec![Vec::new(); count];
    engine.set_state(&zeros);
    for index in 0..batches.min(epoch.len()) {
        epoch.fill(index, &mut batch);
        if !epoch.carries_state() {
            engine.set_state(&zeros);
        }
        if engine.gradients(&batch, None).weight > 0.0 {
            for (k, norms) in gradients.iter_mut().enumerate() {
                norms.push(norm(engine.last_gradients().slice(k).iter().copied()));
            }
        }
        if progress(index + 1).is_break() {
            return None;
        }
    }
    let parameters = engine.parameters();
    let tensors = parameters.layout().tensors().iter().zip(&gradients).enumerate();
    tensors
        .map(|(k, (tensor, norms))| {
            Some(ParameterNorms {
                name: tensor.name.clone(),
                shape: tensor.shape.clone(),
                weight: norm(parameters.slice(k).iter().copied()),
                gradient: Quartiles::of(norms)?,
            })
        })
        .collect()
}
