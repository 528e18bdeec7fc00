//! Probes find a unit that was planted, and nothing in networks that were not trained.

mod common;

use common::config;
use hornpipe::corpus::{Tune, Vocabulary, composer::compose, parse};
use hornpipe::inspect::units::{
    COUNT, FEATURES, Kind, Labelled, Settings, is_followed, labels, probes, scores,
};
use hornpipe::inspect::{Reading, Recorder};
use hornpipe::nn::init::Initializer;
use hornpipe::nn::{Input, ModelConfig, Parameters};
use hornpipe_kernels::Isa;
use std::ops::ControlFlow;

/// The place of the cell state among the signals.
const C: usize = 4;
const SETTINGS: Settings = Settings { signal: C, permutations: 10, seed: 3, rows: 4 };
const CHORD: usize = 1;

fn tunes() -> (Vec<Tune>, Vocabulary) {
    let tunes = parse("composed tunes", compose(30, 5).as_bytes()).unwrap();
    let vocabulary = Vocabulary::from_tunes(&tunes);
    (tunes, vocabulary)
}

fn labelled(reading: Reading) -> (Labelled, Vocabulary) {
    let (tunes, vocabulary) = tunes();
    let encoded = vocabulary.encode_tunes(&tunes).unwrap();
    let all = tunes.iter().map(|tune| labels(&tune.text)).collect();
    (Labelled::new(&encoded, all, vocabulary.newline(), reading), vocabulary)
}

