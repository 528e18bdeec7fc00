//! Vector exp, sigmoid and tanh.
//!
//! All three stand on one reduction. With `n = round(x / ln 2)` and `r = x - n·ln 2`, `|r| <= ln 2 / 2`,
//!
//! ```text
//! q = expm1(r) ≈ r + r²·(C2 + r·(C3 + r·(C4 + r·(C5 + r·C6))))
//! exp(x)   = 2ⁿ·(1 + q)
//! expm1(x) = 2ⁿ·q + (2ⁿ - 1)
//! ```
//!
//! The coefficients are the minimax ones for the relative error of `q` on that interval, found by Remez'
//! exchange in 120-bit arithmetic, each rounded to f32 and the later ones solved again; the greatest
//! relative error of the polynomial itself is 1.43e-8 (2^-26.06), and a test measures it. `ln 2` is cut in
//! two (Cody and Waite, 1980), so that `n` times the upper part is exact.
//!
//! | function | greatest error, over all of f32 | bounds kept |
//! |---|---|---|
//! | [`exp`] | 1.04 ULP | >= 0; inf above 88.73, 0 below -103.98 |
//! | [`sigmoid`] | 2.41 ULP | 0 <= σ <= 1 |
//! | [`tanh`] | 2.61 ULP | odd, -1 <= tanh <= 1 |
//!
//! The test `every_float` measures all 2^32 arguments against f64, on every instruction set (minutes, so it
//! runs where it is asked for by name); `dense_sample` every 251st of them.
//! NaN gives NaN; ±0 gives what it should, the sign of tanh(-0) included.

use crate::Isa;
use crate::simd::{Kernel, Simd, vectors};

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// The upper 14 bits of ln 2, so that its product with `|n| <= 150` is exact.
const LN_2_HIGH: f32 = 355.0 / 512.0;
/// ln 2 less [`LN_2_HIGH`].
const LN_2_LOW: f32 = -2.121_944_4e-4;
const C2: f32 = 0.499_999_97;
const C3: f32 = 0.166_665_38;
const C4: f32 = 0.041_667_74;
const C5: f32 = 0.008_367_319;
const C6: f32 = 0.001_383_786_1;

/// `(n, q)` with `exp(x) = 2^n·(1 + q)`. `x` must be within ±105 or NaN.
#[inline(always)]
fn reduce<S: Simd>(s: S, x: S::V) -> (S::V, S::V) {
    let n = s.round(s.mul(x, s.splat(LOG2_E)));
    let r = s.neg_mul_add(n, s.splat(LN_2_HIGH), x);
    let r = s.neg_mul_add(n, s.splat(LN_2_LOW), r);
    let mut p = s.mul_add(s.splat(C6), r, s.splat(C5));
    p = s.mul_add(p, r, s.splat(C4));
    p = s.mul_add(p, r, s.splat(C3));
    p = s.mul_add(p, r, s.splat(C2));
    (n, s.mul_add(s.mul(r, r), p, r))
}

/// `e^x`.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    // Beyond these the result is infinity and 0. The order of the operands lets NaN through.
    let x = s.max(s.splat(-105.0), s.min(s.splat(89.0), x));
    let (n, q) = reduce(s, x);
    s.scale(s.add(s.splat(1.0), q), n)
}

/// `1 / (1 + e^-x)`, computed as `e^x / (1 + e^x)` where `x < 0`, so that the lower tail keeps its digits.
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    let e = exp(s, s.sub(s.splat(0.0), s.abs(x)));
    s.div(s.select_negative(x, e, one), s.add(one, e))
}

/// The hyperbolic tangent: `t / (t + 2)` with `t = expm1(2·|x|)`, which loses no digits near 0.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    // tanh is 1 to the last bit beyond 9.02. The order of the operands lets NaN through.
    let twice = s.min(s.splat(20.0), s.mul(s.splat(2.0), s.abs(x)));
    let (n, q) = reduce(s, twice);
    let power = s.scale(s.splat(1.0), n);
    let t = s.mul_add(power, q, s.sub(power, s.splat(1.0)));
    s.copysign(s.div(t, s.add(t, s.splat(2.0))), x)
}

