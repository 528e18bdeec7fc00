//! The arrays of a network on a device.

use crate::nn::lstm::GATES;
use crate::nn::reference::scalar_input;
use crate::nn::{Batch, Input, ModelConfig, Parameters};
use crate::optim::Optimizer;
use hornpipe_kernels::gpu::{
    Array, Download, Gpu, GpuError, LstmSequence, Program, Recorder, SUMS, Settings,
};

/// What lasts as long as the engine: weights, moments, gradients, the carried state.
pub(super) struct Device {
    pub rows: usize,
    pub parameters: Array<f32>,
    pub gradients: Array<f32>,
    pub moments: Vec<Array<f32>>,
    /// `h` and `c`, `[L, R, H]` each.
    pub state: [Array<f32>; 2],
    /// Makes the state zero.
    pub zero_state: Program,
    /// `[V, I]`: what enters the first layer for each character, where that is not the embedding.
    pub scalars: Option<Array<f32>>,
    /// `[V, 4H]`: what that gives to the gates of the first layer, bias included.
    pub table: Array<f32>,
    /// `[V, 4H]`
    pub d_table: Array<f32>,
    pub dropout: Settings,
    pub loss: Settings,
    pub update: Settings,
    /// [`SUMS`] parts each of the loss, of the correct predictions, and of the sum of squares of the gradients.
    pub parts: Array<f32>,
    /// The three whole.
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
            rows,
            parameters: Array::new(gpu, "the weights", values)?,
            gradients: zeros("the gradients")?,
            moments: (0..optimizer.moments())
                .map(|_| zeros("the optimiser's moments"))
                .collect::<Result<_, _>>()?,
            zero_state: clearing(gpu, &state),
            state,
            scalars,
            table: Array::zeros(gpu, "the table of characters", table)?,
            d_table: Array::zeros(gpu, "the gradient of the table of characters", table)?,
            dropout: Settings::new(gpu)?,
            loss: Settings::new(gpu)?,
            update: Settings::new(gpu)?,
            parts: Array::zeros(gpu, "sums", 3 * SUMS)?,
            totals: Array::zeros(gpu, "sums", 3)?,
        })
    }

    /// A carried state of so many rows, zero.
    pub fn set_rows(&mut self, gpu: &Gpu, config: &ModelConfig, rows: usize) -> Result<(), GpuError> {
        self.state = zero_states(gpu, config, rows)?;
        self.zero_state = clearing(gpu, &self.state);
        self.rows = rows;
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
    pub fn new(gpu: &Gpu, config: &ModelConfig, steps: usize, rows: usize) -> Result<Self, GpuError> {
        Room::with(gpu, config, steps * rows, rows)
    }

    fn with(gpu: &Gpu, config: &ModelConfig, tokens: usize, rows: usize) -> Result<Self, GpuError> {
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

    /// Whether batches of this shape have room.
    pub fn holds(&self, steps: usize, rows: usize) -> bool {
        steps * rows <= self.tokens && rows <= self.rows
    }

    /// One for batches of this shape too.
    pub fn larger(
        &self,
        gpu: &Gpu,
        config: &ModelConfig,
        steps: usize,
        rows: usize,
    ) -> Result<Self, GpuError> {
        Room::with(gpu, config, self.tokens.max(steps * rows), self.rows.max(rows))
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

/// Appends the places of the first `n` words, sorted by their values (equals in order), and where the places of each value
/// below `vocabulary` begin. Counted, not compared: `n + V` steps.
fn sort_places(words: &mut Vec<u32>, n: usize, vocabulary: usize) {
    let order = words.len();
    words.resize(order + n, 0);
    let starts = words.len();
    words.resize(starts + vocabulary + 1, 0);
    for k in 0..n {
        let value = words[k] as usize;
        words[starts + value + 1] += 1;
    }
    for value in 0..vocabulary {
        words[starts + value + 1] += words[starts + value];
    }
    // Each start goes up to the next one's as its places are filled, and back again.
    for k in 0..n {
        let value = words[k] as usize;
        let place = words[starts + value] as usize;
        words[order + place] = k as u32;
        words[starts + value] += 1;
    }
    words.copy_within(starts..starts + vocabulary, starts + 1);
    words[starts] = 0;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_sorted_by_character() {
        let mut words = vec![2, 0, 2, 3, 0];
        sort_places(&mut words, 5, 5);
        assert_eq!(words[5..10], [1, 4, 0, 2, 3]);
        assert_eq!(words[10..], [0, 2, 2, 4, 5, 5]);
    }
}
