//! The network on a GPU.
//!
//! Weights, moments, gradients, the carried state and all activations stay on the device. A training step uploads the batch's
//! integers and downloads 192 numbers (parts of the loss, of the correct predictions and of the gradients' norm, which the host adds up in
//! f64); everything between is one command buffer. What the device does for a batch of one shape is recorded once ([`plan`]).
//!
//! Where the host asks for weights, moments or gradients, they are downloaded and kept until they change. A device that fails answers
//! with NaN from then on, so that nothing of it can be saved as sound, and [`Engine::failure`] says why.

mod plan;
mod room;

use super::engine::{Engine, LossSums, Masking, NotFinite, StepReport};
use super::{Batch, Cell, ModelConfig, Parameters, State};
use crate::optim::{Hyper, Moments, Optimizer};
use hornpipe_kernels::dropout::Site;
use hornpipe_kernels::gpu::{Array, Download, Gpu, GpuError, Program, SUMS};
use ndarray::{Array2, ArrayView2};
use plan::{Key, Plan, Purpose};
use room::{Device, Room};
use std::cell::OnceCell;

/// The network on a GPU: the vanilla LSTM, f32.
pub struct GpuEngine {
    config: ModelConfig,
    optimizer: Optimizer,
    gpu: Gpu,
    device: Device,
    room: Room,
    /// Programs of the shapes that were used last.
    plans: Vec<Plan>,
    update: Program,
    /// Parts of the three totals.
    answers: Download,
    answer: Program,
    /// `[B, V]`
    logits: Array2<f32>,
    /// Batches of one step, for generation.
    single: Batch,
    /// Whether the carried state is zero, and the device is still to be told.
    zero_state: bool,
    /// The loss of the last gradients, in nats.
    last_nats: f64,
    /// What stands on the device, as far as it was asked for.
    mirror: OnceCell<Mirror>,
    gradients: OnceCell<Parameters>,
    failure: Option<GpuError>,
}

/// Why a network cannot run on a GPU.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GpuEngineError {
    /// The shaders are the LSTM's.
    #[error("on a GPU there is only the LSTM; use --device cpu with --cell {0}")]
    Cell(Cell),
    /// What the GPU said.
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

/// Weights and moments, downloaded together.
struct Mirror {
    parameters: Parameters,
    moments: Moments,
}

/// Programs of so many shapes are kept.
const PLANS: usize = 8;

impl GpuEngine {
    /// An engine with these weights, and room for batches of `steps` × `rows`, so that what is too large is told at once.
    ///
    /// # Errors
    /// Where the device has no room, or allows no array as large, or the network is not made of LSTMs.
    pub fn new(
        config: &ModelConfig,
        parameters: Parameters,
        optimizer: Optimizer,
        gpu: Gpu,
        (steps, rows): (usize, usize),
    ) -> Result<Self, GpuEngineError> {
        if config.cell != Cell::Lstm {
            return Err(GpuEngineError::Cell(config.cell));
        }
        let device = Device::new(&gpu, config, &parameters, optimizer, rows)?;
        let room = Room::new(&gpu, config, steps, rows)?;
        let moments = Moments::zeros(optimizer, &parameters);
        let answers = Download::new(&gpu, 3 * SUMS)?;
        let engine = GpuEngine {
            update: plan::update(&gpu, &device, optimizer),
            answer: plan::answer(&gpu, &device, &answers),
            config: config.clone(),
            optimizer,
            device,
            room,
            plans: Vec::new(),
            answers,
            logits: Array2::zeros((0, 0)),
            single: Batch::zeros(1, rows),
            zero_state: false,
            last_nats: 0.0,
            gradients: OnceCell::from(parameters.zeros_like()),
            mirror: OnceCell::from(Mirror { parameters, moments }),
            failure: None,
            gpu,
        };
        match engine.gpu.failure() {
            Some(failure) => Err(failure.into()),
            None => Ok(engine),
        }
    }

    /// The device.
    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    /// `B`, the rows of the carried state.
    fn rows(&self) -> usize {
        self.device.rows
    }

    fn check(&self, batch: &Batch) {
        assert_eq!(batch.rows(), self.rows(), "the batch has as many rows as the carried state");
        let within = |a: &Array2<u32>| a.iter().all(|&t| (t as usize) < self.config.vocabulary);
        assert!(within(&batch.tokens) && within(&batch.targets), "characters below V");
        let shape = batch.tokens.dim();
        let shapes = [batch.targets.dim(), batch.weights.dim(), batch.resets.dim()];
        assert!(shape.0 > 0 && shapes == [shape; 3], "four arrays [T, B] of at least one step");
    }

