//! `train --watch gradients`: at the end of each epoch, what `inspect gradients` measures, on batches that stay the same.

use super::chart::{Axis, Mark, Panel, Series, draw, lines};
use super::run_folder::RunFolder;
use crate::inspect::Recorder;
use crate::inspect::reach::{ParameterNorms, Reach, parameter_norms};
use crate::nn::Engine;
use crate::train::{Trainer, Watched, build_engine};
use anyhow::{Context, Result};
use clap::ValueEnum;
use hornpipe_kernels::gemm::Gemm;
use std::ops::ControlFlow;

/// What can be watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WatchName {
    /// The norms of parameters and of their gradients, and how many steps back the learning signal reaches.
    Gradients,
}

/// Batches that are measured.
const BATCHES: usize = 4;
/// The signal reaches as far as its median is at least this share of its greatest.
const SHARE: f64 = 0.1;
const PICTURE: &str = "gradients.svg";

/// Measures the gradients of a run with an engine of its own, so that the run itself does not notice.
pub struct GradientWatch {
    engine: Box<dyn Engine>,
    gemm: Gemm,
}

impl GradientWatch {
    pub fn new(trainer: &Trainer, gemm: Gemm, threads: usize) -> Result<Self> {
        let (settings, vocabulary) = (trainer.settings(), trainer.data().vocabulary.len());
        let parameters = trainer.engine().parameters().clone();
        Ok(GradientWatch { engine: build_engine(settings, parameters, vocabulary, gemm, threads)?, gemm })
    }

    /// Measures at the end of an epoch, and writes the picture; the numbers go into the folder's metrics.
    pub fn measure(&mut self, trainer: &Trainer, epoch: u32, folder: &mut RunFolder) -> Result<()> {
        let parameters = trainer.engine().parameters();
        self.engine.edit_parameters(&mut |own| own.values_mut().copy_from_slice(parameters.values()));
        // The first batches of the first epoch, as they were shuffled then.
        let batches = trainer.data().source.epoch(trainer.settings().seed, 0);
        let mut go_on = |_| ControlFlow::Continue(());
        let norms = parameter_norms(self.engine.as_mut(), batches.as_ref(), BATCHES, &mut go_on);
        let mut recorder = Recorder::new(self.gemm.isa(), self.engine.config(), parameters);
        let reach = Reach::new(&mut recorder, batches.as_ref(), BATCHES, &mut go_on);
        let (norms, reach) = norms.zip(reach).context("the corpus has no gradients to watch")?;
        folder.watch(epoch, numbers(&norms, &reach));
        let svg = picture(folder.watched())?;
        folder.write(PICTURE, svg.as_bytes())
    }
}

fn numbers(norms: &[ParameterNorms], reach: &Reach) -> Vec<(String, f64)> {
    let weights = norms.iter().map(|p| (format!("weight_norm.{}", p.name), p.weight));
    let gradients = norms.iter().map(|p| (format!("gradient_norm.{}", p.name), p.gradient.median));
    let mut numbers: Vec<(String, f64)> = weights.chain(gradients).collect();
    for (state, curves) in [("h", &reach.h), ("c", &reach.c)] {
        for (l, curve) in curves.iter().enumerate() {
            numbers.push((format!("reach_{state}_l{l}"), Reach::falls_below(curve, SHARE) as f64));
        }
    }
    numbers
}

/// The part of the network that a column belongs to: `layer 1` or `embedding`.
fn part(name: &str) -> String {
    match name.rsplit_once("_l") {
        Some((_, layer)) if layer.parse::<usize>().is_ok() => format!("layer {layer}"),
        _ => name.split('.').nth(1).unwrap_or(name).to_string(),
    }
}

/// Norms and reach by epoch, a colour for each part of the network.
fn picture(watched: &Watched) -> Result<String> {
    let mut parts: Vec<String> = Vec::new();
    for name in &watched.names {
        let part = part(name);
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    // The numbers of a part's columns that begin so, joined as a norm is.
    let curve = |part_name: &str, prefix: &str| -> Vec<(f64, f64)> {
        let columns: Vec<usize> = (0..watched.names.len())
            .filter(|&k| watched.names[k].starts_with(prefix) && part(&watched.names[k]) == part_name)
            .collect();
        if columns.is_empty() {
            return Vec::new();
        }
        let norm = |numbers: &Vec<f64>| columns.iter().map(|&k| numbers[k] * numbers[k]).sum::<f64>().sqrt();
        watched.epochs.iter().map(|(&epoch, numbers)| (f64::from(epoch), norm(numbers))).collect()
    };
    let first = watched.epochs.keys().next().copied().unwrap_or(0);
    let last = watched.epochs.keys().next_back().copied().unwrap_or(1);
    let x = Axis::linear("epoch", f64::from(first), f64::from(last));
    let series = |prefix: &str, mark: Mark| -> Vec<Series> {
        let all = parts.iter().enumerate();
        all.map(|(colour, part)| Series { colour, mark, points: curve(part, prefix) }).collect()
    };
    let values = |series: &[Series]| -> Vec<f64> {
        series.iter().flat_map(|series| &series.points).map(|point| point.1).collect()
    };
    let alone = watched.epochs.len() == 1;
    let mark = if alone { Mark::Marked } else { Mark::Line };
    let mut panels = Vec::new();
    for (title, prefix) in [("gradient norms", "gradient_norm."), ("weight norms", "weight_norm.")] {
        let series = series(prefix, mark);
        let y = Axis::log("norm", values(&series).into_iter());
        panels.push(Panel { title: title.to_string(), x: x.clone(), y, series });
    }
    let mut reach = series("reach_c", mark);
    // One epoch makes no line, so it is a point; that of h is then without its dashes.
    reach.extend(series("reach_h", if alone { Mark::Dots } else { Mark::Dashes }));
    let greatest = values(&reach).into_iter().fold(1.0, f64::max);
    let title = "reach by c, and by h (dashes)".to_string();
    panels.push(Panel { title, x, y: Axis::linear("lag in steps", 0.0, greatest), series: reach });
    draw("Gradients by epoch", 3, &panels, &lines(parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn columns_belong_to_parts() {
        assert_eq!(part("gradient_norm.lstm.weight_ih_l12"), "layer 12");
        assert_eq!(part("reach_h_l0"), "layer 0");
        assert_eq!(part("weight_norm.embedding.weight"), "embedding");
        assert_eq!(part("weight_norm.linear.bias"), "linear");
    }

    #[test]
    fn any_numbers_make_a_picture() {
        let names = ["weight_norm.linear.bias", "gradient_norm.linear.bias", "reach_h_l0", "reach_c_l0"];
        for epochs in
            [vec![], vec![(3, vec![0.0, f64::NAN, 2.0, 3.0])], vec![(1, vec![1.0; 4]), (2, vec![2.0; 4])]]
        {
            let watched =
                Watched { names: names.map(String::from).to_vec(), epochs: BTreeMap::from_iter(epochs) };
            let svg = picture(&watched).unwrap();
            assert!(svg.contains("weight norms") && !svg.contains("NaN"));
            if watched.epochs.len() == 1 {
                assert!(svg.contains("<circle"), "an epoch by itself is a point: {svg}");
            }
        }
    }
}
