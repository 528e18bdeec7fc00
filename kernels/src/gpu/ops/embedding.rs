//! Rows of a table by number, their gradient, and dropout.

use super::{Settings, word};
use crate::dropout::threshold;
use crate::gpu::array::Array;
use crate::gpu::program::{Recorder, Work};
use crate::gpu::shader::Shader;

impl Recorder<'_> {
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
        let work = Work::numbers(count * (2 * width + 1));
        self.dispatch(Shader::Gather, &arrays, &[count, width, index.1].map(word), groups, work);
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
        let groups = [word(width.div_ceil(64)), word(entries).clamp(1, self.gpu.workgroups())];
        // `sort_places` has the starts right behind the places.
        let work = Work::numbers(starts.saturating_sub(order) * (width + 1) + entries * width);
        self.dispatch(Shader::ScatterAdd, &arrays, &[entries, width, order, starts].map(word), groups, work);
    }

    /// `values[k] *= mask[k]` over `values [T, R, H]`, `all_rows` being `T·R`: dropout forward, and its gradient. The mask is the CPU's for
    /// this [layer](crate::dropout::Site::layer) and rate, bit for bit.
    ///
    /// # Panics
    /// Where a length does not fit, or the rate is not in `0.0..1.0`.
    pub fn dropout(
        &mut self,
        settings: &Settings,
        (all_rows, rows, hidden): (usize, usize, usize),
        (layer, rate): (u32, f32),
        values: &Array<f32>,
    ) {
        assert!((0.0..1.0).contains(&rate), "dropout rate {rate} is not in 0..1");
        assert!(rows > 0 && all_rows * hidden <= values.len(), "values [T, R, H]");
        let arrays = [settings.buffer(), values.buffer()];
        let groups = self.groups(all_rows * hidden.div_ceil(4));
        let work = Work::numbers(2 * all_rows * hidden);
        let [all_rows, rows, hidden] = [all_rows, rows, hidden].map(word);
        let immediates = [all_rows, rows, hidden, layer, threshold(rate), (1.0 / (1.0 - rate)).to_bits()];
        self.dispatch(Shader::Dropout, &arrays, &immediates, groups, work);
    }
}

/// Appends the places of the first `n` words, sorted by their values (equals in order), and where the places of each value
/// below `vocabulary` begin: what [`Recorder::scatter_add`] needs. Counted, not compared: `n + V` steps.
///
/// # Panics
/// Where a value is not below `vocabulary`.
pub fn sort_places(words: &mut Vec<u32>, n: usize, vocabulary: usize) {
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
