//! The network on a GPU is the plain loops, over odd shapes; it trains as the CPU does, and its runs go on there and back.
//!
//! Without a GPU these tests are skipped with a message. Where `HORNPIPE_GPU` is set (a number or a name, as in `--device gpu:…`) they
//! run on that one, and fail without it. Mesa's software device will do.
#![cfg(feature = "gpu")]

mod common;

use common::{Bound, Random, Weighing, bits, cpu, everything, in_f64};
use hornpipe::corpus::{Corpus, composer};
use hornpipe::nn::reference::{self, Network, States};
use hornpipe::nn::{
    Batch, Cell, CpuEngine, Engine, GpuEngine, GpuEngineError, Input, LossSums, Masking, ModelConfig,
    NotFinite, Parameters, State, dropout_masks,
};
use hornpipe::optim::{Hyper, Moments, Optimizer};
use hornpipe::train::{
    Control, Data, EpochMetrics, Observer, Outcome, Preset, Settings, Snapshot, StepInfo, TrainError, Trainer,
};
use hornpipe_kernels::gemm::Gemm;
use hornpipe_kernels::gpu::{Choice, Gpu, GpuError};
use ndarray::Axis;

const HYPER: Hyper = Hyper { optimizer: Optimizer::Adam, lr: 0.003, clip_norm: Some(1.0), step: 0 };

