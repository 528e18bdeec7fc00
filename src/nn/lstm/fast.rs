//! The LSTM layer on the kernels, for the rows of one shard: forward beside backward, one cache between them.
//!
//! `R` is the number of rows of the shard. The recurrence cannot be batched over time, everything else is:
//!
//! | product | shape | by |
//! |---|---|---|
//! | `x · w_ihᵀ + b`, all steps and gates | `[T·R, I] × [I, 4H]` | weights packed once a step ([`Packed`]); the first layer looks it up, see [`Input`] |
//! | `h_prev · w_hhᵀ`, one step, with the gate maths | `[R, H] × [H, 4H]` | [`lstm::Forward`] |
//! | `d_a · w_hh`, one step, with the gate gradients | `[R, 4H] × [4H, H]` | [`lstm::Backward`] |
//! | `d_w_ih = d_aᵀ · x`, `d_w_hh = d_aᵀ · h_prev` | `[4H, T·R] × [T·R, I or H]` | [`Gemm`] |
//! | `d_x = d_a · w_ih` | `[T·R, 4H] × [4H, I]` | packed |
//!
//! Time is cut into chunks of a few steps, each of which passes through all its products before the next, so that
//! the activations are read again while they are in cache. For the sums over `T·R` that means one addition more a chunk.

use super::GATES;
use crate::threads::Threads;
use hornpipe_kernels::elementwise::add_rows;
use hornpipe_kernels::embedding::{gather, scatter_add};
use hornpipe_kernels::gemm::{Gemm, Into, Matrix, Scratch};
use hornpipe_kernels::{Buffer, Isa, Packed, Team, lstm};
use std::ops::Range;

/// The weights of one layer as the kernels read them; packed again after each update.
#[derive(Clone, Debug)]
pub struct LayerWeights {
    /// `w_ih`, for `x · w_ihᵀ`.
    pub input: Packed,
    /// `w_ih`, for `d_a · w_ih`.
    pub input_back: Packed,
    /// `w_ih` in gate order, for the fused step of generation.
    input_gates: Packed,
    /// `w_hh` in gate order, for the fused forward step.
    recurrent: Packed,
    /// `w_hh`, for the fused backward step.
    recurrent_back: Packed,
    /// `[4H]`
    pub bias: Vec<f32>,
}

impl LayerWeights {
    /// Room for a layer of `inputs` and `hidden` units.
    pub fn new(isa: Isa, inputs: usize, hidden: usize) -> Self {
        let gates = GATES * hidden;
        LayerWeights {
            input: Packed::new(isa, inputs, gates),
            input_back: Packed::new(isa, gates, inputs),
            input_gates: Packed::new_gates(isa, inputs, hidden),
            recurrent: Packed::new_gates(isa, hidden, hidden),
            recurrent_back: Packed::new(isa, gates, hidden),
            bias: vec![0.0; gates],
        }
    }

    /// Packs `w_ih [4H, I]`, `w_hh [4H, H]` and the bias `[4H]` for training.
    pub fn pack(&mut self, w_ih: &[f32], w_hh: &[f32], bias: &[f32]) {
        self.pack_on(&Threads::One, w_ih, w_hh, bias);
    }

    /// The same on several threads.
    pub(crate) fn pack_on(&mut self, threads: &Threads, w_ih: &[f32], w_hh: &[f32], bias: &[f32]) {
        let LayerWeights { input, input_back, recurrent, recurrent_back, .. } = self;
        threads.join(
            || threads.join(|| input.pack_rows(w_ih), || input_back.pack_columns(w_ih)),
            || threads.join(|| recurrent.pack_rows(w_hh), || recurrent_back.pack_columns(w_hh)),
        );
        self.bias.copy_from_slice(bias);
    }

    /// Packs `w_ih [4H, I]` for generation.
    pub fn pack_generation(&mut self, w_ih: &[f32]) {
        self.input_gates.pack_rows(w_ih);
    }

    /// One step of generation of the first layer: `gates [R, 4H]` is what the characters give, looked up; it is overwritten.
    pub fn first_step(
        &self,
        gates: &mut [f32],
        h: &[f32],
        c: &[f32],
        next_h: &mut [f32],
        next_c: &mut [f32],
        team: &mut Team,
    ) {
        lstm::Forward { w_hh: &self.recurrent, h_prev: h, c_prev: c, gates, c: next_c, h: next_h }.run(team);
    }

