//! The way of any cell through time in plain loops, forward and backward, for f32 and f64. The equations of one step of one row are the
//! cell's own: in [`variants`], [`gru`] and [`rnn`].

use super::{Cell, gru, rnn, variants};
use crate::nn::lstm::reference::{Cache, Layer, Real, Upstream, row};
use ndarray::{Array1, Array2, Array3, ArrayView1, Axis};

/// What enters a step of a row.
#[derive(Debug)]
pub struct Entering<R> {
    /// `[G·H]`: `x w_ihᵀ + b`
    pub input: Array1<R>,
    /// `[H]`: the hidden state.
    pub h: Array1<R>,
    /// `[H]`: the cell state; empty where the cell has none.
    pub c: Array1<R>,
}

/// What a step makes of it.
#[derive(Debug)]
pub struct Leaving<R> {
    /// `[G·H]`: the activated gates.
    pub gates: Array1<R>,
    /// `[H]`: the cell state; empty where the cell has none.
    pub c: Array1<R>,
    /// `[H]`: the hidden state.
    pub h: Array1<R>,
}

/// A step of a row that is behind, and the gradients that come back to it.
#[derive(Debug)]
pub struct Returning<'a, R> {
    /// `[H]`: the hidden state that entered.
    pub h_prev: ArrayView1<'a, R>,
    /// `[H]`: the cell state that entered; empty where the cell has none.
    pub c_prev: ArrayView1<'a, R>,
    /// `[G·H]`: the activated gates.
    pub gates: ArrayView1<'a, R>,
    /// `[H]`: the cell state that left; empty where the cell has none.
    pub c: ArrayView1<'a, R>,
    /// `[H]`: the gradient of the hidden state that left, from above and from the next step.
    pub d_h: Array1<R>,
    /// `[H]`: the gradient of the cell state that left, from the next step; empty where the cell has none.
    pub d_c: Array1<R>,
}

/// The gradients that a step sends on.
#[derive(Debug)]
pub struct Sent<R> {
    /// `[G·H]`: of `x w_ihᵀ + b`.
    pub d_input: Array1<R>,
    /// `[G·H]`: of `h_prev w_hhᵀ`.
    pub d_side: Array1<R>,
    /// `[H]`: of the hidden state that entered, beside what goes through `w_hh`.
    pub d_h: Array1<R>,
    /// `[H]`: of the cell state that entered; empty where the cell has none.
    pub d_c: Array1<R>,
}

/// `a + W x` for `a [N]`, `W [N, M]` and `x [M]`.
pub fn plus_product<R: Real>(mut a: Array1<R>, w: &Array2<R>, x: ArrayView1<R>) -> Array1<R> {
    for (a, row) in a.iter_mut().zip(w.rows()) {
        row.iter().zip(x).for_each(|(&w, &x)| *a += w * x);
    }
    a
}

/// Runs a layer over `x [T, B, I]` from the state `h0`, `c0`, each `[B, H]`; where the cell has no cell state, `c0` is not looked at and the
/// cache's `c` and `c_prev` are empty. Where `resets[t, b]`, the state that enters step `t` is zero. The cache's `gates` are `[T, B, G·H]`.
pub fn forward<R: Real>(
    cell: Cell,
    layer: &Layer<R>,
    x: &Array3<R>,
    resets: &Array2<bool>,
    h0: &Array2<R>,
    c0: &Array2<R>,
) -> Cache<R> {
    let (steps, rows, _) = x.dim();
    let hidden = layer.hidden();
    let memory = if cell.has_memory() { hidden } else { 0 };
    let zeros = |width| Array3::zeros((steps, rows, width));
    let mut cache = Cache {
        x: x.clone(),
        h_prev: zeros(hidden),
        c_prev: zeros(memory),
        gates: zeros(cell.gates() * hidden),
        c: zeros(memory),
        h: zeros(hidden),
    };
    for t in 0..steps {
        for b in 0..rows {
            let mut entering = Entering {
                input: plus_product(layer.bias.clone(), &layer.w_ih, row(x, t, b)),
                h: Array1::zeros(hidden),
                c: Array1::zeros(memory),
            };
            if !resets[[t, b]] {
                let before = |states: &Array3<R>, first: &Array2<R>| match t {
                    0 => first.row(b).to_owned(),
                    _ => row(states, t - 1, b).to_owned(),
                };
                entering.h = before(&cache.h, h0);
                if memory > 0 {
                    entering.c = before(&cache.c, c0);
                }
            }
            let Leaving { gates, c, h } = match cell {
                Cell::Gru => gru::forward(layer, &entering),
                Cell::Rnn => rnn::forward(layer, &entering),
                cell => variants::forward(cell, layer, &entering),
            };
            for (array, values) in [
                (&mut cache.h_prev, entering.h),
                (&mut cache.c_prev, entering.c),
                (&mut cache.gates, gates),
                (&mut cache.c, c),
                (&mut cache.h, h),
            ] {
                array.index_axis_mut(Axis(0), t).row_mut(b).assign(&values);
            }
        }
    }
    cache
}

