//! The plain recurrent network in plain loops, forward and backward, for f32 and f64.
//!
//! ```text
//! h' = tanh(x W_ihᵀ + h W_hhᵀ + b)
//! ```
//!
//! It is Elman's ("Finding Structure in Time", 1990). Every step pushes `h` through `w_hh` and a tanh, and the gradient back through the same
//! two, so it shrinks or grows about exponentially with the lag: what the gates of the LSTM are for.

use crate::nn::lstm::reference::{Cache, Layer, Real, Upstream};
use ndarray::{Array1, Array2, Array3};

/// Runs a layer over `x [T, B, I]` from the state `h0 [B, H]`. Where `resets[t, b]`, the state that enters step `t` is zero. The cache's
/// `gates` are empty, `c` and `c_prev` too.
pub fn forward<R: Real>(layer: &Layer<R>, x: &Array3<R>, resets: &Array2<bool>, h0: &Array2<R>) -> Cache<R> {
    let (steps, rows, inputs) = x.dim();
    let hidden = layer.hidden();
    let zeros = |width| Array3::zeros((steps, rows, width));
    let mut cache = Cache {
        x: x.clone(),
        h_prev: zeros(hidden),
        c_prev: zeros(0),
        gates: zeros(0),
        c: zeros(0),
        h: zeros(hidden),
    };
    for t in 0..steps {
        for b in 0..rows {
            if !resets[[t, b]] {
                for u in 0..hidden {
                    cache.h_prev[[t, b, u]] = if t == 0 { h0[[b, u]] } else { cache.h[[t - 1, b, u]] };
                }
            }
            for u in 0..hidden {
                let mut a = layer.bias[u];
                for k in 0..inputs {
                    a += layer.w_ih[[u, k]] * x[[t, b, k]];
                }
                for k in 0..hidden {
                    a += layer.w_hh[[u, k]] * cache.h_prev[[t, b, k]];
                }
                cache.h[[t, b, u]] = a.tanh();
            }
        }
    }
    cache
}

/// Back-propagation through time. `d_h [T, B, H]` is the gradient of the loss by the layer's output; the gradients of the
/// weights are **added** to `gradients`.
///
/// ```text
/// d_h = from above + from step t + 1           d_a = d_h ⊙ (1 - h²)
/// d_w_ih += d_aᵀ x     d_w_hh += d_aᵀ h_prev   d_b += d_a
/// d_x = d_a w_ih       d_h_prev = d_a w_hh
/// ```
pub fn backward<R: Real>(
    layer: &Layer<R>,
    cache: &Cache<R>,
    resets: &Array2<bool>,
    d_h: &Array3<R>,
    gradients: &mut Layer<R>,
) -> Upstream<R> {
    let (steps, rows, hidden) = cache.h.dim();
    let inputs = cache.x.dim().2;
    let mut d_x = Array3::zeros((steps, rows, inputs));
    let mut d_h_next = Array2::zeros((rows, hidden));
    for t in (0..steps).rev() {
        for b in 0..rows {
            let mut d_a = Array1::zeros(hidden);
            for u in 0..hidden {
                let h = cache.h[[t, b, u]];
                d_a[u] = (d_h[[t, b, u]] + d_h_next[[b, u]]) * (R::one() - h * h);
                d_h_next[[b, u]] = R::zero();
            }
            for row in 0..hidden {
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
            if resets[[t, b]] {
                d_h_next.row_mut(b).fill(R::zero());
            }
        }
    }
    Upstream { d_x, d_h0: d_h_next, d_c0: Array2::zeros((rows, 0)) }
}
