//! The gate maths of an LSTM layer.

use super::word;
use crate::gpu::array::Array;
use crate::gpu::program::{Recorder, Work};
use crate::gpu::shader::Shader;

/// A sequence of one LSTM layer.
#[derive(Clone, Copy, Debug)]
pub struct LstmSequence<'a> {
    /// `T`
    pub steps: usize,
    /// `R`
    pub rows: usize,
    /// `H`
    pub hidden: usize,
    /// Where `resets [T, R]` begin, 0 or 1 each.
    pub resets: (&'a Array<u32>, usize),
    /// `[T, R, 4H]`
    pub gates: &'a Array<f32>,
    /// `[T + 1, R, H]`: the cell state before each step, and after the last.
    pub c: &'a Array<f32>,
    /// `[T + 1, R, H]`: the hidden state as it enters each step (zero where that resets), and after the last.
    pub h: &'a Array<f32>,
    /// `[T, R, H]`: the layer's output.
    pub out: &'a Array<f32>,
}

impl LstmSequence<'_> {
    fn check(&self) {
        let LstmSequence { steps, rows, hidden, .. } = *self;
        let size = rows * hidden;
        assert!(steps > 0 && size > 0, "a step, a row and a unit");
        assert!(self.resets.1 + steps * rows <= self.resets.0.len(), "resets [T, R]");
        assert!(self.gates.len() >= 4 * steps * size, "gates [T, R, 4H]");
        assert!(self.c.len().min(self.h.len()) >= (steps + 1) * size, "c and h [T + 1, R, H]");
        assert!(self.out.len() >= steps * size, "out [T, R, H]");
    }

    fn step(&self, t: usize) -> [u32; 5] {
        assert!(t < self.steps, "step {t} of {}", self.steps);
        [self.rows, self.hidden, self.steps, t, self.resets.1].map(word)
    }
}

impl Recorder<'_> {
    /// The state `[L, R, H]` of layer `layer` enters: `h[0]` (zero where the first step resets) and `c[0]`.
    ///
    /// # Panics
    /// Where a length does not fit.
    pub fn lstm_enter(&mut self, sequence: &LstmSequence, state: [&Array<f32>; 2], layer: usize) {
        sequence.check();
        let LstmSequence { rows, hidden, resets, .. } = *sequence;
        let within = |state: &Array<f32>| (layer + 1) * rows * hidden <= state.len();
        assert!(state.iter().all(|state| within(state)), "state [L, R, H]");
        let [h, c] = state;
        let arrays = [h.buffer(), c.buffer(), resets.0.buffer(), sequence.h.buffer(), sequence.c.buffer()];
        let (groups, work) = (self.groups(rows * hidden), Work::numbers(4 * rows * hidden));
        self.dispatch(Shader::Enter, &arrays, &[rows, hidden, layer, resets.1].map(word), groups, work);
    }

    /// The gate maths of step `t`: activates the gates, and writes c, h and the output.
    ///
    /// # Panics
    /// Where a length does not fit.
    pub fn lstm_forward(&mut self, sequence: &LstmSequence, t: usize) {
        sequence.check();
        let LstmSequence { resets, gates, c, h, out, .. } = *sequence;
        let arrays = [resets.0.buffer(), gates.buffer(), c.buffer(), h.buffer(), out.buffer()];
        let units = sequence.rows * sequence.hidden;
        // Gates in and out, c in and out, h and the output.
        let (groups, work) = (self.groups(units), Work::numbers(12 * units));
        self.dispatch(Shader::LstmForward, &arrays, &sequence.step(t), groups, work);
    }

    /// The gate gradients of step `t`, in place of the gates. `d_out [T, R, H]` is the gradient of the output; `d_h_next [R, H]`
    /// what step `t + 1` sends back through `W_hh`; `d_c [R, H]` is taken from there and handed on.
    ///
    /// # Panics
    /// Where a length does not fit.
    pub fn lstm_backward(
        &mut self,
        sequence: &LstmSequence,
        t: usize,
        d_out: &Array<f32>,
        d_h_next: &Array<f32>,
        d_c: &Array<f32>,
    ) {
        sequence.check();
        let LstmSequence { steps, rows, hidden, resets, gates, c, .. } = *sequence;
        assert!(d_out.len() >= steps * rows * hidden, "d_out [T, R, H]");
        assert!(d_h_next.len().min(d_c.len()) >= rows * hidden, "d_h_next and d_c [R, H]");
        let floats = [c, d_out, d_h_next, d_c, gates].map(Array::buffer);
        let arrays = [&[resets.0.buffer()][..], &floats].concat();
        // Gates in and out, d_c in and out, two of c, the gradients of output and next h.
        let (groups, work) = (self.groups(rows * hidden), Work::numbers(14 * rows * hidden));
        self.dispatch(Shader::LstmBackward, &arrays, &sequence.step(t), groups, work);
    }
}
