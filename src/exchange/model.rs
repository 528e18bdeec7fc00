//! What travels between programs.

use super::ExchangeError;
use crate::corpus::Vocabulary;
use crate::nn::{Input, Layout, ModelConfig, Parameters, State};
use crate::optim::Moments;
use crate::train::{Objective, Preset, Progress, Settings, Snapshot};
use serde::{Deserialize, Serialize};

/// A model without the run that trained it.
#[derive(Clone, Debug)]
pub struct Model {
    /// How it was trained: the network, and what `generate` and `evaluate` ask for.
    pub settings: Settings,
    /// The characters.
    pub vocabulary: Vocabulary,
    /// The weights.
    pub parameters: Parameters,
    /// `T` characters that a many-to-one model starts from; empty for others.
    pub seed_window: Vec<u32>,
}

/// What a user says of a file that does not say it itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Given {
    /// The characters, that of integer 0 first; any order will do, since the rows of the weights are sorted with them.
    pub vocabulary: Option<Vec<char>>,
    /// Which predictions the model was trained for; many-to-many if nobody says it.
    pub objective: Option<Objective>,
    /// `T`, which is also the window of a many-to-one model.
    pub seq_len: Option<usize>,
}

/// The entry of a file's metadata that describes the model.
pub(super) const KEY: &str = "hornpipe";
/// The version of what stands there.
pub(super) const VERSION: u32 = 1;

/// What a file's metadata says.
#[derive(Serialize, Deserialize)]
pub(super) struct Description {
    #[serde(default = "version")]
    pub version: u32,
    pub vocabulary: String,
    #[serde(default)]
    pub settings: Option<Settings>,
    #[serde(default)]
    pub seed_window: Vec<u32>,
}

fn version() -> u32 {
    VERSION
}

impl Model {
    /// The network.
    pub fn config(&self) -> ModelConfig {
        self.settings.model(self.vocabulary.len())
    }

    /// All but the weights, as JSON.
    pub(super) fn description(&self) -> String {
        let description = Description {
            version: VERSION,
            vocabulary: self.vocabulary.clone().into(),
            settings: Some(self.settings.clone()),
            seed_window: self.seed_window.clone(),
        };
        serde_json::to_string(&description).expect("plain data has a JSON form")
    }

    /// A checkpoint of these weights before any step: optimiser and state are zero, and it belongs to no corpus.
    pub fn into_snapshot(self) -> Snapshot {
        let Model { settings, vocabulary, parameters, seed_window } = self;
        Snapshot {
            progress: Progress {
                epoch: 0,
                batch: 0,
                step: 0,
                total_steps: 0,
                sums: [0.0; 3],
                best: None,
                split_version: settings.split_version,
                fingerprint: 0,
                held_out_fingerprint: 0,
            },
            moments: Moments::zeros(settings.optimizer, &parameters),
            state: State::zeros(&settings.model(vocabulary.len()), settings.batch_size),
            settings,
            vocabulary,
            parameters,
            seed_window,
        }
    }
}

impl From<Snapshot> for Model {
    fn from(snapshot: Snapshot) -> Self {
        let Snapshot { settings, vocabulary, parameters, seed_window, .. } = snapshot;
        Model { settings, vocabulary, parameters, seed_window }
    }
}

/// The settings of a model of which only the network is known: a preset's, with no dropout and nothing held out.
pub(super) fn settings(config: &ModelConfig, given: &Given) -> Result<Settings, ExchangeError> {
    let preset = match given.objective {
        Some(Objective::ManyToOne) => Preset::Article,
        Some(Objective::ManyToMany) | None => Preset::Folk,
    };
    let preset = preset.settings();
    let settings = Settings {
        seq_len: given.seq_len.unwrap_or(preset.seq_len),
        cell: config.cell,
        input: config.input,
        hidden: config.hidden,
        layers: config.layers,
        dropout: config.dropout,
        weight_drop: config.weight_drop,
        validation_fraction: 0.0,
        ..preset
    };
    settings.validate().map_err(|e| ExchangeError::Setting(e.to_string()))?;
    Ok(settings)
}

/// Sorts characters that stand in a model's own order, and with them what belongs to each: a row of the embedding, a row of the linear
/// layer, the integers of the seed window.
pub(super) fn sort_characters(
    chars: &[char],
    parameters: &mut Parameters,
    input: Input,
    seed_window: &mut [u32],
) -> Result<Vocabulary, ExchangeError> {
    let refuse = |why: String| Err(ExchangeError::Vocabulary(why));
    let (weight, bias) = parameters.layout().linear();
    let rows = parameters.slice(bias).len();
    if chars.len() != rows {
        return refuse(format!("there are {} of them, and the model has {rows}", chars.len()));
    }
    if !chars.contains(&'\n') {
        return refuse("the line feed is not among them, with which every tune begins".to_string());
    }
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by_key(|&k| chars[k]);
    if let Some(pair) = order.windows(2).find(|pair| chars[pair[0]] == chars[pair[1]]) {
        return refuse(format!("{:?} is there twice", chars[pair[0]]));
    }
    if !order.is_sorted() {
        if input == Input::Scalar {
            return refuse(
                "they are not sorted, and without an embedding their order has a meaning".to_string(),
            );
        }
        for tensor in parameters.layout().embedding().into_iter().chain([weight, bias]) {
            let own = parameters.slice(tensor).to_vec();
            let width = own.len() / rows;
            for (row, &from) in parameters.slice_mut(tensor).chunks_exact_mut(width).zip(&order) {
                row.copy_from_slice(&own[from * width..][..width]);
            }
        }
        let mut places = vec![0; rows];
        order.iter().enumerate().for_each(|(to, &from)| places[from] = to as u32);
        seed_window.iter_mut().for_each(|token| *token = places[*token as usize]);
    }
    Ok(Vocabulary::from_chars(chars.iter().copied()))
}

/// The names that a layout's tensors have in PyTorch, with its place in the table. A bias comes twice: the second one is zero here.
pub(super) fn pytorch_names(layout: &Layout) -> impl Iterator<Item = (String, usize, bool)> {
    layout.tensors().iter().enumerate().flat_map(|(place, tensor)| {
        match tensor.name.strip_prefix("lstm.bias_") {
            Some(layer) => {
                vec![
                    (format!("lstm.bias_ih_{layer}"), place, false),
                    (format!("lstm.bias_hh_{layer}"), place, true),
                ]
            }
            None => vec![(tensor.name.clone(), place, false)],
        }
    })
}
