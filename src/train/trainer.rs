//! The training loop.

use super::data::Data;
use super::metrics::{EpochMetrics, Quality};
use super::settings::{EngineKind, Settings};
use super::snapshot::{Progress, Snapshot, SnapshotError};
use crate::nn::{
    Batch, CpuEngine, Engine, LossSums, Masking, NotFinite, Parameters, ReferenceEngine, State, StepReport,
    ThreadError,
};
use crate::optim::Hyper;
use hornpipe_kernels::gemm::Gemm;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

/// Whether a run goes on after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// It does.
    Continue,
    /// It stops here; a checkpoint of this moment continues it.
    Stop,
}

/// What an observer is told after each step.
#[derive(Clone, Copy, Debug)]
pub struct StepInfo {
    /// What the step came to.
    pub report: StepReport,
    /// Its learning rate.
    pub lr: f64,
    /// Batches of the epoch under way, done and in all.
    pub batch: (u64, u64),
}

/// Who watches a run: prints, saves, decides when to stop. All errors of its own end the run.
pub trait Observer {
    /// What can go wrong for it.
    type Error;

    /// After each optimiser step.
    ///
    /// # Errors
    /// Ends the run.
    fn step(&mut self, trainer: &Trainer, info: StepInfo) -> Result<Control, Self::Error>;

    /// While the held-out tunes are evaluated; `done` goes from 0 to 1.
    fn evaluating(&mut self, done: f64) -> Control {
        let _ = done;
        Control::Continue
    }

    /// After each epoch. `best` says whether no epoch was better.
    ///
    /// # Errors
    /// Ends the run.
    fn epoch(&mut self, trainer: &Trainer, metrics: EpochMetrics, best: bool)
    -> Result<Control, Self::Error>;
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs or steps are done.
    Finished,
    /// The loss has not improved for as many epochs as `patience` says.
    OutOfPatience,
    /// The observer stopped it.
    Stopped,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError<E> {
    /// A loss or gradient norm that is not finite, caught before the update.
    #[error("{cause} at step {step}; try a lower --lr or a smaller --clip-norm")]
    NotFinite {
        /// The step, counted from 1.
        step: u64,
        /// What was not finite.
        cause: NotFinite,
    },
    /// A loss on the held-out tunes that is not finite: the steps before it were, but what they led to is of no use.
    #[error(
        "the loss on the held-out tunes is {nats} nats per character: training has diverged by step {step}; try a lower \
         --lr or a smaller --clip-norm"
    )]
    HeldOutNotFinite {
        /// The last step, counted from 1.
        step: u64,
        /// The loss.
        nats: f64,
    },
    /// An update that was finite in its gradients led to weights that are not; such a run is not to be saved.
    #[error(
        "a weight is not finite any more: training has diverged by step {step}; try a lower --lr or a smaller --clip-norm"
    )]
    WeightsNotFinite {
        /// The last step, counted from 1.
        step: u64,
    },
    /// The engine can go on no more, such as after the loss of a device.
    #[error("training ended after step {step}: {cause}")]
    Engine {
        /// The last step that counts.
        step: u64,
        /// What the engine said.
        cause: String,
    },
    /// The observer failed.
    #[error(transparent)]
    Observer(E),
}

/// A run: settings, data, engine, and how far it has come.
pub struct Trainer {
    settings: Settings,
    data: Data,
    engine: Box<dyn Engine>,
    progress: Progress,
    started: Instant,
    seconds_before: f64,
}

/// The engine of these settings, with these weights.
///
/// # Errors
/// Where the system gives no threads.
pub fn build_engine(
    settings: &Settings,
    parameters: Parameters,
    vocabulary: usize,
    gemm: Gemm,
    threads: usize,
) -> Result<Box<dyn Engine>, ThreadError> {
    let config = settings.model(vocabulary);
    Ok(match settings.engine {
        EngineKind::Cpu => {
            let (optimizer, rows) = (settings.optimizer, settings.shard_rows);
            Box::new(CpuEngine::new(&config, parameters, optimizer, gemm, rows, threads)?)
        }
        EngineKind::Reference => Box::new(ReferenceEngine::new(&config, parameters, settings.optimizer)),
    })
}

