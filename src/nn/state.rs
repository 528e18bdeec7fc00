//! What a network carries from one segment to the next.

use super::ModelConfig;
use ndarray::Array2;

/// The carried state of all layers: for each layer the arrays `[B, H]` that its cell names ([`Cell::states`](super::Cell::states)).
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// `layers[l][k]` is state `k` of layer `l`.
    pub layers: Vec<Vec<Array2<f32>>>,
}

impl State {
    /// Zeros: what a tune begins from.
    pub fn zeros(config: &ModelConfig, rows: usize) -> Self {
        let layer = vec![Array2::zeros((rows, config.hidden)); config.cell.states().len()];
        State { layers: vec![layer; config.layers] }
    }

    /// `B`, the rows it has.
    pub fn rows(&self) -> usize {
        self.layers.first().and_then(|l| l.first()).map_or(0, |a| a.nrows())
    }

    /// Whether it is the state of such a network, of any number of rows.
    pub fn fits(&self, config: &ModelConfig) -> bool {
        let shape = [self.rows(), config.hidden];
        let fits = |layer: &Vec<Array2<f32>>| {
            layer.len() == config.cell.states().len() && layer.iter().all(|a| a.shape() == shape)
        };
        self.layers.len() == config.layers && self.layers.iter().all(fits)
    }

    /// The hidden state of layer `l`, `[B, H]`.
    pub fn h(&self, l: usize) -> &Array2<f32> {
        &self.layers[l][0]
    }

    /// The cell state of layer `l`, `[B, H]`; none where the cell has none.
    pub fn c(&self, l: usize) -> Option<&Array2<f32>> {
        self.layers[l].get(1)
    }
}
