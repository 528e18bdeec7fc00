//! Many-to-many: every character is predicted from all of its tune so far, the state carried along.
//!
//! ```text
//! tune      c1 c2 … cn                 (cn−1 and cn are the line feeds of the blank line)
//! tokens    \n c1 … cn−1               targets c1 c2 … cn, all of weight 1
//! resets    at the first position      so that each tune starts from the zero state
//! ```
//!
//! The tunes of an epoch are laid one after the other on `B` streams, each on the stream that is shortest
//! by then. Batch `i` is segment `i` of every stream: positions `iT … iT + T − 1`. A tune goes on in the
//! next batch where the segment ends, which is truncated back-propagation through time.

use super::error::at_least_one;
use super::{CorpusError, Epoch};
use crate::nn::Batch;
use crate::random::{Purpose, generator, shuffle};

/// Whole tunes on `B` parallel streams.
#[derive(Clone, Debug)]
pub struct Streams {
    tunes: Vec<Vec<u32>>,
    newline: u32,
    seq_len: usize,
    batch: usize,
}

impl Streams {
    /// The encoded tunes on `batch` (`B`) streams, in segments of `seq_len` (`T`) characters; `newline` is
    /// the line feed's integer.
    ///
    /// # Errors
    /// Where a size is 0, the tunes have no character, or there are more than 2^32 of them.
    pub fn new(
        tunes: Vec<Vec<u32>>,
        newline: u32,
        seq_len: usize,
        batch: usize,
    ) -> Result<Self, CorpusError> {
        at_least_one("sequence length", seq_len)?;
        at_least_one("batch size", batch)?;
        let streams = Streams { tunes, newline, seq_len, batch };
        let characters = streams.characters();
        if characters == 0 {
            return Err(CorpusError::NoCharacters);
        }
        if u32::try_from(streams.tunes.len()).is_err() {
            return Err(CorpusError::TextTooLong { characters });
        }
        Ok(streams)
    }

    /// How many characters an epoch predicts.
    pub fn characters(&self) -> usize {
        self.tunes.iter().map(Vec::len).sum()
    }

    /// The tunes in the random order of this epoch.
    pub fn epoch(&self, seed: u64, epoch: u32) -> StreamEpoch<'_> {
        let mut order: Vec<u32> = (0..self.tunes.len() as u32).collect();
        shuffle(&mut generator(seed, Purpose::Shuffle { epoch }), &mut order);
        self.lay(&order)
    }

    /// The tunes in the order given, for evaluation.
    pub fn in_order(&self) -> StreamEpoch<'_> {
        self.lay(&(0..self.tunes.len() as u32).collect::<Vec<_>>())
    }

    /// Lays the tunes on streams: each on the shortest, the first of these where several are.
    fn lay(&self, order: &[u32]) -> StreamEpoch<'_> {
        let mut lanes = vec![Lane::default(); self.batch];
        for &tune in order {
            let shortest = lanes.iter_mut().min_by_key(|lane| lane.len).expect("at least one stream");
            let length = self.tunes[tune as usize].len();
            if length > 0 {
                shortest.tunes.push((shortest.len, tune));
                shortest.len += length;
            }
        }
        StreamEpoch { streams: self, lanes }
    }
}

/// What stands on one stream.
#[derive(Clone, Debug, Default)]
struct Lane {
    /// Where each tune starts, ascending, and which it is. None is empty.
    tunes: Vec<(usize, u32)>,
    /// The sum of their lengths.
    len: usize,
}

/// One epoch of [`Streams`].
#[derive(Clone, Debug)]
pub struct StreamEpoch<'a> {
    streams: &'a Streams,
    lanes: Vec<Lane>,
}

