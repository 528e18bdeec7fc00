//! NumPy's `.npz`: a ZIP archive of `.npy` arrays, written side by side.
//!
//! An array is written as its numbers come, a few of each array in turn, so all shapes must be known beforehand: then every place in
//! the file is known too, and nothing needs to be kept but the checksums. The archive is stored, not compressed, as `numpy.savez` does it,
//! and in the 64-bit format throughout, since gates and states of a long text pass four gigabytes soon.
//!
//! ```text
//! for each array   local header · .npy header · numbers
//! at the end       central directory · its own end, in 64 and in 32 bits
//! ```
//!
//! Formats: PKWARE's APPNOTE 6.3, sections 4.3 and 4.5.3; NumPy's `numpy.lib.format`, version 1.0.

use std::io::{self, Seek, SeekFrom, Write};

/// The type of an array's numbers, all little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// `<u4`
    U32,
    /// `<f4`
    F32,
    /// `<f8`
    F64,
    /// `|b1`
    Bool,
}

impl Dtype {
    /// As NumPy writes it.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::U32 => "<u4",
            Dtype::F32 => "<f4",
            Dtype::F64 => "<f8",
            Dtype::Bool => "|b1",
        }
    }

    fn size(self) -> u64 {
        match self {
            Dtype::U32 | Dtype::F32 => 4,
            Dtype::F64 => 8,
            Dtype::Bool => 1,
        }
    }
}

/// An array that is to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArraySpec {
    /// Its name in the archive, without `.npy`; ASCII.
    pub name: String,
    /// The type of its numbers.
    pub dtype: Dtype,
    /// Row-major.
    pub shape: Vec<usize>,
}

impl ArraySpec {
    /// The bytes of its numbers.
    pub fn bytes(&self) -> u64 {
        self.shape.iter().map(|&n| n as u64).product::<u64>() * self.dtype.size()
    }

    /// The header of the `.npy`, padded so that the numbers begin at a multiple of 64 bytes within it.
    fn header(&self) -> Vec<u8> {
        let shape: String = self.shape.iter().map(|n| format!("{n},")).collect();
        let name = self.dtype.name();
        let mut text = format!("{{'descr': '{name}', 'fortran_order': False, 'shape': ({shape}), }}");
        let before = 10;
        let padded = (before + text.len() + 1).next_multiple_of(64) - before;
        text = format!("{text:<width$}\n", width = padded - 1);
        let mut header = b"\x93NUMPY\x01\x00".to_vec();
        header.extend((text.len() as u16).to_le_bytes());
        header.extend(text.as_bytes());
        header
    }

    fn file_name(&self) -> Vec<u8> {
        format!("{}.npy", self.name).into_bytes()
    }
}

/// Bytes that wait to be written to one array.
const WAITING: usize = 1 << 16;

/// Where one array stands.
struct Entry {
    spec: ArraySpec,
    /// Of its local header.
    offset: u64,
    /// Of the next number.
    at: u64,
    end: u64,
    crc: crc32fast::Hasher,
    waiting: Vec<u8>,
}

/// An archive under way.
pub struct NpzWriter<W> {
    out: W,
    entries: Vec<Entry>,
    end: u64,
}

/// Version 4.5 of the format, the first with 64 bits.
const VERSION: u16 = 45;
/// The first day that its calendar has: the same arrays make the same bytes.
const DATE: u16 = (1 << 5) | 1;

impl<W: Write + Seek> NpzWriter<W> {
    /// Begins an archive of these arrays at the beginning of `out`.
    ///
    /// # Errors
    /// What `out` says.
    pub fn new(mut out: W, arrays: Vec<ArraySpec>) -> io::Result<Self> {
        let mut end = 0;
        let mut entries = Vec::with_capacity(arrays.len());
        for spec in arrays {
            let header = spec.header();
            let at = end + local_header(&spec, 0).len() as u64 + header.len() as u64;
            let mut crc = crc32fast::Hasher::new();
            crc.update(&header);
            out.seek(SeekFrom::Start(at - header.len() as u64))?;
            out.write_all(&header)?;
            let offset = std::mem::replace(&mut end, at + spec.bytes());
            entries.push(Entry { spec, offset, at, end, crc, waiting: Vec::with_capacity(WAITING) });
        }
        Ok(NpzWriter { out, entries, end })
    }

