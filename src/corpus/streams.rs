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

use super::augment::Version;
use super::error::at_least_one;
use super::{CorpusError, Epoch};
use crate::nn::Batch;
use crate::random::{Purpose, below, generator, shuffle};

/// Whole tunes on `B` parallel streams.
#[derive(Clone, Debug)]
pub struct Streams {
    /// Each tune's versions, of which an epoch has one; the first is the tune as it was read.
    tunes: Vec<Vec<Version<Vec<u32>>>>,
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
        let alone = |tune| vec![Version { weight: 1, tune }];
        Self::of_versions(tunes.into_iter().map(alone).collect(), newline, seq_len, batch)
    }

    /// As [`new`](Self::new), of tunes in several versions: each epoch draws one of each tune, by their weights.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of_versions(
        mut tunes: Vec<Vec<Version<Vec<u32>>>>,
        newline: u32,
        seq_len: usize,
        batch: usize,
    ) -> Result<Self, CorpusError> {
        at_least_one("sequence length", seq_len)?;
        at_least_one("batch size", batch)?;
        tunes.retain(|versions| !versions.is_empty());
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

    /// How many characters an epoch predicts; where tunes have several versions, an epoch of the first of each.
    pub fn characters(&self) -> usize {
        self.tunes.iter().map(|versions| versions[0].tune.len()).sum()
    }

    /// The tunes in the random order of this epoch.
    pub fn epoch(&self, seed: u64, epoch: u32) -> StreamEpoch<'_> {
        let mut order: Vec<u32> = (0..self.tunes.len() as u32).collect();
        shuffle(&mut generator(seed, Purpose::Shuffle { epoch }), &mut order);
        let mut rng = generator(seed, Purpose::Augment { epoch });
        let mut draw = |versions: &Vec<Version<Vec<u32>>>| {
            let total = versions.iter().fold(0u32, |sum, version| sum.saturating_add(version.weight));
            if versions.len() == 1 || total == 0 {
                return 0;
            }
            let mut left = below(&mut rng, total);
            let is_drawn = |version: &Version<_>| {
                let here = left < version.weight;
                left = left.saturating_sub(version.weight);
                here
            };
            versions.iter().position(is_drawn).unwrap_or(0)
        };
        let drawn = self.tunes.iter().map(|versions| versions[draw(versions)].tune.as_slice()).collect();
        self.lay(&order, drawn)
    }

    /// The tunes in the order given, each in its first version, for evaluation.
    pub fn in_order(&self) -> StreamEpoch<'_> {
        let order: Vec<u32> = (0..self.tunes.len() as u32).collect();
        self.lay(&order, self.tunes.iter().map(|versions| versions[0].tune.as_slice()).collect())
    }

    /// Lays the tunes on streams: each on the shortest, the first of these where several are.
    fn lay<'a>(&'a self, order: &[u32], tunes: Vec<&'a [u32]>) -> StreamEpoch<'a> {
        let mut lanes = vec![Lane::default(); self.batch];
        for &tune in order {
            let shortest = lanes.iter_mut().min_by_key(|lane| lane.len).expect("at least one stream");
            let length = tunes[tune as usize].len();
            if length > 0 {
                shortest.tunes.push((shortest.len, tune));
                shortest.len += length;
            }
        }
        StreamEpoch { streams: self, tunes, lanes }
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
    /// The version of each tune.
    tunes: Vec<&'a [u32]>,
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
        let Streams { newline, seq_len: steps, .. } = self.streams;
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
                let tune = self.tunes[tune as usize];
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
    fn each_epoch_draws_one_version_of_each_tune_by_weight() {
        let version = |weight, token| Version { weight, tune: vec![token; 3] };
        let tunes = (0..100).map(|_| vec![version(1, 1), version(3, 2), version(0, 3)]).collect();
        let streams = Streams::of_versions(tunes, 0, 3, 100).unwrap();
        let drawn = |epoch| streams.epoch(5, epoch).batch(0).targets;
        let mut counts = [0; 4];
        for epoch in 0..40 {
            drawn(epoch).row(0).iter().for_each(|&token| counts[token as usize] += 1);
        }
        assert_eq!((counts[0], counts[3]), (0, 0));
        // 3,000 ± 27 are expected.
        assert!((2850..3150).contains(&counts[2]), "{counts:?}");
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        assert!(streams.in_order().batch(0).targets.iter().all(|&token| token == 1));
        assert_eq!(streams.characters(), 300);
    }

    #[test]
    fn useless_sizes_are_refused() {
        assert!(matches!(Streams::new(vec![vec![1]], 0, 0, 1), Err(CorpusError::Zero { .. })));
        assert!(matches!(Streams::new(vec![vec![1]], 0, 1, 0), Err(CorpusError::Zero { .. })));
        assert!(matches!(Streams::new(vec![vec![]], 0, 1, 1), Err(CorpusError::NoCharacters)));
    }
}
