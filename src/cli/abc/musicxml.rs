//! `hornpipe abc musicxml`

use super::convert::Files;
use crate::abc;
use anyhow::Result;

/// Turn a tune into MusicXML 4.0, which MuseScore, Verovio and other notation programs open.
///
/// The music is written as it stands: keys, meters, notes, ties, tuplets, beams, repeats, endings, chord symbols.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    #[command(flatten)]
    files: Files,
}

pub fn run(args: &Args) -> Result<()> {
    args.files.convert("musicxml", |tune, _| Ok(abc::musicxml(tune).into_bytes()))
}
