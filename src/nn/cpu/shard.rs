//! One shard: forward and backward through all layers for some rows of the minibatch.

use super::weights::Weights;
use crate::nn::engine::Masking;
use crate::nn::lstm::fast::{Cache, Entering, Input, InputGradients, Leaving, Step, Tools, grow};
use crate::nn::{Batch, Cell, LayerMut, ModelConfig, Parameters};
use hornpipe_kernels::dropout::{Dropout, Site};
use hornpipe_kernels::elementwise::add_rows;
use hornpipe_kernels::embedding::{gather, scatter_add};
use hornpipe_kernels::gemm::{Gemm, Into, Matrix};
use hornpipe_kernels::softmax::{CrossEntropy, LossSums};
use hornpipe_kernels::{Buffer, Team};

/// Some rows of the minibatch, with the state that they carry.
#[derive(Debug)]
pub(super) struct Shard {
    pub first_row: usize,
    pub rows: usize,
    /// `[R, H]` for each layer.
    pub h: Vec<Buffer>,
    /// `[R, H]` for each layer; empty where the cell has no such state.
    pub c: Vec<Buffer>,
    /// `[R, V]`: the logits after the last step, where they were asked for.
    pub logits: Buffer,
    /// `[R, G·H]`: what the characters of a step of generation give to the first layer's gates.
    gates: Buffer,
    /// `[R, G·H]`: the side of a step (see [`batched`](crate::nn::cell::batched)); empty of an LSTM.
    side: Buffer,
    /// `[R, H]` each: the new state of one layer in generation, then exchanged with that in `h` and `c`.
    next: [Buffer; 2],
}

impl Shard {
    pub fn new(config: &ModelConfig, first_row: usize, rows: usize) -> Self {
        let state = || Buffer::zeros(rows * config.hidden);
        let memory = || Buffer::zeros(if config.cell.has_memory() { rows * config.hidden } else { 0 });
        let gates = rows * config.cell.gates() * config.hidden;
        Shard {
            first_row,
            rows,
            h: vec![state(); config.layers],
            c: vec![memory(); config.layers],
            logits: Buffer::zeros(rows * config.vocabulary),
            gates: Buffer::zeros(gates),
            side: Buffer::zeros(if config.cell == Cell::Lstm { 0 } else { gates }),
            next: [state(), memory()],
        }
    }

    /// One step of generation. `tokens` are those of all shards; the logits of what comes next are overwritten.
    pub fn advance(
        &mut self,
        config: &ModelConfig,
        parameters: &Parameters,
        weights: &Weights,
        tokens: &[u32],
        team: &mut Team,
    ) {
        let Shard { first_row, rows, h, c, gates, side, next: [next_h, next_c], .. } = self;
        let (isa, width) = (weights.linear.isa(), config.cell.gates() * config.hidden);
        gather(isa, width, &weights.table, &tokens[*first_row..][..*rows], gates, team);
        for (l, layer) in weights.layers.iter().enumerate() {
            let (below, own) = h.split_at_mut(l);
            let x = below.last().map(|x| &x[..]);
            layer.step(x, Step { gates, side, h: &own[0], c: &c[l], next_h, next_c }, team);
            std::mem::swap(&mut own[0], next_h);
            std::mem::swap(&mut c[l], next_c);
        }
        self.top_logits(parameters, weights, team);
    }

    /// The logits of the carried state.
    fn top_logits(&mut self, parameters: &Parameters, weights: &Weights, team: &mut Team) {
        let (_, bias) = parameters.layout().linear();
        let top = self.h.last().expect("a network has a layer");
        weights.linear.multiply(top, Some(parameters.slice(bias)), &mut self.logits, team);
    }
}

/// Whether the first layer looks up what each character gives to its gates. Where a shard has fewer tokens than there are characters, it
/// computes that from the features of its own tokens instead.
pub(super) fn looks_up(config: &ModelConfig, tokens: usize) -> bool {
    config.vocabulary <= tokens
}

/// What is to be done with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Forward and backward.
    Training,
    /// Forward only, without dropout.
    Evaluation,
}

/// What a thread needs for whichever shard it works on; allocated once.
#[derive(Debug)]
pub(super) struct Workspace {
    /// Of each layer.
    caches: Vec<Cache>,
    /// `[T, R, H]` for each layer: its output after dropout. Empty without dropout.
    dropped: Vec<Buffer>,
    /// `[V, G·H]`: the gradient of what each character gives to the first layer's gates, where that is looked up.
    d_table: Buffer,
    /// `[T, R, I]` each: the features of the tokens, and their gradient, where it is not.
    features: Buffer,
    d_features: Buffer,
    /// `[T, R, H]`: the gradient of a layer's output.
    d_h: Buffer,
    /// `[T, R, V]`
    logits: Buffer,
    /// `[T, R]` each: the shard's part of the batch.
    tokens: Vec<u32>,
    targets: Vec<u32>,
    weights: Vec<f32>,
    resets: Vec<bool>,
    tools: Tools,
}

