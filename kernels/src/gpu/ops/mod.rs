//! The operations: checks of lengths, immediate data and workgroups for each shader.

mod embedding;
mod loss;
mod lstm;
mod peak;
mod products;
mod settings;
mod sums;
mod update;

pub use embedding::sort_places;
pub use loss::CrossEntropy;
pub use lstm::LstmSequence;
pub use peak::CHAINS;
pub use products::{Gemm, Matrix};
pub use settings::Settings;
pub use sums::SUMS;

use super::program::Recorder;

/// Lengths and places are u32 on the device; no array has as many numbers.
fn word(n: usize) -> u32 {
    u32::try_from(n).expect("an array of fewer than 2^32 numbers")
}

impl Recorder<'_> {
    /// Workgroups of 256 for `count` numbers; each goes on where there are more.
    fn groups(&self, count: usize) -> [u32; 2] {
        [word(count.div_ceil(256)).clamp(1, self.gpu.workgroups()), 1]
    }
}
