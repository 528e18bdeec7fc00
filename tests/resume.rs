//! A run that was stopped and resumed ends with the bits of a run that was not.
#![cfg(feature = "cli")]

mod support;

use hornpipe::checkpoint::Checkpoint;
use hornpipe::nn::Cell;
use hornpipe::random::{Purpose, below, generator};
use hornpipe::train::{
    Augment, Control, Data, EpochMetrics, Objective, Observer, Outcome, Preset, Settings, Snapshot, StepInfo,
    Trainer, build_engine,
};
use hornpipe_kernels::gemm::Gemm;
use std::convert::Infallible;

fn settings(objective: Objective) -> Settings {
    Settings {
        objective,
        epochs: 3,
        batch_size: 7,
        shard_rows: 2,
        seq_len: 8,
        hidden: 9,
        layers: 2,
        dropout: 0.2,
        weight_drop: 0.1,
        stride: 9,
        validation_fraction: 0.3,
        ..Preset::Folk.settings()
    }
}

const BOTH: [Objective; 2] = [Objective::ManyToMany, Objective::ManyToOne];

/// Stops where it is told to, and keeps what it heard.
#[derive(Default)]
struct Stopper {
    at_step: Option<u64>,
    in_evaluation: bool,
    at_epoch: bool,
    metrics: Vec<EpochMetrics>,
}

impl Observer for Stopper {
    type Error = Infallible;

    fn step(&mut self, trainer: &Trainer, _: StepInfo) -> Result<Control, Infallible> {
        Ok(if self.at_step == Some(trainer.progress().step) { Control::Stop } else { Control::Continue })
    }

    fn evaluating(&mut self, done: f64) -> Control {
        if self.in_evaluation && done > 0.4 { Control::Stop } else { Control::Continue }
    }

    fn epoch(&mut self, _: &Trainer, metrics: EpochMetrics, _: bool) -> Result<Control, Infallible> {
        self.metrics.push(EpochMetrics { seconds: 0.0, ..metrics });
        Ok(if self.at_epoch { Control::Stop } else { Control::Continue })
    }
}

fn begin(settings: &Settings) -> Trainer {
    let data = Data::new(&support::corpus(), settings, None).unwrap();
    let parameters = settings.init.parameters(&settings.model(data.vocabulary.len()), settings.seed);
    let gemm = Gemm::detect().unwrap();
    let engine = build_engine(settings, parameters, data.vocabulary.len(), gemm, 1).unwrap();
    Trainer::new(settings.clone(), data, engine)
}

/// The run of these bytes, on another engine.
fn go_on(bytes: &[u8], threads: usize) -> Trainer {
    let snapshot = Snapshot::from_checkpoint(&Checkpoint::from_bytes(bytes).unwrap()).unwrap();
    assert!(snapshot.to_checkpoint().to_bytes() == bytes, "a snapshot survives its bytes");
    let data = Data::new(&support::corpus(), &snapshot.settings, Some(snapshot.vocabulary.clone())).unwrap();
    let gemm = Gemm::detect().unwrap();
    let zeros = snapshot.parameters.zeros_like();
    let engine = build_engine(&snapshot.settings, zeros, data.vocabulary.len(), gemm, threads).unwrap();
    Trainer::resume(snapshot, data, engine, 0.0).unwrap()
}

fn bytes(trainer: &Trainer) -> Vec<u8> {
    trainer.snapshot().to_checkpoint().to_bytes()
}

/// The end of an undisturbed run: its checkpoint, its metrics, its steps.
fn straight(settings: &Settings) -> (Vec<u8>, Vec<EpochMetrics>, u64) {
    let (mut trainer, mut stopper) = (begin(settings), Stopper::default());
    assert_eq!(trainer.run(&mut stopper).unwrap(), Outcome::Finished);
    (bytes(&trainer), stopper.metrics, trainer.progress().step)
}

/// The end of a run that is stopped by each of these in turn, and resumed each time with other threads.
fn with_stops(settings: &Settings, stops: Vec<Stopper>) -> (Vec<u8>, Vec<EpochMetrics>) {
    let mut trainer = begin(settings);
    let mut metrics = Vec::new();
    for (index, mut stopper) in stops.into_iter().enumerate() {
        trainer.run(&mut stopper).unwrap();
        metrics.append(&mut stopper.metrics);
        trainer = go_on(&bytes(&trainer), 1 + index % 4);
    }
    let mut last = Stopper::default();
    assert_eq!(trainer.run(&mut last).unwrap(), Outcome::Finished);
    metrics.append(&mut last.metrics);
    (bytes(&trainer), metrics)
}

fn at(step: u64) -> Stopper {
    Stopper { at_step: Some(step), ..Stopper::default() }
}

