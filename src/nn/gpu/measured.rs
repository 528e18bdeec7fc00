//! For those who measure what a training step is made of.

use super::{GpuEngine, Run};
use crate::nn::{Batch, Masking};
use crate::optim::Hyper;
use hornpipe_kernels::gpu::Program;

impl GpuEngine {
    /// All that [`train_step`](crate::nn::Engine::train_step) runs for such a batch, which is uploaded; to be run by the caller, who
    /// may also run parts of it. None where the engine has failed.
    ///
    /// # Panics
    /// As [`gradients`](crate::nn::Engine::gradients).
    pub fn training_programs(
        &mut self,
        batch: &Batch,
        masking: Option<Masking>,
        hyper: &Hyper,
    ) -> Option<Vec<&Program>> {
        self.set_hyper(hyper);
        self.mirror.take();
        // As after the step before.
        self.stale_table = true;
        let purpose = self.set_training(batch, masking);
        self.ready(batch, purpose, Run::Update)
    }
}
