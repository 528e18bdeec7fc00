//! The arrays of a network on a device.

use crate::nn::lstm::GATES;
use crate::nn::reference::scalar_input;
use crate::nn::{Batch, Input, ModelConfig, Parameters};
use crate::optim::Optimizer;
use hornpipe_kernels::gpu::{
    Array, Download, Gpu, GpuError, LstmSequence, Program, Recorder, SUMS, Settings, sort_places,
};

/// What the host asks for after a step, each the sum over a whole batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Totals {
    /// Of training: the loss in nats, the weight of correct predictions, the squares of all gradients.
    pub nats: f32,
    pub correct: f32,
    pub squares: f32,
    /// Of evaluation, which may come between gradients and update.
    pub evaluated: [f32; 2],
}

impl Totals {
    /// Where the first three stand is what `clip.wgsl` says.
    pub const NATS: usize = 0;
    pub const SQUARES: usize = 2;
    pub const EVALUATED: usize = 3;
    pub const LEN: usize = 5;

    pub fn of([nats, correct, squares, evaluated, evaluated_correct]: [f32; Totals::LEN]) -> Self {
        Totals { nats, correct, squares, evaluated: [evaluated, evaluated_correct] }
    }

    /// Whether the device let the optimiser take a step: its own two numbers, so its own verdict.
    pub fn is_finite(&self) -> bool {
        self.nats.is_finite() && self.squares.is_finite()
    }

    pub fn gradient_norm(&self) -> f64 {
        f64::from(self.squares).sqrt()
    }
}

/// What lasts as long as the engine: weights, moments, gradients, the carried state.
pub(super) struct Device {
    pub parameters: Array<f32>,
    pub gradients: Array<f32>,
    pub moments: Vec<Array<f32>>,
    /// `h` and `c`, `[L, R, H]` each.
    pub state: [Array<f32>; 2],
    /// Makes the state zero.
    pub zero_state: Program,
    /// `[4H, H]` for each layer: `w_hh` of which some is dropped, or its gradient; empty where none ever is.
    pub dropped: Vec<Array<f32>>,
    /// `[V, I]`: what enters the first layer for each character, where that is not the embedding.
    pub scalars: Option<Array<f32>>,
    /// `[V, 4H]`: what that gives to the gates of the first layer, bias included; renewed where weights have changed.
    pub table: Array<f32>,
    /// `[V, 4H]`
    pub d_table: Array<f32>,
    pub settings: Settings,
    /// `[SUMS]`: the parts of one sum.
    pub parts: Array<f32>,
    /// What [`Totals`] says.
    pub totals: Array<f32>,
}

impl Device {
    pub fn new(
        gpu: &Gpu,
        config: &ModelConfig,
        parameters: &Parameters,
        optimizer: Optimizer,
        rows: usize,
    ) -> Result<Self, GpuError> {
        let (values, zeros) =
            (parameters.values(), |what| Array::zeros(gpu, what, parameters.values().len()));
        let table = config.vocabulary * GATES * config.hidden;
        let scalars = match config.input {
            Input::Embedding(_) => None,
            Input::Scalar => {
                let all: Vec<f32> = (0..config.vocabulary as u32)
                    .map(|token| scalar_input(token, config.vocabulary))
                    .collect();
                Some(Array::new(gpu, "the characters", &all)?)
            }
        };
        let state = zero_states(gpu, config, rows)?;
        Ok(Device {
            parameters: Array::new(gpu, "the weights", values)?,
            gradients: zeros("the gradients")?,
            moments: (0..optimizer.moments())
                .map(|_| zeros("the optimiser's moments"))
                .collect::<Result<_, _>>()?,
            zero_state: clearing(gpu, &state),
            state,
            dropped: (0..if config.weight_drop > 0.0 { config.layers } else { 0 })
                .map(|_| Array::zeros(gpu, "the dropped weights", GATES * config.hidden * config.hidden))
                .collect::<Result<_, _>>()?,
            scalars,
            table: Array::zeros(gpu, "the table of characters", table)?,
            d_table: Array::zeros(gpu, "the gradient of the table of characters", table)?,
            settings: Settings::new(gpu)?,
            parts: Array::zeros(gpu, "the sums", SUMS)?,
            totals: Array::zeros(gpu, "the sums", Totals::LEN)?,
        })
    }

    /// A carried state of so many rows, zero.
    pub fn set_rows(&mut self, gpu: &Gpu, config: &ModelConfig, rows: usize) -> Result<(), GpuError> {
        self.state = zero_states(gpu, config, rows)?;
        self.zero_state = clearing(gpu, &self.state);
        Ok(())
    }
}

