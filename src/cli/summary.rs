//! `hornpipe summary`: the network as a table, as Keras prints it.

use super::load;
use super::output::{self, thousands};
use super::train_flags::PresetName;
use crate::nn::{Cell, Input, Layout, ModelConfig};
use crate::train::{Objective, Settings};
use anyhow::Result;
use serde::Serialize;
use std::path::PathBuf;

/// Print a model's layers, output shapes and parameters.
///
/// Of a checkpoint, or of a preset for a vocabulary of N characters (Nottingham has 93).
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// A checkpoint, or a run's folder.
    #[arg(conflicts_with_all = ["preset", "cell", "vocab"])]
    checkpoint: Option<PathBuf>,
    /// A preset's model.
    #[arg(long, value_enum, default_value = "folk")]
    preset: PresetName,
    /// What the preset's layers are made of instead.
    #[arg(long, value_enum)]
    cell: Option<Cell>,
    /// The number of distinct characters.
    #[arg(long, value_name = "N", default_value_t = 93)]
    vocab: usize,
    /// One line of JSON instead of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    layer: String,
    output: String,
    parameters: usize,
}

#[derive(Debug, Serialize)]
struct Summary {
    layers: Vec<Row>,
    parameters: usize,
    training_flops_per_token: f64,
}

pub fn run(args: Args) -> Result<()> {
    let (settings, vocabulary) = match &args.checkpoint {
        Some(path) => {
            let snapshot = load::snapshot(path)?;
            let vocabulary = snapshot.vocabulary.len();
            (snapshot.settings, vocabulary)
        }
        None => {
            let settings = args.preset.preset().settings();
            (Settings { cell: args.cell.unwrap_or(settings.cell), ..settings }, args.vocab)
        }
    };
    settings.model(vocabulary).validate()?;
    if args.json {
        output::print_json(&summary(&settings, vocabulary))
    } else {
        output::print(&table(&settings, vocabulary))
    }
}

fn summary(settings: &Settings, vocabulary: usize) -> Summary {
    let config: ModelConfig = settings.model(vocabulary);
    let layout = Layout::new(&config);
    let count = |prefix: &str| -> usize {
        layout.tensors().iter().filter(|t| t.name.starts_with(prefix)).map(|t| t.len()).sum()
    };
    let layer_count = |l: usize| -> usize { layout.layer(l).all().map(|k| layout.tensors()[k].len()).sum() };
    let (b, t) = (settings.batch_size, settings.seq_len);
    let mut layers = Vec::new();
    let mut row =
        |layer: String, output: String, parameters: usize| layers.push(Row { layer, output, parameters });
    match config.input {
        Input::Embedding(e) => row("Embedding".into(), format!("({b}, {t}, {e})"), count("embedding")),
        Input::Scalar => row("Scalar (index / V)".into(), format!("({b}, {t}, 1)"), 0),
    }
    for l in 0..config.layers {
        let last_only = l + 1 == config.layers && settings.objective == Objective::ManyToOne;
        let shape = if last_only {
            format!("({b}, {})", config.hidden)
        } else {
            format!("({b}, {t}, {})", config.hidden)
        };
        let drop = match config.weight_drop {
            0.0 => String::new(),
            rate => format!(" (weight drop {rate})"),
        };
        row(format!("{} {l}{drop}", config.cell.title()), shape.clone(), layer_count(l));
        if config.dropout > 0.0 {
            row(format!("Dropout {l} ({})", config.dropout), shape, 0);
        }
    }
    let shape = match settings.objective {
        Objective::ManyToOne => format!("({b}, {vocabulary})"),
        Objective::ManyToMany => format!("({b}, {t}, {vocabulary})"),
    };
    row("Linear".into(), shape.clone(), count("linear"));
    row("Softmax".into(), shape, 0);
    let training_flops_per_token = config.training_flops_per_token();
    Summary { layers, parameters: layout.len(), training_flops_per_token }
}

/// The summary of a network as a table.
pub fn table(settings: &Settings, vocabulary: usize) -> String {
    let Summary { layers, parameters, .. } = summary(settings, vocabulary);
    // Some cells have long names.
    let wide = layers.iter().map(|row| row.layer.len() + 2).fold(22, usize::max);
    let rule = format!("{}\n", "─".repeat(wide + 32));
    // As Keras has it: batch, time, features.
    let mut text = format!("{:<wide$}{:<18}{:>14}\n{rule}", "Layer", "Output (B, T, …)", "Parameters");
    for Row { layer, output, parameters } in layers {
        text += &format!("{layer:<wide$}{output:<18}{:>14}\n", thousands(parameters));
    }
    text + &format!("{rule}{:<total$}{:>14}\n", "Total", thousands(parameters), total = wide + 18)
}
