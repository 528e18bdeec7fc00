//! The time step of any cell on the kernels for matrix products: the product with `w_hh` for all rows of a shard, then the cell's equations,
//! number by number.
//!
//! It is the step of [`crate::nn::lstm::fast`] for the cells that no fused kernel serves. `R` is the number of rows of the shard, `G` the
//! gates of the cell. The **side** of a step is what the hidden state gives to its gates, `h_prev · w_hhᵀ [R, G·H]`. A GRU needs it in the
//! backward pass (its reset gate is multiplied by a part of it), so it is kept, and there turns into its gradient.

use super::gru::{N, R, Z};
use super::{Cell, LstmGates};
use hornpipe_kernels::elementwise::add_assign;
use hornpipe_kernels::vecmath::{Function, apply};
use hornpipe_kernels::{Isa, Packed, Team};

/// The recurrent weights of one layer as the kernels read them.
#[derive(Clone, Debug)]
pub struct Weights {
    cell: Cell,
    hidden: usize,
    /// `w_hh`, for `h · w_hhᵀ`.
    recurrent: Packed,
    /// `w_hh`, for `d · w_hh`.
    recurrent_back: Packed,
    /// What [`Cell::extra`] names.
    extra: Vec<f32>,
    /// `[3H]` of a GRU: the bias of its side, which is zero but for `b_hn`.
    side_bias: Option<Vec<f32>>,
}

/// One time step forward.
#[derive(Debug)]
pub struct Forward<'a> {
    /// `[R, H]`: the hidden state that enters.
    pub h_prev: &'a [f32],
    /// `[R, H]`: the cell state that enters; empty where the cell has none.
    pub c_prev: &'a [f32],
    /// `[R, G·H]`: in, `x w_ihᵀ + b`; out, the activated gates.
    pub gates: &'a mut [f32],
    /// `[R, G·H]`: overwritten with the side.
    pub side: &'a mut [f32],
    /// `[R, H]`: the new cell state, overwritten; empty where the cell has none.
    pub c: &'a mut [f32],
    /// `[R, H]`: the new hidden state. Overwritten.
    pub h: &'a mut [f32],
}

/// One time step backward.
#[derive(Debug)]
pub struct Backward<'a> {
    /// `[R, H]`: the hidden state that entered.
    pub h_prev: &'a [f32],
    /// `[R, H]`: the cell state that entered; empty where the cell has none.
    pub c_prev: &'a [f32],
    /// `[R, H]`: the cell state that left; empty where the cell has none.
    pub c: &'a [f32],
    /// `[R, G·H]`: in, the activated gates; out, the gradients before the activations.
    pub gates: &'a mut [f32],
    /// `[R, G·H]` of a GRU: in, the side; out, its gradient. That of other cells is the same as `gates`, and this is not looked at.
    pub side: &'a mut [f32],
    /// `[R, H]`: the whole gradient of the hidden state.
    pub d_h: &'a [f32],
    /// `[R, H]`: in, what the next step sends back to the cell state; out, the whole gradient of it. Not looked at where the cell has none.
    pub d_c: &'a mut [f32],
    /// `[R, H]`: overwritten with what goes to the step before beside the product: of an LSTM to `c`, of a GRU to `h` by the update gate,
    /// of an RNN nothing.
    pub d_prev: &'a mut [f32],
    /// What [`Cell::extra`] names: the gradients are **added**.
    pub d_extra: &'a mut [f32],
}

impl Weights {
    /// Room for the weights of a layer of `hidden` units.
    pub fn new(isa: Isa, cell: Cell, hidden: usize) -> Self {
        let gates = cell.gates() * hidden;
        Weights {
            cell,
            hidden,
            recurrent: Packed::new(isa, hidden, gates),
            recurrent_back: Packed::new(isa, gates, hidden),
            extra: vec![0.0; cell.extra().map_or(0, |(_, vectors)| vectors * hidden)],
            side_bias: (cell == Cell::Gru).then(|| vec![0.0; gates]),
        }
    }

    /// Packs `w_hh [G·H, H]`, and takes over what [`Cell::extra`] names.
    pub fn pack(&mut self, w_hh: &[f32], extra: &[f32]) {
        self.recurrent.pack_rows(w_hh);
        self.recurrent_back.pack_columns(w_hh);
        self.extra.copy_from_slice(extra);
        if let Some(bias) = &mut self.side_bias {
            bias[N * self.hidden..].copy_from_slice(extra);
        }
    }

    /// Does a step forward. The team shares the product.
    ///
    /// # Panics
    /// Where a length does not fit the others.
    pub fn forward(&self, mut step: Forward, team: &mut Team) {
        self.recurrent.multiply(step.h_prev, self.side_bias.as_deref(), step.side, team);
        match self.cell {
            Cell::Gru => self.gru_forward(&mut step),
            Cell::Rnn => {
                add_assign(self.isa(), step.gates, step.side);
                apply(self.isa(), Function::Tanh, step.gates);
                step.h.copy_from_slice(step.gates);
            }
            _ => self.lstm_forward(&mut step),
        }
    }