    /// Writes the next bytes of array `array`.
    ///
    /// # Errors
    /// What the file says, and `InvalidInput` for more bytes than the array's shape has.
    pub fn write(&mut self, array: usize, bytes: &[u8]) -> io::Result<()> {
        let entry = &mut self.entries[array];
        if (entry.waiting.len() + bytes.len()) as u64 > entry.end - entry.at {
            let error = format!("the array `{}` has no room for so many numbers", entry.spec.name);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
        entry.waiting.extend_from_slice(bytes);
        if entry.waiting.len() >= WAITING { self.flush(array) } else { Ok(()) }
    }

    /// Writes the next numbers of an array of f32.
    ///
    /// # Errors
    /// As [`NpzWriter::write`].
    pub fn write_f32(&mut self, array: usize, values: &[f32]) -> io::Result<()> {
        let mut bytes = [0; 1024];
        for values in values.chunks(256) {
            for (to, value) in bytes.chunks_exact_mut(4).zip(values) {
                to.copy_from_slice(&value.to_le_bytes());
            }
            self.write(array, &bytes[..4 * values.len()])?;
        }
        Ok(())
    }

    fn flush(&mut self, array: usize) -> io::Result<()> {
        let entry = &mut self.entries[array];
        self.out.seek(SeekFrom::Start(entry.at))?;
        self.out.write_all(&entry.waiting)?;
        entry.crc.update(&entry.waiting);
        entry.at += entry.waiting.len() as u64;
        entry.waiting.clear();
        Ok(())
    }

    /// Ends the archive, and gives back what it was written to.
    ///
    /// # Errors
    /// What the file says, and `InvalidInput` where an array is not full.
    pub fn finish(mut self) -> io::Result<W> {
        let mut directory = Vec::new();
        for array in 0..self.entries.len() {
            self.flush(array)?;
            let Entry { spec, offset, at, end, crc, .. } = &self.entries[array];
            if at < end {
                let error = format!("the array `{}` lacks {} bytes", spec.name, end - at);
                return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
            }
            let crc = crc.clone().finalize();
            self.out.seek(SeekFrom::Start(*offset))?;
            self.out.write_all(&local_header(spec, crc))?;
            directory.extend(central_header(spec, crc, *offset));
        }
        self.out.seek(SeekFrom::Start(self.end))?;
        self.out.write_all(&directory)?;
        self.out.write_all(&ending(self.entries.len() as u64, directory.len() as u64, self.end))?;
        self.out.flush()?;
        Ok(self.out)
    }
}

/// Puts numbers of fixed width together.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    fn u16(mut self, values: &[u16]) -> Self {
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self
    }

    fn u32(mut self, values: &[u32]) -> Self {
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self
    }

    fn u64(mut self, values: &[u64]) -> Self {
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self
    }
}

/// In the place of a number that stands elsewhere in 64 bits.
const ELSEWHERE: u32 = u32::MAX;

fn size(spec: &ArraySpec) -> u64 {
    spec.header().len() as u64 + spec.bytes()
}

fn local_header(spec: &ArraySpec, crc: u32) -> Vec<u8> {
    let (name, size) = (spec.file_name(), size(spec));
    let mut bytes = Bytes::default()
        .u32(&[0x0403_4b50])
        // Version, flags, method (stored), time, date.
        .u16(&[VERSION, 0, 0, 0, DATE])
        .u32(&[crc, ELSEWHERE, ELSEWHERE])
        .u16(&[name.len() as u16, 20]);
    bytes.0.extend(name);
    bytes.u16(&[1, 16]).u64(&[size, size]).0
}

fn central_header(spec: &ArraySpec, crc: u32, offset: u64) -> Vec<u8> {
    let (name, size) = (spec.file_name(), size(spec));
    let mut bytes = Bytes::default()
        .u32(&[0x0201_4b50])
        // Written by and for this version; flags, method, time, date.
        .u16(&[VERSION, VERSION, 0, 0, 0, DATE])
        .u32(&[crc, ELSEWHERE, ELSEWHERE])
        // Lengths of name, extra field and comment; disk, attributes.
        .u16(&[name.len() as u16, 28, 0, 0, 0])
        .u32(&[0, ELSEWHERE]);
    bytes.0.extend(name);
    bytes.u16(&[1, 24]).u64(&[size, size, offset]).0
}

