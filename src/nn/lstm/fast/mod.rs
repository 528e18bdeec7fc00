//! The LSTM layer on the kernels, for the rows of one shard: forward beside backward, one cache between them.
//!
//! `R` is the number of rows of the shard. [Another cell](crate::nn::cell) has other gates than the four shown here and its own
//! [step](batched), and is otherwise the same. The recurrence cannot be batched over time, everything else is:
//!
//! | product | shape | by |
//! |---|---|---|
//! | `x · w_ihᵀ + b`, all steps and gates | `[T·R, I] × [I, 4H]` | weights packed once a step ([`Packed`](hornpipe_kernels::Packed)); the first layer looks it up, see [`Input`] |
//! | `h_prev · w_hhᵀ`, one step, with the gate maths | `[R, H] × [H, 4H]` | [`lstm::Forward`] |
//! | `d_a · w_hh`, one step, with the gate gradients | `[R, 4H] × [4H, H]` | [`lstm::Backward`] |
//! | `d_w_ih = d_aᵀ · x`, `d_w_hh = d_aᵀ · h_prev` | `[4H, T·R] × [T·R, I or H]` | [`Gemm`](hornpipe_kernels::gemm::Gemm) |
//! | `d_x = d_a · w_ih` | `[T·R, 4H] × [4H, I]` | packed |
//!
//! Time is cut into chunks of a few steps, each of which passes through all its products before the next, so that
//! the activations are read again while they are in cache. For the sums over `T·R` that means one addition more a chunk.

mod tools;
mod weights;

pub use tools::{Tools, grow};
pub use weights::{LayerWeights, Step};

use super::GATES;
use crate::nn::Cell;
use crate::nn::cell::batched;
use hornpipe_kernels::elementwise::{add_assign, add_rows};
use hornpipe_kernels::embedding::{gather, scatter_add};
use hornpipe_kernels::gemm::{Into, Matrix};
use hornpipe_kernels::{Buffer, Team, lstm};
use std::ops::Range;
use tools::{for_each_reset, unless_reset};
use weights::{Fused, StepWeights};

/// What enters a layer.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// `[T, R, I]`: the output of the layer below.
    Below(&'a [f32]),
    /// There are only `V` different inputs of the first layer. Where that is fewer than tokens, as it is as a rule, what each character
    /// gives to the gates is computed once, and then looked up.
    Characters {
        /// `[T, R]`
        tokens: &'a [u32],
        /// `[V, 4H]`: `x · w_ihᵀ + b` of each character.
        table: &'a [f32],
    },
}

/// What a layer works on, the same forward and backward.
#[derive(Clone, Copy, Debug)]
pub struct Entering<'a> {
    /// Its packed weights.
    pub weights: &'a LayerWeights,
    /// What enters it.
    pub input: Input<'a>,
    /// `[T, R]`: where the state that enters a step is zero.
    pub resets: &'a [bool],
}

/// The gradients that a layer computes; each is overwritten.
#[derive(Debug)]
pub struct Leaving<'a> {
    /// `[4H, H]`
    pub d_w_hh: &'a mut [f32],
    /// What [`Cell::extra`] names.
    pub d_extra: &'a mut [f32],
    /// Those of the input.
    pub input: InputGradients<'a>,
}

/// The gradients on the side of what entered, as in [`Input`].
#[derive(Debug)]
pub enum InputGradients<'a> {
    /// Of a layer that has one below.
    Below {
        /// `[4H, I]`
        d_w_ih: &'a mut [f32],
        /// `[4H]`
        d_bias: &'a mut [f32],
        /// `[T, R, I]`; none where it takes the place of the output's gradient, for which `I` must be `H`.
        d_x: Option<&'a mut [f32]>,
    },
    /// `[V, 4H]`: the gradient of the table.
    Characters(&'a mut [f32]),
}