    /// Uploads the batch and runs the plan of its shape, then `more`. Where there is no room for it, that is the engine's failure.
    fn run(&mut self, batch: &Batch, purpose: Purpose, more: Run) {
        let key = Key::new(batch, purpose);
        if let Err(error) = self.make_plan(key) {
            self.failure.get_or_insert(error);
            return;
        }
        self.room.upload(&self.gpu, batch, self.config.vocabulary);
        let plan = self.plans.iter().find(|plan| plan.key == key).expect("it was made");
        let mut programs: Vec<&Program> = Vec::with_capacity(4);
        programs.extend(std::mem::take(&mut self.zero_state).then_some(&self.device.zero_state));
        programs.push(&plan.program);
        programs.extend((more == Run::Update).then_some(&self.update));
        programs.extend((more != Run::Nothing).then_some(&self.answer));
        self.gpu.run(&programs);
    }

    fn make_plan(&mut self, key: Key) -> Result<(), GpuError> {
        if !self.room.holds(key.steps, key.rows) {
            // Programs hold the arrays that they were recorded with.
            self.plans.clear();
            self.room = self.room.larger(&self.gpu, &self.config, key.steps, key.rows)?;
        }
        if !self.plans.iter().any(|plan| plan.key == key) {
            if self.plans.len() == PLANS {
                self.plans.remove(0);
            }
            self.plans.push(Plan::new(&self.gpu, &self.config, &self.device, &self.room, key));
        }
        Ok(())
    }

    /// The three totals, parts added up in f64; NaN where the device has failed.
    fn totals(&mut self) -> [f64; 3] {
        let mut parts = [0.0f32; 3 * SUMS];
        if self.failure.is_some() || self.answers.read(&self.gpu, &mut parts).is_err() {
            return [f64::NAN; 3];
        }
        let total = |slot: usize| parts[slot * SUMS..][..SUMS].iter().map(|&x| f64::from(x)).sum();
        [total(0), total(1), total(2)]
    }

    fn settings(&self, masking: Option<Masking>, total_weight: f64) {
        self.device.loss.loss(&self.gpu, total_weight);
        if let Some(Masking { seed, step }) = masking {
            self.device.dropout.dropout(&self.gpu, self.config.dropout, Site { seed, step, layer: 0 });
        }
    }

    fn set_hyper(&self, hyper: &Hyper) {
        assert_eq!(hyper.optimizer, self.optimizer, "the optimiser that the engine was made for");
        // Too small for f32 still clips.
        let most = hyper.clip_norm.map_or(0.0, |most| (most as f32).max(f32::MIN_POSITIVE));
        match self.optimizer {
            Optimizer::Adam => self.device.update.adam(&self.gpu, &hyper.adam(1.0), most),
            Optimizer::Rmsprop => self.device.update.rmsprop(&self.gpu, &hyper.rmsprop(1.0), most),
        }
    }

    /// Training without an update, or with.
    fn train(&mut self, batch: &Batch, masking: Option<Masking>, more: Run) -> (LossSums, f64) {
        self.check(batch);
        let masking = masking.filter(|_| self.config.dropout > 0.0);
        let weight = total_weight(batch);
        self.settings(masking, weight);
        self.gradients.take();
        self.run(batch, Purpose::Training { dropout: masking.is_some() }, more);
        let [nats, correct, squares] = self.totals();
        self.last_nats = nats;
        (LossSums { nats, weight, correct }, squares.sqrt())
    }

    fn mirror(&self) -> &Mirror {
        self.mirror.get_or_init(|| {
            let arrays = self.device.moments.iter().map(|moment| self.download(moment)).collect();
            Mirror { parameters: self.download(&self.device.parameters), moments: Moments { arrays } }
        })
    }

    /// What an array of the parameters' layout holds; NaN where the device has failed.
    fn download(&self, array: &Array<f32>) -> Parameters {
        let mut to = Parameters::zeros(&self.config);
        match array.read(&self.gpu) {
            Ok(values) => to.values_mut().copy_from_slice(&values),
            Err(_) => to.values_mut().fill(f32::NAN),
        }
        to
    }

