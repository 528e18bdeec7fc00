//! What the passes of every layer share: room, and rows that reset.

use crate::nn::Cell;
use crate::nn::lstm::GATES;
use hornpipe_kernels::gemm::{Gemm, Scratch};
use hornpipe_kernels::{Buffer, Team};

/// What the passes of every layer borrow.
#[derive(Debug)]
pub struct Tools {
    /// Who does the large products.
    pub gemm: Gemm,
    /// Its room.
    pub scratch: Scratch,
    /// Who shares the work.
    pub team: Team,
    /// `[R, H]`: the gradient of the cell state on its way back.
    pub(super) d_c: Buffer,
    /// `[R, 4H]`: the next step's gate gradients where some of its rows reset.
    pub(super) d_gates_next: Buffer,
    /// `[R, H]` each, of cells that are not fused: what the step after sends back to h by the product, and what beside it.
    pub(super) d_h_next: Buffer,
    pub(super) d_prev: Buffer,
}

impl Tools {
    /// Tools without room yet.
    pub fn new(gemm: Gemm, team: Team) -> Self {
        Tools {
            gemm,
            scratch: gemm.scratch(team.members()),
            team,
            d_c: Buffer::zeros(0),
            d_gates_next: Buffer::zeros(0),
            d_h_next: Buffer::zeros(0),
            d_prev: Buffer::zeros(0),
        }
    }

    /// Who shares the work from now on.
    pub fn set_team(&mut self, team: Team) {
        self.scratch = self.gemm.scratch(team.members());
        self.team = team;
    }

    /// Makes them fit `rows` × `hidden`; allocates only where they were never as large.
    pub fn prepare(&mut self, cell: Cell, rows: usize, hidden: usize) {
        grow(&mut self.d_c, rows * hidden);
        match cell {
            Cell::Lstm => grow(&mut self.d_gates_next, rows * GATES * hidden),
            _ => {
                grow(&mut self.d_h_next, rows * hidden);
                grow(&mut self.d_prev, rows * hidden);
            }
        }
    }

    /// Nothing comes from the step after the last.
    pub(super) fn begin_backward(&mut self, size: usize) {
        for buffer in [&mut self.d_c, &mut self.d_h_next, &mut self.d_prev] {
            let size = size.min(buffer.len());
            buffer[..size].fill(0.0);
        }
    }
}

/// Makes room for `len` numbers; what stood there may be lost.
pub fn grow(buffer: &mut Buffer, len: usize) {
    if buffer.len() < len {
        *buffer = Buffer::zeros(len);
    }
}

/// `values [R, N]`, or where some rows reset, a copy in which those rows are zero. `copy` may be longer: it was made for the
/// largest shard so far.
pub(super) fn unless_reset<'a>(values: &'a [f32], resets: &[bool], copy: &'a mut [f32]) -> &'a [f32] {
    if !resets.contains(&true) {
        return values;
    }
    let width = values.len() / resets.len();
    let copy = &mut copy[..values.len()];
    copy.copy_from_slice(values);
    for_each_reset(resets, |r| copy[r * width..(r + 1) * width].fill(0.0));
    copy
}

pub(super) fn for_each_reset(resets: &[bool], mut body: impl FnMut(usize)) {
    for (r, _) in resets.iter().enumerate().filter(|(_, reset)| **reset) {
        body(r);
    }
}