/// Back-propagation through time. `d_h [T, B, H]` is the gradient of the loss by the layer's output; the gradients of the weights are
/// **added** to `gradients`.
///
/// Written `d_y` for ∂loss/∂y, step by step from the last, for a step's `d_input` and `d_side`:
///
/// ```text
/// d_w_ih += d_inputᵀ x     d_w_hh += d_sideᵀ h_prev     d_b += d_input
/// d_x = d_input w_ih       d_h_prev = the cell's own + d_side w_hh
/// ```
pub fn backward<R: Real>(
    cell: Cell,
    layer: &Layer<R>,
    cache: &Cache<R>,
    resets: &Array2<bool>,
    d_h: &Array3<R>,
    gradients: &mut Layer<R>,
) -> Upstream<R> {
    let (steps, rows, hidden) = cache.h.dim();
    let (inputs, memory) = (cache.x.dim().2, cache.c.dim().2);
    let mut d_x = Array3::zeros((steps, rows, inputs));
    // What step t + 1 sends back to step t; at the end, what step 0 sends to the initial state.
    let mut d_h_next = Array2::zeros((rows, hidden));
    let mut d_c_next = Array2::zeros((rows, memory));
    for t in (0..steps).rev() {
        for b in 0..rows {
            let step = Returning {
                h_prev: row(&cache.h_prev, t, b),
                c_prev: row(&cache.c_prev, t, b),
                gates: row(&cache.gates, t, b),
                c: row(&cache.c, t, b),
                d_h: &row(d_h, t, b) + &d_h_next.row(b),
                d_c: d_c_next.row(b).to_owned(),
            };
            let Sent { d_input, d_side, d_h: mut d_h_prev, d_c: mut d_c_prev } = match cell {
                Cell::Gru => gru::backward(layer, &step, &mut gradients.extra),
                Cell::Rnn => rnn::backward(&step),
                cell => variants::backward(cell, layer, &step, &mut gradients.extra),
            };
            for row in 0..cell.gates() * hidden {
                for k in 0..inputs {
                    gradients.w_ih[[row, k]] += d_input[row] * cache.x[[t, b, k]];
                    d_x[[t, b, k]] += d_input[row] * layer.w_ih[[row, k]];
                }
                for k in 0..hidden {
                    gradients.w_hh[[row, k]] += d_side[row] * cache.h_prev[[t, b, k]];
                    d_h_prev[k] += d_side[row] * layer.w_hh[[row, k]];
                }
                gradients.bias[row] += d_input[row];
            }
            // Nothing passes back through a reset.
            if resets[[t, b]] {
                d_h_prev.fill(R::zero());
                d_c_prev.fill(R::zero());
            }
            d_h_next.row_mut(b).assign(&d_h_prev);
            d_c_next.row_mut(b).assign(&d_c_prev);
        }
    }
    Upstream { d_x, d_h0: d_h_next, d_c0: d_c_next }
}
