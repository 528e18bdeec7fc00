//! What the tests of all kernels share.

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
