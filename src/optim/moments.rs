//! The state of an optimiser, and its update through the kernels.

use super::{Hyper, Optimizer};
use crate::nn::Parameters;
use crate::threads::{Threads, for_each_piece};
use hornpipe_kernels::Isa;

/// The moments that an optimiser keeps for each parameter: m and v for Adam, v for RMSprop.
#[derive(Clone, Debug)]
pub struct Moments {
    /// In the order of [`Optimizer::moment_names`].
    pub arrays: Vec<Parameters>,
}

impl Moments {
    /// Zeros, as every optimiser begins.
    pub fn zeros(optimizer: Optimizer, parameters: &Parameters) -> Self {
        Moments { arrays: (0..optimizer.moments()).map(|_| parameters.zeros_like()).collect() }
    }

    /// One step: `gradients` are multiplied by `clip`, the moments moved, the parameters changed. One pass over memory.
    ///
    /// # Panics
    /// Where the moments are another optimiser's.
    pub fn update(
        &mut self,
        isa: Isa,
        hyper: &Hyper,
        clip: f64,
        parameters: &mut Parameters,
        gradients: &Parameters,
    ) {
        self.update_on(&Threads::One, isa, hyper, clip, parameters, gradients);
    }

    /// [`Moments::update`], to the same bits, on several threads.
    pub(crate) fn update_on(
        &mut self,
        threads: &Threads,
        isa: Isa,
        hyper: &Hyper,
        clip: f64,
        parameters: &mut Parameters,
        gradients: &Parameters,
    ) {
        assert_eq!(self.arrays.len(), hyper.optimizer.moments(), "moments of {:?}", hyper.optimizer);
        let (p, g) = (parameters.values_mut(), gradients.values());
        match (hyper.optimizer, self.arrays.as_mut_slice()) {
            (Optimizer::Adam, [m, v]) => {
                let adam = hyper.adam(clip);
                let arrays = [p, m.values_mut(), v.values_mut()];
                for_each_piece(threads, arrays, g, &|[p, m, v], g| adam.update(isa, p, g, m, v));
            }
            (Optimizer::Rmsprop, [v]) => {
                let rmsprop = hyper.rmsprop(clip);
                for_each_piece(threads, [p, v.values_mut()], g, &|[p, v], g| rmsprop.update(isa, p, g, v));
            }
            _ => unreachable!("the number of moments was checked"),
        }
    }
}