    /// One step of generation of a layer that has one below: `x [R, I]`, `h` and `c [R, H]`; `next_h` and `next_c` are overwritten.
    pub fn step(
        &self,
        x: &[f32],
        h: &[f32],
        c: &[f32],
        next_h: &mut [f32],
        next_c: &mut [f32],
        team: &mut Team,
    ) {
        lstm::ForwardInput {
            w_ih: &self.input_gates,
            w_hh: &self.recurrent,
            bias: &self.bias,
            x,
            h_prev: h,
            c_prev: c,
            c: next_c,
            h: next_h,
        }
        .run(team);
    }
}

/// What enters a layer.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// `[T, R, I]`: the output of the layer below.
    Below(&'a [f32]),
    /// There are only `V` different inputs of the first layer, fewer than tokens as a rule. So what each character gives to the
    /// gates is computed once, and then looked up.
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
    },
    /// `[V, 4H]`: the gradient of the table.
    Characters(&'a mut [f32]),
}

/// What one layer keeps from the forward pass for the backward pass.
#[derive(Clone, Debug)]
pub struct Cache {
    steps: usize,
    rows: usize,
    hidden: usize,
    /// `[T, R, 4H]`: first the input part, then the activated gates; in the backward pass their gradients.
    gates: Buffer,
    /// `[T + 1, R, H]`: entry `t` is the hidden state that enters step `t`, entry `t + 1` the one that leaves it.
    h: Buffer,
    /// `[T + 1, R, H]`: likewise the cell state.
    c: Buffer,
    /// `[R, H]` twice: the entering state of a step at which some rows reset.
    entering: [Buffer; 2],
}

impl Cache {
    /// A cache for `hidden` units, without room yet.
    pub fn new(hidden: usize) -> Self {
        let empty = || Buffer::zeros(0);
        Cache {
            steps: 0,
            rows: 0,
            hidden,
            gates: empty(),
            h: empty(),
            c: empty(),
            entering: [empty(), empty()],
        }
    }

    /// Makes it a cache of `steps` × `rows`; allocates only where it was never as large.
    pub fn prepare(&mut self, steps: usize, rows: usize) {
        (self.steps, self.rows) = (steps, rows);
        let size = rows * self.hidden;
        grow(&mut self.gates, steps * GATES * size);
        grow(&mut self.h, (steps + 1) * size);
        grow(&mut self.c, (steps + 1) * size);
        self.entering.iter_mut().for_each(|e| grow(e, size));
    }

    /// `[T, R, H]`: the layer's output. Whole only until the backward pass of this layer.
    pub fn output(&self) -> &[f32] {
        let size = self.rows * self.hidden;
        &self.h[size..(self.steps + 1) * size]
    }

    /// `[T, R, 4H]`: the activated gates. Whole only until the backward pass of this layer.
    pub fn gates(&self) -> &[f32] {
        &self.gates[..self.steps * GATES * self.rows * self.hidden]
    }

    /// `[T, R, H]`: the cell state after each step.
    pub fn cell(&self) -> &[f32] {
        let size = self.rows * self.hidden;
        &self.c[size..(self.steps + 1) * size]
    }

    /// The state that enters the first step, `h` and `c` each `[R, H]`, to be set.
    pub fn initial_state(&mut self) -> (&mut [f32], &mut [f32]) {
        let size = self.rows * self.hidden;
        (&mut self.h[..size], &mut self.c[..size])
    }

    /// The state that left the last step, `h` and `c` each `[R, H]`.
    pub fn final_state(&self) -> (&[f32], &[f32]) {
        let size = self.rows * self.hidden;
        let last = self.steps * size..(self.steps + 1) * size;
        (&self.h[last.clone()], &self.c[last])
    }

