//! Weight drop: dropout of the recurrent weights (Merity, Keskar and Socher, "Regularizing and optimizing LSTM language models", 2017,
//! after DropConnect: Wan et al., "Regularization of neural networks using DropConnect", 2013).
//!
//! In a training step each number of `w_hh` is dropped with the same probability, for all rows and time steps alike, and what is kept is
//! multiplied by `1 / (1 - rate)`. The step is that of a network with these weights; the gradient of what was dropped is 0, that of the
//! rest is multiplied by the same factor.

use super::lstm::reference::Real;
use super::reference::Network;
use super::{Masking, ModelConfig};
use hornpipe_kernels::dropout::{Dropout, Site};
use hornpipe_kernels::{Isa, Team};
use ndarray::Array2;

/// Which recurrent weights a training step drops.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WeightDrop {
    rate: f32,
    masking: Masking,
}

/// Masks of weights have numbers of layers that those of outputs never have.
const FIRST_LAYER: u32 = 1 << 16;

impl WeightDrop {
    /// Of a step of such a network; none where nothing is dropped.
    pub fn new(config: &ModelConfig, masking: Option<Masking>) -> Option<Self> {
        let masking = masking.filter(|_| config.weight_drop > 0.0)?;
        Some(WeightDrop { rate: config.weight_drop, masking })
    }

    /// The number that stands for the weights of a layer in the generator of masks, see [`Site::layer`].
    pub(crate) fn layer(l: usize) -> u32 {
        FIRST_LAYER + l as u32
    }

    /// The dropout of `rows` rows of `w_hh [G·H, H]`, the first of which is row `first`.
    pub(crate) fn rows(self, l: usize, first: usize, rows: usize) -> Dropout {
        let Masking { seed, step } = self.masking;
        let site = Site { seed, step, layer: Self::layer(l) };
        Dropout { rate: self.rate, site, first_row: first as u32, rows }
    }

    /// Multiplies each `w_hh` of a network by its mask, 0 or `1 / (1 - rate)`: weights and gradients alike.
    pub fn apply<R: Real>(self, network: &mut Network<R>) {
        for (l, layer) in network.layers.iter_mut().enumerate() {
            let (rows, hidden) = layer.w_hh.dim();
            let mut mask = Array2::<f32>::ones((rows, hidden));
            let values = mask.as_slice_mut().expect("row-major");
            self.rows(l, 0, rows).apply_in_place(Isa::SCALAR, hidden, values, &mut Team::alone());
            layer.w_hh.zip_mut_with(&mask, |w, &m| *w *= R::of(m.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(dropout: Dropout, rows: usize, hidden: usize) -> Vec<f32> {
        let mut mask = vec![1.0; rows * hidden];
        dropout.apply_in_place(Isa::SCALAR, hidden, &mut mask, &mut Team::alone());
        mask
    }

    #[test]
    fn masks_have_the_rate_and_are_not_those_of_other_places() {
        let (rows, hidden) = (80, 40);
        let of = |seed, step, l| {
            let drop = WeightDrop { rate: 0.3, masking: Masking { seed, step } };
            mask(drop.rows(l, 0, rows), rows, hidden)
        };
        let first = of(1, 0, 0);
        let dropped = first.iter().filter(|&&m| m == 0.0).count() as f64 / first.len() as f64;
        // Four standard deviations.
        assert!((dropped - 0.3).abs() < 0.033, "{dropped}");
        assert!(first.iter().all(|&m| m == 0.0 || m == 1.0 / (1.0 - 0.3)));
        let outputs = Dropout { rate: 0.3, site: Site { seed: 1, step: 0, layer: 0 }, first_row: 0, rows };
        for other in [of(2, 0, 0), of(1, 1, 0), of(1, 0, 1), mask(outputs, rows, hidden)] {
            let same = first.iter().zip(&other).filter(|(a, b)| a == b).count() as f64 / first.len() as f64;
            // 0.3² + 0.7² where they have nothing to do with each other.
            assert!((same - 0.58).abs() < 0.05, "{same}");
        }
    }
}
