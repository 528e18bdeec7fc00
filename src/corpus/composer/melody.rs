//! Melody: chord tones on the strong notes, idiomatic figures between them.
//!
//! Each group opens on a chord tone near the note before it and near the height that the contour asks
//! for; the rest of the group is one of the figures that fiddlers' fingers know: runs, turns,
//! broken chords, a pedal note returned to. Leaps prefer to be answered in the other direction.

use rand_chacha::ChaCha8Rng;

use super::pick::{chance, weighted};
use super::rhythm::TRIPLET;
use super::theory::{Chord, Key};

/// The lowest and highest step written: A below middle C, and b above the staff.
pub(super) const RANGE: (i32, i32) = (-2, 13);

/// One note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Note {
    /// Its length.
    pub ticks: u32,
    /// Letter names above middle C.
    pub step: i32,
    /// Semitones against the key signature.
    pub shift: i32,
}

/// One bar: its groups' rhythms, its notes, and its chords with the tick each enters at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    /// The durations, group by group.
    pub groups: Vec<Vec<u32>>,
    /// The notes of all groups in a row.
    pub notes: Vec<Note>,
    /// The chords.
    pub chords: Vec<(u32, Chord)>,
}

/// How one note of a figure relates to the figure's first note.
#[derive(Clone, Copy)]
enum Move {
    /// So many steps of the scale away.
    Step(i32),
    /// So many chord tones away.
    Tone(i32),
}
use Move::{Step as S, Tone as C};

const PAIRS: &[(u32, &[Move])] =
    &[(4, &[S(1)]), (4, &[S(-1)]), (4, &[C(1)]), (4, &[C(-1)]), (2, &[S(0)]), (1, &[S(2)]), (1, &[S(-2)])];

const TRIPLES: &[(u32, &[Move])] = &[
    (5, &[S(1), S(2)]),
    (6, &[S(-1), S(-2)]),
    (4, &[S(1), S(0)]),
    (5, &[S(-1), S(0)]),
    (2, &[C(1), S(0)]),
    (4, &[C(-1), S(0)]),
    (3, &[C(1), C(2)]),
    (4, &[C(-1), C(-2)]),
    (2, &[S(0), S(-1)]),
    (2, &[S(-1), S(-1)]),
    (3, &[C(-1), C(-1)]),
    (2, &[C(-1), S(-1)]),
    (2, &[C(1), S(1)]),
    (1, &[S(0), S(0)]),
    (1, &[S(0), S(1)]),
];

const FOURS: &[(u32, &[Move])] = &[
    (5, &[S(1), S(2), S(3)]),
    (6, &[S(-1), S(-2), S(-3)]),
    (3, &[S(1), S(0), S(-1)]),
    (3, &[S(-1), S(0), C(1)]),
    (2, &[S(-1), S(0), S(1)]),
    (4, &[C(-1), C(-2), C(-1)]),
    (3, &[C(1), C(2), C(1)]),
    (2, &[C(1), S(0), C(-1)]),
    (3, &[C(-1), S(0), C(-1)]),
    (3, &[C(-1), S(1), C(-1)]),
    (2, &[C(-1), S(0), C(1)]),
    (3, &[S(1), S(0), C(-1)]),
    (2, &[S(1), S(2), S(0)]),
    (2, &[S(-1), S(-2), S(0)]),
    (2, &[C(-1), S(-1), S(-2)]),
    (1, &[S(0), S(-1), S(-2)]),
];

const RUNS: &[(u32, &[Move])] =
    &[(3, &[S(1), S(2)]), (3, &[S(-1), S(-2)]), (2, &[S(1), S(0)]), (1, &[S(-1), S(0)])];

/// How likely the next strong note lies 0, 1, 2, … steps from the last note.
const NEARNESS: [u32; 9] = [5, 16, 12, 7, 4, 2, 1, 1, 0];

