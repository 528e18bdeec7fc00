//! Softmax with cross-entropy.

use super::{Settings, word};
use crate::gpu::array::Array;
use crate::gpu::program::{Recorder, Work};
use crate::gpu::shader::Shader;
use std::ops::Range;

/// Rows of logits with their targets.
#[derive(Clone, Debug)]
pub struct CrossEntropy<'a> {
    /// Of `N` rows those that count; sums of the others stay as they are.
    pub rows: Range<usize>,
    /// `N`
    pub all_rows: usize,
    /// `V`
    pub vocabulary: usize,
    /// Holds targets and weights.
    pub inputs: &'a Array<u32>,
    /// Where `targets [N]` begin in it, each below `V`.
    pub targets: usize,
    /// Where `weights [N]` begin in it, as the bits of f32.
    pub weights: usize,
    /// By [`Settings::loss`].
    pub settings: &'a Settings,
    /// `[N, V]`: in, the logits; out, the gradient of the loss where it is asked for.
    pub logits: &'a Array<f32>,
    /// Whether it is.
    pub gradient: bool,
    /// `[2, N]`: each row's loss, then the weight of those whose first greatest logit is the target.
    pub sums: &'a Array<f32>,
}

impl Recorder<'_> {
    /// Losses of rows of logits, and their gradients in place.
    ///
    /// # Panics
    /// Where a length does not fit. Targets are the caller's to check.
    pub fn cross_entropy(&mut self, loss: CrossEntropy) {
        let CrossEntropy { rows, all_rows, vocabulary, inputs, targets, weights, .. } = loss;
        assert!(rows.end <= all_rows && vocabulary > 0, "rows of N");
        assert!(targets.max(weights) + all_rows <= inputs.len(), "targets and weights [N]");
        assert!(all_rows * vocabulary <= loss.logits.len(), "logits [N, V]");
        assert!(2 * all_rows <= loss.sums.len(), "sums [2, N]");
        let arrays = [loss.settings.buffer(), inputs.buffer(), loss.logits.buffer(), loss.sums.buffer()];
        let gradient = usize::from(loss.gradient);
        let immediates = [rows.end, vocabulary, rows.start, targets, weights, gradient, all_rows].map(word);
        let groups = [word(rows.len()).clamp(1, self.gpu.workgroups()), 1];
        let work = Work::numbers(rows.len() * ((1 + gradient) * vocabulary + 4));
        self.dispatch(Shader::CrossEntropy, &arrays, &immediates, groups, work);
    }
}
