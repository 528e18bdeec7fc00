//! `hornpipe abc midi`

use super::convert::Files;
use crate::abc::{self, MidiOptions};
use anyhow::Result;

/// Turn a tune into a MIDI file.
///
/// Repeats, endings and parts are played out; chord symbols become bass and chords by the meter. The tempo is that of Q:,
/// else the usual one of the dance that R: names, else of the meter.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    #[command(flatten)]
    files: Files,
    /// General MIDI's instrument of the melody: 40 violin, 73 flute, 21 accordion, 0 piano, …
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u8).range(0..128))]
    program: u8,
    /// The melody alone.
    #[arg(long)]
    no_chords: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let options = MidiOptions { program: args.program, chords: !args.no_chords };
    args.files.convert("mid", |tune, timeline| Ok(abc::midi(tune, timeline, options)))
}
