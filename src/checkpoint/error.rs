//! Why a checkpoint was refused. Each message is one sentence that says what to do where something can be done.

use super::{Dtype, MAX_NAME, MAX_RANK};
use std::{io, path::PathBuf};

/// Why a checkpoint could not be made, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The bytes do not begin with the magic of a checkpoint.
    #[error("this is not a Hornpipe checkpoint: name a file that `hornpipe train` wrote")]
    NotACheckpoint,
    /// The file is sound, but its format is newer than this program.
    #[error(
        "this checkpoint was made by a newer Hornpipe (format {found}, and this one reads up to {known}): upgrade Hornpipe"
    )]
    Newer {
        /// The format of the file.
        found: u32,
        /// The newest format that this program reads.
        known: u32,
    },
    /// The bytes are not those that were saved. The text says how that was noticed.
    #[error("this checkpoint is damaged ({0}): use another copy or an earlier checkpoint")]
    Damaged(String),
    /// Two arrays have this name.
    #[error("the checkpoint has two arrays named `{0}`")]
    Duplicate(String),
    /// No array has this name.
    #[error("the checkpoint has no array named `{0}`: it belongs to another kind of model or run")]
    Missing(String),
    /// The array holds other numbers than were asked for.
    #[error(
        "the checkpoint's array `{name}` holds {found}, not {expected}: it belongs to another kind of model or run"
    )]
    WrongDtype {
        /// The array.
        name: String,
        /// What it holds.
        found: Dtype,
        /// What was asked for.
        expected: Dtype,
    },
    /// The array has another shape than was asked for.
    #[error(
        "the checkpoint's array `{name}` has shape {found:?}, not {expected:?}: its sizes are not those of this model or run"
    )]
    WrongShape {
        /// The array.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that was asked for.
        expected: Vec<usize>,
    },
    /// An array cannot be made of these: the shape does not hold that many bytes.
    #[error("array `{name}`: shape {shape:?} of {dtype} does not make {bytes} bytes")]
    WrongLength {
        /// The array.
        name: String,
        /// Its numbers.
        dtype: Dtype,
        /// Its shape.
        shape: Vec<usize>,
        /// How many bytes there are.
        bytes: usize,
    },
    /// An array's name or shape is longer than the format allows.
    #[error("array `{0}`: a name may have {MAX_NAME} bytes and a shape {MAX_RANK} dimensions at most")]
    TooLong(String),
    /// The file could not be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file could not be written. Whatever stands there is whole.
    #[error("cannot write {}: {cause} (no half-written file is left there)", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The file was read, but its content was refused.
    #[error("{}: {cause}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: Box<CheckpointError>,
    },
}