    /// Does a step backward, but for the product; which is [`Weights::back`].
    ///
    /// # Panics
    /// Where a length does not fit the others.
    pub fn backward(&self, mut step: Backward) {
        match self.cell {
            Cell::Gru => self.gru_backward(&mut step),
            Cell::Rnn => {
                step.gates.iter_mut().zip(step.d_h).for_each(|(h, d_h)| *h = d_h * (1.0 - *h * *h));
                step.d_prev.fill(0.0);
            }
            _ => self.lstm_backward(&mut step),
        }
    }

    /// `d_h_prev [R, H] = d [R, G·H] · w_hh`, where `d` is the gradient of the side.
    pub fn back(&self, d: &[f32], d_h_prev: &mut [f32], team: &mut Team) {
        self.recurrent_back.multiply(d, None, d_h_prev, team);
    }

    /// The instruction set that it is packed for.
    pub fn isa(&self) -> Isa {
        self.recurrent.isa()
    }

    /// The peepholes of the input, forget and output gate, where the cell has them.
    fn peepholes(&self) -> Option<[&[f32]; 3]> {
        let vector = |p: usize| &self.extra[p * self.hidden..(p + 1) * self.hidden];
        (self.cell == Cell::Peepholes).then(|| [0, 1, 2].map(vector))
    }

    fn lstm_forward(&self, step: &mut Forward) {
        let Forward { c_prev, gates, side, c, h, .. } = step;
        let (hidden, isa) = (self.hidden, self.isa());
        let LstmGates { i, f, g, o } = self.cell.lstm_gates();
        let peepholes = self.peepholes();
        let sigmoid = |gate: &mut [f32], peephole: Option<&[f32]>, c: &[f32]| {
            if let Some(p) = peephole {
                add_product(gate, p, c);
            }
            apply(isa, Function::Sigmoid, gate);
        };
        add_assign(isa, gates, side);
        let rows = gates.chunks_exact_mut(self.cell.gates() * hidden);
        let states = c_prev.chunks_exact(hidden).zip(c.chunks_exact_mut(hidden));
        for (gates, (c_prev, c)) in rows.zip(states) {
            if let Some(i) = i {
                sigmoid(block(gates, i, hidden), peepholes.map(|p| p[0]), c_prev);
            }
            if let Some(f) = f {
                sigmoid(block(gates, f, hidden), peepholes.map(|p| p[1]), c_prev);
            }
            if self.cell != Cell::NoInputActivation {
                apply(isa, Function::Tanh, block(gates, g, hidden));
            }
            c.copy_from_slice(block(gates, g, hidden));
            if let Some(i) = i {
                multiply(c, block(gates, i, hidden));
            }
            match (f, i) {
                (Some(f), _) => add_product(c, block(gates, f, hidden), c_prev),
                (None, Some(i)) if self.cell == Cell::Coupled => {
                    let i = block(gates, i, hidden).iter().zip(c_prev);
                    c.iter_mut().zip(i).for_each(|(c, (i, c_prev))| *c += (1.0 - i) * c_prev);
                }
                _ => add_assign(isa, c, c_prev),
            }
            if let Some(o) = o {
                sigmoid(block(gates, o, hidden), peepholes.map(|p| p[2]), c);
            }
        }
        h.copy_from_slice(c);
        if self.cell != Cell::NoOutputActivation {
            apply(isa, Function::Tanh, h);
        }
        if let Some(o) = o {
            let rows = gates.chunks_exact_mut(self.cell.gates() * hidden);
            h.chunks_exact_mut(hidden).zip(rows).for_each(|(h, gates)| multiply(h, block(gates, o, hidden)));
        }
    }

