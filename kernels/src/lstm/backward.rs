//! The backward step.

use crate::buffer::LINE;
use crate::packed::Packed;
use crate::simd::{Kernel, Simd};
use crate::team::{Output, Team};
use crate::tile::{Ahead, PANEL_VECTORS, Rows, groups, multiply, with_rows};
use crate::vecmath::tanh;
use std::ops::Range;

/// One time step backward: the gate gradients of step `t` from what reaches it.
pub struct Backward<'a> {
    /// `W_hh [4H, H]`, packed by [`Packed::new`] with [`Packed::pack_columns`].
    pub w_hh: &'a Packed,
    /// `[R, 4H]`: the gate gradients of step `t + 1`, rows that are reset there set to zero; none at the last step.
    pub d_gates_next: Option<&'a [f32]>,
    /// `[R, H]`: the gradient of `h` from outside the recurrence (the layer above, or the final state).
    pub d_h: &'a [f32],
    /// `[R, H]`: in, the gradient of `c` from step `t + 1`; out, the one for step `t - 1`.
    pub d_c: &'a mut [f32],
    /// `[R, H]`: the cell state that entered step `t`.
    pub c_prev: &'a [f32],
    /// `[R, H]`: the cell state that left it.
    pub c: &'a [f32],
    /// `[R, 4H]`: in, the activated gates i, f, g, o; out, the gradients before the activations.
    pub gates: &'a mut [f32],
}

impl Backward<'_> {
    /// Does the step, its units split among the team.
    ///
    /// # Panics
    /// Where a length does not fit the others.
    pub fn run(self, team: &mut Team) {
        let hidden = self.w_hh.outputs();
        let rows = self.d_c.len() / hidden.max(1);
        assert!(!self.w_hh.is_gates() && self.w_hh.depth() == 4 * hidden, "W_hh [4H, H]");
        assert_eq!(self.gates.len(), rows * 4 * hidden, "gates [R, 4H]");
        assert!(self.d_gates_next.is_none_or(|d| d.len() == rows * 4 * hidden), "d_gates_next [R, 4H]");
        for (name, len) in [
            ("d_h", self.d_h.len()),
            ("d_c", self.d_c.len()),
            ("c_prev", self.c_prev.len()),
            ("c", self.c.len()),
        ] {
            assert_eq!(len, rows * hidden, "{name} [R, H]");
        }
        let isa = self.w_hh.isa();
        let step = Step {
            hidden,
            rows,
            w_hh: self.w_hh,
            d_gates_next: self.d_gates_next,
            d_h: self.d_h,
            d_c: Output::new(self.d_c),
            c_prev: self.c_prev,
            c: self.c,
            gates: Output::new(self.gates),
        };
        let panels = hidden.div_ceil(PANEL_VECTORS * isa.lanes());
        team.split(panels, rows * 4 * hidden * hidden, &|panels| isa.run(Panels { step, panels }));
    }
}

/// The lengths of everything in it were checked.
#[derive(Clone, Copy)]
struct Step<'a> {
    hidden: usize,
    rows: usize,
    w_hh: &'a Packed,
    d_gates_next: Option<&'a [f32]>,
    d_h: &'a [f32],
    d_c: Output,
    c_prev: &'a [f32],
    c: &'a [f32],
    gates: Output,
}

/// The step for some panels of `4·LANES` units.
struct Panels<'a> {
    step: Step<'a>,
    panels: Range<usize>,
}

