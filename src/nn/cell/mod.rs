//! The cells that a layer may be made of: the LSTM, its variants, and two of its relatives.
//!
//! The variants take one thing away from the LSTM of [`crate::nn::lstm`], or add one, and are otherwise the same equations. They are those of
//! Greff, Srivastava, Koutník, Steunebrink and Schmidhuber, "LSTM: A Search Space Odyssey" (IEEE Transactions on Neural Networks and
//! Learning Systems, 2017); their names for them are in brackets. Their vanilla LSTM (V) has peepholes; here, as in PyTorch and Keras, it has
//! none, and a variant differs from that by one thing.
//!
//! | cell | differs from the LSTM in | gates |
//! |---|---|---|
//! | [`Cell::Lstm`] (NP) | | i f g o |
//! | [`Cell::NoInputGate`] (NIG) | `i = 1` | f g o |
//! | [`Cell::NoForgetGate`] (NFG) | `f = 1` | i g o |
//! | [`Cell::NoOutputGate`] (NOG) | `o = 1` | i f g |
//! | [`Cell::Coupled`] (CIFG) | `f = 1 - i` | i g o |
//! | [`Cell::Peepholes`] (V) | the gates see the cell, see below | i f g o |
//! | [`Cell::NoInputActivation`] (NIAF) | `g` without its tanh | i f g o |
//! | [`Cell::NoOutputActivation`] (NOAF) | `h' = o ⊙ c'` | i f g o |
//!
//! ```text
//! peepholes (Gers and Schmidhuber, 2000):
//! i = σ(x W_iiᵀ + h W_hiᵀ + b_i + p_i ⊙ c)      o = σ(x W_ioᵀ + h W_hoᵀ + b_o + p_o ⊙ c')
//! f = σ(x W_ifᵀ + h W_hfᵀ + b_f + p_f ⊙ c)
//!
//! GRU (Cho et al., 2014; the reset gate after the product, as in cuDNN and PyTorch):
//! r = σ(x W_irᵀ + h W_hrᵀ + b_r)                n = tanh(x W_inᵀ + b_n + r ⊙ (h W_hnᵀ + b_hn))
//! z = σ(x W_izᵀ + h W_hzᵀ + b_z)                h' = (1 - z) ⊙ n + z ⊙ h
//!
//! RNN (Elman, 1990):
//! h' = tanh(x W_ihᵀ + h W_hhᵀ + b)
//! ```
//!
//! Shapes: `w_ih [G·H, I]`, `w_hh [G·H, H]`, `b [G·H]` for `G` gates, which stand in the order of the table (GRU: r, z, n). Peepholes have
//! `p [3H]` besides, in the order i, f, o; a GRU `b_hn [H]`. Of PyTorch's two biases one is kept wherever only their sum counts.
//!
//! * [`variants`], [`gru`] and [`rnn`] are these equations and their derivatives for one step, and [`plain`] leads them through time in
//!   plain loops, as [`crate::nn::lstm::reference`] does the LSTM.
//! * [`batched`] computes any of them on the kernels for matrix products. The fused kernels serve [`Cell::Lstm`] alone.

pub mod batched;
pub mod gru;
pub mod plain;
pub mod rnn;
pub mod variants;

use super::lstm::reference::{self as lstm, Cache, Layer, Real, Upstream};
use ndarray::{Array2, Array3};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a layer is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cell {
    /// The LSTM with all its gates and no peepholes.
    #[default]
    Lstm,
    /// The LSTM with `i = 1`: all of the candidate comes in.
    NoInputGate,
    /// The LSTM with `f = 1`: all of the memory stays, as in the paper of 1997.
    NoForgetGate,
    /// The LSTM with `o = 1`: all of the memory shows.
    NoOutputGate,
    /// The LSTM with `f = 1 - i`: what comes in takes the place of what goes.
    Coupled,
    /// The LSTM whose gates see the cell.
    Peepholes,
    /// The LSTM whose candidate is not squashed.
    NoInputActivation,
    /// The LSTM whose memory is not squashed where it shows.
    NoOutputActivation,
    /// The gated recurrent unit, which has no memory besides `h`.
    Gru,
    /// The plain recurrent network, without gates.
    Rnn,
}

/// Where the gates of an LSTM stand in its weights; none where a gate is constant or follows from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LstmGates {
    /// The input gate.
    pub i: Option<usize>,
    /// The forget gate.
    pub f: Option<usize>,
    /// The candidate.
    pub g: usize,
    /// The output gate.
    pub o: Option<usize>,
}

impl Cell {
    /// All of them.
    pub const ALL: [Cell; 10] = [
        Cell::Lstm,
        Cell::NoInputGate,
        Cell::NoForgetGate,
        Cell::NoOutputGate,
        Cell::Coupled,
        Cell::Peepholes,
        Cell::NoInputActivation,
        Cell::NoOutputActivation,
        Cell::Gru,
        Cell::Rnn,
    ];