#[test]
fn stopped_at_a_step() {
    for objective in BOTH {
        let settings = settings(objective);
        let (end, metrics, steps) = straight(&settings);
        let first_epoch = metrics[0].step;
        let mut stops = vec![1, first_epoch - 1, first_epoch, first_epoch + 1, steps - 1, steps];
        let mut rng = generator(7, Purpose::SeedWindow);
        stops.extend((0..4).map(|_| 1 + u64::from(below(&mut rng, steps as u32))));
        for step in stops {
            let (resumed, its_metrics) = with_stops(&settings, vec![at(step)]);
            assert_eq!(its_metrics, metrics, "{objective:?}, stopped after step {step} of {steps}");
            assert!(resumed == end, "{objective:?}, stopped after step {step} of {steps}");
        }
        let often = (1..=steps).step_by(11).map(at).collect();
        assert!(with_stops(&settings, often) == (end, metrics), "{objective:?}, stopped often");
    }
}

#[test]
fn a_run_of_any_cell() {
    for cell in Cell::ALL {
        for objective in BOTH {
            let settings = Settings { cell, epochs: 2, ..settings(objective) };
            let (end, metrics, steps) = straight(&settings);
            let first_epoch = metrics[0].step;
            let stops = [2, first_epoch + 1, steps - 1].map(at).into();
            assert!(with_stops(&settings, stops) == (end, metrics), "{cell}, {objective:?}");
        }
    }
}

#[test]
fn stopped_while_it_evaluates_and_after_an_epoch() {
    for objective in BOTH {
        let settings = settings(objective);
        let (end, metrics, _) = straight(&settings);
        let evaluating = || Stopper { in_evaluation: true, ..Stopper::default() };
        let epoch = || Stopper { at_epoch: true, ..Stopper::default() };
        for stops in [
            vec![evaluating()],
            vec![evaluating(), evaluating()],
            vec![epoch()],
            vec![epoch(), evaluating(), epoch(), evaluating()],
        ] {
            assert!(with_stops(&settings, stops) == (end.clone(), metrics.clone()), "{objective:?}");
        }
    }
}

#[test]
fn a_run_measured_in_steps() {
    for objective in BOTH {
        // One that ends within an epoch, and one that ends with an epoch's last step.
        let epoch = straight(&settings(objective)).1[0].step;
        for steps in [epoch + 5, 2 * epoch] {
            let settings = Settings { steps: Some(steps), ..settings(objective) };
            let (end, metrics, _) = straight(&settings);
            assert_eq!(metrics.len(), 2);
            for stop in [3, epoch, steps - 1, steps] {
                let (resumed, its_metrics) = with_stops(&settings, vec![at(stop)]);
                assert_eq!(its_metrics, metrics, "{objective:?}, stopped after step {stop} of {steps}");
                assert!(resumed == end, "{objective:?}, stopped after step {stop} of {steps}");
            }
        }
    }
}

#[test]
fn a_finished_run_stays_as_it_is() {
    let patient = Settings { patience: Some(1), lr: 0.5, clip_norm: None, epochs: 50, ..settings(BOTH[0]) };
    for (settings, outcome) in [(settings(BOTH[0]), Outcome::Finished), (patient, Outcome::OutOfPatience)] {
        let mut trainer = begin(&settings);
        assert_eq!(trainer.run(&mut Stopper::default()).unwrap(), outcome);
        let end = bytes(&trainer);
        let mut again = go_on(&end, 2);
        assert_eq!(again.run(&mut Stopper::default()).unwrap(), outcome);
        assert!(bytes(&again) == end, "{outcome:?}");
    }
}

#[test]
fn stopping_after_the_last_epoch_stops_nothing() {
    let settings = Settings { epochs: 1, ..settings(BOTH[0]) };
    let mut stopper = Stopper { at_epoch: true, ..Stopper::default() };
    assert_eq!(begin(&settings).run(&mut stopper).unwrap(), Outcome::Finished);
}

#[test]
fn the_bytes_do_not_depend_on_the_folder_or_the_clock() {
    let settings = Settings { epochs: 1, ..settings(BOTH[1]) };
    assert!(straight(&settings).0 == straight(&settings).0);
}

#[test]
fn a_run_in_other_keys_goes_on_bit_for_bit() {
    let settings = Settings { augment: Augment::Transpose, ..settings(BOTH[0]) };
    assert!(
        begin(&settings).data().versions > begin(&settings).data().tunes.0,
        "the tunes have several keys"
    );
    let (end, metrics, steps) = straight(&settings);
    assert!(end != straight(&Settings { augment: Augment::None, ..settings.clone() }).0);
    for stops in [vec![at(1)], vec![at(metrics[0].step), at(steps - 1)]] {
        assert!(with_stops(&settings, stops) == (end.clone(), metrics.clone()));
    }
}