fn zero_states(gpu: &Gpu, config: &ModelConfig, rows: usize) -> Result<[Array<f32>; 2], GpuError> {
    let len = config.layers * rows * config.hidden;
    Ok([Array::zeros(gpu, "the carried state", len)?, Array::zeros(gpu, "the carried state", len)?])
}

fn clearing(gpu: &Gpu, state: &[Array<f32>; 2]) -> Program {
    let mut recorder = Recorder::new(gpu);
    state.iter().for_each(|array| recorder.clear(array, 0..array.len()));
    recorder.finish()
}

/// What batches need, made for the largest so far.
pub(super) struct Room {
    /// `T·R` that it has room for, and `R`.
    tokens: usize,
    rows: usize,
    /// What [`Words`] says.
    pub inputs: Array<u32>,
    /// They on the host.
    words: Vec<u32>,
    /// From the input upwards.
    pub layers: Vec<Layer>,
    /// `[T, R, V]`, then their gradient.
    pub logits: Array<f32>,
    /// `[2, T, R]`: losses, and weights of correct predictions.
    pub sums: Array<f32>,
    /// `[T, R, H]`: the gradient of a layer's output.
    pub d_out: Array<f32>,
    /// `[R, H]` each.
    pub d_h_next: Array<f32>,
    pub d_c: Array<f32>,
    /// `[R, V]`, for the host.
    pub logits_out: Download,
}

/// The activations of one layer, as [`LstmSequence`] has them.
pub(super) struct Layer {
    pub gates: Array<f32>,
    pub c: Array<f32>,
    pub h: Array<f32>,
    pub out: Array<f32>,
}

/// Where the parts of a batch of `n = T·R` tokens stand in [`Room::inputs`]: tokens, targets, weights (as bits), resets (0 or 1), then the
/// places sorted by character, and where each character's begin.
pub(super) struct Words {
    pub targets: usize,
    pub weights: usize,
    pub resets: usize,
    pub order: usize,
    pub starts: usize,
}

impl Words {
    pub fn of(n: usize) -> Self {
        Words { targets: n, weights: 2 * n, resets: 3 * n, order: 4 * n, starts: 5 * n }
    }
}

impl Room {
    /// Room for `tokens` tokens in up to `rows` rows.
    pub fn new(gpu: &Gpu, config: &ModelConfig, (tokens, rows): (usize, usize)) -> Result<Self, GpuError> {
        let (hidden, vocabulary) = (config.hidden, config.vocabulary);
        let zeros = |what: &str, len: usize| Array::zeros(gpu, what, len);
        let layer = |l: usize| {
            Ok(Layer {
                gates: zeros(&format!("the gates of layer {l}"), tokens * GATES * hidden)?,
                c: zeros(&format!("the cell states of layer {l}"), (tokens + rows) * hidden)?,
                h: zeros(&format!("the hidden states of layer {l}"), (tokens + rows) * hidden)?,
                out: zeros(&format!("the outputs of layer {l}"), tokens * hidden)?,
            })
        };
        Ok(Room {
            tokens,
            rows,
            inputs: Array::zeros(gpu, "the batch", Words::of(tokens).starts + vocabulary + 1)?,
            words: Vec::new(),
            layers: (0..config.layers).map(layer).collect::<Result<_, _>>()?,
            logits: zeros("the logits", tokens * vocabulary)?,
            sums: zeros("the losses", 2 * tokens)?,
            d_out: zeros("the gradients of outputs", tokens * hidden)?,
            d_h_next: zeros("the gradients of states", rows * hidden)?,
            d_c: zeros("the gradients of states", rows * hidden)?,
            logits_out: Download::new(gpu, rows * vocabulary)?,
        })
    }

    /// The tokens and rows that it must have to serve batches of this shape too; none where it has them.
    pub fn larger(&self, steps: usize, rows: usize) -> Option<(usize, usize)> {
        let needed = (self.tokens.max(steps * rows), self.rows.max(rows));
        (needed != (self.tokens, self.rows)).then_some(needed)
    }

    pub fn sequence(&self, l: usize, steps: usize, rows: usize, hidden: usize) -> LstmSequence<'_> {
        let Layer { gates, c, h, out } = &self.layers[l];
        let resets = (&self.inputs, Words::of(steps * rows).resets);
        LstmSequence { steps, rows, hidden, resets, gates, c, h, out }
    }

    /// Sends a batch's integers and weights to the device.
    pub fn upload(&mut self, gpu: &Gpu, batch: &Batch, vocabulary: usize) {
        let words = &mut self.words;
        words.clear();
        words.extend(&batch.tokens);
        words.extend(&batch.targets);
        words.extend(batch.weights.iter().map(|w| w.to_bits()));
        words.extend(batch.resets.iter().map(|&reset| u32::from(reset)));
        sort_places(words, batch.tokens.len(), vocabulary);
        self.inputs.write(gpu, words);
    }
}
