//! What the machine can do at most: loops that do one thing and nothing else.
//!
//! [`fma`] keeps the multiply-add units busy from registers alone; [`read`], [`copy`] and [`triad`] keep the memory busy
//! (McCalpin's STREAM, 1995). None of them computes anything of use; they are what a kernel's speed is compared with.
//! Whoever measures takes the time and decides on threads.

use crate::Isa;
use crate::simd::{Kernel, Simd, vectors};
use std::hint::black_box;

/// Runs `rounds` of independent multiply-adds in registers and returns how many floating-point operations that was:
/// two for each lane of each multiply-add.
pub fn fma(isa: Isa, rounds: u64) -> f64 {
    isa.run(Fma { rounds })
}

struct Fma {
    rounds: u64,
}

impl Kernel for Fma {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        // Two units of four cycles' latency want 8 accumulators, four of them (large ARM cores) 16; with factor and term
        // they must fit into 16 registers, and 32. Plain Rust is vectorised by the compiler for the build target's
        // baseline, four numbers to a register, here as in the kernels; its product and sum are two instructions.
        const ARM: bool = cfg!(target_arch = "aarch64");
        match (S::LANES, ARM) {
            (1, false) => multiply_add::<S, 48>(s, self.rounds),
            (1, true) => multiply_add::<S, 80>(s, self.rounds),
            (_, false) => multiply_add::<S, 12>(s, self.rounds),
            (_, true) => multiply_add::<S, 20>(s, self.rounds),
        }
    }
}

#[inline(always)]
fn multiply_add<S: Simd, const N: usize>(s: S, rounds: u64) -> f64 {
    // Opaque to the compiler, so that no two chains are merged and none is computed beforehand. Each converges to 1.
    let (factor, term) = (s.splat(black_box(0.999)), s.splat(black_box(0.001)));
    let mut sums = [s.splat(0.0); N];
    for k in 0..N {
        sums[k] = s.splat(black_box(k as f32));
    }
    for _ in 0..rounds {
        for k in 0..N {
            sums[k] = s.mul_add(sums[k], factor, term);
        }
    }
    let mut total = s.splat(0.0);
    for k in 0..N {
        total = s.add(total, sums[k]);
    }
    black_box(s.sum(total));
    (2 * N * S::LANES) as f64 * rounds as f64
}

/// `Σ values`, in vectors: reads 4 bytes a number.
pub fn read(isa: Isa, values: &[f32]) -> f32 {
    isa.run(Read { values })
}

struct Read<'a> {
    values: &'a [f32],
}

impl Kernel for Read<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        // One chain of sums would wait for itself.
        const CHAINS: usize = 8;
        let p = self.values.as_ptr();
        let block = CHAINS * S::LANES;
        let whole = self.values.len() / block * block;
        let mut sums = [s.splat(0.0); CHAINS];
        for at in (0..whole).step_by(block) {
            for k in 0..CHAINS {
                // SAFETY: the block at `at` ends at `whole` or before it, and so within `values`.
                sums[k] = s.add(sums[k], unsafe { s.load(p.add(at + k * S::LANES)) });
            }
        }
        for (at, n) in vectors(s, self.values.len() - whole) {
            // SAFETY: `vectors` stays within the rest of `values` after `whole`.
            sums[0] = s.add(sums[0], unsafe { s.load_first(p.add(whole + at), n) });
        }
        let mut total = sums[0];
        for k in 1..CHAINS {
            total = s.add(total, sums[k]);
        }
        s.sum(total)
    }
}

/// `to[k] = from[k]`: reads 4 bytes a number and writes 4.
///
/// # Panics
/// Where the lengths differ.
pub fn copy(isa: Isa, from: &[f32], to: &mut [f32]) {
    assert_eq!(from.len(), to.len(), "as many numbers here as there");
    isa.run(Copy { from, to });
}

struct Copy<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for Copy<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (from, to) = (self.from.as_ptr(), self.to.as_mut_ptr());
        for (at, n) in vectors(s, self.to.len()) {
            // SAFETY: both slices have this length, and `vectors` stays within it.
            unsafe { s.store_first(to.add(at), s.load_first(from.add(at), n), n) };
        }
    }
}

/// `to[k] = a[k]·factor + b[k]`: reads 8 bytes a number and writes 4.
///
/// # Panics
/// Where the lengths differ.
pub fn triad(isa: Isa, a: &[f32], factor: f32, b: &[f32], to: &mut [f32]) {
    assert!(a.len() == to.len() && b.len() == to.len(), "as many numbers here as there");
    isa.run(Triad { a, factor, b, to });
}

struct Triad<'a> {
    a: &'a [f32],
    factor: f32,
    b: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for Triad<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (a, b, to) = (self.a.as_ptr(), self.b.as_ptr(), self.to.as_mut_ptr());
        let factor = s.splat(self.factor);
        for (at, n) in vectors(s, self.to.len()) {
            // SAFETY: all three slices have this length, and `vectors` stays within it.
            unsafe {
                let sum = s.mul_add(s.load_first(a.add(at), n), factor, s.load_first(b.add(at), n));
                s.store_first(to.add(at), sum, n);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fma_counts_two_for_each_lane() {
        for isa in Isa::available() {
            let one = fma(isa, 1);
            assert!(one >= (2 * 12 * isa.lanes()) as f64, "{isa}: {one}");
            assert_eq!(fma(isa, 1000), 1000.0 * one, "{isa}");
            assert_eq!(fma(isa, 0), 0.0, "{isa}");
        }
    }

    #[test]
    fn memory_loops_do_what_they_say_at_every_length() {
        for isa in Isa::available() {
            for len in (0..40).chain([127, 128, 129, 1000]) {
                // Small integers: exact in any order.
                let a: Vec<f32> = (0..len).map(|k| (k % 7) as f32).collect();
                let b: Vec<f32> = (0..len).map(|k| (k % 5) as f32).collect();
                let sum = (0..len).map(|k| k % 7).sum::<usize>() as f32;
                assert_eq!(read(isa, &a), sum, "{isa} {len}");
                let mut to = vec![f32::NAN; len];
                copy(isa, &a, &mut to);
                assert_eq!(to, a, "{isa} {len}");
                to.fill(f32::NAN);
                triad(isa, &a, 3.0, &b, &mut to);
                let want: Vec<f32> = a.iter().zip(&b).map(|(a, b)| 3.0 * a + b).collect();
                assert_eq!(to, want, "{isa} {len}");
            }
        }
    }
}
