//! What the training loop sees of a data source.

use super::{Streams, Windows};
use crate::nn::Batch;

/// The batches of one pass over the data, in any order of asking.
pub trait Epoch: Send + Sync {
    /// How many batches there are.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `[T, B]`, the shape of every batch.
    fn shape(&self) -> (usize, usize);

    /// Makes `batch` batch `index`, whatever stood in it; allocates nothing. Past the last one, all weights are 0.
    ///
    /// # Panics
    /// Where `batch` has another shape.
    fn fill(&self, index: usize, batch: &mut Batch);

    /// Batch `index`.
    fn batch(&self, index: usize) -> Batch {
        let (steps, rows) = self.shape();
        let mut batch = Batch::zeros(steps, rows);
        self.fill(index, &mut batch);
        batch
    }

    /// Whether row `b` of a batch goes on where row `b` of the batch before it stopped, so that `(h, c)`
    /// are to be carried over. The first batch of an epoch resets every row in any case.
    fn carries_state(&self) -> bool;
}

/// A data source for training, of either kind.
#[derive(Clone, Debug)]
pub enum Source {
    /// Many-to-one: shuffled windows.
    Windows(Windows),
    /// Many-to-many: whole tunes in a row on `B` streams.
    Streams(Streams),
}

impl Source {
    /// The batches of one epoch, counted from 0; the same for the same seed.
    pub fn epoch(&self, seed: u64, epoch: u32) -> Box<dyn Epoch + '_> {
        match self {
            Source::Windows(windows) => Box::new(windows.epoch(seed, epoch)),
            Source::Streams(streams) => Box::new(streams.epoch(seed, epoch)),
        }
    }

    /// How many batches that epoch has. Streams differ a little from one epoch to the next.
    pub fn batches(&self, seed: u64, epoch: u32) -> usize {
        match self {
            Source::Windows(windows) => windows.batches(),
            Source::Streams(streams) => streams.epoch(seed, epoch).len(),
        }
    }

    /// How many characters an epoch predicts: the sum of all weights.
    pub fn predictions(&self) -> usize {
        match self {
            Source::Windows(windows) => windows.count(),
            Source::Streams(streams) => streams.characters(),
        }
    }
}
