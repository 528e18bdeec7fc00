//! The network on a GPU.
//!
//! Weights, moments, gradients, the carried state and all activations stay on the device. A training step uploads the batch's
//! integers and downloads a few sums (the loss, the correct predictions, the squares of the gradients); everything between is one command
//! buffer. What the device does for a batch of one shape is recorded once ([`plan`]).
//!
//! Where the host asks for weights, moments or gradients, they are downloaded and kept until they change. The first failure of the device is
//! kept ([`failure`](super::Engine::failure)): from then on nothing more is run, and every answer is NaN, so that nothing of it can be saved as sound.

mod engine;
mod measured;
mod plan;
mod room;

use super::engine::{LossSums, Masking};
use super::{Batch, Cell, ModelConfig, Parameters};
use crate::optim::{Hyper, Moments, Optimizer};
use hornpipe_kernels::dropout::Site;
use hornpipe_kernels::gpu::{Array, Download, Gpu, GpuError, Program};
use ndarray::{Array2, ArrayView2};
use plan::{Key, Plan, Purpose};
use room::{Device, Room, Totals};
use std::cell::OnceCell;

/// The network on a GPU: the vanilla LSTM, f32.
pub struct GpuEngine {
    config: ModelConfig,
    optimizer: Optimizer,
    gpu: Gpu,
    device: Device,
    /// `B`, the rows of the carried state.
    rows: usize,
    /// None only where there was none for a larger one.
    room: Option<Room>,
    /// Programs of the shapes that were used last, the latest at the end.
    plans: Vec<Plan>,
    table: Program,
    /// Whether weights have changed since the device made its table of characters.
    stale_table: bool,
    update: Program,
    /// The totals.
    answers: Download,
    answer: Program,
    /// `[B, V]`
    logits: Array2<f32>,
    /// Batches of one step, for generation.
    single: Batch,
    /// Whether the carried state is zero, and the device is still to be told.
    zero_state: bool,
    /// What stands on the device, as far as it was asked for.
    mirror: OnceCell<Mirror>,
    gradients: OnceCell<Parameters>,
    failure: OnceCell<GpuError>,
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
        let room = Room::new(&gpu, config, (steps * rows, rows))?;
        let moments = Moments::zeros(optimizer, &parameters);
        let answers = Download::new(&gpu, Totals::LEN)?;
        let engine = GpuEngine {
            table: plan::table(&gpu, config, &device),
            stale_table: true,
            update: plan::update(&gpu, &device, optimizer),
            answer: plan::answer(&gpu, &device, &answers),
            config: config.clone(),
            optimizer,
            device,
            rows,
            room: Some(room),
            plans: Vec::new(),
            answers,
            logits: Array2::zeros((0, 0)),
            single: Batch::zeros(1, rows),
            zero_state: false,
            gradients: OnceCell::from(parameters.zeros_like()),
            mirror: OnceCell::from(Mirror { parameters, moments }),
            failure: OnceCell::new(),
            gpu,
        };
        match engine.gpu.failure() {
            Some(failure) => Err(failure.into()),
            None => Ok(engine),
        }
    }

    /// Keeps the first failure.
    fn fail(&self, error: GpuError) {
        self.failure.get_or_init(|| error);
    }

    fn failed(&self) -> Option<GpuError> {
        self.failure.get().cloned().or_else(|| self.gpu.failure())
    }

    /// Uploads the batch and runs the plan of its shape, then `more`. After a failure, such as no room for it, nothing is run.
    fn run(&mut self, batch: &Batch, purpose: Purpose, more: Run) {
        let gpu = self.gpu.clone();
        if let Some(programs) = self.ready(batch, purpose, more) {
            gpu.run(&programs);
        }
    }

    /// Uploads the batch and gives what is to be run with it.
    fn ready(&mut self, batch: &Batch, purpose: Purpose, more: Run) -> Option<Vec<&Program>> {
        batch.check(self.rows, self.config.vocabulary);
        if self.failed().is_some() {
            return None;
        }
        if let Err(error) = self.prepare(batch, Key::new(batch, purpose)) {
            self.fail(error);
            return None;
        }
        let plan = self.plans.last()?;
        self.device.settings.upload(&self.gpu);
        let mut programs: Vec<&Program> = Vec::with_capacity(5);
        programs.extend(std::mem::take(&mut self.zero_state).then_some(&self.device.zero_state));
        programs.extend(std::mem::replace(&mut self.stale_table, more == Run::Update).then_some(&self.table));
        programs.push(&plan.program);
        programs.extend((more == Run::Update).then_some(&self.update));
        programs.extend((more != Run::Nothing).then_some(&self.answer));
        Some(programs)
    }

    /// Makes room and the plan, which is the last one then; uploads the batch.
    fn prepare(&mut self, batch: &Batch, key: Key) -> Result<(), GpuError> {
        let needed = match &self.room {
            Some(room) => room.larger(key.steps, key.rows),
            None => Some((key.steps * key.rows, key.rows)),
        };
        if let Some(needed) = needed {
            // Programs hold the arrays that they were recorded with. The old ones go before the new ones come.
            self.plans.clear();
            self.room = None;
            self.room = Some(Room::new(&self.gpu, &self.config, needed)?);
        }
        let Some(room) = &mut self.room else { return Ok(()) };
        let plan = match self.plans.iter().position(|plan| plan.key == key) {
            Some(at) => self.plans.remove(at),
            None => Plan::new(&self.gpu, &self.config, &self.device, room, key),
        };
        if self.plans.len() == PLANS {
            self.plans.remove(0);
        }
        self.plans.push(plan);
        room.upload(&self.gpu, batch, self.config.vocabulary);
        Ok(())
    }

    /// What the last programs came to; NaN where the device has failed.
    fn totals(&self) -> Totals {
        let mut totals = [0.0; Totals::LEN];
        self.read_or_nan(&mut totals, |to| self.answers.read(&self.gpu, to));
        Totals::of(totals)
    }

    /// Fills `to` by `read`; with NaN where that fails, which is kept, or something has failed before.
    fn read_or_nan(&self, to: &mut [f32], read: impl FnOnce(&mut [f32]) -> Result<(), GpuError>) {
        let result = self.failed().map_or_else(|| read(to), Err);
        if let Err(error) = result {
            self.fail(error);
            to.fill(f32::NAN);
        }
    }

    fn download(&self, array: &Array<f32>, to: &mut [f32]) {
        self.read_or_nan(to, |to| array.read(&self.gpu).map(|values| to.copy_from_slice(&values)));
    }

    fn download_parameters(&self, array: &Array<f32>) -> Parameters {
        let mut to = Parameters::zeros(&self.config);
        self.download(array, to.values_mut());
        to
    }

    fn set_hyper(&mut self, hyper: &Hyper) {
        assert_eq!(hyper.optimizer, self.optimizer, "the optimiser that the engine was made for");
        // Too small for f32 still clips.
        let most = hyper.clip_norm.map_or(0.0, |most| (most as f32).max(f32::MIN_POSITIVE));
        match self.optimizer {
            Optimizer::Adam => self.device.settings.adam(&hyper.adam(1.0), most),
            Optimizer::Rmsprop => self.device.settings.rmsprop(&hyper.rmsprop(1.0), most),
        }
    }

    /// What a training step needs to know; old gradients do not count any more.
    fn set_training(&mut self, batch: &Batch, masking: Option<Masking>) -> Purpose {
        let masking = masking.filter(|_| self.config.dropout > 0.0 || self.config.weight_drop > 0.0);
        self.device.settings.loss(batch.total_weight());
        if let Some(Masking { seed, step }) = masking {
            self.device.settings.dropout(Site { seed, step, layer: 0 });
        }
        self.gradients.take();
        Purpose::Training { dropout: masking.is_some() }
    }

    /// Training without an update, or with.
    fn train(&mut self, batch: &Batch, masking: Option<Masking>, more: Run) -> (LossSums, Totals) {
        let (purpose, weight) = (self.set_training(batch, masking), batch.total_weight());
        self.run(batch, purpose, more);
        let totals = self.totals();
        let [nats, correct] = [totals.nats, totals.correct].map(f64::from);
        (LossSums { nats, weight, correct }, totals)
    }

    fn mirror(&self) -> &Mirror {
        self.mirror.get_or_init(|| {
            let download = |array| self.download_parameters(array);
            let arrays = self.device.moments.iter().map(download).collect();
            Mirror { parameters: download(&self.device.parameters), moments: Moments { arrays } }
        })
    }

    /// The first `B·V` numbers that the last plan left for the host, `[B, V]`.
    fn read_logits(&mut self) -> ArrayView2<'_, f32> {
        let shape = (self.rows, self.config.vocabulary);
        let mut logits = std::mem::replace(&mut self.logits, Array2::zeros((0, 0)));
        if logits.dim() != shape {
            logits = Array2::zeros(shape);
        }
        let to = logits.as_slice_mut().expect("row-major");
        self.read_or_nan(to, |to| match &self.room {
            Some(room) => room.logits_out.read(&self.gpu, to),
            None => unreachable!("without room the engine has failed"),
        });
        self.logits = logits;
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
