//! What the device does for batches of one shape, recorded once.
//!
//! The first layer's input is looked up, as on the CPU: what each of the `V` characters gives to its gates is one small product,
//! and the backward pass adds up the gate gradients by character first. For the rest, with `N = T·R`:
//!
//! | product | shape |
//! |---|---|
//! | `gates = x · w_ihᵀ + b`, all steps | `[N, I] × [I, 4H]` |
//! | `gates[t] += h[t] · w_hhᵀ`, then the gate maths | `[R, H] × [H, 4H]`, `T` times |
//! | `d_h_next = d_gates[t + 1] · w_hh`, then the gate gradients | `[R, 4H] × [4H, H]`, `T - 1` times |
//! | `d_w_hh = d_gatesᵀ · h`, `d_w_ih = d_gatesᵀ · x` | `[4H, N] × [N, H or I]` |
//! | `d_x = d_gates · w_ih` | `[N, 4H] × [4H, I]` |

use super::room::{Device, Room, Totals, Words};
use crate::nn::lstm::GATES;
use crate::nn::{Batch, Layout, ModelConfig, WeightDrop};
use crate::optim::Optimizer;
use hornpipe_kernels::gpu::{Array, CrossEntropy, Download, Gemm, Gpu, Matrix, Program, Recorder};

/// What is to be done with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Forward and backward, with all dropout that the network has, or without.
    Training {
        /// Whether there is any.
        dropout: bool,
    },
    /// The loss, without dropout.
    Evaluation,
    /// The logits after the last step, without dropout.
    Logits,
}

/// Which plan a batch needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub steps: usize,
    pub rows: usize,
    purpose: Purpose,
    /// The first step whose logits count: the last one, where no other has any weight (work whose gradient is zero is skipped), else 0.
    first: usize,
}

impl Key {
    pub fn new(batch: &Batch, purpose: Purpose) -> Self {
        let (steps, rows) = (batch.steps(), batch.rows());
        let before = batch.weights.iter().take((steps - 1) * rows);
        let only_last = purpose == Purpose::Logits || before.into_iter().all(|&w| w == 0.0);
        Key { steps, rows, purpose, first: if only_last { steps - 1 } else { 0 } }
    }
}

/// The program of a shape.
pub(super) struct Plan {
    pub key: Key,
    pub program: Program,
}

impl Plan {
    pub fn new(gpu: &Gpu, config: &ModelConfig, device: &Device, room: &Room, key: Key) -> Self {
        let mut writer =
            Writer { recorder: Recorder::new(gpu), weights: Weights::new(config, device), room, key };
        writer.all();
        Plan { key, program: writer.recorder.finish() }
    }
}

/// What each character gives to the gates of the first layer, anew from the weights.
pub(super) fn table(gpu: &Gpu, config: &ModelConfig, device: &Device) -> Program {
    let weights = Weights::new(config, device);
    let at = weights.layout.layer(0);
    let mut recorder = Recorder::new(gpu);
    recorder.products_for("table of characters");
    recorder.gemm(Gemm {
        a: weights.features(),
        b: weights.matrix(at.w_ih).t(),
        bias: weights.bias(at.bias),
        accumulate: false,
        c: (&device.table, 0),
    });
    recorder.finish()
}

/// The norm of all gradients, clipping, and a step of the optimiser.
pub(super) fn update(gpu: &Gpu, device: &Device, optimizer: Optimizer) -> Program {
    let Device { parameters, gradients, moments, settings, parts, totals, .. } = device;
    let mut recorder = Recorder::new(gpu);
    recorder.sum(gradients, 0..gradients.len(), true, parts, (totals, Totals::SQUARES));
    match (optimizer, moments.as_slice()) {
        (Optimizer::Adam, [m, v]) => recorder.adam(settings, totals, gradients, parameters, [m, v]),
        (Optimizer::Rmsprop, [v]) => recorder.rmsprop(settings, totals, gradients, parameters, v),
        _ => unreachable!("as many moments as the optimiser has"),
    }
    recorder.finish()
}

