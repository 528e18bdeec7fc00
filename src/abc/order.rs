//! The order in which bars are played: repeats, endings and parts written out.

use super::strain::strains;
use super::tune::{Bar, Tune, Voice};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use thiserror::Error;

/// Bars that a tune may have when it is played out: hours of music.
const MOST_BARS: usize = 100_000;

/// A tune whose repeats never seem to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("played out, the tune has more than {MOST_BARS} bars; write fewer repeats and parts")]
pub struct TooLong;

/// A part as it is played: for each voice the bars, in order, as places in [`Voice::bars`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// The part's letter; none before the first `P:` and where the tune has no parts.
    pub part: Option<char>,
    /// One list for each voice.
    pub voices: Vec<Vec<usize>>,
}

/// A part of a voice: its letter and its bars.
type Part = (Option<char>, Range<usize>);

/// How a tune is played.
///
/// Where the header's `P:` gives an order, parts are played in it, each with its own repeats, after what stands before the first
/// part; a part that is written twice is its first writing. Else all is played as it stands. All voices begin each section
/// together, however long they are. A strain is played once more for each of its repeats and through all of its endings.
///
/// # Errors
/// [`TooLong`]
pub fn playing_order(tune: &Tune) -> Result<Vec<Section>, TooLong> {
    let labelled = tune.voices.iter().flat_map(|v| &v.bars).any(|b| b.part.is_some());
    let mut order: Vec<Option<char>> = Vec::new();
    if !tune.header.parts.is_empty() && labelled {
        order.push(None);
        order.extend(tune.header.parts.iter().copied().map(Some));
    } else if tune.voices.len() > 1 && labelled {
        // Voices come together at each part, wherever each of them begins.
        let parts: Vec<Vec<Part>> = tune.voices.iter().map(|v| parts(&v.bars)).collect();
        order = labels(&parts);
    } else {
        let voices = tune.voices.iter().map(|v| played(&v.bars, 0..v.bars.len()));
        return Ok(vec![Section { part: None, voices: voices.collect::<Result<_, _>>()? }]);
    }
    let written: Vec<_> = tune.voices.iter().map(|v| first_writings(&v.bars)).collect();
    let mut sections = Vec::new();
    let mut total = 0;
    for part in order {
        let bars = |(written, voice): (&HashMap<_, Range<usize>>, &Voice)| {
            played(&voice.bars, written.get(&part).cloned().unwrap_or(0..0))
        };
        let voices: Vec<Vec<usize>> = written.iter().zip(&tune.voices).map(bars).collect::<Result<_, _>>()?;
        total += voices.iter().map(Vec::len).sum::<usize>();
        if total > MOST_BARS {
            return Err(TooLong);
        }
        if voices.iter().any(|v| !v.is_empty()) {
            sections.push(Section { part, voices });
        }
    }
    Ok(sections)
}

/// The parts of a voice, each with its bars.
fn parts(bars: &[Bar]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for (at, bar) in bars.iter().enumerate() {
        match parts.last_mut() {
            Some((_, range)) if !bar.begins_part => range.end = at + 1,
            _ => parts.push((bar.part, at..at + 1)),
        }
    }
    parts
}

/// For each letter of a part the bars that it has where it is written first: those that an order of parts plays.
pub(super) fn first_writings(bars: &[Bar]) -> HashMap<Option<char>, Range<usize>> {
    let mut first = HashMap::new();
    for (part, range) in parts(bars) {
        first.entry(part).or_insert(range);
    }
    first
}

/// The letters of all voices' parts, each once, in the order in which they come.
fn labels(parts: &[Vec<Part>]) -> Vec<Option<char>> {
    let mut seen = HashSet::new();
    parts.iter().flatten().map(|(label, _)| *label).filter(|label| seen.insert(*label)).collect()
}

/// For each voice its bars, with gaps so that voices which begin with a later part stand below that part.
pub(super) fn aligned(voices: &[&Voice]) -> Vec<Vec<Option<usize>>> {
    let cut: Vec<_> = voices.iter().map(|v| parts(&v.bars)).collect();
    let mut rows = vec![Vec::new(); voices.len()];
    if let [row] = &mut rows[..] {
        row.extend((0..voices[0].bars.len()).map(Some));
        return rows;
    }
    for label in labels(&cut) {
        let bars = |parts: &Vec<Part>| -> Vec<usize> {
            parts.iter().filter(|(l, _)| *l == label).flat_map(|(_, range)| range.clone()).collect()
        };
        let columns: Vec<Vec<usize>> = cut.iter().map(bars).collect();
        let longest = columns.iter().map(Vec::len).max().unwrap_or(0);
        for (row, column) in rows.iter_mut().zip(columns) {
            let gap = longest - column.len();
            row.extend(column.into_iter().map(Some));
            row.extend((0..gap).map(|_| None));
        }
    }
    rows
}

