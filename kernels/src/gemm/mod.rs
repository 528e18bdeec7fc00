//! Large matrix products: `C = A·B` or `C += A·B`, operands transposed at will.
//!
//! Two implementations stand behind [`Gemm`]: the crate `matrixmultiply`, which chooses its instruction set itself, and
//! our own (`own.rs`), which runs on the one it is told. A forced instruction set therefore means the latter; so does AVX-512, where it
//! was measured to be the faster one (benches/README.md).

mod own;

use crate::team::Team;
use crate::{Isa, IsaError};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// A matrix to be read: a slice with strides.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix `[rows, cols]`.
    ///
    /// # Panics
    /// Where the slice has another length.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        // A product that wraps around would let a short slice pass.
        assert_eq!(Some(data.len()), rows.checked_mul(cols), "a matrix [{rows}, {cols}]");
        Matrix { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// Some of its rows.
    fn rows(self, rows: Range<usize>) -> Self {
        Matrix { data: &self.data[rows.start * self.row_stride..], rows: rows.len(), ..self }
    }

    /// The transposed matrix `[cols, rows]` over the same numbers.
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

/// Whether a product replaces what stands in `C` or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Into {
    /// `C = A·B`; what `C` held is never read.
    Overwrite,
    /// `C += A·B`
    Accumulate,
}

/// Room for the packed operands of as many threads as multiply at once: [`Gemm::scratch`] has it all, the default grows.
#[derive(Debug, Default)]
pub struct Scratch {
    waiting: Mutex<Vec<own::Room>>,
}

impl Scratch {
    /// Does `work` in the room of one thread.
    fn with(&self, work: impl FnOnce(&mut own::Room)) {
        let waiting = || self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let room = waiting().pop();
        let mut room = room.unwrap_or_else(own::Room::new);
        work(&mut room);
        waiting().push(room);
    }
}

/// An instruction set, and who does the large products on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gemm {
    isa: Isa,
    own: bool,
}

impl Gemm {
    /// Our own products, on this instruction set.
    pub fn own(isa: Isa) -> Self {
        Gemm { isa, own: true }
    }

    /// Products by `matrixmultiply`; everything else on the fastest instruction set.
    pub fn matrixmultiply() -> Self {
        Gemm { isa: Isa::best(), own: false }
    }

    /// Our own on the instruction set that `HORNPIPE_ISA` forces and on AVX-512, else by `matrixmultiply`.
    ///
    /// # Errors
    /// Where the variable names an instruction set that is unknown or that this machine lacks.
    pub fn detect() -> Result<Self, IsaError> {
        let forced = std::env::var(crate::isa::ISA_VARIABLE).is_ok_and(|name| !name.is_empty());
        let isa = Isa::detect()?;
        Ok(if forced || isa.name() == "avx512" { Gemm::own(isa) } else { Gemm::matrixmultiply() })
    }

    /// The instruction set of all kernels other than `matrixmultiply`'s.
    pub fn isa(self) -> Isa {
        self.isa
    }

    /// All the room that its products on a team of so many members take.
    pub fn scratch(self, members: usize) -> Scratch {
        let rooms = if self.own { members } else { 0 };
        Scratch { waiting: Mutex::new((0..rooms).map(|_| own::Room::new()).collect()) }
    }