    /// As on the command line, and before the names of its parameters in a checkpoint: a program that does not know the cell misses them.
    pub fn name(self) -> &'static str {
        match self {
            Cell::Lstm => "lstm",
            Cell::NoInputGate => "no-input-gate",
            Cell::NoForgetGate => "no-forget-gate",
            Cell::NoOutputGate => "no-output-gate",
            Cell::Coupled => "coupled",
            Cell::Peepholes => "peepholes",
            Cell::NoInputActivation => "no-input-activation",
            Cell::NoOutputActivation => "no-output-activation",
            Cell::Gru => "gru",
            Cell::Rnn => "rnn",
        }
    }

    /// For people: `LSTM`, `GRU`, `LSTM without input gate`.
    pub fn title(self) -> &'static str {
        match self {
            Cell::Lstm => "LSTM",
            Cell::NoInputGate => "LSTM without input gate",
            Cell::NoForgetGate => "LSTM without forget gate",
            Cell::NoOutputGate => "LSTM without output gate",
            Cell::Coupled => "LSTM with coupled gates",
            Cell::Peepholes => "LSTM with peepholes",
            Cell::NoInputActivation => "LSTM without input activation",
            Cell::NoOutputActivation => "LSTM without output activation",
            Cell::Gru => "GRU",
            Cell::Rnn => "RNN",
        }
    }

    /// `G`: of how many weighted sums each unit is made.
    pub fn gates(self) -> usize {
        match self {
            Cell::Lstm | Cell::Peepholes | Cell::NoInputActivation | Cell::NoOutputActivation => 4,
            Cell::NoInputGate | Cell::NoForgetGate | Cell::NoOutputGate | Cell::Coupled | Cell::Gru => 3,
            Cell::Rnn => 1,
        }
    }

    /// The names of what is carried from step to step, each `[B, H]`: the hidden state, and of an LSTM the cell state.
    pub fn states(self) -> &'static [&'static str] {
        if self.has_memory() { &["h", "c"] } else { &["h"] }
    }

    /// Whether it carries a cell state besides `h`: whether it is an LSTM.
    pub fn has_memory(self) -> bool {
        !matches!(self, Cell::Gru | Cell::Rnn)
    }

    /// The parameter that some cells have besides `w_ih`, `w_hh` and the bias: its name, and its numbers for each unit.
    pub fn extra(self) -> Option<(&'static str, usize)> {
        match self {
            Cell::Peepholes => Some(("peepholes", 3)),
            Cell::Gru => Some(("bias_hn", 1)),
            _ => None,
        }
    }

    /// The gates of an LSTM.
    ///
    /// # Panics
    /// Of a GRU or RNN.
    pub fn lstm_gates(self) -> LstmGates {
        let gates = |i, f, g, o| LstmGates { i, f, g, o };
        match self {
            Cell::NoInputGate => gates(None, Some(0), 1, Some(2)),
            Cell::NoForgetGate | Cell::Coupled => gates(Some(0), None, 1, Some(2)),
            Cell::NoOutputGate => gates(Some(0), Some(1), 2, None),
            Cell::Lstm | Cell::Peepholes | Cell::NoInputActivation | Cell::NoOutputActivation => {
                gates(Some(0), Some(1), 2, Some(3))
            }
            Cell::Gru | Cell::Rnn => panic!("no LSTM"),
        }
    }

    /// The place of the gate whose bias begins at 1, where there is one: an LSTM should remember before it has learnt what to forget.
    pub fn forget_gate(self) -> Option<usize> {
        self.has_memory().then(|| self.lstm_gates().f).flatten()
    }

    /// Whether it is the cell that a description which names none means.
    pub fn is_default(&self) -> bool {
        *self == Cell::default()
    }
}

/// Runs a layer of any cell in plain loops over `x [T, B, I]` from the state `h0`, `c0`, each `[B, H]`; of a GRU and an RNN, `c0` is not looked
/// at. See [`lstm::forward`].
pub fn forward<R: Real>(
    cell: Cell,
    layer: &Layer<R>,
    x: &Array3<R>,
    resets: &Array2<bool>,
    h0: &Array2<R>,
    c0: &Array2<R>,
) -> Cache<R> {
    match cell {
        Cell::Lstm => lstm::forward(layer, x, resets, h0, c0),
        cell => plain::forward(cell, layer, x, resets, h0, c0),
    }
}

/// Back-propagates through a layer of any cell. `d_h [T, B, H]` is the gradient of the loss by the layer's output; the gradients of the
/// weights are **added** to `gradients`. See [`lstm::backward`].
pub fn backward<R: Real>(
    cell: Cell,
    layer: &Layer<R>,
    cache: &Cache<R>,
    resets: &Array2<bool>,
    d_h: &Array3<R>,
    gradients: &mut Layer<R>,
) -> Upstream<R> {
    match cell {
        Cell::Lstm => lstm::backward(layer, cache, resets, d_h, gradients),
        cell => plain::backward(cell, layer, cache, resets, d_h, gradients),
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_json() {
        for cell in Cell::ALL {
            assert_eq!(serde_json::to_string(&cell).unwrap(), format!("\"{cell}\""));
        }
    }

    #[test]
    fn gates_are_counted_as_they_stand() {
        for cell in Cell::ALL.into_iter().filter(|cell| cell.has_memory()) {
            let LstmGates { i, f, g, o } = cell.lstm_gates();
            let places: Vec<usize> = [i, f, Some(g), o].into_iter().flatten().collect();
            assert_eq!(places, (0..cell.gates()).collect::<Vec<_>>(), "{cell}");
        }
    }
}