impl Epoch for StreamEpoch<'_> {
    fn len(&self) -> usize {
        let longest = self.lanes.iter().map(|lane| lane.len).max().unwrap_or(0);
        longest.div_ceil(self.streams.seq_len)
    }

    fn shape(&self) -> (usize, usize) {
        (self.streams.seq_len, self.lanes.len())
    }

    fn fill(&self, index: usize, batch: &mut Batch) {
        assert_eq!((batch.steps(), batch.rows()), self.shape(), "a batch [T, B]");
        let Streams { tunes, newline, seq_len: steps, .. } = self.streams;
        batch.clear();
        // What no tune covers below: weight 0 from the zero state.
        batch.resets.fill(true);
        let first = index.saturating_mul(*steps);
        for (row, lane) in self.lanes.iter().enumerate() {
            // The tune that covers the segment's first position, or comes after it.
            let mut next = lane.tunes.partition_point(|&(start, _)| start <= first).saturating_sub(1);
            let end = first.saturating_add(*steps).min(lane.len);
            let mut position = first;
            while position < end {
                let (start, tune) = lane.tunes[next];
                let tune = &tunes[tune as usize];
                for p in position - start..tune.len().min(end - start) {
                    let t = start + p - first;
                    batch.tokens[[t, row]] = if p == 0 { *newline } else { tune[p - 1] };
                    batch.targets[[t, row]] = tune[p];
                    batch.weights[[t, row]] = 1.0;
                    batch.resets[[t, row]] = p == 0;
                }
                position = start + tune.len();
                next += 1;
            }
        }
    }

    fn carries_state(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunes_follow_each_other_on_the_shortest_stream() {
        let streams = Streams::new(vec![vec![1, 2, 3], vec![4], vec![5, 6], vec![7]], 9, 2, 2).unwrap();
        let epoch = streams.in_order();
        assert_eq!(epoch.len(), 2);
        // Stream 0: 1 2 3 | 7; stream 1: 4 | 5 6.
        let first = epoch.batch(0);
        assert_eq!(first.tokens.column(0).to_vec(), [9, 1]);
        assert_eq!(first.targets.column(0).to_vec(), [1, 2]);
        assert_eq!(first.resets.column(0).to_vec(), [true, false]);
        assert_eq!(first.tokens.column(1).to_vec(), [9, 9]);
        assert_eq!(first.targets.column(1).to_vec(), [4, 5]);
        assert_eq!(first.resets.column(1).to_vec(), [true, true]);
        let second = epoch.batch(1);
        assert_eq!(second.tokens.column(0).to_vec(), [2, 9]);
        assert_eq!(second.targets.column(0).to_vec(), [3, 7]);
        assert_eq!(second.resets.column(0).to_vec(), [false, true]);
        assert_eq!(second.tokens.column(1).to_vec(), [5, 0]);
        assert_eq!(second.targets.column(1).to_vec(), [6, 0]);
        assert_eq!(second.weights.column(1).to_vec(), [1.0, 0.0]);
        assert_eq!(second.resets.column(1).to_vec(), [false, true]);
    }

    #[test]
    fn streams_without_tunes_and_batches_past_the_end_are_padding() {
        let streams = Streams::new(vec![vec![1, 2]], 0, 4, 3).unwrap();
        let epoch = streams.in_order();
        assert_eq!((epoch.len(), epoch.batch(0).weights.sum()), (1, 2.0));
        for index in [1, 2, usize::MAX] {
            let batch = epoch.batch(index);
            assert!(batch.weights.iter().all(|&w| w == 0.0) && batch.resets.iter().all(|&r| r));
        }
    }

    #[test]
    fn useless_sizes_are_refused() {
        assert!(matches!(Streams::new(vec![vec![1]], 0, 0, 1), Err(CorpusError::Zero { .. })));
        assert!(matches!(Streams::new(vec![vec![1]], 0, 1, 0), Err(CorpusError::Zero { .. })));
        assert!(matches!(Streams::new(vec![vec![]], 0, 1, 1), Err(CorpusError::NoCharacters)));
    }
}
