//! All weights of a network as the kernels read them.

use crate::nn::Input;
use crate::nn::lstm::fast::LayerWeights;
use crate::nn::reference::scalar_input;
use crate::nn::{ModelConfig, Parameters};
use crate::threads::Threads;
use hornpipe_kernels::{Buffer, Isa, Packed, Team};

/// Packed copies of the parameters; made again after each update.
#[derive(Debug)]
pub(crate) struct Weights {
    /// From the input upwards.
    pub layers: Vec<LayerWeights>,
    /// `[V, I]`: what enters the first layer for each character; empty where that is the embedding.
    scalars: Vec<f32>,
    /// `[V, G·H]`: what that gives to the gates of the first layer, bias included.
    pub table: Buffer,
    /// `[V, H]`, for `h · wᵀ`.
    pub linear: Packed,
    /// `[V, H]`, for `d_logits · w`.
    pub linear_back: Packed,
    stale: bool,
    generation_stale: bool,
}

impl Weights {
    pub fn new(isa: Isa, config: &ModelConfig) -> Self {
        let layer = |l| LayerWeights::new(isa, config.cell, config.layer_input(l), config.hidden);
        let scalar = |character| scalar_input(character as u32, config.vocabulary);
        let scalars = match config.input {
            Input::Embedding(_) => Vec::new(),
            Input::Scalar => (0..config.vocabulary).map(scalar).collect(),
        };
        Weights {
            scalars,
            table: Buffer::zeros(config.vocabulary * config.cell.gates() * config.hidden),
            layers: (0..config.layers).map(layer).collect(),
            linear: Packed::new(isa, config.hidden, config.vocabulary),
            linear_back: Packed::new(isa, config.vocabulary, config.hidden),
            stale: true,
            generation_stale: true,
        }
    }

    /// The parameters have changed.
    pub fn invalidate(&mut self) {
        (self.stale, self.generation_stale) = (true, true);
    }

    /// Packs anew what has changed and is needed for training and evaluation.
    pub fn refresh(&mut self, threads: &Threads, parameters: &Parameters) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        let weight = parameters.slice(parameters.layout().linear().0);
        let Weights { scalars, table, layers, linear, linear_back, .. } = self;
        threads.install(|| {
            threads.join(
                || pack_layers(threads, layers, 0, parameters),
                || {
                    linear.pack_rows(weight);
                    linear_back.pack_columns(weight);
                },
            )
        });
        let first = &layers[0];
        first.input.multiply(features(scalars, parameters), Some(&first.bias), table, &mut Team::alone());
    }

    /// `[V, I]`: what enters the first layer for each character.
    pub fn features<'a>(&'a self, parameters: &'a Parameters) -> &'a [f32] {
        features(&self.scalars, parameters)
    }

    /// Packs anew what has changed and is needed for generation.
    pub fn refresh_generation(&mut self, threads: &Threads, parameters: &Parameters) {
        self.refresh(threads, parameters);
        if std::mem::take(&mut self.generation_stale) {
            for (l, layer) in self.layers.iter_mut().enumerate().skip(1) {
                layer.pack_generation(parameters.slice(parameters.layout().layer(l).w_ih));
            }
        }
    }
}

fn features<'a>(scalars: &'a [f32], parameters: &'a Parameters) -> &'a [f32] {
    parameters.layout().embedding().map_or(scalars, |table| parameters.slice(table))
}

/// Packs `layers`, the first of which is layer `first`, on all threads.
fn pack_layers(threads: &Threads, layers: &mut [LayerWeights], first: usize, parameters: &Parameters) {
    match layers {
        [] => {}
        [layer] => {
            let at = parameters.layout().layer(first);
            let [w_ih, w_hh, bias] = [at.w_ih, at.w_hh, at.bias].map(|at| parameters.slice(at));
            let extra = at.extra.map_or(&[][..], |at| parameters.slice(at));
            layer.pack_on(threads, w_ih, w_hh, bias, extra);
        }
        _ => {
            let (low, high) = layers.split_at_mut(layers.len() / 2);
            let middle = first + low.len();
            threads.join(
                || pack_layers(threads, low, first, parameters),
                || pack_layers(threads, high, middle, parameters),
            );
        }
    }
}
