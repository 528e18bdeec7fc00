//! The forward step.

use crate::packed::Packed;
use crate::simd::{Kernel, Simd};
use crate::team::{Output, Team};
use crate::tile::{Ahead, PANEL_VECTORS, Rows, groups, multiply, with_rows};
use crate::vecmath::{sigmoid, tanh};
use std::ops::Range;

/// One time step of training: the input part is in `gates` already, the activated gates are kept there.
pub struct Forward<'a> {
    /// `W_hh [4H, H]`, packed by [`Packed::new_gates`].
    pub w_hh: &'a Packed,
    /// `[R, H]`: the hidden state that enters.
    pub h_prev: &'a [f32],
    /// `[R, H]`: the cell state that enters.
    pub c_prev: &'a [f32],
    /// `[R, 4H]`: in, `x W_ihᵀ + b`; out, the activated gates i, f, g, o.
    pub gates: &'a mut [f32],
    /// `[R, H]`: the new cell state. Overwritten.
    pub c: &'a mut [f32],
    /// `[R, H]`: the new hidden state. Overwritten.
    pub h: &'a mut [f32],
}

impl Forward<'_> {
    /// Does the step, its units split among the team.
    ///
    /// # Panics
    /// Where a length does not fit the others.
    pub fn run(self, team: &mut Team) {
        let hidden = self.w_hh.hidden();
        let rows = self.h.len() / hidden.max(1);
        assert!(self.w_hh.is_gates() && self.w_hh.depth() == hidden, "W_hh [4H, H]");
        assert_eq!(self.gates.len(), rows * 4 * hidden, "gates [R, 4H]");
        check_state(rows, hidden, self.h_prev, self.c_prev, self.c, self.h);
        let step = Step {
            hidden,
            rows,
            input: None,
            w_hh: self.w_hh,
            h_prev: self.h_prev,
            c_prev: self.c_prev,
            gates: Some(Output::new(self.gates)),
            c: Output::new(self.c),
            h: Output::new(self.h),
        };
        step.run(team);
    }
}

/// One time step of generation, for few rows: the input product is part of it, and no gates are kept.
pub struct ForwardInput<'a> {
    /// `W_ih [4H, I]`, packed by [`Packed::new_gates`].
    pub w_ih: &'a Packed,
    /// `W_hh [4H, H]`, packed by [`Packed::new_gates`].
    pub w_hh: &'a Packed,
    /// `[4H]`
    pub bias: &'a [f32],
    /// `[R, I]`
    pub x: &'a [f32],
    /// `[R, H]`: the hidden state that enters.
    pub h_prev: &'a [f32],
    /// `[R, H]`: the cell state that enters.
    pub c_prev: &'a [f32],
    /// `[R, H]`: the new cell state. Overwritten.
    pub c: &'a mut [f32],
    /// `[R, H]`: the new hidden state. Overwritten.
    pub h: &'a mut [f32],
}

impl ForwardInput<'_> {
    /// Does the step, its units split among the team.
    ///
    /// # Panics
    /// Where a length does not fit the others, or the two weights are packed for different instruction sets.
    pub fn run(self, team: &mut Team) {
        let hidden = self.w_hh.hidden();
        let rows = self.h.len() / hidden.max(1);
        assert!(self.w_hh.is_gates() && self.w_hh.depth() == hidden, "W_hh [4H, H]");
        assert!(self.w_ih.is_gates() && self.w_ih.hidden() == hidden, "W_ih [4H, I]");
        assert_eq!(self.w_ih.isa(), self.w_hh.isa(), "one instruction set");
        assert_eq!(Some(self.x.len()), rows.checked_mul(self.w_ih.depth()), "x [R, I]");
        assert_eq!(self.bias.len(), 4 * hidden, "bias [4H]");
        check_state(rows, hidden, self.h_prev, self.c_prev, self.c, self.h);
        let step = Step {
            hidden,
            rows,
            input: Some((self.w_ih, self.bias, self.x)),
            w_hh: self.w_hh,
            h_prev: self.h_prev,
            c_prev: self.c_prev,
            gates: None,
            c: Output::new(self.c),
            h: Output::new(self.h),
        };
        step.run(team);
    }
}

fn check_state(rows: usize, hidden: usize, h_prev: &[f32], c_prev: &[f32], c: &[f32], h: &[f32]) {
    for (name, len) in [("h_prev", h_prev.len()), ("c_prev", c_prev.len()), ("c", c.len()), ("h", h.len())] {
        assert_eq!(len, rows * hidden, "{name} [R, H]");
    }
}

/// The lengths of everything in it were checked.
#[derive(Clone, Copy)]
struct Step<'a> {
    hidden: usize,
    rows: usize,
    input: Option<(&'a Packed, &'a [f32], &'a [f32])>,
    w_hh: &'a Packed,
    h_prev: &'a [f32],
    c_prev: &'a [f32],
    gates: Option<Output>,
    c: Output,
    h: Output,
}

impl Step<'_> {
    fn run(self, team: &mut Team) {
        let isa = self.w_hh.isa();
        let depth = self.hidden + self.input.map_or(0, |(w_ih, ..)| w_ih.depth());
        let multiply_adds = self.rows * self.w_hh.outputs() * depth;
        team.split(self.hidden.div_ceil(isa.lanes()), multiply_adds, &|blocks| {
            isa.run(Blocks { step: self, blocks });
        });
    }
}