/// What one layer keeps from the forward pass for the backward pass.
#[derive(Clone, Debug)]
pub struct Cache {
    cell: Cell,
    steps: usize,
    rows: usize,
    hidden: usize,
    /// `[T, R, 4H]`: first the input part, then the activated gates; in the backward pass their gradients.
    gates: Buffer,
    /// `[T + 1, R, H]`: entry `t` is the hidden state that enters step `t`, entry `t + 1` the one that leaves it.
    h: Buffer,
    /// `[T + 1, R, H]`: likewise the cell state; empty where the cell has none.
    c: Buffer,
    /// The side of a step, see [`batched`]: `[T, R, 4H]` of a GRU, which keeps it, else room for one step; empty of an LSTM.
    side: Buffer,
    /// `[R, H]` twice: the entering state of a step at which some rows reset.
    entering: [Buffer; 2],
}

impl Cache {
    /// A cache for `hidden` units, without room yet.
    pub fn new(cell: Cell, hidden: usize) -> Self {
        let empty = || Buffer::zeros(0);
        Cache {
            cell,
            steps: 0,
            rows: 0,
            hidden,
            gates: empty(),
            h: empty(),
            c: empty(),
            side: empty(),
            entering: [empty(), empty()],
        }
    }

    /// Makes it a cache of `steps` × `rows`; allocates only where it was never as large.
    pub fn prepare(&mut self, steps: usize, rows: usize) {
        (self.steps, self.rows) = (steps, rows);
        let size = rows * self.hidden;
        let (memory, sides, wide) = (self.memory(), self.sides(), self.cell.gates() * size);
        grow(&mut self.gates, steps * wide);
        grow(&mut self.h, (steps + 1) * size);
        grow(&mut self.c, (steps + 1) * memory);
        grow(&mut self.side, sides * wide);
        self.entering.iter_mut().for_each(|e| grow(e, size));
    }

    /// The numbers of a step's cell state.
    fn memory(&self) -> usize {
        if self.cell.has_memory() { self.rows * self.hidden } else { 0 }
    }

    /// The steps whose side has room.
    fn sides(&self) -> usize {
        match self.cell {
            Cell::Lstm => 0,
            Cell::Gru => self.steps,
            _ => 1,
        }
    }

    /// `[T, R, H]`: the layer's output. Whole only until the backward pass of this layer.
    pub fn output(&self) -> &[f32] {
        let size = self.rows * self.hidden;
        &self.h[size..(self.steps + 1) * size]
    }

    /// `[T, R, 4H]`: the activated gates. Whole only until the backward pass of this layer.
    pub fn gates(&self) -> &[f32] {
        &self.gates[..self.steps * self.cell.gates() * self.rows * self.hidden]
    }

    /// `[T, R, H]`: the cell state after each step; empty where the cell has none.
    pub fn cell(&self) -> &[f32] {
        let size = self.memory();
        &self.c[size..(self.steps + 1) * size]
    }

    /// `[T, R, 3H]` of a GRU: the side of each step, see [`batched`]; empty for others.
    pub fn side(&self) -> &[f32] {
        let kept = if self.cell == Cell::Gru { self.steps } else { 0 };
        &self.side[..kept * self.cell.gates() * self.rows * self.hidden]
    }

    /// The state that enters the first step, `h` and `c` each `[R, H]`, to be set; `c` is empty where the cell has none.
    pub fn initial_state(&mut self) -> (&mut [f32], &mut [f32]) {
        let (size, memory) = (self.rows * self.hidden, self.memory());
        (&mut self.h[..size], &mut self.c[..memory])
    }

    /// The state that left the last step, `h` and `c` each `[R, H]`; `c` is empty where the cell has none.
    pub fn final_state(&self) -> (&[f32], &[f32]) {
        let (size, memory, steps) = (self.rows * self.hidden, self.memory(), self.steps);
        (&self.h[steps * size..(steps + 1) * size], &self.c[steps * memory..(steps + 1) * memory])
    }

