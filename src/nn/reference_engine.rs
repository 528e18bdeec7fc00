//! The plain loops behind the seam: slow, and right.

use super::engine::{Engine, LossSums, Masking, NotFinite};
use super::reference::{Network, States, backward, forward, loss};
use super::{Batch, ModelConfig, Parameters, State, WeightDrop};
use crate::optim::{Hyper, Moments, Optimizer, reference::update};
use hornpipe_kernels::dropout::{Dropout, Site};
use hornpipe_kernels::{Isa, Team};
use ndarray::{Array2, Array3, ArrayView2};

/// The network in plain loops, one thread, f32. For students and for tests (`--engine reference`).
pub struct ReferenceEngine {
    config: ModelConfig,
    parameters: Parameters,
    moments: Moments,
    gradients: Parameters,
    state: State,
    logits: Array2<f32>,
}

impl ReferenceEngine {
    /// An engine with these weights.
    pub fn new(config: &ModelConfig, parameters: Parameters, optimizer: Optimizer) -> Self {
        ReferenceEngine {
            config: config.clone(),
            moments: Moments::zeros(optimizer, &parameters),
            gradients: parameters.zeros_like(),
            parameters,
            state: State::zeros(config, 1),
            logits: Array2::zeros((0, 0)),
        }
    }

    fn network(&self) -> Network<f32> {
        Network::from_parameters(&self.config, &self.parameters)
    }

    fn states(&self) -> States<f32> {
        let none = Array2::zeros((self.state.rows(), 0));
        let c = |l| self.state.c(l).unwrap_or(&none).clone();
        (0..self.config.layers).map(|l| (self.state.h(l).clone(), c(l))).collect()
    }

    fn keep(&mut self, states: States<f32>) {
        let arrays = self.config.cell.states().len();
        let layer = |(h, c)| [h, c].into_iter().take(arrays).collect();
        self.state = State { layers: states.into_iter().map(layer).collect() };
    }
}

/// The masks that the fast engine would use, one `[T, B, H]` a layer.
pub fn dropout_masks(config: &ModelConfig, masking: Masking, steps: usize, rows: usize) -> Vec<Array3<f32>> {
    let mask = |l: usize| {
        let site = Site { seed: masking.seed, step: masking.step, layer: l as u32 };
        let mut mask = vec![1.0; steps * rows * config.hidden];
        Dropout { rate: config.dropout, site, first_row: 0, rows }.apply_in_place(
            Isa::SCALAR,
            config.hidden,
            &mut mask,
            &mut Team::alone(),
        );
        Array3::from_shape_vec((steps, rows, config.hidden), mask).expect("a mask of T × B × H")
    };
    (0..config.layers).map(mask).collect()
}

impl Engine for ReferenceEngine {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    fn edit_parameters(&mut self, edit: &mut dyn FnMut(&mut Parameters)) {
        edit(&mut self.parameters);
    }

    fn moments(&self) -> &Moments {
        &self.moments
    }

    fn set_moments(&mut self, moments: Moments) {
        self.moments = moments;
    }

    fn state(&self) -> State {
        self.state.clone()
    }

    fn set_state(&mut self, state: &State) {
        assert!(state.fits(&self.config), "the states [B, H] of each layer");
        self.state = state.clone();
    }

    fn gradients(&mut self, batch: &Batch, masking: Option<Masking>) -> LossSums {
        let mut network = self.network();
        let drop = WeightDrop::new(&self.config, masking);
        if let Some(drop) = drop {
            drop.apply(&mut network);
        }
        let masks = masking.map(|m| dropout_masks(&self.config, m, batch.steps(), batch.rows()));
        let pass = forward(&network, batch, &self.states(), masks.as_deref());
        let (sums, d_logits) = loss(batch, &pass.logits);
        let mut gradients = backward(&network, batch, &pass, masks.as_deref(), &d_logits);
        if let Some(drop) = drop {
            drop.apply(&mut gradients.network);
        }
        self.gradients.values_mut().copy_from_slice(&gradients.network.values());
        self.keep(pass.final_states());
        sums
    }

    fn last_gradients(&self) -> &Parameters {
        &self.gradients
    }

    fn update(&mut self, hyper: &Hyper) -> Result<f64, NotFinite> {
        let norm = self.gradients.values().iter().map(|&d| f64::from(d) * f64::from(d)).sum::<f64>().sqrt();
        if !norm.is_finite() {
            return Err(NotFinite { nats: f64::NAN, gradient_norm: norm });
        }
        let mut moments: Vec<Vec<f32>> = self.moments.arrays.iter().map(|m| m.values().to_vec()).collect();
        let mut theta: Vec<&mut f32> = self.parameters.values_mut().iter_mut().collect();
        update(hyper, &mut theta, self.gradients.values(), &mut moments);
        for (to, from) in self.moments.arrays.iter_mut().zip(&moments) {
            to.values_mut().copy_from_slice(from);
        }
        Ok(norm)
    }

    fn evaluate(&mut self, batch: &Batch) -> LossSums {
        let pass = forward(&self.network(), batch, &self.states(), None);
        self.keep(pass.final_states());
        loss(batch, &pass.logits).0
    }

    fn last_logits(&mut self, batch: &Batch) -> ArrayView2<'_, f32> {
        let pass = forward(&self.network(), batch, &self.states(), None);
        self.keep(pass.final_states());
        self.logits = pass.logits.index_axis_move(ndarray::Axis(0), batch.steps() - 1);
        self.logits.view()
    }

    fn advance(&mut self, tokens: &[u32]) -> ArrayView2<'_, f32> {
        let mut batch = Batch::zeros(1, tokens.len());
        batch.tokens.row_mut(0).iter_mut().zip(tokens).for_each(|(to, &token)| *to = token);
        self.last_logits(&batch)
    }
}
