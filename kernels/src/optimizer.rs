//! Adam and RMSprop: one pass over parameters, gradients and moments.
//!
//! Both are PyTorch's definitions. Keras adds its epsilon inside other terms: its Adam divides by
//! `√v + ε` before the bias correction of `v` (so its ε is larger by `1/√(1 - β2^t)`), and its RMSprop takes ε
//! into the root (`√(v + ε)`) with ρ 0.9 and ε 1e-7 by default.

use crate::Isa;
use crate::simd::{Kernel, Simd, vectors};

/// Adam (Kingma and Ba, 2015), one step for a run of parameters.
///
/// ```text
/// g = clip · d                      m = β1·m + (1 - β1)·g         v = β2·v + (1 - β2)·g²
/// θ -= lr / (1 - β1^t) · m / (√v / √(1 - β2^t) + ε)
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// `lr / (1 - β1^t)`
    pub step_size: f32,
    /// β1
    pub beta1: f32,
    /// β2
    pub beta2: f32,
    /// `1 / √(1 - β2^t)`
    pub root_correction: f32,
    /// ε
    pub epsilon: f32,
    /// The factor on all gradients, 1 where nothing is clipped.
    pub clip: f32,
}

impl Adam {
    /// Updates `parameters` and both moments.
    ///
    /// # Panics
    /// Where the four lengths differ.
    pub fn update(self, isa: Isa, parameters: &mut [f32], gradients: &[f32], m: &mut [f32], v: &mut [f32]) {
        let len = parameters.len();
        assert!(gradients.len() == len && m.len() == len && v.len() == len, "four slices of one length");
        isa.run(AdamPass { adam: self, parameters, gradients, m, v });
    }
}

struct AdamPass<'a> {
    adam: Adam,
    parameters: &'a mut [f32],
    gradients: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
}

impl Kernel for AdamPass<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let AdamPass { adam, parameters, gradients, m, v } = self;
        let (p, d) = (parameters.as_mut_ptr(), gradients.as_ptr());
        let (pm, pv) = (m.as_mut_ptr(), v.as_mut_ptr());
        let (beta1, rest1) = (s.splat(adam.beta1), s.splat(1.0 - adam.beta1));
        let (beta2, rest2) = (s.splat(adam.beta2), s.splat(1.0 - adam.beta2));
        for (at, n) in vectors(s, parameters.len()) {
            // SAFETY: the four slices have one length (`Adam::update`), and `vectors` stays within it.
            unsafe {
                let g = s.mul(s.load_first(d.add(at), n), s.splat(adam.clip));
                let m = s.mul_add(s.load_first(pm.add(at), n), beta1, s.mul(g, rest1));
                let v = s.mul_add(s.load_first(pv.add(at), n), beta2, s.mul(s.mul(g, g), rest2));
                let root = s.mul_add(s.sqrt(v), s.splat(adam.root_correction), s.splat(adam.epsilon));
                let change = s.div(s.mul(m, s.splat(adam.step_size)), root);
                s.store_first(p.add(at), s.sub(s.load_first(p.add(at), n), change), n);
                s.store_first(pm.add(at), m, n);
                s.store_first(pv.add(at), v, n);
            }
        }
    }
}

/// RMSprop (Tieleman and Hinton, 2012), one step for a run of parameters.
///
/// ```text
/// g = clip · d                      v = α·v + (1 - α)·g²                θ -= lr · g / (√v + ε)
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsProp {
    /// The learning rate.
    pub lr: f32,
    /// α
    pub alpha: f32,
    /// ε
    pub epsilon: f32,
    /// The factor on all gradients, 1 where nothing is clipped.
    pub clip: f32,
}

impl RmsProp {
    /// Updates `parameters` and the moment `v`.
    ///
    /// # Panics
    /// Where the three lengths differ.
    pub fn update(self, isa: Isa, parameters: &mut [f32], gradients: &[f32], v: &mut [f32]) {
        let len = parameters.len();
        assert!(gradients.len() == len && v.len() == len, "three slices of one length");
        isa.run(RmsPropPass { rmsprop: self, parameters, gradients, v });
    }
}

