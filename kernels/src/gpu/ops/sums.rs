//! Sums of columns and of whole arrays.

use super::{Matrix, word};
use crate::gpu::array::Array;
use crate::gpu::program::{Recorder, Work};
use crate::gpu::shader::Shader;
use std::ops::Range;

/// Parts of a sum: as many workgroups add, then one adds up what they have.
pub const SUMS: usize = 64;

impl Recorder<'_> {
    /// `sums[at + n] = Σ_r matrix[r, n]`: the gradient of a bias.
    ///
    /// # Panics
    /// Where the matrix is a transposed one, or a length does not fit.
    pub fn column_sums(&mut self, matrix: Matrix, (sums, at): (&Array<f32>, usize)) {
        let Matrix { array, at: rows_at, rows, cols, row_stride, .. } = matrix;
        assert!(row_stride == cols && at + cols <= sums.len(), "a row-major matrix [R, N], sums [N]");
        let arrays = [array.buffer(), sums.buffer()];
        let groups = [word(cols.div_ceil(32)), 1];
        let work = Work::numbers((rows + 1) * cols);
        self.dispatch(Shader::ColumnSums, &arrays, &[rows, cols, rows_at, at].map(word), groups, work);
    }

    /// The sum of `values[range]`, or of their squares, to `to.1` in `to.0`. `parts` has room for [`SUMS`] numbers and holds nothing after.
    ///
    /// # Panics
    /// Where a length does not fit.
    pub fn sum(
        &mut self,
        values: &Array<f32>,
        range: Range<usize>,
        squares: bool,
        parts: &Array<f32>,
        (to, at): (&Array<f32>, usize),
    ) {
        assert!(range.end <= values.len(), "a range within the array");
        assert!(SUMS <= parts.len() && at < to.len(), "room for parts and sum");
        let immediates = [range.len(), range.start, 0, usize::from(squares)].map(word);
        let (arrays, work) = ([values.buffer(), parts.buffer()], Work::numbers(range.len() + SUMS));
        self.dispatch(Shader::Sum, &arrays, &immediates, [word(SUMS), 1], work);
        let immediates = [SUMS, 0, at, 0].map(word);
        let (arrays, work) = ([parts.buffer(), to.buffer()], Work::numbers(SUMS + 1));
        self.dispatch(Shader::Sum, &arrays, &immediates, [1, 1], work);
    }
}
