//! How often what occurs, and how far two such counts are apart.

use crate::abc::{Fraction, Tune};
use serde::Serialize;
use std::collections::BTreeMap;

use super::line::Line;

/// Counts of things that have names and an order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts<K: Ord>(pub BTreeMap<K, u64>);

impl<K: Ord> Counts<K> {
    fn add(&mut self, key: K) {
        *self.0.entry(key).or_default() += 1;
    }

    fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The share of one of them.
    pub fn share(&self, key: &K) -> f64 {
        match self.total() {
            0 => 0.0,
            total => self.0.get(key).copied().unwrap_or(0) as f64 / total as f64,
        }
    }

    /// The Jensen–Shannon distance: the root of the Jensen–Shannon divergence in bits (Lin 1991; Endres and Schindelin 2003). 0 for equal
    /// shares, 1 for counts that have nothing in common; none where one has nothing.
    pub fn distance(&self, other: &Counts<K>) -> Option<f64> {
        let (own_total, other_total) = (self.total() as f64, other.total() as f64);
        if own_total == 0.0 || other_total == 0.0 {
            return None;
        }
        let share = |counts: &Counts<K>, key, total| counts.0.get(key).map_or(0.0, |n| *n as f64 / total);
        let half = |own: f64, mean: f64| if own > 0.0 { 0.5 * own * (own / mean).log2() } else { 0.0 };
        let mut divergence = 0.0;
        for key in self.0.keys().chain(other.0.keys().filter(|key| !self.0.contains_key(key))) {
            let (p, q) = (share(self, key, own_total), share(other, key, other_total));
            let mean = 0.5 * (p + q);
            divergence += half(p, mean) + half(q, mean);
        }
        // Rounding may lead below 0.
        Some(divergence.max(0.0).sqrt().min(1.0))
    }
}

/// The widest step between notes that is counted as it is; wider ones count as this.
const WIDEST: i32 = 12;

/// Three counts of some tunes' leading voices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histograms {
    /// Notes by their semitones above the tonic of the key that holds there, 0 to 11; above C where it has none.
    pub pitch_classes: Counts<i32>,
    /// Steps from note to note in semitones, up to an octave either way.
    pub intervals: Counts<i32>,
    /// Lengths of notes and rests, of a whole note.
    pub durations: Counts<Fraction>,
}

impl Histograms {
    pub(super) fn add(&mut self, line: &Line<'_>) {
        let mut last = None;
        for (event, tonic) in line.events.iter().zip(&line.tonics) {
            self.durations.add(event.length);
            let Some(pitch) = event.pitch else { continue };
            self.pitch_classes.add((pitch - tonic.unwrap_or(0)).rem_euclid(12));
            if let Some(last) = last.replace(pitch) {
                self.intervals.add((pitch - last).clamp(-WIDEST, WIDEST));
            }
        }
    }

    /// Counts a tune in.
    pub fn count(&mut self, tune: &Tune) {
        self.add(&Line::of(tune));
    }

    /// How far two sets of tunes are apart.
    pub fn distances(&self, other: &Histograms) -> Distances {
        Distances {
            pitch_classes: self.pitch_classes.distance(&other.pitch_classes),
            intervals: self.intervals.distance(&other.intervals),
            durations: self.durations.distance(&other.durations),
        }
    }
}

/// Jensen–Shannon distances, each 0 to 1; none where one side has nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Distances {
    /// Of the notes above the tonic.
    pub pitch_classes: Option<f64>,
    /// Of the steps from note to note.
    pub intervals: Option<f64>,
    /// Of the lengths.
    pub durations: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(i32, u64)]) -> Counts<i32> {
        Counts(of.iter().copied().collect())
    }

    #[test]
    fn distances_by_hand() {
        let one = counts(&[(0, 1), (1, 1)]);
        assert_eq!(one.distance(&counts(&[(0, 5), (1, 5)])), Some(0.0));
        assert_eq!(one.distance(&counts(&[(2, 3)])), Some(1.0));
        // p = (½, ½), q = (1, 0): ½·½·log2(½/¾) + ½·½·log2(½/¼) + ½·1·log2(1/¾)
        let by_hand: f64 = 0.25 * (2.0f64 / 3.0).log2() + 0.25 + 0.5 * (4.0f64 / 3.0).log2();
        let distance = one.distance(&counts(&[(0, 9)])).unwrap();
        assert!((distance - by_hand.sqrt()).abs() < 1e-12, "{distance}");
        assert_eq!(counts(&[(0, 9)]).distance(&one), Some(distance));
        assert_eq!(one.distance(&counts(&[])), None);
    }

    #[test]
    fn counts_by_hand() {
        let tunes = crate::abc::read("X:1\nL:1/8\nK:D\nD2 F-F z [Ad]|d''\n");
        let mut histograms = Histograms::default();
        histograms.count(&tunes[0]);
        assert_eq!(histograms.pitch_classes, counts(&[(0, 3), (4, 1)]));
        // D to F♯, over the rest to the chord's d, and two octaves up.
        assert_eq!(histograms.intervals, counts(&[(4, 1), (8, 1), (12, 1)]));
        let eighth = |n| Fraction::new(n, 8);
        assert_eq!(histograms.durations.0.into_iter().collect::<Vec<_>>(), [(eighth(1), 3), (eighth(2), 2)]);
    }
}
