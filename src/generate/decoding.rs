//! The two ways of decoding: with carried state, and through a window.

use super::row::Row;
use super::sampling::Scratch;
use super::{GenerateError, Request};
use crate::corpus::Vocabulary;
use crate::nn::{Batch, Engine, State};
use ndarray::Axis;
use std::ops::ControlFlow;

/// What both ways need.
pub(super) struct Decoder<'a> {
    engine: &'a mut dyn Engine,
    request: &'a Request,
    vocabulary: &'a Vocabulary,
    newline: u32,
    on_progress: &'a mut dyn FnMut(usize) -> ControlFlow<()>,
    /// Characters generated so far, over all tunes.
    written: usize,
    scratch: Scratch,
    /// `[B]`
    tokens: Vec<u32>,
}

impl<'a> Decoder<'a> {
    pub fn new(
        engine: &'a mut dyn Engine,
        request: &'a Request,
        vocabulary: &'a Vocabulary,
        on_progress: &'a mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Self {
        let (scratch, tokens) = (Scratch::default(), Vec::new());
        let newline = vocabulary.newline();
        Decoder { engine, request, vocabulary, newline, on_progress, written: 0, scratch, tokens }
    }

    /// Step `t` feeds character `t` of every running text. Where that is the last one known, its logits give the next.
    pub fn carried(&mut self, rows: &mut [Row]) -> Result<(), GenerateError> {
        // Row `b` of the batch is `rows[live[b]]`.
        let mut live: Vec<usize> = (0..rows.len()).collect();
        self.engine.set_state(&self.zeros(live.len()));
        for t in 0.. {
            self.reset(rows, &live, t);
            self.step(rows, &live, t)?;
            let left = live.iter().filter(|&&row| !rows[row].is_finished()).count();
            if self.report().is_break() || left == 0 {
                break;
            }
            // Finished rows are fed for nothing until they are half of the batch, so that the state is copied only
            // log B times.
            if 2 * left <= live.len() {
                let kept: Vec<usize> = (0..live.len()).filter(|&b| !rows[live[b]].is_finished()).collect();
                self.engine.set_state(&select(&self.engine.state(), &kept));
                live.retain(|&row| !rows[row].is_finished());
            }
        }
        Ok(())
    }

    /// Each character anew from the zero state through the last `window` characters. The windows of a batch end together; a
    /// shorter one is fed line feeds in front, and the state is zero where it begins.
    pub fn windowed(&mut self, rows: &mut [Row], window: usize) -> Result<(), GenerateError> {
        let mut live: Vec<usize> = (0..rows.len()).collect();
        let mut zeros = self.zeros(live.len());
        loop {
            let steps = live.iter().map(|&row| rows[row].len().min(window)).max().unwrap_or(0);
            let mut batch = Batch::zeros(steps, live.len());
            batch.tokens.fill(self.newline);
            for (b, &row) in live.iter().enumerate() {
                let row = &rows[row];
                let length = row.len().min(window);
                batch.resets[[steps - length, b]] = true;
                for k in 0..length {
                    let token = row.at(row.len() - length + k);
                    batch.tokens[[steps - length + k, b]] = token.unwrap_or(self.newline);
                }
            }
            self.engine.set_state(&zeros);
            let vocabulary = self.engine.config().vocabulary;
            let logits = self.engine.last_logits(&batch);
            let logits = logits.as_standard_layout();
            let logits = logits.as_slice().expect("the standard layout is one slice");
            for (&row, logits) in live.iter().zip(logits.chunks_exact(vocabulary)) {
                rows[row].write(logits, self.request, self.vocabulary, &mut self.scratch)?;
                self.written += 1;
            }
            live.retain(|&row| !rows[row].is_finished());
            if self.report().is_break() || live.is_empty() {
                return Ok(());
            }
            if live.len() < zeros.rows() {
                zeros = self.zeros(live.len());
            }
        }
    }

    /// One step of the network: each row of the batch is fed character `t` of its running text, and where the one after it
    /// is not known yet, it is chosen. Beyond its text it is fed a line feed for nothing.
    fn step(&mut self, rows: &mut [Row], live: &[usize], t: usize) -> Result<(), GenerateError> {
        let Decoder { engine, request, vocabulary, newline, written, scratch, tokens, .. } = self;
        tokens.clear();
        tokens.extend(live.iter().map(|&row| rows[row].at(t).unwrap_or(*newline)));
        let characters = engine.config().vocabulary;
        let logits = engine.advance(tokens);
        let logits = logits.as_standard_layout();
        let logits = logits.as_slice().expect("the standard layout is one slice");
        for (&row, logits) in live.iter().zip(logits.chunks_exact(characters)) {
            if rows[row].awaits(t + 1) {
                rows[row].write(logits, request, vocabulary, scratch)?;
                *written += 1;
            }
        }
        Ok(())
    }

    /// Sets the state of those rows to zero whose character `t` begins a tune.
    fn reset(&mut self, rows: &[Row], live: &[usize], t: usize) {
        let begins = |b: &usize| rows[live[*b]].begins_tune(t, self.newline);
        let mut fresh = (0..live.len()).filter(begins).peekable();
        if fresh.peek().is_none() {
            return;
        }
        let mut state = self.engine.state();
        for b in fresh {
            state.layers.iter_mut().flatten().for_each(|array| array.row_mut(b).fill(0.0));
        }
        self.engine.set_state(&state);
    }

    fn report(&mut self) -> ControlFlow<()> {
        (self.on_progress)(self.written)
    }

    fn zeros(&self, rows: usize) -> State {
        State::zeros(self.engine.config(), rows)
    }
}

/// These rows of a state.
fn select(state: &State, rows: &[usize]) -> State {
    let layer = |arrays: &Vec<_>| {
        arrays.iter().map(|array: &ndarray::Array2<f32>| array.select(Axis(0), rows)).collect()
    };
    State { layers: state.layers.iter().map(layer).collect() }
}
