//! The only file of the corpus that opens files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::parse::decode;
use super::{Corpus, CorpusError, parse};

/// No file of tunes may have more bytes: a device such as `/dev/zero` never ends.
pub const READ_LIMIT: u64 = 256 << 20;

/// Reads all tunes of the given paths, in their order; [`texts`] says what a path may be.
///
/// # Errors
/// Where a path cannot be read, a folder has no such file, or [`parse`] refuses a file.
pub fn read(paths: &[PathBuf]) -> Result<Corpus, CorpusError> {
    let mut corpus = Corpus::default();
    for file in bytes(paths)? {
        let (name, bytes) = file?;
        corpus.tunes.extend(parse(&name, &bytes)?);
    }
    Ok(corpus)
}

/// The texts of all files of the given paths as they stand, in their order, each with its name.
///
/// A path is a file of any name, a folder (all files named `*.abc`, in capitals or not, at any depth;
/// at each depth sorted by name; links to folders are not followed), or `-` for standard input.
///
/// # Errors
/// Where a path cannot be read, a folder has no such file, or a file is empty or not UTF-8.
pub fn texts(paths: &[PathBuf]) -> Result<Vec<(String, String)>, CorpusError> {
    bytes(paths)?
        .map(|file| {
            let (name, bytes) = file?;
            let text = decode(&name, &bytes)?.to_string();
            Ok((name, text))
        })
        .collect()
}

/// The files of the given paths, read one by one.
fn bytes(
    paths: &[PathBuf],
) -> Result<impl Iterator<Item = Result<(String, Vec<u8>), CorpusError>>, CorpusError> {
    if paths.is_empty() {
        return Err(CorpusError::NoPaths);
    }
    let mut files = Vec::new();
    for path in paths {
        if path.as_os_str() != "-" && fs::metadata(path).map_err(unreadable(path))?.is_dir() {
            let before = files.len();
            collect(path, &mut files)?;
            if files.len() == before {
                return Err(CorpusError::NoAbcFiles { name: path.display().to_string() });
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files.into_iter().map(|path| read_file(&path, READ_LIMIT)))
}

/// The name and the bytes of a file, or of standard input for `-`, where there are no more than `limit`; of one that is longer, which
/// may be endless, no more is read.
///
/// # Errors
/// Where it cannot be read or is longer.
pub fn read_file(path: &Path, limit: u64) -> Result<(String, Vec<u8>), CorpusError> {
    let stdin = path.as_os_str() == "-";
    let path = if stdin { Path::new("standard input") } else { path };
    let mut bytes = Vec::new();
    let read = if stdin {
        io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
    };
    let name = path.display().to_string();
    match read {
        Err(cause) => Err(unreadable(path)(cause)),
        Ok(_) if bytes.len() as u64 > limit => Err(CorpusError::TooLong { name, limit }),
        Ok(_) => Ok((name, bytes)),
    }
}

/// Appends the ABC files below `folder` to `files`.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), CorpusError> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = entries.map_err(unreadable(folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        // The type of the entry itself, not of what a link points to: a loop of links cannot trap us.
        if entry.file_type().map_err(unreadable(&path))?.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("abc")) {
            files.push(path);
        }
    }
    Ok(())
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> CorpusError {
    move |cause| CorpusError::Unreadable { name: path.display().to_string(), cause }
}
