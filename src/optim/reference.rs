//! The update rules in plain loops, for f32 and f64: what the kernels and PyTorch's numbers are compared with.

use super::{ALPHA, BETA1, BETA2, EPSILON, Hyper, Optimizer};
use crate::nn::lstm::reference::Real;

/// One step: `θ`, gradients `d`, and the moments of [`Optimizer::moment_names`], all of one length. Gradients are clipped by
/// their common norm first. Returns the norm before clipping.
///
/// ```text
/// Adam      m = β1·m + (1 - β1)·g      v = β2·v + (1 - β2)·g²
///           θ -= lr · (m / (1 - β1^t)) / (√(v / (1 - β2^t)) + ε)
/// RMSprop   v = α·v + (1 - α)·g²       θ -= lr · g / (√v + ε)
/// ```
///
/// # Panics
/// Where the lengths differ.
pub fn update<R: Real>(hyper: &Hyper, theta: &mut [&mut R], gradients: &[R], moments: &mut [Vec<R>]) -> f64 {
    assert_eq!(theta.len(), gradients.len());
    let of = R::of;
    let norm = gradients.iter().map(|&d| d.into() * d.into()).sum::<f64>().sqrt();
    let clip = of(hyper.clip_factor(norm));
    let t = hyper.step as i32 + 1;
    for (k, (theta, &d)) in theta.iter_mut().zip(gradients).enumerate() {
        let g = d * clip;
        let change = match hyper.optimizer {
            Optimizer::Adam => {
                let m = of(BETA1) * moments[0][k] + of(1.0 - BETA1) * g;
                let v = of(BETA2) * moments[1][k] + of(1.0 - BETA2) * g * g;
                moments[0][k] = m;
                moments[1][k] = v;
                let m_hat = m / of(1.0 - BETA1.powi(t));
                let v_hat = v / of(1.0 - BETA2.powi(t));
                m_hat / (v_hat.sqrt() + of(EPSILON))
            }
            Optimizer::Rmsprop => {
                let v = of(ALPHA) * moments[0][k] + of(1.0 - ALPHA) * g * g;
                moments[0][k] = v;
                g / (v.sqrt() + of(EPSILON))
            }
        };
        **theta -= of(hyper.lr) * change;
    }
    norm
}
