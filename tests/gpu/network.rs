//! Loss, gradients, states, evaluation, generation and updates against the plain loops and the CPU.

use super::common::{self, Bound, Random, Weighing, bits, cpu, everything, in_f64};
use super::{HYPER, engine, gpu};
use hornpipe::nn::reference::{self, Network, States};
use hornpipe::nn::{
    Batch, CpuEngine, Engine, Input, LossSums, Masking, ModelConfig, NotFinite, Parameters, State,
    WeightDrop, dropout_masks,
};
use hornpipe::optim::{Hyper, Moments, Optimizer};
use hornpipe_kernels::gemm::Gemm;
use hornpipe_kernels::gpu::Gpu;
use ndarray::Axis;

/// What the plain loops in f64 make of a batch: the sums of the loss, the gradients, the states.
fn truth(
    config: &ModelConfig,
    parameters: &Parameters,
    states: &States<f64>,
    batch: &Batch,
    masking: Option<Masking>,
) -> (LossSums, Vec<f64>, States<f64>, ndarray::Array3<f64>) {
    let mut network = Network::<f64>::from_parameters(config, parameters);
    let drop = WeightDrop::new(config, masking);
    if let Some(drop) = drop {
        drop.apply(&mut network);
    }
    let masks = masking.map(|m| dropout_masks(config, m, batch.steps(), batch.rows()));
    let masks: Option<Vec<_>> = masks.map(|all| all.iter().map(|m| m.mapv(f64::from)).collect());
    let pass = reference::forward(&network, batch, states, masks.as_deref());
    let (sums, d_logits) = reference::loss(batch, &pass.logits);
    let mut gradients = reference::backward(&network, batch, &pass, masks.as_deref(), &d_logits);
    if let Some(drop) = drop {
        drop.apply(&mut gradients.network);
    }
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
        (ModelConfig { weight_drop: 0.3, ..common::config(21, vector(7), 37, 2, 0.2) }, 5, 6, mixed, 0.3),
        (ModelConfig { weight_drop: 0.5, ..common::config(8, one, 18, 3, 0.0) }, 6, 4, ones, 0.1),
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
