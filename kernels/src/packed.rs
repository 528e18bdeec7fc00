//! Weights laid out once per optimiser step, so that the kernels read them front to back.

use crate::panels::PanelsMut;
use crate::simd::{Kernel, Simd};
use crate::team::{Output, Team};
use crate::tile::{Ahead, PANEL_VECTORS, Rows, groups, multiply, with_rows};
use crate::{Buffer, Isa};
use std::ops::Range;

/// A matrix `[K, N]` cut into panels of `4·LANES` columns; each panel is `[K, 4·LANES]`, row after row.
///
/// Columns are either in their own order ([`Packed::new`]), or, for an LSTM, in the order
/// *block of `LANES` units, gate, unit* ([`Packed::new_gates`]). Columns beyond `N` are zero.
#[derive(Clone, Debug)]
pub struct Packed {
    isa: Isa,
    depth: usize,
    outputs: usize,
    gates: bool,
    data: Buffer,
}

impl Packed {
    /// Room for a matrix of `depth` × `outputs`, all zero, columns in their own order.
    ///
    /// # Panics
    /// Where so many numbers are more than a `usize` counts.
    pub fn new(isa: Isa, depth: usize, outputs: usize) -> Self {
        let panels = outputs.div_ceil(PANEL_VECTORS * isa.lanes());
        Packed { isa, depth, outputs, gates: false, data: room(isa, panels, depth) }
    }

    /// Room for the weights `[4H, depth]` of the four gates of `hidden` units, all zero.
    ///
    /// # Panics
    /// As [`Packed::new`].
    pub fn new_gates(isa: Isa, depth: usize, hidden: usize) -> Self {
        let outputs = PANEL_VECTORS.checked_mul(hidden).expect(TOO_LARGE);
        let data = room(isa, hidden.div_ceil(isa.lanes()), depth);
        Packed { isa, depth, outputs, gates: true, data }
    }

    /// The instruction set that it is packed for.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// `K`, the length of the summed index.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// `N`, the number of outputs (`4H` for gates).
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Whether the columns stand in gate order.
    pub fn is_gates(&self) -> bool {
        self.gates
    }

    /// Hidden units `H`, of gate weights.
    pub(crate) fn hidden(&self) -> usize {
        self.outputs / PANEL_VECTORS
    }

    /// f32 in one panel.
    pub(crate) fn panel_len(&self) -> usize {
        self.depth * PANEL_VECTORS * self.isa.lanes()
    }

    /// All panels, one after the other.
    pub(crate) fn data(&self) -> &[f32] {
        &self.data
    }

    /// Packs `w [N, K]`: output `n` is row `n` of `w`, so a product computes `x · wᵀ`.
    ///
    /// # Panics
    /// Where the length of `w` is not `N·K`.
    pub fn pack_rows(&mut self, w: &[f32]) {
        self.panels_mut().pack_rows(w);
    }

    /// Packs `w [K, N]`, columns in their own order, so a product computes `x · w`.
    ///
    /// # Panics
    /// Where the length of `w` is not `K·N`, or the room was made for gates.
    pub fn pack_columns(&mut self, w: &[f32]) {
        self.panels_mut().pack_columns(w);
    }

    /// All panels, to be packed by several threads.
    pub fn panels_mut(&mut self) -> PanelsMut<'_> {
        let Packed { isa, depth, outputs, gates, ref mut data } = *self;
        PanelsMut { lanes: isa.lanes(), depth, outputs, gates, first: 0, data }
    }

    /// `out [M, N] = x [M, K] · packed + bias`, or without `bias` just the product. Overwrites `out`, row-major. The team splits
    /// its panels, or its rows where there are few panels.
    ///
    /// # Panics
    /// Where a length does not fit, or the weights are packed in gate order.
    pub fn multiply(&self, x: &[f32], bias: Option<&[f32]>, out: &mut [f32], team: &mut Team) {
        assert!(!self.gates, "gate weights belong to the LSTM step");
        let rows = out.len() / self.outputs.max(1);
        assert_eq!(out.len(), rows * self.outputs, "out [M, N]");
        // A product that wraps around would let a short `x` pass.
        assert_eq!(Some(x.len()), rows.checked_mul(self.depth), "x [M, K]");
        assert!(bias.is_none_or(|b| b.len() == self.outputs), "bias [N]");
        let (isa, panels) = (self.isa, self.outputs.div_ceil(PANEL_VECTORS * self.isa.lanes()));
        let multiply =
            Multiply { packed: self, x, bias, out: Output::new(out), rows: 0..rows, panels: 0..panels };
        let multiply_adds = rows * self.depth * self.outputs;
        // Half of the panels stays in a core's own cache; but 2 panels on 2 threads may well be a whole and a narrow one.
        if panels >= 2 * team.members() || rows < team.members() {
            team.split(panels, multiply_adds, &|panels| isa.run(Multiply { panels, ..multiply.clone() }));
        } else {
            team.split(rows, multiply_adds, &|rows| isa.run(Multiply { rows, ..multiply.clone() }));
        }
    }
}

