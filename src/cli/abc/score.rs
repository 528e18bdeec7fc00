//! `hornpipe abc score`

use super::convert::Files;
use crate::abc;
use crate::cli::output::tell;
use anyhow::Result;

/// Draw a tune.
///
/// This build draws a piano roll as SVG: time to the right, pitch up, with bar lines, beats, chord names, repeats and endings.
/// For a score, open what `hornpipe abc musicxml` writes in a notation program such as MuseScore.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    #[command(flatten)]
    files: Files,
}

pub fn run(args: &Args) -> Result<()> {
    args.files.convert("svg", |tune, _| Ok(abc::roll(tune).into_bytes()))?;
    tell!("a piano roll; for a score, open the output of hornpipe abc musicxml in MuseScore");
    Ok(())
}
