//! Many-to-one: `T` characters in, the one after them to be predicted, from the zero state.
//!
//! ```text
//! text     x0 x1 x2 … x(T−1) xT …
//! window s  tokens xs … x(s+T−1)   target x(s+T), weight 1 at the last step only
//! ```
//!
//! [`Windows`] trains as the article does; [`EvaluationWindows`] measures on the same characters as
//! many-to-many evaluation and the n-gram baseline do.

use super::error::at_least_one;
use super::{CorpusError, Epoch};
use crate::nn::Batch;
use crate::random::{Purpose, generator, shuffle};

/// Windows over a text, shuffled anew each epoch. No window is stored, only where each starts.
#[derive(Clone, Debug)]
pub struct Windows {
    text: Vec<u32>,
    seq_len: usize,
    stride: usize,
    batch: usize,
}

impl Windows {
    /// Windows of `seq_len` (`T`) characters of the encoded text, one starting every `stride` characters,
    /// in batches of `batch` (`B`) rows.
    ///
    /// # Errors
    /// Where a size is 0, or the text is too short for one window or too long for 32-bit positions.
    pub fn new(text: Vec<u32>, seq_len: usize, stride: usize, batch: usize) -> Result<Self, CorpusError> {
        at_least_one("sequence length", seq_len)?;
        at_least_one("stride", stride)?;
        at_least_one("batch size", batch)?;
        let characters = text.len();
        if characters <= seq_len {
            return Err(CorpusError::TextTooShort { characters, needed: seq_len.saturating_add(1) });
        }
        if u32::try_from(characters).is_err() {
            return Err(CorpusError::TextTooLong { characters });
        }
        Ok(Windows { text, seq_len, stride, batch })
    }

    /// How many windows there are.
    pub fn count(&self) -> usize {
        (self.text.len() - self.seq_len - 1) / self.stride + 1
    }

    /// How many batches an epoch has; the last may be padded.
    pub fn batches(&self) -> usize {
        self.count().div_ceil(self.batch)
    }

    /// All windows in the order of this epoch.
    pub fn epoch(&self, seed: u64, epoch: u32) -> WindowEpoch<'_> {
        // Positions fit: `new` checked the length of the text.
        let mut starts: Vec<u32> = (0..self.count()).map(|i| (i * self.stride) as u32).collect();
        shuffle(&mut generator(seed, Purpose::Shuffle { epoch }), &mut starts);
        WindowEpoch { windows: self, starts }
    }
}

/// One epoch of [`Windows`].
#[derive(Clone, Debug)]
pub struct WindowEpoch<'a> {
    windows: &'a Windows,
    /// Where each window starts, in the order of the epoch.
    starts: Vec<u32>,
}

impl Epoch for WindowEpoch<'_> {
    fn len(&self) -> usize {
        self.windows.batches()
    }

    fn shape(&self) -> (usize, usize) {
        (self.windows.seq_len, self.windows.batch)
    }

    fn fill(&self, index: usize, batch: &mut Batch) {
        assert_eq!((batch.steps(), batch.rows()), self.shape(), "a batch [T, B]");
        let Windows { text, seq_len, batch: rows, .. } = self.windows;
        let first = index.saturating_mul(*rows);
        fill(batch, |row| {
            let start = *self.starts.get(first.checked_add(row)?)? as usize;
            Some((&text[start..start + seq_len], text[start + seq_len]))
        })
    }

    fn carries_state(&self) -> bool {
        false
    }
}

/// Every character of some tunes predicted exactly once, from up to `T` characters before it.
///
/// The text is a line feed and then all tunes one after the other, so a tune's first characters are
/// predicted from the end of the tune before it. Where fewer than `T` characters come before, they stand
/// at the row's end, and the reset where they begin makes what is in front of them count for nothing.
#[derive(Clone, Debug)]
pub struct EvaluationWindows {
    text: Vec<u32>,
    seq_len: usize,
    batch: usize,
}

impl EvaluationWindows {
    /// Windows of up to `seq_len` (`T`) characters of the encoded tunes, in batches of `batch` (`B`) rows;
    /// `newline` is the line feed's integer.
    ///
    /// # Errors
    /// Where a size is 0 or the tunes have no character.
    pub fn new(tunes: &[Vec<u32>], newline: u32, seq_len: usize, batch: usize) -> Result<Self, CorpusError> {
        at_least_one("sequence length", seq_len)?;
        at_least_one("batch size", batch)?;
        let text: Vec<u32> = [newline].into_iter().chain(tunes.iter().flatten().copied()).collect();
        if text.len() == 1 {
            return Err(CorpusError::NoCharacters);
        }
        Ok(EvaluationWindows { text, seq_len, batch })
    }