const TOO_LARGE: &str = "a matrix of more numbers than a usize counts";

/// Zeros for `panels` panels. That their number does not wrap around is what all lengths checked later rest on.
fn room(isa: Isa, panels: usize, depth: usize) -> Buffer {
    let len = panels.checked_mul(depth).and_then(|n| n.checked_mul(PANEL_VECTORS * isa.lanes()));
    Buffer::zeros(len.expect(TOO_LARGE))
}

/// Rows that pass over all panels together, so that both they and a panel stay in the second-level cache.
const ROW_BLOCK: usize = 120;

/// Some rows and panels of a product; the lengths were checked.
#[derive(Clone)]
struct Multiply<'a> {
    packed: &'a Packed,
    x: &'a [f32],
    bias: Option<&'a [f32]>,
    out: Output,
    rows: Range<usize>,
    panels: Range<usize>,
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Multiply { packed, x, bias, out, rows, panels } = self;
        let width = PANEL_VECTORS * S::LANES;
        debug_assert_eq!(packed.isa.lanes(), S::LANES);
        for block in rows.clone().step_by(ROW_BLOCK) {
            let block_rows = ROW_BLOCK.min(rows.end - block);
            for p in panels.clone() {
                let column = p * width;
                let panel = &packed.data[p * packed.panel_len()..];
                let next = if p + 1 < panels.end { p + 1 } else { panels.start };
                let next = &packed.data[next * packed.panel_len()..];
                let columns = width.min(packed.outputs - column);
                for (g, (first, n)) in groups(s, block_rows).enumerate() {
                    let first = block + first;
                    let job = Job {
                        x: Rows {
                            first: x[first * packed.depth..].as_ptr(),
                            row_stride: packed.depth,
                            col_stride: 1,
                        },
                        depth: packed.depth,
                        panel: panel.as_ptr(),
                        ahead: Ahead::part(s, next, packed.depth, g),
                        bias: bias.map(|b| b[column..].as_ptr()),
                        out: out.at(first * packed.outputs + column),
                        out_stride: packed.outputs,
                        columns,
                    };
                    // SAFETY: the rows `first..first + n` of `x` and `out` lie within the slices, whose lengths
                    // `Packed::multiply` checked; `columns` outputs remain at `column`. No other member of the team has
                    // these rows and columns.
                    unsafe { with_rows!(n, S, group(s, job)) }
                }
            }
        }
    }
}

/// One group of rows times one panel.
struct Job {
    x: Rows,
    depth: usize,
    panel: *const f32,
    ahead: Ahead,
    bias: Option<*const f32>,
    out: *mut f32,
    out_stride: usize,
    columns: usize,
}