    /// `own` or `matrixmultiply`.
    pub fn name(self) -> &'static str {
        if self.own { "own" } else { "matrixmultiply" }
    }

    /// `C [M, N] = A [M, K] · B [K, N]`, or added to it. `c` is row-major; the team splits its rows.
    ///
    /// # Panics
    /// Where the shapes do not fit.
    pub fn multiply(
        self,
        a: Matrix,
        b: Matrix,
        into: Into,
        c: &mut [f32],
        scratch: &Scratch,
        team: &mut Team,
    ) {
        assert_eq!(a.cols, b.rows, "A [M, K] · B [K, N]");
        assert_eq!(Some(c.len()), a.rows.checked_mul(b.cols), "C [M, N]");
        if c.is_empty() {
            return;
        }
        team.split_rows(c, b.cols, a.rows * a.cols * b.cols, &|first, c| {
            self.multiply_rows(a.rows(first..first + c.len() / b.cols), b, into, c, scratch);
        });
    }

    /// What one thread does: the shapes fit.
    fn multiply_rows(self, a: Matrix, b: Matrix, into: Into, c: &mut [f32], scratch: &Scratch) {
        if self.own {
            scratch.with(|room| own::multiply(self.isa, a, b, into, c, room));
        } else {
            let beta = if into == Into::Accumulate { 1.0 } else { 0.0 };
            let stride = |s: usize| isize::try_from(s).expect("a slice is no longer than isize::MAX");
            // SAFETY: each slice holds its matrix whole under its strides (`Matrix::new`, and the assertions
            // above); `c` is borrowed mutably, so it overlaps neither `a` nor `b`; its elements are distinct.
            unsafe {
                matrixmultiply::sgemm(
                    a.rows,
                    a.cols,
                    b.cols,
                    1.0,
                    a.data.as_ptr(),
                    stride(a.row_stride),
                    stride(a.col_stride),
                    b.data.as_ptr(),
                    stride(b.row_stride),
                    stride(b.col_stride),
                    beta,
                    c.as_mut_ptr(),
                    stride(b.cols),
                    1,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fenced, Noise, Unaligned, close, isas};

    #[test]
    fn every_transposition_and_odd_shape_matches_f64() {
        let mut noise = Noise::new(4);
        let mut all: Vec<Gemm> = isas().into_iter().map(Gemm::own).collect();
        all.push(Gemm::matrixmultiply());
        let (scratch, mut team) = (Scratch::default(), Team::new(2));
        // Every number of rows that a group can have, then the edges of blocks.
        let mut shapes: Vec<_> = (1..=17).map(|m| (m, 2 * m + 1, 67 - 3 * m)).collect();
        shapes.extend([(1, 1, 1), (6, 64, 64), (7, 65, 63), (17, 300, 129), (100, 257, 31), (97, 513, 5)]);
        shapes.extend([(13, 2, 600), (192, 3, 1)]);
        for gemm in all {
            for &(m, k, n) in &shapes {
                for case in 0..8 {
                    let (transpose_a, transpose_b, accumulate) = (case & 1 > 0, case & 2 > 0, case & 4 > 0);
                    let a = Unaligned::new(&noise.vec(m * k, 1.0));
                    let b = Unaligned::new(&noise.vec(k * n, 1.0));
                    let view = |data, rows, cols, transpose| {
                        if transpose {
                            Matrix::new(data, cols, rows).t()
                        } else {
                            Matrix::new(data, rows, cols)
                        }
                    };
                    let (a, b) = (view(&a, m, k, transpose_a), view(&b, k, n, transpose_b));
                    let at = |x: Matrix, r: usize, c: usize| {
                        f64::from(x.data[r * x.row_stride + c * x.col_stride])
                    };
                    let before = noise.vec(m * n, 1.0);
                    let want: Vec<f64> = (0..m * n)
                        .map(|at_c| {
                            let (r, c) = (at_c / n, at_c % n);
                            let sum: f64 = (0..k).map(|i| at(a, r, i) * at(b, i, c)).sum();
                            sum + if accumulate { f64::from(before[at_c]) } else { 0.0 }
                        })
                        .collect();
                    let mut c = if accumulate { Fenced::new(&before) } else { Fenced::poisoned(m * n) };
                    let into = if accumulate { Into::Accumulate } else { Into::Overwrite };
                    gemm.multiply(a, b, into, &mut c, &scratch, &mut team);
                    close(&c, &want, 1e-5, 2e-5, &format!("{gemm:?} {m}×{k}×{n} case {case}"));
                }
            }
        }
    }

    #[test]
    fn nothing_times_nothing_is_nothing() {
        for gemm in isas().into_iter().map(Gemm::own).chain([Gemm::matrixmultiply()]) {
            let mut c = [f32::NAN; 6];
            let (a, b) = (Matrix::new(&[], 2, 0), Matrix::new(&[], 0, 3));
            gemm.multiply(a, b, Into::Overwrite, &mut c, &Scratch::default(), &mut Team::alone());
            assert_eq!(c, [0.0; 6], "{gemm:?}");
        }
    }

    /// A size that wraps around would be 0, and the product would read and write beyond the slices.
    #[test]
    fn sizes_do_not_wrap_around() {
        let half = usize::MAX / 2 + 1;
        assert!(std::panic::catch_unwind(|| Matrix::new(&[], half, 2)).is_err());
        let (a, b) = (Matrix::new(&[], half, 0), Matrix::new(&[], 0, 2));
        let product = || {
            Gemm::own(Isa::SCALAR).multiply(
                a,
                b,
                Into::Overwrite,
                &mut [],
                &Scratch::default(),
                &mut Team::alone(),
            )
        };
        assert!(std::panic::catch_unwind(product).is_err());
    }
}