/// What all shards of a step share.
pub(super) struct Job<'a> {
    pub config: &'a ModelConfig,
    pub parameters: &'a Parameters,
    pub weights: &'a Weights,
    pub batch: &'a Batch,
    pub masking: Option<Masking>,
    /// `Σ w` of the whole minibatch.
    pub total_weight: f64,
}

impl Job<'_> {
    /// The dropout of layer `l` for a shard, if any.
    fn dropout(&self, l: usize, shard: &Shard) -> Option<Dropout> {
        let masking = self.masking.filter(|_| self.config.dropout > 0.0)?;
        let site = Site { seed: masking.seed, step: masking.step, layer: l as u32 };
        Some(Dropout { rate: self.config.dropout, site, first_row: shard.first_row as u32, rows: shard.rows })
    }
}

impl Workspace {
    pub fn new(config: &ModelConfig, gemm: Gemm, team: Team) -> Self {
        let empty = || Buffer::zeros(0);
        Workspace {
            caches: (0..config.layers).map(|_| Cache::new(config.cell, config.hidden)).collect(),
            dropped: vec![empty(); config.layers],
            d_table: empty(),
            features: empty(),
            d_features: empty(),
            d_h: empty(),
            logits: empty(),
            tokens: Vec::new(),
            targets: Vec::new(),
            weights: Vec::new(),
            resets: Vec::new(),
            tools: Tools::new(gemm, team),
        }
    }

    /// Who works on a shard from now on.
    pub fn set_team(&mut self, team: Team) {
        self.tools.set_team(team);
    }

    pub fn team(&mut self) -> &mut Team {
        &mut self.tools.team
    }

    /// Makes room for a shard of `steps` × `rows`; allocates only where there was never as much.
    pub fn make_room(&mut self, config: &ModelConfig, steps: usize, rows: usize, purpose: Purpose) {
        let tokens = steps * rows;
        let Workspace { caches, dropped, d_table, features, d_features, d_h, logits, tools, .. } = self;
        caches.iter_mut().for_each(|cache| cache.prepare(steps, rows));
        tools.prepare(config.cell, rows, config.hidden);
        grow(logits, tokens * config.vocabulary);
        // A smaller shard than the first may not look up where that does.
        grow(features, tokens.min(config.vocabulary) * config.input.size());
        if purpose == Purpose::Training {
            grow(d_h, tokens * config.hidden);
            if config.dropout > 0.0 {
                dropped.iter_mut().for_each(|d| grow(d, tokens * config.hidden));
            }
            grow(d_features, tokens.min(config.vocabulary) * config.input.size());
            if looks_up(config, tokens) {
                grow(d_table, config.vocabulary * config.cell.gates() * config.hidden);
            }
        }
        fn reserve<T>(part: &mut Vec<T>, tokens: usize) {
            part.clear();
            part.reserve(tokens);
        }
        reserve(&mut self.tokens, tokens);
        reserve(&mut self.targets, tokens);
        reserve(&mut self.weights, tokens);
        reserve(&mut self.resets, tokens);
    }

    /// Takes over the shard's part of the batch.
    fn prepare(&mut self, job: &Job, shard: &Shard) {
        let columns = shard.first_row..shard.first_row + shard.rows;
        fn part<T: Copy>(to: &mut Vec<T>, from: &ndarray::Array2<T>, columns: &std::ops::Range<usize>) {
            to.clear();
            for row in from.rows() {
                to.extend(columns.clone().map(|b| row[b]));
            }
        }
        part(&mut self.tokens, &job.batch.tokens, &columns);
        part(&mut self.targets, &job.batch.targets, &columns);
        part(&mut self.weights, &job.batch.weights, &columns);
        part(&mut self.resets, &job.batch.resets, &columns);
        self.caches.iter_mut().for_each(|cache| cache.prepare(job.batch.steps(), shard.rows));
    }

