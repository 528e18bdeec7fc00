//! The small vector language in which every kernel is written once.
//!
//! A kernel is a struct that holds its slices and implements [`Kernel`]; its `run` is generic over
//! [`Simd`], so that one algorithm serves AVX-512, AVX2, NEON and plain scalars. An implementor of
//! `Simd` is a token of no size that exists only where the processor has the instructions.
//!
//! Everything here is `#[inline(always)]`: code is compiled for the wider instruction set only where
//! it is inlined into one of the `run_*` functions of [`crate::isa`].

mod scalar;
pub use scalar::Scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;

#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;

/// A piece of work that is written once and compiled for each instruction set.
pub trait Kernel {
    /// What it gives back.
    type Output;

    /// Does the work. Implementations are `#[inline(always)]`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Vectors of f32 and what kernels do with them.
pub trait Simd: Copy {
    /// A register of [`Simd::LANES`] numbers.
    type V: Copy;

    /// Numbers in a register.
    const LANES: usize;

    /// Rows of the register tile in `tile.rs`: as many as keep `4·rows` accumulators, `rows` broadcasts and one
    /// weight vector within the registers there are.
    const TILE_ROWS: usize;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::V;

    /// Reads `LANES` numbers.
    ///
    /// # Safety
    /// `p` must be readable for `LANES` f32. Any alignment of an f32 will do.
    unsafe fn load(self, p: *const f32) -> Self::V;

    /// Writes `LANES` numbers.
    ///
    /// # Safety
    /// `p` must be writable for `LANES` f32. Any alignment of an f32 will do.
    unsafe fn store(self, p: *mut f32, v: Self::V);

    /// Reads the first `n` lanes and sets the others to 0.
    ///
    /// # Safety
    /// `n <= LANES`, and `p` must be readable for `n` f32.
    unsafe fn load_first(self, p: *const f32, n: usize) -> Self::V;

    /// Writes the first `n` lanes and nothing else.
    ///
    /// # Safety
    /// `n <= LANES`, and `p` must be writable for `n` f32.
    unsafe fn store_first(self, p: *mut f32, v: Self::V, n: usize);

    /// Asks for the cache line at `p`, which is to be read or written soon. Any address will do; where there is no instruction
    /// for it, nothing happens.
    fn prefetch(self, p: *const f32) {
        let _ = p;
    }

    /// The same for what is needed later: into the second-level cache.
    fn prefetch_far(self, p: *const f32) {
        let _ = p;
    }

    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a · b + c`, rounded once where the instruction set fuses it (all but scalar).
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a · b`, rounded once where the instruction set fuses it.
    fn neg_mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `√a`, correctly rounded.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// `if a < b { a } else { b }`: where either is NaN, `b`.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// `if a > b { a } else { b }`: where either is NaN, `b`.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `|a|`.
    fn abs(self, a: Self::V) -> Self::V;
    /// `|a|` with the sign of `sign`.
    fn copysign(self, a: Self::V, sign: Self::V) -> Self::V;
    /// The nearest integer, halves to the even one. Asked only for `|a| < 2^22`.
    fn round(self, a: Self::V) -> Self::V;
    /// `if a < 0 { x } else { y }`; where `a` is NaN, `y`.
    fn select_negative(self, a: Self::V, x: Self::V, y: Self::V) -> Self::V;
    /// `a · 2^n` for an integer `n` with `|n| <= 252`, rounded as two factors would be below the normal range. NaN in
    /// `n` gives anything.
    fn scale(self, a: Self::V, n: Self::V) -> Self::V;

    /// The sum of all lanes, in an order that is fixed for the instruction set.
    fn sum(self, a: Self::V) -> f32;
    /// The greatest of all lanes; NaN lanes may be passed over.
    fn greatest(self, a: Self::V) -> f32;
}

/// `2^n` for an integer `n` in `-126..=127`, by writing it into the exponent bits.
#[inline(always)]
pub(crate) fn power_of_two(n: i32) -> f32 {
    f32::from_bits(((n + 127) as u32) << 23)
}

/// `a · 2^n` in two factors, so that results below the normal range and overflow to infinity come out right.
#[inline(always)]
pub(crate) fn scale_in_two(a: f32, n: i32) -> f32 {
    let half = n >> 1;
    a * power_of_two(half) * power_of_two(n - half)
}

/// The vectors that cover `0..len`, as (offset, lanes): full ones, then one for the rest if there is one.
///
/// An iterator and not a function that takes a closure: a closure that is not inlined would be compiled for
/// the baseline, and each intrinsic in it become a call.
#[inline(always)]
pub(crate) fn vectors<S: Simd>(_: S, len: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..len).step_by(S::LANES).map(move |at| (at, S::LANES.min(len - at)))
}

#[cfg(test)]
mod tests;
