//! How good a model is, in numbers; and the table of a run's epochs.

use crate::nn::LossSums;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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

/// Further columns of `metrics.csv`: numbers that were watched at the end of some epochs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Watched {
    /// The names of the columns, without commas.
    pub names: Vec<String>,
    /// By epoch, counted from 1: a number for each name.
    pub epochs: BTreeMap<u32, Vec<f64>>,
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

    /// The row of a line that has as many fields as the table has columns.
    fn from_fields(fields: &[&str], columns: usize) -> Option<Self> {
        let [epoch, step, lr, nats, accuracy, held_out_nats, held_out_accuracy, seconds, ..] = *fields else {
            return None;
        };
        if fields.len() != columns {
            return None;
        }
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
pub fn write_metrics(rows: &[EpochMetrics], watched: &Watched) -> String {
    let mut text = HEADER.to_string();
    watched.names.iter().for_each(|name| text += &format!(",{name}"));
    text.push('\n');
    for row in rows {
        text.push_str(&row.to_line());
        let numbers = watched.epochs.get(&row.epoch);
        for k in 0..watched.names.len() {
            text.push(',');
            if let Some(number) = numbers.and_then(|numbers| numbers.get(k)) {
                text += &number.to_string();
            }
        }
        text.push('\n');
    }
    text
}

/// The rows of a `metrics.csv`, as far as they can be read.
pub fn read_metrics(text: &str) -> (Vec<EpochMetrics>, Watched) {
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<&str>>());
    let header = lines.next().unwrap_or_default();
    let own = HEADER.split(',').count();
    let mut watched = Watched::default();
    watched.names.extend(header.iter().skip(own).map(|name| name.to_string()));
    let mut rows = Vec::new();
    for fields in lines {
        let Some(row) = EpochMetrics::from_fields(&fields, own + watched.names.len()) else { break };
        // An epoch that was not watched has no numbers.
        if let Ok(numbers) = fields[own..].iter().map(|field| field.parse()).collect()
            && !watched.names.is_empty()
        {
            watched.epochs.insert(row.epoch, numbers);
        }
        rows.push(row);
    }
    (rows, watched)
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
        let text = write_metrics(&rows, &Watched::default());
        assert_eq!(read_metrics(&text), (rows.clone(), Watched::default()));
        assert_eq!(read_metrics(&text[..text.len() - 12]).0, rows[..1], "a torn line is left out");
        assert_eq!(read_metrics(""), (Vec::new(), Watched::default()));
        // Only the second epoch was watched.
        let watched = Watched {
            names: vec!["gradient_norm.a".into(), "reach_h_l0".into()],
            epochs: BTreeMap::from([(2, vec![1.5e-7, 12.0])]),
        };
        let text = write_metrics(&rows, &watched);
        assert_eq!(read_metrics(&text), (rows.clone(), watched));
        assert_eq!(read_metrics(&text[..text.len() - 4]).0, rows[..1]);
    }

    #[test]
    fn bits_and_perplexity_follow_from_nats() {
        let quality = Quality { nats_per_char: LN_2, accuracy: 0.5 };
        assert!((quality.bits_per_char() - 1.0).abs() < 1e-12 && (quality.perplexity() - 2.0).abs() < 1e-12);
    }
}
