//! The correlation of each unit with each feature.

use super::features::{FEATURES, Feature, Kind};
use super::labelled::{CLASSES, Labelled, Settings, Turns, class};
use crate::inspect::Recorder;
use serde::Serialize;
use std::ops::ControlFlow;

/// The score of one unit for one feature.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct UnitScore {
    /// Its layer.
    pub layer: usize,
    /// Its number.
    pub unit: usize,
    /// From -1 to 1; for classes from 0 to 1.
    pub score: f64,
}

/// The scores of all units for one feature.
#[derive(Clone, Debug, PartialEq)]
pub struct FeatureScores {
    /// Characters that have a label.
    pub samples: u64,
    /// All units, the best first.
    pub units: Vec<UnitScore>,
    /// The best unit's magnitude for each way of turning the labels around.
    pub chance: Vec<f64>,
}

/// Sums over samples for the correlations of one feature with all units, for the true labels and each turned around.
struct Sums {
    kind: Kind,
    /// `[1 + permutations][classes or 1]`: Σ y, or for classes how many there are.
    y: Vec<Vec<f64>>,
    /// `[1 + permutations]`: Σ y².
    yy: Vec<f64>,
    /// `[1 + permutations][classes or 1][L·H]`: Σ x·y, or for classes Σ x.
    xy: Vec<Vec<Vec<f64>>>,
}

impl Sums {
    fn new(kind: Kind, variants: usize, units: usize) -> Self {
        let classes = if kind == Kind::Class { CLASSES } else { 1 };
        Sums {
            kind,
            y: vec![vec![0.0; classes]; variants],
            yy: vec![0.0; variants],
            xy: vec![vec![vec![0.0; units]; classes]; variants],
        }
    }

    fn add(&mut self, variant: usize, label: f32, x: &[f32]) {
        let (class, y) = match self.kind {
            Kind::Class => (class(label), 1.0),
            Kind::Flag | Kind::Number => (0, f64::from(label)),
        };
        self.y[variant][class] += y;
        self.yy[variant] += y * y;
        if y != 0.0 {
            self.xy[variant][class].iter_mut().zip(x).for_each(|(sum, &x)| *sum += y * f64::from(x));
        }
    }

    /// The score of a unit, given `n`, its Σ x and Σ x².
    fn score(&self, variant: usize, unit: usize, n: f64, x: f64, xx: f64) -> f64 {
        let spread = xx - x * x / n;
        let score = match self.kind {
            Kind::Flag | Kind::Number => {
                let y = self.y[variant][0];
                let together = self.xy[variant][0][unit] - x * y / n;
                together / (spread * (self.yy[variant] - y * y / n)).sqrt()
            }
            Kind::Class => {
                let counts = self.y[variant].iter().zip(&self.xy[variant]);
                let between: f64 =
                    counts.filter(|(n, _)| **n > 0.0).map(|(n, sums)| sums[unit] * sums[unit] / n).sum();
                ((between - x * x / n) / spread).max(0.0).sqrt()
            }
        };
        // A unit or a feature that never changes follows nothing.
        if score.is_finite() { score.clamp(-1.0, 1.0) } else { 0.0 }
    }
}

/// How far a score must be clear of what luck reaches.
const CLEAR: f64 = 0.1;

/// Whether the best unit's magnitude is clear both of what it is with the labels turned around, and of the best in networks that were
/// not trained.
pub fn is_followed(best: f64, chance: f64, untrained: f64) -> bool {
    best >= chance.max(untrained) + CLEAR
}

/// Scores all units for all features. `progress` hears the steps that are done and may break it off; then there is no result.
///
/// # Panics
/// As [`read`](crate::inspect::read).
pub fn scores(
    recorder: &mut Recorder,
    labelled: &Labelled,
    settings: Settings,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Option<Vec<FeatureScores>> {
    let (layers, hidden) = (recorder.config().layers, recorder.config().hidden);
    let units = layers * hidden;
    let turns = Turns::new(labelled, settings);
    let variants = 1 + settings.permutations;
    let mut sums: Vec<Sums> = FEATURES.iter().map(|f| Sums::new(f.kind, variants, units)).collect();
    // Of all characters, and of those that are music: how many, Σ x and Σ x².
    let mut moments = [false, true].map(|_| (0u64, vec![0.0; units], vec![0.0; units]));
    let mut x = Vec::with_capacity(units);
    let mut done = 0;
    let flow = labelled.read(recorder, settings.rows, &mut |step, tune, character| {
        x.clear();
        (0..layers).for_each(|l| x.extend_from_slice(step.signal(l, settings.signal)));
        let (labels, places) = &labelled.tunes[tune];
        let music = places.binary_search(&character).ok();
        for (count, sum, squares) in moments.iter_mut().take(if music.is_some() { 2 } else { 1 }) {
            *count += 1;
            for ((sum, square), &x) in sum.iter_mut().zip(squares).zip(&x) {
                *sum += f64::from(x);
                *square += f64::from(x) * f64::from(x);
            }
        }
        for (f, (feature, sums)) in FEATURES.iter().zip(&mut sums).enumerate() {
            if feature.music && music.is_none() {
                continue;
            }
            sums.add(0, labels[character][f], &x);
            for variant in 1..variants {
                let label = turns.label(labelled, variant - 1, tune, character, music, f);
                sums.add(variant, label, &x);
            }
        }
        done += 1;
        progress(done)
    });
    if flow.is_break() {
        return None;
    }
    let of = |(sums, feature): (&Sums, &Feature)| {
        let (samples, x, xx) = &moments[usize::from(feature.music)];
        let n = (*samples).max(1) as f64;
        let score = |variant: usize, unit: usize| sums.score(variant, unit, n, x[unit], xx[unit]);
        let mut all: Vec<UnitScore> = (0..units)
            .map(|u| UnitScore { layer: u / hidden, unit: u % hidden, score: score(0, u) })
            .collect();
        all.sort_by(|a, b| b.score.abs().total_cmp(&a.score.abs()));
        let best = |variant| (0..units).map(|u| score(variant, u).abs()).fold(0.0, f64::max);
        FeatureScores { samples: *samples, units: all, chance: (1..variants).map(best).collect() }
    };
    Some(sums.iter().zip(&FEATURES).map(of).collect())
}
