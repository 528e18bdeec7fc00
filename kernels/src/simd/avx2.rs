//! AVX2 with FMA: 8 numbers in each of 16 registers.

use super::Simd;
use std::arch::x86_64::*;

macro_rules! intrinsic {
    ($call:expr) => {
        // SAFETY: `self` exists, so `Avx2::new` saw AVX2 and FMA.
        unsafe { $call }
    };
}

/// The token of AVX2 and FMA.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Avx2(());

impl Avx2 {
    /// The token, where this processor has the instructions.
    pub fn new() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Avx2(()))
    }

    /// All bits set in the lanes below `n`.
    #[inline(always)]
    fn first(self, n: usize) -> __m256i {
        let lanes = intrinsic!(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        intrinsic!(_mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), lanes))
    }

    /// Only the sign bits.
    #[inline(always)]
    fn sign_mask(self) -> __m256 {
        intrinsic!(_mm256_set1_ps(-0.0))
    }
}

impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;
    const TILE_ROWS: usize = 3;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        intrinsic!(_mm256_set1_ps(x))
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        // SAFETY: the token proves AVX; the caller says that 8 f32 are readable.
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m256) {
        // SAFETY: the token proves AVX; the caller says that 8 f32 are writable.
        unsafe { _mm256_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> __m256 {
        if n == Self::LANES {
            // SAFETY: the caller says that `n` f32 are readable.
            return unsafe { self.load(p) };
        }
        // SAFETY: as above; masked lanes are not touched, and `n` f32 are readable.
        unsafe { _mm256_maskload_ps(p, self.first(n)) }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: __m256, n: usize) {
        if n == Self::LANES {
            // SAFETY: the caller says that `n` f32 are writable.
            return unsafe { self.store(p, v) };
        }
        // SAFETY: as above; masked lanes are not touched, and `n` f32 are writable.
        unsafe { _mm256_maskstore_ps(p, self.first(n), v) }
    }
    #[inline(always)]
    fn prefetch(self, p: *const f32) {
        intrinsic!(_mm_prefetch::<_MM_HINT_T0>(p.cast()))
    }
    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        intrinsic!(_mm256_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        intrinsic!(_mm256_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        intrinsic!(_mm256_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        intrinsic!(_mm256_div_ps(a, b))
    }
    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        intrinsic!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn neg_mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        intrinsic!(_mm256_fnmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        intrinsic!(_mm256_sqrt_ps(a))
    }
    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        intrinsic!(_mm256_min_ps(a, b))
    }
    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        intrinsic!(_mm256_max_ps(a, b))
    }
    #[inline(always)]
    fn abs(self, a: __m256) -> __m256 {
        intrinsic!(_mm256_andnot_ps(self.sign_mask(), a))
    }
    #[inline(always)]
    fn copysign(self, a: __m256, sign: __m256) -> __m256 {
        intrinsic!(_mm256_or_ps(_mm256_andnot_ps(self.sign_mask(), a), _mm256_and_ps(self.sign_mask(), sign)))
    }
    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        intrinsic!(_mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a))
    }
    #[inline(always)]
    fn select_negative(self, a: __m256, x: __m256, y: __m256) -> __m256 {
        intrinsic!(_mm256_blendv_ps(y, x, _mm256_cmp_ps::<_CMP_LT_OQ>(a, _mm256_setzero_ps())))
    }
    #[inline(always)]
    fn scale(self, a: __m256, n: __m256) -> __m256 {
        // The vector form of `scale_in_two`.
        intrinsic!({
            let n = _mm256_cvtps_epi32(n);
            let half = _mm256_srai_epi32::<1>(n);
            let bias = _mm256_set1_epi32(127);
            let power = |n| _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(n, bias)));
            _mm256_mul_ps(_mm256_mul_ps(a, power(half)), power(_mm256_sub_epi32(n, half)))
        })
    }
    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        intrinsic!({
            let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        })
    }
    #[inline(always)]
    fn greatest(self, a: __m256) -> f32 {
        intrinsic!({
            let four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
        })
    }
}