impl Trainer {
    /// A run from its beginning. `engine` has the initial weights.
    pub fn new(settings: Settings, data: Data, engine: Box<dyn Engine>) -> Self {
        let progress = Progress {
            epoch: 0,
            batch: 0,
            step: 0,
            total_steps: data.total_steps(&settings),
            sums: [0.0; 3],
            best: None,
            split_version: data.split_version,
            fingerprint: data.fingerprint,
            held_out_fingerprint: data.held_out_fingerprint,
        };
        let mut trainer =
            Trainer { settings, data, engine, progress, started: Instant::now(), seconds_before: 0.0 };
        trainer.zero_state();
        trainer
    }

    /// A run from where a snapshot stands; it goes on bit for bit. `seconds` is the time that it has taken so far.
    ///
    /// # Errors
    /// Where the data are not those that it was trained on.
    pub fn resume(
        snapshot: Snapshot,
        data: Data,
        mut engine: Box<dyn Engine>,
        seconds: f64,
    ) -> Result<Self, SnapshotError> {
        snapshot.progress.check(&data)?;
        let Snapshot { settings, progress, parameters, moments, state, .. } = snapshot;
        engine.edit_parameters(&mut |p| p.values_mut().copy_from_slice(parameters.values()));
        engine.set_moments(moments);
        engine.set_state(&state);
        Ok(Trainer { settings, data, engine, progress, started: Instant::now(), seconds_before: seconds })
    }

