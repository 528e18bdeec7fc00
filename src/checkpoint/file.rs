//! Checkpoints as files. A reader finds the old file or the new one, whole, whenever the machine stops.

use super::format::MAGIC;
use super::{Checkpoint, CheckpointError};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

impl Checkpoint {
    /// Writes the checkpoint in place of whatever file stands at `path`, through [`write_atomically`].
    ///
    /// # Errors
    /// [`CheckpointError::Write`]; nothing half-written is left, there or beside it.
    pub fn save(&self, path: &Path) -> Result<(), CheckpointError> {
        write_atomically(path, &self.to_bytes())
            .map_err(|cause| CheckpointError::Write { path: path.to_owned(), cause })
    }

    /// Reads the checkpoint at `path`.
    ///
    /// # Errors
    /// [`CheckpointError::Read`], or [`CheckpointError::Refused`] with the reason that
    /// [`from_bytes`](Self::from_bytes) gave.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = read(path).map_err(|cause| CheckpointError::Read { path: path.to_owned(), cause })?;
        Self::from_bytes(&bytes)
            .map_err(|cause| CheckpointError::Refused { path: path.to_owned(), cause: Box::new(cause) })
    }
}

/// All bytes of a file that begins as a checkpoint does; of another, which may be endless, only the first few.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut bytes = Vec::new();
    (&mut file).take(MAGIC.len() as u64).read_to_end(&mut bytes)?;
    if bytes == MAGIC {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Makes `path` hold exactly `bytes`, or leaves it as it was: the bytes are written to a new file in the same directory, synced,
/// and renamed; then the directory is synced.
///
/// # Errors
/// What the system says, and `InvalidInput` if something other than a file stands at `path`: renaming would put a file
/// in place of, say, `/dev/null`.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomically_with(path, |file| file.write_all(bytes))
}

/// As [`write_atomically`], of what `write` writes into the new file.
///
/// # Errors
/// Those of [`write_atomically`] and of `write`; then `path` is as it was.
pub fn write_atomically_with<E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<(), E>,
) -> Result<(), E> {
    if fs::metadata(path).is_ok_and(|m| !m.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file").into());
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let (temporary, mut file) = create_beside(directory)?;
    let written = write(&mut file).and_then(|()| Ok(file.sync_all()?));
    // Closed before it is renamed or removed, as some systems demand.
    drop(file);
    if let Err(error) = written.and_then(|()| Ok(fs::rename(&temporary, path)?)) {
        // The first error is the one worth reporting.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    Ok(sync_directory(directory)?)
}

/// A new file in the directory. Its name does not depend on the target's, which may be as long as names can be; the process
/// number keeps two runs apart, and the counter steps over what a killed run left behind.
fn create_beside(directory: &Path) -> io::Result<(PathBuf, File)> {
    let process = std::process::id();
    let mut number = 0u32;
    loop {
        let path = directory.join(format!(".hornpipe-{process}-{number}.tmp"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && number < 1000 => number += 1,
            Err(e) => return Err(e),
        }
    }
}

/// Makes the rename last through a power cut, where the system can do that.
fn sync_directory(directory: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    match File::open(directory).and_then(|d| d.sync_all()) {
        // A directory may be writable but not readable, and some network file systems cannot sync one.
        Err(e) if matches!(e.kind(), InvalidInput | PermissionDenied | Unsupported) => Ok(()),
        other => other,
    }
}