    fn lstm_backward(&self, step: &mut Backward) {
        let Backward { c_prev, c, gates, d_h, d_c, d_prev, d_extra, .. } = step;
        let hidden = self.hidden;
        let LstmGates { i, f, g, o } = self.cell.lstm_gates();
        let coupled = self.cell == Cell::Coupled;
        let squashed_in = self.cell != Cell::NoInputActivation;
        let squashed_out = self.cell != Cell::NoOutputActivation;
        let peepholes = self.peepholes();
        // What the cell shows, until it is overwritten.
        d_prev.copy_from_slice(c);
        if squashed_out {
            apply(self.isa(), Function::Tanh, d_prev);
        }
        for (r, gates) in gates.chunks_exact_mut(self.cell.gates() * hidden).enumerate() {
            let row = r * hidden..(r + 1) * hidden;
            let (c_prev, c, d_h) = (&c_prev[row.clone()], &c[row.clone()], &d_h[row.clone()]);
            let (d_c, d_prev) = (&mut d_c[row.clone()], &mut d_prev[row]);
            for u in 0..hidden {
                let gate = |place: Option<usize>| place.map_or(1.0, |place| gates[place * hidden + u]);
                let peephole = |p: usize| peepholes.map_or(0.0, |vectors| vectors[p][u]);
                let (i_u, g_u, o_u, s) = (gate(i), gate(Some(g)), gate(o), d_prev[u]);
                let f_u = if coupled { 1.0 - i_u } else { gate(f) };
                let seen = if coupled { g_u - c_prev[u] } else { g_u };
                let s_slope = if squashed_out { 1.0 - s * s } else { 1.0 };
                let g_slope = if squashed_in { 1.0 - g_u * g_u } else { 1.0 };

                let d_o = d_h[u] * s * o_u * (1.0 - o_u);
                let whole = d_c[u] + d_h[u] * o_u * s_slope + d_o * peephole(2);
                let d_i = whole * seen * i_u * (1.0 - i_u);
                let d_f = whole * c_prev[u] * f_u * (1.0 - f_u);
                d_c[u] = whole;
                d_prev[u] = whole * f_u + d_i * peephole(0) + d_f * peephole(1);
                for (place, d) in [(i, d_i), (f, d_f), (Some(g), whole * i_u * g_slope), (o, d_o)] {
                    if let Some(place) = place {
                        gates[place * hidden + u] = d;
                    }
                }
            }
            if peepholes.is_some() {
                for ((p, place), state) in [i, f, o].into_iter().enumerate().zip([c_prev, c_prev, c]) {
                    let place = place.expect("a cell with peepholes has every gate");
                    add_product(block(d_extra, p, hidden), block(gates, place, hidden), state);
                }
            }
        }
    }

    fn gru_forward(&self, step: &mut Forward) {
        let Forward { h_prev, gates, side, h, .. } = step;
        let (hidden, isa) = (self.hidden, self.isa());
        let states = h_prev.chunks_exact(hidden).zip(h.chunks_exact_mut(hidden));
        let rows = gates.chunks_exact_mut(3 * hidden).zip(side.chunks_exact(3 * hidden));
        for ((gates, side), (h_prev, h)) in rows.zip(states) {
            let (outer, n) = gates.split_at_mut(N * hidden);
            let (side_outer, side_n) = side.split_at(N * hidden);
            add_assign(isa, outer, side_outer);
            apply(isa, Function::Sigmoid, outer);
            let (r, z) = outer.split_at(hidden);
            add_product(n, r, side_n);
            apply(isa, Function::Tanh, n);
            for (((h, n), z), h_prev) in h.iter_mut().zip(n).zip(z).zip(h_prev) {
                *h = (1.0 - z) * *n + z * h_prev;
            }
        }
    }

    fn gru_backward(&self, step: &mut Backward) {
        let Backward { h_prev, gates, side, d_h, d_prev, d_extra, .. } = step;
        let hidden = self.hidden;
        let rows = gates.chunks_exact_mut(3 * hidden).zip(side.chunks_exact_mut(3 * hidden));
        for (row, (gates, side)) in rows.enumerate() {
            let units = row * hidden..(row + 1) * hidden;
            let (h_prev, d_h, d_prev) = (&h_prev[units.clone()], &d_h[units.clone()], &mut d_prev[units]);
            for u in 0..hidden {
                let [r, z, n] = [R, Z, N].map(|q| gates[q * hidden + u]);
                let d_n = d_h[u] * (1.0 - z) * (1.0 - n * n);
                let d_z = d_h[u] * (h_prev[u] - n) * z * (1.0 - z);
                let d_r = d_n * side[N * hidden + u] * r * (1.0 - r);
                for (q, (d, d_side)) in [(R, (d_r, d_r)), (Z, (d_z, d_z)), (N, (d_n, d_n * r))] {
                    gates[q * hidden + u] = d;
                    side[q * hidden + u] = d_side;
                }
                d_extra[u] += d_n * r;
                d_prev[u] = d_h[u] * z;
            }
        }
    }
}

/// Block `place` of a row of several vectors `[H]`.
fn block(row: &mut [f32], place: usize, hidden: usize) -> &mut [f32] {
    &mut row[place * hidden..(place + 1) * hidden]
}

/// `to += a ⊙ b`
fn add_product(to: &mut [f32], a: &[f32], b: &[f32]) {
    for (to, (a, b)) in to.iter_mut().zip(a.iter().zip(b)) {
        *to += a * b;
    }
}

/// `to = to ⊙ by`
fn multiply(to: &mut [f32], by: &[f32]) {
    to.iter_mut().zip(by).for_each(|(to, by)| *to *= by);
}
