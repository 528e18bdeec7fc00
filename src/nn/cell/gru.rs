//! The gated recurrent unit in plain loops, forward and backward, for f32 and f64.
//!
//! ```text
//! r = σ(x W_irᵀ + h W_hrᵀ + b_r)      n  = tanh(x W_inᵀ + b_n + r ⊙ (h W_hnᵀ + b_hn))
//! z = σ(x W_izᵀ + h W_hzᵀ + b_z)      h' = (1 - z) ⊙ n + z ⊙ h
//! ```
//!
//! `h` is memory and output at once: the update gate `z` says how much of it stays, the rest is the candidate `n`; the reset gate `r` says how
//! much of the old the candidate sees (Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014). There `r` stands before
//! the product with `W_hn`; here, as in cuDNN, PyTorch and Keras' default, behind it, so that one product serves all three.

use crate::nn::lstm::reference::{Cache, Layer, Real, Upstream, row, sigmoid};
use ndarray::{Array1, Array2, Array3, ArrayView1};

/// Gates of a GRU: r, z, n.
pub const GATES: usize = 3;
/// The place of the reset gate.
pub const R: usize = 0;
/// The place of the update gate.
pub const Z: usize = 1;
/// The place of the candidate.
pub const N: usize = 2;

/// `h W_hnᵀ + b_hn` of unit `u`, for the `h_prev` of one step and row: what `r` lets through.
fn let_through<X: Real>(layer: &Layer<X>, h_prev: ArrayView1<X>, u: usize) -> X {
    let mut a = layer.extra[u];
    for (k, &h) in h_prev.iter().enumerate() {
        a += layer.w_hh[[N * layer.hidden() + u, k]] * h;
    }
    a
}

/// Runs a layer over `x [T, B, I]` from the state `h0 [B, H]`. Where `resets[t, b]`, the state that enters step `t` is zero. The cache's
/// `gates` are `[T, B, 3H]`: the activated r, z, n; `c` and `c_prev` are empty.
pub fn forward<X: Real>(layer: &Layer<X>, x: &Array3<X>, resets: &Array2<bool>, h0: &Array2<X>) -> Cache<X> {
    let (steps, rows, inputs) = x.dim();
    let hidden = layer.hidden();
    let zeros = |width| Array3::zeros((steps, rows, width));
    let mut cache = Cache {
        x: x.clone(),
        h_prev: zeros(hidden),
        c_prev: zeros(0),
        gates: zeros(GATES * hidden),
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
            let h_prev = row(&cache.h_prev, t, b);
            for row in 0..GATES * hidden {
                let mut a = layer.bias[row];
                for k in 0..inputs {
                    a += layer.w_ih[[row, k]] * x[[t, b, k]];
                }
                // r comes before n.
                cache.gates[[t, b, row]] = if row / hidden == N {
                    let u = row % hidden;
                    (a + cache.gates[[t, b, R * hidden + u]] * let_through(layer, h_prev, u)).tanh()
                } else {
                    for k in 0..hidden {
                        a += layer.w_hh[[row, k]] * h_prev[k];
                    }
                    sigmoid(a)
                };
            }
            for u in 0..hidden {
                let (z, n) = (cache.gates[[t, b, Z * hidden + u]], cache.gates[[t, b, N * hidden + u]]);
                cache.h[[t, b, u]] = (X::one() - z) * n + z * h_prev[u];
            }
        }
    }
    cache
}

/// Back-propagation through time. `d_h [T, B, H]` is the gradient of the loss by the layer's output; the gradients of the
/// weights are **added** to `gradients`.
///
/// With `s = h_prev W_hnᵀ + b_hn`, step by step from the last:
///
/// ```text
/// d_h   = from above + from step t + 1
/// d_n   = d_h ⊙ (1 - z)       d_z = d_h ⊙ (h_prev - n)       d_a = d_gate ⊙ (slope of its activation)
/// d_r   = d_a_n ⊙ s           d_s = d_a_n ⊙ r
/// d_w_ih += d_aᵀ x            d_b += d_a                     d_x = d_a w_ih
/// d_w_hh += d_eᵀ h_prev       d_b_hn += d_s                  where d_e is d_a with d_s in the place of d_a_n
/// d_h_prev = d_h ⊙ z + d_e w_hh
/// ```
pub fn backward<X: Real>(
    layer: &Layer<X>,
    cache: &Cache<X>,
    resets: &Array2<bool>,
    d_h: &Array3<X>,
    gradients: &mut Layer<X>,
) -> Upstream<X> {
    let (steps, rows, hidden) = cache.h.dim();
    let inputs = cache.x.dim().2;
    let one = X::one();
    let mut d_x = Array3::zeros((steps, rows, inputs));
    let mut d_h_next = Array2::zeros((rows, hidden));
    for t in (0..steps).rev() {
        for b in 0..rows {
            let h_prev = row(&cache.h_prev, t, b);
            let (mut d_a, mut d_e) = (Array1::zeros(GATES * hidden), Array1::zeros(GATES * hidden));
            for u in 0..hidden {
                let gate = |q: usize| cache.gates[[t, b, q * hidden + u]];
                let (r, z, n) = (gate(R), gate(Z), gate(N));
                let d_h: X = d_h[[t, b, u]] + d_h_next[[b, u]];
                let d_a_n = d_h * (one - z) * (one - n * n);
                let d_r = d_a_n * let_through(layer, h_prev, u);
                let d_z = d_h * (h_prev[u] - n);
                d_a[R * hidden + u] = d_r * r * (one - r);
                d_a[Z * hidden + u] = d_z * z * (one - z);
                d_a[N * hidden + u] = d_a_n;
                d_e[R * hidden + u] = d_a[R * hidden + u];
                d_e[Z * hidden + u] = d_a[Z * hidden + u];
                d_e[N * hidden + u] = d_a_n * r;
                gradients.extra[u] += d_a_n * r;
                d_h_next[[b, u]] = d_h * z;
            }
            for row in 0..GATES * hidden {
                for k in 0..inputs {
                    gradients.w_ih[[row, k]] += d_a[row] * cache.x[[t, b, k]];
                    d_x[[t, b, k]] += d_a[row] * layer.w_ih[[row, k]];
                }
                for k in 0..hidden {
                    gradients.w_hh[[row, k]] += d_e[row] * h_prev[k];
                    d_h_next[[b, k]] += d_e[row] * layer.w_hh[[row, k]];
                }
                gradients.bias[row] += d_a[row];
            }
            if resets[[t, b]] {
                d_h_next.row_mut(b).fill(X::zero());
            }
        }
    }
    Upstream { d_x, d_h0: d_h_next, d_c0: Array2::zeros((rows, 0)) }
}