    /// The first `B·V` numbers that the last plan left for the host, `[B, V]`.
    fn read_logits(&mut self) -> ArrayView2<'_, f32> {
        let shape = (self.rows(), self.config.vocabulary);
        if self.logits.dim() != shape {
            self.logits = Array2::zeros(shape);
        }
        let to = self.logits.as_slice_mut().expect("row-major");
        if self.failure.is_some() || self.room.logits_out.read(&self.gpu, to).is_err() {
            to.fill(f32::NAN);
        }
        self.logits.view()
    }
}

/// What follows a plan in the same command buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    Nothing,
    Answer,
    Update,
}

fn total_weight(batch: &Batch) -> f64 {
    batch.weights.iter().map(|&w| f64::from(w)).sum()
}

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
        let hidden = self.config.hidden;
        let mut state = State::zeros(&self.config, self.rows());
        if self.zero_state {
            return state;
        }
        for (k, array) in self.device.state.iter().enumerate() {
            let values = array.read(&self.gpu).unwrap_or_else(|_| vec![f32::NAN; array.len()]);
            for (layer, from) in state.layers.iter_mut().zip(values.chunks_exact(self.rows() * hidden)) {
                layer[k].iter_mut().zip(from).for_each(|(to, &from)| *to = from);
            }
        }
        state
    }

    fn set_state(&mut self, state: &State) {
        assert!(state.fits(&self.config), "h and c [B, H] of each layer");
        let rows = state.rows();
        if rows != self.rows() {
            self.plans.clear();
            if let Err(error) = self.device.set_rows(&self.gpu, &self.config, rows) {
                self.failure.get_or_insert(error);
                return;
            }
            self.single = Batch::zeros(1, rows);
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
        self.gradients.get_or_init(|| self.download(&self.device.gradients))
    }

    fn update(&mut self, hyper: &Hyper) -> Result<f64, NotFinite> {
        self.set_hyper(hyper);
        self.mirror.take();
        self.gpu.run(&[&self.update, &self.answer]);
        let [_, _, squares] = self.totals();
        let gradient_norm = squares.sqrt();
        if gradient_norm.is_finite() && self.last_nats.is_finite() {
            Ok(gradient_norm)
        } else {
            Err(NotFinite { nats: f64::NAN, gradient_norm })
        }
    }

    fn train_step(
        &mut self,
        batch: &Batch,
        masking: Option<Masking>,
        hyper: &Hyper,
    ) -> Result<StepReport, NotFinite> {
        if total_weight(batch) == 0.0 {
            let loss = self.gradients(batch, masking);
            return Ok(StepReport { loss, gradient_norm: 0.0 });
        }
        self.set_hyper(hyper);
        self.mirror.take();
        let (loss, gradient_norm) = self.train(batch, masking, Run::Update);
        let nats = loss.nats / loss.weight;
        if nats.is_finite() && gradient_norm.is_finite() {
            Ok(StepReport { loss, gradient_norm })
        } else {
            Err(NotFinite { nats, gradient_norm })
        }
    }

    fn evaluate(&mut self, batch: &Batch) -> LossSums {
        self.check(batch);
        self.settings(None, 1.0);
        self.run(batch, Purpose::Evaluation, Run::Answer);
        let [nats, correct, _] = self.totals();
        LossSums { nats, weight: total_weight(batch), correct }
    }

    fn last_logits(&mut self, batch: &Batch) -> ArrayView2<'_, f32> {
        self.check(batch);
        self.run(batch, Purpose::Logits, Run::Nothing);
        self.read_logits()
    }

    fn advance(&mut self, tokens: &[u32]) -> ArrayView2<'_, f32> {
        assert_eq!(tokens.len(), self.rows(), "one character for each row of the state");
        assert!(tokens.iter().all(|&t| (t as usize) < self.config.vocabulary), "characters below V");
        let mut batch = std::mem::replace(&mut self.single, Batch::zeros(0, 0));
        batch.tokens.iter_mut().zip(tokens).for_each(|(to, &token)| *to = token);
        self.run(&batch, Purpose::Logits, Run::Nothing);
        self.single = batch;
        self.read_logits()
    }

    fn failure(&self) -> Option<String> {
        self.failure.clone().or_else(|| self.gpu.failure()).map(|error| error.to_string())
    }
}
