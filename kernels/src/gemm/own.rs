//! Our own product, around the register tile that the LSTM steps use.
//!
//! ```text
//! for columns of C, COLUMNS at a time:
//!     for the summed index, DEPTH at a time:
//!         pack B[depth, columns] into panels
//!         for rows of C, ROWS at a time:
//!             pack A[rows, depth], the summed index outside, unless A's rows are contiguous
//!             for each panel:
//!                 for each group of rows:
//!                     tile (registers)
//! ```

use super::{Into, Matrix};
use crate::simd::{Kernel, Simd, vectors};
use crate::tile::{PANEL_VECTORS, Rows, groups, multiply as tile, with_rows};
use crate::{Buffer, Isa};

/// A block of B, `DEPTH × COLUMNS`, takes 512 KiB: half of a second-level cache of today.
const COLUMNS: usize = 512;
const DEPTH: usize = 256;
/// A block of A, `ROWS × DEPTH`, takes 96 KiB.
const ROWS: usize = 96;

/// Room for the packed operands of one thread.
#[derive(Debug)]
pub(super) struct Room {
    a: Buffer,
    b: Buffer,
}

impl Room {
    pub fn new() -> Self {
        Room { a: Buffer::zeros(ROWS * DEPTH), b: Buffer::zeros(DEPTH * COLUMNS) }
    }
}

pub(super) fn multiply(isa: Isa, a: Matrix, b: Matrix, into: Into, c: &mut [f32], room: &mut Room) {
    if a.cols == 0 {
        if into == Into::Overwrite {
            c.fill(0.0);
        }
        return;
    }
    isa.run(Multiply { a, b, into, c, room });
}

struct Multiply<'a> {
    a: Matrix<'a>,
    b: Matrix<'a>,
    into: Into,
    c: &'a mut [f32],
    room: &'a mut Room,
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Multiply { a, b, into, c, room } = self;
        let width = PANEL_VECTORS * S::LANES;
        for column in (0..b.cols).step_by(COLUMNS) {
            let columns = COLUMNS.min(b.cols - column);
            for k in (0..a.cols).step_by(DEPTH) {
                let depth = DEPTH.min(a.cols - k);
                pack_b(s, b, k, depth, column, columns, &mut room.b);
                for row in (0..a.rows).step_by(ROWS) {
                    let rows = ROWS.min(a.rows - row);
                    let packed = a.col_stride != 1;
                    if packed {
                        pack_a(s, a, row, rows, k, depth, &mut room.a);
                    }
                    for (p, panel) in
                        room.b.chunks_exact(depth * width).take(columns.div_ceil(width)).enumerate()
                    {
                        let first_column = column + p * width;
                        for (first, n) in groups(s, rows) {
                            let at = (row + first) * a.row_stride + k;
                            let job = Job {
                                a: if packed {
                                    Rows { first: room.a[first..].as_ptr(), row_stride: 1, col_stride: rows }
                                } else {
                                    Rows {
                                        first: a.data[at..].as_ptr(),
                                        row_stride: a.row_stride,
                                        col_stride: 1,
                                    }
                                },
                                depth,
                                panel: panel.as_ptr(),
                                c: c[(row + first) * b.cols + first_column..].as_mut_ptr(),
                                c_stride: b.cols,
                                columns: width.min(b.cols - first_column),
                                add: k > 0 || into == Into::Accumulate,
                            };
                            // SAFETY: rows `row + first..+ n` and `columns` columns lie within C, `depth` numbers
                            // of those rows within A or its packed copy, and the panel is whole.
                            unsafe { with_rows!(n, S, group(s, job)) }
                        }
                    }
                }
            }
        }
    }
}

/// Panels `[depth, width]` of `b[k.., column..]`; columns beyond the block are left as they are and never stored.
#[inline(always)]
fn pack_b<S: Simd>(s: S, b: Matrix, k: usize, depth: usize, column: usize, columns: usize, to: &mut [f32]) {
    let width = PANEL_VECTORS * S::LANES;
    for (p, panel) in to.chunks_exact_mut(depth * width).take(columns.div_ceil(width)).enumerate() {
        let first = column + p * width;
        let n = width.min(column + columns - first);
        for (i, row) in panel.chunks_exact_mut(width).enumerate() {
            gather(s, b.data, (k + i) * b.row_stride + first * b.col_stride, b.col_stride, &mut row[..n]);
        }
    }
}

/// `[depth, rows]` of `a[row.., k..]`: where A is transposed, each step of the summed index is one contiguous copy.
#[inline(always)]
fn pack_a<S: Simd>(s: S, a: Matrix, row: usize, rows: usize, k: usize, depth: usize, to: &mut [f32]) {
    for (i, to) in to.chunks_exact_mut(rows).take(depth).enumerate() {
        gather(s, a.data, row * a.row_stride + (k + i) * a.col_stride, a.row_stride, to);
    }
}

/// `to[j] = from[start + j·stride]`. Short runs, so vectors and not a call of `memcpy` for each.
#[inline(always)]
fn gather<S: Simd>(s: S, from: &[f32], start: usize, stride: usize, to: &mut [f32]) {
    if stride == 1 {
        let from = &from[start..start + to.len()];
        for (at, n) in vectors(s, to.len()) {
            // SAFETY: both slices have the length of `to`, and `vectors` stays within it.
            unsafe { s.store_first(to.as_mut_ptr().add(at), s.load_first(from.as_ptr().add(at), n), n) };
        }
    } else {
        for (j, x) in to.iter_mut().enumerate() {
            *x = from[start + j * stride];
        }
    }
}

/// One group of rows times one panel.
struct Job {
    a: Rows,
    depth: usize,
    panel: *const f32,
    c: *mut f32,
    c_stride: usize,
    columns: usize,
    add: bool,
}

/// # Safety
/// The pointers of `job` must be good for `R` rows, `depth` and `columns`, which is at most a panel's width.
#[inline(always)]
unsafe fn group<S: Simd, const R: usize>(s: S, job: Job) {
    let lanes_of = |v: usize| job.columns.saturating_sub(v * S::LANES).min(S::LANES);
    let mut acc = [[s.splat(0.0); PANEL_VECTORS]; R];
    // The tile of C is needed at the end; it is fetched while the product runs.
    for r in 0..R {
        for v in 0..PANEL_VECTORS {
            s.prefetch(job.c.wrapping_add(r * job.c_stride + v * S::LANES));
        }
    }
    // SAFETY: the caller vouches for the rows of A and the panel.
    unsafe { tile::<S, R>(s, job.a, job.depth, job.panel, None, &mut acc) };
    for (r, sums) in acc.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            // SAFETY: `columns` numbers of row `r` of C are there; no lane beyond them is touched.
            unsafe {
                let p = job.c.wrapping_add(r * job.c_stride + v * S::LANES);
                let sum = if job.add { s.add(sum, s.load_first(p, lanes_of(v))) } else { sum };
                s.store_first(p, sum, lanes_of(v));
            }
        }
    }
}
