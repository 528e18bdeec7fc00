//! What a device does at most.

use super::word;
use crate::gpu::array::Array;
use crate::gpu::program::{Recorder, Work};
use crate::gpu::shader::Shader;

/// As many numbers of `out` keep the largest devices busy with [`Recorder::multiply_adds`].
pub const CHAINS: usize = 256 * 2048;

impl Recorder<'_> {
    /// Nothing but multiply-adds in registers, `rounds` times 16 of them in 32 chains for each number of `out [K]`: `x <- 0.75 x + 0.25`,
    /// where `K` is a multiple of 256. A dispatch of no rounds is as empty as one can be that the next one must wait for.
    /// Gives the number of floating-point operations.
    ///
    /// # Panics
    /// Where `K` is no such number, or too large.
    pub fn multiply_adds(&mut self, rounds: usize, out: &Array<f32>) -> f64 {
        assert!(out.len().is_multiple_of(256) && !out.is_empty(), "256 numbers for each workgroup");
        let immediates = [word(rounds), 0.75f32.to_bits(), 0.25f32.to_bits()];
        let operations = (2 * 16 * 32) as f64 * rounds as f64 * out.len() as f64;
        let (groups, work) = ([word(out.len() / 256), 1], Work::Operations(operations));
        self.dispatch(Shader::Peak, &[out.buffer()], &immediates, groups, work);
        operations
    }
}
