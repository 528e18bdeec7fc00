//! The register tile: the innermost loop of every product whose weights are packed.
//!
//! A **panel** holds, for each `k` of the summed index, the weights of `4·LANES` outputs side by side:
//! four vectors. The tile multiplies `R` rows by one panel and keeps its `R × 4` accumulators in registers:
//!
//! ```text
//! for k in 0..K:
//!     a[r] = rows[r][k] for each r           (R broadcasts)
//!     for v in 0..4:
//!         w = panel[k][v]                    (a load)
//!         acc[r][v] += a[r] · w for each r   (R fused multiply-adds)
//! ```
//!
//! With 6 rows on AVX-512 that is 24 multiply-adds for 10 loads. In an LSTM the four vectors are the four gates of
//! `LANES` hidden units, so that the gate maths finds all it needs in registers.

use crate::buffer::LINE;
use crate::simd::Simd;

/// Vectors side by side in a panel: the four gates of an LSTM.
pub const PANEL_VECTORS: usize = 4;

/// Rows of a matrix that a tile reads: element `(r, k)` stands at `first + r·row_stride + k·col_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub first: *const f32,
    pub row_stride: usize,
    pub col_stride: usize,
}

/// What to fetch into the second-level cache while a tile runs, a cache line for each `k`: a part of the panel that comes next. Without it
/// each panel comes from further away for its first group of rows, page by page, since processors look ahead no further than a page. Tiles
/// of fewer than 4 rows, which are all but those of AVX-512, fetch nothing.
#[derive(Clone, Copy)]
pub(crate) struct Ahead {
    first: *const f32,
    step: usize,
}

impl Ahead {
    /// The part that group `group` of the rows fetches: as many groups as a panel has lines for each `k` fetch all of it, fewer
    /// a part.
    #[inline(always)]
    pub fn part<S: Simd>(_: S, next_panel: &[f32], depth: usize, group: usize) -> Self {
        let parts = PANEL_VECTORS * S::LANES / LINE;
        let step = if group < parts { LINE } else { 0 };
        Ahead { first: next_panel.as_ptr().wrapping_add(depth * step * group), step }
    }
}

/// `acc[r][v] += Σ_k rows[r, k] · panel[k, v]` for `k` in `0..depth`, summed in the order of `k`.
///
/// # Safety
/// `rows` must be readable for `R × depth` elements, and `panel` for `depth·4·LANES` f32.
#[inline(always)]
pub(crate) unsafe fn multiply<S: Simd, const R: usize>(
    s: S,
    rows: Rows,
    depth: usize,
    panel: *const f32,
    ahead: Option<Ahead>,
    acc: &mut [[S::V; PANEL_VECTORS]; R],
) {
    let mut a: [*const f32; R] = std::array::from_fn(|r| rows.first.wrapping_add(r * rows.row_stride));
    let mut w = panel;
    let mut ahead = ahead;
    // A local copy, so that the accumulators are registers and not memory behind a reference.
    let mut sums = *acc;
    for _ in 0..depth {
        // SAFETY: `w` and `a` advance once per `k` and stay within what the caller vouches for.
        unsafe {
            let mut x = [s.splat(0.0); R];
            for r in 0..R {
                x[r] = s.splat(*a[r]);
                a[r] = a[r].wrapping_add(rows.col_stride);
            }
            for v in 0..PANEL_VECTORS {
                let weight = s.load(w.add(v * S::LANES));
                for r in 0..R {
                    sums[r][v] = s.mul_add(x[r], weight, sums[r][v]);
                }
            }
        }
        w = w.wrapping_add(PANEL_VECTORS * S::LANES);
        // With fewer rows the loop is all loads, and has no time for one more.
        if R >= 4
            && let Some(Ahead { first, step }) = &mut ahead
        {
            s.prefetch_far(*first);
            *first = first.wrapping_add(*step);
        }
    }
    *acc = sums;
}

/// Cuts `rows` into groups of at most [`Simd::TILE_ROWS`] that are as equal as can be, as (first row, rows):
/// 8 rows become 4 and 4, not 6 and 2. An iterator for the reason that [`crate::simd::vectors`] gives.
#[inline(always)]
pub(crate) fn groups<S: Simd>(_: S, rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let count = rows.div_ceil(S::TILE_ROWS);
    (0..count).map(move |group| {
        let first = group * rows / count;
        (first, (group + 1) * rows / count - first)
    })
}

/// Calls `$function::<S, R>($arguments)` with the constant `R` that equals `$rows`, at most `S::TILE_ROWS`.
macro_rules! with_rows {
    ($rows:expr, $s:ty, $function:ident($($argument:expr),* $(,)?)) => {
        match $rows {
            1 => $function::<$s, 1>($($argument),*),
            2 => $function::<$s, 2>($($argument),*),
            3 => $function::<$s, 3>($($argument),*),
            4 if <$s>::TILE_ROWS >= 4 => $function::<$s, 4>($($argument),*),
            5 if <$s>::TILE_ROWS >= 5 => $function::<$s, 5>($($argument),*),
            6 if <$s>::TILE_ROWS >= 6 => $function::<$s, 6>($($argument),*),
            other => unreachable!("a group of {other} rows"),
        }
    };
}
pub(crate) use with_rows;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{simd::Kernel, testing::isas};

    #[test]
    fn groups_are_even_and_cover_every_row_once() {
        struct Groups(usize);
        impl Kernel for Groups {
            type Output = Vec<(usize, usize)>;
            #[inline(always)]
            fn run<S: Simd>(self, s: S) -> Self::Output {
                let mut all = Vec::new();
                for (first, n) in groups(s, self.0) {
                    assert!((1..=S::TILE_ROWS).contains(&n));
                    all.push((first, n));
                }
                all
            }
        }
        for isa in isas() {
            for rows in 0..40 {
                let all = isa.run(Groups(rows));
                let mut next = 0;
                for &(first, n) in &all {
                    assert_eq!(first, next);
                    next += n;
                }
                assert_eq!(next, rows);
                let sizes = all.iter().map(|g| g.1);
                assert!(sizes.clone().max().unwrap_or(0) - sizes.min().unwrap_or(0) <= 1);
            }
        }
    }
}
