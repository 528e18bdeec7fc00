//! `hornpipe abc score`

#[cfg(feature = "score")]
mod engraved;

use super::convert::Files;
use crate::abc;
#[cfg(not(feature = "score"))]
use crate::cli::output::tell;
use anyhow::{Result, bail};

/// Draw a tune.
///
/// In a build with the cargo feature `score` this is notation: OUT ends in .svg, .png or .pdf. All tunes of a file become one PDF, as a
/// book on A4; SVG and PNG hold one tune. Other builds draw a piano roll as SVG, as --roll does: time to the right, pitch up, with bar
/// lines, beats, chord names, repeats and endings.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    #[command(flatten)]
    files: Files,
    #[cfg(feature = "score")]
    #[command(flatten)]
    engraved: engraved::Args,
}

/// What it takes to get notation.
#[cfg(not(feature = "score"))]
const WITHOUT: &str = "for notation build it with `cargo build --release --features score` (needs a C++ compiler and some minutes), or open \
    what hornpipe abc musicxml writes in MuseScore";

pub fn run(args: &Args) -> Result<()> {
    #[cfg(feature = "score")]
    if !args.engraved.roll() {
        return args.engraved.run(&args.files);
    }
    if let Some(extension) = extension(&args.files).filter(|e| e == "png" || e == "pdf") {
        #[cfg(feature = "score")]
        bail!("a piano roll is drawn as .svg, not as .{extension}");
        #[cfg(not(feature = "score"))]
        bail!("this build draws piano rolls as .svg, not .{extension}; {WITHOUT}");
    }
    args.files.convert("svg", |tune, _| Ok(abc::roll(tune).into_bytes()))?;
    #[cfg(not(feature = "score"))]
    tell!("a piano roll; {WITHOUT}");
    Ok(())
}

/// What the name of the file ends in, if it is a file and has an ending.
fn extension(files: &Files) -> Option<String> {
    let output = files.output();
    if super::convert::is_folder(output) {
        return None;
    }
    output.extension().map(|extension| extension.to_string_lossy().to_lowercase())
}