    /// How many characters are predicted.
    pub fn characters(&self) -> usize {
        self.text.len() - 1
    }
}

impl Epoch for EvaluationWindows {
    fn len(&self) -> usize {
        self.characters().div_ceil(self.batch)
    }

    fn shape(&self) -> (usize, usize) {
        (self.seq_len, self.batch)
    }

    fn fill(&self, index: usize, batch: &mut Batch) {
        assert_eq!((batch.steps(), batch.rows()), self.shape(), "a batch [T, B]");
        let first = index.saturating_mul(self.batch).saturating_add(1);
        fill(batch, |row| {
            let target = first.checked_add(row)?;
            let character = *self.text.get(target)?;
            Some((&self.text[target.saturating_sub(self.seq_len)..target], character))
        })
    }

    fn carries_state(&self) -> bool {
        false
    }
}

/// A batch of rows, each a context of at most `T` characters at the row's end and the character after it.
/// A row of none is padding: weight 0 and a reset at the first step.
fn fill<'a>(batch: &mut Batch, row_at: impl Fn(usize) -> Option<(&'a [u32], u32)>) {
    let steps = batch.steps();
    batch.clear();
    for row in 0..batch.rows() {
        batch.resets[[0, row]] = true;
        if let Some((context, target)) = row_at(row) {
            let front = steps - context.len();
            batch.resets[[front, row]] = true;
            for (t, &token) in context.iter().enumerate() {
                batch.tokens[[front + t, row]] = token;
            }
            batch.targets[[steps - 1, row]] = target;
            batch.weights[[steps - 1, row]] = 1.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_its_characters_and_the_next() {
        let windows = Windows::new(vec![5, 6, 7, 8], 3, 1, 2).unwrap();
        let batch = windows.epoch(1, 0).batch(0);
        assert_eq!(batch.tokens.column(0).to_vec(), [5, 6, 7]);
        assert_eq!(batch.targets.column(0).to_vec(), [0, 0, 8]);
        assert_eq!(batch.weights.column(0).to_vec(), [0.0, 0.0, 1.0]);
        assert_eq!(batch.resets.column(0).to_vec(), [true, false, false]);
        // The second row has no window left.
        assert_eq!(batch.weights.column(1).sum(), 0.0);
        assert_eq!(batch.resets.column(1).to_vec(), [true, false, false]);
    }

    #[test]
    fn short_contexts_stand_at_the_end() {
        let windows = EvaluationWindows::new(&[vec![5, 6], vec![7]], 9, 2, 3).unwrap();
        let batch = windows.batch(0);
        assert_eq!(batch.tokens.column(0).to_vec(), [0, 9]);
        assert_eq!(batch.resets.column(0).to_vec(), [true, true]);
        assert_eq!(batch.tokens.column(1).to_vec(), [9, 5]);
        assert_eq!(batch.resets.column(1).to_vec(), [true, false]);
        assert_eq!(batch.tokens.column(2).to_vec(), [5, 6]);
        assert_eq!(batch.targets.row(1).to_vec(), [5, 6, 7]);
        assert_eq!((windows.len(), windows.characters()), (1, 3));
    }

    #[test]
    fn sizes_that_cannot_work_are_refused() {
        let error = Windows::new(vec![0; 100], 100, 1, 1).unwrap_err().to_string();
        assert!(error.contains("has 100 characters, but one window needs 101"), "{error}");
        assert!(Windows::new(vec![0; 101], 100, 1, 1).is_ok());
        for (t, stride, b) in [(0, 1, 1), (1, 0, 1), (1, 1, 0)] {
            assert!(matches!(Windows::new(vec![0; 9], t, stride, b), Err(CorpusError::Zero { .. })));
        }
        assert!(matches!(EvaluationWindows::new(&[vec![]], 0, 1, 1), Err(CorpusError::NoCharacters)));
    }

    #[test]
    fn past_the_end_there_is_only_padding() {
        let windows = Windows::new(vec![1; 9], 3, 1, 2).unwrap();
        let evaluation = EvaluationWindows::new(&[vec![1; 9]], 0, 3, 2).unwrap();
        for index in [5, usize::MAX] {
            assert_eq!(windows.epoch(1, 0).batch(index).weights.sum(), 0.0);
            assert_eq!(evaluation.batch(index).weights.sum(), 0.0);
        }
    }
}
