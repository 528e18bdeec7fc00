//! Models as safetensors, with PyTorch's names and layouts.
//!
//! ```text
//! embedding.weight      [V, E]     nn.Embedding(V, E); none with scalar input
//! lstm.weight_ih_l0     [4H, I]    nn.LSTM(I, H, L), gates i, f, g, o
//! lstm.weight_hh_l0     [4H, H]
//! lstm.bias_ih_l0       [4H]
//! lstm.bias_hh_l0       [4H]       zeros when written, added to bias_ih when read
//! …                                the same for l1 to l{L-1}
//! linear.weight         [V, H]     nn.Linear(H, V)
//! linear.bias           [V]
//! ```
//!
//! The file's metadata has one entry, `hornpipe`, which is JSON: `{"version": 1, "vocabulary": "…", "settings": {…},
//! "seed_window": […]}`. The vocabulary is the string of all characters, that of integer 0 first. A file made elsewhere may have the
//! vocabulary alone, or no metadata; then [`Given`] says what is missing.
//!
//! The format is described at <https://github.com/huggingface/safetensors>.

use super::error::{list, printable, quoted};
use super::model::{Description, KEY, VERSION, pytorch_names, settings, sort_characters};
use super::{ExchangeError, Given, Model};
use crate::nn::{Cell, Input, Layout, ModelConfig, Parameters};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use safetensors::{SafeTensorError, SafeTensors, View};
use std::borrow::Cow;

/// The longest header. A model's own takes a few thousand bytes; parsing one takes many times its length in memory.
const LONGEST_HEADER: u64 = 4 << 20;
/// `B·H·L` of the largest state that a new checkpoint is given: 256 MiB each for h and c.
const LARGEST_STATE: usize = 1 << 26;
/// Bytes before the header: its length.
const LENGTH: usize = 8;

/// One tensor, on its way out.
struct Numbers<'a> {
    shape: &'a [usize],
    values: &'a [f32],
    zeros: bool,
}

impl View for Numbers<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let number = |&x: &f32| if self.zeros { [0; 4] } else { x.to_le_bytes() };
        self.values.iter().flat_map(number).collect::<Vec<u8>>().into()
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}

/// The bytes of a safetensors file; the same for the same model.
///
/// # Errors
/// [`ExchangeError::NoCell`], where the model is not made of LSTMs; [`ExchangeError::TooLarge`], where the description alone is larger than any that is read.
pub fn to_bytes(model: &Model) -> Result<Vec<u8>, ExchangeError> {
    let cell = model.settings.cell;
    if cell != Cell::Lstm {
        return Err(ExchangeError::NoCell { format: "safetensors", cell });
    }
    let layout = model.parameters.layout();
    let tensors = pytorch_names(layout).map(|(name, place, zeros)| {
        let shape = &layout.tensors()[place].shape;
        (name, Numbers { shape, values: model.parameters.slice(place), zeros })
    });
    // One entry: the library writes several in no fixed order.
    let metadata = [(KEY.to_string(), model.description())].into_iter().collect();
    let bytes = safetensors::serialize(tensors, Some(metadata)).expect("names and shapes are our own");
    match header_length(&bytes) {
        Some(..=LONGEST_HEADER) => Ok(bytes),
        _ => Err(ExchangeError::TooLarge("the model's description is too long for a safetensors file")),
    }
}

