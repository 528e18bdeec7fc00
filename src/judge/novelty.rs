//! What of a tune was there before: runs and phrases copied from the training tunes, and which of them is nearest.

use super::histogram::Histograms;
use super::line::{Line, Symbols};
use super::suffix::Automaton;
use crate::abc::{self, strains};
use crate::corpus::{self, split::body};
use serde::Serialize;
use std::collections::{HashMap, HashSet};

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
    histograms: Histograms,
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
    /// Phrases of four measures: each strain cut up from its first full bar on. A phrase begins with its first note and has four notes or more.
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
            histograms: Histograms::default(),
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
            let line = Line::of(tune);
            training.histograms.add(&line);
            let symbols = training.symbols.learn(&line.pairs());
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

    /// What the notes of the training tunes are.
    pub fn histograms(&self) -> &Histograms {
        &self.histograms
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
        let mut shared = vec![0u32; self.counts.len()];
        for &tune in pieces.iter().filter_map(|piece| self.pieces.get(piece)).flatten() {
            shared[tune as usize] += 1;
        }
        let similarities = shared.iter().zip(&self.counts).map(|(shared, count)| {
            2.0 * f64::from(*shared) / (pieces.len() as f64 + f64::from(*count)).max(1.0)
        });
        // Of equally near tunes the first is named.
        let first_best = |best: (usize, f64), next: (usize, f64)| if next.1 > best.1 { next } else { best };
        let (tune, similarity) = similarities.enumerate().reduce(first_best)?;
        (similarity > 0.0).then(|| Nearest { tune: self.names[tune].clone(), similarity })
    }
}

fn pieces(symbols: &[u32]) -> HashSet<[u32; PIECE]> {
    symbols.windows(PIECE).filter_map(|window| window.try_into().ok()).collect()
}

/// The pairs of notes of each phrase of four measures, from its first note on: the pair of a rest before it and that note would tell what stands
/// before the phrase. Phrases of fewer than four notes are none.
fn phrases<'a>(line: &Line<'_>, symbols: &'a [u32]) -> Vec<&'a [u32]> {
    let bars = line.bars;
    let mut phrases = Vec::new();
    for strain in strains(bars) {
        // The first ending follows in the text; the others do not.
        let end = strain.endings.first().map_or(strain.bars.end, |ending| ending.end);
        let full = |at: &usize| bars[*at].meter.is_none_or(|meter| bars[*at].length() >= meter.length());
        let Some(start) = (strain.bars.start..end).find(full) else { continue };
        for phrase in line.measures(start..end).chunks_exact(PHRASE) {
            let events = phrase[0].start..phrase[PHRASE - 1].end;
            let mut notes = events.clone().filter(|at| line.events[*at].pitch.is_some());
            if let Some(first) = notes.next().filter(|_| notes.count() >= 3) {
                phrases.push(&symbols[first..events.end - 1]);
            }
        }
    }
    phrases
}
