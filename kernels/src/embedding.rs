//! Rows of a table by number: what an embedding does forward, and its gradient.

use crate::Isa;
use crate::buffer::LINE;
use crate::simd::{Kernel, Simd, vectors};
use crate::team::{Output, Team};
use std::ops::Range;

/// `out[n] = table[index[n]]`, rows of `width`: `table [V, width]`, `out [N, width]`. The team splits the rows.
///
/// # Panics
/// Where a length does not fit or an index is not below `V`.
pub fn gather(isa: Isa, width: usize, table: &[f32], index: &[u32], out: &mut [f32], team: &mut Team) {
    check(width, table, index, out);
    team.split_rows(out, width, index.len() * width, &|first, out| {
        isa.run(Gather { width, table, index: &index[first..], out });
    });
}

/// `table[index[n]] += rows[n]` in the order of `n`: the gradient of [`gather`]. The team splits the columns.
///
/// # Panics
/// As [`gather`].
pub fn scatter_add(isa: Isa, width: usize, rows: &[f32], index: &[u32], table: &mut [f32], team: &mut Team) {
    check(width, table, index, rows);
    let table = Output::new(table);
    // No two members write to one cache line.
    team.split(width.div_ceil(LINE), index.len() * width, &|lines| {
        let columns = lines.start * LINE..width.min(lines.end * LINE);
        isa.run(ScatterAdd { width, rows, index, table, columns });
    });
}

fn check(width: usize, table: &[f32], index: &[u32], rows: &[f32]) {
    assert!(width > 0 && table.len().is_multiple_of(width), "table [V, width]");
    assert_eq!(Some(rows.len()), index.len().checked_mul(width), "rows [N, width]");
    let entries = table.len() / width;
    assert!(index.iter().all(|&at| (at as usize) < entries), "an index below V = {entries}");
}

struct Gather<'a> {
    width: usize,
    table: &'a [f32],
    index: &'a [u32],
    out: &'a mut [f32],
}

impl Kernel for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Gather { width, table, index, out } = self;
        for (to, &entry) in out.chunks_exact_mut(width).zip(index) {
            let (from, to) = (table[entry as usize * width..][..width].as_ptr(), to.as_mut_ptr());
            for (at, lanes) in vectors(s, width) {
                // SAFETY: both rows have `width` numbers, and `vectors` stays within it.
                unsafe { s.store_first(to.add(at), s.load_first(from.add(at), lanes), lanes) };
            }
        }
    }
}

struct ScatterAdd<'a> {
    width: usize,
    rows: &'a [f32],
    index: &'a [u32],
    table: Output,
    columns: Range<usize>,
}

impl Kernel for ScatterAdd<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let ScatterAdd { width, rows, index, table, columns } = self;
        for (row, &entry) in rows.chunks_exact(width).zip(index) {
            let from = row[columns.clone()].as_ptr();
            let to = table.at(entry as usize * width + columns.start);
            for (at, lanes) in vectors(s, columns.len()) {
                // SAFETY: `check` saw that this row of the table has `width` numbers; no other member of the team has
                // these columns.
                unsafe {
                    let sum = s.add(s.load_first(to.add(at), lanes), s.load_first(from.add(at), lanes));
                    s.store_first(to.add(at), sum, lanes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fenced, Noise, Unaligned, isas};

    #[test]
    fn rows_are_copied_and_their_gradients_added_in_order() {
        let (mut noise, mut team) = (Noise::new(21), Team::new(2));
        for isa in isas() {
            for width in [1, 3, 15, 16, 17, 64, 131] {
                for n in 0..=17 {
                    let entries = 5;
                    let index: Vec<u32> = (0..n).map(|k| (k * k + 1) % entries).collect();
                    let table = Unaligned::new(&noise.vec(entries as usize * width, 1.0));
                    let row = |k: u32| k as usize * width..(k as usize + 1) * width;

                    let mut out = Fenced::poisoned(index.len() * width);
                    gather(isa, width, &table, &index, &mut out, &mut team);
                    for (k, &at) in index.iter().enumerate() {
                        assert_eq!(out[row(k as u32)], table[row(at)], "{isa} width {width} N {n}");
                    }

                    let rows = Unaligned::new(&noise.vec(index.len() * width, 1.0));
                    let mut want = table.to_vec();
                    for (k, &at) in index.iter().enumerate() {
                        want[row(at)].iter_mut().zip(&rows[row(k as u32)]).for_each(|(sum, x)| *sum += x);
                    }
                    let mut got = Fenced::new(&table);
                    scatter_add(isa, width, &rows, &index, &mut got, &mut team);
                    assert_eq!(&got[..], &want[..], "{isa} width {width} N {n}");
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "an index below V")]
    fn an_index_beyond_the_table_is_refused() {
        gather(Isa::SCALAR, 2, &[0.0; 6], &[3], &mut [0.0; 2], &mut Team::alone());
    }
}
