//! Initial weights.

use super::cell::gru::N;
use super::{Cell, Input, LayerMut, ModelConfig, Parameters};
use crate::random::{Purpose, generator, uniform};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// A scheme for the initial weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Initializer {
    /// Keras' defaults: embedding uniform in ±0.05, `w_ih` and linear Glorot uniform, all recurrent weights from one
    /// orthogonal matrix, biases and peepholes 0, the forget gate's bias 1.
    Keras,
    /// PyTorch's defaults: embedding standard normal, all of recurrent and linear layers uniform in ±1/√H. The one bias
    /// is the sum of PyTorch's two (but for the GRU's candidate, which has both).
    Pytorch,
}

impl Initializer {
    /// The initial weights of a network for this seed.
    pub fn parameters(self, config: &ModelConfig, seed: u64) -> Parameters {
        let rng = &mut generator(seed, Purpose::Init);
        let mut parameters = Parameters::zeros(config);
        let (hidden, vocabulary, gates) = (config.hidden, config.vocabulary, config.cell.gates());
        let (weight, linear_bias) = parameters.layout().linear();
        if let (Input::Embedding(_), Some(table)) = (config.input, parameters.layout().embedding()) {
            let table = parameters.slice_mut(table);
            match self {
                Initializer::Keras => fill_uniform(rng, table, 0.05),
                Initializer::Pytorch => table.iter_mut().for_each(|x| *x = StandardNormal.sample(rng)),
            }
        }
        let bound = 1.0 / (hidden as f32).sqrt();
        for l in 0..config.layers {
            let inputs = config.layer_input(l);
            let LayerMut { w_ih, w_hh, bias, extra } = parameters.layer_mut(l);
            match self {
                Initializer::Keras => {
                    // Keras draws over the matrix [I, 4H] as a whole.
                    fill_uniform(rng, w_ih, glorot(inputs, gates * hidden));
                    orthogonal(rng, w_hh, hidden);
                    if let Some(f) = config.cell.forget_gate() {
                        bias[f * hidden..(f + 1) * hidden].fill(1.0);
                    }
                }
                Initializer::Pytorch => {
                    fill_uniform(rng, w_ih, bound);
                    fill_uniform(rng, w_hh, bound);
                    fill_uniform(rng, bias, bound);
                    // The second bias, but where it is kept apart.
                    let summed = if config.cell == Cell::Gru { N * hidden } else { bias.len() };
                    bias[..summed].iter_mut().for_each(|b| *b += between(rng, bound));
                    fill_uniform(rng, extra, bound);
                }
            }
        }
        match self {
            Initializer::Keras => fill_uniform(rng, parameters.slice_mut(weight), glorot(hidden, vocabulary)),
            Initializer::Pytorch => {
                fill_uniform(rng, parameters.slice_mut(weight), bound);
                fill_uniform(rng, parameters.slice_mut(linear_bias), bound);
            }
        }
        parameters
    }
}

/// The bound of Glorot and Bengio (2010): `√(6 / (inputs + outputs))`.
fn glorot(inputs: usize, outputs: usize) -> f32 {
    (6.0 / (inputs + outputs) as f32).sqrt()
}

/// Uniform in ±bound.
fn between(rng: &mut impl Rng, bound: f32) -> f32 {
    (2.0 * uniform(rng) - 1.0) * bound
}

fn fill_uniform(rng: &mut impl Rng, values: &mut [f32], bound: f32) {
    values.iter_mut().for_each(|x| *x = between(rng, bound));
}

/// `w [G·H, H]` whose columns are orthonormal: Keras' orthogonal initialiser on the matrix `[H, G·H]` (Saxe, McClelland and
/// Ganguli, 2014). A normal matrix is made orthonormal by modified Gram and Schmidt in f64, once more for the
/// digits that the first pass lost.
fn orthogonal(rng: &mut impl Rng, w: &mut [f32], hidden: usize) {
    let long = w.len() / hidden;
    // Row `u` of `q` is column `u` of `w`: H vectors of length G·H.
    let mut q: Vec<Vec<f64>> =
        (0..hidden).map(|_| (0..long).map(|_| StandardNormal.sample(rng)).collect()).collect();
    for u in 0..hidden {
        let (done, rest) = q.split_at_mut(u);
        let own = &mut rest[0];
        for _ in 0..2 {
            for other in done.iter() {
                let dot: f64 = own.iter().zip(other).map(|(a, b)| a * b).sum();
                own.iter_mut().zip(other).for_each(|(a, b)| *a -= dot * b);
            }
        }
        let norm = own.iter().map(|a| a * a).sum::<f64>().sqrt();
        own.iter_mut().for_each(|a| *a /= norm);
    }
    for (u, column) in q.iter().enumerate() {
        for (row, &x) in column.iter().enumerate() {
            w[row * hidden + u] = x as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::lstm::F;

    fn config() -> ModelConfig {
        ModelConfig {
            cell: Cell::Lstm,
            vocabulary: 50,
            input: Input::Embedding(32),
            hidden: 24,
            layers: 2,
            dropout: 0.0,
            weight_drop: 0.0,
        }
    }

    #[test]
    fn keras_is_orthogonal_with_open_forget_gates() {
        let parameters = Initializer::Keras.parameters(&config(), 1);
        let at = parameters.layout().layer(1);
        let w = parameters.matrix(at.w_hh);
        for (a, b) in (0..24).flat_map(|a| (0..24).map(move |b| (a, b))) {
            let dot: f32 = w.column(a).iter().zip(w.column(b)).map(|(x, y)| x * y).sum();
            assert!((dot - if a == b { 1.0 } else { 0.0 }).abs() < 1e-5, "{a} {b} {dot}");
        }
        let bias = parameters.slice(at.bias);
        assert!(bias.iter().enumerate().all(|(k, &b)| b == if k / 24 == F { 1.0 } else { 0.0 }));
        let bound = (6.0f32 / (32.0 + 96.0)).sqrt();
        let w_ih = parameters.slice(parameters.layout().layer(0).w_ih);
        let largest = w_ih.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        assert!(largest <= bound && largest > 0.98 * bound);
    }

    #[test]
    fn pytorch_stays_within_its_bound() {
        let parameters = Initializer::Pytorch.parameters(&config(), 1);
        let bound = 1.0 / 24f32.sqrt();
        let at = parameters.layout().layer(0);
        assert!(parameters.slice(at.w_hh).iter().all(|x| x.abs() <= bound));
        assert!(parameters.slice(at.bias).iter().all(|x| x.abs() <= 2.0 * bound));
        let table = parameters.slice(0);
        let mean = table.iter().sum::<f32>() / table.len() as f32;
        let variance = table.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / table.len() as f32;
        assert!(mean.abs() < 0.1 && (variance - 1.0).abs() < 0.15, "{mean} {variance}");
    }

    #[test]
    fn seeds_decide() {
        let values = |seed| Initializer::Keras.parameters(&config(), seed).values().to_vec();
        assert_eq!(values(1), values(1));
        assert_ne!(values(1), values(2));
    }
}
