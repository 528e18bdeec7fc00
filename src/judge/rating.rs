//! Which of several tries is the best.

use super::histogram::Histograms;
use super::line::Line;
use super::novelty::Training;
use super::score::{TuneScore, form, score, tonic};
use crate::abc;
use serde::Serialize;

/// What several tries for one tune are ranked by; see [`rate`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Rating {
    /// 0 to 2, above 1 only where the tune is right.
    pub total: f64,
    /// 0 to 1: readable, full bars, balanced repeats.
    pub validity: f64,
    /// 0 to 1: how near its notes are to the training tunes'; none where these are not known.
    pub likeness: Option<f64>,
    /// 0 to 1: whether bars come again, and not all the time.
    pub form: f64,
    /// 1 for an end on the tonic, 0 for another, ½ where the key has none.
    pub tonic: f64,
    /// 0 to 1: what is not copied; none where the training tunes are not known.
    pub newness: Option<f64>,
    /// What was counted.
    pub score: TuneScore,
}

/// Rates the first tune of a text; none where it holds no tune with notes.
///
/// ```text
/// validity = (readable + (full + completed) / bars + balanced) / 3
/// likeness = 1 − the mean Jensen–Shannon distance of pitch classes, intervals and durations from the training tunes'
/// form     = as in the overall score: 1 where a tenth to six tenths of the bars are those of an earlier bar
/// tonic    = 1 for an end on the tonic, 0 for another, ½ where the key has none
/// newness  = 1 − the longest run of notes that stands in a training tune / the tune's notes and rests
/// total    = validity                                             where that is below 1
///            1 + the mean of likeness, form, tonic and newness    else
/// ```
///
/// So a tune with a fault never comes before one without. Where the training tunes are not known, likeness and newness are left out.
pub fn rate(text: &str, training: Option<&Training>) -> Option<Rating> {
    let tune = abc::read(text).into_iter().next()?;
    let score = score(&tune);
    if score.bars == 0 || score.notes == 0 {
        return None;
    }
    let line = Line::of(&tune);
    let bars = (score.full + score.completed) as f64 / score.bars as f64;
    let validity = (f64::from(score.readable) + bars + f64::from(score.balanced)) / 3.0;
    let likeness = training.and_then(|training| {
        let mut own = Histograms::default();
        own.add(&line);
        let of = own.distances(training.histograms());
        Some(1.0 - (of.pitch_classes? + of.intervals? + of.durations?) / 3.0)
    });
    let newness = training
        .map(|training| 1.0 - training.novelty(text, &tune).notes.length as f64 / line.events.len() as f64);
    let (form, tonic) = (form(&score), tonic(&score));
    let parts = [likeness, Some(form), Some(tonic), newness];
    let known = parts.iter().flatten().count();
    let quality = parts.iter().flatten().sum::<f64>() / known as f64;
    let total = if validity < 1.0 { validity } else { 1.0 + quality };
    Some(Rating { total, validity, likeness, form, tonic, newness, score })
}
