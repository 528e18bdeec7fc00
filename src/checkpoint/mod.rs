//! A run on disk: its configuration as JSON, and named arrays of numbers.
//!
//! What the names mean is the business of those who write them; this module promises only that what comes back is
//! what was saved, or an error:
//! - `format`: the bytes of a checkpoint; the only file that knows bincode. It needs no file system.
//! - `file`: reading those bytes, and writing them so that a whole checkpoint stands there at every moment.
//! - `array`: one named array.

mod array;
mod error;
mod file;
mod format;

pub use array::{Array, Dtype, MAX_NAME, MAX_RANK};
pub use error::CheckpointError;
pub use file::{write_atomically, write_atomically_with};
pub use format::VERSION;

/// A configuration and the arrays that belong to it; no two arrays have the same name.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// The configuration and progress of the run, as JSON. Not parsed here.
    pub config: String,
    arrays: Vec<Array>,
}

impl Checkpoint {
    /// A checkpoint without arrays.
    pub fn new(config: impl Into<String>) -> Self {
        Checkpoint { config: config.into(), arrays: Vec::new() }
    }

    /// Adds an array after those already there.
    ///
    /// # Errors
    /// [`CheckpointError::Duplicate`] if one of that name is there.
    pub fn push(&mut self, array: Array) -> Result<(), CheckpointError> {
        if self.arrays.iter().any(|a| a.name() == array.name()) {
            return Err(CheckpointError::Duplicate(array.name().to_owned()));
        }
        self.arrays.push(array);
        Ok(())
    }

    /// The arrays, in the order in which they were pushed.
    pub fn arrays(&self) -> &[Array] {
        &self.arrays
    }

    /// The array of that name.
    ///
    /// # Errors
    /// [`CheckpointError::Missing`].
    pub fn array(&self, name: &str) -> Result<&Array, CheckpointError> {
        self.arrays.iter().find(|a| a.name() == name).ok_or_else(|| CheckpointError::Missing(name.to_owned()))
    }

    /// The values of the array of that name, row-major.
    ///
    /// # Errors
    /// [`CheckpointError::Missing`], [`CheckpointError::WrongDtype`] or [`CheckpointError::WrongShape`].
    pub fn f32s(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, CheckpointError> {
        self.array(name)?.with_shape(shape)?.to_f32()
    }

    /// As [`f32s`](Self::f32s), for `f64`.
    ///
    /// # Errors
    /// Those of [`f32s`](Self::f32s).
    pub fn f64s(&self, name: &str, shape: &[usize]) -> Result<Vec<f64>, CheckpointError> {
        self.array(name)?.with_shape(shape)?.to_f64()
    }

    /// As [`f32s`](Self::f32s), for `u32`.
    ///
    /// # Errors
    /// Those of [`f32s`](Self::f32s).
    pub fn u32s(&self, name: &str, shape: &[usize]) -> Result<Vec<u32>, CheckpointError> {
        self.array(name)?.with_shape(shape)?.to_u32()
    }

    /// As [`f32s`](Self::f32s), for `u64`.
    ///
    /// # Errors
    /// Those of [`f32s`](Self::f32s).
    pub fn u64s(&self, name: &str, shape: &[usize]) -> Result<Vec<u64>, CheckpointError> {
        self.array(name)?.with_shape(shape)?.to_u64()
    }

    /// As [`f32s`](Self::f32s), for bytes.
    ///
    /// # Errors
    /// Those of [`f32s`](Self::f32s).
    pub fn u8s(&self, name: &str, shape: &[usize]) -> Result<&[u8], CheckpointError> {
        self.array(name)?.with_shape(shape)?.to_u8()
    }
}
