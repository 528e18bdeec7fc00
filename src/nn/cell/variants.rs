//! The variants of the LSTM in plain loops, forward and backward, for f32 and f64.
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

use super::{Cell, LstmGates};
use crate::nn::lstm::reference::{Cache, Layer, Real, Upstream, row, sigmoid};
use ndarray::{Array1, Array2, Array3, ArrayView1};

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

/// Runs a layer over `x [T, B, I]` from the state `h0`, `c0` (each `[B, H]`). Where `resets[t, b]`, the state that enters
/// step `t` is zero. The cache's `gates` are `[T, B, G·H]`.
///
/// # Panics
/// Of a GRU or RNN.
pub fn forward<R: Real>(
    cell: Cell,
    layer: &Layer<R>,
    x: &Array3<R>,
    resets: &Array2<bool>,
    h0: &Array2<R>,
    c0: &Array2<R>,
) -> Cache<R> {
    let LstmGates { i, f, g, o } = cell.lstm_gates();
    let (steps, rows, inputs) = x.dim();
    let (hidden, width) = (layer.hidden(), cell.gates() * layer.hidden());
    let zeros = |width| Array3::zeros((steps, rows, width));
    let mut cache = Cache {
        x: x.clone(),
        h_prev: zeros(hidden),
        c_prev: zeros(hidden),
        gates: zeros(width),
        c: zeros(hidden),
        h: zeros(hidden),
    };
    for t in 0..steps {
        for b in 0..rows {
            // The state that enters.
            if !resets[[t, b]] {
                for u in 0..hidden {
                    cache.h_prev[[t, b, u]] = if t == 0 { h0[[b, u]] } else { cache.h[[t - 1, b, u]] };
                    cache.c_prev[[t, b, u]] = if t == 0 { c0[[b, u]] } else { cache.c[[t - 1, b, u]] };
                }
            }
            // The weighted sums of input and hidden state.
            for row in 0..width {
                let mut a = layer.bias[row];
                for k in 0..inputs {
                    a += layer.w_ih[[row, k]] * x[[t, b, k]];
                }
                for k in 0..hidden {
                    a += layer.w_hh[[row, k]] * cache.h_prev[[t, b, k]];
                }
                cache.gates[[t, b, row]] = a;
            }
            for u in 0..hidden {
                let [p_i, p_f, p_o] = peepholes(layer, u);
                let c_prev = cache.c_prev[[t, b, u]];
                // The gates before the cell.
                for (place, p) in [(i, p_i), (f, p_f)] {
                    if let Some(place) = place {
                        let gate = &mut cache.gates[[t, b, place * hidden + u]];
                        *gate = sigmoid(*gate + p * c_prev);
                    }
                }
                if cell != Cell::NoInputActivation {
                    let candidate = &mut cache.gates[[t, b, g * hidden + u]];
                    *candidate = candidate.tanh();
                }
                // The cell.
                let gates = row(&cache.gates, t, b);
                let [i, f, g, _] = gates_of(cell, gates, hidden, u);
                let c = f * c_prev + i * g;
                // The gate after it, and what it shows.
                if let Some(place) = o {
                    let gate = &mut cache.gates[[t, b, place * hidden + u]];
                    *gate = sigmoid(*gate + p_o * c);
                }
                let gates = row(&cache.gates, t, b);
                let [.., o] = gates_of(cell, gates, hidden, u);
                cache.c[[t, b, u]] = c;
                cache.h[[t, b, u]] = o * if cell == Cell::NoOutputActivation { c } else { c.tanh() };
            }
        }
    }
    cache
}

