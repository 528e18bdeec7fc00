//! What an LSTM carries from one segment to the next.

use ndarray::Array2;

/// The names of an LSTM's states, in their order.
pub const LSTM_STATES: [&str; 2] = ["h", "c"];

/// The carried state of all layers: for each layer the arrays `[B, H]` that its cell names ([`LSTM_STATES`]).
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// `layers[l][k]` is state `k` of layer `l`.
    pub layers: Vec<Vec<Array2<f32>>>,
}

impl State {
    /// Zeros: what a tune begins from.
    pub fn zeros(layers: usize, rows: usize, hidden: usize) -> Self {
        State { layers: vec![vec![Array2::zeros((rows, hidden)); LSTM_STATES.len()]; layers] }
    }

    /// `B`, the rows it has.
    pub fn rows(&self) -> usize {
        self.layers.first().and_then(|l| l.first()).map_or(0, |a| a.nrows())
    }

    /// The hidden state of layer `l`, `[B, H]`.
    pub fn h(&self, l: usize) -> &Array2<f32> {
        &self.layers[l][0]
    }

    /// The cell state of layer `l`, `[B, H]`.
    pub fn c(&self, l: usize) -> &Array2<f32> {
        &self.layers[l][1]
    }
}