struct RmsPropPass<'a> {
    rmsprop: RmsProp,
    parameters: &'a mut [f32],
    gradients: &'a [f32],
    v: &'a mut [f32],
}

impl Kernel for RmsPropPass<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let RmsPropPass { rmsprop, parameters, gradients, v } = self;
        let (p, d, pv) = (parameters.as_mut_ptr(), gradients.as_ptr(), v.as_mut_ptr());
        let (alpha, rest) = (s.splat(rmsprop.alpha), s.splat(1.0 - rmsprop.alpha));
        for (at, n) in vectors(s, parameters.len()) {
            // SAFETY: the three slices have one length (`RmsProp::update`), and `vectors` stays within it.
            unsafe {
                let g = s.mul(s.load_first(d.add(at), n), s.splat(rmsprop.clip));
                let v = s.mul_add(s.load_first(pv.add(at), n), alpha, s.mul(s.mul(g, g), rest));
                let root = s.add(s.sqrt(v), s.splat(rmsprop.epsilon));
                let change = s.div(s.mul(g, s.splat(rmsprop.lr)), root);
                s.store_first(p.add(at), s.sub(s.load_first(p.add(at), n), change), n);
                s.store_first(pv.add(at), v, n);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fenced, Noise, Unaligned, close, isas};

    #[test]
    fn both_match_f64_at_odd_lengths() {
        let mut noise = Noise::new(7);
        let adam = Adam {
            step_size: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            root_correction: 3.0,
            epsilon: 1e-8,
            clip: 0.25,
        };
        let rmsprop = RmsProp { lr: 0.01, alpha: 0.99, epsilon: 1e-8, clip: 0.25 };
        for isa in isas() {
            for len in (1..=17).chain([33, 1000]) {
                let (p, mut g, m) = (noise.vec(len, 1.0), noise.vec(len, 2.0), noise.vec(len, 0.1));
                // Gradients and moments of all sizes, zero among them.
                g.iter_mut().enumerate().for_each(|(k, g)| *g *= [1.0, 1e-20, 0.0, 1e8][k % 4]);
                let v: Vec<f32> = noise.vec(len, 0.1).iter().map(|x| x.abs()).collect();
                let v: Vec<f32> = v.iter().enumerate().map(|(k, v)| v * [1.0, 0.0, 1e-6][k % 3]).collect();
                let [beta1, beta2, alpha] = [0.9f32, 0.999, 0.99].map(f64::from);
                let mut want = [vec![], vec![], vec![], vec![], vec![]];
                for k in 0..len {
                    let [p, g, m, v] = [p[k], g[k] * 0.25, m[k], v[k]].map(f64::from);
                    let (m2, v2) = (beta1 * m + (1.0 - beta1) * g, beta2 * v + (1.0 - beta2) * g * g);
                    want[0].push(p - 0.01 * m2 / (v2.sqrt() * 3.0 + 1e-8));
                    want[1].push(m2);
                    want[2].push(v2);
                    let v3 = alpha * v + (1.0 - alpha) * g * g;
                    want[3].push(p - 0.01 * g / (v3.sqrt() + 1e-8));
                    want[4].push(v3);
                }
                let g = Unaligned::new(&g);
                let (mut p1, mut m1, mut v1) = (Fenced::new(&p), Fenced::new(&m), Fenced::new(&v));
                adam.update(isa, &mut p1, &g, &mut m1, &mut v1);
                let (mut p2, mut v2) = (Fenced::new(&p), Fenced::new(&v));
                rmsprop.update(isa, &mut p2, &g, &mut v2);
                for (got, want) in [&p1, &m1, &v1, &p2, &v2].into_iter().zip(&want) {
                    close(got, want, 2e-6, 1e-7, &format!("{isa} {len}"));
                }
            }
        }
    }
}