/// A function of one number, to be applied to slices by [`apply`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// [`exp`]
    Exp,
    /// [`sigmoid`]
    Sigmoid,
    /// [`tanh`]
    Tanh,
}

/// `values[k] = f(values[k])`.
pub fn apply(isa: Isa, function: Function, values: &mut [f32]) {
    isa.run(Apply { function, values });
}

struct Apply<'a> {
    function: Function,
    values: &'a mut [f32],
}

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let p = self.values.as_mut_ptr();
        for (at, n) in vectors(s, self.values.len()) {
            // SAFETY: `vectors` stays within `values`.
            let x = unsafe { s.load_first(p.add(at), n) };
            let y = match self.function {
                Function::Exp => exp(s, x),
                Function::Sigmoid => sigmoid(s, x),
                Function::Tanh => tanh(s, x),
            };
            // SAFETY: as above.
            unsafe { s.store_first(p.add(at), y, n) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fenced, Noise, isas};
    use std::ops::Range;

    /// How many units in the last place of the f32 nearest to `want` lie between it and `got`.
    fn ulps(got: f32, want: f64) -> f64 {
        let nearest = want as f32;
        if nearest.is_infinite() || got.is_infinite() {
            return if got == nearest { 0.0 } else { f64::INFINITY };
        }
        let exponent = (nearest.abs().to_bits() >> 23).max(1) as i32 - 127 - 23;
        let error = (f64::from(got) - want).abs() / 2f64.powi(exponent);
        if error.is_nan() { f64::INFINITY } else { error }
    }

    #[test]
    fn ulps_counts() {
        assert_eq!(ulps(1.0, 1.0), 0.0);
        assert_eq!(ulps(1.0 + f32::EPSILON, 1.0), 1.0);
        assert!(ulps(f32::NAN, 0.0) > 1e9 && ulps(1e-3, 0.0) > 1e9 && ulps(f32::INFINITY, 1.0) > 1e9);
    }

    fn truth(function: Function, x: f64) -> f64 {
        match function {
            Function::Exp => x.exp(),
            Function::Sigmoid if x < 0.0 => x.exp() / (1.0 + x.exp()),
            Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Function::Tanh => x.tanh(),
        }
    }

    const FUNCTIONS: [(Function, f64, f32, f32); 3] = [
        (Function::Exp, 1.04, 0.0, f32::INFINITY),
        (Function::Sigmoid, 2.41, 0.0, 1.0),
        (Function::Tanh, 2.61, -1.0, 1.0),
    ];

    /// The greatest errors on each of `isas` over the arguments whose bits are in `bits`, one in `step`; every value is checked.
    fn greatest_errors(isas: &[Isa], mut bits: Range<u64>, step: usize) -> Vec<[f64; 3]> {
        let mut worst = vec![[0.0f64; 3]; isas.len()];
        while !bits.is_empty() {
            let xs: Vec<f32> =
                bits.clone().step_by(step).take(4093).map(|bits| f32::from_bits(bits as u32)).collect();
            bits.start += (xs.len() * step) as u64;
            for (k, &(function, bound, low, high)) in FUNCTIONS.iter().enumerate() {
                let truths: Vec<f64> = xs.iter().map(|&x| truth(function, f64::from(x))).collect();
                for (&isa, worst) in isas.iter().zip(&mut worst) {
                    let mut ys = xs.clone();
                    apply(isa, function, &mut ys);
                    for ((&x, &y), &truth) in xs.iter().zip(&ys).zip(&truths) {
                        if x.is_nan() {
                            assert!(y.is_nan(), "{isa} {function:?}({x}) = {y}");
                            continue;
                        }
                        assert!(low <= y && y <= high, "{isa} {function:?}({x:e}) = {y:e}");
                        let error = ulps(y, truth);
                        assert!(error <= bound, "{isa} {function:?}({x:e}) = {y:e}: {error} ULP");
                        worst[k] = worst[k].max(error);
                    }
                }
            }
        }
        worst
    }

    /// The same over all of f32, one argument in `step`, on all cores.
    fn measure(step: usize) {
        let (isas, all) = (isas(), 1u64 << 32);
        let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let mut worst = vec![[0.0f64; 3]; isas.len()];
        std::thread::scope(|scope| {
            let parts: Vec<_> = (0..threads)
                .map(|part| part * all / threads..(part + 1) * all / threads)
                .map(|bits| scope.spawn(|| greatest_errors(&isas, bits, step)))
                .collect();
            for part in parts {
                let errors = part.join().expect("within the bounds");
                for (worst, errors) in worst.iter_mut().flatten().zip(errors.iter().flatten()) {
                    *worst = worst.max(*errors);
                }
            }
        });
        for (isa, worst) in isas.iter().zip(worst) {
            println!("{isa}: exp, sigmoid, tanh {worst:?} ULP");
        }
    }

    /// One argument in so many; fewer where the tests run on an emulated processor (see `.ci/run`).
    const SAMPLE: usize = if cfg!(target_arch = "aarch64") { 50_021 } else { 251 };

    #[test]
    fn dense_sample() {
        measure(SAMPLE);
    }

    /// All of f32; minutes of work, so it runs where it is asked for by name.
    #[test]
    #[ignore = "4 billion arguments: cargo test --release -p hornpipe-kernels every_float -- --ignored --nocapture"]
    fn every_float() {
        measure(1);
    }

    #[test]
    fn a_value_is_the_same_wherever_it_stands() {
        let mut noise = Noise::new(8);
        for isa in isas() {
            for (function, ..) in FUNCTIONS {
                for len in 0..=50 {
                    let xs = noise.vec(len, if len % 2 == 0 { 3.0 } else { 120.0 });
                    let mut ys = Fenced::new(&xs);
                    apply(isa, function, &mut ys);
                    for (&x, &y) in xs.iter().zip(ys.iter()) {
                        // A full vector of it, so that no lane is left over.
                        let mut alone = [x; 16];
                        apply(isa, function, &mut alone);
                        assert_eq!(
                            y.to_bits(),
                            alone[0].to_bits(),
                            "{isa} {function:?}({x:e}), {len} numbers"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn the_edges() {
        for isa in isas() {
            let one = |function, x: f32| {
                let mut v = [x];
                apply(isa, function, &mut v);
                v[0]
            };
            let inf = f32::INFINITY;
            for (function, x, want) in [
                (Function::Exp, 0.0, 1.0),
                (Function::Exp, -0.0, 1.0),
                (Function::Exp, inf, inf),
                (Function::Exp, -inf, 0.0),
                (Function::Exp, 88.8, inf),
                (Function::Exp, -104.0, 0.0),
                (Function::Sigmoid, 0.0, 0.5),
                (Function::Sigmoid, -0.0, 0.5),
                (Function::Sigmoid, inf, 1.0),
                (Function::Sigmoid, -inf, 0.0),
                (Function::Tanh, 0.0, 0.0),
                (Function::Tanh, -0.0, -0.0),
                (Function::Tanh, inf, 1.0),
                (Function::Tanh, -inf, -1.0),
                (Function::Tanh, 9.1, 1.0),
            ] {
                assert_eq!(one(function, x).to_bits(), f32::to_bits(want), "{isa} {function:?}({x})");
            }
        }
    }

    #[test]
    fn the_polynomial_is_as_good_as_it_says() {
        let half = f64::from(std::f32::consts::LN_2) / 2.0;
        let worst = (1..=100_000)
            .flat_map(|k| [1.0, -1.0].map(|sign| sign * half * f64::from(k) / 1e5))
            .map(|r| {
                let c = [C2, C3, C4, C5, C6].map(f64::from);
                let q = r + r * r * (c[0] + r * (c[1] + r * (c[2] + r * (c[3] + r * c[4]))));
                ((q - r.exp_m1()) / r.exp_m1()).abs()
            })
            .fold(0.0, f64::max);
        assert!((1.3e-8..1.45e-8).contains(&worst), "{worst:e}");
    }

    #[test]
    fn ln_2_is_cut_in_two() {
        let low = std::f64::consts::LN_2 - f64::from(LN_2_HIGH);
        assert_eq!(LN_2_LOW, low as f32);
        assert_eq!(f64::from(150.0 * LN_2_HIGH), 150.0 * f64::from(LN_2_HIGH));
    }
}