/// # Safety
/// The pointers of `job` must be good for `R` rows, `depth` and `columns`, which is at most a panel's width.
#[inline(always)]
unsafe fn group<S: Simd, const R: usize>(s: S, job: Job) {
    let lanes_of = |v: usize| job.columns.saturating_sub(v * S::LANES).min(S::LANES);
    let start: [S::V; PANEL_VECTORS] = std::array::from_fn(|v| match job.bias {
        // SAFETY: `columns` biases are readable; no lane beyond them is touched.
        Some(b) => unsafe { s.load_first(b.wrapping_add(v * S::LANES), lanes_of(v)) },
        None => s.splat(0.0),
    });
    let mut acc = [start; R];
    // SAFETY: the caller vouches for the rows and the panel.
    unsafe { multiply::<S, R>(s, job.x, job.depth, job.panel, Some(job.ahead), &mut acc) };
    for (r, sums) in acc.iter().enumerate() {
        for (v, &sum) in sums.iter().enumerate() {
            // SAFETY: `columns` outputs of row `r` are writable; no lane beyond them is touched.
            unsafe {
                let p = job.out.wrapping_add(r * job.out_stride + v * S::LANES);
                s.store_first(p, sum, lanes_of(v));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fenced, Noise, Unaligned, close, isas, product};

    #[test]
    fn a_sum_of_nothing_is_the_bias() {
        let mut team = Team::new(2);
        for isa in isas() {
            let mut packed = Packed::new(isa, 0, 70);
            packed.pack_rows(&[]);
            packed.pack_columns(&[]);
            let bias: Vec<f32> = (0..70).map(|n| n as f32).collect();
            let mut out = vec![f32::NAN; 3 * 70];
            packed.multiply(&[], Some(&bias), &mut out, &mut team);
            assert!(out.chunks_exact(70).all(|row| row == bias), "{isa}");
            packed.multiply(&[], None, &mut out, &mut team);
            assert!(out.iter().all(|&x| x == 0.0), "{isa}");
        }
    }

    /// A length that wraps around would be a small one, and the kernel would read beyond it.
    #[test]
    #[should_panic(expected = "more numbers than a usize counts")]
    fn sizes_do_not_wrap_around() {
        Packed::new(Isa::SCALAR, usize::MAX / 2 + 2, 1);
    }

    #[test]
    fn a_product_matches_f64_at_every_row_count_and_odd_sizes() {
        let (mut noise, mut team) = (Noise::new(10), Team::new(2));
        let few = (1..=17)
            .flat_map(|rows| [(1, 1), (3, 17), (37, 5), (16, 64), (65, 63), (9, 131)].map(|s| (rows, s)));
        // Around the edges of blocks of rows.
        let many = [ROW_BLOCK - 1, ROW_BLOCK, ROW_BLOCK + 1, 2 * ROW_BLOCK + 7].map(|rows| (rows, (7, 66)));
        let cases: Vec<_> = few.chain(many).collect();
        for isa in isas() {
            for &(rows, (depth, outputs)) in &cases {
                let what = format!("{isa} {rows}×{depth}×{outputs}");
                // Some rows are far larger than others.
                let mut x = noise.vec(rows * depth, 1.0);
                x.chunks_exact_mut(depth).skip(1).step_by(3).flatten().for_each(|x| *x *= 100.0);
                let (x, w) = (Unaligned::new(&x), Unaligned::new(&noise.vec(outputs * depth, 1.0)));
                let bias = Unaligned::new(&noise.vec(outputs, 1.0));
                let want = product(&x, &w, depth);
                let biased: Vec<f64> =
                    want.iter().enumerate().map(|(k, x)| x + f64::from(bias[k % outputs])).collect();

                // Over the weights of another step, which must leave nothing behind.
                let mut packed = Packed::new(isa, depth, outputs);
                packed.pack_rows(&noise.vec(outputs * depth, 9.0));
                packed.pack_rows(&w);
                let mut out = Fenced::poisoned(rows * outputs);
                packed.multiply(&x, None, &mut out, &mut team);
                // Sums of up to 65 products, of which some are a hundred.
                close(&out, &want, 1e-5, 2e-4, &what);
                let mut out = Fenced::poisoned(rows * outputs);
                packed.multiply(&x, Some(&bias), &mut out, &mut team);
                close(&out, &biased, 1e-5, 2e-4, &format!("{what} with a bias"));

                let transposed: Vec<f32> =
                    (0..depth * outputs).map(|k| w[k % outputs * depth + k / outputs]).collect();
                let mut columns = Packed::new(isa, depth, outputs);
                columns.pack_columns(&noise.vec(outputs * depth, 9.0));
                columns.pack_columns(&Unaligned::new(&transposed));
                assert_eq!(columns.data(), packed.data(), "{what}: packed by columns");
            }
        }
    }

    #[test]
    fn gates_stand_in_blocks_of_units() {
        for isa in isas() {
            let (hidden, depth, lanes) = (19, 37, isa.lanes());
            let w: Vec<f32> = (0..4 * hidden * depth).map(|k| k as f32 + 1.0).collect();
            let mut packed = Packed::new_gates(isa, depth, hidden);
            packed.pack_rows(&w);
            for (at, &got) in packed.data().iter().enumerate() {
                let (block, k) = (at / packed.panel_len(), at % packed.panel_len() / (4 * lanes));
                let (gate, unit) = (at / lanes % 4, block * lanes + at % lanes);
                let want = if unit < hidden { w[(gate * hidden + unit) * depth + k] } else { 0.0 };
                assert_eq!(got, want, "{isa} at {at}");
            }
        }
    }

    #[test]
    fn no_rows_are_no_work() {
        for isa in isas() {
            Packed::new(isa, 3, 5).multiply(&[], None, &mut [], &mut Team::alone());
        }
    }

    #[test]
    #[should_panic(expected = "x [M, K]")]
    fn a_wrong_length_is_refused() {
        Packed::new(Isa::SCALAR, 3, 5).multiply(&[0.0; 5], None, &mut [0.0; 10], &mut Team::alone());
    }
}
