//! NEON: 4 numbers in each of 32 registers.

use super::Simd;
use std::arch::aarch64::*;

/// The token of NEON.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Neon(());

impl Neon {
    /// The token. NEON is part of the 64-bit Arm baseline; a target without it does not get one.
    pub fn new() -> Option<Self> {
        cfg!(target_feature = "neon").then_some(Neon(()))
    }
}

macro_rules! intrinsic {
    ($call:expr) => {
        // SAFETY: `self` exists, so `Neon::new` saw NEON.
        unsafe { $call }
    };
}

impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;
    const TILE_ROWS: usize = 6;

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        intrinsic!(vdupq_n_f32(x))
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> float32x4_t {
        // SAFETY: the token proves NEON; the caller says that 4 f32 are readable.
        unsafe { vld1q_f32(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: float32x4_t) {
        // SAFETY: the token proves NEON; the caller says that 4 f32 are writable.
        unsafe { vst1q_f32(p, v) }
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> float32x4_t {
        if n == Self::LANES {
            // SAFETY: the caller says that `n` f32 are readable.
            return unsafe { self.load(p) };
        }
        let mut lanes = [0.0; 4];
        // SAFETY: the caller says that `n <= 4` f32 are readable at `p`; `lanes` has room for 4.
        unsafe {
            std::ptr::copy_nonoverlapping(p, lanes.as_mut_ptr(), n);
            vld1q_f32(lanes.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: float32x4_t, n: usize) {
        if n == Self::LANES {
            // SAFETY: the caller says that `n` f32 are writable.
            return unsafe { self.store(p, v) };
        }
        let mut lanes = [0.0; 4];
        // SAFETY: the caller says that `n <= 4` f32 are writable at `p`; `lanes` has room for 4.
        unsafe {
            vst1q_f32(lanes.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), p, n);
        }
    }
    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vaddq_f32(a, b))
    }
    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vsubq_f32(a, b))
    }
    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vmulq_f32(a, b))
    }
    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vdivq_f32(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        intrinsic!(vfmaq_f32(c, a, b))
    }
    #[inline(always)]
    fn neg_mul_add(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        intrinsic!(vfmsq_f32(c, a, b))
    }
    #[inline(always)]
    fn sqrt(self, a: float32x4_t) -> float32x4_t {
        intrinsic!(vsqrtq_f32(a))
    }
    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vbslq_f32(vcltq_f32(a, b), a, b))
    }
    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        intrinsic!(vbslq_f32(vcgtq_f32(a, b), a, b))
    }
    #[inline(always)]
    fn abs(self, a: float32x4_t) -> float32x4_t {
        intrinsic!(vabsq_f32(a))
    }
    #[inline(always)]
    fn copysign(self, a: float32x4_t, sign: float32x4_t) -> float32x4_t {
        intrinsic!(vbslq_f32(vdupq_n_u32(1 << 31), sign, a))
    }
    #[inline(always)]
    fn round(self, a: float32x4_t) -> float32x4_t {
        intrinsic!(vrndnq_f32(a))
    }
    #[inline(always)]
    fn select_negative(self, a: float32x4_t, x: float32x4_t, y: float32x4_t) -> float32x4_t {
        intrinsic!(vbslq_f32(vcltzq_f32(a), x, y))
    }
    #[inline(always)]
    fn scale(self, a: float32x4_t, n: float32x4_t) -> float32x4_t {
        // The vector form of `scale_in_two`.
        intrinsic!({
            let n = vcvtq_s32_f32(n);
            let half = vshrq_n_s32::<1>(n);
            let power = |n| vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(n, vdupq_n_s32(127))));
            vmulq_f32(vmulq_f32(a, power(half)), power(vsubq_s32(n, half)))
        })
    }
    #[inline(always)]
    fn sum(self, a: float32x4_t) -> f32 {
        intrinsic!(vaddvq_f32(a))
    }
    #[inline(always)]
    fn greatest(self, a: float32x4_t) -> f32 {
        intrinsic!(vmaxnmvq_f32(a))
    }
}