/// The model in a safetensors file's bytes. Allocates no more than a small multiple of what it is given.
///
/// # Errors
/// Where the file is not whole, a tensor is missing, too many, of another shape or type, or not finite; where the file's description and its
/// tensors do not agree, or `given` and the file together do not say what is needed, or say it twice.
pub fn from_bytes(bytes: &[u8], given: &Given) -> Result<Model, ExchangeError> {
    let refuse = |why: &str| ExchangeError::NotSafetensors(why.to_string());
    let length = header_length(bytes).ok_or_else(|| refuse("it has less than 8 bytes"))?;
    if length > (bytes.len() - LENGTH) as u64 {
        return Err(refuse("its first 8 bytes say that a header follows which is longer than the file"));
    }
    if length > LONGEST_HEADER {
        return Err(refuse("its header is longer than 4 MiB, and a model's is short"));
    }
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let config = config(&metadata)?;
    let description = description(&metadata)?;
    let layout = Layout::new(&config);
    check_tensors(&metadata, &layout, &config)?;
    let mut parameters = numbers(&metadata, &bytes[LENGTH + header..], &config, &layout)?;

    let (settings, chars, mut seed_window) = match description {
        Some(Description { settings: Some(own), vocabulary, seed_window, .. }) => {
            let expected = (config.cell, config.input, config.hidden, config.layers);
            if (own.cell, own.input, own.hidden, own.layers) != expected {
                return Err(ExchangeError::Metadata("its sizes are not those of the tensors".to_string()));
            }
            if given.objective.is_some() || given.seq_len.is_some() {
                return Err(ExchangeError::Twice { what: "its settings", flag: "--objective and --seq-len" });
            }
            (own, Some(vocabulary), seed_window)
        }
        Some(Description { vocabulary, seed_window, .. }) => {
            (settings(&config, given)?, Some(vocabulary), seed_window)
        }
        None => (settings(&config, given)?, None, Vec::new()),
    };
    if seed_window.iter().any(|&token| token as usize >= config.vocabulary) {
        return Err(ExchangeError::Metadata(
            "its seed window has integers beyond the vocabulary".to_string(),
        ));
    }
    let chars = match (chars, &given.vocabulary) {
        (Some(chars), None) => chars.chars().collect(),
        (None, Some(chars)) => chars.clone(),
        (Some(_), Some(_)) => {
            return Err(ExchangeError::Twice { what: "its vocabulary", flag: "--vocabulary and --corpus" });
        }
        (None, None) => return Err(ExchangeError::NoVocabulary(config.vocabulary)),
    };
    let vocabulary = sort_characters(&chars, &mut parameters, config.input, &mut seed_window)?;
    Ok(Model { settings, vocabulary, parameters, seed_window })
}

/// What the first bytes say of the header's length.
fn header_length(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|&length| u64::from_le_bytes(length))
}

/// What is wrong with a container, in this program's words.
fn damaged(error: SafeTensorError) -> ExchangeError {
    ExchangeError::NotSafetensors(match error {
        SafeTensorError::InvalidHeader(_) => "its header is not UTF-8".to_string(),
        SafeTensorError::InvalidHeaderDeserialization(e) => {
            format!("its header is not as it should be: {}", printable(&e.to_string(), 200))
        }
        SafeTensorError::InvalidOffset(name) => {
            format!("the bytes of {} do not follow on those of the tensor before", quoted(&name))
        }
        SafeTensorError::TensorInvalidInfo => {
            "a tensor's shape and type do not make as many bytes as it is said to have".to_string()
        }
        SafeTensorError::ValidationOverflow => "a tensor's shape is larger than any memory".to_string(),
        SafeTensorError::MetadataIncompleteBuffer => {
            "its length is not that of its header and tensors".to_string()
        }
        other => other.to_string(),
    })
}

fn description(metadata: &Metadata) -> Result<Option<Description>, ExchangeError> {
    let Some(json) = metadata.metadata().as_ref().and_then(|entries| entries.get(KEY)) else {
        return Ok(None);
    };
    let refuse = |why: String| ExchangeError::Metadata(printable(&why, 200));
    let description: Description = serde_json::from_str(json).map_err(|e| refuse(e.to_string()))?;
    if description.version != VERSION {
        return Err(refuse(format!("its version is {}, and {VERSION} is known", description.version)));
    }
    if let Some(settings) = &description.settings {
        settings.validate().map_err(|e| refuse(e.to_string()))?;
        // Each is within its own bounds, but a checkpoint holds a state of all three.
        if settings.batch_size * settings.hidden * settings.layers > LARGEST_STATE {
            return Err(refuse(format!("its batch size {} is too large", settings.batch_size)));
        }
    }
    Ok(Some(description))
}