    fn zero_state(&mut self) {
        let zeros = State::zeros(self.engine.config(), self.settings.batch_size);
        self.engine.set_state(&zeros);
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The data.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// How far it has come.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The engine.
    pub fn engine(&self) -> &dyn Engine {
        self.engine.as_ref()
    }

    /// Seconds that the run has taken, those before a resume counted in.
    pub fn seconds(&self) -> f64 {
        self.seconds_before + self.started.elapsed().as_secs_f64()
    }

    /// This moment, to be saved.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            settings: self.settings.clone(),
            vocabulary: self.data.vocabulary.clone(),
            progress: self.progress.clone(),
            parameters: self.engine.parameters().clone(),
            moments: self.engine.moments().clone(),
            state: self.engine.state(),
            seed_window: self.data.seed_window.clone(),
        }
    }

    /// Whether all weights are finite. An update may overflow though its gradients did not; then the next step, the end of the
    /// epoch or a stop is an error, and until then nothing should be saved.
    pub fn is_sound(&self) -> bool {
        self.engine.parameters().values().iter().all(|weight| weight.is_finite())
    }

    fn check_weights<E>(&self) -> Result<(), TrainError<E>> {
        let step = self.progress.step;
        if self.is_sound() { Ok(()) } else { Err(self.blame(TrainError::WeightsNotFinite { step })) }
    }

    /// Why numbers are not finite: because the engine has failed, or else what they say themselves.
    fn blame<E>(&self, otherwise: TrainError<E>) -> TrainError<E> {
        match self.engine.failure() {
            Some(cause) => TrainError::Engine { step: self.progress.step, cause },
            None => otherwise,
        }
    }

    /// Trains until the end, or until the observer stops it.
    ///
    /// # Errors
    /// Where the training diverges (nothing of that step is kept), or the observer fails.
    pub fn run<O: Observer>(&mut self, observer: &mut O) -> Result<Outcome, TrainError<O::Error>> {
        // Asked before each epoch, so that a run resumed after its end ends as it did before.
        loop {
            if self.is_finished() {
                return Ok(Outcome::Finished);
            }
            if self.is_out_of_patience() {
                return Ok(Outcome::OutOfPatience);
            }
            // A stop after the last epoch stops nothing.
            if self.run_epoch(observer)? == Control::Stop && !self.is_finished() && !self.is_out_of_patience()
            {
                return Ok(Outcome::Stopped);
            }
        }
    }

    /// Whether the last epoch is over, its evaluation included.
    fn is_finished(&self) -> bool {
        match self.settings.steps {
            Some(_) => self.no_step_is_left() && self.progress.batch == 0,
            None => self.progress.epoch >= self.settings.epochs,
        }
    }

    /// Whether a run measured in steps has done all of them.
    fn no_step_is_left(&self) -> bool {
        self.settings.steps.is_some() && self.progress.step >= self.progress.total_steps
    }

    fn is_out_of_patience(&self) -> bool {
        let Progress { epoch, batch, best, .. } = self.progress;
        match (self.settings.patience, best) {
            (Some(patience), Some((_, best))) => batch == 0 && epoch >= best.saturating_add(patience),
            _ => false,
        }
    }

    /// The learning rate of step `step`, counted from 0.
    fn lr(&self, step: u64) -> f64 {
        self.settings.schedule.lr(self.settings.lr, step, self.progress.total_steps)
    }

    /// From where the epoch under way stands to its end, evaluation included.
    fn run_epoch<O: Observer>(&mut self, observer: &mut O) -> Result<Control, TrainError<O::Error>> {
        let source = Arc::clone(&self.data.source);
        let epoch = source.epoch(self.settings.seed, self.progress.epoch);
        let batches = epoch.len() as u64;
        let (steps, rows) = epoch.shape();
        // Made once, so that a step allocates nothing.
        let mut batch = Batch::zeros(steps, rows);
        let zero_state = State::zeros(self.engine.config(), rows);
        while self.progress.batch < batches && !self.no_step_is_left() {
            epoch.fill(self.progress.batch as usize, &mut batch);
            if !epoch.carries_state() {
                self.engine.set_state(&zero_state);
            }
            let step = self.progress.step;
            let lr = self.lr(step);
            let masking = Some(Masking { seed: self.settings.seed, step });
            let Settings { optimizer, clip_norm, .. } = self.settings;
            let hyper = Hyper { optimizer, lr, clip_norm, step };
            let report = self.engine.train_step(&batch, masking, &hyper);
            let report =
                report.map_err(|cause| self.blame(TrainError::NotFinite { step: step + 1, cause }))?;
            let LossSums { nats, weight, correct } = self.progress.loss_sums().plus(report.loss);
            self.progress.sums = [nats, weight, correct];
            self.progress.batch += 1;
            self.progress.step += 1;
            let info = StepInfo { report, lr, batch: (self.progress.batch, batches) };
            if observer.step(self, info).map_err(TrainError::Observer)? == Control::Stop {
                self.check_weights()?;
                return Ok(Control::Stop);
            }
        }
        let training = Quality::from(self.progress.loss_sums());
        let held_out = match &self.data.held_out {
            None => None,
            Some(evaluation) => {
                let mut heard = |done| match observer.evaluating(done) {
                    Control::Continue => ControlFlow::Continue(()),
                    Control::Stop => ControlFlow::Break(()),
                };
                // The state must survive an evaluation that is broken off, since the epoch's end is then still to come.
                let state = self.engine.state();
                let quality = evaluation.run(self.engine.as_mut(), &mut heard);
                self.engine.set_state(&state);
                match quality {
                    None => {
                        self.check_weights()?;
                        return Ok(Control::Stop);
                    }
                    // The weights of the last step are good for nothing, so its epoch must not become the best one.
                    Some(Quality { nats_per_char: nats, .. }) if !nats.is_finite() => {
                        let step = self.progress.step;
                        return Err(self.blame(TrainError::HeldOutNotFinite { step, nats }));
                    }
                    some => some,
                }
            }
        };
        self.check_weights()?;
        self.progress.epoch += 1;
        self.progress.batch = 0;
        self.progress.sums = [0.0; 3];
        let metrics = EpochMetrics {
            epoch: self.progress.epoch,
            step: self.progress.step,
            lr: self.lr(self.progress.step.saturating_sub(1)),
            training,
            held_out,
            seconds: self.seconds(),
        };
        let loss = metrics.decisive_loss();
        let best = self.progress.best.is_none_or(|(best, _)| loss < best);
        if best {
            self.progress.best = Some((loss, self.progress.epoch));
        }
        self.zero_state();
        observer.epoch(self, metrics, best).map_err(TrainError::Observer)
    }
}