/// Back-propagation through time. `d_h [T, B, H]` is the gradient of the loss by the layer's output; the gradients of the
/// weights are **added** to `gradients`.
///
/// Written `d_y` for ∂loss/∂y, step by step from the last; of a gate that the cell does not have, the line falls away, and the slope of an
/// activation that it does not have is 1:
///
/// ```text
/// d_h   = from above + from step t + 1
/// d_a_o = d_h ⊙ s ⊙ o (1 - o)
/// d_c   = from step t + 1 + d_h ⊙ o ⊙ (1 - s²) + d_a_o ⊙ p_o
/// d_a_i = d_c ⊙ g ⊙ i (1 - i)                  coupled: d_c ⊙ (g - c_prev) ⊙ i (1 - i)
/// d_a_f = d_c ⊙ c_prev ⊙ f (1 - f)             d_a_g = d_c ⊙ i ⊙ (1 - g²)
/// d_w_ih += d_aᵀ x     d_w_hh += d_aᵀ h_prev   d_b += d_a
/// d_p_i += d_a_i ⊙ c_prev     d_p_f += d_a_f ⊙ c_prev     d_p_o += d_a_o ⊙ c
/// d_x  = d_a w_ih      d_h_prev = d_a w_hh     d_c_prev = d_c ⊙ f + d_a_i ⊙ p_i + d_a_f ⊙ p_f
/// ```
///
/// # Panics
/// Of a GRU or RNN.
pub fn backward<R: Real>(
    cell: Cell,
    layer: &Layer<R>,
    cache: &Cache<R>,
    resets: &Array2<bool>,
    d_h: &Array3<R>,
    gradients: &mut Layer<R>,
) -> Upstream<R> {
    let place = cell.lstm_gates();
    let (steps, rows, hidden) = cache.h.dim();
    let inputs = cache.x.dim().2;
    let one = R::one();
    let mut d_x = Array3::zeros((steps, rows, inputs));
    // What step t + 1 sends back to step t; at the end, what step 0 sends to the initial state.
    let mut d_h_next = Array2::zeros((rows, hidden));
    let mut d_c_next = Array2::zeros((rows, hidden));
    for t in (0..steps).rev() {
        for b in 0..rows {
            let mut d_a = Array1::zeros(cell.gates() * hidden);
            for u in 0..hidden {
                let [i, f, g, o] = gates_of(cell, row(&cache.gates, t, b), hidden, u);
                let [p_i, p_f, p_o] = peepholes(layer, u);
                let (c, c_prev) = (cache.c[[t, b, u]], cache.c_prev[[t, b, u]]);
                let (s, s_slope) = match cell {
                    Cell::NoOutputActivation => (c, one),
                    _ => (c.tanh(), one - c.tanh() * c.tanh()),
                };
                let g_slope = if cell == Cell::NoInputActivation { one } else { one - g * g };
                let seen = if cell == Cell::Coupled { g - c_prev } else { g };

                let d_h: R = d_h[[t, b, u]] + d_h_next[[b, u]];
                // Of a gate that is constant, the slope is 0.
                let d_a_o = d_h * s * o * (one - o);
                let d_c: R = d_c_next[[b, u]] + d_h * o * s_slope + d_a_o * p_o;
                let d_a_i = d_c * seen * i * (one - i);
                let d_a_f = d_c * c_prev * f * (one - f);
                let all = [
                    (place.i, d_a_i),
                    (place.f, d_a_f),
                    (Some(place.g), d_c * i * g_slope),
                    (place.o, d_a_o),
                ];
                for (place, d) in all {
                    if let Some(place) = place {
                        d_a[place * hidden + u] = d;
                    }
                }
                if cell == Cell::Peepholes {
                    for (p, d) in PEEPHOLES.into_iter().zip([d_a_i * c_prev, d_a_f * c_prev, d_a_o * c]) {
                        gradients.extra[p * hidden + u] += d;
                    }
                }
                d_c_next[[b, u]] = d_c * f + d_a_i * p_i + d_a_f * p_f;
                d_h_next[[b, u]] = R::zero();
            }
            for row in 0..cell.gates() * hidden {
                for k in 0..inputs {
                    gradients.w_ih[[row, k]] += d_a[row] * cache.x[[t, b, k]];
                    d_x[[t, b, k]] += d_a[row] * layer.w_ih[[row, k]];
                }
                for k in 0..hidden {
                    gradients.w_hh[[row, k]] += d_a[row] * cache.h_prev[[t, b, k]];
                    d_h_next[[b, k]] += d_a[row] * layer.w_hh[[row, k]];
                }
                gradients.bias[row] += d_a[row];
            }
            // Nothing passes back through a reset.
            if resets[[t, b]] {
                d_h_next.row_mut(b).fill(R::zero());
                d_c_next.row_mut(b).fill(R::zero());
            }
        }
    }
    Upstream { d_x, d_h0: d_h_next, d_c0: d_c_next }
}
