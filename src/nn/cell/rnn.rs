//! One step of the plain recurrent network, forward and backward, for f32 and f64.
//!
//! ```text
//! h' = tanh(x W_ihᵀ + h W_hhᵀ + b)
//! ```
//!
//! It is Elman's ("Finding Structure in Time", 1990). Every step pushes `h` through `w_hh` and a tanh, and the gradient back through the same
//! two, so it shrinks or grows about exponentially with the lag: what the gates of the LSTM are for.

use super::plain::{Entering, Leaving, Returning, Sent, plus_product};
use crate::nn::lstm::reference::{Layer, Real};
use ndarray::Array1;

/// A step of a row. It has no gates; in their place stands `h`.
pub(super) fn forward<R: Real>(layer: &Layer<R>, entering: &Entering<R>) -> Leaving<R> {
    let h = plus_product(entering.input.clone(), &layer.w_hh, entering.h.view()).mapv(R::tanh);
    Leaving { gates: h.clone(), c: Array1::zeros(0), h }
}

/// The step back: `d_a = d_h ⊙ (1 - h²)`.
pub(super) fn backward<R: Real>(step: &Returning<R>) -> Sent<R> {
    let slopes = step.gates.mapv(|h| R::one() - h * h);
    let d_a = &step.d_h * &slopes;
    Sent { d_input: d_a.clone(), d_side: d_a, d_h: Array1::zeros(step.d_h.len()), d_c: Array1::zeros(0) }
}