/// The totals, for the host.
pub(super) fn answer(gpu: &Gpu, device: &Device, answers: &Download) -> Program {
    let mut recorder = Recorder::new(gpu);
    recorder.download(&device.totals, 0..Totals::LEN, answers, 0);
    recorder.finish()
}

/// The network's weights and gradients by their places in the table of parameters.
struct Weights<'a> {
    config: &'a ModelConfig,
    layout: Layout,
    device: &'a Device,
}

impl<'a> Weights<'a> {
    fn new(config: &'a ModelConfig, device: &'a Device) -> Self {
        Weights { config, layout: Layout::new(config), device }
    }

    fn matrix(&self, index: usize) -> Matrix<'a> {
        let tensor = &self.layout.tensors()[index];
        Matrix::new(&self.device.parameters, tensor.offset, tensor.shape[0], tensor.shape[1])
    }

    fn bias(&self, index: usize) -> Option<(&'a Array<f32>, usize)> {
        Some((&self.device.parameters, self.layout.tensors()[index].offset))
    }

    fn gradient(&self, index: usize) -> (&'a Array<f32>, usize) {
        (&self.device.gradients, self.layout.tensors()[index].offset)
    }

    /// `[V, I]`: what enters the first layer for each character.
    fn features(&self) -> Matrix<'a> {
        match (&self.device.scalars, self.layout.embedding()) {
            (Some(scalars), _) => Matrix::new(scalars, 0, self.config.vocabulary, 1),
            (None, Some(embedding)) => self.matrix(embedding),
            (None, None) => unreachable!("characters enter as vectors or as numbers"),
        }
    }
}

struct Writer<'a> {
    recorder: Recorder<'a>,
    weights: Weights<'a>,
    room: &'a Room,
    key: Key,
}

impl<'a> Writer<'a> {
    fn all(&mut self) {
        let Key { steps, rows, purpose, first } = self.key;
        let (hidden, vocabulary) = (self.weights.config.hidden, self.weights.config.vocabulary);
        let size = rows * hidden;
        let training = matches!(purpose, Purpose::Training { .. });
        if training {
            // No gradient comes from steps before the first that counts.
            self.recorder.clear(&self.room.d_out, 0..first * size);
        }
        self.drop_weights();
        self.first_input();
        for l in 0..self.weights.config.layers {
            self.layer_forward(l);
        }
        self.logits();
        if purpose != Purpose::Logits {
            self.loss(training);
        }
        if training {
            self.linear_backward();
            for l in (0..self.weights.config.layers).rev() {
                self.layer_backward(l);
            }
            self.first_input_backward();
        }
        for l in 0..self.weights.config.layers {
            let (layer, [h, c]) = (&self.room.layers[l], &self.weights.device.state);
            self.recorder.copy(&layer.h, steps * size..(steps + 1) * size, h, l * size);
            self.recorder.copy(&layer.c, steps * size..(steps + 1) * size, c, l * size);
        }
        if purpose == Purpose::Logits {
            let last = first * rows * vocabulary..steps * rows * vocabulary;
            self.recorder.download(&self.room.logits, last, &self.room.logits_out, 0);
        }
    }

    /// `N`
    fn tokens(&self) -> usize {
        self.key.steps * self.key.rows
    }

    fn overwrite(
        &mut self,
        purpose: &'static str,
        a: Matrix,
        b: Matrix,
        bias: Option<(&Array<f32>, usize)>,
        c: (&Array<f32>, usize),
    ) {
        self.recorder.products_for(purpose);
        self.recorder.gemm(Gemm { a, b, bias, accumulate: false, c });
    }

    /// Whether units or weights are dropped, the rate being above 0.
    fn drops(&self, rate: f32) -> bool {
        rate > 0.0 && self.key.purpose == (Purpose::Training { dropout: true })
    }

