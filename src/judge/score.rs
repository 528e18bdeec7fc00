//! How well a tune is made, by itself: what a musician sees at once.

use super::line::Line;
use crate::abc::{Fraction, Meter, Tune, check, strains};
use serde::Serialize;
use std::collections::HashSet;

/// What is counted of one tune.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct TuneScore {
    /// Whether all of its text means something.
    pub readable: bool,
    /// Bars that a meter measures.
    pub bars: usize,
    /// Bars exactly as long as the meter says.
    pub full: usize,
    /// Shorter bars that a neighbour completes: pick-ups and the ends of strains.
    pub completed: usize,
    /// Whether repeats and endings are balanced.
    pub balanced: bool,
    /// Strains: what repeats, double bars and parts mark off.
    pub strains: usize,
    /// Strains of 8 bars or a multiple, one ending counted in.
    pub eights: usize,
    /// Notes, those of chords each.
    pub notes: usize,
    /// Notes in the key.
    pub in_key: usize,
    /// Whether its last note is the tonic; none where the key has none.
    pub ends_on_tonic: Option<bool>,
    /// Bars whose notes, key and all, are those of an earlier bar.
    pub repeated: usize,
    /// Bars whose lengths are those of an earlier bar.
    pub same_rhythm: usize,
    /// Bars with notes, of the leading voice: what the two before are shares of.
    pub sounding: usize,
    /// 0 to 1: all of this in one number, to rank tunes by; see [`score`].
    pub overall: f64,
}

impl TuneScore {
    /// Whether every strain has 8 bars or a multiple.
    pub fn in_eights(&self) -> bool {
        self.strains > 0 && self.eights == self.strains
    }
}

/// A share, 0 where there is nothing to share.
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Scores a tune by itself; what it owes to others is [`Training`](super::Training)'s to say.
///
/// ```text
/// overall = (readable ? 1 : ½) · ( 0.30 · (full + completed) / bars    0.15 · balanced      0.15 · eights / strains
///                                + 0.15 · in key / notes               0.10 · ends on the tonic (½ where the key has none)
///                                + 0.15 · form )
/// form    = how the share r of repeated bars fits: 1 for r from 0.1 to 0.6, falling in straight lines to 0 at r = 0 and at r = 1
/// ```
///
/// A tune without bars has 0. Most folk tunes repeat between a tenth and six tenths of their bars as they are written; none is one bar over and over.
pub fn score(tune: &Tune) -> TuneScore {
    let report = check(tune);
    let line = Line::of(tune);
    let lengths: Vec<Option<f64>> = strains(line.bars)
        .iter()
        .map(|strain| {
            let end = strain.endings.first().map_or(strain.bars.end, |ending| ending.end);
            let bars = &line.bars[strain.bars.start..end];
            let meter = bars.iter().find_map(|bar| bar.meter)?;
            let length: Fraction = bars.iter().map(|bar| bar.length()).sum();
            Some(length.to_f64() / Meter::length(meter).to_f64())
        })
        .collect();
    // A pick-up that another strain completes makes a strain a little longer or shorter than whole bars.
    let eight = |bars: &f64| bars.round() >= 8.0 && bars.round() % 8.0 == 0.0;
    let (mut contents, mut rhythms) = (HashSet::new(), HashSet::new());
    let mut score = TuneScore {
        readable: report.is_readable(),
        bars: report.bars,
        full: report.full,
        completed: report.completed,
        balanced: report.unbalanced == 0,
        strains: lengths.len(),
        eights: lengths.iter().flatten().filter(|bars| eight(bars)).count(),
        notes: report.notes,
        in_key: report.notes.saturating_sub(report.outside_written + report.outside_carried),
        ends_on_tonic: ends_on_tonic(tune, &line),
        ..TuneScore::default()
    };
    for range in line.ranges.iter().filter(|range| !range.is_empty()) {
        let events = &line.events[range.clone()];
        let lengths: Vec<(bool, Fraction)> = events.iter().map(|e| (e.pitch.is_some(), e.length)).collect();
        score.sounding += 1;
        score.repeated += usize::from(!contents.insert(events.to_vec()));
        score.same_rhythm += usize::from(!rhythms.insert(lengths));
    }
    score.overall = overall(&score);
    score
}

fn overall(score: &TuneScore) -> f64 {
    if score.bars == 0 || score.notes == 0 {
        return 0.0;
    }
    let repeated = share(score.repeated, score.sounding);
    let form = (repeated / 0.1).min((1.0 - repeated) / 0.4).clamp(0.0, 1.0);
    let tonic = score.ends_on_tonic.map_or(0.5, f64::from);
    let sum = 0.30 * share(score.full + score.completed, score.bars)
        + 0.15 * f64::from(score.balanced)
        + 0.15 * share(score.eights, score.strains)
        + 0.15 * share(score.in_key, score.notes)
        + 0.10 * tonic
        + 0.15 * form;
    if score.readable { sum } else { 0.5 * sum }
}

/// Whether the last note of the text is the tonic of the key that holds there, in whatever octave.
fn ends_on_tonic(tune: &Tune, line: &Line<'_>) -> Option<bool> {
    let last = line.events.iter().rev().find_map(|event| event.pitch)?;
    let bar = line.bars.iter().zip(&line.ranges).rev().find(|(_, range)| !range.is_empty());
    let key = bar.map_or(tune.header.key, |(bar, _)| bar.key);
    key.tonic.map(|tonic| tonic.semitone() == last.rem_euclid(12))
}
