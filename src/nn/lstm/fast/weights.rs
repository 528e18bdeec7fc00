//! The weights of a layer, packed for the kernels, and its step in generation.

use crate::nn::Cell;
use crate::nn::cell::batched;
use crate::threads::Threads;
use hornpipe_kernels::{Isa, Packed, Team, lstm};

/// The weights of one layer as the kernels read them; packed again after each update.
#[derive(Clone, Debug)]
pub struct LayerWeights {
    /// `w_ih`, for `x · w_ihᵀ`.
    pub input: Packed,
    /// `w_ih`, for `d_a · w_ih`.
    pub input_back: Packed,
    /// `[4H]`
    pub bias: Vec<f32>,
    pub(super) step: StepWeights,
}

/// What the time step reads.
#[derive(Clone, Debug)]
pub(super) enum StepWeights {
    Fused(Fused),
    Batched(batched::Weights),
}

/// The weights of the fused kernels, which serve [`Cell::Lstm`].
#[derive(Clone, Debug)]
pub(super) struct Fused {
    /// `w_ih` in gate order, for the step of generation.
    input: Packed,
    /// `w_hh` in gate order, for the forward step.
    pub(super) recurrent: Packed,
    /// `w_hh`, for the backward step.
    pub(super) recurrent_back: Packed,
}

impl LayerWeights {
    /// Room for a layer of `inputs` and `hidden` units.
    pub fn new(isa: Isa, cell: Cell, inputs: usize, hidden: usize) -> Self {
        let gates = cell.gates() * hidden;
        LayerWeights {
            input: Packed::new(isa, inputs, gates),
            input_back: Packed::new(isa, gates, inputs),
            bias: vec![0.0; gates],
            step: match cell {
                Cell::Lstm => StepWeights::Fused(Fused {
                    input: Packed::new_gates(isa, inputs, hidden),
                    recurrent: Packed::new_gates(isa, hidden, hidden),
                    recurrent_back: Packed::new(isa, gates, hidden),
                }),
                cell => StepWeights::Batched(batched::Weights::new(isa, cell, hidden)),
            },
        }
    }

    /// Packs `w_ih [4H, I]`, `w_hh [4H, H]`, the bias `[4H]` and what [`Cell::extra`] names for training.
    pub fn pack(&mut self, w_ih: &[f32], w_hh: &[f32], bias: &[f32], extra: &[f32]) {
        self.pack_on(&Threads::One, w_ih, w_hh, bias, extra);
    }

    /// The same on several threads.
    pub(crate) fn pack_on(
        &mut self,
        threads: &Threads,
        w_ih: &[f32],
        w_hh: &[f32],
        bias: &[f32],
        extra: &[f32],
    ) {
        let LayerWeights { input, input_back, step, .. } = self;
        threads.join(
            || threads.join(|| input.pack_rows(w_ih), || input_back.pack_columns(w_ih)),
            || match step {
                StepWeights::Fused(Fused { recurrent, recurrent_back, .. }) => {
                    threads.join(|| recurrent.pack_rows(w_hh), || recurrent_back.pack_columns(w_hh));
                }
                StepWeights::Batched(weights) => weights.pack(w_hh, extra),
            },
        );
        self.bias.copy_from_slice(bias);
    }

    /// Packs `w_ih [4H, I]` for generation.
    pub fn pack_generation(&mut self, w_ih: &[f32]) {
        if let StepWeights::Fused(fused) = &mut self.step {
            fused.input.pack_rows(w_ih);
        }
    }

    /// One step of generation. `x [R, I]` is the output of the layer below; the first layer has none, and `gates [R, 4H]` is what the
    /// characters give, looked up.
    pub fn step(&self, x: Option<&[f32]>, step: Step, team: &mut Team) {
        let Step { gates, side, h: h_prev, c: c_prev, next_h: h, next_c: c } = step;
        match (&self.step, x) {
            (StepWeights::Fused(fused), None) => {
                lstm::Forward { w_hh: &fused.recurrent, h_prev, c_prev, gates, c, h }.run(team);
            }
            (StepWeights::Fused(Fused { input: w_ih, recurrent: w_hh, .. }), Some(x)) => {
                lstm::ForwardInput { w_ih, w_hh, bias: &self.bias, x, h_prev, c_prev, c, h }.run(team);
            }
            (StepWeights::Batched(weights), x) => {
                if let Some(x) = x {
                    self.input.multiply(x, Some(&self.bias), gates, team);
                }
                weights.forward(batched::Forward { h_prev, c_prev, gates, side, c, h }, team);
            }
        }
    }
}

/// What a step of generation works on; all but `h` and `c` is overwritten.
#[derive(Debug)]
pub struct Step<'a> {
    /// `[R, 4H]`
    pub gates: &'a mut [f32],
    /// `[R, 4H]`; empty of an LSTM, see [`batched`].
    pub side: &'a mut [f32],
    /// `[R, H]`
    pub h: &'a [f32],
    /// `[R, H]`; empty where the cell has none.
    pub c: &'a [f32],
    /// `[R, H]`: the new hidden state.
    pub next_h: &'a mut [f32],
    /// `[R, H]`: the new cell state; empty where the cell has none.
    pub next_c: &'a mut [f32],
}
