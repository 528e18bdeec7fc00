//! What the tests of all kernels share.

use crate::Isa;
use crate::isa::ISA_VARIABLE;
use std::ops::{Deref, DerefMut};

/// What a kernel is tested on: all instruction sets of this machine, or the one that `HORNPIPE_ISA` forces.
pub fn isas() -> Vec<Isa> {
    match std::env::var(ISA_VARIABLE) {
        Ok(name) if !name.is_empty() => {
            vec![Isa::by_name(&name).expect("an instruction set of this machine")]
        }
        _ => Isa::available(),
    }
}

/// Numbers that start 4 bytes after an aligned address, to prove that alignment does not matter. They end where their memory
/// ends, so that a sanitizer sees what is read beyond them.
pub struct Unaligned(Vec<f32>);

impl Unaligned {
    /// A copy of these.
    pub fn new(values: &[f32]) -> Self {
        Unaligned([&[0.0], values].concat())
    }
}

impl Deref for Unaligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0[1..]
    }
}

/// Numbers to be written, which start 4 bytes after an aligned address, between two fences. Fails at its end where anything
/// wrote into a fence.
pub struct Fenced(Vec<f32>);

/// More than the widest register holds.
const FENCE: usize = 33;
const POST: f32 = 77.0;

impl Fenced {
    /// A copy of these.
    pub fn new(values: &[f32]) -> Self {
        Fenced([&[POST; FENCE], values, &[POST; FENCE]].concat())
    }

    /// `len` times NaN, for what is to be overwritten.
    pub fn poisoned(len: usize) -> Self {
        Fenced::new(&vec![f32::NAN; len])
    }
}

impl Deref for Fenced {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0[FENCE..self.0.len() - FENCE]
    }
}

impl DerefMut for Fenced {
    fn deref_mut(&mut self) -> &mut [f32] {
        let end = self.0.len() - FENCE;
        &mut self.0[FENCE..end]
    }
}

impl Drop for Fenced {
    fn drop(&mut self) {
        let (before, after) = (&self.0[..FENCE], &self.0[self.0.len() - FENCE..]);
        let whole = before == [POST; FENCE] && after == [POST; FENCE];
        assert!(whole || std::thread::panicking(), "written outside: {before:?} … {after:?}");
    }
}

/// `out[r, n] = Σ_k x[r, k] · w[n, k]` in f64, `x [M, K]`, `w [N, K]`.
pub fn product(x: &[f32], w: &[f32], depth: usize) -> Vec<f64> {
    let dot = |x: &[f32], w: &[f32]| x.iter().zip(w).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum();
    x.chunks_exact(depth).flat_map(|x| w.chunks_exact(depth).map(move |w| dot(x, w))).collect()
}

/// Numbers that look random and never change: a linear congruential generator (Knuth's MMIX constants).
pub struct Noise(u64);

impl Noise {
    /// A sequence of its own for each seed.
    pub fn new(seed: u64) -> Self {
        Noise(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The next number, uniform in `[-1, 1)`.
    pub fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    /// `len` numbers, uniform in `±scale`.
    pub fn vec(&mut self, len: usize, scale: f32) -> Vec<f32> {
        (0..len).map(|_| self.next() * scale).collect()
    }
}

/// Fails unless `|got - want| <= atol + rtol·|want|` is true everywhere, which it is not for NaN.
#[track_caller]
pub fn close(got: &[f32], want: &[f64], rtol: f64, atol: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}: lengths");
    for (k, (&g, &w)) in got.iter().zip(want).enumerate() {
        let within = (f64::from(g) - w).abs() <= atol + rtol * w.abs();
        assert!(within, "{what}[{k}]: {g} instead of {w}");
    }
}

#[test]
#[should_panic(expected = "instead of")]
fn nan_is_not_close() {
    close(&[f32::NAN], &[0.0], 1.0, 1.0, "x");
}

#[test]
#[should_panic(expected = "written outside")]
fn a_broken_fence_is_seen() {
    let mut fenced = Fenced::poisoned(3);
    fenced.0[FENCE + 3] = 0.0;
}
