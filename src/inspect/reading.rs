//! A network reads texts, step by step.
//!
//! ```text
//! text              c1 c2 … cn
//! step      0       1  2  …  n
//! reads     \n      c1 c2 … cn
//! predicts  c1      c2 c3 …
//! ```
//!
//! So the state *at* a character is the one that the step after it was read leaves, and what the network expected of that
//! character is what the step before it predicted.

use super::{Record, Recorder};
use crate::nn::Batch;
use std::ops::ControlFlow;

/// How a network sees what came before a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// From the beginning of the tune, with the state carried from step to step: as in many-to-many training.
    Carried,
    /// Through a window of the last `N` characters, from the zero state, anew for each step: as in many-to-one training. What is
    /// seen of a step is then the window's last. It takes `N` times as long.
    Window(usize),
}

/// The characters that are read, one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// What each step reads.
    tokens: Vec<u32>,
    /// Where the state that enters a step is zero, if it is carried.
    resets: Vec<bool>,
}

impl Sequence {
    /// A text, from the line feed in front of it to its last character. The second line feed of a blank line ends a tune and
    /// begins the next: the state is zero there.
    pub fn text(text: &[u32], newline: u32) -> Self {
        let tokens: Vec<u32> = [newline].iter().chain(text).copied().collect();
        let begins = |k: usize| k == 0 || (k >= 2 && tokens[k - 1..=k] == [newline, newline]);
        Sequence { resets: (0..tokens.len()).map(begins).collect(), tokens }
    }

    /// A tune, from the line feed in front of it to the last character that predicts another: each of its characters is
    /// predicted once, as in training.
    pub fn tune(tune: &[u32], newline: u32) -> Self {
        let mut sequence = Sequence::text(tune, newline);
        sequence.tokens.pop();
        sequence.resets.pop();
        sequence
    }

    /// Tunes, so that each of their characters is predicted once: a sequence for each; or, through a window, which sees over
    /// their ends, one for all.
    pub fn tunes(tunes: &[Vec<u32>], newline: u32, reading: Reading) -> Vec<Self> {
        match reading {
            Reading::Carried => tunes.iter().map(|tune| Sequence::tune(tune, newline)).collect(),
            Reading::Window(_) => vec![Sequence::tune(&tunes.concat(), newline)],
        }
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// What a step reads, where there is such a step.
    pub fn token_at(&self, step: usize) -> Option<u32> {
        self.tokens.get(step).copied()
    }

    /// Whether the state that enters a step is zero, if it is carried.
    pub fn resets_at(&self, step: usize) -> bool {
        step == 0 || self.resets.get(step) == Some(&true)
    }
}

/// One step, as [`read`] shows it.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// Which sequence.
    pub sequence: usize,
    /// Which step of it, counted from 0.
    pub step: usize,
    record: Record<'a>,
    t: usize,
    r: usize,
}

impl<'a> Step<'a> {
    /// The character that was read.
    pub fn token(&self) -> u32 {
        self.record.token(self.t, self.r)
    }

    /// `[H]`: a signal of layer `l`.
    ///
    /// # Panics
    /// Where there is none.
    pub fn signal(&self, l: usize, signal: usize) -> &'a [f32] {
        self.record.signal(l, signal, self.t, self.r)
    }

    /// `[I]`: what entered the first layer.
    pub fn input(&self) -> &'a [f32] {
        self.record.input(self.t, self.r)
    }

    /// `[V]`: the logits of the next character.
    pub fn logits(&self) -> &'a [f32] {
        self.record.logits(self.t, self.r)
    }

    /// Overwrites `probabilities` with those of the next character, `[V]`.
    pub fn probabilities(&self, probabilities: &mut Vec<f64>) {
        let logits = self.logits();
        let greatest = logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
        probabilities.clear();
        probabilities.extend(logits.iter().map(|&z| f64::from(z - greatest).exp()));
        let sum: f64 = probabilities.iter().sum();
        probabilities.iter_mut().for_each(|p| *p /= sum);
    }
}

/// Steps that are computed at once; the memory that a reading takes.
const STEPS: usize = 64;

/// Windows that are computed at once.
const WINDOWS: usize = 64;

/// Reads all sequences, and shows each step to `visit`, which may break it off. The steps of a sequence come in their order. `rows`
/// sequences are read side by side; with one, they too come in their order, and a large `rows` is faster.
///
/// # Panics
/// Where `rows` or the window is 0, or characters are beyond the vocabulary.
pub fn read(
    recorder: &mut Recorder,
    sequences: &[Sequence],
    reading: Reading,
    rows: usize,
    visit: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    assert!(rows > 0, "at least one sequence at a time");
    match reading {
        Reading::Carried => carried(recorder, sequences, rows.min(sequences.len()), visit),
        Reading::Window(window) => {
            (0..sequences.len()).try_for_each(|k| windowed(recorder, sequences, k, window, visit))
        }
    }
}

/// Each row takes the next sequence when it is through with one.
fn carried(
    recorder: &mut Recorder,
    sequences: &[Sequence],
    rows: usize,
    visit: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut waiting = (0..sequences.len()).filter(|&k| !sequences[k].is_empty());
    let mut at: Vec<Option<(usize, usize)>> = (0..rows).map(|_| waiting.next().map(|k| (k, 0))).collect();
    recorder.begin(rows);
    let mut batch = Batch::zeros(STEPS, rows);
    let mut places = vec![None; STEPS * rows];
    while at.iter().any(Option::is_some) {
        batch.clear();
        for (n, place) in places.iter_mut().enumerate() {
            let (t, r) = (n / rows, n % rows);
            *place = at[r];
            // Past the last sequence a row reads nothing of interest.
            let Some((k, step)) = at[r] else { continue };
            let sequence = &sequences[k];
            batch.tokens[[t, r]] = sequence.tokens[step];
            batch.resets[[t, r]] = sequence.resets_at(step);
            at[r] =
                if step + 1 < sequence.len() { Some((k, step + 1)) } else { waiting.next().map(|k| (k, 0)) };
        }
        let record = recorder.run(&batch);
        for (n, place) in places.iter().enumerate() {
            if let Some((sequence, step)) = *place {
                visit(Step { sequence, step, record, t: n / rows, r: n % rows })?;
            }
        }
    }
    ControlFlow::Continue(())
}

/// Each row is the window of one step of sequence `k`; all windows end together.
fn windowed(
    recorder: &mut Recorder,
    sequences: &[Sequence],
    k: usize,
    window: usize,
    visit: &mut dyn FnMut(Step<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    assert!(window > 0, "a window has a character");
    let tokens = &sequences[k].tokens;
    for first in (0..tokens.len()).step_by(WINDOWS) {
        let rows = WINDOWS.min(tokens.len() - first);
        let steps = window.min(first + rows);
        let mut batch = Batch::zeros(steps, rows);
        for r in 0..rows {
            let end = first + r + 1;
            let length = window.min(end);
            batch.resets[[steps - length, r]] = true;
            for (t, &token) in tokens[end - length..end].iter().enumerate() {
                batch.tokens[[steps - length + t, r]] = token;
            }
        }
        recorder.begin(rows);
        let record = recorder.run(&batch);
        for r in 0..rows {
            visit(Step { sequence: k, step: first + r, record, t: steps - 1, r })?;
        }
    }
    ControlFlow::Continue(())
}