/// How likely it lies 0, 1, 2, … steps from where the contour wants it.
const PULL: [u32; 9] = [10, 9, 7, 5, 3, 2, 1, 1, 0];

/// Writes notes one after another, remembering the last.
pub(super) struct Singer<'a> {
    /// The tune's randomness.
    pub rng: &'a mut ChaCha8Rng,
    /// The tune's key.
    pub key: &'a Key,
    /// Whether lower neighbours may be raised to semitones, as ragtime-minded players do.
    pub chromatic: bool,
    /// The last step sung.
    pub last: i32,
    /// The interval that led to it.
    pub leap: i32,
}

impl Singer<'_> {
    /// A bar of these groups over these chords, near the step `centre`.
    pub fn bar(&mut self, groups: Vec<Vec<u32>>, mut chords: Vec<(u32, Chord)>, centre: i32) -> Bar {
        let onsets: Vec<u32> = groups
            .iter()
            .flatten()
            .scan(0, |at, &t| {
                *at += t;
                Some(*at - t)
            })
            .collect();
        // A chord that no note begins with could not be written above one.
        chords.retain(|(at, _)| onsets.contains(at));
        let mut bar = Bar { groups: Vec::new(), notes: Vec::new(), chords };
        for group in groups {
            self.group(&mut bar, group, centre);
        }
        bar
    }

    /// Adds one group to a bar.
    pub fn group(&mut self, bar: &mut Bar, durations: Vec<u32>, centre: i32) {
        let mut at: u32 = bar.notes.iter().map(|n| n.ticks).sum();
        let mut rest = &durations[..];
        while !rest.is_empty() {
            let chord = chord_at(&bar.chords, at).clone();
            let mut size = self.figure_size(rest);
            // A figure ends where the next chord enters.
            if let Some((next, _)) = bar.chords.iter().find(|(t, _)| *t > at) {
                let (mut end, mut fits) = (at, 0);
                while fits < size && end < *next {
                    end += rest[fits];
                    fits += 1;
                }
                size = fits;
            }
            let first = self.strong(&chord, centre);
            let steps = self.figure(first, &rest[..size], &chord);
            for (i, &step) in steps.iter().enumerate() {
                let mut shift = chord.shift(self.key.degree(step));
                let neighbour = i > 0 && steps.get(i + 1) == Some(&(step + 1)) && steps[i - 1] == step + 1;
                if neighbour
                    && shift == 0
                    && self.chromatic
                    && self.whole_step_above(step)
                    && chance(self.rng, 50)
                {
                    shift = 1;
                }
                bar.notes.push(Note { ticks: rest[i], step, shift });
                at += rest[i];
            }
            rest = &rest[size..];
        }
        smooth_minor(self.key, &mut bar.notes);
        bar.groups.push(durations);
    }

    /// Goes on from a bar written elsewhere.
    pub fn follow(&mut self, bar: &Bar) {
        self.last = bar.notes.last().map_or(self.last, |n| n.step);
        self.leap = 0;
    }

    /// How many of the notes ahead make one figure.
    fn figure_size(&mut self, rest: &[u32]) -> usize {
        let triplets = rest.iter().take_while(|&&t| t == TRIPLET).count();
        match (triplets, rest.len()) {
            (3.., _) => 3,
            (0, 4) if rest[3] != TRIPLET => {
                if chance(self.rng, 20) {
                    2
                } else {
                    4
                }
            }
            (0, 5) if rest[4] == TRIPLET => 2,
            (0, 5) => {
                if chance(self.rng, 50) {
                    3
                } else {
                    1
                }
            }
            (0, 6) => {
                if chance(self.rng, 50) {
                    2
                } else {
                    3
                }
            }
            (_, n) => n.min(3),
        }
    }

    /// The strong note that opens a figure: a chord tone, near the last note and near `centre`.
    pub fn strong(&mut self, chord: &Chord, centre: i32) -> i32 {
        let mut choices = Vec::new();
        for step in RANGE.0..=RANGE.1 {
            let degree = self.key.degree(step);
            let interval = step - self.last;
            if !chord.holds(degree) || interval.abs() > 8 {
                continue;
            }
            let mut weight = 4 * NEARNESS[interval.unsigned_abs() as usize];
            weight *= PULL[((step - centre).unsigned_abs() as usize).min(8)];
            // A leap wants to be answered by a step or a leap back.
            if self.leap.abs() > 2 && interval.signum() == self.leap.signum() {
                weight /= 4;
            }
            // Fiddlers seldom go down to the lowest string.
            if step < 1 {
                weight /= 2;
            }
            if chord.degrees.get(3) == Some(&degree) || (interval == 0 && self.leap == 0) {
                weight /= 3;
            }
            choices.push((weight, step));
        }
        let step = if choices.iter().all(|&(weight, _)| weight == 0) {
            // Only after copying a bar from another height: go to the chord tone nearest to the contour.
            (RANGE.0..=RANGE.1)
                .filter(|&s| chord.holds(self.key.degree(s)))
                .min_by_key(|s| (s - centre).abs())
                .expect("a chord tone in every octave")
        } else {
            weighted(self.rng, &choices)
        };
        self.sing(step);
        step
    }

    /// The steps of a figure that opens with `first`.
    fn figure(&mut self, first: i32, durations: &[u32], chord: &Chord) -> Vec<i32> {
        let mut steps = vec![first; durations.len()];
        for _ in 0..12 {
            let moves: &[Move] = match durations.len() {
                1 => &[],
                2 => weighted(self.rng, PAIRS),
                3 if durations[0] == TRIPLET => weighted(self.rng, RUNS),
                3 => weighted(self.rng, TRIPLES),
                4 => weighted(self.rng, FOURS),
                n => panic!("no figure has {n} notes"),
            };
            let mut tried = vec![first];
            tried.extend(moves.iter().map(|&m| match m {
                Move::Step(n) => first + n,
                Move::Tone(n) => tone(self.key, chord, first, n),
            }));
            if tried.iter().all(|s| (RANGE.0..=RANGE.1).contains(s)) {
                steps = tried;
                break;
            }
        }
        for &step in &steps[1..] {
            self.sing(step);
        }
        steps
    }

    fn sing(&mut self, step: i32) {
        self.leap = step - self.last;
        self.last = step;
    }

    /// Whether the note above this one is a whole step away, and this one may be sharpened.
    fn whole_step_above(&self, step: i32) -> bool {
        self.key.semitone(step + 1, 0) - self.key.semitone(step, 0) == 2 && self.key.signature(step) < 1
    }
}

/// The chord that sounds at a tick of a bar.
pub(super) fn chord_at(chords: &[(u32, Chord)], at: u32) -> &Chord {
    let (_, chord) =
        chords.iter().rev().find(|(start, _)| *start <= at).expect("every bar opens with a chord");
    chord
}

/// The `n`th chord tone above (below, where negative) a step.
fn tone(key: &Key, chord: &Chord, from: i32, n: i32) -> i32 {
    let mut step = from;
    for _ in 0..n.abs() {
        step += n.signum();
        while !chord.holds(key.degree(step)) {
            step += n.signum();
        }
    }
    step
}

/// Raises the sixth beside a raised seventh, so that no augmented second is left (the melodic minor).
pub(super) fn smooth_minor(key: &Key, notes: &mut [Note]) {
    for i in 0..notes.len() {
        let raised = |n: Option<&Note>| n.is_some_and(|n| key.degree(n.step) == 6 && n.shift == 1);
        let beside = raised(notes.get(i + 1)) || (i > 0 && raised(notes.get(i - 1)));
        let note = notes[i];
        if key.degree(note.step) == 5
            && beside
            && key.semitone(note.step + 1, 1) - key.semitone(note.step, 0) == 3
        {
            notes[i].shift = 1;
        }
    }
}
