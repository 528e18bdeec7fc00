//! What a part of the network is worth: the loss when it is taken away.
//!
//! A unit or a layer is taken away where its output h is read: by its own layer at the next step, and by the layer above. A gate is taken
//! away for all units of its layer. Each is done by changing weights, so that an engine runs the changed network as fast as any:
//!
//! ```text
//! h_u = m       every column u that reads h becomes zero, and m times it is added to the bias (w_hh, and w_ih or w of the layer above)
//! gate q = m    its rows of w_ih and w_hh become zero, and its bias what the activation turns into m
//! ```
//!
//! A gate's peepholes become zero too, and so does `b_hn` with the candidate of a GRU; a GRU's own way from h to h by the update gate is
//! memory, as c is of an LSTM, and stays.
//!
//! The means are those of the unchanged network. A frozen output is frozen at the beginning of a tune too, where it would be zero.

use super::{Reading, Recorder, Sequence, Span, gates, read};
use crate::nn::cell::gru;
use crate::nn::{Cell, ModelConfig, Parameters};
use serde::Serialize;
use std::ops::ControlFlow;

/// A part of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "part")]
pub enum Part {
    /// All units of a layer.
    Layer {
        /// Which.
        layer: usize,
    },
    /// A gate of all units of a layer.
    Gate {
        /// Which layer.
        layer: usize,
        /// Which gate, in their order.
        gate: usize,
    },
    /// A unit.
    Unit {
        /// Which layer.
        layer: usize,
        /// Its number.
        unit: usize,
    },
}

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is zero.
    Zero,
    /// Each unit's output or gate is its mean.
    Mean,
    /// It is one; of gates only.
    One,
}

/// The means of the unchanged network.
#[derive(Clone, Debug, PartialEq)]
pub struct Means {
    /// `[L][H]`: the outputs h.
    pub h: Vec<Vec<f64>>,
    /// `[L][G·H]`: the gates; none of an RNN.
    pub gates: Vec<Vec<f64>>,
}

impl Means {
    /// Reads the texts; `rows` of them at a time. `progress` hears the steps that are done and may break it off; then there is no
    /// result.
    ///
    /// # Panics
    /// As [`read`].
    pub fn new(
        recorder: &mut Recorder,
        sequences: &[Sequence],
        reading: Reading,
        rows: usize,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Option<Self> {
        let ModelConfig { cell, layers, hidden, .. } = *recorder.config();
        let gates = gates(cell).len();
        let mut means =
            Means { h: vec![vec![0.0; hidden]; layers], gates: vec![vec![0.0; gates * hidden]; layers] };
        // The last of the signals.
        let h = recorder.signals().len() - 1;
        let mut steps = 0;
        let flow = read(recorder, sequences, reading, rows, &mut |step| {
            fn add(sums: &mut [f64], values: &[f32]) {
                sums.iter_mut().zip(values).for_each(|(sum, &value)| *sum += f64::from(value));
            }
            for l in 0..layers {
                for (q, sums) in means.gates[l].chunks_exact_mut(hidden).enumerate() {
                    add(sums, step.signal(l, q));
                }
                add(&mut means.h[l], step.signal(l, h));
            }
            steps += 1;
            progress(steps)
        });
        let n = steps.max(1) as f64;
        means.h.iter_mut().chain(&mut means.gates).flatten().for_each(|sum| *sum /= n);
        flow.is_continue().then_some(means)
    }
}

/// Turns a sigmoid into 0 or 1, and tanh into 1, as far as f32 goes.
const SATURATED: f64 = 40.0;

/// Changes the weights so that a part is taken away.
///
/// # Panics
/// Where the network has no such part, or an output is to be one.
pub fn ablate(parameters: &mut Parameters, config: &ModelConfig, means: &Means, part: Part, change: Change) {
    match part {
        Part::Layer { layer } => {
            (0..config.hidden).for_each(|unit| output(parameters, config, means, layer, unit, change));
        }
        Part::Unit { layer, unit } => output(parameters, config, means, layer, unit, change),
        Part::Gate { layer, gate } => {
            let (cell, hidden) = (config.cell, config.hidden);
            let span = gates(cell)[gate].span;
            let at = parameters.layout().layer(layer);
            let rows = gate * hidden..(gate + 1) * hidden;
            for (weights, inputs) in [(at.w_ih, config.layer_input(layer)), (at.w_hh, hidden)] {
                parameters.slice_mut(weights)[rows.start * inputs..rows.end * inputs].fill(0.0);
            }
            if let Some(extra) = at.extra {
                // The peepholes of i, f and o stand in this order.
                let peephole = |place| [0, 1, 3].iter().position(|&with| with == place);
                let vector = if cell == Cell::Gru { (gate == gru::N).then_some(0) } else { peephole(gate) };
                if let Some(vector) = vector {
                    parameters.slice_mut(extra)[vector * hidden..(vector + 1) * hidden].fill(0.0);
                }
            }
            for row in rows {
                let value = match change {
                    Change::Zero => 0.0,
                    Change::One => 1.0,
                    Change::Mean => means.gates[layer][row],
                };
                let bias: f64 = match span {
                    Span::Share => (value / (1.0 - value)).ln(),
                    Span::Signed => value.atanh(),
                    Span::Free => value,
                };
                // What is exactly 0 or 1 has no finite bias.
                let bias = if span == Span::Free { bias } else { bias.clamp(-SATURATED, SATURATED) };
                parameters.slice_mut(at.bias)[row] = bias as f32;
            }
        }
    }
}

/// Freezes the output of a unit.
fn output(
    parameters: &mut Parameters,
    config: &ModelConfig,
    means: &Means,
    layer: usize,
    unit: usize,
    change: Change,
) {
    let value = match change {
        Change::Zero => 0.0,
        Change::Mean => means.h[layer][unit],
        Change::One => panic!("an output is no gate"),
    };
    let layout = parameters.layout();
    let at = layout.layer(layer);
    let above = if layer + 1 < config.layers {
        let above = layout.layer(layer + 1);
        (above.w_ih, above.bias)
    } else {
        layout.linear()
    };
    for (weights, bias) in [(at.w_hh, at.bias), above] {
        let rows = parameters.slice(bias).len();
        for row in 0..rows {
            let weight = std::mem::take(&mut parameters.slice_mut(weights)[row * config.hidden + unit]);
            // What the reset gate of a GRU multiplies has a bias of its own.
            let (bias, row) = match at.extra {
                Some(extra)
                    if config.cell == Cell::Gru && weights == at.w_hh && row / config.hidden == gru::N =>
                {
                    (extra, row % config.hidden)
                }
                _ => (bias, row),
            };
            let bias = &mut parameters.slice_mut(bias)[row];
            *bias = (f64::from(*bias) + value * f64::from(weight)) as f32;
        }
    }
}

/// All that can be asked of a network: for layers and units zero and mean, for gates one as well.
pub fn all(config: &ModelConfig) -> Vec<(Part, Change)> {
    let mut all = Vec::new();
    let both = [Change::Zero, Change::Mean];
    for layer in 0..config.layers {
        all.extend(both.map(|change| (Part::Layer { layer }, change)));
    }
    for layer in 0..config.layers {
        for gate in 0..gates(config.cell).len() {
            all.extend(
                [Change::Zero, Change::Mean, Change::One].map(|change| (Part::Gate { layer, gate }, change)),
            );
        }
    }
    for layer in 0..config.layers {
        for unit in 0..config.hidden {
            all.extend(both.map(|change| (Part::Unit { layer, unit }, change)));
        }
    }
    all
}