    /// Runs the layer over its input from the initial state.
    pub fn forward(&mut self, input: Entering, team: &mut Team) {
        let Entering { weights, input, resets } = input;
        let (rows, hidden) = (self.rows, self.hidden);
        let (size, memory, width) = (rows * hidden, self.memory(), self.cell.gates() * hidden);
        let isa = weights.input.isa();
        let sides = self.sides();
        let Cache { gates, h, c, side, entering, .. } = self;
        for steps in chunks(self.steps, rows) {
            let tokens = steps.start * rows..steps.end * rows;
            let gates = &mut gates[tokens.start * width..tokens.end * width];
            match input {
                Input::Below(x) => {
                    let x = &x[tokens.start * weights.input.depth()..tokens.end * weights.input.depth()];
                    weights.input.multiply(x, Some(&weights.bias), gates, team);
                }
                Input::Characters { tokens: index, table } => {
                    gather(isa, width, table, &index[tokens], gates, team);
                }
            }
            for (t, gates) in steps.zip(gates.chunks_exact_mut(rows * width)) {
                let resets = &resets[t * rows..(t + 1) * rows];
                let (h_prev, h) = h[t * size..(t + 2) * size].split_at_mut(size);
                let (c_prev, c) = c[t * memory..(t + 2) * memory].split_at_mut(memory);
                let [entering_h, entering_c] = entering;
                let h_prev = unless_reset(h_prev, resets, entering_h);
                let c_prev = unless_reset(c_prev, resets, entering_c);
                match &weights.step {
                    StepWeights::Fused(Fused { recurrent: w_hh, .. }) => {
                        lstm::Forward { w_hh, h_prev, c_prev, gates, c, h }.run(team);
                    }
                    StepWeights::Batched(weights) => {
                        let side = &mut side[t.min(sides - 1) * rows * width..][..rows * width];
                        weights.forward(batched::Forward { h_prev, c_prev, gates, side, c, h }, team);
                    }
                }
            }
        }
    }

    /// Back-propagates `d_h [T, R, H]`, the gradient of the output, which may become the gradient of the input (see
    /// [`InputGradients`]). All of `gradients` are **overwritten**. Afterwards the layer's output is no longer whole.
    pub fn backward(&mut self, input: Entering, d_h: &mut [f32], gradients: Leaving, tools: &mut Tools) {
        let Entering { weights, input, resets } = input;
        let Leaving { d_w_hh, d_extra, input: mut input_gradients } = gradients;
        let (rows, hidden, width) = (self.rows, self.hidden, self.cell.gates() * self.hidden);
        tools.begin_backward(rows * hidden);
        d_extra.fill(0.0);
        match &mut input_gradients {
            InputGradients::Below { d_bias, .. } => d_bias.fill(0.0),
            InputGradients::Characters(d_table) => d_table.fill(0.0),
        }
        let mut into = Into::Overwrite;
        for steps in chunks(self.steps, rows).rev() {
            for t in steps.clone().rev() {
                match &weights.step {
                    StepWeights::Fused(fused) => self.fused_backward(fused, resets, t, d_h, tools),
                    StepWeights::Batched(batched) => {
                        self.batched_backward(batched, resets, t, d_h, d_extra, tools);
                    }
                }
            }
            let (from, to) = (steps.start * rows, steps.end * rows);
            // The entering states are zero where a step resets; of what is not zeroed here, the step before had its use.
            for_each_reset(&resets[from..to], |at| {
                self.h[(from + at) * hidden..(from + at + 1) * hidden].fill(0.0);
            });
            let Tools { gemm, scratch, team, .. } = tools;
            let gates = &self.gates[from * width..to * width];
            let d_gates = Matrix::new(gates, to - from, width).t();
            let h_prev = Matrix::new(&self.h[from * hidden..to * hidden], to - from, hidden);
            let d_side = match self.cell {
                Cell::Gru => Matrix::new(&self.side[from * width..to * width], to - from, width).t(),
                _ => d_gates,
            };
            gemm.multiply(d_side, h_prev, into, d_w_hh, scratch, team);
            match (input, &mut input_gradients) {
                (Input::Below(x), InputGradients::Below { d_w_ih, d_bias, d_x }) => {
                    let inputs = weights.input.depth();
                    let x = Matrix::new(&x[from * inputs..to * inputs], to - from, inputs);
                    gemm.multiply(d_gates, x, into, d_w_ih, scratch, team);
                    add_rows(gemm.isa(), gates, d_bias);
                    // The gradient of the output at these steps has had its use.
                    let d_x = d_x.as_deref_mut().unwrap_or(&mut *d_h);
                    weights.input_back.multiply(gates, None, &mut d_x[from * inputs..to * inputs], team);
                }
                (Input::Characters { tokens, .. }, InputGradients::Characters(d_table)) => {
                    scatter_add(gemm.isa(), width, gates, &tokens[from..to], d_table, team);
                }
                _ => unreachable!("gradients of what entered"),
            }
            into = Into::Accumulate;
        }
    }

