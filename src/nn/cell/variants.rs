//! One step of the variants of the LSTM, forward and backward, for f32 and f64.
//!
//! One pair of functions for all of them: what a variant leaves out is 1 or the identity in the equations of the LSTM with peepholes,
//!
//! ```text
//! i = σ(x W_iiᵀ + h W_hiᵀ + b_i + p_i ⊙ c)      c' = f ⊙ c + i ⊙ g
//! f = σ(x W_ifᵀ + h W_hfᵀ + b_f + p_f ⊙ c)      h' = o ⊙ s
//! g = φ(x W_igᵀ + h W_hgᵀ + b_g)                s  = ψ(c')
//! o = σ(x W_ioᵀ + h W_hoᵀ + b_o + p_o ⊙ c')
//! ```
//!
//! where `φ` and `ψ` are tanh, the peepholes `p` 0 but for [`Cell::Peepholes`], and see the table in [`crate::nn::cell`]. Of
//! [`Cell::Lstm`] they compute what [`crate::nn::lstm::reference`] does.

use super::plain::{Entering, Leaving, Returning, Sent, plus_product};
use super::{Cell, LstmGates};
use crate::nn::lstm::reference::{Layer, Real, sigmoid};
use ndarray::{Array1, ArrayView1};

/// The places of the peepholes of i, f and o, which are three vectors `[H]` one after the other.
const PEEPHOLES: [usize; 3] = [0, 1, 2];

/// The peepholes of unit `u`, to i, f and o.
fn peepholes<R: Real>(layer: &Layer<R>, u: usize) -> [R; 3] {
    PEEPHOLES.map(|p| layer.extra.get(p * layer.hidden() + u).copied().unwrap_or_else(R::zero))
}

/// The gates of unit `u` in the row `gates` of a cache: i, f, g, o.
fn gates_of<R: Real>(cell: Cell, gates: ArrayView1<R>, hidden: usize, u: usize) -> [R; 4] {
    let LstmGates { i, f, g, o } = cell.lstm_gates();
    let gate = |place: Option<usize>| place.map_or_else(R::one, |place| gates[place * hidden + u]);
    let i = gate(i);
    let f = if cell == Cell::Coupled { R::one() - i } else { gate(f) };
    [i, f, gates[g * hidden + u], gate(o)]
}

/// A step of a row.
///
/// # Panics
/// Of a GRU or RNN.
pub(super) fn forward<R: Real>(cell: Cell, layer: &Layer<R>, entering: &Entering<R>) -> Leaving<R> {
    let LstmGates { i, f, g, o } = cell.lstm_gates();
    let hidden = layer.hidden();
    let mut gates = plus_product(entering.input.clone(), &layer.w_hh, entering.h.view());
    let (mut c, mut h) = (Array1::zeros(hidden), Array1::zeros(hidden));
    for u in 0..hidden {
        let [p_i, p_f, p_o] = peepholes(layer, u);
        // The gates before the cell.
        for (place, p) in [(i, p_i), (f, p_f)] {
            if let Some(place) = place {
                let gate = &mut gates[place * hidden + u];
                *gate = sigmoid(*gate + p * entering.c[u]);
            }
        }
        if cell != Cell::NoInputActivation {
            let candidate = &mut gates[g * hidden + u];
            *candidate = candidate.tanh();
        }
        // The cell.
        let [i, f, g, _] = gates_of(cell, gates.view(), hidden, u);
        c[u] = f * entering.c[u] + i * g;
        // The gate after it, and what it shows.
        if let Some(place) = o {
            let gate = &mut gates[place * hidden + u];
            *gate = sigmoid(*gate + p_o * c[u]);
        }
        let [.., o] = gates_of(cell, gates.view(), hidden, u);
        h[u] = o * if cell == Cell::NoOutputActivation { c[u] } else { c[u].tanh() };
    }
    Leaving { gates, c, h }
}

/// The step back. Of a gate that the cell does not have, the line falls away, and the slope of an activation that it does not have is 1:
///
/// ```text
/// d_a_o = d_h ⊙ s ⊙ o (1 - o)
/// d_c   = from step t + 1 + d_h ⊙ o ⊙ (1 - s²) + d_a_o ⊙ p_o
/// d_a_i = d_c ⊙ g ⊙ i (1 - i)                  coupled: d_c ⊙ (g - c_prev) ⊙ i (1 - i)
/// d_a_f = d_c ⊙ c_prev ⊙ f (1 - f)             d_a_g = d_c ⊙ i ⊙ (1 - g²)
/// d_p_i += d_a_i ⊙ c_prev     d_p_f += d_a_f ⊙ c_prev     d_p_o += d_a_o ⊙ c
/// d_c_prev = d_c ⊙ f + d_a_i ⊙ p_i + d_a_f ⊙ p_f
/// ```
///
/// # Panics
/// Of a GRU or RNN.
pub(super) fn backward<R: Real>(
    cell: Cell,
    layer: &Layer<R>,
    step: &Returning<R>,
    d_peepholes: &mut Array1<R>,
) -> Sent<R> {
    let place = cell.lstm_gates();
    let (hidden, one) = (layer.hidden(), R::one());
    let mut d_a = Array1::zeros(cell.gates() * hidden);
    let mut d_c_prev = Array1::zeros(hidden);
    for u in 0..hidden {
        let [i, f, g, o] = gates_of(cell, step.gates, hidden, u);
        let [p_i, p_f, p_o] = peepholes(layer, u);
        let (c, c_prev, d_h) = (step.c[u], step.c_prev[u], step.d_h[u]);
        let (s, s_slope) = match cell {
            Cell::NoOutputActivation => (c, one),
            _ => (c.tanh(), one - c.tanh() * c.tanh()),
        };
        let g_slope = if cell == Cell::NoInputActivation { one } else { one - g * g };
        let seen = if cell == Cell::Coupled { g - c_prev } else { g };

        // Of a gate that is constant, the slope is 0.
        let d_a_o = d_h * s * o * (one - o);
        let d_c = step.d_c[u] + d_h * o * s_slope + d_a_o * p_o;
        let d_a_i = d_c * seen * i * (one - i);
        let d_a_f = d_c * c_prev * f * (one - f);
        let all = [(place.i, d_a_i), (place.f, d_a_f), (Some(place.g), d_c * i * g_slope), (place.o, d_a_o)];
        for (place, d) in all {
            if let Some(place) = place {
                d_a[place * hidden + u] = d;
            }
        }
        if cell == Cell::Peepholes {
            for (p, d) in PEEPHOLES.into_iter().zip([d_a_i * c_prev, d_a_f * c_prev, d_a_o * c]) {
                d_peepholes[p * hidden + u] += d;
            }
        }
        d_c_prev[u] = d_c * f + d_a_i * p_i + d_a_f * p_f;
    }
    Sent { d_input: d_a.clone(), d_side: d_a, d_h: Array1::zeros(hidden), d_c: d_c_prev }
}