fn ending(entries: u64, directory: u64, offset: u64) -> Vec<u8> {
    Bytes::default()
        // The end in 64 bits: its own length after this, versions, disks, entries, length and place of the directory.
        .u32(&[0x0606_4b50])
        .u64(&[44])
        .u16(&[VERSION, VERSION])
        .u32(&[0, 0])
        .u64(&[entries, entries, directory, offset])
        // Where that stands.
        .u32(&[0x0706_4b50, 0])
        .u64(&[offset + directory])
        .u32(&[1])
        // The end in 32 bits.
        .u32(&[0x0605_4b50])
        .u16(&[0, 0, u16::MAX, u16::MAX])
        .u32(&[ELSEWHERE, ELSEWHERE])
        .u16(&[0])
        .0
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array1, Array2, Array3};
    use ndarray_npy::NpzReader;
    use std::io::Cursor;

    fn spec(name: &str, dtype: Dtype, shape: &[usize]) -> ArraySpec {
        ArraySpec { name: name.to_string(), dtype, shape: shape.to_vec() }
    }

    #[test]
    fn another_reader_finds_the_same_arrays() {
        let arrays = vec![
            spec("a", Dtype::F32, &[300, 100]),
            spec("much longer_l0", Dtype::U32, &[3]),
            spec("b", Dtype::F64, &[2, 1, 2]),
            spec("flags", Dtype::Bool, &[4]),
            spec("empty", Dtype::F32, &[0, 7]),
        ];
        let mut writer = NpzWriter::new(Cursor::new(Vec::new()), arrays).unwrap();
        // Rows in turn, more of them than wait at once.
        for row in 0..300 {
            let values: Vec<f32> = (0..100).map(|k| (row * 100 + k) as f32 - 0.5).collect();
            writer.write_f32(0, &values).unwrap();
            if row % 100 == 0 {
                writer.write(1, &(row as u32 + 7).to_le_bytes()).unwrap();
            }
        }
        for value in [1.5f64, -2.0, f64::MIN_POSITIVE, 1e300] {
            writer.write(2, &value.to_le_bytes()).unwrap();
        }
        writer.write(3, &[1, 0, 0, 1]).unwrap();
        let mut bytes = writer.finish().unwrap();
        bytes.set_position(0);
        let mut reader = NpzReader::new(bytes).unwrap();
        let names = ["a", "much longer_l0", "b", "flags", "empty"];
        assert_eq!(reader.names().unwrap(), names);
        let a: Array2<f32> = reader.by_name("a").unwrap();
        assert_eq!(a, Array2::from_shape_fn((300, 100), |(r, k)| (r * 100 + k) as f32 - 0.5));
        let long: Array1<u32> = reader.by_name("much longer_l0").unwrap();
        assert_eq!(long.to_vec(), [7, 107, 207]);
        let b: Array3<f64> = reader.by_name("b").unwrap();
        assert_eq!(b.iter().copied().collect::<Vec<_>>(), [1.5, -2.0, f64::MIN_POSITIVE, 1e300]);
        let flags: Array1<bool> = reader.by_name("flags").unwrap();
        assert_eq!(flags.to_vec(), [true, false, false, true]);
        let empty: Array2<f32> = reader.by_name("empty").unwrap();
        assert_eq!(empty.dim(), (0, 7));
    }

    #[test]
    fn an_array_is_exactly_as_long_as_its_shape() {
        let begin = || NpzWriter::new(Cursor::new(Vec::new()), vec![spec("a", Dtype::F32, &[2])]).unwrap();
        let mut writer = begin();
        writer.write_f32(0, &[1.0]).unwrap();
        assert!(writer.write_f32(0, &[2.0, 3.0]).unwrap_err().to_string().contains("`a` has no room"));
        let error = writer.finish().err().unwrap();
        assert!(error.to_string().contains("`a` lacks 4 bytes"), "{error}");
        assert!(begin().finish().is_err());
    }

    /// The numbers of an array past four gigabytes are where its headers say, without four gigabytes being written.
    #[test]
    fn places_past_32_bits_stand_in_the_headers() {
        let large = spec("large", Dtype::F64, &[1 << 30, 3]);
        assert_eq!(size(&large), 3 * (1 << 33) + 128);
        let header = central_header(&large, 5, 1 << 40);
        let end = header.len();
        assert_eq!(header[end - 8..], (1u64 << 40).to_le_bytes());
        assert_eq!(header[end - 16..end - 8], size(&large).to_le_bytes());
        assert_eq!(local_header(&large, 5).len(), 30 + "large.npy".len() + 20);
    }
}
