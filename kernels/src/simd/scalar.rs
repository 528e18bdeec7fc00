//! One number at a time, in plain Rust: what the other instruction sets are compared with.

use super::{Simd, scale_in_two};

/// The token of the scalar instruction set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Scalar;

impl Simd for Scalar {
    type V = f32;
    const LANES: usize = 1;
    const TILE_ROWS: usize = 3;

    #[inline(always)]
    fn splat(self, x: f32) -> f32 {
        x
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> f32 {
        // SAFETY: the caller says that `p` is readable for one f32.
        unsafe { p.read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: f32) {
        // SAFETY: the caller says that `p` is writable for one f32.
        unsafe { p.write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> f32 {
        if n == 0 {
            return 0.0;
        }
        // SAFETY: the caller says that `p` is readable for `n` f32, and `n` is 1.
        unsafe { p.read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: f32, n: usize) {
        if n > 0 {
            // SAFETY: the caller says that `p` is writable for `n` f32, and `n` is 1.
            unsafe { p.write_unaligned(v) }
        }
    }
    #[inline(always)]
    fn add(self, a: f32, b: f32) -> f32 {
        a + b
    }
    #[inline(always)]
    fn sub(self, a: f32, b: f32) -> f32 {
        a - b
    }
    #[inline(always)]
    fn mul(self, a: f32, b: f32) -> f32 {
        a * b
    }
    #[inline(always)]
    fn div(self, a: f32, b: f32) -> f32 {
        a / b
    }
    #[inline(always)]
    fn mul_add(self, a: f32, b: f32, c: f32) -> f32 {
        // Not `f32::mul_add`: without the instruction that is a slow library call.
        a * b + c
    }
    #[inline(always)]
    fn neg_mul_add(self, a: f32, b: f32, c: f32) -> f32 {
        c - a * b
    }
    #[inline(always)]
    fn sqrt(self, a: f32) -> f32 {
        a.sqrt()
    }
    #[inline(always)]
    fn min(self, a: f32, b: f32) -> f32 {
        if a < b { a } else { b }
    }
    #[inline(always)]
    fn max(self, a: f32, b: f32) -> f32 {
        if a > b { a } else { b }
    }
    #[inline(always)]
    fn abs(self, a: f32) -> f32 {
        a.abs()
    }
    #[inline(always)]
    fn copysign(self, a: f32, sign: f32) -> f32 {
        a.copysign(sign)
    }
    #[inline(always)]
    fn round(self, a: f32) -> f32 {
        // Adding 1.5·2^23 leaves no bits for a fraction; the hardware rounds it off, halves to even.
        const SHIFT: f32 = 12_582_912.0;
        (a + SHIFT) - SHIFT
    }
    #[inline(always)]
    fn select_negative(self, a: f32, x: f32, y: f32) -> f32 {
        if a < 0.0 { x } else { y }
    }
    #[inline(always)]
    fn scale(self, a: f32, n: f32) -> f32 {
        scale_in_two(a, n as i32)
    }
    #[inline(always)]
    fn sum(self, a: f32) -> f32 {
        a
    }
    #[inline(always)]
    fn greatest(self, a: f32) -> f32 {
        a
    }
}
