//! Tunes with their labels, and the same labels turned around.

use super::features::{COUNT, FEATURES, Kind, Labels};
use crate::inspect::{Reading, Recorder, Sequence, Step, read};
use crate::random::{Purpose, below, generator};
use std::ops::ControlFlow;

/// Classes go from -7 to 7 sharps.
pub(super) const CLASSES: usize = 15;

/// The tunes that are read, with the labels of each character.
#[derive(Clone, Debug)]
pub struct Labelled {
    sequences: Vec<Sequence>,
    reading: Reading,
    /// For each tune, its labels, and the places of those that are music.
    pub(super) tunes: Vec<(Vec<Labels>, Vec<usize>)>,
    /// Where each tune's characters begin in one sequence of all.
    starts: Vec<usize>,
}

impl Labelled {
    /// Tunes in a network's characters, and their labels.
    ///
    /// # Panics
    /// Where a tune has another number of labels than characters.
    pub fn new(tunes: &[Vec<u32>], labels: Vec<Vec<Labels>>, newline: u32, reading: Reading) -> Self {
        let lengths = || tunes.iter().map(Vec::len);
        assert!(lengths().eq(labels.iter().map(Vec::len)), "a label for each character");
        let starts = lengths().scan(0, |sum, n| Some(std::mem::replace(sum, *sum + n))).collect();
        let with_places = |labels: Vec<Labels>| {
            let music = |label: &Labels| (0..COUNT).all(|f| !FEATURES[f].music || !label[f].is_nan());
            let places = (0..labels.len()).filter(|&k| music(&labels[k])).collect();
            (labels, places)
        };
        Labelled {
            sequences: Sequence::tunes(tunes, newline, reading),
            reading,
            tunes: labels.into_iter().map(with_places).collect(),
            starts,
        }
    }

    /// Steps that a reading takes.
    pub fn steps(&self) -> usize {
        self.sequences.iter().map(Sequence::len).sum()
    }

    /// The tune, and the character of it, that a step read; none for the line feed before a text.
    fn place(&self, step: &Step) -> Option<(usize, usize)> {
        let character = step.step.checked_sub(1)?;
        match self.reading {
            Reading::Carried => Some((step.sequence, character)),
            Reading::Window(_) => {
                let tune = self.starts.partition_point(|&start| start <= character) - 1;
                Some((tune, character - self.starts[tune]))
            }
        }
    }

    /// Shows each step with the tune and the character that it read.
    pub(super) fn read(
        &self,
        recorder: &mut Recorder,
        rows: usize,
        visit: &mut dyn FnMut(Step, usize, usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        read(recorder, &self.sequences, self.reading, rows, &mut |step| match self.place(&step) {
            Some((tune, character)) => visit(step, tune, character),
            None => ControlFlow::Continue(()),
        })
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which of a recorder's signals.
    pub signal: usize,
    /// How often labels are turned around.
    pub permutations: usize,
    /// By how much.
    pub seed: u64,
    /// Sequences that are read side by side.
    pub rows: usize,
}

/// The place of a class among [`CLASSES`].
pub(super) fn class(label: f32) -> usize {
    ((label + (CLASSES / 2) as f32).round().max(0.0) as usize).min(CLASSES - 1)
}

/// How labels are turned around: for each permutation and tune a shift, and another tune to take classes from.
pub(super) struct Turns {
    /// `[permutations][tunes]`: how many characters, how many of music, and which tune.
    turns: Vec<Vec<(usize, usize, usize)>>,
}

impl Turns {
    pub fn new(labelled: &Labelled, settings: Settings) -> Self {
        let mut random = generator(settings.seed, Purpose::Probe);
        let mut shift = |n: usize| match n {
            0 | 1 => 0,
            n => 1 + below(&mut random, (n - 1) as u32) as usize,
        };
        let tunes = &labelled.tunes;
        let musical: Vec<usize> = (0..tunes.len()).filter(|&k| !tunes[k].1.is_empty()).collect();
        let turns = (0..settings.permutations).map(|_| {
            let offset = shift(musical.len());
            let turn = |(k, (labels, places)): (usize, &(Vec<Labels>, Vec<usize>))| {
                let other = match musical.binary_search(&k) {
                    Ok(at) => musical[(at + offset) % musical.len()],
                    Err(_) => k,
                };
                (shift(labels.len()), shift(places.len()), other)
            };
            tunes.iter().enumerate().map(turn).collect()
        });
        Turns { turns: turns.collect() }
    }

    /// The label that a character has in a permutation; `music` is its place among those that are music.
    pub fn label(
        &self,
        labelled: &Labelled,
        permutation: usize,
        tune: usize,
        character: usize,
        music: Option<usize>,
        f: usize,
    ) -> f32 {
        let (shift, music_shift, other) = self.turns[permutation][tune];
        let (labels, places) = &labelled.tunes[tune];
        match (music, FEATURES[f].kind) {
            (Some(at), Kind::Class) => {
                let (labels, places) = &labelled.tunes[other];
                labels[places[at % places.len()]][f]
            }
            (Some(at), _) if FEATURES[f].music => labels[places[(at + music_shift) % places.len()]][f],
            _ => labels[(character + shift) % labels.len()][f],
        }
    }
}
