//! The whole network in plain loops: embedding, stacked LSTM (or [another cell](super::cell)), dropout, linear layer, loss; forward and backward.
//!
//! Generic over f32 and f64. In f64 it is what central differences and PyTorch's numbers are compared with; in f32
//! it is the engine behind `--engine reference`.

use super::cell::{self, Cell};
use super::config::ModelConfig;
use super::lstm::reference::{Cache, Layer, Real};
use super::{Batch, Parameters};
use hornpipe_kernels::softmax::LossSums;
use ndarray::{Array1, Array2, Array3};

/// The weights of a network; or their gradients, which have the same shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct Network<R> {
    /// What the layers are made of.
    pub cell: Cell,
    /// `[V, E]`; none where the input is scalar.
    pub embedding: Option<Array2<R>>,
    /// From the input upwards.
    pub layers: Vec<Layer<R>>,
    /// `[V, H]`
    pub linear_weight: Array2<R>,
    /// `[V]`
    pub linear_bias: Array1<R>,
}

impl<R: Real> Network<R> {
    /// The network of these parameters.
    pub fn from_parameters(config: &ModelConfig, parameters: &Parameters) -> Self {
        let layout = parameters.layout();
        let matrix = |k: usize| parameters.matrix(k).mapv(|x| R::of(x.into()));
        let vector = |k: usize| parameters.vector(k).mapv(|x| R::of(x.into()));
        let (weight, bias) = layout.linear();
        Network {
            cell: config.cell,
            embedding: layout.embedding().map(matrix),
            layers: (0..config.layers)
                .map(|l| {
                    let at = layout.layer(l);
                    Layer {
                        w_ih: matrix(at.w_ih),
                        w_hh: matrix(at.w_hh),
                        bias: vector(at.bias),
                        extra: at.extra.map_or_else(|| Array1::zeros(0), vector),
                    }
                })
                .collect(),
            linear_weight: matrix(weight),
            linear_bias: vector(bias),
        }
    }

    /// All numbers, in the order of [`super::Layout`].
    pub fn values(&self) -> Vec<R> {
        let mut all = Vec::new();
        all.extend(self.embedding.iter().flatten());
        for layer in &self.layers {
            all.extend(layer.w_ih.iter().chain(&layer.w_hh).chain(&layer.bias).chain(&layer.extra));
        }
        all.extend(self.linear_weight.iter().chain(&self.linear_bias));
        all
    }

    /// All numbers, to be changed, in the order of [`super::Layout`].
    pub fn values_mut(&mut self) -> Vec<&mut R> {
        let mut all = Vec::new();
        all.extend(self.embedding.iter_mut().flatten());
        for layer in &mut self.layers {
            let Layer { w_ih, w_hh, bias, extra } = layer;
            all.extend(w_ih.iter_mut().chain(w_hh).chain(bias).chain(extra));
        }
        all.extend(self.linear_weight.iter_mut().chain(&mut self.linear_bias));
        all
    }

    /// Zeros of the same shapes: where gradients are added up.
    pub fn zeros_like(&self) -> Self {
        Network {
            cell: self.cell,
            embedding: self.embedding.as_ref().map(|e| Array2::zeros(e.dim())),
            layers: self.layers.iter().map(Layer::zeros_like).collect(),
            linear_weight: Array2::zeros(self.linear_weight.dim()),
            linear_bias: Array1::zeros(self.linear_bias.dim()),
        }
    }

    /// `H`
    pub fn hidden(&self) -> usize {
        self.linear_weight.ncols()
    }

    /// `V`
    pub fn vocabulary(&self) -> usize {
        self.linear_weight.nrows()
    }
}

/// The state `(h, c)` of each layer, each `[B, H]`; `c` is `[B, 0]` where the cell has none.
pub type States<R> = Vec<(Array2<R>, Array2<R>)>;

/// Zero states.
pub fn zero_states<R: Real>(network: &Network<R>, rows: usize) -> States<R> {
    let memory = if network.cell.has_memory() { network.hidden() } else { 0 };
    let zeros = |width| Array2::zeros((rows, width));
    network.layers.iter().map(|_| (zeros(network.hidden()), zeros(memory))).collect()
}

/// All that the forward pass computes.
#[derive(Clone, Debug)]
pub struct Pass<R> {
    /// Each layer's cache.
    pub layers: Vec<Cache<R>>,
    /// `[T, B, H]`: what enters the linear layer (the last layer's output after dropout).
    pub output: Array3<R>,
    /// `[T, B, V]`
    pub logits: Array3<R>,
}

impl<R: Real> Pass<R> {
    /// The state after the last step.
    pub fn final_states(&self) -> States<R> {
        let last = |a: &Array3<R>| a.index_axis(ndarray::Axis(0), a.dim().0 - 1).to_owned();
        self.layers.iter().map(|cache| (last(&cache.h), last(&cache.c))).collect()
    }
}

/// The masks of inverted dropout, one `[T, B, H]` for each layer, each entry 0 or `1 / (1 - rate)`.
pub type Masks<R> = [Array3<R>];

