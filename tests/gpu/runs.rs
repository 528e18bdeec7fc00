//! Whole runs, on a GPU, on the CPU and on both in turn.

use super::common::{Bound, cpu};
use super::{engine, gpu};
use hornpipe::corpus::{Corpus, composer};
use hornpipe::nn::{Engine, Input};
use hornpipe::train::{
    Control, Data, EpochMetrics, Observer, Outcome, Preset, Settings, Snapshot, StepInfo, TrainError, Trainer,
};
use hornpipe_kernels::gemm::Gemm;
use hornpipe_kernels::gpu::Gpu;

/// Losses of all steps, and what may happen at one of them.
struct Watch<'a> {
    losses: Vec<f64>,
    epochs: Vec<EpochMetrics>,
    stop_at: Option<u64>,
    lose: Option<(u64, &'a Gpu)>,
}

impl<'a> Watch<'a> {
    fn new() -> Self {
        Watch { losses: Vec::new(), epochs: Vec::new(), stop_at: None, lose: None }
    }
}

impl Observer for Watch<'_> {
    type Error = std::convert::Infallible;

    fn step(&mut self, trainer: &Trainer, info: StepInfo) -> Result<Control, Self::Error> {
        self.losses.push(info.report.loss.nats / info.report.loss.weight);
        let step = trainer.progress().step;
        if let Some((_, gpu)) = self.lose.filter(|(at, _)| *at == step) {
            gpu.destroy();
        }
        Ok(if self.stop_at == Some(step) { Control::Stop } else { Control::Continue })
    }

    fn epoch(&mut self, _: &Trainer, metrics: EpochMetrics, _: bool) -> Result<Control, Self::Error> {
        self.epochs.push(metrics);
        Ok(Control::Continue)
    }
}

/// A small network on the first built-in tunes, one epoch.
fn small() -> (Settings, Data) {
    let tunes = hornpipe::corpus::parse("built in", composer::BUILT_IN.as_bytes()).expect("tunes");
    let corpus = Corpus { tunes: tunes.into_iter().take(30).collect() };
    let settings = Settings {
        epochs: 1,
        batch_size: 7,
        shard_rows: 4,
        seq_len: 33,
        hidden: 24,
        layers: 2,
        input: Input::Embedding(10),
        ..Preset::Folk.settings()
    };
    let data = Data::new(&corpus, &settings, None).expect("data");
    (settings, data)
}

fn start(gpu: Option<&Gpu>) -> Trainer {
    let (settings, data) = small();
    let engine = boxed(gpu, &settings, &data);
    Trainer::new(settings, data, engine)
}

fn boxed(gpu: Option<&Gpu>, settings: &Settings, data: &Data) -> Box<dyn Engine> {
    let config = settings.model(data.vocabulary.len());
    let parameters = settings.init.parameters(&config, settings.seed);
    match gpu {
        Some(gpu) => Box::new(engine(gpu, &config, &parameters, settings.optimizer)),
        None => Box::new(cpu(&config, &parameters, settings.optimizer, Gemm::matrixmultiply(), 4, 1)),
    }
}

/// The same loss curve over an epoch; and a run that changes device half-way, through a checkpoint, either way.
#[test]
fn an_epoch_is_the_cpus_and_goes_on_across_devices() {
    let Some(gpu) = gpu() else { return };
    let mut host = Watch::new();
    start(None).run(&mut host).expect("finite");
    let mut device = Watch::new();
    start(Some(&gpu)).run(&mut device).expect("finite");
    let steps = host.losses.len() as u64;
    assert!(steps > 20, "{steps} steps");
    let mut bound = Bound::new(1e-4, 0.0);
    bound.check("losses", device.losses.iter().copied(), host.losses.iter().copied());
    let held_out = |watch: &Watch| watch.epochs[0].held_out.expect("held-out tunes").nats_per_char;
    bound.check("held out", [held_out(&device)], [held_out(&host)]);
    let (first, last) = (host.losses[0], host.losses[steps as usize - 1]);
    assert!(last < 0.9 * first, "it learns: {first} to {last}");
    println!("{steps} steps: {bound}");

    for (before, after) in [(Some(&gpu), None), (None, Some(&gpu))] {
        let mut watch = Watch { stop_at: Some(steps / 2), ..Watch::new() };
        let mut trainer = start(before);
        assert_eq!(trainer.run(&mut watch).expect("finite"), Outcome::Stopped);
        let checkpoint = trainer.snapshot().to_checkpoint();
        let snapshot = Snapshot::from_checkpoint(&checkpoint).expect("a checkpoint as any");
        let (settings, data) = small();
        let engine = boxed(after, &settings, &data);
        let mut trainer = Trainer::resume(snapshot, data, engine, 0.0).expect("the same data");
        watch.stop_at = None;
        trainer.run(&mut watch).expect("finite");
        bound.check("losses across devices", watch.losses, host.losses.iter().copied());
    }
}

#[test]
fn a_device_that_is_lost_ends_the_run_and_is_told() {
    let Some(gpu) = gpu() else { return };
    let mut trainer = start(Some(&gpu));
    let mut watch = Watch { lose: Some((3, &gpu)), ..Watch::new() };
    match trainer.run(&mut watch) {
        Err(TrainError::Engine { step: 3, cause }) => {
            assert!(cause.starts_with(&gpu.info().name) && cause.contains(" failed: "), "{cause}")
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(trainer.progress().step, 3);
    assert!(!trainer.is_sound(), "nothing of it is to be saved");
    assert!(trainer.engine().failure().is_some());
}
