//! Saturation and half-lives: against the plain loops, and in a network made by hand.

mod common;

use common::{Random, config};
use hornpipe::inspect::saturation::{GateUse, Saturation, half_life};
use hornpipe::inspect::{Reading, Recorder, Sequence};
use hornpipe::nn::reference::{Network, forward, zero_states};
use hornpipe::nn::{Batch, Input, ModelConfig, Parameters};
use hornpipe_kernels::Isa;
use std::ops::ControlFlow;

fn measure(config: &ModelConfig, parameters: &Parameters, tunes: &[Vec<u32>], rows: usize) -> Saturation {
    let mut recorder = Recorder::new(Isa::best(), config, parameters);
    let sequences = Sequence::tunes(tunes, 0, Reading::Carried);
    Saturation::new(&mut recorder, &sequences, Reading::Carried, rows, &mut |_| ControlFlow::Continue(()))
        .unwrap()
}

#[test]
fn shares_and_means_are_the_references() {
    let config = config(8, Input::Embedding(4), 5, 2, 0.0);
    let mut random = Random::new(5);
    let parameters = random.parameters(&config, 3.0);
    let tunes: Vec<Vec<u32>> =
        [70, 9, 33].iter().map(|&n| (0..n).map(|_| random.below(8)).collect()).collect();
    // Blank lines end tunes, so within one there is none.
    let tunes: Vec<Vec<u32>> = tunes.into_iter().map(|t| t.into_iter().map(|c| c.max(1)).collect()).collect();
    let network = Network::<f64>::from_parameters(&config, &parameters);
    let mut want = vec![vec![vec![GateUse::default(); 5]; 3]; 2];
    let mut steps = 0.0;
    for tune in &tunes {
        let mut batch = Batch::zeros(tune.len(), 1);
        (1..tune.len()).for_each(|t| batch.tokens[[t, 0]] = tune[t - 1]);
        let pass = forward(&network, &batch, &zero_states(&network, 1), None);
        for t in 0..tune.len() {
            for (l, gates) in want.iter_mut().enumerate() {
                // i, f and o: the candidate is no gate.
                for (gate, q) in gates.iter_mut().zip([0, 1, 3]) {
                    for (u, gate) in gate.iter_mut().enumerate() {
                        let value = pass.layers[l].gates[[t, 0, q * 5 + u]];
                        gate.shut += if value < 0.1 { 1.0 } else { 0.0 };
                        gate.open += if value > 0.9 { 1.0 } else { 0.0 };
                        gate.mean += value;
                    }
                }
            }
            steps += 1.0;
        }
    }
    for rows in [1, 2, 16] {
        let got = measure(&config, &parameters, &tunes, rows);
        assert_eq!((got.steps as f64, &got.gates[..]), (steps, &["i", "f", "o"][..]));
        for (got, want) in got.layers.iter().flatten().flatten().zip(want.iter().flatten().flatten()) {
            let close = |a: f64, b: f64| (a - b / steps).abs() < 1e-6;
            assert!(close(got.shut, want.shut) && close(got.open, want.open), "{got:?} for {want:?}");
            assert!(close(got.mean, want.mean), "{got:?} for {want:?}");
        }
    }
    let saturated = want.iter().flatten().flatten().filter(|g| g.shut > 5.0 && g.open > 5.0).count();
    assert!(saturated > 5, "the network saturates: {saturated}");
}

#[test]
fn a_network_made_by_hand_keeps_what_its_biases_say() {
    let config = config(4, Input::Embedding(2), 3, 1, 0.0);
    let mut parameters = Parameters::zeros(&config);
    let at = parameters.layout().layer(0).bias;
    let logit = |p: f32| (p / (1.0 - p)).ln();
    // The forget gates of the three units: always shut, keeping nine tenths, always open.
    parameters.slice_mut(at)[3..6].copy_from_slice(&[-30.0, logit(0.89), 30.0]);
    let got = measure(&config, &parameters, &[vec![1, 2, 3, 1]], 1);
    let forget = &got.layers[0][1];
    assert_eq!([forget[0].shut, forget[0].open, forget[2].shut, forget[2].open], [1.0, 0.0, 0.0, 1.0]);
    assert!((forget[1].mean - 0.89).abs() < 1e-6 && forget[1].open == 0.0);
    let lives = got.half_lives(0).unwrap();
    assert!(lives[0] < 0.1 && (lives[1] - 0.5f64.ln() / 0.89f64.ln()).abs() < 1e-4, "{lives:?}");
    assert!(lives[2] > 1e5, "{lives:?}");
    // Without a bias a gate is half open, and half of the memory is left after one step.
    assert_eq!(got.layers[0][0][0], GateUse { shut: 0.0, open: 0.0, mean: 0.5 });
    assert_eq!(half_life(0.5), 1.0);
    assert_eq!(half_life(1.0), f64::INFINITY);
}

#[test]
fn it_is_broken_off() {
    let config = config(4, Input::Embedding(2), 3, 1, 0.0);
    let mut recorder = Recorder::new(Isa::best(), &config, &Parameters::zeros(&config));
    let sequences = [Sequence::text(&[1, 2, 3], 0)];
    let stopped =
        Saturation::new(&mut recorder, &sequences, Reading::Carried, 1, &mut |_| ControlFlow::Break(()));
    assert_eq!(stopped, None);
}
