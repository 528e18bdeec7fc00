//! What is asked of any engine.

use super::plan::Purpose;
use super::{GpuEngine, Run};
use crate::nn::engine::{Engine, LossSums, Masking, NotFinite, StepReport};
use crate::nn::{Batch, ModelConfig, Parameters, State};
use crate::optim::{Hyper, Moments};
use ndarray::ArrayView2;

impl Engine for GpuEngine {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn parameters(&self) -> &Parameters {
        &self.mirror().parameters
    }

    fn edit_parameters(&mut self, edit: &mut dyn FnMut(&mut Parameters)) {
        self.mirror();
        let Some(mirror) = self.mirror.get_mut() else { return };
        edit(&mut mirror.parameters);
        self.stale_table = true;
        self.device.parameters.write(&self.gpu, mirror.parameters.values());
    }

    fn moments(&self) -> &Moments {
        &self.mirror().moments
    }

    fn set_moments(&mut self, moments: Moments) {
        assert_eq!(moments.arrays.len(), self.device.moments.len(), "moments of {:?}", self.optimizer);
        self.mirror();
        for (array, from) in self.device.moments.iter().zip(&moments.arrays) {
            array.write(&self.gpu, from.values());
        }
        if let Some(mirror) = self.mirror.get_mut() {
            mirror.moments = moments;
        }
    }

    fn state(&self) -> State {
        let mut state = State::zeros(&self.config, self.rows);
        if self.zero_state && self.failed().is_none() {
            return state;
        }
        let size = self.rows * self.config.hidden;
        let mut values = vec![0.0; self.config.layers * size];
        for (k, array) in self.device.state.iter().enumerate() {
            self.download(array, &mut values);
            for (layer, from) in state.layers.iter_mut().zip(values.chunks_exact(size)) {
                layer[k].iter_mut().zip(from).for_each(|(to, &from)| *to = from);
            }
        }
        state
    }

    fn set_state(&mut self, state: &State) {
        assert!(state.fits(&self.config), "h and c [B, H] of each layer");
        let rows = state.rows();
        if rows != self.rows {
            self.rows = rows;
            self.single = Batch::zeros(1, rows);
            self.plans.clear();
            if let Err(error) = self.device.set_rows(&self.gpu, &self.config, rows) {
                self.fail(error);
            }
        }
        if self.failed().is_some() {
            return;
        }
        self.zero_state = state.layers.iter().flatten().flatten().all(|&x| x == 0.0);
        if !self.zero_state {
            for (k, array) in self.device.state.iter().enumerate() {
                let values: Vec<f32> =
                    state.layers.iter().flat_map(|layer| layer[k].iter().copied()).collect();
                array.write(&self.gpu, &values);
            }
        }
    }

    fn gradients(&mut self, batch: &Batch, masking: Option<Masking>) -> LossSums {
        self.train(batch, masking, Run::Answer).0
    }

    fn last_gradients(&self) -> &Parameters {
        self.gradients.get_or_init(|| self.download_parameters(&self.device.gradients))
    }

    fn update(&mut self, hyper: &Hyper) -> Result<f64, NotFinite> {
        self.set_hyper(hyper);
        if self.failed().is_none() {
            self.mirror.take();
            self.stale_table = true;
            self.device.settings.upload(&self.gpu);
            self.gpu.run(&[&self.update, &self.answer]);
        }
        let totals = self.totals();
        let gradient_norm = totals.gradient_norm();
        if totals.is_finite() { Ok(gradient_norm) } else { Err(NotFinite { nats: f64::NAN, gradient_norm }) }
    }

    fn train_step(
        &mut self,
        batch: &Batch,
        masking: Option<Masking>,
        hyper: &Hyper,
    ) -> Result<StepReport, NotFinite> {
        if batch.total_weight() == 0.0 {
            let loss = self.gradients(batch, masking);
            return Ok(StepReport { loss, gradient_norm: 0.0 });
        }
        self.set_hyper(hyper);
        self.mirror.take();
        let (loss, totals) = self.train(batch, masking, Run::Update);
        let gradient_norm = totals.gradient_norm();
        if totals.is_finite() {
            Ok(StepReport { loss, gradient_norm })
        } else {
            Err(NotFinite { nats: loss.nats / loss.weight, gradient_norm })
        }
    }

    fn evaluate(&mut self, batch: &Batch) -> LossSums {
        self.run(batch, Purpose::Evaluation, Run::Answer);
        let [nats, correct] = self.totals().evaluated.map(f64::from);
        LossSums { nats, weight: batch.total_weight(), correct }
    }

    fn last_logits(&mut self, batch: &Batch) -> ArrayView2<'_, f32> {
        self.run(batch, Purpose::Logits, Run::Nothing);
        self.read_logits()
    }

    fn advance(&mut self, tokens: &[u32]) -> ArrayView2<'_, f32> {
        assert_eq!(tokens.len(), self.rows, "one character for each row of the state");
        let mut batch = std::mem::replace(&mut self.single, Batch::zeros(0, 0));
        batch.tokens.iter_mut().zip(tokens).for_each(|(to, &token)| *to = token);
        self.run(&batch, Purpose::Logits, Run::Nothing);
        self.single = batch;
        self.read_logits()
    }

    fn failure(&self) -> Option<String> {
        self.failed().map(|error| error.to_string())
    }
}