fn go_on(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A network whose unit 4 of the second layer turns over at each quotation mark. The others are as they begin.
fn planted(vocabulary: &Vocabulary) -> (ModelConfig, Parameters) {
    let config = config(vocabulary.len(), Input::Embedding(3), 6, 2, 0.0);
    let mut parameters = Initializer::Pytorch.parameters(&config, 7);
    let (table, first, second) = {
        let layout = parameters.layout();
        (layout.embedding().unwrap(), layout.layer(0), layout.layer(1))
    };
    // The last number of a character says whether it is a quotation mark.
    let quote = vocabulary.encode_char('"').unwrap() as usize;
    for v in 0..vocabulary.len() {
        parameters.slice_mut(table)[3 * v + 2] = if v == quote { 1.0 } else { 0.0 };
    }
    let row = |gate: usize, unit: usize| gate * 6 + unit;
    // Unit 5 of the first layer passes that on: it forgets all, takes in the candidate, shows it.
    for (gate, bias, weight) in [(0, 20.0, 0.0), (1, -20.0, 0.0), (2, 0.0, 20.0), (3, 20.0, 0.0)] {
        let at = row(gate, 5);
        parameters.slice_mut(first.w_ih)[3 * at..3 * at + 3].copy_from_slice(&[0.0, 0.0, weight]);
        parameters.slice_mut(first.w_hh)[6 * at..6 * at + 6].fill(0.0);
        parameters.slice_mut(first.bias)[at] = bias;
    }
    // Unit 4 of the second keeps its memory but at a quotation mark, where it takes the opposite of what it shows.
    for (gate, bias, weight, own) in
        [(0, -12.0, 30.0, 0.0), (1, 12.0, -30.0, 0.0), (2, 2.0, 0.0, -10.0), (3, 20.0, 0.0, 0.0)]
    {
        let at = row(gate, 4);
        parameters.slice_mut(second.w_ih)[6 * at..6 * at + 6]
            .copy_from_slice(&[0.0, 0.0, 0.0, 0.0, 0.0, weight]);
        parameters.slice_mut(second.w_hh)[6 * at..6 * at + 6]
            .copy_from_slice(&[0.0, 0.0, 0.0, 0.0, own, 0.0]);
        parameters.slice_mut(second.bias)[at] = bias;
    }
    (config, parameters)
}

#[test]
fn a_planted_unit_is_found() {
    for reading in [Reading::Carried, Reading::Window(60)] {
        let (labelled, vocabulary) = labelled(reading);
        let (config, parameters) = planted(&vocabulary);
        let mut recorder = Recorder::new(Isa::best(), &config, &parameters);
        let found = scores(&mut recorder, &labelled, SETTINGS, &mut go_on).unwrap();
        let best = found[CHORD].units[0];
        let chance = found[CHORD].chance.iter().copied().fold(0.0, f64::max);
        println!("{reading:?}: {best:?}, chance {chance}");
        assert_eq!((best.layer, best.unit), (1, 4), "{reading:?}");
        // A window may begin within a chord.
        let least = if reading == Reading::Carried { 0.8 } else { 0.5 };
        assert!(best.score > least && chance < 0.2, "{reading:?}: {} against {chance}", best.score);
        let next = found[CHORD].units[1].score.abs();
        assert!(next < best.score - 0.1, "{next}");
        if reading == Reading::Carried {
            let probe = &probes(&mut recorder, &labelled, SETTINGS, &mut go_on).unwrap()[CHORD];
            println!("{probe:?}");
            assert!(probe.layers[1] > 0.98 && probe.layers[1] > probe.majority + 0.05, "{probe:?}");
        }
    }
}

#[test]
fn nothing_is_found_in_an_untrained_network() {
    let (labelled, vocabulary) = labelled(Reading::Carried);
    let config = config(vocabulary.len(), Input::Embedding(8), 32, 2, 0.0);
    let of = |seed: u64, permutations: usize| {
        let parameters = Initializer::Pytorch.parameters(&config, seed);
        let mut recorder = Recorder::new(Isa::best(), &config, &parameters);
        scores(&mut recorder, &labelled, Settings { permutations, ..SETTINGS }, &mut go_on).unwrap()
    };
    let mut untrained = [0.0f64; COUNT];
    for seed in 1000..1010 {
        for (best, found) in untrained.iter_mut().zip(of(seed, 0)) {
            *best = best.max(found.units[0].score.abs());
        }
    }
    for seed in 1..6 {
        for (f, found) in of(seed, 10).iter().enumerate() {
            let chance = found.chance.iter().copied().fold(0.0, f64::max);
            let best = found.units[0].score.abs();
            let name = FEATURES[f].name;
            assert!(
                best > 0.0 && chance > 0.0 && untrained[f] > 0.0,
                "{name}: every unit follows everything a little"
            );
            println!("seed {seed}, {name}: {best:.3}, chance {chance:.3}, untrained {:.3}", untrained[f]);
            assert!(
                !is_followed(best, chance, untrained[f]),
                "seed {seed}, {name}: {best} against {}",
                untrained[f]
            );
        }
    }
}

/// The scores against their definitions, on a network small enough to write all activations down.
#[test]
fn scores_are_correlations() {
    let (tunes, vocabulary) = tunes();
    let config = config(vocabulary.len(), Input::Embedding(4), 3, 1, 0.0);
    let parameters = Initializer::Pytorch.parameters(&config, 2);
    let mut recorder = Recorder::new(Isa::best(), &config, &parameters);
    let (labelled, _) = labelled(Reading::Carried);
    let found = scores(&mut recorder, &labelled, SETTINGS, &mut go_on).unwrap();

    let mut pairs: Vec<Vec<(f64, f64)>> = vec![Vec::new(); COUNT];
    let encoded = vocabulary.encode_tunes(&tunes).unwrap();
    for (tune, text) in encoded.iter().zip(&tunes) {
        let labels = labels(&text.text);
        let sequence = [hornpipe::inspect::Sequence::tune(tune, vocabulary.newline())];
        let flow = hornpipe::inspect::read(&mut recorder, &sequence, Reading::Carried, 1, &mut |step| {
            if step.step > 0 {
                for (pairs, label) in pairs.iter_mut().zip(labels[step.step - 1]) {
                    if !label.is_nan() {
                        pairs.push((step.signal(0, C)[1].into(), label.into()));
                    }
                }
            }
            ControlFlow::Continue(())
        });
        assert!(flow.is_continue());
    }
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let all: Vec<f64> = values.collect();
        all.iter().sum::<f64>() / all.len() as f64
    };
    for (f, pairs) in pairs.iter().enumerate() {
        let (mx, my) = (mean(&mut pairs.iter().map(|p| p.0)), mean(&mut pairs.iter().map(|p| p.1)));
        let product = |a: &dyn Fn(&(f64, f64)) -> f64| pairs.iter().map(a).sum::<f64>();
        let xx = product(&|p| (p.0 - mx).powi(2));
        let want = if FEATURES[f].kind == Kind::Class {
            let of_class =
                |class: f64| pairs.iter().filter(|p| p.1 == class).map(|p| p.0).collect::<Vec<f64>>();
            let between: f64 = (-7..=7)
                .map(|class| of_class(f64::from(class)))
                .filter(|members| !members.is_empty())
                .map(|members| members.len() as f64 * (mean(&mut members.iter().copied()) - mx).powi(2))
                .sum();
            (between / xx).sqrt()
        } else {
            product(&|p| (p.0 - mx) * (p.1 - my)) / (xx * product(&|p| (p.1 - my).powi(2))).sqrt()
        };
        let got = found[f].units.iter().find(|unit| unit.unit == 1).unwrap().score;
        assert_eq!(found[f].samples, pairs.len() as u64, "{}", FEATURES[f].name);
        assert!((got - want).abs() < 1e-5, "{}: {got} for {want}", FEATURES[f].name);
    }
}

#[test]
fn it_is_broken_off() {
    let (labelled, vocabulary) = labelled(Reading::Carried);
    let (config, parameters) = planted(&vocabulary);
    let mut recorder = Recorder::new(Isa::best(), &config, &parameters);
    let mut stop = |done: usize| if done > 100 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    assert!(scores(&mut recorder, &labelled, SETTINGS, &mut stop).is_none());
    assert!(probes(&mut recorder, &labelled, SETTINGS, &mut stop).is_none());
}