fn gpu() -> Option<Gpu> {
    let demanded = std::env::var("HORNPIPE_GPU").ok().filter(|name| !name.is_empty());
    let choice = demanded.as_deref().map_or(Choice::Best, |name| name.parse().expect("infallible"));
    match Gpu::open(&choice) {
        Ok(gpu) => Some(gpu),
        Err(error) if demanded.is_some() => panic!("HORNPIPE_GPU is set, and {error}"),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

fn engine(gpu: &Gpu, config: &ModelConfig, parameters: &Parameters, optimizer: Optimizer) -> GpuEngine {
    GpuEngine::new(config, parameters.clone(), optimizer, gpu.clone(), (1, 1)).expect("room")
}

/// What the plain loops in f64 make of a batch: the sums of the loss, the gradients, the states.
fn truth(
    config: &ModelConfig,
    parameters: &Parameters,
    states: &States<f64>,
    batch: &Batch,
    masking: Option<Masking>,
) -> (LossSums, Vec<f64>, States<f64>, ndarray::Array3<f64>) {
    let network = Network::<f64>::from_parameters(config, parameters);
    let masks = masking.map(|m| dropout_masks(config, m, batch.steps(), batch.rows()));
    let masks: Option<Vec<_>> = masks.map(|all| all.iter().map(|m| m.mapv(f64::from)).collect());
    let pass = reference::forward(&network, batch, states, masks.as_deref());
    let (sums, d_logits) = reference::loss(batch, &pass.logits);
    let gradients = reference::backward(&network, batch, &pass, masks.as_deref(), &d_logits);
    (sums, gradients.network.values(), pass.final_states(), pass.logits)
}

fn check_state(bound: &mut Bound, what: &str, got: &State, want: &States<f64>) {
    let got = got.layers.iter().flatten().flatten().copied();
    let want: Vec<f64> = want.iter().flat_map(|(h, c)| h.iter().chain(c).copied()).collect();
    bound.check(&format!("{what}: state"), got, want);
}

/// Networks and batches of odd sizes: `(config, T, B, weighing, resets)`.
fn shapes() -> Vec<(ModelConfig, usize, usize, Weighing, f32)> {
    let (vector, one) = (Input::Embedding, Input::Scalar);
    let (ones, mixed, last) = (Weighing::Ones, Weighing::Mixed, Weighing::ManyToOne);
    vec![
        (common::config(2, vector(1), 1, 1, 0.0), 1, 1, ones, 0.0),
        (common::config(9, vector(6), 17, 2, 0.3), 6, 9, mixed, 0.4),
        (common::config(40, one, 33, 3, 0.3), 7, 3, mixed, 0.2),
        (common::config(93, vector(20), 40, 2, 0.2), 5, 2, last, 0.0),
        (common::config(13, vector(5), 7, 3, 0.0), 12, 5, last, 0.9),
        (common::config(70, vector(33), 65, 1, 0.5), 4, 34, ones, 0.2),
    ]
}

/// Two batches, the second from the state that the first left; loss, gradients and state. One engine sees all shapes of rows.
#[test]
fn a_whole_step_is_the_plain_loops() {
    let Some(gpu) = gpu() else { return };
    let mut bound = Bound::new(1e-5, 1e-6);
    for (case, (config, steps, rows, weighing, resets)) in (0u64..).zip(shapes()) {
        let mut random = Random::new(case);
        let parameters = random.parameters(&config, 0.5);
        let mut engine = engine(&gpu, &config, &parameters, HYPER.optimizer);
        // Larger, smaller, longer, as before.
        for (rows, steps) in [
            (rows, steps),
            (rows + 3, steps),
            (rows, 1),
            (1, 2 * steps + 1),
            (rows + 3, steps),
            (rows, steps),
        ] {
            let start = random.state(&config, rows);
            engine.set_state(&start);
            let mut states = in_f64(&start);
            for step in 0..2 {
                let batch = random.batch(config.vocabulary, steps, rows, weighing, resets);
                let masking = (case != 4).then_some(Masking { seed: 1 << 40 | case, step });
                let (sums, gradients, after, _) = truth(&config, &parameters, &states, &batch, masking);
                let what = format!("{config:?}, T {steps}, B {rows}, batch {step}");
                let got = engine.gradients(&batch, masking);
                bound.check(&format!("{what}: nats"), [got.nats], [sums.nats]);
                assert_eq!(got.weight, sums.weight, "{what}: weight");
                bound.check(&format!("{what}: correct"), [got.correct], [sums.correct]);
                check_state(&mut bound, &what, &engine.state(), &after);
                let got = engine.last_gradients().values().iter().copied();
                bound.check(&format!("{what}: gradients"), got, gradients);
                states = after;
            }
        }
        assert_eq!(engine.failure(), None);
    }
    println!("{bound}");
}

/// More shapes than programs are kept, there and back, with the state carried on; and evaluation between gradients and update, which
/// it does not touch.
#[test]
fn programs_come_and_go_with_their_shapes() {
    let Some(gpu) = gpu() else { return };
    let config = common::config(11, Input::Embedding(3), 9, 2, 0.0);
    let mut random = Random::new(21);
    let parameters = random.parameters(&config, 0.5);
    let mut engine = engine(&gpu, &config, &parameters, HYPER.optimizer);
    let start = random.state(&config, 4);
    engine.set_state(&start);
    let mut states = in_f64(&start);
    let mut bound = Bound::new(1e-5, 1e-6);
    for steps in (1..=11).chain([1, 30]).chain((1..=11).rev()) {
        let batch = random.batch(11, steps, 4, Weighing::Ones, 0.1);
        let (sums, _, after, _) = truth(&config, &parameters, &states, &batch, None);
        let got = engine.evaluate(&batch);
        bound.check(&format!("T {steps}: nats"), [got.nats], [sums.nats]);
        check_state(&mut bound, &format!("T {steps}"), &engine.state(), &after);
        states = after;
    }

    let batch = random.batch(11, 5, 4, Weighing::Ones, 0.1);
    let [straight, interrupted] = [false, true].map(|evaluates| {
        engine.set_state(&start);
        engine.edit_parameters(&mut |own| own.values_mut().copy_from_slice(parameters.values()));
        engine.set_moments(Moments::zeros(HYPER.optimizer, &parameters));
        engine.gradients(&batch, None);
        if evaluates {
            // The loss of infinite logits is none.
            let (_, bias) = parameters.layout().linear();
            engine.edit_parameters(&mut |own| own.slice_mut(bias)[0] = f32::INFINITY);
            assert!(!engine.evaluate(&batch).nats.is_finite());
            engine.edit_parameters(&mut |own| own.values_mut().copy_from_slice(parameters.values()));
        }
        engine.update(&HYPER).expect("finite gradients");
        bits(engine.parameters().values())
    });
    assert_eq!(straight, interrupted);
    assert_ne!(straight, bits(parameters.values()));
}

#[test]
fn evaluation_and_generation_are_the_plain_loops() {
    let Some(gpu) = gpu() else { return };
    let mut bound = Bound::new(1e-5, 1e-6);
    for (case, (config, steps, rows, weighing, _)) in (0u64..).zip(shapes()) {
        let mut random = Random::new(100 + case);
        let (parameters, start) = (random.parameters(&config, 0.5), random.state(&config, rows));
        let batch = random.batch(config.vocabulary, steps, rows, weighing, 0.0);
        let (sums, _, after, logits) = truth(&config, &parameters, &in_f64(&start), &batch, None);
        let mut engine = engine(&gpu, &config, &parameters, HYPER.optimizer);
        let what = format!("{config:?}");
        engine.set_state(&start);
        let before = everything(&engine);
        let got = engine.evaluate(&batch);
        bound.check(&format!("{what}: nats"), [got.nats], [sums.nats]);
        assert_eq!(
            everything(&engine).gradients,
            before.gradients,
            "{what}: evaluation leaves gradients alone"
        );
        check_state(&mut bound, &what, &engine.state(), &after);

        engine.set_state(&start);
        let last = logits.index_axis(Axis(0), steps - 1).to_owned();
        let got = engine.last_logits(&batch).to_owned();
        bound.check(&format!("{what}: last logits"), got.iter().copied(), last.iter().copied());

        engine.set_state(&start);
        for (t, want) in logits.axis_iter(Axis(0)).enumerate() {
            let got = engine.advance(&batch.tokens.row(t).to_vec());
            bound.check(&format!("{what}: logits at {t}"), got.iter().copied(), want.iter().copied());
        }
        check_state(&mut bound, &what, &engine.state(), &after);
    }
    println!("{bound}");
}

#[test]
fn ten_steps_of_either_optimiser_are_the_cpus() {
    let Some(gpu) = gpu() else { return };
    for optimizer in [Optimizer::Adam, Optimizer::Rmsprop] {
        let config = common::config(23, Input::Embedding(9), 37, 2, 0.2);
        let mut random = Random::new(7);
        let parameters = random.parameters(&config, 0.3);
        let start = random.state(&config, 6);
        let mut device = engine(&gpu, &config, &parameters, optimizer);
        let mut host: CpuEngine = cpu(&config, &parameters, optimizer, Gemm::matrixmultiply(), 3, 1);
        device.set_state(&start);
        host.set_state(&start);
        // As far as ten steps lead, 0.03, weights may be a three-thousandth of it apart.
        let mut bound = Bound::new(1e-4, 1e-5);
        for step in 0..10 {
            let batch = random.batch(23, 7, 6, Weighing::Mixed, 0.1);
            let masking = Some(Masking { seed: 3, step });
            // The first few are clipped.
            let clip_norm = (step < 4).then_some(0.05);
            let hyper = Hyper { optimizer, step, clip_norm, ..HYPER };
            let got = device.train_step(&batch, masking, &hyper).expect("finite");
            let want = host.train_step(&batch, masking, &hyper).expect("finite");
            bound.check("nats", [got.loss.nats], [want.loss.nats]);
            bound.check("norm", [got.gradient_norm], [want.gradient_norm]);
        }
        bound.check(
            "weights",
            device.parameters().values().iter().copied(),
            host.parameters().values().iter().copied(),
        );
        for (got, want) in device.moments().arrays.iter().zip(&host.moments().arrays) {
            // Each of its own size: v is a mean of squares.
            let most = want.values().iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let mut bound = Bound::new(1e-4, 1e-5 * f64::from(most));
            bound.check("moments", got.values().iter().copied(), want.values().iter().copied());
            println!("{optimizer:?}, moments up to {most:.1e}: {bound}");
        }
        println!("{optimizer:?}: {bound}");
    }
}

#[test]
fn one_device_computes_the_same_bits_every_time() {
    let Some(gpu) = gpu() else { return };
    let config = common::config(23, Input::Embedding(9), 37, 2, 0.2);
    let [once, again] = [0, 1].map(|_| {
        let mut random = Random::new(9);
        let parameters = random.parameters(&config, 0.3);
        let mut engine = engine(&gpu, &config, &parameters, HYPER.optimizer);
        engine.set_state(&random.state(&config, 5));
        for step in 0..3 {
            let batch = random.batch(23, 4, 5, Weighing::Ones, 0.1);
            let masking = Some(Masking { seed: 3, step });
            engine.train_step(&batch, masking, &Hyper { step, ..HYPER }).expect("finite");
        }
        everything(&engine)
    });
    assert_eq!(once, again);
}

#[test]
fn a_step_that_is_not_finite_or_has_no_weight_changes_no_weight() {
    let Some(gpu) = gpu() else { return };
    let mut random = Random::new(11);
    let config = common::config(7, Input::Embedding(3), 5, 2, 0.0);
    let mut parameters = random.parameters(&config, 0.5);
    let batch = random.batch(7, 3, 2, Weighing::Ones, 0.0);
    let nothing = Batch { weights: ndarray::Array2::zeros((3, 2)), ..batch.clone() };

    let mut device = engine(&gpu, &config, &parameters, HYPER.optimizer);
    device.set_state(&State::zeros(&config, 2));
    let report = device.train_step(&nothing, None, &HYPER).expect("nothing to do");
    assert_eq!((report.loss.weight, report.gradient_norm), (0.0, 0.0));
    assert_eq!(bits(device.parameters().values()), bits(parameters.values()));
    assert_ne!(device.state(), State::zeros(&config, 2), "the state goes on");

    let (_, bias) = parameters.layout().linear();
    parameters.slice_mut(bias)[3] = f32::NAN;
    assert!(refused(&gpu, &config, &parameters, &batch).nats.is_nan());

    // The only unit puts out about a third: the loss of the smaller logit is 2e38, and the gradient of that unit 6e38, which f32 has not.
    let config = common::config(7, Input::Embedding(3), 1, 1, 0.0);
    let mut parameters = Parameters::zeros(&config);
    let (weight, _) = parameters.layout().linear();
    parameters.slice_mut(weight)[..2].copy_from_slice(&[3e38, -3e38]);
    let at = parameters.layout().layer(0);
    parameters.slice_mut(at.bias).fill(1.0);
    let mut batch = Batch::zeros(1, 1);
    batch.weights.fill(1.0);
    batch.targets.fill(1);
    let nats = refused(&gpu, &config, &parameters, &batch).nats;
    assert!((1e38..3e38).contains(&nats), "a loss as any: {nats}");
}

/// What both engines refuse alike, from the zero state, without any change.
fn refused(gpu: &Gpu, config: &ModelConfig, parameters: &Parameters, batch: &Batch) -> NotFinite {
    let mut device = engine(gpu, config, parameters, HYPER.optimizer);
    let mut host = cpu(config, parameters, HYPER.optimizer, Gemm::matrixmultiply(), 1, 1);
    let [there, here] = [&mut device as &mut dyn Engine, &mut host].map(|engine| {
        engine.set_state(&State::zeros(config, batch.rows()));
        let error = engine.train_step(batch, None, &HYPER).expect_err("not finite");
        assert_eq!(bits(engine.parameters().values()), bits(parameters.values()));
        assert!(engine.moments().arrays.iter().all(|m| m.values().iter().all(|&x| x == 0.0)));
        error
    });
    assert!(!there.gradient_norm.is_finite() && !here.gradient_norm.is_finite(), "{there}; {here}");
    let alike = (there.nats - here.nats).abs() <= 1e-5 * here.nats.abs();
    assert!(alike || there.nats.is_nan() && here.nats.is_nan(), "{there}; {here}");
    assert_eq!(device.failure(), None, "the device itself is well");
    there
}

#[test]
fn a_model_that_is_too_large_is_refused_by_how_much() {
    let Some(gpu) = gpu() else { return };
    let config = common::config(5, Input::Embedding(2), 16, 1, 0.0);
    let parameters = Parameters::zeros(&config);
    // Four gates of 16 units, 4 bytes each: one token more than the limit.
    let tokens = usize::try_from(gpu.info().array_bytes / 256).expect("a length") + 1;
    let error = GpuEngine::new(&config, parameters.clone(), Optimizer::Adam, gpu.clone(), (1, tokens)).err();
    let Some(GpuEngineError::Gpu(GpuError::TooLarge { what, bytes, limit })) = error else {
        panic!("{error:?}")
    };
    assert_eq!((what.as_str(), bytes), ("the gates of layer 0", 256 * tokens as u64));
    assert!(bytes > limit);

    let gru = ModelConfig { cell: Cell::Gru, ..config.clone() };
    let error = GpuEngine::new(&gru, Parameters::zeros(&gru), Optimizer::Adam, gpu.clone(), (1, 1)).err();
    assert_eq!(error, Some(GpuEngineError::Cell(Cell::Gru)));

    // The same for a batch that comes later: the engine's failure, and NaN for whatever is asked of it from then on.
    let mut device = engine(&gpu, &config, &parameters, Optimizer::Adam);
    device.set_state(&State::zeros(&config, 4096));
    let large = Batch::zeros(tokens.div_ceil(4096), 4096);
    assert!(device.evaluate(&large).nats.is_nan());
    let failure = device.failure().expect("a failure");
    assert!(failure.starts_with("there is no room for the gates of layer 0: "), "{failure}");
    check_failed(device, &config);

    // And for a state that comes later, [L, R, H] of 4 bytes each.
    let mut device = engine(&gpu, &config, &parameters, Optimizer::Adam);
    device.set_state(&State::zeros(&config, 4 * tokens));
    let failure = device.failure().expect("a failure");
    assert!(failure.starts_with("there is no room for the carried state: "), "{failure}");
    check_failed(device, &config);
    assert_eq!(gpu.failure(), None, "the device itself is well");
}

/// That an engine that has failed refuses all, without a panic, and keeps its first failure.
fn check_failed(mut engine: GpuEngine, config: &ModelConfig) {
    let failure = engine.failure();
    for rows in [2, 3] {
        engine.set_state(&State::zeros(config, rows));
        let mut batch = Batch::zeros(2, rows);
        assert!(engine.gradients(&batch, None).nats.is_nan());
        assert!(engine.update(&HYPER).is_err(), "without gradients there is no update");
        batch.weights.fill(1.0);
        assert!(engine.train_step(&batch, None, &HYPER).is_err());
        assert!(engine.evaluate(&batch).nats.is_nan());
        for logits in [engine.last_logits(&batch).to_owned(), engine.advance(&vec![0; rows]).to_owned()] {
            assert!(logits.dim() == (rows, config.vocabulary) && logits.iter().all(|x| x.is_nan()));
        }
        engine.edit_parameters(&mut |own| own.values_mut().fill(1.0));
        assert!(engine.last_gradients().values().iter().all(|x| x.is_nan()));
        assert!(engine.state().layers.iter().flatten().flatten().all(|x| x.is_nan()));
    }
    assert_eq!(engine.failure(), failure);
}

/// A read back that fails is a failure, not only NaN.
#[test]
fn what_cannot_be_read_back_is_a_failure() {
    let Some(gpu) = gpu() else { return };
    let config = common::config(5, Input::Embedding(2), 6, 1, 0.0);
    let parameters = Parameters::zeros(&config);
    type Read = fn(&mut GpuEngine) -> bool;
    let reads: [Read; 4] = [
        |engine| {
            engine.advance(&[0]);
            engine.state().layers.iter().flatten().flatten().all(|x| x.is_nan())
        },
        |engine| engine.evaluate(&Batch::zeros(1, 1)).nats.is_nan(),
        |engine| engine.advance(&[0]).iter().all(|x| x.is_nan()),
        |engine| {
            engine.gradients(&Batch::zeros(1, 1), None);
            engine.last_gradients().values().iter().all(|x| x.is_nan())
        },
    ];
    for read in reads {
        // A device of its own, to be given up.
        let own = Gpu::open(&gpu.info().name.parse().expect("infallible")).expect("the same again");
        let mut engine = engine(&own, &config, &parameters, Optimizer::Adam);
        own.destroy();
        assert_eq!(engine.failure(), None, "nothing was asked yet");
        assert!(read(&mut engine));
        let failure = engine.failure().expect("a failure");
        assert!(failure.starts_with(&own.info().name), "{failure}");
    }
}

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