    /// `w_hh` of a layer as this batch sees it.
    fn w_hh(&self, l: usize) -> Matrix<'a> {
        let hidden = self.weights.config.hidden;
        if self.drops(self.weights.config.weight_drop) {
            return Matrix::new(&self.weights.device.dropped[l], 0, GATES * hidden, hidden);
        }
        self.weights.matrix(self.weights.layout.layer(l).w_hh)
    }

    fn drop_weights(&mut self) {
        let ModelConfig { layers, weight_drop, .. } = *self.weights.config;
        if !self.drops(weight_drop) {
            return;
        }
        let device = self.weights.device;
        for l in 0..layers {
            let tensor = &self.weights.layout.tensors()[self.weights.layout.layer(l).w_hh];
            self.recorder.copy(&device.parameters, tensor.range(), &device.dropped[l], 0);
            self.drop_matrix(l, &device.dropped[l]);
        }
    }

    /// Multiplies `values [4H, H]` by the mask of a layer's `w_hh`.
    fn drop_matrix(&mut self, l: usize, values: &Array<f32>) {
        let ModelConfig { hidden, weight_drop, .. } = *self.weights.config;
        let (rows, site) = (GATES * hidden, (WeightDrop::layer(l), weight_drop));
        self.recorder.dropout(&self.weights.device.settings, (rows, rows, hidden), site, values);
    }

    fn first_input(&mut self) {
        let (table, room, n) = (&self.weights.device.table, self.room, self.tokens());
        let width = GATES * self.weights.config.hidden;
        self.recorder.gather(width, table, (&room.inputs, 0), n, &room.layers[0].gates);
    }

    fn layer_forward(&mut self, l: usize) {
        let (room, device, hidden) = (self.room, self.weights.device, self.weights.config.hidden);
        let Key { steps, rows, .. } = self.key;
        let (size, at, n) = (rows * hidden, self.weights.layout.layer(l), self.tokens());
        let layer = &room.layers[l];
        if l > 0 {
            let x = Matrix::new(&room.layers[l - 1].out, 0, n, hidden);
            self.overwrite(
                "input",
                x,
                self.weights.matrix(at.w_ih).t(),
                self.weights.bias(at.bias),
                (&layer.gates, 0),
            );
        }
        let sequence = room.sequence(l, steps, rows, hidden);
        let [h, c] = &device.state;
        self.recorder.lstm_enter(&sequence, [h, c], l);
        let w_hh = self.w_hh(l).t();
        self.recorder.products_for("recurrent");
        for t in 0..steps {
            let a = Matrix::new(&layer.h, t * size, rows, hidden);
            let c = (&layer.gates, t * GATES * size);
            self.recorder.gemm(Gemm { a, b: w_hh, bias: None, accumulate: true, c });
            self.recorder.lstm_forward(&sequence, t);
        }
        let rate = self.weights.config.dropout;
        if self.drops(rate) {
            self.recorder.dropout(&device.settings, (n, rows, hidden), (l as u32, rate), &layer.out);
        }
    }

    /// `[N', H]`: the rows that enter the linear layer, and the first of them.
    fn top(&self) -> (Matrix<'a>, usize) {
        let first = self.key.first * self.key.rows;
        let hidden = self.weights.config.hidden;
        let out = &self.room.layers[self.weights.config.layers - 1].out;
        (Matrix::new(out, first * hidden, self.tokens() - first, hidden), first)
    }

    fn logits(&mut self) {
        let (weight, bias) = self.weights.layout.linear();
        let (top, first) = self.top();
        let logits = (&self.room.logits, first * self.weights.config.vocabulary);
        let weight = self.weights.matrix(weight).t();
        self.overwrite("linear layer", top, weight, self.weights.bias(bias), logits);
    }

    fn loss(&mut self, gradient: bool) {
        let (room, device, n) = (self.room, self.weights.device, self.tokens());
        let Words { targets, weights, .. } = Words::of(n);
        let first = self.key.first * self.key.rows;
        self.recorder.cross_entropy(CrossEntropy {
            rows: first..n,
            all_rows: n,
            vocabulary: self.weights.config.vocabulary,
            inputs: &room.inputs,
            targets,
            weights,
            settings: &device.settings,
            logits: &room.logits,
            gradient,
            sums: &room.sums,
        });
        let at = if gradient { Totals::NATS } else { Totals::EVALUATED };
        let Device { parts, totals, .. } = device;
        self.recorder.sum(&room.sums, first..n, false, parts, (totals, at));
        self.recorder.sum(&room.sums, n + first..2 * n, false, parts, (totals, at + 1));
    }

    fn linear_backward(&mut self) {
        let (room, vocabulary) = (self.room, self.weights.config.vocabulary);
        let (weight, bias) = self.weights.layout.linear();
        let (top, first) = self.top();
        let d_logits = Matrix::new(&room.logits, first * vocabulary, self.tokens() - first, vocabulary);
        let purpose = "gradients, linear layer";
        self.overwrite(purpose, d_logits.t(), top, None, self.weights.gradient(weight));
        self.recorder.column_sums(d_logits, self.weights.gradient(bias));
        self.overwrite(
            purpose,
            d_logits,
            self.weights.matrix(weight),
            None,
            (&room.d_out, first * self.weights.config.hidden),
        );
    }

    fn layer_backward(&mut self, l: usize) {
        let (room, device, hidden) = (self.room, self.weights.device, self.weights.config.hidden);
        let Key { steps, rows, .. } = self.key;
        let (size, at, n) = (rows * hidden, self.weights.layout.layer(l), self.tokens());
        let layer = &room.layers[l];
        let rate = self.weights.config.dropout;
        if self.drops(rate) {
            self.recorder.dropout(&device.settings, (n, rows, hidden), (l as u32, rate), &room.d_out);
        }
        let sequence = room.sequence(l, steps, rows, hidden);
        let w_hh = self.w_hh(l);
        for t in (0..steps).rev() {
            if t + 1 < steps {
                let next = Matrix::new(&layer.gates, (t + 1) * GATES * size, rows, GATES * hidden);
                self.overwrite("gradients, recurrent", next, w_hh, None, (&room.d_h_next, 0));
            }
            self.recorder.lstm_backward(&sequence, t, &room.d_out, &room.d_h_next, &room.d_c);
        }
        let d_gates = Matrix::new(&layer.gates, 0, n, GATES * hidden);
        let h = Matrix::new(&layer.h, 0, n, hidden);
        let purpose = "gradients, weights";
        let (d_w_hh, place) = self.weights.gradient(at.w_hh);
        if self.drops(self.weights.config.weight_drop) {
            // This batch needs the layer's dropped weights no more.
            let dropped = &device.dropped[l];
            self.overwrite(purpose, d_gates.t(), h, None, (dropped, 0));
            self.drop_matrix(l, dropped);
            self.recorder.copy(dropped, 0..dropped.len(), d_w_hh, place);
        } else {
            self.overwrite(purpose, d_gates.t(), h, None, (d_w_hh, place));
        }
        if l > 0 {
            let x = Matrix::new(&room.layers[l - 1].out, 0, n, hidden);
            self.overwrite(purpose, d_gates.t(), x, None, self.weights.gradient(at.w_ih));
            self.recorder.column_sums(d_gates, self.weights.gradient(at.bias));
            let w_ih = self.weights.matrix(at.w_ih);
            self.overwrite("gradients, input", d_gates, w_ih, None, (&room.d_out, 0));
        }
    }

    /// From the gate gradients of the first layer to those of its input weights and bias, and of the embedding.
    fn first_input_backward(&mut self) {
        let (room, device) = (self.room, self.weights.device);
        let (vocabulary, width) = (self.weights.config.vocabulary, GATES * self.weights.config.hidden);
        let (at, Words { order, starts, .. }) = (self.weights.layout.layer(0), Words::of(self.tokens()));
        let places = (&room.inputs, order, starts);
        self.recorder.scatter_add(width, &room.layers[0].gates, places, vocabulary, &device.d_table);
        let d_table = Matrix::new(&device.d_table, 0, vocabulary, width);
        let (purpose, features) = ("gradients, table of characters", self.weights.features());
        self.overwrite(purpose, d_table.t(), features, None, self.weights.gradient(at.w_ih));
        self.recorder.column_sums(d_table, self.weights.gradient(at.bias));
        if let Some(embedding) = self.weights.layout.embedding() {
            let w_ih = self.weights.matrix(at.w_ih);
            self.overwrite(purpose, d_table, w_ih, None, self.weights.gradient(embedding));
        }
    }
}
