//! Why a model could not come or go. Each message is one sentence that says what was expected.

use crate::nn::{Cell, ConfigError};

/// The tensors of a model that PyTorch wrote.
const EXPECTED: &str = "a model has `embedding.weight` [V, E] (none where the character's index over V is the input), then for each layer \
    from l0 on `lstm.weight_ih_l0` [4H, I], `lstm.weight_hh_l0` [4H, H], `lstm.bias_ih_l0` [4H] and `lstm.bias_hh_l0` [4H], \
    then `linear.weight` [V, H] and `linear.bias` [V], all of them F32";

/// Why a model could not be read from another program's file, or written as one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The container is not whole. The text says how that was noticed.
    #[error("this is no whole safetensors file ({0}): write it anew, or use another copy")]
    NotSafetensors(String),
    /// A tensor is not there.
    #[error("there is no tensor `{name}`, but {found}; rename them when you save the file: {EXPECTED}")]
    Missing {
        /// Its name.
        name: String,
        /// Those that are there, as a list for people.
        found: String,
    },
    /// No embedding, though the first layer takes more than one number.
    #[error(
        "there is no `embedding.weight`, and `lstm.weight_ih_l0` takes {0} numbers: where each character is a vector with \
         a single 1, save that table too, as `embedding.weight` (`torch.eye({0})`)"
    )]
    NoEmbedding(usize),
    /// A tensor that no model has.
    #[error("no model of this program has a tensor {name}{hint}: {EXPECTED}")]
    Unexpected {
        /// Its name, in quotation marks.
        name: String,
        /// What it may be, where that is known.
        hint: &'static str,
    },
    /// A tensor of another shape.
    #[error("`{name}` has shape {found:?}; expected was {expected}")]
    WrongShape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// What would do, and why.
        expected: String,
    },
    /// Numbers of another type.
    #[error("`{name}` holds {found} numbers, and F32 was expected: save the model after `model.float()`")]
    WrongDtype {
        /// The tensor.
        name: String,
        /// What it holds.
        found: String,
    },
    /// A number that is not finite.
    #[error("`{name}` has a number that is {value}: such a model is of no use, so an earlier one is needed")]
    NotFinite {
        /// The tensor.
        name: String,
        /// The number.
        value: f32,
    },
    /// Sizes beyond what this program trains.
    #[error("the file's sizes cannot be: {0}")]
    Size(#[from] ConfigError),
    /// The file's own description cannot be used.
    #[error(
        "the file's metadata `hornpipe` cannot be used ({0}): write it anew with this version, or leave it out"
    )]
    Metadata(String),
    /// The file does not say which characters its integers mean.
    #[error(
        "the file does not say which characters its {0} integers mean: give them with --vocabulary, or the text that the \
         model was trained on with --corpus"
    )]
    NoVocabulary(usize),
    /// What was given stands in the file.
    #[error("the file itself says {what}: leave out {flag}")]
    Twice {
        /// What.
        what: &'static str,
        /// The flags.
        flag: &'static str,
    },
    /// A cell that the other program does not have.
    #[error("only models of LSTMs are written as {format}, and this one is made of {}: keep its checkpoint", cell.title())]
    NoCell {
        /// The format.
        format: &'static str,
        /// What the model is made of.
        cell: Cell,
    },
    /// Characters that cannot be this model's.
    #[error("these are not the model's characters: {0}")]
    Vocabulary(String),
    /// A setting that was given and cannot be.
    #[error("{0}")]
    Setting(String),
    /// More than the format holds.
    #[error("{0}")]
    TooLarge(&'static str),
}

/// Names for a message: quoted, the first few of them.
pub(super) fn list(names: &[&str]) -> String {
    const LISTED: usize = 8;
    if names.is_empty() {
        return "none at all".to_string();
    }
    let mut list: Vec<String> = names.iter().take(LISTED).map(|name| quoted(name)).collect();
    if names.len() > LISTED {
        list.push(format!("{} more", names.len() - LISTED));
    }
    list.join(", ")
}

/// A name for a message, whatever it holds.
pub(super) fn quoted(name: &str) -> String {
    format!("`{}`", printable(name, 60))
}

/// Text from a file for a message: no character that moves a terminal's cursor, and not too many.
pub(super) fn printable(text: &str, longest: usize) -> String {
    let printable =
        |c: char| if c.is_control() { c.escape_default().collect::<String>() } else { c.to_string() };
    let mut start: String = text.chars().take(longest).map(printable).collect();
    if text.chars().nth(longest).is_some() {
        start.push('…');
    }
    start
}
