//! The operations: checks of lengths, immediate data and workgroups for each shader.

use super::array::Array;
use super::device::Gpu;
use super::error::GpuError;
use super::program::Recorder;
use super::shader::Shader;
use crate::dropout::{Site, threshold};
use crate::optimizer::{Adam, RmsProp};
use std::ops::Range;

/// Lengths and places are u32 on the device; no array has as many numbers.
fn word(n: usize) -> u32 {
    u32::try_from(n).expect("an array of fewer than 2^32 numbers")
}

/// A matrix in an array, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    array: &'a Array<f32>,
    at: usize,
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// The row-major matrix `[rows, cols]` that begins at `at`.
    ///
    /// # Panics
    /// Where the array ends before it does.
    pub fn new(array: &'a Array<f32>, at: usize, rows: usize, cols: usize) -> Self {
        let len = rows.checked_mul(cols).and_then(|len| len.checked_add(at));
        assert!(len.is_some_and(|len| len <= array.len()), "a matrix [{rows}, {cols}] at {at}");
        Matrix { array, at, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transposed matrix over the same numbers.
    pub fn t(self) -> Self {
        Matrix {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// `C [M, N] = A [M, K] · B [K, N] (+ bias)`, or added to what `C` holds.
#[derive(Clone, Copy, Debug)]
pub struct Gemm<'a> {
    /// `A [M, K]`
    pub a: Matrix<'a>,
    /// `B [K, N]`
    pub b: Matrix<'a>,
    /// An array, and where in it the `N` numbers begin that are added to each row.
    pub bias: Option<(&'a Array<f32>, usize)>,
    /// Whether `C` is added to, not overwritten.
    pub accumulate: bool,
    /// The array of `C`, row-major, and where it begins.
    pub c: (&'a Array<f32>, usize),
}

/// A sequence of one LSTM layer.
#[derive(Clone, Copy, Debug)]
pub struct LstmSequence<'a> {
    /// `T`
    pub steps: usize,
    /// `R`
    pub rows: usize,
    /// `H`
    pub hidden: usize,
    /// Where `resets [T, R]` begin, 0 or 1 each.
    pub resets: (&'a Array<u32>, usize),
    /// `[T, R, 4H]`
    pub gates: &'a Array<f32>,
    /// `[T + 1, R, H]`: the cell state before each step, and after the last.
    pub c: &'a Array<f32>,
    /// `[T + 1, R, H]`: the hidden state as it enters each step (zero where that resets), and after the last.
    pub h: &'a Array<f32>,
    /// `[T, R, H]`: the layer's output.
    pub out: &'a Array<f32>,
}

impl LstmSequence<'_> {
    fn check(&self) {
        let LstmSequence { steps, rows, hidden, .. } = *self;
        let size = rows * hidden;
        assert!(steps > 0 && size > 0, "a step, a row and a unit");
        assert!(self.resets.1 + steps * rows <= self.resets.0.len(), "resets [T, R]");
        assert!(self.gates.len() >= 4 * steps * size, "gates [T, R, 4H]");
        assert!(self.c.len().min(self.h.len()) >= (steps + 1) * size, "c and h [T + 1, R, H]");
        assert!(self.out.len() >= steps * size, "out [T, R, H]");
    }

    fn step(&self, t: usize) -> [u32; 5] {
        assert!(t < self.steps, "step {t} of {}", self.steps);
        [self.rows, self.hidden, self.steps, t, self.resets.1].map(word)
    }
}

/// Rows of logits with their targets.
#[derive(Clone, Debug)]
pub struct CrossEntropy<'a> {
    /// Of `N` rows those that count; sums of the others stay as they are.
    pub rows: Range<usize>,
    /// `N`
    pub all_rows: usize,
    /// `V`
    pub vocabulary: usize,
    /// Holds targets and weights.
    pub inputs: &'a Array<u32>,
    /// Where `targets [N]` begin in it, each below `V`.
    pub targets: usize,
    /// Where `weights [N]` begin in it, as the bits of f32.
    pub weights: usize,
    /// By [`Settings::loss`].
    pub settings: &'a Settings,
    /// `[N, V]`: in, the logits; out, the gradient of the loss where it is asked for.
    pub logits: &'a Array<f32>,
    /// Whether it is.
    pub gradient: bool,
    /// `[2, N]`: each row's loss, then the weight of those whose first greatest logit is the target.
    pub sums: &'a Array<f32>,
}

/// The numbers of an operation that change from run to run.
#[derive(Clone, Debug)]
pub struct Settings {
    array: Array<u32>,
}

impl Settings {
    /// Room for the settings of any operation.
    ///
    /// # Errors
    /// Where the device has no memory.
    pub fn new(gpu: &Gpu) -> Result<Self, GpuError> {
        Ok(Settings { array: Array::zeros(gpu, "settings", 8)? })
    }

    /// Of dropout: the probability that a unit is dropped, and the seed and step. The site's layer does not count.
    pub fn dropout(&self, gpu: &Gpu, rate: f32, site: Site) {
        let [low, high] = site.key();
        self.array.write(gpu, &[low, high, threshold(rate), (1.0 / (1.0 - rate)).to_bits()]);
    }

    /// Of the loss: `W`, the weights of the whole minibatch.
    pub fn loss(&self, gpu: &Gpu, total_weight: f64) {
        self.array.write(gpu, &[((1.0 / total_weight) as f32).to_bits()]);
    }

    /// Of Adam. Its `clip` does not count: the device clips by the greatest norm, 0 for none.
    pub fn adam(&self, gpu: &Gpu, adam: &Adam, greatest_norm: f32) {
        let Adam { step_size, beta1, beta2, root_correction, epsilon, clip: _ } = *adam;
        let words = [step_size, beta1, beta2, root_correction, epsilon, greatest_norm].map(f32::to_bits);
        self.array.write(gpu, &words);
    }

    /// Of RMSprop, likewise.
    pub fn rmsprop(&self, gpu: &Gpu, rmsprop: &RmsProp, greatest_norm: f32) {
        let RmsProp { lr, alpha, epsilon, clip: _ } = *rmsprop;
        self.array.write(gpu, &[lr, alpha, epsilon, greatest_norm].map(f32::to_bits));
    }
}

/// Partial sums of one total: the host adds them up in f64, the device for itself in f32.
pub const SUMS: usize = 64;

impl Recorder<'_> {
    /// Workgroups of 256 for `count` numbers; each goes on where there are more.
    fn groups(&self, count: usize) -> [u32; 2] {
        [word(count.div_ceil(256)).clamp(1, self.gpu.workgroups()), 1]
    }

    /// A product.
    ///
    /// # Panics
    /// Where shapes or lengths do not fit.
    pub fn gemm(&mut self, gemm: Gemm) {
        let Gemm { a, b, bias, accumulate, c: (c, c_at) } = gemm;
        let (m, n, k) = (a.rows, b.cols, a.cols);
        assert_eq!(k, b.rows, "A [M, K] · B [K, N]");
        assert!(c_at + m * n <= c.len(), "C [M, N]");
        assert!(bias.is_none_or(|(bias, at)| at + n <= bias.len()), "bias [N]");
        // Large tiles read less; small ones make enough workgroups to fill a device.
        let tiles = |side: usize| m.div_ceil(side) * n.div_ceil(side);
        let (shader, side) = if tiles(64) >= 256 { (Shader::GemmLarge, 64) } else { (Shader::GemmSmall, 32) };
        let flags = u32::from(bias.is_some()) | u32::from(accumulate) << 1;
        let (bias, bias_at) = bias.unwrap_or((b.array, 0));
        let most = self.gpu.workgroups() as usize;
        assert!(n.div_ceil(side) <= most, "{n} columns");
        // As many rows as a dispatch may have.
        for first in (0..m).step_by(side * most) {
            let rows = (m - first).min(side * most);
            let shape = [
                rows,
                n,
                k,
                a.at + first * a.row_stride,
                a.row_stride,
                a.col_stride,
                b.at,
                b.row_stride,
                b.col_stride,
                bias_at,
                c_at + first * n,
            ];
            let mut immediates = shape.map(word).to_vec();
            immediates.push(flags);
            let arrays = [a.array.buffer(), b.array.buffer(), bias.buffer(), c.buffer()];
            self.dispatch(shader, &arrays, &immediates, [n.div_ceil(side), rows.div_ceil(side)].map(word));
        }
    }

    /// The state `[L, R, H]` of layer `layer` enters: `h[0]` (zero where the first step resets) and `c[0]`.
    ///
    /// # Panics
    /// Where a length does not fit.
    pub fn lstm_enter(&mut self, sequence: &LstmSequence, state: [&Array<f32>; 2], layer: usize) {
        sequence.check();
        let LstmSequence { rows, hidden, resets, .. } = *sequence;
        let within = |state: &Array<f32>| (layer + 1) * rows * hidden <= state.len();
        assert!(state.iter().all(|state| within(state)), "state [L, R, H]");
        let [h, c] = state;
        let arrays = [h.buffer(), c.buffer(), resets.0.buffer(), sequence.h.buffer(), sequence.c.buffer()];
        let groups = self.groups(rows * hidden);
        self.dispatch(Shader::Enter, &arrays, &[rows, hidden, layer, resets.1].map(word), groups);
    }

    /// The gate maths of step `t`: activates the gates, and writes c, h and the output.
    ///
    /// # Panics
    /// Where a length does not fit.
    pub fn lstm_forward(&mut self, sequence: &LstmSequence, t: usize) {
        sequence.check();
        let LstmSequence { resets, gates, c, h, out, .. } = *sequence;
        let arrays = [resets.0.buffer(), gates.buffer(), c.buffer(), h.buffer(), out.buffer()];
        let groups = self.groups(sequence.rows * sequence.hidden);
        self.dispatch(Shader::LstmForward, &arrays, &sequence.step(t), groups);
    }

    /// The gate gradients of step `t`, in place of the gates. `d_out [T, R, H]` is the gradient of the output; `d_h_next [R, H]`
    /// what step `t + 1` sends back through `W_hh`; `d_c [R, H]` is taken from there and handed on.
    ///
    /// # Panics
    /// Where a length does not fit.
    pub fn lstm_backward(
        &mut self,
        sequence: &LstmSequence,
        t: usize,
        d_out: &Array<f32>,
        d_h_next: &Array<f32>,
        d_c: &Array<f32>,
    ) {
        sequence.check();
        let LstmSequence { steps, rows, hidden, resets, gates, c, .. } = *sequence;
        assert!(d_out.len() >= steps * rows * hidden, "d_out [T, R, H]");
        assert!(d_h_next.len().min(d_c.len()) >= rows * hidden, "d_h_next and d_c [R, H]");
        let floats = [c, d_out, d_h_next, d_c, gates].map(Array::buffer);
        let arrays = [&[resets.0.buffer()][..], &floats].concat();
        let groups = self.groups(rows * hidden);
        self.dispatch(Shader::LstmBackward, &arrays, &sequence.step(t), groups);
    }

    /// `out[n] = table[index[n]]`, rows of `width`: `count` of them, by the numbers from `index.1` on in `index.0`.
    ///
    /// # Panics
    /// Where a length does not fit. Numbers beyond the table are the caller's to prevent; they read something else of the table.
    pub fn gather(
        &mut self,
        width: usize,
        table: &Array<f32>,
        index: (&Array<u32>, usize),
        count: usize,
        out: &Array<f32>,
    ) {
        assert!(index.1 + count <= index.0.len() && count * width <= out.len(), "index [N], out [N, width]");
        assert!(width > 0 && table.len() >= width, "table [V, width]");
        let arrays = [index.0.buffer(), table.buffer(), out.buffer()];
        let groups = self.groups(count * width);
        self.dispatch(Shader::Gather, &arrays, &[count, width, index.1].map(word), groups);
    }

    /// The gradient of [`Recorder::gather`]: `d_table[v] = Σ rows[n]` over the places `n` of entry `v`, in their order. `inputs` has the
    /// places sorted by entry from `order` on, and from `starts` on where each entry's begin, `entries + 1` numbers.
    ///
    /// # Panics
    /// Where a length does not fit.
    pub fn scatter_add(
        &mut self,
        width: usize,
        rows: &Array<f32>,
        (inputs, order, starts): (&Array<u32>, usize, usize),
        entries: usize,
        d_table: &Array<f32>,
    ) {
        assert!(order < inputs.len() && starts + entries < inputs.len(), "order [N], starts [V + 1]");
        assert!(entries * width <= d_table.len(), "d_table [V, width]");
        let arrays = [inputs.buffer(), rows.buffer(), d_table.buffer()];
        let groups = [width.div_ceil(64), entries].map(word);
        self.dispatch(Shader::ScatterAdd, &arrays, &[width, order, starts].map(word), groups);
    }

    /// `sums[at + n] = Σ_r matrix[r, n]`: the gradient of a bias.
    ///
    /// # Panics
    /// Where the matrix is a transposed one, or a length does not fit.
    pub fn column_sums(&mut self, matrix: Matrix, (sums, at): (&Array<f32>, usize)) {
        let Matrix { array, at: rows_at, rows, cols, row_stride, .. } = matrix;
        assert!(row_stride == cols && at + cols <= sums.len(), "a row-major matrix [R, N], sums [N]");
        let arrays = [array.buffer(), sums.buffer()];
        let groups = [word(cols.div_ceil(32)), 1];
        self.dispatch(Shader::ColumnSums, &arrays, &[rows, cols, rows_at, at].map(word), groups);
    }

    /// `values[k] *= mask[k]` over `values [T, R, H]`, `all_rows` being `T·R`: dropout forward, and its gradient. The mask is the CPU's,
    /// bit for bit.
    ///
    /// # Panics
    /// Where a length does not fit.
    pub fn dropout(
        &mut self,
        settings: &Settings,
        (all_rows, rows, hidden): (usize, usize, usize),
        layer: usize,
        values: &Array<f32>,
    ) {
        assert!(rows > 0 && all_rows * hidden <= values.len(), "values [T, R, H]");
        let arrays = [settings.array.buffer(), values.buffer()];
        let groups = self.groups(all_rows * hidden.div_ceil(4));
        self.dispatch(Shader::Dropout, &arrays, &[all_rows, rows, hidden, layer].map(word), groups);
    }

    /// Losses of rows of logits, and their gradients in place.
    ///
    /// # Panics
    /// Where a length does not fit. Targets are the caller's to check.
    pub fn cross_entropy(&mut self, loss: CrossEntropy) {
        let CrossEntropy { rows, all_rows, vocabulary, inputs, targets, weights, .. } = loss;
        assert!(rows.end <= all_rows && vocabulary > 0, "rows of N");
        assert!(targets.max(weights) + all_rows <= inputs.len(), "targets and weights [N]");
        assert!(all_rows * vocabulary <= loss.logits.len(), "logits [N, V]");
        assert!(2 * all_rows <= loss.sums.len(), "sums [2, N]");
        let arrays =
            [loss.settings.array.buffer(), inputs.buffer(), loss.logits.buffer(), loss.sums.buffer()];
        let gradient = usize::from(loss.gradient);
        let immediates = [rows.end, vocabulary, rows.start, targets, weights, gradient, all_rows].map(word);
        let groups = [word(rows.len()).clamp(1, self.gpu.workgroups()), 1];
        self.dispatch(Shader::CrossEntropy, &arrays, &immediates, groups);
    }

    /// The sum of `values[range]`, or of their squares: [`SUMS`] parts of it at `slot · SUMS` in `parts`, the whole at `slot` in `totals`.
    ///
    /// # Panics
    /// Where a length does not fit.
    pub fn sum(
        &mut self,
        values: &Array<f32>,
        range: Range<usize>,
        squares: bool,
        slot: usize,
        parts: &Array<f32>,
        totals: &Array<f32>,
    ) {
        assert!(range.end <= values.len(), "a range within the array");
        assert!((slot + 1) * SUMS <= parts.len() && slot < totals.len(), "a slot of parts and totals");
        let immediates = [range.len(), range.start, slot * SUMS, usize::from(squares)].map(word);
        self.dispatch(Shader::Sum, &[values.buffer(), parts.buffer()], &immediates, [word(SUMS), 1]);
        let immediates = [SUMS, slot * SUMS, slot, 0].map(word);
        self.dispatch(Shader::Sum, &[parts.buffer(), totals.buffer()], &immediates, [1, 1]);
    }

    /// One step of Adam, by [`Settings::adam`]. `totals` has the loss at 0 and the sum of squares of all gradients at 2; where either
    /// is not finite, nothing is changed.
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn adam(
        &mut self,
        settings: &Settings,
        totals: &Array<f32>,
        gradients: &Array<f32>,
        parameters: &Array<f32>,
        [m, v]: [&Array<f32>; 2],
    ) {
        let count = parameters.len();
        assert!([gradients, m, v].iter().all(|array| array.len() == count), "four arrays of one length");
        assert!(totals.len() >= 3, "three totals");
        let floats = [totals, gradients, parameters, m, v].map(Array::buffer);
        let arrays = [&[settings.array.buffer()][..], &floats].concat();
        let groups = self.groups(count);
        self.dispatch(Shader::Adam, &arrays, &[word(count)], groups);
    }

    /// One step of RMSprop, by [`Settings::rmsprop`]; otherwise as [`Recorder::adam`].
    ///
    /// # Panics
    /// Where the lengths differ.
    pub fn rmsprop(
        &mut self,
        settings: &Settings,
        totals: &Array<f32>,
        gradients: &Array<f32>,
        parameters: &Array<f32>,
        v: &Array<f32>,
    ) {
        let count = parameters.len();
        assert!([gradients, v].iter().all(|array| array.len() == count), "three arrays of one length");
        assert!(totals.len() >= 3, "three totals");
        let floats = [totals, gradients, parameters, v].map(Array::buffer);
        let arrays = [&[settings.array.buffer()][..], &floats].concat();
        let groups = self.groups(count);
        self.dispatch(Shader::RmsProp, &arrays, &[word(count)], groups);
    }
}
