//! All weights of a network as the kernels read them.

use crate::nn::lstm::fast::LayerWeights;
use crate::nn::{ModelConfig, Parameters};
use crate::threads::Threads;
use hornpipe_kernels::{Isa, Packed};

/// Packed copies of the parameters; made again after each update.
#[derive(Debug)]
pub(super) struct Weights {
    /// From the input upwards.
    pub layers: Vec<LayerWeights>,
    /// `[V, H]`, for `h · wᵀ`.
    pub linear: Packed,
    /// `[V, H]`, for `d_logits · w`.
    pub linear_back: Packed,
    stale: bool,
    generation_stale: bool,
}

impl Weights {
    pub fn new(isa: Isa, config: &ModelConfig) -> Self {
        let layer = |l| LayerWeights::new(isa, config.layer_input(l), config.hidden);
        Weights {
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
        let (weight, _) = parameters.layout().linear();
        let weight = parameters.slice(weight);
        let Weights { layers, linear, linear_back, .. } = self;
        threads.join(
            || pack_layers(threads, layers, 0, parameters),
            || {
                linear.pack_rows(weight);
                linear_back.pack_columns(weight);
            },
        );
    }

    /// Packs anew what has changed and is needed for generation.
    pub fn refresh_generation(&mut self, threads: &Threads, parameters: &Parameters) {
        self.refresh(threads, parameters);
        if std::mem::take(&mut self.generation_stale) {
            for (l, layer) in self.layers.iter_mut().enumerate() {
                layer.pack_generation(parameters.slice(parameters.layout().layer(l).w_ih));
            }
        }
    }
}

/// Packs `layers`, the first of which is layer `first`, on all threads.
fn pack_layers(threads: &Threads, layers: &mut [LayerWeights], first: usize, parameters: &Parameters) {
    match layers {
        [] => {}
        [layer] => {
            let at = parameters.layout().layer(first);
            layer.pack_input(parameters.slice(at.w_ih), parameters.slice(at.bias));
            layer.pack_recurrent(parameters.slice(at.w_hh));
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
