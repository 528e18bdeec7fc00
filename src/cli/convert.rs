//! `hornpipe convert`: models for other programs, and models from them.

use super::output::{self, tell, thousands};
use super::{load, memory};
use crate::checkpoint::write_atomically;
use crate::corpus::{Vocabulary, read_file};
use crate::exchange::{Given, Model, onnx, safetensors};
use crate::nn::Input;
use crate::train::{Objective, Settings};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Write a model for other programs, or take one in.
///
/// What is written follows from the name of TO: a .safetensors file with PyTorch's names and layouts, an .onnx file (which is written but not read; opset 17: tokens,
/// h_0 and c_0 in; logits, h_n and c_n out), or a .hornpipe checkpoint. The weights, the characters and all settings travel, so that
/// a model that comes back generates the same tunes. The optimiser's moments, the carried state and the progress of the training do
/// not: such a checkpoint is trained further with `train --init-from` and not with --resume.
///
/// A safetensors file that was made elsewhere must have the tensors embedding.weight, lstm.weight_ih_l0, lstm.weight_hh_l0,
/// lstm.bias_ih_l0, lstm.bias_hh_l0 (l1, …), linear.weight and linear.bias, as torch.nn's Embedding, LSTM and Linear have them. Without an
/// embedding the input is the character's index over V. Both biases are added.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// A checkpoint, a run's folder (its best model), or a .safetensors file.
    from: PathBuf,
    /// The file to write: NAME.safetensors, NAME.onnx or NAME.hornpipe.
    to: PathBuf,
    /// The model's characters, where FROM does not say them: a file with one JSON string, the character of integer 0 first, as
    /// Python's `json.dump("".join(characters), file)` writes it.
    #[arg(long, value_name = "FILE", conflicts_with = "corpus")]
    vocabulary: Option<PathBuf>,
    /// The text that the model was trained on, where FROM does not say the characters: they are those of its tunes,
    /// sorted. An ABC file, a folder of them, or - for standard input; may be given more than once.
    #[arg(long, value_name = "CORPUS")]
    corpus: Vec<PathBuf>,
    /// Which predictions the model was trained for, where FROM does not say it [default: many-to-many].
    #[arg(long, value_enum)]
    objective: Option<Objective>,
    /// Characters that the model was trained to see (T), where FROM does not say it; the window of a many-to-one model
    /// [default: many-to-one 100; many-to-many 64].
    #[arg(long, value_name = "T")]
    seq_len: Option<usize>,
    /// Write over a file that is there.
    #[arg(long)]
    force: bool,
    /// One line of JSON about what was written.
    #[arg(long)]
    json: bool,
}

/// A vocabulary has fewer bytes, even of all characters that there are.
const VOCABULARY_LIMIT: u64 = 16 << 20;

/// The kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Hornpipe,
    Safetensors,
    Onnx,
}

