//! The seam between the network and those who train it and generate with it.

use super::{Batch, ModelConfig, Parameters, State};
use crate::optim::{Hyper, Moments};
pub use hornpipe_kernels::softmax::LossSums;
use ndarray::ArrayView2;

/// Which masks a training step uses, of dropout and weight drop: a function of these two alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masking {
    /// The run's seed.
    pub seed: u64,
    /// The optimiser step, counted from 0.
    pub step: u64,
}

/// What a training step came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The sums of the loss, before the update.
    pub loss: LossSums,
    /// The norm of all gradients, before clipping.
    pub gradient_norm: f64,
}

/// A loss or gradient norm that is not finite; nothing was updated.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("the loss is {nats} nats per character and the gradient norm {gradient_norm}: training has diverged")]
pub struct NotFinite {
    /// The loss.
    pub nats: f64,
    /// The norm of all gradients.
    pub gradient_norm: f64,
}

/// A network that can be trained, evaluated and asked for the next character.
///
/// An engine holds parameters, the optimiser's moments, and one carried state of `B` rows. [`Engine::gradients`],
/// [`Engine::evaluate`] and [`Engine::advance`] begin from that state and leave the one after their last step.
pub trait Engine: Send {
    /// The shape of the network.
    fn config(&self) -> &ModelConfig;

    /// The weights.
    fn parameters(&self) -> &Parameters;

    /// Changes the weights.
    fn edit_parameters(&mut self, edit: &mut dyn FnMut(&mut Parameters));

    /// The optimiser's moments.
    fn moments(&self) -> &Moments;

    /// Replaces the optimiser's moments.
    fn set_moments(&mut self, moments: Moments);

    /// A copy of the carried state.
    fn state(&self) -> State;

    /// Replaces the carried state; its rows are the `B` of the batches to come.
    ///
    /// # Panics
    /// Where it is not the state of such a network: `[B, H]` for each layer and each of [`Cell::states`](super::Cell::states).
    fn set_state(&mut self, state: &State);

    /// The forward and backward pass: computes the gradients of the mean loss and keeps them. `masking` says which units
    /// and weights are dropped; none drops none.
    ///
    /// # Panics
    /// Where the batch has other rows than the carried state, no step, arrays of different shapes, or characters beyond the
    /// vocabulary.
    fn gradients(&mut self, batch: &Batch, masking: Option<Masking>) -> LossSums;

    /// The gradients of the last [`Engine::gradients`].
    fn last_gradients(&self) -> &Parameters;

    /// Clips those gradients by their norm and lets the optimiser take a step. Returns the norm before clipping.
    ///
    /// # Errors
    /// Where the norm is not finite; then nothing is changed.
    fn update(&mut self, hyper: &Hyper) -> Result<f64, NotFinite>;

    /// One training step: [`Engine::gradients`], then [`Engine::update`]. A batch without weight changes nothing but the state.
    ///
    /// # Errors
    /// Where loss or gradient norm is not finite; then no weight is changed.
    fn train_step(
        &mut self,
        batch: &Batch,
        masking: Option<Masking>,
        hyper: &Hyper,
    ) -> Result<StepReport, NotFinite> {
        let loss = self.gradients(batch, masking);
        if loss.weight == 0.0 {
            return Ok(StepReport { loss, gradient_norm: 0.0 });
        }
        let nats = loss.nats / loss.weight;
        if !nats.is_finite() {
            return Err(NotFinite { nats, gradient_norm: f64::NAN });
        }
        let gradient_norm = self.update(hyper).map_err(|e| NotFinite { nats, ..e })?;
        Ok(StepReport { loss, gradient_norm })
    }

    /// The forward pass alone, without dropout.
    ///
    /// # Panics
    /// As [`Engine::gradients`].
    fn evaluate(&mut self, batch: &Batch) -> LossSums;

    /// The forward pass alone, without dropout; returns the logits `[B, V]` after the last step. Weights and targets do not matter.
    ///
    /// # Panics
    /// As [`Engine::gradients`].
    fn last_logits(&mut self, batch: &Batch) -> ArrayView2<'_, f32>;

    /// One step of generation: takes one character for each row, returns the logits `[B, V]` of the next.
    ///
    /// # Panics
    /// Where there are other rows than in the carried state, or characters beyond the vocabulary.
    fn advance(&mut self, tokens: &[u32]) -> ArrayView2<'_, f32>;

    /// Why the engine can go on no more (a device was lost, or has no room), if so. All that it says from then on is NaN.
    fn failure(&self) -> Option<String> {
        None
    }
}
