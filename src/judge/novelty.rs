//! What of a tune was there before: runs and phrases copied from the training tunes, and which of them is nearest.

use super::line::{Line, Symbols};
use super::suffix::Automaton;
use crate::abc::{self, strains};
use crate::corpus::{self, split::body};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};

/// Neighbouring pairs of notes that make a piece: five notes.
const PIECE: usize = 4;
/// The bars of a phrase.
const PHRASE: usize = 4;

/// Training tunes, made ready to be searched.
#[derive(Clone, Debug)]
pub struct Training {
    names: Vec<String>,
    characters: Automaton,
    notes: Automaton,
    symbols: Symbols,
    /// The tunes that have each piece, and how many pieces each tune has.
    pieces: HashMap<[u32; PIECE], Vec<u32>>,
    counts: Vec<u32>,
}

/// A run of a tune that stands in a training tune.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// How long it is.
    pub length: usize,
    /// The first training tune that has it; empty where there is no run.
    pub tune: String,
}

/// The training tune that shares most with a tune.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Nearest {
    /// Its name.
    pub tune: String,
    /// 0 to 1: Dice's coefficient of both tunes' sets of five-note pieces, whatever their keys.
    pub similarity: f64,
}

/// How much of a tune was there before.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Novelty {
    /// The longest run of characters after the header.
    pub characters: Copied,
    /// The longest run of notes, rests counted in: equal in lengths and in the steps between them, whatever the key.
    pub notes: Copied,
    /// Phrases of four bars: each strain cut up from its first full bar on.
    pub phrases: usize,
    /// Those of them that stand in a training tune, in whatever key.
    pub phrases_found: usize,
    /// The nearest training tune; none where no five notes in a row stand in any.
    pub nearest: Option<Nearest>,
}

/// What a tune is called: its title, or its number where it has none.
pub fn name(tune: &abc::Tune) -> String {
    match tune.header.title() {
        "" => format!("X:{}", tune.header.text('X').unwrap_or_default()),
        title => title.to_string(),
    }
}

fn characters(text: &str) -> Vec<u32> {
    body(text).trim_end().chars().map(u32::from).collect()
}

impl Training {
    /// Searches are made in these tunes.
    pub fn new(tunes: &[corpus::Tune]) -> Self {
        let texts: Vec<Vec<u32>> = tunes.iter().map(|tune| characters(&tune.text)).collect();
        let mut training = Training {
            names: Vec::new(),
            characters: Automaton::new(texts.iter().map(Vec::as_slice)),
            notes: Automaton::new([]),
            symbols: Symbols::default(),
            pieces: HashMap::new(),
            counts: Vec::new(),
        };
        let mut notes: Vec<Vec<u32>> = Vec::new();
        for (number, tune) in tunes.iter().enumerate() {
            let read = abc::read(&tune.text);
            let Some(tune) = read.first() else {
                // A text that begins with X: always reads as a tune; another has a place, so that numbers agree.
                training.names.push(String::new());
                training.counts.push(0);
                notes.push(Vec::new());
                continue;
            };
            training.names.push(name(tune));
            let symbols = training.symbols.learn(&Line::of(tune).pairs());
            let pieces = pieces(&symbols);
            training.counts.push(pieces.len() as u32);
            for piece in pieces {
                training.pieces.entry(piece).or_default().push(number as u32);
            }
            notes.push(symbols);
        }
        training.notes = Automaton::new(notes.iter().map(Vec::as_slice));
        training
    }

    /// How much of a tune stands in the training tunes. `text` is the tune's, `tune` what was read from it.
    pub fn novelty(&self, text: &str, tune: &abc::Tune) -> Novelty {
        let line = Line::of(tune);
        let symbols = self.symbols.look_up(&line.pairs());
        let run = self.characters.longest(&characters(text));
        let notes = self.notes.longest(&symbols);
        let phrases = phrases(&line, &symbols);
        let copied = |length: usize, text: usize| match length {
            0 => Copied::default(),
            _ => Copied { length, tune: self.names.get(text).cloned().unwrap_or_default() },
        };
        Novelty {
            characters: copied(run.length, run.text),
            // So many pairs are one more note.
            notes: copied(if notes.length > 0 { notes.length + 1 } else { 0 }, notes.text),
            phrases: phrases.len(),
            phrases_found: phrases.iter().filter(|phrase| self.notes.contains(phrase)).count(),
            nearest: self.nearest(&symbols),
        }
    }

    fn nearest(&self, symbols: &[u32]) -> Option<Nearest> {
        let pieces = pieces(symbols);
        // By number, so that of equally near tunes the first is named.
        let mut shared: BTreeMap<u32, u32> = BTreeMap::new();
        for &tune in pieces.iter().filter_map(|piece| self.pieces.get(piece)).flatten() {
            *shared.entry(tune).or_default() += 1;
        }
        let similarity = |(&tune, &shared): (&u32, &u32)| {
            let all = pieces.len() as f64 + f64::from(self.counts[tune as usize]);
            (tune, 2.0 * f64::from(shared) / all)
        };
        let first_best = |best: (u32, f64), next: (u32, f64)| if next.1 > best.1 { next } else { best };
        let (tune, similarity) = shared.iter().map(similarity).reduce(first_best)?;
        Some(Nearest { tune: self.names[tune as usize].clone(), similarity })
    }
}

fn pieces(symbols: &[u32]) -> HashSet<[u32; PIECE]> {
    symbols.windows(PIECE).filter_map(|window| window.try_into().ok()).collect()
}

/// The pairs of notes of each phrase of four bars; phrases of fewer than four notes are none.
fn phrases<'a>(line: &Line<'_>, symbols: &'a [u32]) -> Vec<&'a [u32]> {
    let bars = line.bars;
    let mut phrases = Vec::new();
    for strain in strains(bars) {
        // The first ending follows in the text; the others do not.
        let end = strain.endings.first().map_or(strain.bars.end, |ending| ending.end);
        let full = |at: &usize| bars[*at].meter.is_none_or(|meter| bars[*at].length() >= meter.length());
        let Some(start) = (strain.bars.start..end).find(full) else { continue };
        let starts = (start..end).step_by(PHRASE).filter(|at| at + PHRASE <= end);
        phrases.extend(starts.filter_map(|at| {
            let events = line.ranges[at].start..line.ranges[at + PHRASE - 1].end;
            (events.len() >= 4).then(|| &symbols[events.start..events.end - 1])
        }));
    }
    phrases
}