fn masked<R: Real>(values: &Array3<R>, masks: Option<&Masks<R>>, l: usize) -> Array3<R> {
    masks.map_or_else(|| values.clone(), |masks| values * &masks[l])
}

/// Runs the network over a batch.
pub fn forward<R: Real>(
    network: &Network<R>,
    batch: &Batch,
    states: &States<R>,
    masks: Option<&Masks<R>>,
) -> Pass<R> {
    let (steps, rows) = (batch.steps(), batch.rows());
    let (hidden, vocabulary) = (network.hidden(), network.vocabulary());
    let mut x = match &network.embedding {
        Some(table) => Array3::from_shape_fn((steps, rows, table.ncols()), |(t, b, k)| {
            table[[batch.tokens[[t, b]] as usize, k]]
        }),
        None => Array3::from_shape_fn((steps, rows, 1), |(t, b, _)| {
            R::of(f64::from(batch.tokens[[t, b]]) / vocabulary as f64)
        }),
    };
    let mut layers = Vec::new();
    for (l, weights) in network.layers.iter().enumerate() {
        let (resets, (h0, c0)) = (&batch.resets, &states[l]);
        let cache = cell::forward(network.cell, weights, &x, resets, h0, c0);
        x = masked(&cache.h, masks, l);
        layers.push(cache);
    }
    let mut logits = Array3::zeros((steps, rows, vocabulary));
    for ((t, b, v), z) in logits.indexed_iter_mut() {
        *z = network.linear_bias[v];
        for u in 0..hidden {
            *z += network.linear_weight[[v, u]] * x[[t, b, u]];
        }
    }
    Pass { layers, output: x, logits }
}

/// A character as one number: its index divided by `V`.
pub fn scalar_input(token: u32, vocabulary: usize) -> f32 {
    token as f32 / vocabulary as f32
}

/// The loss `Σ w·nll / Σ w` and its gradient by the logits.
pub fn loss<R: Real>(batch: &Batch, logits: &Array3<R>) -> (LossSums, Array3<R>) {
    let vocabulary = logits.dim().2;
    let total: R = batch.weights.iter().map(|&w| R::of(f64::from(w))).sum();
    let mut sums = LossSums::default();
    let mut d_logits = Array3::zeros(logits.dim());
    for ((t, b), &w) in batch.weights.indexed_iter() {
        if w == 0.0 {
            continue;
        }
        let target = batch.targets[[t, b]] as usize;
        let z = |v: usize| logits[[t, b, v]];
        let best = (0..vocabulary).fold(0, |best, v| if z(v) > z(best) { v } else { best });
        let sum: R = (0..vocabulary).map(|v| (z(v) - z(best)).exp()).sum();
        let nll: f64 = (sum.ln() + z(best) - z(target)).into();
        sums.nats += f64::from(w) * nll;
        sums.weight += f64::from(w);
        sums.correct += if best == target { f64::from(w) } else { 0.0 };
        let share = R::of(f64::from(w)) / total;
        for v in 0..vocabulary {
            let p = (z(v) - z(best)).exp() / sum;
            let hit = if v == target { R::one() } else { R::zero() };
            d_logits[[t, b, v]] = share * (p - hit);
        }
    }
    (sums, d_logits)
}

/// The gradients of a batch: of all weights, and of the initial states.
#[derive(Clone, Debug)]
pub struct Gradients<R> {
    /// Of the weights.
    pub network: Network<R>,
    /// Of the initial states.
    pub states: States<R>,
}

/// Back-propagates `d_logits [T, B, V]` through the whole network.
pub fn backward<R: Real>(
    network: &Network<R>,
    batch: &Batch,
    pass: &Pass<R>,
    masks: Option<&Masks<R>>,
    d_logits: &Array3<R>,
) -> Gradients<R> {
    let mut gradients = network.zeros_like();
    let mut d_h = Array3::zeros(pass.output.dim());
    for ((t, b, v), &d) in d_logits.indexed_iter() {
        for u in 0..network.hidden() {
            gradients.linear_weight[[v, u]] += d * pass.output[[t, b, u]];
            d_h[[t, b, u]] += d * network.linear_weight[[v, u]];
        }
        gradients.linear_bias[v] += d;
    }
    let mut states = Vec::new();
    for (l, weights) in network.layers.iter().enumerate().rev() {
        d_h = masked(&d_h, masks, l);
        let (cache, resets, into) = (&pass.layers[l], &batch.resets, &mut gradients.layers[l]);
        let upstream = cell::backward(network.cell, weights, cache, resets, &d_h, into);
        d_h = upstream.d_x;
        states.insert(0, (upstream.d_h0, upstream.d_c0));
    }
    if let Some(table) = &mut gradients.embedding {
        for ((t, b, k), &d) in d_h.indexed_iter() {
            table[[batch.tokens[[t, b]] as usize, k]] += d;
        }
    }
    Gradients { network: gradients, states }
}