    /// Turns the gates of step `t` into their gradients.
    fn fused_backward(&mut self, weights: &Fused, resets: &[bool], t: usize, d_h: &[f32], tools: &mut Tools) {
        let (rows, hidden) = (self.rows, self.hidden);
        let (size, wide) = (rows * hidden, GATES * rows * hidden);
        let own_resets = &resets[t * rows..(t + 1) * rows];
        let d_c = &mut tools.d_c[..size];
        let (before, after) = self.gates.split_at_mut((t + 1) * wide);
        let next = (t + 1 < self.steps).then(|| {
            let next_resets = &resets[(t + 1) * rows..(t + 2) * rows];
            unless_reset(&after[..wide], next_resets, &mut tools.d_gates_next)
        });
        lstm::Backward {
            w_hh: &weights.recurrent_back,
            d_gates_next: next,
            d_h: &d_h[t * size..(t + 1) * size],
            d_c,
            c_prev: unless_reset(&self.c[t * size..(t + 1) * size], own_resets, &mut self.entering[1]),
            c: &self.c[(t + 1) * size..(t + 2) * size],
            gates: &mut before[t * wide..],
        }
        .run(&mut tools.team);
        for_each_reset(own_resets, |r| d_c[r * hidden..(r + 1) * hidden].fill(0.0));
    }

    /// The same of a cell that is not fused.
    fn batched_backward(
        &mut self,
        weights: &batched::Weights,
        resets: &[bool],
        t: usize,
        d_h: &[f32],
        d_extra: &mut [f32],
        tools: &mut Tools,
    ) {
        let (size, memory) = (self.rows * self.hidden, self.memory());
        let wide = self.cell.gates() * size;
        let resets = &resets[t * self.rows..(t + 1) * self.rows];
        let side = t.min(self.sides() - 1) * wide;
        let Cache { cell, hidden, gates, h, c, side: sides, entering: [entering_h, entering_c], .. } = self;
        let (gates, side) = (&mut gates[t * wide..][..wide], &mut sides[side..][..wide]);
        let Tools { team, d_c, d_h_next, d_prev, .. } = tools;
        let (d_h_next, d_prev, d_c) = (&mut d_h_next[..size], &mut d_prev[..size], &mut d_c[..size]);
        // What comes beside the product from the step after: to c, or to h.
        if cell.has_memory() {
            d_c.copy_from_slice(d_prev);
        } else {
            add_assign(weights.isa(), d_h_next, d_prev);
        }
        add_assign(weights.isa(), d_h_next, &d_h[t * size..(t + 1) * size]);
        weights.backward(batched::Backward {
            h_prev: unless_reset(&h[t * size..(t + 1) * size], resets, entering_h),
            c_prev: unless_reset(&c[t * memory..(t + 1) * memory], resets, entering_c),
            c: &c[(t + 1) * memory..(t + 2) * memory],
            gates,
            side,
            d_h: d_h_next,
            d_c,
            d_prev,
            d_extra,
        });
        if t == 0 {
            return;
        }
        weights.back(if *cell == Cell::Gru { side } else { gates }, d_h_next, team);
        for_each_reset(resets, |r| {
            let units = r * *hidden..(r + 1) * *hidden;
            d_h_next[units.clone()].fill(0.0);
            d_prev[units].fill(0.0);
        });
    }
}

/// Tokens (steps × rows) that pass through a layer's products together.
const CHUNK: usize = 256;

/// The time steps, cut into runs of about [`CHUNK`] tokens that are as equal as can be. What one product writes, the recurrence reads,
/// and the next product reads again is then still in the second-level cache. The cut depends on the shapes alone.
fn chunks(steps: usize, rows: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    let count = ((steps * rows + CHUNK / 2) / CHUNK).clamp(1, steps.max(1));
    (0..count).map(move |chunk| chunk * steps / count..(chunk + 1) * steps / count)
}
