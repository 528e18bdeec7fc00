//! Models to be exchanged, and safetensors files taken apart and put together by hand.

use super::{Random, config};
use hornpipe::corpus::Vocabulary;
use hornpipe::exchange::{Given, Model, safetensors};
use hornpipe::nn::{Input, State};
use hornpipe::train::{Objective, Preset, Settings, build_engine};
use hornpipe_kernels::gemm::Gemm;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The characters of [`model`].
pub const CHARACTERS: &str = "\n ABCD|é";

/// A model with numbers in every tensor.
pub fn model(objective: Objective, input: Input, hidden: usize, layers: usize) -> Model {
    let preset = match objective {
        Objective::ManyToOne => Preset::Article,
        Objective::ManyToMany => Preset::Folk,
    };
    let vocabulary = Vocabulary::from_text(CHARACTERS);
    let dropout = 0.15;
    let settings = Settings { input, hidden, layers, dropout, seed: 7, seq_len: 9, ..preset.settings() };
    let parameters =
        Random::new(3).parameters(&config(vocabulary.len(), input, hidden, layers, dropout), 0.8);
    let seed_window = if objective == Objective::ManyToOne { vec![0, 3, 7, 1] } else { Vec::new() };
    Model { settings, vocabulary, parameters, seed_window }
}

/// The header of a safetensors file as JSON, and the bytes behind it, read without the library.
pub fn open(bytes: &[u8]) -> (Value, Vec<u8>) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + length]).unwrap(), bytes[8 + length..].to_vec())
}

/// The bytes of a file with such a header.
pub fn close(header: &Value, data: &[u8]) -> Vec<u8> {
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// The numbers of one tensor.
pub fn numbers(header: &Value, data: &[u8], name: &str) -> Vec<f32> {
    let at = |k: usize| header[name]["data_offsets"][k].as_u64().unwrap() as usize;
    let (chunks, _) = data[at(0)..at(1)].as_chunks();
    chunks.iter().map(|&b| f32::from_le_bytes(b)).collect()
}

/// A file as a plain script writes it, without a word about itself: our own without its metadata.
pub fn plain(model: &Model) -> (Value, Vec<u8>) {
    let (mut header, data) = open(&safetensors::to_bytes(model).unwrap());
    header.as_object_mut().unwrap().remove("__metadata__");
    (header, data)
}

/// The logits `[V]` of each text after each of its characters, all fed side by side from the zero state: T times B of them.
pub fn advance(model: &Model, rows: &[String]) -> Vec<Vec<f32>> {
    let settings = &model.settings;
    let (parameters, v) = (model.parameters.clone(), model.vocabulary.len());
    let mut engine = build_engine(settings, parameters, v, Gemm::matrixmultiply(), 1).expect("one thread");
    engine.set_state(&State::zeros(&model.config(), rows.len()));
    let rows: Vec<Vec<u32>> =
        rows.iter().map(|row| model.vocabulary.encode(row).expect("known characters")).collect();
    let mut all = Vec::new();
    for t in 0..rows[0].len() {
        let tokens: Vec<u32> = rows.iter().map(|row| row[t]).collect();
        all.extend(engine.advance(&tokens).outer_iter().map(|row| row.to_vec()));
    }
    all
}

/// A model that PyTorch wrote, and what it computes.
pub struct PytorchsModel {
    pub name: String,
    /// In the order of PyTorch's integers.
    pub vocabulary: String,
    /// B texts of T characters.
    pub rows: Vec<String>,
    pub logits: Logits,
    /// As this program read it.
    pub model: Model,
}

/// `[T, B, V]`
#[derive(Deserialize)]
pub struct Logits {
    pub shape: Vec<usize>,
    pub data: Vec<f64>,
}

#[derive(Deserialize)]
struct Case {
    vocabulary: String,
    rows: Vec<String>,
    logits: Logits,
}

/// The models of `tests/exchange`.
pub fn pytorchs_models() -> Vec<PytorchsModel> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/exchange");
    let read = |name: &str| std::fs::read(format!("{folder}/{name}")).expect("a file of the project");
    let cases: BTreeMap<String, Case> = serde_json::from_slice(&read("logits.json")).expect("JSON");
    let model = |(name, Case { vocabulary, rows, logits }): (String, Case)| {
        let given =
            Given { vocabulary: (name == "plain").then(|| vocabulary.chars().collect()), ..Given::default() };
        let bytes = read(&format!("{name}.safetensors"));
        let model = safetensors::from_bytes(&bytes, &given).expect("a model");
        PytorchsModel { name, vocabulary, rows, logits, model }
    };
    cases.into_iter().map(model).collect()
}
