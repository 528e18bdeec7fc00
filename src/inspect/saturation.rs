//! How far the gates are open: for each unit the share of time that a gate is nearly shut or nearly open, and how long the memory lasts.
//!
//! After Karpathy, Johnson and Li, "Visualizing and Understanding Recurrent Networks" (2015): a gate is left-saturated below 0.1 and
//! right-saturated above 0.9.

use super::{Reading, Recorder, Sequence, Span, read};
use crate::nn::Cell;
use std::ops::ControlFlow;

/// Below it a gate is nearly shut.
pub const SHUT: f32 = 0.1;
/// Above it a gate is nearly open.
pub const OPEN: f32 = 0.9;

/// What one gate of one unit did.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct GateUse {
    /// The share of steps below [`SHUT`].
    pub shut: f64,
    /// The share of steps above [`OPEN`].
    pub open: f64,
    /// Its mean.
    pub mean: f64,
}

/// What of a memory stays from step to step: the share that this gate, by its place, says; or, of an LSTM whose gates are coupled, the rest of
/// that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// The forget gate of an LSTM, the update gate of a GRU.
    Gate(usize),
    /// The input gate of an LSTM with coupled gates: what comes in takes the place of what goes.
    Rest(usize),
}

/// What the gates of a network did over some texts.
#[derive(Clone, Debug, PartialEq)]
pub struct Saturation {
    /// Steps that were read.
    pub steps: u64,
    /// The names of the gates.
    pub gates: Vec<&'static str>,
    /// `[L][gates][H]`
    pub layers: Vec<Vec<Vec<GateUse>>>,
    /// What keeps the memory, where the cell has it.
    pub keeps: Option<Keeps>,
}

impl Saturation {
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
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Option<Self> {
        let (layers, hidden) = (recorder.config().layers, recorder.config().hidden);
        let signals = recorder.signals();
        let gates: Vec<usize> = (0..signals.len()).filter(|&k| signals[k].span == Span::Share).collect();
        let mut saturation = Saturation {
            steps: 0,
            gates: gates.iter().map(|&k| signals[k].name).collect(),
            layers: vec![vec![vec![GateUse::default(); hidden]; gates.len()]; layers],
            keeps: {
                let place = |name: &str| gates.iter().position(|&k| signals[k].name == name);
                match recorder.config().cell {
                    Cell::Coupled => place("i").map(Keeps::Rest),
                    _ => place("f").or(place("z")).map(Keeps::Gate),
                }
            },
        };
        let flow = read(recorder, sequences, reading, rows, &mut |step| {
            for (l, uses) in saturation.layers.iter_mut().enumerate() {
                for (uses, &k) in uses.iter_mut().zip(&gates) {
                    for (gate, &value) in uses.iter_mut().zip(step.signal(l, k)) {
                        // Counts and a sum as yet.
                        gate.shut += f64::from(u8::from(value < SHUT));
                        gate.open += f64::from(u8::from(value > OPEN));
                        gate.mean += f64::from(value);
                    }
                }
            }
            saturation.steps += 1;
            progress(saturation.steps)
        });
        let steps = saturation.steps.max(1) as f64;
        for gate in saturation.layers.iter_mut().flatten().flatten() {
            (gate.shut, gate.open, gate.mean) = (gate.shut / steps, gate.open / steps, gate.mean / steps);
        }
        flow.is_continue().then_some(saturation)
    }

    /// The half-life of each memory of layer `l`, in steps: see [`half_life`]. None where the cell has no gate that keeps it.
    pub fn half_lives(&self, l: usize) -> Option<Vec<f64>> {
        let life = |gate: &GateUse, keep: fn(f64) -> f64| half_life(keep(gate.mean));
        Some(match self.keeps? {
            Keeps::Gate(place) => self.layers[l][place].iter().map(|gate| life(gate, |mean| mean)).collect(),
            Keeps::Rest(place) => {
                self.layers[l][place].iter().map(|gate| life(gate, |mean| 1.0 - mean)).collect()
            }
        })
    }
}

/// After how many steps half of a memory is left that keeps the share `keep` of itself at each: `ln ½ / ln keep`. Infinite where all of
/// it is kept.
pub fn half_life(keep: f64) -> f64 {
    if keep < 1.0 { 0.5f64.ln() / keep.ln() } else { f64::INFINITY }
}