/// The step for some blocks of `LANES` units.
struct Blocks<'a> {
    step: Step<'a>,
    blocks: Range<usize>,
}

impl Kernel for Blocks<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Step { hidden, rows, input, w_hh, h_prev, c_prev, gates, c, h } = self.step;
        // A block's panel is read once per group of rows: blocks outside, rows inside, so that it stays in cache.
        for block in self.blocks.clone() {
            let unit = block * S::LANES;
            let next = if block + 1 < self.blocks.end { block + 1 } else { self.blocks.start };
            let next = &w_hh.data()[next * w_hh.panel_len()..];
            for (g, (first, n)) in groups(s, rows).enumerate() {
                let state = first * hidden + unit;
                let job = Job {
                    hidden,
                    units: S::LANES.min(hidden - unit),
                    input: input.map(|(w_ih, bias, x)| Input {
                        bias: bias[unit..].as_ptr(),
                        depth: w_ih.depth(),
                        panel: w_ih.data()[block * w_ih.panel_len()..].as_ptr(),
                        x: Rows {
                            first: x[first * w_ih.depth()..].as_ptr(),
                            row_stride: w_ih.depth(),
                            col_stride: 1,
                        },
                    }),
                    panel: w_hh.data()[block * w_hh.panel_len()..].as_ptr(),
                    ahead: Ahead::part(s, next, hidden, g),
                    h_prev: Rows {
                        first: h_prev[first * hidden..].as_ptr(),
                        row_stride: hidden,
                        col_stride: 1,
                    },
                    c_prev: c_prev[state..].as_ptr(),
                    gates: gates.map(|g| g.at(first * 4 * hidden + unit)),
                    c: c.at(state),
                    h: h.at(state),
                };
                // SAFETY: `run` of the border checked every length, so rows `first..first + n` and units
                // `unit..unit + units` of each array lie within it; the panels are whole by construction. No other
                // member of the team has these units.
                unsafe { with_rows!(n, S, group(s, job)) }
            }
        }
    }
}

/// The input product of generation.
struct Input {
    bias: *const f32,
    depth: usize,
    panel: *const f32,
    x: Rows,
}

/// A block of up to `LANES` units for a group of rows. Pointers stand at the group's first row and the block's
/// first unit; from row to row it is `hidden` further (`4·hidden` for `gates`).
struct Job {
    hidden: usize,
    units: usize,
    input: Option<Input>,
    panel: *const f32,
    ahead: Ahead,
    h_prev: Rows,
    c_prev: *const f32,
    gates: Option<*mut f32>,
    c: *mut f32,
    h: *mut f32,
}

/// # Safety
/// Every pointer of `job` must be good for `R` rows and `units` units; the panels for their depth.
#[inline(always)]
unsafe fn group<S: Simd, const R: usize>(s: S, job: Job) {
    let Job { hidden, units, .. } = job;
    let mut acc = [[s.splat(0.0); PANEL_VECTORS]; R];
    if let Some(gates) = job.gates {
        for (r, row) in acc.iter_mut().enumerate() {
            for (gate, sum) in row.iter_mut().enumerate() {
                // SAFETY: `units` inputs of this gate and row are readable.
                *sum = unsafe { s.load_first(gates.wrapping_add((4 * r + gate) * hidden), units) };
            }
        }
    }
    if let Some(input) = job.input {
        // SAFETY: `units` biases of each gate are readable.
        let start: [S::V; PANEL_VECTORS] = std::array::from_fn(|gate| unsafe {
            s.load_first(input.bias.wrapping_add(gate * hidden), units)
        });
        acc = [start; R];
        // SAFETY: the caller vouches for the rows of x and the panel.
        unsafe { multiply::<S, R>(s, input.x, input.depth, input.panel, None, &mut acc) };
    }
    // What the end of this tile and the beginning of the next block need, fetched while the product runs.
    for r in 0..R {
        s.prefetch(job.c_prev.wrapping_add(r * hidden));
        s.prefetch(job.c.wrapping_add(r * hidden));
        s.prefetch(job.h.wrapping_add(r * hidden));
        if let Some(gates) = job.gates {
            for gate in 0..PANEL_VECTORS {
                s.prefetch(gates.wrapping_add((4 * r + gate) * hidden + S::LANES));
            }
        }
    }
    // SAFETY: the caller vouches for the rows of h_prev and the panel.
    unsafe { multiply::<S, R>(s, job.h_prev, hidden, job.panel, Some(job.ahead), &mut acc) };

    for (r, &[a_i, a_f, a_g, a_o]) in acc.iter().enumerate() {
        let i = sigmoid(s, a_i);
        let f = sigmoid(s, a_f);
        let g = tanh(s, a_g);
        let o = sigmoid(s, a_o);
        // SAFETY: row `r` of each array has `units` numbers here.
        unsafe {
            let c_prev = s.load_first(job.c_prev.wrapping_add(r * hidden), units);
            let c = s.mul_add(f, c_prev, s.mul(i, g));
            let h = s.mul(o, tanh(s, c));
            s.store_first(job.c.wrapping_add(r * hidden), c, units);
            s.store_first(job.h.wrapping_add(r * hidden), h, units);
            if let Some(gates) = job.gates {
                for (gate, value) in [i, f, g, o].into_iter().enumerate() {
                    s.store_first(gates.wrapping_add((4 * r + gate) * hidden), value, units);
                }
            }
        }
    }
}
