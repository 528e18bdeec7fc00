//! What a linear map reads from each layer.

use super::features::{COUNT, FEATURES, Feature, Kind};
use super::labelled::{CLASSES, Labelled, Settings, class};
use super::linear::{Gram, Target, predict};
use crate::inspect::Recorder;
use serde::Serialize;
use std::ops::ControlFlow;

/// What a linear probe reads from each layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbeScores {
    /// For each layer: the accuracy on the other tunes, of numbers the share of the variance that is explained (below zero where it
    /// is worse than their mean).
    pub layers: Vec<f64>,
    /// The accuracy of always guessing what is most frequent in the tunes that it was fitted to; 0 for numbers.
    pub majority: f64,
    /// Characters that it was measured on.
    pub samples: u64,
}

/// What is known of a feature's labels in the tunes that probes are measured on.
#[derive(Clone, Default)]
struct Measured {
    samples: u64,
    /// For each layer: how many were right, or Σ (y - prediction)².
    layers: Vec<f64>,
    /// How many are the most frequent, or Σ (y - mean)².
    baseline: f64,
}

/// Fits a linear probe to each layer for each feature on every other tune, and measures it on the rest. `progress` is as for [`scores`](super::scores);
/// there are two passes.
///
/// # Panics
/// As [`read`](crate::inspect::read).
pub fn probes(
    recorder: &mut Recorder,
    labelled: &Labelled,
    settings: Settings,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Option<Vec<ProbeScores>> {
    let (layers, hidden) = (recorder.config().layers, recorder.config().hidden);
    let width = |kind| if kind == Kind::Class { CLASSES } else { 1 };
    let target = |f: &Feature| vec![Target::new(hidden); width(f.kind)];
    // By layer: the sums of all characters and of music, and those of each feature.
    let mut grams: Vec<[Gram; 2]> = (0..layers).map(|_| [Gram::new(hidden), Gram::new(hidden)]).collect();
    let mut targets: Vec<Vec<Vec<Target>>> =
        (0..layers).map(|_| FEATURES.iter().map(target).collect()).collect();
    let mut counts: Vec<Vec<f64>> = FEATURES.iter().map(|f| vec![0.0; width(f.kind).max(2)]).collect();
    let mut done = 0;
    let flow = labelled.read(recorder, settings.rows, &mut |step, tune, character| {
        done += 1;
        let flow = progress(done);
        if tune % 2 == 1 {
            return flow;
        }
        let (labels, places) = &labelled.tunes[tune];
        let music = places.binary_search(&character).is_ok();
        let label = labels[character];
        for l in 0..layers {
            let x = step.signal(l, settings.signal);
            grams[l][0].add(x);
            if music {
                grams[l][1].add(x);
            }
            for (f, feature) in FEATURES.iter().enumerate().filter(|(_, f)| music || !f.music) {
                match feature.kind {
                    Kind::Class => targets[l][f][class(label[f])].add(x, 1.0),
                    Kind::Flag | Kind::Number => targets[l][f][0].add(x, label[f].into()),
                }
            }
        }
        for (f, feature) in FEATURES.iter().enumerate().filter(|(_, f)| music || !f.music) {
            match feature.kind {
                Kind::Class => counts[f][class(label[f])] += 1.0,
                Kind::Flag => counts[f][usize::from(label[f] != 0.0)] += 1.0,
                // A sum and a number of samples, for the mean.
                Kind::Number => {
                    counts[f][0] += f64::from(label[f]);
                    counts[f][1] += 1.0;
                }
            }
        }
        flow
    });
    if flow.is_break() {
        return None;
    }

    // `[L][COUNT][width]`: the weights. The features of all characters and those of music have one matrix each.
    let mut weights: Vec<Vec<Vec<Vec<f64>>>> = vec![vec![Vec::new(); COUNT]; layers];
    for (l, weights) in weights.iter_mut().enumerate() {
        for music in [false, true] {
            let features: Vec<usize> = (0..COUNT).filter(|&f| FEATURES[f].music == music).collect();
            let of_all: Vec<&Target> = features.iter().flat_map(|&f| &targets[l][f]).collect();
            let mut solutions = grams[l][usize::from(music)].solve(&of_all).into_iter();
            for f in features {
                weights[f] = solutions.by_ref().take(width(FEATURES[f].kind)).collect();
            }
        }
    }
    let frequent = |counts: &[f64]| (0..counts.len()).max_by(|&a, &b| counts[a].total_cmp(&counts[b]));
    let mut measured = vec![Measured { layers: vec![0.0; layers], ..Measured::default() }; COUNT];
    let flow = labelled.read(recorder, settings.rows, &mut |step, tune, character| {
        done += 1;
        let flow = progress(done);
        if tune % 2 == 0 {
            return flow;
        }
        let (labels, places) = &labelled.tunes[tune];
        let music = places.binary_search(&character).is_ok();
        for (f, feature) in FEATURES.iter().enumerate().filter(|(_, f)| music || !f.music) {
            let label = labels[character][f];
            let measured = &mut measured[f];
            measured.samples += 1;
            measured.baseline += match feature.kind {
                Kind::Class => hit(frequent(&counts[f]) == Some(class(label))),
                Kind::Flag => hit(frequent(&counts[f]) == Some(usize::from(label != 0.0))),
                Kind::Number => (f64::from(label) - counts[f][0] / counts[f][1].max(1.0)).powi(2),
            };
            for (l, (weights, sum)) in weights.iter().zip(&mut measured.layers).enumerate() {
                let x = step.signal(l, settings.signal);
                let predictions: Vec<f64> = weights[f].iter().map(|w| predict(w, x)).collect();
                *sum += match feature.kind {
                    Kind::Class => hit(frequent(&predictions) == Some(class(label))),
                    Kind::Flag => hit((predictions[0] > 0.5) == (label != 0.0)),
                    Kind::Number => (f64::from(label) - predictions[0]).powi(2),
                };
            }
        }
        flow
    });
    if flow.is_break() {
        return None;
    }
    let score = |(measured, feature): (Measured, &Feature)| {
        let n = measured.samples.max(1) as f64;
        let number = feature.kind == Kind::Number;
        // No variance at all is explained by anything.
        let explained =
            |errors: f64| if measured.baseline > 0.0 { 1.0 - errors / measured.baseline } else { 0.0 };
        ProbeScores {
            layers: measured
                .layers
                .iter()
                .map(|&sum| if number { explained(sum) } else { sum / n })
                .collect(),
            majority: if number { 0.0 } else { measured.baseline / n },
            samples: measured.samples,
        }
    };
    Some(measured.into_iter().zip(&FEATURES).map(score).collect())
}

fn hit(is: bool) -> f64 {
    if is { 1.0 } else { 0.0 }
}