impl Kernel for Panels<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Step { hidden, rows, w_hh, d_gates_next, d_h, d_c, c_prev, c, gates } = self.step;
        let width = PANEL_VECTORS * S::LANES;
        for panel in self.panels.clone() {
            let unit = panel * width;
            let after = if panel + 1 < self.panels.end { panel + 1 } else { self.panels.start };
            let after = &w_hh.data()[after * w_hh.panel_len()..];
            for (g, (first, n)) in groups(s, rows).enumerate() {
                let state = first * hidden + unit;
                let job = Job {
                    hidden,
                    units: width.min(hidden - unit),
                    next: d_gates_next.map(|d| Rows {
                        first: d[first * 4 * hidden..].as_ptr(),
                        row_stride: 4 * hidden,
                        col_stride: 1,
                    }),
                    panel: w_hh.data()[panel * w_hh.panel_len()..].as_ptr(),
                    ahead: Ahead::part(s, after, 4 * hidden, g),
                    d_h: d_h[state..].as_ptr(),
                    d_c: d_c.at(state),
                    c_prev: c_prev[state..].as_ptr(),
                    c: c[state..].as_ptr(),
                    gates: gates.at(first * 4 * hidden + unit),
                };
                // SAFETY: `Backward::run` checked every length, so rows `first..first + n` and units
                // `unit..unit + units` of each array lie within it; the panel is whole by construction. No other member of
                // the team has these units.
                unsafe { with_rows!(n, S, group(s, job)) }
            }
        }
    }
}

/// A panel of up to `4·LANES` units for a group of rows. Pointers stand at the group's first row and the panel's
/// first unit; from row to row it is `hidden` further (`4·hidden` for `gates`).
struct Job {
    hidden: usize,
    units: usize,
    next: Option<Rows>,
    panel: *const f32,
    ahead: Ahead,
    d_h: *const f32,
    d_c: *mut f32,
    c_prev: *const f32,
    c: *const f32,
    gates: *mut f32,
}

/// # Safety
/// Every pointer of `job` must be good for `R` rows and `units` units; the panel for `4·hidden` deep.
#[inline(always)]
unsafe fn group<S: Simd, const R: usize>(s: S, job: Job) {
    let Job { hidden, units, .. } = job;
    let mut acc = [[s.splat(0.0); PANEL_VECTORS]; R];
    // What the end of this tile needs, fetched while the product runs.
    for r in 0..R {
        for at in (0..units).step_by(LINE) {
            let state = r * hidden + at;
            for array in [job.d_h, job.d_c.cast_const(), job.c_prev, job.c] {
                s.prefetch(array.wrapping_add(state));
            }
            for gate in 0..4 {
                s.prefetch(job.gates.wrapping_add((4 * r + gate) * hidden + at));
            }
        }
    }
    if let Some(next) = job.next {
        // SAFETY: the caller vouches for the rows of d_gates_next and the panel.
        unsafe { multiply::<S, R>(s, next, 4 * hidden, job.panel, Some(job.ahead), &mut acc) };
    }
    let one = s.splat(1.0);
    for (r, row) in acc.iter().enumerate() {
        for (v, &from_next) in row.iter().enumerate() {
            let at = v * S::LANES;
            if at >= units {
                break;
            }
            let n = S::LANES.min(units - at);
            let state = r * hidden + at;
            let gate = |k: usize| job.gates.wrapping_add((4 * r + k) * hidden + at);
            // SAFETY: `n` numbers of row `r` from unit `at` on are within `units` in each array.
            unsafe {
                let [i, f, g, o] = std::array::from_fn(|k| s.load_first(gate(k), n));
                let tanh_c = tanh(s, s.load_first(job.c.wrapping_add(state), n));
                let d_h = s.add(s.load_first(job.d_h.wrapping_add(state), n), from_next);
                let d_c_next = s.load_first(job.d_c.wrapping_add(state), n);
                let slope = s.neg_mul_add(tanh_c, tanh_c, one);
                let d_c = s.mul_add(s.mul(d_h, o), slope, d_c_next);
                let c_prev = s.load_first(job.c_prev.wrapping_add(state), n);

                let sigmoid_slope = |y| s.mul(y, s.sub(one, y));
                s.store_first(gate(0), s.mul(s.mul(d_c, g), sigmoid_slope(i)), n);
                s.store_first(gate(1), s.mul(s.mul(d_c, c_prev), sigmoid_slope(f)), n);
                s.store_first(gate(2), s.mul(s.mul(d_c, i), s.neg_mul_add(g, g, one)), n);
                s.store_first(gate(3), s.mul(s.mul(d_h, tanh_c), sigmoid_slope(o)), n);
                s.store_first(job.d_c.wrapping_add(state), s.mul(d_c, f), n);
            }
        }
    }
}
