//! Many tunes judged together.

use super::histogram::{Distances, Histograms};
use super::line::Line;
use super::novelty::{Novelty, Training, name};
use super::score::{TuneScore, score};
use crate::{abc, corpus};
use serde::Serialize;

/// How many bars back a bar is compared with.
pub const LAGS: usize = 16;

/// One tune, judged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JudgedTune {
    /// Its title, or its number.
    pub name: String,
    /// What it is by itself.
    pub score: TuneScore,
    /// What of it was there before.
    pub novelty: Novelty,
}

/// What is said of tunes together. Shares are 0 to 1; none where there is nothing to share.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// How many tunes.
    pub tunes: usize,
    /// Tunes of which all text means something.
    pub readable: Option<f64>,
    /// Bars exactly as long as the meter says.
    pub full_bars: Option<f64>,
    /// Those, and shorter ones that a neighbour completes.
    pub full_or_completed_bars: Option<f64>,
    /// Tunes whose repeats and endings are balanced.
    pub balanced: Option<f64>,
    /// Tunes of which every strain has 8 bars or a multiple.
    pub in_eights: Option<f64>,
    /// Notes in the key.
    pub in_key: Option<f64>,
    /// Tunes that end on the tonic, of those that have one.
    pub ends_on_tonic: Option<f64>,
    /// Measures with notes whose notes are those of an earlier one.
    pub repeated_bars: Option<f64>,
    /// Measures with notes whose lengths are those of an earlier one.
    pub repeated_rhythms: Option<f64>,
    /// The mean of [`TuneScore::overall`].
    pub overall: Option<f64>,
    /// How far counts are from those of the training tunes.
    pub distances: Distances,
    /// The longest run of characters copied from a training tune: the middle tune's, and the greatest.
    pub copied_characters: [usize; 2],
    /// The same for notes, whatever the key.
    pub copied_notes: [usize; 2],
    /// Phrases of four bars that stand in a training tune.
    pub phrases_found: Option<f64>,
    /// The mean similarity of the nearest training tune.
    pub similarity: Option<f64>,
}

/// Tunes judged against training tunes.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// All of them together.
    pub summary: Summary,
    /// Each.
    pub tunes: Vec<JudgedTune>,
    /// What their notes are.
    pub histograms: Histograms,
    /// Repetition: of the measures with notes that have one so many before, from 1 to [`LAGS`], the share with the same notes.
    pub lags: Vec<f64>,
}

/// Judges tunes.
pub fn judge(tunes: &[corpus::Tune], training: &Training) -> Judgement {
    let mut judged = Vec::with_capacity(tunes.len());
    let mut all = Histograms::default();
    let mut lags = vec![(0usize, 0usize); LAGS];
    for text in tunes {
        for tune in abc::read(&text.text) {
            let line = Line::of(&tune);
            all.add(&line);
            count_lags(&line, &mut lags);
            let (score, novelty) = (score(&tune), training.novelty(&text.text, &tune));
            judged.push(JudgedTune { name: name(&tune), score, novelty });
        }
    }
    Judgement {
        summary: summary(&judged, all.distances(training.histograms())),
        tunes: judged,
        histograms: all,
        lags: lags.into_iter().map(|(same, bars)| share(same, bars).unwrap_or(0.0)).collect(),
    }
}

fn count_lags(line: &Line<'_>, lags: &mut [(usize, usize)]) {
    // Those without notes keep their places, so that a lag is a time.
    let measures = line.measures(0..line.bars.len());
    for (lag, (same, count)) in (1..).zip(lags) {
        for (earlier, later) in measures.iter().zip(measures.iter().skip(lag)) {
            if line.sounds(later) {
                *count += 1;
                *same += usize::from(line.events[earlier.clone()] == line.events[later.clone()]);
            }
        }
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / count as f64)
}

/// The middle one, of two the upper, and the greatest.
fn middle_and_greatest(mut values: Vec<usize>) -> [usize; 2] {
    values.sort_unstable();
    [values.get(values.len() / 2).copied().unwrap_or(0), values.last().copied().unwrap_or(0)]
}

fn summary(tunes: &[JudgedTune], distances: Distances) -> Summary {
    let count = |is: &dyn Fn(&TuneScore) -> bool| tunes.iter().filter(|tune| is(&tune.score)).count();
    let sum = |of: &dyn Fn(&JudgedTune) -> usize| tunes.iter().map(of).sum::<usize>();
    let all = tunes.len();
    let (bars, notes) = (sum(&|t| t.score.bars), sum(&|t| t.score.notes));
    let sounding = sum(&|t| t.score.sounding);
    Summary {
        tunes: all,
        readable: share(count(&|s| s.readable), all),
        full_bars: share(sum(&|t| t.score.full), bars),
        full_or_completed_bars: share(sum(&|t| t.score.full + t.score.completed), bars),
        balanced: share(count(&|s| s.balanced), all),
        in_eights: share(count(&TuneScore::in_eights), all),
        in_key: share(sum(&|t| t.score.in_key), notes),
        ends_on_tonic: share(
            count(&|s| s.ends_on_tonic == Some(true)),
            count(&|s| s.ends_on_tonic.is_some()),
        ),
        repeated_bars: share(sum(&|t| t.score.repeated), sounding),
        repeated_rhythms: share(sum(&|t| t.score.same_rhythm), sounding),
        overall: mean(tunes.iter().map(|tune| tune.score.overall)),
        distances,
        copied_characters: middle_and_greatest(tunes.iter().map(|t| t.novelty.characters.length).collect()),
        copied_notes: middle_and_greatest(tunes.iter().map(|t| t.novelty.notes.length).collect()),
        phrases_found: share(sum(&|t| t.novelty.phrases_found), sum(&|t| t.novelty.phrases)),
        similarity: mean(
            tunes.iter().map(|t| t.novelty.nearest.as_ref().map_or(0.0, |nearest| nearest.similarity)),
        ),
    }
}
