//! One step of the gated recurrent unit, forward and backward, for f32 and f64.
//!
//! ```text
//! r = σ(x W_irᵀ + h W_hrᵀ + b_r)      n  = tanh(x W_inᵀ + b_n + r ⊙ (h W_hnᵀ + b_hn))
//! z = σ(x W_izᵀ + h W_hzᵀ + b_z)      h' = (1 - z) ⊙ n + z ⊙ h
//! ```
//!
//! `h` is memory and output at once: the update gate `z` says how much of it stays, the rest is the candidate `n`; the reset gate `r` says how
//! much of the old the candidate sees (Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014). There `r` stands before
//! the product with `W_hn`; here, as in cuDNN, PyTorch and Keras' default, behind it, so that one product serves all three.

use super::plain::{Entering, Leaving, Returning, Sent, plus_product};
use crate::nn::lstm::reference::{Layer, Real, sigmoid};
use ndarray::Array1;

/// Gates of a GRU: r, z, n.
pub const GATES: usize = 3;
/// The place of the reset gate.
pub const R: usize = 0;
/// The place of the update gate.
pub const Z: usize = 1;
/// The place of the candidate.
pub const N: usize = 2;

/// A step of a row.
pub(super) fn forward<X: Real>(layer: &Layer<X>, entering: &Entering<X>) -> Leaving<X> {
    let hidden = layer.hidden();
    let side = plus_product(Array1::zeros(GATES * hidden), &layer.w_hh, entering.h.view());
    let mut leaving =
        Leaving { gates: Array1::zeros(GATES * hidden), c: Array1::zeros(0), h: Array1::zeros(hidden) };
    for u in 0..hidden {
        let [r, z, n] = [R, Z, N].map(|q| q * hidden + u);
        let (input, gates) = (&entering.input, &mut leaving.gates);
        gates[r] = sigmoid(input[r] + side[r]);
        gates[z] = sigmoid(input[z] + side[z]);
        gates[n] = (input[n] + gates[r] * (side[n] + layer.extra[u])).tanh();
        leaving.h[u] = (X::one() - gates[z]) * gates[n] + gates[z] * entering.h[u];
    }
    leaving
}

/// The step back. With `s = h_prev W_hnᵀ + b_hn`, and `d_a` for the gradient before a gate's activation:
///
/// ```text
/// d_n = d_h ⊙ (1 - z)     d_r = d_a_n ⊙ s     d_z = d_h ⊙ (h_prev - n)
/// d_s = d_a_n ⊙ r         d_b_hn += d_s       d_h_prev = d_h ⊙ z + what goes through the products
/// ```
pub(super) fn backward<X: Real>(layer: &Layer<X>, step: &Returning<X>, d_b_hn: &mut Array1<X>) -> Sent<X> {
    let (hidden, one) = (layer.hidden(), X::one());
    let side = plus_product(Array1::zeros(GATES * hidden), &layer.w_hh, step.h_prev);
    let mut d_input = Array1::zeros(GATES * hidden);
    let mut d_side = Array1::zeros(GATES * hidden);
    let mut d_h = Array1::zeros(hidden);
    for u in 0..hidden {
        let [r, z, n] = [R, Z, N].map(|q| step.gates[q * hidden + u]);
        let s = side[N * hidden + u] + layer.extra[u];
        let d_a_n = step.d_h[u] * (one - z) * (one - n * n);
        let d_a_r = d_a_n * s * r * (one - r);
        let d_a_z = step.d_h[u] * (step.h_prev[u] - n) * z * (one - z);
        let d_s = d_a_n * r;
        for (q, d, d_through_w_hh) in [(R, d_a_r, d_a_r), (Z, d_a_z, d_a_z), (N, d_a_n, d_s)] {
            d_input[q * hidden + u] = d;
            d_side[q * hidden + u] = d_through_w_hh;
        }
        d_b_hn[u] += d_s;
        d_h[u] = step.d_h[u] * z;
    }
    Sent { d_input, d_side, d_h, d_c: Array1::zeros(0) }
}
