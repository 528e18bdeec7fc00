//! The gradient check passes for sound engines and sees what is wrong with others.

mod common;

use common::{Random, config, cpu};
use hornpipe::inspect::check::{ParameterCheck, Settings, check};
use hornpipe::nn::{
    Batch, Cell, Engine, Input, LossSums, Masking, ModelConfig, NotFinite, Parameters, ReferenceEngine, State,
};
use hornpipe::optim::{Hyper, Moments, Optimizer};
use hornpipe_kernels::gemm::Gemm;
use ndarray::ArrayView2;
use std::ops::ControlFlow;

const SETTINGS: Settings =
    Settings { samples: 6, steps: 7, rows: 3, many_to_one: false, seed: 4, threads: 2 };

fn network() -> (ModelConfig, Parameters) {
    let config = config(9, Input::Embedding(4), 7, 2, 0.3);
    let parameters = Random::new(2).parameters(&config, 0.6);
    (config, parameters)
}

fn run(engine: &mut dyn Engine, settings: Settings) -> Vec<ParameterCheck> {
    check(engine, settings, &mut |_| ControlFlow::Continue(())).unwrap().unwrap()
}

#[test]
fn sound_engines_pass() {
    let (config, parameters) = network();
    let mut reference = ReferenceEngine::new(&config, parameters.clone(), Optimizer::Adam);
    let mut fast = cpu(&config, &parameters, Optimizer::Adam, Gemm::detect().unwrap(), 2, 2);
    for engine in [&mut reference as &mut dyn Engine, &mut fast] {
        for many_to_one in [false, true] {
            let checks = run(engine, Settings { many_to_one, ..SETTINGS });
            assert_eq!(checks.len(), 9);
            assert!(checks.iter().all(|c| c.passed && c.sampled == 6), "{checks:#?}");
            assert!(checks.iter().any(|c| c.engine_to_reference > 0.0), "f32 is not f64");
        }
    }
}

#[test]
fn so_do_those_of_every_cell() {
    for cell in Cell::ALL {
        let config = ModelConfig { cell, ..network().0 };
        let parameters = Random::new(2).parameters(&config, 0.6);
        let mut engine = cpu(&config, &parameters, Optimizer::Adam, Gemm::detect().unwrap(), 2, 2);
        let checks = run(&mut engine, SETTINGS);
        assert_eq!(checks.len(), if cell.extra().is_some() { 11 } else { 9 });
        assert!(checks.iter().all(|c| c.passed), "{cell}: {checks:#?}");
    }
}

#[test]
fn so_do_those_that_drop_weights() {
    for dropout in [0.0, 0.3] {
        let config = ModelConfig { dropout, weight_drop: 0.4, ..network().0 };
        let parameters = Random::new(2).parameters(&config, 0.6);
        let mut reference = ReferenceEngine::new(&config, parameters.clone(), Optimizer::Adam);
        let mut fast = cpu(&config, &parameters, Optimizer::Adam, Gemm::detect().unwrap(), 2, 2);
        for engine in [&mut reference as &mut dyn Engine, &mut fast] {
            let checks = run(engine, SETTINGS);
            assert!(checks.iter().all(|c| c.passed), "{checks:#?}");
            let zeros = |l: usize| {
                let parameters = engine.last_gradients();
                let d_w_hh = parameters.slice(parameters.layout().layer(l).w_hh);
                d_w_hh.iter().filter(|&&d| d == 0.0).count() as f64 / d_w_hh.len() as f64
            };
            // Of 196 weights each.
            assert!([0, 1].map(zeros).iter().all(|share| (0.25..0.55).contains(share)));
        }
    }
}

#[test]
fn threads_and_samples_change_no_verdict() {
    let (config, parameters) = network();
    let mut engine = ReferenceEngine::new(&config, parameters, Optimizer::Adam);
    let one = run(&mut engine, Settings { threads: 1, ..SETTINGS });
    assert_eq!(one, run(&mut engine, SETTINGS));
    let all = run(&mut engine, Settings { samples: 1000, ..SETTINGS });
    // Each number once where there are fewer.
    assert!(all.iter().all(|c| c.passed) && all[8].sampled == 9, "{all:#?}");
    let stopped = check(&mut engine, SETTINGS, &mut |_| ControlFlow::Break(())).unwrap();
    assert!(stopped.is_none());
}

/// An engine of which one gradient is not what it should be.
struct Wrong {
    engine: ReferenceEngine,
    gradients: Parameters,
    change: fn(&mut Parameters),
}

impl Engine for Wrong {
    fn config(&self) -> &ModelConfig {
        self.engine.config()
    }
    fn parameters(&self) -> &Parameters {
        self.engine.parameters()
    }
    fn edit_parameters(&mut self, edit: &mut dyn FnMut(&mut Parameters)) {
        self.engine.edit_parameters(edit);
    }
    fn moments(&self) -> &Moments {
        self.engine.moments()
    }
    fn set_moments(&mut self, moments: Moments) {
        self.engine.set_moments(moments);
    }
    fn state(&self) -> State {
        self.engine.state()
    }
    fn set_state(&mut self, state: &State) {
        self.engine.set_state(state);
    }
    fn gradients(&mut self, batch: &Batch, masking: Option<Masking>) -> LossSums {
        let sums = self.engine.gradients(batch, masking);
        self.gradients = self.engine.last_gradients().clone();
        (self.change)(&mut self.gradients);
        sums
    }
    fn last_gradients(&self) -> &Parameters {
        &self.gradients
    }
    fn update(&mut self, hyper: &Hyper) -> Result<f64, NotFinite> {
        self.engine.update(hyper)
    }
    fn evaluate(&mut self, batch: &Batch) -> LossSums {
        self.engine.evaluate(batch)
    }
    fn last_logits(&mut self, batch: &Batch) -> ArrayView2<'_, f32> {
        self.engine.last_logits(batch)
    }
    fn advance(&mut self, tokens: &[u32]) -> ArrayView2<'_, f32> {
        self.engine.advance(tokens)
    }
}

#[test]
fn a_wrong_gradient_is_named() {
    let (config, parameters) = network();
    let wrong = |change: fn(&mut Parameters)| {
        let engine = ReferenceEngine::new(&config, parameters.clone(), Optimizer::Adam);
        let gradients = parameters.clone();
        let checks = run(&mut Wrong { engine, gradients, change }, SETTINGS);
        let failed = checks.into_iter().filter(|c| !c.passed).map(|c| c.name);
        failed.collect::<Vec<_>>()
    };
    assert!(wrong(|_| {}).is_empty());
    // All of a parameter a hundredth too large, one number of the opposite sign, one that is none.
    assert_eq!(wrong(|g| g.slice_mut(2).iter_mut().for_each(|d| *d *= 1.01)), ["lstm.weight_hh_l0"]);
    assert_eq!(wrong(|g| g.slice_mut(6)[3] *= -1.0), ["lstm.bias_l1"]);
    assert_eq!(wrong(|g| g.slice_mut(7)[0] = f32::NAN), ["linear.weight"]);
}
