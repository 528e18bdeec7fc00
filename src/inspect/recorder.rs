//! Runs a network and lets everything that it computes be read.

use super::signals::{Signal, signals};
use crate::nn::lstm::fast::{Cache, Entering, Input, grow};
use crate::nn::{Batch, ModelConfig, Parameters, State, Weights};
use crate::threads::Threads;
use hornpipe_kernels::{Buffer, Isa, Team};

/// A network on the kernels, one thread, forward only, without dropout. It carries a state of `B` rows, as an
/// [`Engine`](crate::nn::Engine) does.
pub struct Recorder {
    config: ModelConfig,
    parameters: Parameters,
    weights: Weights,
    /// Of each layer; they hold what the last [`Recorder::run`] computed.
    caches: Vec<Cache>,
    /// `[B, H]` for each layer: the carried h and c; c is empty where the cell has none.
    state: Vec<[Vec<f32>; 2]>,
    rows: usize,
    /// `[T, B]`
    tokens: Vec<u32>,
    resets: Vec<bool>,
    /// `[T, B, V]`
    logits: Buffer,
}

impl Recorder {
    /// A network with these weights, carrying the zero state of one row.
    pub fn new(isa: Isa, config: &ModelConfig, parameters: &Parameters) -> Self {
        let mut weights = Weights::new(isa, config);
        weights.refresh(&Threads::One, parameters, true);
        let mut recorder = Recorder {
            config: config.clone(),
            parameters: parameters.clone(),
            weights,
            caches: (0..config.layers).map(|_| Cache::new(config.cell, config.hidden)).collect(),
            state: Vec::new(),
            rows: 0,
            tokens: Vec::new(),
            resets: Vec::new(),
            logits: Buffer::zeros(0),
        };
        recorder.begin(1);
        recorder
    }

    /// The instruction set that it runs on.
    pub fn isa(&self) -> Isa {
        self.weights.linear.isa()
    }

    /// The shape of the network.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The weights.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// What there is to see in each of its layers.
    pub fn signals(&self) -> &'static [Signal] {
        signals(self.config.cell)
    }

    /// Makes the carried state zero, of so many rows.
    pub fn begin(&mut self, rows: usize) {
        self.rows = rows;
        let size = rows * self.config.hidden;
        let memory = if self.config.cell.has_memory() { size } else { 0 };
        self.state = (0..self.config.layers).map(|_| [vec![0.0; size], vec![0.0; memory]]).collect();
    }

    /// The carried state of layer `l`: h and c, each `[B, H]`; c is empty where the cell has none.
    pub fn carried(&self, l: usize) -> [&[f32]; 2] {
        [&self.state[l][0], &self.state[l][1]]
    }

    /// Replaces the carried state.
    ///
    /// # Panics
    /// Where it is not the state of such a network.
    pub fn set_state(&mut self, state: &State) {
        assert!(state.fits(&self.config), "the states [B, H] of each layer");
        self.begin(state.rows());
        for (own, arrays) in self.state.iter_mut().zip(&state.layers) {
            for (own, array) in own.iter_mut().zip(arrays) {
                own.clear();
                own.extend(array.iter());
            }
        }
    }

    /// Runs over the characters and resets of a batch from the carried state, and carries what its last step leaves. Targets
    /// and weights do not matter.
    ///
    /// # Panics
    /// Where the batch has other rows than the carried state, no step, or characters beyond the vocabulary.
    pub fn run(&mut self, batch: &Batch) -> Record<'_> {
        let (steps, rows) = (batch.steps(), batch.rows());
        assert_eq!(rows, self.rows, "the batch has as many rows as the carried state");
        assert!(steps > 0 && rows > 0, "there is something to run over");
        let Recorder { config, parameters, weights, caches, state, tokens, resets, logits, .. } = self;
        let team = &mut Team::alone();
        tokens.clear();
        tokens.extend(batch.tokens.iter());
        assert!(tokens.iter().all(|&token| (token as usize) < config.vocabulary), "characters below V");
        resets.clear();
        resets.extend(batch.resets.iter());
        let outputs = steps * rows * config.vocabulary;
        grow(logits, outputs);
        for (l, [h, c]) in state.iter_mut().enumerate() {
            let (below, rest) = caches.split_at_mut(l);
            let cache = &mut rest[0];
            let input = match below.last() {
                None => Input::Characters { tokens, table: &weights.table },
                Some(cache) => Input::Below(cache.output()),
            };
            cache.prepare(steps, rows);
            let (h0, c0) = cache.initial_state();
            h0.copy_from_slice(h);
            c0.copy_from_slice(c);
            cache.forward(Entering { weights: &weights.layers[l], input, resets }, team);
            let (last_h, last_c) = cache.final_state();
            h.copy_from_slice(last_h);
            c.copy_from_slice(last_c);
        }
        let top = caches.last().expect("a network has a layer").output();
        let (_, bias) = parameters.layout().linear();
        weights.linear.multiply(top, Some(parameters.slice(bias)), &mut logits[..outputs], team);
        Record { recorder: self, steps, rows }
    }
}

/// What a [`Recorder`] computed over one batch.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    recorder: &'a Recorder,
    steps: usize,
    rows: usize,
}

impl<'a> Record<'a> {
    /// `T`
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// `B`
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// `[H]`: signal `signal` (of [`Recorder::signals`]) of layer `l` at step `t` in row `r`.
    ///
    /// # Panics
    /// Where there is none.
    pub fn signal(&self, l: usize, signal: usize, t: usize, r: usize) -> &'a [f32] {
        let ModelConfig { hidden, cell, .. } = self.recorder.config;
        let (at, cache, gates) = (self.at(t, r), &self.recorder.caches[l], cell.gates());
        match self.recorder.signals()[signal].name {
            "h" => &cache.output()[at * hidden..][..hidden],
            "c" => &cache.cell()[at * hidden..][..hidden],
            _ => &cache.gates()[(at * gates + signal) * hidden..][..hidden],
        }
    }

    /// `[I]`: what entered the first layer at step `t` in row `r`.
    ///
    /// # Panics
    /// Where there is no such step or row.
    pub fn input(&self, t: usize, r: usize) -> &'a [f32] {
        let size = self.recorder.config.input.size();
        let Recorder { weights, parameters, tokens, .. } = self.recorder;
        &weights.features(parameters)[tokens[self.at(t, r)] as usize * size..][..size]
    }

    /// `[V]`: the logits of the next character after step `t` in row `r`.
    ///
    /// # Panics
    /// Where there is no such step or row.
    pub fn logits(&self, t: usize, r: usize) -> &'a [f32] {
        let vocabulary = self.recorder.config.vocabulary;
        &self.recorder.logits[self.at(t, r) * vocabulary..][..vocabulary]
    }

    /// The character that was read at step `t` in row `r`.
    ///
    /// # Panics
    /// Where there is no such step or row.
    pub fn token(&self, t: usize, r: usize) -> u32 {
        self.recorder.tokens[self.at(t, r)]
    }

    /// All that layer `l` computed.
    pub(super) fn layer(&self, l: usize) -> &'a Cache {
        &self.recorder.caches[l]
    }

    fn at(&self, t: usize, r: usize) -> usize {
        assert!(t < self.steps && r < self.rows, "step {t} of {}, row {r} of {}", self.steps, self.rows);
        t * self.rows + r
    }
}
