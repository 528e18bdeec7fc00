//! The only file of the corpus that opens files.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Corpus, CorpusError, parse};

/// Reads all tunes of the given paths, in their order.
///
/// A path is a file of any name, a folder (all files named `*.abc`, in capitals or not, at any depth;
/// at each depth sorted by name; links to folders are not followed), or `-` for standard input.
///
/// # Errors
/// Where a path cannot be read, a folder has no such file, or [`parse`] refuses a file.
pub fn read(paths: &[PathBuf]) -> Result<Corpus, CorpusError> {
    if paths.is_empty() {
        return Err(CorpusError::NoPaths);
    }
    let mut corpus = Corpus::default();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            let name = "standard input";
            io::stdin().lock().read_to_end(&mut bytes).map_err(unreadable(Path::new(name)))?;
            corpus.tunes.extend(parse(name, &bytes)?);
            continue;
        }
        let mut files = Vec::new();
        if fs::metadata(path).map_err(unreadable(path))?.is_dir() {
            collect(path, &mut files)?;
            if files.is_empty() {
                return Err(CorpusError::NoAbcFiles { name: path.display().to_string() });
            }
        } else {
            files.push(path.clone());
        }
        for file in files {
            let bytes = fs::read(&file).map_err(unreadable(&file))?;
            corpus.tunes.extend(parse(&file.display().to_string(), &bytes)?);
        }
    }
    Ok(corpus)
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
