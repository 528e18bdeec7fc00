//! Weight drop on the kernels: the weights that one training step sees.

use crate::nn::weight_drop::WeightDrop;
use crate::nn::{ModelConfig, Parameters};
use crate::threads::{Threads, for_each_piece};
use hornpipe_kernels::dropout::Dropout;
use hornpipe_kernels::{Isa, Team};

/// A copy of the parameters in which recurrent weights are dropped.
pub(super) struct Dropped {
    parameters: Parameters,
    layers: usize,
    hidden: usize,
}

impl Dropped {
    pub fn new(config: &ModelConfig) -> Self {
        Dropped { parameters: Parameters::zeros(config), layers: config.layers, hidden: config.hidden }
    }

    /// The parameters as the last step saw them: -0 where one was dropped, and nowhere else in `w_hh`.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Makes it what a step sees of these parameters.
    pub fn refresh(&mut self, threads: &Threads, isa: Isa, drop: WeightDrop, parameters: &Parameters) {
        let Dropped { parameters: own, layers, hidden } = self;
        own.values_mut().copy_from_slice(parameters.values());
        threads.install(|| {
            for l in 0..*layers {
                let w_hh = own.layer_mut(l).w_hh;
                let dropout = drop.rows(l, 0, w_hh.len() / *hidden);
                drop_rows(threads, threads.count(), isa, dropout, *hidden, w_hh);
            }
        });
    }

    /// From the gradients of what the last step saw to those of the parameters.
    pub fn backward(&self, threads: &Threads, isa: Isa, drop: WeightDrop, gradients: &mut Parameters) {
        threads.install(|| {
            for l in 0..self.layers {
                let seen = self.parameters.slice(self.parameters.layout().layer(l).w_hh);
                let d_w_hh = gradients.layer_mut(l).w_hh;
                for_each_piece(threads, [d_w_hh], seen, &|[d], seen| {
                    // The mask is read off what was dropped, so that it does not matter where rows begin.
                    drop.rows(l, 0, 1).backward(isa, 1, seen, d, &mut Team::alone());
                });
            }
        });
    }
}

/// Drops among rows that are `hidden` long, in so many parts side by side.
fn drop_rows(threads: &Threads, parts: usize, isa: Isa, dropout: Dropout, hidden: usize, values: &mut [f32]) {
    if parts < 2 || dropout.rows < 2 {
        return dropout.apply_in_place(isa, hidden, values, &mut Team::alone());
    }
    let half = dropout.rows / 2;
    let (low, high) = values.split_at_mut(half * hidden);
    let first_row = dropout.first_row + half as u32;
    let more = Dropout { first_row, rows: dropout.rows - half, ..dropout };
    threads.join(
        || drop_rows(threads, parts / 2, isa, Dropout { rows: half, ..dropout }, hidden, low),
        || drop_rows(threads, parts - parts / 2, isa, more, hidden, high),
    );
}
