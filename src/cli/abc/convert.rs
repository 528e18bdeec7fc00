//! What the commands share that turn tunes into files of another kind.

use crate::abc::{Timeline, Tune, read};
use crate::cli::output::{self, tell, thousands};
use crate::cli::progress::Bar;
use crate::corpus::{self, CorpusError};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Which tunes, and where to.
#[derive(Debug, clap::Args)]
pub struct Files {
    /// An ABC file, or - for standard input.
    file: PathBuf,
    /// The N-th tune of the file, counted from 1 [default: the first, or all of them into a folder].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    tune: Option<u32>,
    /// Write here. A folder (one that exists, or a name that ends in /) takes a file for each tune; - is standard output.
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}

/// What turns a tune into the bytes of a file.
pub type Convert<'a> = dyn FnMut(&Tune, &Timeline) -> Result<Vec<u8>> + 'a;

impl Files {
    /// Converts the tunes; files in a folder are named by number and title and get this extension.
    ///
    /// A tune that cannot be converted is an error where it is the only one; among others it is told and passed over.
    pub fn convert(
        &self,
        extension: &str,
        mut convert: impl FnMut(&Tune, &Timeline) -> Result<Vec<u8>>,
    ) -> Result<()> {
        let tunes = self.tunes()?;
        if self.tune.is_none() && is_folder(&self.output) {
            return write_all(&tunes, &self.output, extension, &mut convert);
        }
        let n = self.tune.unwrap_or(1) as usize;
        if self.tune.is_none() && tunes.len() > 1 {
            let count = thousands(tunes.len());
            tell!("the first of {count} tunes; --tune N takes another one, a folder as -o takes all");
        }
        write_one(n, &tunes[n - 1], &self.output, extension, &mut convert)
    }

    /// Puts all tunes, or the one that is asked for, into what becomes one file.
    ///
    /// A tune that cannot be converted is told and passed over.
    #[cfg(feature = "score")]
    pub fn gather(&self, mut add: impl FnMut(&Tune) -> Result<()>) -> Result<()> {
        let tunes = self.tunes()?;
        let asked = self.tune.map_or(0..tunes.len(), |n| n as usize - 1..n as usize);
        let mut convert = |tune: &Tune, _: &Timeline| add(tune).map(|()| Vec::new());
        convert_each(asked.start + 1, &tunes[asked], &mut convert, |_, _, _| Ok(())).map(drop)
    }

    /// Writes the one file.
    #[cfg(feature = "score")]
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        write_bytes(&self.output, bytes)
    }

    /// Where results go.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// The tunes of the file: at least one, and the one that is asked for.
    fn tunes(&self) -> Result<Vec<Tune>> {
        let name = self.file.display();
        let (_, text) = corpus::texts(std::slice::from_ref(&self.file))?.remove(0);
        let tunes = read(&text);
        if tunes.is_empty() {
            return Err(CorpusError::NoTune { name: name.to_string(), lines: text.lines().count() }.into());
        }
        if let Some(n) = self.tune
            && n as usize > tunes.len()
        {
            bail!("{name} has {} tunes; there is no tune {n}", thousands(tunes.len()));
        }
        Ok(tunes)
    }
}

/// Whether results go into a folder: one that is there, or a name that ends in /.
pub fn is_folder(output: &Path) -> bool {
    output.is_dir() || output.as_os_str().to_string_lossy().ends_with('/')
}

/// Writes one tune, the n-th, to a file, into a folder, or with - to standard output.
pub fn write_one(
    n: usize,
    tune: &Tune,
    output: &Path,
    extension: &str,
    convert: &mut Convert<'_>,
) -> Result<()> {
    let bytes = one(tune, convert).with_context(|| described(n, tune))?;
    let mut path = output.to_path_buf();
    if is_folder(output) {
        make_folder(output)?;
        path.push(file_name(n, tune, extension));
    }
    write_bytes(&path, &bytes)
}

/// Writes a file, or with - to standard output.
fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    if path.as_os_str() == "-" {
        return output::print_bytes(bytes);
    }
    output::write(path, bytes)?;
    tell!("wrote {}", path.display());
    Ok(())
}

/// Writes each tune into a folder. Those that cannot be converted are told; it is an error if there are no others.
pub fn write_all(tunes: &[Tune], folder: &Path, extension: &str, convert: &mut Convert<'_>) -> Result<()> {
    make_folder(folder)?;
    let write = |n: usize, tune: &Tune, bytes: Vec<u8>| {
        output::write(&folder.join(file_name(n, tune, extension)), &bytes)
    };
    let written = convert_each(1, tunes, convert, write)?;
    tell!("wrote {} files to {}", thousands(written), folder.display());
    Ok(())
}

/// Converts tunes, counted from the first, and says how many there were that could be.
fn convert_each(
    first: usize,
    tunes: &[Tune],
    convert: &mut Convert<'_>,
    mut write: impl FnMut(usize, &Tune, Vec<u8>) -> Result<()>,
) -> Result<usize> {
    let (bar, began) = (Bar::percent("converting"), Instant::now());
    let mut written = 0;
    for (n, tune) in (first..).zip(tunes) {
        match one(tune, convert) {
            Ok(bytes) => {
                write(n, tune, bytes)?;
                written += 1;
            }
            Err(error) => bar.line(&format!("left out {}: {error:#}", described(n, tune))),
        }
        if began.elapsed().as_secs_f64() > 2.0 {
            bar.set((n + 1 - first) as f64 / tunes.len() as f64);
        }
    }
    bar.clear();
    if written == 0 {
        bail!("none of the tunes could be converted");
    }
    Ok(written)
}

fn one(tune: &Tune, convert: &mut Convert<'_>) -> Result<Vec<u8>> {
    let timeline = timeline(tune)?;
    if !tune.is_readable() {
        tell!(
            "some of {:?} cannot be read and is left out; hornpipe abc check says what",
            tune.header.title()
        );
    }
    convert(tune, &timeline)
}

/// A tune played out, if there is something to play.
pub fn timeline(tune: &Tune) -> Result<Timeline> {
    if tune.notes().next().is_none() {
        bail!("it has no notes");
    }
    Ok(Timeline::new(tune)?)
}

fn make_folder(path: &Path) -> Result<()> {
    fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display()))
}

fn described(n: usize, tune: &Tune) -> String {
    format!("tune {n}, {:?}", tune.header.title())
}

/// `0042-the-night-train.mid`
fn file_name(n: usize, tune: &Tune, extension: &str) -> String {
    let mut slug = String::new();
    for c in tune.header.title().chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => slug.push(c),
            '\'' => {}
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(60);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { format!("{n:04}.{extension}") } else { format!("{n:04}-{slug}.{extension}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_number_and_title() {
        let name = |title: &str| file_name(7, &read(&format!("X:1\nT:{title}\nK:C\nA\n"))[0], "mid");
        assert_eq!(name("The Piper's Hut, No. 2!"), "0007-the-pipers-hut-no-2.mid");
        assert_eq!(name("../../etc/passwd"), "0007-etc-passwd.mid");
        assert_eq!(name("É"), "0007.mid");
        assert!(name(&"long ".repeat(100)).len() < 80);
    }
}