    /// Runs the layer over its input from the initial state.
    pub fn forward(&mut self, input: Entering, team: &mut Team) {
        let Entering { weights, input, resets } = input;
        let (rows, hidden) = (self.rows, self.hidden);
        let (size, width) = (rows * hidden, GATES * hidden);
        let isa = weights.recurrent.isa();
        let Cache { gates, h, c, entering, .. } = self;
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
            for (t, gates) in steps.zip(gates.chunks_exact_mut(GATES * size)) {
                let resets = &resets[t * rows..(t + 1) * rows];
                let (h_prev, h) = h[t * size..(t + 2) * size].split_at_mut(size);
                let (c_prev, c) = c[t * size..(t + 2) * size].split_at_mut(size);
                let [entering_h, entering_c] = entering;
                lstm::Forward {
                    w_hh: &weights.recurrent,
                    h_prev: unless_reset(h_prev, resets, entering_h),
                    c_prev: unless_reset(c_prev, resets, entering_c),
                    gates,
                    c,
                    h,
                }
                .run(team);
            }
        }
    }

    /// Back-propagates `d_h [T, R, H]`, the gradient of the output; where there is a layer below, it becomes the gradient of
    /// that one's output. All of `gradients` are **overwritten**. Afterwards the layer's output is no longer whole.
    pub fn backward(&mut self, input: Entering, d_h: &mut [f32], gradients: Leaving, tools: &mut Tools) {
        let Entering { weights, input, resets } = input;
        let Leaving { d_w_hh, input: mut input_gradients } = gradients;
        let (rows, hidden, width) = (self.rows, self.hidden, GATES * self.hidden);
        tools.d_c[..rows * hidden].fill(0.0);
        match &mut input_gradients {
            InputGradients::Below { d_bias, .. } => d_bias.fill(0.0),
            InputGradients::Characters(d_table) => d_table.fill(0.0),
        }
        let mut into = Into::Overwrite;
        for steps in chunks(self.steps, rows).rev() {
            for t in steps.clone().rev() {
                self.step_backward(weights, resets, t, d_h, tools);
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
            gemm.multiply(d_gates, h_prev, into, d_w_hh, scratch, team);
            match (input, &mut input_gradients) {
                (Input::Below(x), InputGradients::Below { d_w_ih, d_bias }) => {
                    let inputs = weights.input.depth();
                    let x = Matrix::new(&x[from * inputs..to * inputs], to - from, inputs);
                    gemm.multiply(d_gates, x, into, d_w_ih, scratch, team);
                    add_rows(gemm.isa(), gates, d_bias);
                    // The gradient of the output at these steps has had its use.
                    weights.input_back.multiply(gates, None, &mut d_h[from * inputs..to * inputs], team);
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
    fn step_backward(
        &mut self,
        weights: &LayerWeights,
        resets: &[bool],
        t: usize,
        d_h: &[f32],
        tools: &mut Tools,
    ) {
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
}

/// Tokens (steps × rows) that pass through a layer's products together.
const CHUNK: usize = 256;

/// The time steps, cut into runs of about [`CHUNK`] tokens that are as equal as can be. What one product writes, the recurrence reads,
/// and the next product reads again is then still in the second-level cache. The cut depends on the shapes alone.
fn chunks(steps: usize, rows: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    let count = ((steps * rows + CHUNK / 2) / CHUNK).clamp(1, steps.max(1));
    (0..count).map(move |chunk| chunk * steps / count..(chunk + 1) * steps / count)
}

/// What the passes of every layer borrow.
#[derive(Debug)]
pub struct Tools {
    /// Who does the large products.
    pub gemm: Gemm,
    /// Its room.
    pub scratch: Scratch,
    /// Who shares the work.
    pub team: Team,
    /// `[R, H]`: the gradient of the cell state on its way back.
    d_c: Buffer,
    /// `[R, 4H]`: the next step's gate gradients where some of its rows reset.
    d_gates_next: Buffer,
}

impl Tools {
    /// Tools without room yet.
    pub fn new(gemm: Gemm, team: Team) -> Self {
        Tools {
            gemm,
            scratch: gemm.scratch(team.members()),
            team,
            d_c: Buffer::zeros(0),
            d_gates_next: Buffer::zeros(0),
        }
    }

    /// Who shares the work from now on.
    pub fn set_team(&mut self, team: Team) {
        self.scratch = self.gemm.scratch(team.members());
        self.team = team;
    }

    /// Makes them fit `rows` × `hidden`; allocates only where they were never as large.
    pub fn prepare(&mut self, rows: usize, hidden: usize) {
        grow(&mut self.d_c, rows * hidden);
        grow(&mut self.d_gates_next, rows * GATES * hidden);
    }
}

/// Makes room for `len` numbers; what stood there may be lost.
pub fn grow(buffer: &mut Buffer, len: usize) {
    if buffer.len() < len {
        *buffer = Buffer::zeros(len);
    }
}

/// `values [R, N]`, or where some rows reset, a copy in which those rows are zero. `copy` may be longer: it was made for the
/// largest shard so far.
fn unless_reset<'a>(values: &'a [f32], resets: &[bool], copy: &'a mut [f32]) -> &'a [f32] {
    if !resets.contains(&true) {
        return values;
    }
    let width = values.len() / resets.len();
    let copy = &mut copy[..values.len()];
    copy.copy_from_slice(values);
    for_each_reset(resets, |r| copy[r * width..(r + 1) * width].fill(0.0));
    copy
}

fn for_each_reset(resets: &[bool], mut body: impl FnMut(usize)) {
    for (r, _) in resets.iter().enumerate().filter(|(_, reset)| **reset) {
        body(r);
    }
}
