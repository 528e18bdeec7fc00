//! How good a model is, in numbers; and the table of a run's epochs.

use crate::nn::LossSums;
use serde::{Deserialize, Serialize};
use std::f64::consts::LN_2;

/// Mean loss and accuracy over some predictions.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// The mean of -ln p over the characters.
    pub nats_per_char: f64,
    /// The share of characters that were the most probable one.
    pub accuracy: f64,
}

impl From<LossSums> for Quality {
    fn from(sums: LossSums) -> Self {
        Quality { nats_per_char: sums.nats / sums.weight, accuracy: sums.correct / sums.weight }
    }
}

impl Quality {
    /// The mean of -log2 p.
    pub fn bits_per_char(&self) -> f64 {
        self.nats_per_char / LN_2
    }

    /// e to the mean loss: among how many equally probable characters the model is undecided.
    pub fn perplexity(&self) -> f64 {
        self.nats_per_char.exp()
    }
}

/// A row of `metrics.csv`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpochMetrics {
    /// Counted from 1.
    pub epoch: u32,
    /// Optimiser steps so far.
    pub step: u64,
    /// The learning rate of the epoch's last step.
    pub lr: f64,
    /// With dropout on, averaged over the epoch while the weights moved.
    pub training: Quality,
    /// At the epoch's end, without dropout.
    pub held_out: Option<Quality>,
    /// Since the run began, pauses left out.
    pub seconds: f64,
}

const HEADER: &str =
    "epoch,step,lr,training_nats_per_char,training_accuracy,held_out_nats_per_char,held_out_accuracy,seconds";

impl EpochMetrics {
    /// What the best model is chosen by: the held-out loss, or without held-out tunes the training loss.
    pub fn decisive_loss(&self) -> f64 {
        self.held_out.unwrap_or(self.training).nats_per_char
    }

    fn to_line(self) -> String {
        let held_out = match self.held_out {
            Some(q) => format!("{},{}", q.nats_per_char, q.accuracy),
            None => ",".to_string(),
        };
        let Quality { nats_per_char, accuracy } = self.training;
        let EpochMetrics { epoch, step, lr, seconds, .. } = self;
        format!("{epoch},{step},{lr},{nats_per_char},{accuracy},{held_out},{seconds:.1}")
    }

    fn from_line(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(',').collect();
        let [epoch, step, lr, nats, accuracy, held_out_nats, held_out_accuracy, seconds] = fields[..] else {
            return None;
        };
        let quality = |nats: &str, accuracy: &str| {
            Some(Quality { nats_per_char: nats.parse().ok()?, accuracy: accuracy.parse().ok()? })
        };
        Some(EpochMetrics {
            epoch: epoch.parse().ok()?,
            step: step.parse().ok()?,
            lr: lr.parse().ok()?,
            training: quality(nats, accuracy)?,
            held_out: if held_out_nats.is_empty() {
                None
            } else {
                Some(quality(held_out_nats, held_out_accuracy)?)
            },
            seconds: seconds.parse().ok()?,
        })
    }
}

/// The text of `metrics.csv`.
pub fn write_metrics(rows: &[EpochMetrics]) -> String {
    let mut text = format!("{HEADER}\n");
    for row in rows {
        text.push_str(&row.to_line());
        text.push('\n');
    }
    text
}

/// The rows of a `metrics.csv`, as far as they can be read.
pub fn read_metrics(text: &str) -> Vec<EpochMetrics> {
    text.lines().skip(1).map_while(EpochMetrics::from_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_survive_the_file() {
        let quality = Quality { nats_per_char: 1.25, accuracy: 0.5 };
        let row = |epoch, held_out| EpochMetrics {
            epoch,
            step: 7,
            lr: 1e-3,
            training: quality,
            held_out,
            seconds: 1.5,
        };
        let rows = vec![row(1, None), row(2, Some(quality))];
        let text = write_metrics(&rows);
        assert_eq!(read_metrics(&text), rows);
        assert_eq!(read_metrics(&text[..text.len() - 12]), rows[..1], "a torn line is left out");
    }

    #[test]
    fn bits_and_perplexity_follow_from_nats() {
        let quality = Quality { nats_per_char: LN_2, accuracy: 0.5 };
        assert!((quality.bits_per_char() - 1.0).abs() < 1e-12 && (quality.perplexity() - 2.0).abs() < 1e-12);
    }
}
