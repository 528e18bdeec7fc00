//! Weights on their way into the panels of [`Packed`](crate::Packed).

use crate::tile::PANEL_VECTORS;
use std::array::from_fn;

/// Rows of a panel that [`PanelsMut::pack_rows`] fills together: 4 KiB on AVX-512, so that they stay in the first-level cache while
/// all columns are filled.
const ROWS: usize = 16;

/// Columns that are read side by side.
const COLUMNS: usize = 4;

/// Some of the panels of a [`Packed`](crate::Packed), side by side. Threads pack a part each, cut off with [`PanelsMut::halves`].
#[derive(Debug)]
pub struct PanelsMut<'a> {
    pub(crate) lanes: usize,
    /// `K` and `N` of the whole matrix.
    pub(crate) depth: usize,
    pub(crate) outputs: usize,
    pub(crate) gates: bool,
    /// Which of all panels the first one is.
    pub(crate) first: usize,
    pub(crate) data: &'a mut [f32],
}

impl PanelsMut<'_> {
    /// Columns of a panel.
    fn width(&self) -> usize {
        PANEL_VECTORS * self.lanes
    }

    /// f32 in one panel.
    fn panel_len(&self) -> usize {
        self.depth * self.width()
    }

    /// f32 in all these panels.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there is nothing to pack.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The first half of these panels and the others; the first is empty where there is one.
    pub fn halves(self) -> (Self, Self) {
        let low = self.data.len() / self.panel_len().max(1) / 2;
        let (data, rest) = self.data.split_at_mut(low * self.panel_len());
        (PanelsMut { data, ..self }, PanelsMut { data: rest, first: self.first + low, ..self })
    }

    /// Packs these panels' part of `w [N, K]`; see [`Packed::pack_rows`](crate::Packed::pack_rows).
    ///
    /// # Panics
    /// Where the length of `w` is not `N·K`.
    pub fn pack_rows(self, w: &[f32]) {
        assert_eq!(w.len(), self.outputs * self.depth, "weights [N, K]");
        let (depth, width, len) = (self.depth, self.width(), self.panel_len().max(1));
        for (p, panel) in self.data.chunks_exact_mut(len).enumerate() {
            let p = self.first + p;
            // The row of `w` that each column takes, if any.
            let source = |column: usize| {
                let hidden = self.outputs / PANEL_VECTORS;
                let unit = p * self.lanes + column % self.lanes;
                let output = p * width + column;
                match self.gates {
                    true => (unit < hidden).then(|| column / self.lanes * hidden + unit),
                    false => (output < self.outputs).then_some(output),
                }
            };
            for (block, rows) in panel.chunks_mut(ROWS * width).enumerate() {
                let k = block * ROWS..block * ROWS + rows.len() / width;
                let read = |column| source(column).map(|row| &w[row * depth..(row + 1) * depth][k.clone()]);
                for column in (0..width).step_by(COLUMNS) {
                    if let [Some(a), Some(b), Some(c), Some(d)] = from_fn(|c| read(column + c)) {
                        transpose([a, b, c, d], &mut rows[column..], width);
                    } else {
                        for column in column..column + COLUMNS {
                            let from = read(column).unwrap_or_default();
                            rows[column..].iter_mut().step_by(width).zip(from).for_each(|(to, &x)| *to = x);
                        }
                    }
                }
            }
        }
    }

    /// Packs these panels' part of `w [K, N]`; see [`Packed::pack_columns`](crate::Packed::pack_columns).
    ///
    /// # Panics
    /// Where the length of `w` is not `K·N`, or the room was made for gates.
    pub fn pack_columns(self, w: &[f32]) {
        assert!(!self.gates, "gate weights are packed by rows");
        assert_eq!(w.len(), self.outputs * self.depth, "weights [K, N]");
        let (width, len) = (self.width(), self.panel_len().max(1));
        for (p, panel) in self.data.chunks_exact_mut(len).enumerate() {
            let first = (self.first + p) * width;
            let columns = width.min(self.outputs - first);
            for (k, row) in panel.chunks_exact_mut(width).enumerate() {
                row[..columns].copy_from_slice(&w[k * self.outputs + first..][..columns]);
            }
        }
    }
}

/// `to[k·width + c] = from[c][k]`, in blocks that compilers keep in vector registers.
#[inline(always)]
fn transpose(from: [&[f32]; COLUMNS], to: &mut [f32], width: usize) {
    let blocks = from.map(|from| from.as_chunks::<COLUMNS>());
    let whole = blocks[0].0.len();
    for block in 0..whole {
        for k in 0..COLUMNS {
            let row: [f32; COLUMNS] = from_fn(|c| blocks[c].0[block][k]);
            to[(block * COLUMNS + k) * width..][..COLUMNS].copy_from_slice(&row);
        }
    }
    for k in whole * COLUMNS..from[0].len() {
        let row: [f32; COLUMNS] = from_fn(|c| from[c][k]);
        to[k * width..][..COLUMNS].copy_from_slice(&row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Noise, isas};
    use crate::{Isa, Packed};

    /// Packs panel by panel.
    fn in_parts(panels: PanelsMut, parts: usize, pack: &impl Fn(PanelsMut)) {
        if parts <= 1 {
            return pack(panels);
        }
        let (low, high) = panels.halves();
        in_parts(low, parts / 2, pack);
        in_parts(high, parts - parts / 2, pack);
    }

    #[test]
    fn parts_pack_what_the_whole_does() {
        let mut noise = Noise::new(31);
        let packed = |isa: Isa, depth, units, gates| match gates {
            true => Packed::new_gates(isa, depth, units),
            false => Packed::new(isa, depth, 4 * units),
        };
        for isa in isas() {
            // From a single unit to five panels, the last one ragged.
            for units in [1, isa.lanes(), 2 * isa.lanes() + 1, 3 * isa.lanes(), 5 * isa.lanes() - 1] {
                for (depth, gates) in [0, 1, 17, 37].into_iter().flat_map(|k| [(k, false), (k, true)]) {
                    let what = format!("{isa} {depth}×{units} gates {gates}");
                    let (w, old) = (noise.vec(4 * units * depth, 1.0), noise.vec(4 * units * depth, 9.0));
                    let mut whole = packed(isa, depth, units, gates);
                    whole.pack_rows(&w);
                    let mut parts = packed(isa, depth, units, gates);
                    parts.pack_rows(&old);
                    in_parts(parts.panels_mut(), 8, &|part| part.pack_rows(&w));
                    assert_eq!(parts.data(), whole.data(), "{what}, rows");
                    if !gates {
                        whole.pack_columns(&w);
                        parts.pack_columns(&old);
                        in_parts(parts.panels_mut(), 8, &|part| part.pack_columns(&w));
                        assert_eq!(parts.data(), whole.data(), "{what}, columns");
                    }
                }
            }
        }
    }
}
