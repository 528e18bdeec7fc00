//! The bytes of a checkpoint. The only file that knows bincode.
//!
//! ```text
//! offset  size
//!      0     8  magic "HORNPIPE"
//!      8     4  version of the format, u32
//!     12     8  length of the payload, u64
//!     20     4  CRC-32 (IEEE) of bytes 0 to 19 and the payload, u32
//!     24        payload: bincode of (config: str, arrays: [(name: str, dtype: u8, shape: [u64], bytes: [u8])])
//! ```
//!
//! Every integer is little-endian and of fixed width; bincode writes a length as u64. The header keeps this layout in
//! all versions, so that a newer file can be told from a damaged one: a CRC-32 notices every change within 32 adjacent bits.
//!
//! Reading takes the payload piece by piece and borrows from the input, so that a length is held against the bytes that are
//! really there before anything is allocated. Only a shape is allocated from its length alone, under bincode's limit.

use super::{Array, Checkpoint, CheckpointError, Dtype, MAX_NAME, MAX_RANK};
use bincode::config::{Configuration, Fixint, Limit, LittleEndian, NoLimit};
use bincode::{BorrowDecode, Encode};
use std::collections::BTreeSet;

/// The version of the format that this program writes; it reads this one and all before it.
pub const VERSION: u32 = 1;

/// How every checkpoint begins.
pub(super) const MAGIC: &[u8; 8] = b"HORNPIPE";
const CRC_AT: usize = 20;
const HEADER: usize = 24;

/// More than the head of an array can take: its name, its shape, two lengths and the type.
const HEAD_LIMIT: usize = 2 * (MAX_NAME + 8 * MAX_RANK + 17);

type Config<L> = Configuration<LittleEndian, Fixint, L>;

fn unlimited() -> Config<NoLimit> {
    bincode::config::legacy()
}

fn limited() -> Config<Limit<HEAD_LIMIT>> {
    bincode::config::legacy().with_limit()
}

/// What stands before an array's bytes.
#[derive(Encode, BorrowDecode)]
struct Head<'a> {
    name: &'a str,
    dtype: u8,
    shape: Vec<u64>,
}

impl Checkpoint {
    /// The bytes of a checkpoint file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let numbers: usize = self.arrays.iter().map(|a| a.bytes().len() + HEAD_LIMIT).sum();
        let mut out = Vec::with_capacity(HEADER + 16 + self.config.len() + numbers);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.resize(HEADER, 0);

        put(&mut out, &*self.config);
        put(&mut out, self.arrays.len() as u64);
        for array in &self.arrays {
            put(
                &mut out,
                Head {
                    name: array.name(),
                    dtype: array.dtype().code(),
                    shape: array.shape().iter().map(|&d| d as u64).collect(),
                },
            );
            put(&mut out, array.bytes());
        }

        seal(&mut out);
        out
    }

    /// The checkpoint that these bytes of a file hold. Uses no file, thread or clock, and allocates no more than a
    /// small multiple of what it is given.
    ///
    /// # Errors
    /// [`CheckpointError::NotACheckpoint`], [`CheckpointError::Newer`] or [`CheckpointError::Damaged`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let mut rest = payload(bytes)?;
        let config: &str = take(&mut rest, unlimited())?;
        let mut checkpoint = Checkpoint::new(config);
        let count: u64 = take(&mut rest, unlimited())?;
        // Not through `push`, whose search for duplicates takes quadratic time.
        let mut names = BTreeSet::new();
        for _ in 0..count {
            let head: Head<'_> = take(&mut rest, limited())?;
            if !names.insert(head.name) {
                return Err(damaged(format!("two arrays are named `{}`", head.name)));
            }
            let bytes: &[u8] = take(&mut rest, unlimited())?;
            let dtype = Dtype::from_code(head.dtype)
                .ok_or_else(|| damaged(format!("unknown type {}", head.dtype)))?;
            let shape: Vec<usize> = (head.shape.iter())
                .map(|&d| usize::try_from(d).map_err(damaged))
                .collect::<Result<_, _>>()?;
            let array = Array::from_bytes(head.name, dtype, &shape, bytes.to_vec());
            checkpoint.arrays.push(array.map_err(damaged)?);
        }
        if !rest.is_empty() {
            return Err(damaged(format!("{} bytes too many", rest.len())));
        }
        Ok(checkpoint)
    }
}

/// Appends the bincode of one value.
fn put(out: &mut Vec<u8>, value: impl Encode) {
    bincode::encode_into_std_write(value, out, unlimited())
        .expect("a Vec takes all bytes, and every value here can be encoded");
}

/// Takes one value off the front.
fn take<'a, T: BorrowDecode<'a, ()>>(
    rest: &mut &'a [u8],
    config: impl bincode::config::Config,
) -> Result<T, CheckpointError> {
    let (value, used) = bincode::borrow_decode_from_slice(rest, config).map_err(damaged)?;
    *rest = &rest[used..];
    Ok(value)
}

/// Writes the length and the checksum into the header of a complete file.
fn seal(file: &mut [u8]) {
    let length = (file.len() - HEADER) as u64;
    file[12..CRC_AT].copy_from_slice(&length.to_le_bytes());
    let crc = checksum(file);
    file[CRC_AT..HEADER].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(file: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&file[..CRC_AT]);
    hasher.update(&file[HEADER..]);
    hasher.finalize()
}

/// The payload of a file whose header, length and checksum are right.
fn payload(file: &[u8]) -> Result<&[u8], CheckpointError> {
    if !file.starts_with(MAGIC) {
        return Err(CheckpointError::NotACheckpoint);
    }
    let Some((header, payload)) = file.split_first_chunk::<HEADER>() else {
        return Err(damaged("it ends within its header"));
    };
    let [.., v0, v1, v2, v3, l0, l1, l2, l3, l4, l5, l6, l7, c0, c1, c2, c3] = *header;
    let version = u32::from_le_bytes([v0, v1, v2, v3]);
    let length = u64::from_le_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
    if length != payload.len() as u64 {
        return Err(damaged(format!("{length} bytes should follow its header, and {} do", payload.len())));
    }
    if u32::from_le_bytes([c0, c1, c2, c3]) != checksum(file) {
        return Err(damaged("its checksum is wrong"));
    }
    match version {
        VERSION => Ok(payload),
        0 => Err(damaged("its format has number 0")),
        found => Err(CheckpointError::Newer { found, known: VERSION }),
    }
}

fn damaged(why: impl ToString) -> CheckpointError {
    CheckpointError::Damaged(why.to_string())
}
