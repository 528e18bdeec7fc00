//! Matrix products.

use super::word;
use crate::gpu::array::Array;
use crate::gpu::program::{Recorder, Work};
use crate::gpu::shader::Shader;

/// A matrix in an array, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    pub(super) array: &'a Array<f32>,
    pub(super) at: usize,
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// The row-major matrix `[rows, cols]` that begins at `at`.
    ///
    /// # Panics
    /// Where the array ends before it does.
    pub fn new(array: &'a Array<f32>, at: usize, rows: usize, cols: usize) -> Self {
        let len = rows.checked_mul(cols).and_then(|len| len.checked_add(at));
        assert!(len.is_some_and(|len| len <= array.len()), "a matrix [{rows}, {cols}] at {at}");
        Matrix { array, at, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transposed matrix over the same numbers.
    pub fn t(self) -> Self {
        Matrix {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// `C [M, N] = A [M, K] · B [K, N] (+ bias)`, or added to what `C` holds.
#[derive(Clone, Copy, Debug)]
pub struct Gemm<'a> {
    /// `A [M, K]`
    pub a: Matrix<'a>,
    /// `B [K, N]`
    pub b: Matrix<'a>,
    /// An array, and where in it the `N` numbers begin that are added to each row.
    pub bias: Option<(&'a Array<f32>, usize)>,
    /// Whether `C` is added to, not overwritten.
    pub accumulate: bool,
    /// The array of `C`, row-major, and where it begins.
    pub c: (&'a Array<f32>, usize),
}

impl Recorder<'_> {
    /// A product.
    ///
    /// # Panics
    /// Where shapes or lengths do not fit.
    pub fn gemm(&mut self, gemm: Gemm) {
        let Gemm { a, b, bias, accumulate, c: (c, c_at) } = gemm;
        let (m, n, k) = (a.rows, b.cols, a.cols);
        assert_eq!(k, b.rows, "A [M, K] · B [K, N]");
        assert!(c_at + m * n <= c.len(), "C [M, N]");
        assert!(bias.is_none_or(|(bias, at)| at + n <= bias.len()), "bias [N]");
        // Large tiles read less; small ones make enough workgroups to fill a device.
        let tiles = |side: usize| m.div_ceil(side) * n.div_ceil(side);
        let (shader, side) = if tiles(64) >= 256 { (Shader::GemmLarge, 64) } else { (Shader::GemmSmall, 32) };
        let flags = u32::from(bias.is_some()) | u32::from(accumulate) << 1;
        let (bias, bias_at) = bias.unwrap_or((b.array, 0));
        let most = self.gpu.workgroups() as usize;
        assert!(n.div_ceil(side) <= most, "{n} columns");
        // As many rows as a dispatch may have.
        for first in (0..m).step_by(side * most) {
            let rows = (m - first).min(side * most);
            let shape = [
                rows,
                n,
                k,
                a.at + first * a.row_stride,
                a.row_stride,
                a.col_stride,
                b.at,
                b.row_stride,
                b.col_stride,
                bias_at,
                c_at + first * n,
            ];
            let mut immediates = shape.map(word).to_vec();
            immediates.push(flags);
            let arrays = [a.array.buffer(), b.array.buffer(), bias.buffer(), c.buffer()];
            let groups = [n.div_ceil(side), rows.div_ceil(side)].map(word);
            let work = Work::Operations(2.0 * rows as f64 * n as f64 * k as f64);
            self.dispatch(shader, &arrays, &immediates, groups, work);
        }
    }
}
