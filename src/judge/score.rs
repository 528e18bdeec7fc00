//! How well a tune is made, by itself: what a musician sees at once.

use super::line::Line;
use crate::abc::{Bar, Fraction, Meter, Strain, Tune, check, strains};
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
    /// Strains of exactly 8 bars or a multiple: the first ending is counted in, the pick-up is not, and the last bar may leave out what a
    /// pick-up makes up for.
    pub eights: usize,
    /// Notes, those of chords each.
    pub notes: usize,
    /// Notes in the key.
    pub in_key: usize,
    /// Whether its last note is the tonic, whatever the octave; none where the key has none. A chord is, if its highest note (the melody's) or
    /// its lowest (its root, mostly) is.
    pub ends_on_tonic: Option<bool>,
    /// Measures with notes whose notes, pitches and lengths, are those of an earlier one.
    pub repeated: usize,
    /// Measures with notes whose lengths, of notes and of rests, are those of an earlier one.
    pub same_rhythm: usize,
    /// Measures of the leading voice in which a note begins: what the two before are shares of.
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
    let strains = strains(line.bars);
    let (mut contents, mut rhythms) = (HashSet::new(), HashSet::new());
    let mut score = TuneScore {
        readable: report.is_readable(),
        bars: report.bars,
        full: report.full,
        completed: report.completed,
        balanced: report.unbalanced == 0,
        strains: strains.len(),
        eights: strains.iter().filter(|strain| is_in_eights(line.bars, strain)).count(),
        notes: report.notes,
        in_key: report.notes.saturating_sub(report.outside_written + report.outside_carried),
        ends_on_tonic: ends_on_tonic(&line),
        ..TuneScore::default()
    };
    for range in line.measures(0..line.bars.len()).into_iter().filter(|range| line.sounds(range)) {
        let events = &line.events[range];
        let lengths: Vec<(bool, Fraction)> = events.iter().map(|e| (e.pitch.is_some(), e.length)).collect();
        score.sounding += 1;
        score.repeated += usize::from(!contents.insert(events.to_vec()));
        score.same_rhythm += usize::from(!rhythms.insert(lengths));
    }
    score.overall = overall(&score);
    score
}

/// How the share of repeated bars fits, as [`score`] says it.
pub(super) fn form(score: &TuneScore) -> f64 {
    let repeated = share(score.repeated, score.sounding);
    (repeated / 0.1).min((1.0 - repeated) / 0.4).clamp(0.0, 1.0)
}

/// 1 for an end on the tonic, 0 for another, ½ where the key has none.
pub(super) fn tonic(score: &TuneScore) -> f64 {
    score.ends_on_tonic.map_or(0.5, f64::from)
}

fn overall(score: &TuneScore) -> f64 {
    if score.bars == 0 || score.notes == 0 {
        return 0.0;
    }
    let sum = 0.30 * share(score.full + score.completed, score.bars)
        + 0.15 * f64::from(score.balanced)
        + 0.15 * share(score.eights, score.strains)
        + 0.15 * share(score.in_key, score.notes)
        + 0.10 * tonic(score)
        + 0.15 * form(score);
    if score.readable { sum } else { 0.5 * sum }
}

/// Whether a strain has 8 bars or a multiple, as [`TuneScore::eights`] says. The pick-up that its last bar may leave room for is its own, that of the
/// strain after it, or the tune's.
fn is_in_eights(bars: &[Bar], strain: &Strain) -> bool {
    let in_bars = |bar: &Bar| bar.meter.map(|meter| bar.length() / Meter::length(meter));
    let pick_up = |at: usize| {
        let length = bars.get(at).and_then(in_bars);
        length.filter(|length| *length < Fraction::ONE).unwrap_or(Fraction::ZERO)
    };
    let (start, end) = (strain.bars.start, strain.endings.first().map_or(strain.bars.end, |e| e.end));
    let Some(all) = bars[start..end].iter().map(in_bars).sum::<Option<Fraction>>() else { return false };
    let body = all - pick_up(start);
    [Fraction::ZERO, pick_up(start), pick_up(strain.bars.end), pick_up(0)].into_iter().any(|more| {
        let bars = body + more;
        bars.denominator() == 1 && bars.numerator() >= 8 && bars.numerator() % 8 == 0
    })
}

fn ends_on_tonic(line: &Line<'_>) -> Option<bool> {
    let last = line.events.iter().rposition(|event| event.pitch.is_some())?;
    let tonic = line.tonics[last]?;
    let (_, note) = line.bars.iter().rev().find_map(|bar| bar.notes().last())?;
    let keys = || note.heads.iter().map(|head| head.pitch.midi());
    let is_tonic = |key: i32| (key - tonic).rem_euclid(12) == 0;
    Some([keys().min(), keys().max()].into_iter().flatten().any(is_tonic))
}