fn missing(metadata: &Metadata, name: &str) -> ExchangeError {
    let names = metadata.offset_keys();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    ExchangeError::Missing { name: name.to_string(), found: list(&names) }
}

fn info<'a>(metadata: &'a Metadata, name: &str) -> Result<&'a TensorInfo, ExchangeError> {
    metadata.info(name).ok_or_else(|| missing(metadata, name))
}

/// The network that these tensors make, by the few that decide its sizes.
fn config(metadata: &Metadata) -> Result<ModelConfig, ExchangeError> {
    let matrix = |name: &str, expected: &str| match info(metadata, name)?.shape[..] {
        [rows, columns] => Ok((rows, columns)),
        ref found => Err(ExchangeError::WrongShape {
            name: name.to_string(),
            found: found.to_vec(),
            expected: expected.to_string(),
        }),
    };
    let (_, inputs) = matrix("lstm.weight_ih_l0", "[4H, I]")?;
    let (_, hidden) = matrix("lstm.weight_hh_l0", "[4H, H]")?;
    let (vocabulary, _) = matrix("linear.weight", "[V, H]")?;
    let embedding = "embedding.weight";
    let input = if metadata.info(embedding).is_some() {
        Input::Embedding(matrix(embedding, "[V, E]")?.1)
    } else if inputs == 1 {
        Input::Scalar
    } else {
        return Err(ExchangeError::NoEmbedding(inputs));
    };
    let layers = (0..).take_while(|l| metadata.info(&format!("lstm.weight_ih_l{l}")).is_some()).count();
    let config =
        ModelConfig { cell: Cell::Lstm, vocabulary, input, hidden, layers, dropout: 0.0, weight_drop: 0.0 };
    config.validate()?;
    Ok(config)
}

/// Whether the file has all tensors of this layout and no others.
fn check_tensors(metadata: &Metadata, layout: &Layout, config: &ModelConfig) -> Result<(), ExchangeError> {
    let mut names = metadata.offset_keys();
    for (name, place, _) in pytorch_names(layout) {
        let expected = &layout.tensors()[place].shape;
        let TensorInfo { dtype, shape, .. } = info(metadata, &name)?;
        if shape != expected {
            let ModelConfig { vocabulary: v, hidden: h, layers: l, .. } = config;
            let i = config.input.size();
            let expected = format!("{expected:?}, since V is {v}, I {i}, H {h} and L {l} by other tensors");
            return Err(ExchangeError::WrongShape { name, found: shape.clone(), expected });
        }
        if *dtype != Dtype::F32 {
            return Err(ExchangeError::WrongDtype { name, found: dtype.to_string() });
        }
        names.retain(|other| *other != name);
    }
    match names.first() {
        None => Ok(()),
        Some(name) => {
            let hint = if name.ends_with("_reverse") {
                " (of an LSTM in both directions, which cannot write a text from left to right)"
            } else if name.contains("weight_hr") {
                " (of an LSTM with projections, `proj_size`)"
            } else {
                ""
            };
            Err(ExchangeError::Unexpected { name: quoted(name), hint })
        }
    }
}

/// The numbers of a file whose names, shapes and types are right; `data` are the bytes after the header.
fn numbers(
    metadata: &Metadata,
    data: &[u8],
    config: &ModelConfig,
    layout: &Layout,
) -> Result<Parameters, ExchangeError> {
    let mut parameters = Parameters::zeros(config);
    for (name, place, add) in pytorch_names(layout) {
        let (from, to) = info(metadata, &name)?.data_offsets;
        let (values, _) = data[from..to].as_chunks();
        for (own, &bytes) in parameters.slice_mut(place).iter_mut().zip(values) {
            let value = f32::from_le_bytes(bytes);
            // A zero is not added, so that -0 stays what it is.
            let sum = if !add {
                value
            } else if value == 0.0 {
                *own
            } else {
                *own + value
            };
            if !value.is_finite() || !sum.is_finite() {
                return Err(ExchangeError::NotFinite {
                    name,
                    value: if value.is_finite() { sum } else { value },
                });
            }
            *own = sum;
        }
    }
    Ok(parameters)
}