    /// Forward through all layers; leaves the state after the last step in `shard`, and returns the first step that has any
    /// weight (work whose gradient is zero is skipped).
    fn layers_forward(&mut self, job: &Job, shard: &mut Shard) -> usize {
        self.prepare(job, shard);
        let config = job.config;
        let isa = self.tools.gemm.isa();
        let tokens = job.batch.steps() * shard.rows;
        if !looks_up(config, tokens) {
            let (table, size) = (job.weights.features(job.parameters), config.input.size());
            gather(isa, size, table, &self.tokens, &mut self.features[..tokens * size], &mut self.tools.team);
        }
        for l in 0..config.layers {
            let dropout = job.dropout(l, shard);
            let (below, rest) = self.caches.split_at_mut(l);
            let cache = &mut rest[0];
            let input = match below.last() {
                None if looks_up(config, tokens) => {
                    Input::Characters { tokens: &self.tokens, table: &job.weights.table }
                }
                None => Input::Below(&self.features[..tokens * config.input.size()]),
                Some(_) if dropout.is_some() => Input::Below(&self.dropped[l - 1][..tokens * config.hidden]),
                Some(cache) => Input::Below(cache.output()),
            };
            let (h, c) = cache.initial_state();
            h.copy_from_slice(&shard.h[l]);
            c.copy_from_slice(&shard.c[l]);
            let entering = Entering { weights: &job.weights.layers[l], input, resets: &self.resets };
            cache.forward(entering, &mut self.tools.team);
            let (h, c) = cache.final_state();
            shard.h[l].copy_from_slice(h);
            shard.c[l].copy_from_slice(c);
            if let Some(dropout) = dropout {
                let dropped = &mut self.dropped[l][..tokens * config.hidden];
                dropout.apply(isa, config.hidden, cache.output(), dropped, &mut self.tools.team);
            }
        }
        self.weights.iter().position(|&w| w != 0.0).map_or(job.batch.steps(), |at| at / shard.rows)
    }

    /// `[T, R, H]`: what entered the linear layer.
    fn top<'a>(caches: &'a [Cache], dropped: &'a [Buffer], dropout: bool, len: usize) -> &'a [f32] {
        match (caches, dropped) {
            ([.., _], [.., dropped]) if dropout => &dropped[..len],
            ([.., cache], _) => cache.output(),
            _ => &[],
        }
    }

    /// The loss from step `first` on; where `total_weight` is given, the logits become their gradient.
    fn loss(&mut self, job: &Job, shard: &Shard, first: usize, total_weight: Option<f64>) -> LossSums {
        let (hidden, vocabulary) = (job.config.hidden, job.config.vocabulary);
        let from = first * shard.rows;
        let tokens = self.tokens.len();
        let dropout = job.dropout(0, shard).is_some();
        let top = Self::top(&self.caches, &self.dropped, dropout, tokens * hidden);
        let logits = &mut self.logits[from * vocabulary..tokens * vocabulary];
        let (_, bias) = job.parameters.layout().linear();
        job.weights.linear.multiply(
            &top[from * hidden..],
            Some(job.parameters.slice(bias)),
            logits,
            &mut self.tools.team,
        );
        let (targets, weights) = (&self.targets[from..], &self.weights[from..]);
        CrossEntropy { logits, targets, weights, total_weight }.run(self.tools.gemm.isa(), vocabulary)
    }

    /// Forward only.
    pub fn evaluate(&mut self, job: &Job, shard: &mut Shard) -> LossSums {
        let first = self.layers_forward(job, shard);
        self.loss(job, shard, first, None)
    }

    /// Forward only; the shard's logits after the last step are overwritten.
    pub fn last_logits(&mut self, job: &Job, shard: &mut Shard) {
        self.layers_forward(job, shard);
        shard.top_logits(job.parameters, job.weights, &mut self.tools.team);
    }

    /// Forward and backward; `gradients` are overwritten.
    pub fn gradients(&mut self, job: &Job, shard: &mut Shard, gradients: &mut Parameters) -> LossSums {
        let first = self.layers_forward(job, shard);
        let sums = self.loss(job, shard, first, Some(job.total_weight));
        self.linear_backward(job, shard, first, gradients);
        self.layers_backward(job, shard, gradients);
        sums
    }