/// The bars of a range as they are played.
fn played(bars: &[Bar], range: Range<usize>) -> Result<Vec<usize>, TooLong> {
    let bars = &bars[range.clone()];
    let mut order = Vec::new();
    for strain in strains(bars) {
        let times = strain.times(bars);
        for time in 1..=times {
            let ending = strain.ending(bars, time).cloned().unwrap_or(0..0);
            order.extend(strain.common().chain(ending).map(|at| at + range.start));
            if order.len() > MOST_BARS {
                return Err(TooLong);
            }
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    /// The letters of the first notes of all bars, as they are played.
    fn order(header: &str, music: &str) -> String {
        let tunes = read(&format!("X:1\nM:none\nL:1\n{header}K:C\n{music}\n"));
        let tune = &tunes[0];
        let mut letters = String::new();
        for section in playing_order(tune).unwrap() {
            for (voice, bars) in tune.voices.iter().zip(section.voices) {
                let notes = bars.into_iter().filter_map(|bar| voice.bars[bar].notes().next());
                letters.extend(notes.map(|(_, note)| note.heads[0].pitch.letter()));
            }
        }
        letters
    }

    #[test]
    fn repeats() {
        assert_eq!(order("", "A|B|"), "AB");
        assert_eq!(order("", "|:A|B:|"), "ABAB");
        assert_eq!(order("", "A|B:|C|"), "ABABC");
        assert_eq!(order("", "A|:B:|C|"), "ABBC");
        assert_eq!(order("", "|:A:|:B:|"), "AABB");
        assert_eq!(order("", "|:A::B:|"), "AABB");
        assert_eq!(order("", "A:|B:|"), "AABB");
        assert_eq!(order("", "A||B:|"), "ABB");
        assert_eq!(order("", "|:A||B:|C"), "ABABC");
        assert_eq!(order("", "|:A:|\n|:B:|"), "AABB");
        assert_eq!(order("", "|::A::|B|"), "AAAB");
        assert_eq!(order("", "|:A|B|"), "AB");
        assert_eq!(order("", "|:A|:B:|"), "ABB");
    }

    #[test]
    fn endings() {
        assert_eq!(order("", "|:A|1B:|2C||"), "ABAC");
        assert_eq!(order("", "|:A| [1B:|\n [2C|D||E"), "ABACDE");
        assert_eq!(order("", "A|[1B:|[2C:|D|1E:|2F|]"), "ABACDEDF");
        assert_eq!(order("", "|:A|[1,3B:|[2C:|[4D|]"), "ABACABAD");
        assert_eq!(order("", "|:A|[1-3B:|[4D|]"), "ABABABAD");
        assert_eq!(order("", "|:A|[1B:|C|]"), "ABAC");
        assert_eq!(order("", "|:A [1B:|[2C|]"), "ABAC");
        assert_eq!(order("", "|:A|[1B|C||[2D|]"), "ABCAD");
        assert_eq!(order("", "|:A|[1B:|[2C:|"), "ABAC");
        // Where a last ending has no end of its own.
        assert_eq!(order("", "|:A|[1B:|[2C|D|E|F|G:|"), "ABACDEFGDEFG");
        assert_eq!(order("", "|:A|[1B:|[2C|D|E|F:|"), "ABACDEF");
    }

    #[test]
    fn parts_are_played_in_the_order_of_the_header() {
        assert_eq!(order("P:ABA\n", "P:A\n|:C:|\nP:B\nD|\n"), "CCDCC");
        assert_eq!(order("P:AB\n", "G|\nP:B\nD|\nP:A\nC|\n"), "GCD");
        assert_eq!(order("", "P:A\n|:C:|\nP:B\nD|\n"), "CCD");
        assert_eq!(order("P:AC\n", "P:A\nC|\nP:B\nD|\n"), "C");
        assert_eq!(order("P:AAB\n", "C|D|"), "CD");
        assert_eq!(order("P:A2\n", "P:A\nC|\nP:A\nD|\n"), "CC");
        assert_eq!(order("", "A [P:B] B:|C|"), "ABBC");
    }

    #[test]
    fn voices_come_together_at_parts() {
        let tunes = read("X:1\nL:1\nM:4/4\nK:C\nP:A\nC|D|\nP:B\nV:1\nE|\nV:2\nF|\n");
        let sections = playing_order(&tunes[0]).unwrap();
        let voices: Vec<_> = sections.iter().map(|s| s.voices.clone()).collect();
        assert_eq!(voices, [vec![vec![0, 1], vec![]], vec![vec![2], vec![0]]]);
    }

    #[test]
    fn what_would_never_end_is_refused() {
        let text = format!("X:1\nL:1/8\nP:A999\nK:C\nP:A\n{}\n", "C::::::|".repeat(30));
        assert_eq!(playing_order(&read(&text)[0]), Err(TooLong));
        let text = format!("X:1\nL:1/8\nK:C\n{}[32D|]\n", "C|".repeat(10_000));
        assert_eq!(playing_order(&read(&text)[0]), Err(TooLong));
    }
}
