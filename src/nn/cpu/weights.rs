//! All weights of a network as the kernels read them.

use crate::nn::Input;
use crate::nn::lstm::fast::{LayerWeights, grow};
use crate::nn::reference::scalar_input;
use crate::nn::{ModelConfig, Parameters};
use crate::threads::{Threads, for_each_part};
use hornpipe_kernels::{Buffer, Isa, Packed, Team};

/// Packed copies of the parameters; made again after each update.
#[derive(Debug)]
pub(crate) struct Weights {
    /// From the input upwards.
    pub layers: Vec<LayerWeights>,
    /// `[V, I]`: what enters the first layer for each character; empty where that is the embedding.
    scalars: Vec<f32>,
    /// `[V, G·H]`: what that gives to the gates of the first layer, bias included; see [`Weights::refresh`].
    pub table: Buffer,
    /// `[V, H]`, for `h · wᵀ`.
    pub linear: Packed,
    /// `[V, H]`, for `d_logits · w`.
    pub linear_back: Packed,
    stale: bool,
    table_stale: bool,
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
            table: Buffer::zeros(0),
            layers: (0..config.layers).map(layer).collect(),
            linear: Packed::new(isa, config.hidden, config.vocabulary),
            linear_back: Packed::new(isa, config.vocabulary, config.hidden),
            stale: true,
            table_stale: true,
            generation_stale: true,
        }
    }

    /// The parameters have changed.
    pub fn invalidate(&mut self) {
        (self.stale, self.table_stale, self.generation_stale) = (true, true, true);
    }

    /// Packs anew what has changed and is needed for training and evaluation; with `table`, makes that anew as well.
    pub fn refresh(&mut self, threads: &Threads, parameters: &Parameters, table: bool) {
        let weight = parameters.slice(parameters.layout().linear().0);
        let pack = std::mem::take(&mut self.stale);
        let look_up = table && std::mem::take(&mut self.table_stale);
        if !pack && !look_up {
            return;
        }
        let Weights { scalars, table, layers, linear, linear_back, .. } = self;
        threads.install(|| {
            if pack {
                threads.join(
                    || pack_layers(threads, layers, 0, parameters),
                    || {
                        for_each_part(threads, linear.panels_mut(), &|part| part.pack_rows(weight));
                        for_each_part(threads, linear_back.panels_mut(), &|part| part.pack_columns(weight));
                    },
                );
            }
            if look_up {
                let (first, features) = (&layers[0], features(scalars, parameters));
                grow(table, features.len() / first.input.depth() * first.bias.len());
                gate_inputs(threads, threads.count(), first, features, table);
            }
        });
    }

    /// `[V, I]`: what enters the first layer for each character.
    pub fn features<'a>(&'a self, parameters: &'a Parameters) -> &'a [f32] {
        features(&self.scalars, parameters)
    }

    /// Packs anew what has changed and is needed for generation.
    pub fn refresh_generation(&mut self, threads: &Threads, parameters: &Parameters) {
        self.refresh(threads, parameters, true);
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

/// What features `[V, I]` give to the gates of a layer, `[V, G·H]`, in so many parts side by side.
fn gate_inputs(threads: &Threads, parts: usize, layer: &LayerWeights, features: &[f32], table: &mut [f32]) {
    let rows = table.len() / layer.bias.len();
    if parts < 2 || rows < 2 {
        layer.input.multiply(features, Some(&layer.bias), table, &mut Team::alone());
        return;
    }
    let (features, more_features) = features.split_at(rows / 2 * layer.input.depth());
    let (table, more) = table.split_at_mut(rows / 2 * layer.bias.len());
    threads.join(
        || gate_inputs(threads, parts / 2, layer, features, table),
        || gate_inputs(threads, parts - parts / 2, layer, more_features, more),
    );
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
