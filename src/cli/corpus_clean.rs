//! `hornpipe corpus clean`

use super::output::{self, thousands};
use crate::corpus::clean::{Cleaning, Finding, Kind, clean};
use crate::corpus::{self, CorpusError};
use anyhow::{Result, bail};
use clap::ValueEnum;
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Find what is wrong with a collection of tunes, and write it without that.
///
/// Looks for HTML, tunes without X:, words between tunes, tunes that cannot be read, bars of the wrong length, repeats that do not close, and
/// tunes with the notes of an earlier one, in whatever key. Each is told with file, line and a sentence. With -o what is left is
/// written: HTML and words taken out, numbers put in, the other tunes left out. The files themselves are never changed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// ABC files, folders of them, or - for standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Write the cleaned tunes here: to another file than those that are read.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Keep tunes with such faults; may be given several times.
    #[arg(long, value_enum, value_name = "KIND")]
    keep: Vec<Keep>,
    /// One line of JSON: the summary and every finding.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Keep {
    /// Bars of the wrong length.
    Bars,
    /// Repeats and endings that do not close.
    Repeats,
    /// Notes of an earlier tune.
    Duplicates,
}

#[derive(Serialize)]
struct Json<'a> {
    summary: Summary,
    findings: &'a [Finding],
}

/// Tunes, but for HTML and words, which are lines.
#[derive(Serialize)]
struct Summary {
    tunes: usize,
    kept: usize,
    html_lines: usize,
    without_number: usize,
    word_lines: usize,
    broken: usize,
    wrong_bars: usize,
    unbalanced_repeats: usize,
    duplicates: usize,
}

pub fn run(args: Args) -> Result<()> {
    let files = corpus::texts(&args.files)?;
    if let Some(output) = &args.output
        && let Some((name, _)) = files.iter().find(|(name, _)| is_same(output, Path::new(name)))
    {
        bail!("{} is read here, and -o would overwrite it; name another file", name);
    }
    let keep: Vec<Kind> = (args.keep.iter())
        .map(|keep| match keep {
            Keep::Bars => Kind::Bars,
            Keep::Repeats => Kind::Repeats,
            Keep::Duplicates => Kind::Duplicate,
        })
        .collect();
    let cleaning = clean(&files, &keep);
    if cleaning.tunes == 0 {
        let name = files.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        let lines = files.iter().map(|(_, text)| text.lines().count()).sum();
        return Err(CorpusError::NoTune { name, lines }.into());
    }
    if args.json {
        output::print_json(&Json { summary: summary(&cleaning), findings: &cleaning.findings })?;
    } else {
        output::print(&text(&cleaning))?;
    }
    match &args.output {
        None => Ok(()),
        Some(path) if cleaning.kept.is_empty() => {
            bail!("no tune is left, so {} is not written; see --keep", path.display())
        }
        Some(path) => {
            let text: String = cleaning.kept.iter().map(|tune| tune.text.as_str()).collect();
            output::print_or_write(Some(path), &text)
        }
    }
}

/// Whether two names stand for one file.
fn is_same(one: &Path, other: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if let (Ok(one), Ok(other)) = (one.metadata(), other.metadata()) {
            return (one.dev(), one.ino()) == (other.dev(), other.ino());
        }
    }
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn summary(cleaning: &Cleaning) -> Summary {
    let [html_lines, without_number, word_lines, broken, wrong_bars, unbalanced_repeats, duplicates] =
        cleaning.counts;
    Summary {
        tunes: cleaning.tunes,
        kept: cleaning.kept.len(),
        html_lines,
        without_number,
        word_lines,
        broken,
        wrong_bars,
        unbalanced_repeats,
        duplicates,
    }
}

fn text(cleaning: &Cleaning) -> String {
    let mut text = String::new();
    for Finding { file, line, message, .. } in &cleaning.findings {
        let _ = writeln!(text, "{file}:{line}: {message}");
    }
    let s = summary(cleaning);
    for (name, count, what) in [
        ("tunes", s.tunes, "found"),
        ("HTML", s.html_lines, "lines"),
        ("words", s.word_lines, "lines between tunes"),
        ("without X:", s.without_number, "tunes"),
        ("broken", s.broken, "tunes that cannot be read, or have no notes"),
        ("wrong bars", s.wrong_bars, "tunes"),
        ("repeats", s.unbalanced_repeats, "tunes whose repeats or endings do not close"),
        ("duplicates", s.duplicates, "tunes with the notes of an earlier one, in whatever key"),
        ("left", s.kept, "tunes"),
    ] {
        let _ = writeln!(text, "{name:<12}{:>7}   {what}", thousands(count));
    }
    text
}
