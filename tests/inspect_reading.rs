//! What the recorder shows is what the plain loops compute in f64: every gate, state and logit of every step.

mod common;

use common::{Bound, Random, Weighing, config, in_f64};
use hornpipe::inspect::{Reading, Recorder, Sequence, Signal, read, signals};
use hornpipe::nn::lstm::reference::Cache;
use hornpipe::nn::reference::{Network, Pass, forward, zero_states};
use hornpipe::nn::{Batch, Cell, Input, ModelConfig, Parameters};
use hornpipe_kernels::Isa;
use ndarray::s;
use std::ops::ControlFlow;

/// The line feed of these tests' vocabularies.
const NEWLINE: u32 = 0;

fn bound() -> Bound {
    Bound::new(1e-5, 2e-6)
}

/// Signal `k` in the recorder's order, whose name is this, from the reference.
fn signal(cache: &Cache<f64>, k: usize, name: &str, t: usize, r: usize) -> Vec<f64> {
    let hidden = cache.h.dim().2;
    match name {
        "c" => cache.c.slice(s![t, r, ..]).to_vec(),
        "h" => cache.h.slice(s![t, r, ..]).to_vec(),
        _ => cache.gates.slice(s![t, r, k * hidden..(k + 1) * hidden]).to_vec(),
    }
}

fn networks() -> Vec<(ModelConfig, Parameters)> {
    let mut random = Random::new(3);
    let mut all = Vec::new();
    for (input, hidden, layers) in
        [(Input::Embedding(5), 7, 2), (Input::Scalar, 1, 1), (Input::Embedding(3), 33, 3)]
    {
        let config = config(9, input, hidden, layers, 0.4);
        let parameters = random.parameters(&config, 0.5);
        all.push((config, parameters));
    }
    for cell in Cell::ALL {
        let config = ModelConfig { cell, ..config(9, Input::Embedding(3), 19, 2, 0.4) };
        // Small, since a memory without a forget gate grows over a text.
        let parameters = random.parameters(&config, 0.1);
        all.push((config, parameters));
    }
    all
}

#[test]
fn a_batch_is_the_references() {
    let mut bound = bound();
    for (config, parameters) in networks() {
        let mut random = Random::new(8);
        let (steps, rows) = (11, 5);
        let batch = random.batch(config.vocabulary, steps, rows, Weighing::Ones, 0.2);
        let state = random.state(&config, rows);
        let network = Network::<f64>::from_parameters(&config, &parameters);
        let want: Pass<f64> = forward(&network, &batch, &in_f64(&state), None);
        for isa in Isa::available() {
            let mut recorder = Recorder::new(isa, &config, &parameters);
            recorder.set_state(&state);
            let record = recorder.run(&batch);
            for t in 0..steps {
                for r in 0..rows {
                    for (l, cache) in want.layers.iter().enumerate() {
                        for (k, Signal { name, .. }) in signals(config.cell).iter().enumerate() {
                            let what =
                                format!("{}, {isa}, layer {l}, {name}, step {t}, row {r}", config.cell);
                            let got = record.signal(l, k, t, r).iter().copied();
                            bound.check(&what, got, signal(cache, k, name, t, r));
                        }
                    }
                    let input = want.layers[0].x.slice(s![t, r, ..]);
                    bound.check("x", record.input(t, r).iter().copied(), input.iter().copied());
                    let logits = want.logits.slice(s![t, r, ..]);
                    bound.check("logits", record.logits(t, r).iter().copied(), logits.iter().copied());
                    assert_eq!(record.token(t, r), batch.tokens[[t, r]]);
                }
            }
        }
    }
    println!("{bound}");
}

/// A text of some tunes, blank lines included, and longer than what is computed at once.
fn text(random: &mut Random, vocabulary: usize, length: usize) -> Vec<u32> {
    let mut text: Vec<u32> = (0..length).map(|_| random.below(vocabulary)).collect();
    for at in [4, 5, 6, 20, 21, 90, 91].into_iter().filter(|&at| at < length) {
        text[at] = NEWLINE;
    }
    text
}

/// The reference over some steps of one row, from the zero state.
fn reference(config: &ModelConfig, parameters: &Parameters, tokens: &[u32], resets: &[usize]) -> Pass<f64> {
    let network = Network::<f64>::from_parameters(config, parameters);
    let mut batch = Batch::zeros(tokens.len(), 1);
    tokens.iter().enumerate().for_each(|(t, &token)| batch.tokens[[t, 0]] = token);
    resets.iter().for_each(|&t| batch.resets[[t, 0]] = true);
    forward(&network, &batch, &zero_states(&network, 1), None)
}

