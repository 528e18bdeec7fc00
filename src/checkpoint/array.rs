//! One named array: numbers of one type as little-endian bytes, row-major, and their shape.

use super::CheckpointError;
use std::fmt;

/// The longest name of an array, in bytes.
pub const MAX_NAME: usize = 255;
/// The most dimensions of an array.
pub const MAX_RANK: usize = 8;

/// The type of an array's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// 64-bit floats.
    F64,
    /// 32-bit unsigned integers.
    U32,
    /// 64-bit unsigned integers.
    U64,
    /// Bytes.
    U8,
}

impl Dtype {
    /// Bytes a number takes.
    pub fn size(self) -> usize {
        match self {
            Dtype::U8 => 1,
            Dtype::F32 | Dtype::U32 => 4,
            Dtype::F64 | Dtype::U64 => 8,
        }
    }

    /// The number that stands for this type in a file; never reused for another.
    pub(super) fn code(self) -> u8 {
        match self {
            Dtype::F32 => 0,
            Dtype::F64 => 1,
            Dtype::U32 => 2,
            Dtype::U64 => 3,
            Dtype::U8 => 4,
        }
    }

    /// The type that a file's number stands for.
    pub(super) fn from_code(code: u8) -> Option<Self> {
        [Dtype::F32, Dtype::F64, Dtype::U32, Dtype::U64, Dtype::U8]
            .into_iter()
            .find(|dtype| dtype.code() == code)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dtype::F32 => "f32",
            Dtype::F64 => "f64",
            Dtype::U32 => "u32",
            Dtype::U64 => "u64",
            Dtype::U8 => "u8",
        })
    }
}

/// A named array. Its shape and its number of bytes always agree.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// `Array::from_f32`, `Array::to_f32` and so on for one type of number.
macro_rules! conversions {
    ($number:ty, $dtype:expr, $from:ident, $to:ident) => {
        #[doc = concat!("An array of `", stringify!($number), "`, row-major.")]
        ///
        /// # Errors
        /// [`CheckpointError::WrongLength`] unless the product of `shape` is the number of values, and
        /// [`CheckpointError::TooLong`].
        pub fn $from(name: &str, shape: &[usize], values: &[$number]) -> Result<Self, CheckpointError> {
            let mut bytes = vec![0; size_of_val(values)];
            for (chunk, value) in bytes.chunks_exact_mut(size_of::<$number>()).zip(values) {
                chunk.copy_from_slice(&value.to_le_bytes());
            }
            Self::from_bytes(name, $dtype, shape, bytes)
        }

        #[doc = concat!("The values as `", stringify!($number), "`, row-major.")]
        ///
        /// # Errors
        /// [`CheckpointError::WrongDtype`] if the array holds another type.
        pub fn $to(&self) -> Result<Vec<$number>, CheckpointError> {
            let (numbers, _) = self.bytes_of($dtype)?.as_chunks();
            Ok(numbers.iter().map(|&b| <$number>::from_le_bytes(b)).collect())
        }
    };
}

impl Array {
    /// An array of values that are already little-endian bytes, row-major.
    ///
    /// # Errors
    /// [`CheckpointError::WrongLength`] unless the product of `shape` times the size of a number is the number of
    /// bytes, and [`CheckpointError::TooLong`].
    pub fn from_bytes(
        name: &str,
        dtype: Dtype,
        shape: &[usize],
        bytes: Vec<u8>,
    ) -> Result<Self, CheckpointError> {
        if name.len() > MAX_NAME || shape.len() > MAX_RANK {
            return Err(CheckpointError::TooLong(name.chars().take(40).collect()));
        }
        let length = shape.iter().try_fold(dtype.size(), |n, &d| n.checked_mul(d));
        if length != Some(bytes.len()) {
            return Err(CheckpointError::WrongLength {
                name: name.to_owned(),
                dtype,
                shape: shape.to_vec(),
                bytes: bytes.len(),
            });
        }
        Ok(Array { name: name.to_owned(), dtype, shape: shape.to_vec(), bytes })
    }

    conversions!(f32, Dtype::F32, from_f32, to_f32);
    conversions!(f64, Dtype::F64, from_f64, to_f64);
    conversions!(u32, Dtype::U32, from_u32, to_u32);
    conversions!(u64, Dtype::U64, from_u64, to_u64);

    /// An array of bytes.
    ///
    /// # Errors
    /// Those of [`from_bytes`](Self::from_bytes).
    pub fn from_u8(name: &str, shape: &[usize], values: &[u8]) -> Result<Self, CheckpointError> {
        Self::from_bytes(name, Dtype::U8, shape, values.to_vec())
    }

    /// The values of an array of bytes.
    ///
    /// # Errors
    /// [`CheckpointError::WrongDtype`] if the array holds another type.
    pub fn to_u8(&self) -> Result<&[u8], CheckpointError> {
        self.bytes_of(Dtype::U8)
    }

    /// The name, unique in its checkpoint.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type of the numbers.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// The sizes of the dimensions, the slowest first; empty for a single number.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The numbers as little-endian bytes, row-major.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// This array, if it has that shape.
    ///
    /// # Errors
    /// [`CheckpointError::WrongShape`].
    pub fn with_shape(&self, shape: &[usize]) -> Result<&Self, CheckpointError> {
        if self.shape == shape {
            return Ok(self);
        }
        Err(CheckpointError::WrongShape {
            name: self.name.clone(),
            found: self.shape.clone(),
            expected: shape.to_vec(),
        })
    }

    fn bytes_of(&self, expected: Dtype) -> Result<&[u8], CheckpointError> {
        if self.dtype == expected {
            return Ok(&self.bytes);
        }
        Err(CheckpointError::WrongDtype { name: self.name.clone(), found: self.dtype, expected })
    }
}