impl Kind {
    /// Of a file to be written.
    fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(OsStr::to_str) {
            Some("hornpipe") => Ok(Kind::Hornpipe),
            Some("safetensors") => Ok(Kind::Safetensors),
            Some("onnx") => Ok(Kind::Onnx),
            _ => bail!(
                "{} says by its name no kind of file that is known: end it in .safetensors, .onnx or .hornpipe",
                path.display()
            ),
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a Path,
    format: Kind,
    objective: Objective,
    seq_len: usize,
    vocabulary: usize,
    embedding: Option<usize>,
    hidden: usize,
    layers: usize,
    parameters: usize,
}

pub fn run(args: Args) -> Result<()> {
    let to = Kind::of(&args.to)?;
    // A checkpoint may have any other name.
    let from =
        if args.from.is_dir() { Kind::Hornpipe } else { Kind::of(&args.from).unwrap_or(Kind::Hornpipe) };
    // A run's own checkpoint may stand there, and it knows more than what is written over it.
    if args.to.exists() && !args.force {
        bail!("{} is there already: choose another name, or write over it with --force", args.to.display());
    }
    let model = match from {
        Kind::Hornpipe => checkpoint(&args)?,
        Kind::Safetensors => read(&args)?,
        Kind::Onnx => bail!("ONNX is written but not read: take the model in as a .safetensors file"),
    };
    if from == to {
        bail!("{} is of that kind already: there is nothing to convert", args.from.display());
    }
    let report = Report::of(&args.to, to, &model);
    let bytes = match to {
        Kind::Safetensors => safetensors::to_bytes(&model)?,
        Kind::Onnx => onnx::to_bytes(&model)?,
        Kind::Hornpipe => model.into_snapshot().to_checkpoint().to_bytes(),
    };
    write_atomically(&args.to, &bytes).with_context(|| format!("cannot write {}", args.to.display()))?;
    report.tell();
    if args.json { output::print_json(&report) } else { Ok(()) }
}

/// The model of a checkpoint.
fn checkpoint(args: &Args) -> Result<Model> {
    if args.vocabulary.is_some()
        || !args.corpus.is_empty()
        || args.objective.is_some()
        || args.seq_len.is_some()
    {
        bail!(
            "a checkpoint says all of its model itself: leave out --vocabulary, --corpus, --objective and --seq-len"
        );
    }
    if let Some("pt" | "pth" | "keras" | "h5") = args.from.extension().and_then(OsStr::to_str) {
        bail!(
            "{} is no file of this program: save the model as .safetensors first; benches/frameworks/exchange has scripts for \
             PyTorch and Keras",
            args.from.display()
        );
    }
    Ok(load::snapshot(&args.from)?.into())
}

/// The model of a safetensors file.
fn read(args: &Args) -> Result<Model> {
    let path = args.from.display();
    let vocabulary = match &args.vocabulary {
        Some(file) => Some(characters(file)?),
        None if args.corpus.is_empty() => None,
        None => Some(Vocabulary::from_tunes(&load::corpus(&args.corpus)?.tunes).chars().to_vec()),
    };
    let given = Given { vocabulary, objective: args.objective, seq_len: args.seq_len };
    // Reading a device or a pipe may never end.
    let metadata = fs::metadata(&args.from).with_context(|| format!("cannot read {path}"))?;
    if !metadata.is_file() {
        bail!("cannot read {path}: it is not a regular file");
    }
    let size = metadata.len() as f64;
    if let Some(available) = memory::available().filter(|&available| size > available) {
        bail!("{path} has {:.1} GB, and {:.1} GB of memory are free", size / 1e9, available / 1e9);
    }
    let bytes = fs::read(&args.from).with_context(|| format!("cannot read {path}"))?;
    safetensors::from_bytes(&bytes, &given).with_context(|| format!("cannot use {path}"))
}

/// The characters in a file with one JSON string.
fn characters(file: &Path) -> Result<Vec<char>> {
    let (name, bytes) = read_file(file, VOCABULARY_LIMIT)?;
    let chars: String = serde_json::from_slice(&bytes).with_context(|| {
        format!("{name} is not a vocabulary: it must hold one JSON string, such as \"\\n |ABC\"")
    })?;
    Ok(chars.chars().collect())
}

impl<'a> Report<'a> {
    fn of(file: &'a Path, format: Kind, model: &Model) -> Self {
        let Settings { objective, seq_len, input, hidden, layers, .. } = model.settings;
        let embedding = match input {
            Input::Embedding(size) => Some(size),
            Input::Scalar => None,
        };
        let (vocabulary, parameters) = (model.vocabulary.len(), model.parameters.values().len());
        Report { file, format, objective, seq_len, vocabulary, embedding, hidden, layers, parameters }
    }

    /// For people.
    fn tell(&self) {
        let Report { objective, seq_len, vocabulary, hidden, layers, .. } = *self;
        let input = self.embedding.map_or("scalar input".to_string(), |size| format!("embedding {size}"));
        let objective = match objective {
            Objective::ManyToOne => format!("many-to-one, windows of {seq_len}"),
            Objective::ManyToMany => "many-to-many".to_string(),
        };
        let parameters = thousands(self.parameters);
        tell!("wrote {}: {parameters} parameters", self.file.display());
        tell!("{vocabulary} characters, {input}, hidden {hidden}, layers {layers}, {objective}");
        match self.format {
            Kind::Hornpipe => tell!("write tunes with it: hornpipe generate {}", self.file.display()),
            _ => tell!("not in it: the optimiser's moments, the carried state, the progress of the training"),
        }
    }
}