/// Reads, and compares each step with step `place` of the pass that `want` gives for it.
fn check(
    config: &ModelConfig,
    parameters: &Parameters,
    sequences: &[Sequence],
    reading: Reading,
    rows: usize,
    want: &mut dyn FnMut(usize, usize) -> (Pass<f64>, usize),
) {
    let mut bound = bound();
    let mut recorder = Recorder::new(Isa::best(), config, parameters);
    let mut next = vec![0; sequences.len()];
    let flow = read(&mut recorder, sequences, reading, rows, &mut |step| {
        assert_eq!(step.step, next[step.sequence], "steps come in their order");
        next[step.sequence] += 1;
        let (pass, t) = want(step.sequence, step.step);
        let what = format!("{reading:?}, {rows} rows, sequence {}, step {}", step.sequence, step.step);
        for (l, cache) in pass.layers.iter().enumerate() {
            for (k, Signal { name, .. }) in signals(config.cell).iter().enumerate() {
                let want = signal(cache, k, name, t, 0);
                bound.check(&what, step.signal(l, k).iter().copied(), want);
            }
        }
        let logits = pass.logits.slice(s![t, 0, ..]).to_vec();
        bound.check(&what, step.logits().iter().copied(), logits.iter().copied());
        let mut got = Vec::new();
        step.probabilities(&mut got);
        let sum: f64 = logits.iter().map(|z| z.exp()).sum();
        bound.check(&what, got, logits.iter().map(|z| z.exp() / sum));
        ControlFlow::Continue(())
    });
    assert!(flow.is_continue());
    let lengths: Vec<usize> = sequences.iter().map(Sequence::len).collect();
    assert_eq!(next, lengths, "every step was shown");
    println!("{reading:?}, {rows} rows: {bound}");
}

#[test]
fn texts_are_read_with_the_state_carried_and_each_tune_begins_from_zero() {
    for (config, parameters) in networks() {
        let mut random = Random::new(5);
        let texts: Vec<Vec<u32>> =
            [130, 3, 64, 1, 65, 200].iter().map(|&n| text(&mut random, config.vocabulary, n)).collect();
        let sequences: Vec<Sequence> = texts.iter().map(|text| Sequence::text(text, NEWLINE)).collect();
        let passes: Vec<Pass<f64>> = texts
            .iter()
            .map(|text| {
                let tokens: Vec<u32> = [NEWLINE].iter().chain(text).copied().collect();
                let blank = |&t: &usize| tokens[t] == NEWLINE && tokens[t - 1] == NEWLINE && t > 1;
                let resets: Vec<usize> = (1..tokens.len()).filter(blank).collect();
                assert!(text.len() < 8 || resets.len() >= 2);
                reference(&config, &parameters, &tokens, &resets)
            })
            .collect();
        for rows in [1, 2, 50] {
            check(&config, &parameters, &sequences, Reading::Carried, rows, &mut |sequence, step| {
                (passes[sequence].clone(), step)
            });
        }
    }
}

#[test]
fn windows_begin_from_zero_at_each_character() {
    let (config, parameters) = networks().remove(0);
    let text = text(&mut Random::new(6), config.vocabulary, 150);
    let tokens: Vec<u32> = [NEWLINE].iter().chain(&text).copied().collect();
    for window in [1, 7, 100] {
        let sequences = [Sequence::text(&text, NEWLINE)];
        check(&config, &parameters, &sequences, Reading::Window(window), 1, &mut |_, step| {
            let seen = &tokens[(step + 1).saturating_sub(window)..=step];
            (reference(&config, &parameters, seen, &[]), seen.len() - 1)
        });
    }
}

#[test]
fn a_tune_predicts_each_of_its_characters_once() {
    let tune = [3, 4, 5, NEWLINE, NEWLINE];
    assert_eq!((Sequence::tune(&tune, NEWLINE).len(), Sequence::text(&tune, NEWLINE).len()), (5, 6));
    assert!(Sequence::tune(&[], NEWLINE).is_empty());
    assert_eq!(Sequence::text(&[], NEWLINE).len(), 1);
}

#[test]
fn a_reading_is_broken_off_and_may_be_of_nothing() {
    let (config, parameters) = networks().remove(0);
    let mut recorder = Recorder::new(Isa::best(), &config, &parameters);
    let sequences = vec![Sequence::text(&[1, 2, 3], NEWLINE); 3];
    let mut seen = 0;
    let flow = read(&mut recorder, &sequences, Reading::Carried, 2, &mut |_| {
        seen += 1;
        if seen == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(flow.is_break() && seen == 5);
    for reading in [Reading::Carried, Reading::Window(4)] {
        for nothing in [&[][..], &[Sequence::tune(&[], NEWLINE)]] {
            let flow = read(&mut recorder, nothing, reading, 3, &mut |_| panic!("there is no step"));
            assert!(flow.is_continue());
        }
    }
}
