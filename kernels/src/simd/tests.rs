//! Every operation of every instruction set against what plain Rust says, on numbers that hurt.

use super::*;
use crate::testing::isas;

const NASTY: [f32; 20] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -1.5,
    2.5,
    3.5,
    1e-40,
    -1e-40,
    1e-30,
    1e30,
    65504.0,
    4e6,
    -4e6,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    f32::MAX,
    f32::MIN_POSITIVE,
];

/// Applies one operation to three slices of the same length, the last vector partly filled.
struct Apply<'a, F> {
    a: &'a [f32],
    b: &'a [f32],
    c: &'a [f32],
    out: &'a mut [f32],
    op: F,
}

/// An operation on vectors, named so that it can be generic over the instruction set.
trait Op {
    fn apply<S: Simd>(&self, s: S, a: S::V, b: S::V, c: S::V) -> S::V;
}

impl<F: Op> Kernel for Apply<'_, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Apply { a, b, c, out, op } = self;
        assert!(a.len() == out.len() && b.len() == out.len() && c.len() == out.len());
        for (at, n) in vectors(s, out.len()) {
            // SAFETY: `at + n <= len`, and all four slices have that length.
            unsafe {
                let load = |p: &[f32]| s.load_first(p.as_ptr().add(at), n);
                s.store_first(out.as_mut_ptr().add(at), op.apply(s, load(a), load(b), load(c)), n);
            }
        }
    }
}

fn same(x: f32, y: f32) -> bool {
    x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan())
}

macro_rules! check {
    ($name:ident, |$s:ident, $a:ident, $b:ident, $c:ident| $vector:expr, $scalar:expr, $when:expr) => {
        #[test]
        fn $name() {
            struct It;
            impl Op for It {
                #[inline(always)]
                fn apply<S: Simd>(&self, $s: S, $a: S::V, $b: S::V, $c: S::V) -> S::V {
                    let _ = ($b, $c);
                    $vector
                }
            }
            let mut triples = Vec::new();
            for a in NASTY {
                for b in NASTY {
                    triples.push((a, b, 0.25));
                    triples.push((a, b, -3e3));
                }
            }
            // An odd length, so that a vector is only partly filled.
            triples.truncate(triples.len() - 1);
            let expected: fn(f32, f32, f32) -> f32 = $scalar;
            let applies: fn(f32, f32, f32) -> bool = $when;
            let a: Vec<f32> = triples.iter().map(|t| t.0).collect();
            let b: Vec<f32> = triples.iter().map(|t| t.1).collect();
            let c: Vec<f32> = triples.iter().map(|t| t.2).collect();
            for isa in isas() {
                let mut out = vec![f32::NAN; a.len() + 1];
                out[a.len()] = 77.0;
                isa.run(Apply { a: &a, b: &b, c: &c, out: &mut out[..a.len()], op: It });
                assert_eq!(out[a.len()], 77.0, "{isa}: wrote past the end");
                for (i, &(x, y, z)) in triples.iter().enumerate() {
                    if applies(x, y, z) {
                        let want = expected(x, y, z);
                        assert!(same(out[i], want), "{isa}: {x} {y} {z} gave {}, not {want}", out[i]);
                    }
                }
            }
        }
    };
}

check!(add, |s, a, b, c| s.add(a, b), |a, b, _| a + b, |_, _, _| true);
check!(sub, |s, a, b, c| s.sub(a, b), |a, b, _| a - b, |_, _, _| true);
check!(mul, |s, a, b, c| s.mul(a, b), |a, b, _| a * b, |_, _, _| true);
check!(div, |s, a, b, c| s.div(a, b), |a, b, _| a / b, |_, _, _| true);
check!(sqrt, |s, a, b, c| s.sqrt(a), |a, _, _| a.sqrt(), |_, _, _| true);
check!(min, |s, a, b, c| s.min(a, b), |a, b, _| if a < b { a } else { b }, |a, b, _| a != b);
check!(max, |s, a, b, c| s.max(a, b), |a, b, _| if a > b { a } else { b }, |a, b, _| a != b);
check!(abs, |s, a, b, c| s.abs(a), |a, _, _| a.abs(), |_, _, _| true);
check!(copysign, |s, a, b, c| s.copysign(a, b), |a, b, _| a.copysign(b), |_, b, _| !b.is_nan());
check!(round, |s, a, b, c| s.round(a), |a, _, _| a.round_ties_even(), |a, _, _| a.abs() < 4.2e6
    && a.abs() >= 0.5);
check!(
    select_negative,
    |s, a, b, c| s.select_negative(a, b, c),
    |a, b, c| if a < 0.0 { b } else { c },
    |_, _, _| true
);
check!(
    scale,
    |s, a, b, c| s.scale(a, s.round(s.mul(c, s.splat(0.05)))),
    |a, _, c| (f64::from(a) * 2f64.powi((c * 0.05).round_ties_even() as i32)) as f32,
    |a, _, _| a.is_finite()
);
// A product of small integers is exact, so fused and unfused agree.
check!(mul_add, |s, a, b, c| s.mul_add(a, b, c), |a, b, c| a * b + c, |a, b, _| a.abs() <= 3.5
    && b.abs() <= 3.5
    && (a == 0.0 || a.abs() >= 0.5)
    && (b == 0.0 || b.abs() >= 0.5));
check!(neg_mul_add, |s, a, b, c| s.neg_mul_add(a, b, c), |a, b, c| c - a * b, |a, b, _| a.abs() <= 3.5
    && b.abs() <= 3.5
    && (a == 0.0 || a.abs() >= 0.5)
    && (b == 0.0 || b.abs() >= 0.5));

#[test]
fn sum_and_greatest_see_every_lane() {
    struct Fold<'a>(&'a [f32]);
    impl Kernel for Fold<'_> {
        type Output = (f32, f32);
        #[inline(always)]
        fn run<S: Simd>(self, s: S) -> (f32, f32) {
            assert!(self.0.len() >= S::LANES);
            // SAFETY: at least LANES numbers stand there.
            let v = unsafe { s.load(self.0.as_ptr()) };
            (s.sum(v), s.greatest(v))
        }
    }
    for isa in isas() {
        for lane in 0..isa.lanes() {
            let mut values = [-1.0; 16];
            values[lane] = 5.0;
            let (sum, greatest) = isa.run(Fold(&values));
            assert_eq!(sum, 5.0 - (isa.lanes() - 1) as f32, "{isa}");
            assert_eq!(greatest, 5.0, "{isa}");
        }
    }
}