    fn linear_backward(&mut self, job: &Job, shard: &Shard, first: usize, gradients: &mut Parameters) {
        let (hidden, vocabulary) = (job.config.hidden, job.config.vocabulary);
        let (from, tokens) = (first * shard.rows, self.tokens.len());
        let Workspace { caches, dropped, d_h, logits, tools, .. } = self;
        let d_top = &mut d_h[..tokens * hidden];
        let (before, d_top) = d_top.split_at_mut(from * hidden);
        before.fill(0.0);
        let d_logits = &logits[from * vocabulary..tokens * vocabulary];
        job.weights.linear_back.multiply(d_logits, None, d_top, &mut tools.team);

        let (weight, _) = gradients.layout().linear();
        let [d_weight, d_bias] = gradients.slices_mut(weight);
        let top = Self::top(caches, dropped, job.dropout(0, shard).is_some(), tokens * hidden);
        let top = Matrix::new(&top[from * hidden..], tokens - from, hidden);
        let d_logits_matrix = Matrix::new(d_logits, tokens - from, vocabulary).t();
        let Tools { gemm, scratch, team, .. } = tools;
        gemm.multiply(d_logits_matrix, top, Into::Overwrite, d_weight, scratch, team);
        d_bias.fill(0.0);
        add_rows(gemm.isa(), d_logits, d_bias);
    }

    fn layers_backward(&mut self, job: &Job, shard: &Shard, gradients: &mut Parameters) {
        let config = job.config;
        let len = self.tokens.len() * config.hidden;
        let Workspace { caches, dropped, d_table, features, d_features, d_h, tools, resets, tokens, .. } =
            self;
        let d_h = &mut d_h[..len];
        for l in (0..config.layers).rev() {
            let dropout = job.dropout(l, shard);
            if let Some(dropout) = dropout {
                dropout.backward(tools.gemm.isa(), config.hidden, &dropped[l][..len], d_h, &mut tools.team);
            }
            let (below, rest) = caches.split_at_mut(l);
            let cache = &mut rest[0];
            let weights = &job.weights.layers[l];
            let LayerMut { w_ih: d_w_ih, w_hh: d_w_hh, bias: d_bias, extra: d_extra } =
                gradients.layer_mut(l);
            match below.last() {
                None if looks_up(config, tokens.len()) => {
                    let table = &job.weights.table;
                    let d_table = InputGradients::Characters(&mut d_table[..table.len()]);
                    let leaving = Leaving { d_w_hh, d_extra, input: d_table };
                    let input = Input::Characters { tokens, table };
                    cache.backward(Entering { weights, input, resets }, d_h, leaving, tools);
                }
                None => {
                    let size = tokens.len() * config.input.size();
                    let d_x = Some(&mut d_features[..size]);
                    let d_input = InputGradients::Below { d_w_ih, d_bias, d_x };
                    let leaving = Leaving { d_w_hh, d_extra, input: d_input };
                    let input = Input::Below(&features[..size]);
                    cache.backward(Entering { weights, input, resets }, d_h, leaving, tools);
                }
                Some(cache_below) => {
                    let dropped = dropout.map(|_| &dropped[l - 1][..len]);
                    let input = Input::Below(dropped.unwrap_or(cache_below.output()));
                    let leaving = Leaving {
                        d_w_hh,
                        d_extra,
                        input: InputGradients::Below { d_w_ih, d_bias, d_x: None },
                    };
                    cache.backward(Entering { weights, input, resets }, d_h, leaving, tools);
                }
            }
        }
        if looks_up(config, self.tokens.len()) {
            self.table_backward(job, gradients);
        } else if let Some(embedding) = gradients.layout().embedding() {
            let Workspace { d_features, tools, tokens, .. } = self;
            let size = config.input.size();
            let d_embedding = gradients.slice_mut(embedding);
            d_embedding.fill(0.0);
            let d_features = &d_features[..tokens.len() * size];
            scatter_add(tools.gemm.isa(), size, d_features, tokens, d_embedding, &mut tools.team);
        }
    }

    /// From the gradient of what each character gives to the first layer to those of `w_ih`, the bias and the embedding.
    fn table_backward(&mut self, job: &Job, gradients: &mut Parameters) {
        let (vocabulary, inputs) = (job.config.vocabulary, job.config.input.size());
        let d_table = &self.d_table[..job.weights.table.len()];
        let Tools { gemm, scratch, team, .. } = &mut self.tools;
        let LayerMut { w_ih: d_w_ih, bias: d_bias, .. } = gradients.layer_mut(0);
        let features = Matrix::new(job.weights.features(job.parameters), vocabulary, inputs);
        let d_gates = Matrix::new(d_table, vocabulary, d_bias.len()).t();
        gemm.multiply(d_gates, features, Into::Overwrite, d_w_ih, scratch, team);
        d_bias.fill(0.0);
        add_rows(gemm.isa(), d_table, d_bias);
        if let Some(embedding) = gradients.layout().embedding() {
            let d_embedding = gradients.slice_mut(embedding);
            job.weights.layers[0].input_back.multiply(d_table, None, d_embedding, team);
        }
    }
}
