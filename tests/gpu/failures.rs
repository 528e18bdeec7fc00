//! What is too large, and what cannot be read back.

use super::{HYPER, common, engine, gpu};
use hornpipe::nn::{Batch, Cell, Engine, GpuEngine, GpuEngineError, Input, ModelConfig, Parameters, State};
use hornpipe::optim::Optimizer;
use hornpipe_kernels::gpu::{Gpu, GpuError};

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
