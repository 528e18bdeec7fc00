//! What `hornpipe generate` makes of tunes.

use super::abc::convert::{self, Convert};
use super::output::{self, tell, thousands};
use crate::abc::{self, MidiOptions};
use anyhow::{Context, Result, bail};
use std::path::Path;

/// What generated tunes can become.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The text, as the model writes it.
    Abc,
    /// A MIDI file for each tune, with chord symbols as accompaniment.
    Midi,
    /// Sound for each tune, on plucked strings.
    Wav,
    /// MusicXML for each tune, for notation programs.
    #[value(name = "musicxml")]
    MusicXml,
    /// A piano roll of each tune.
    Svg,
    /// One page with all texts and pictures and a player; it needs nothing else.
    Html,
}

impl Format {
    /// Formats with a file for each tune need to know where to. To be asked before anything is generated.
    pub fn check_output(self, output: Option<&Path>, tunes: u32) -> Result<()> {
        if matches!(self, Format::Abc | Format::Html) {
            return Ok(());
        }
        match output {
            None => bail!(
                "this format needs -o: a file for one tune, a folder (NAME/) for several, or - for stdout"
            ),
            Some(path) if tunes > 1 && !convert::is_folder(path) => {
                bail!("{} tunes need a folder: -o {}/", thousands(tunes as usize), path.display())
            }
            Some(_) => Ok(()),
        }
    }

    /// Writes the tunes of a text in this format.
    pub fn write(self, output: Option<&Path>, text: &str) -> Result<()> {
        let tunes = abc::read(text);
        let (extension, mut convert): (_, Box<Convert<'_>>) = match self {
            Format::Abc => return output::print_or_write(output, text),
            Format::Html => return output::print_or_write(output, &page(text, &tunes)?),
            Format::Midi => ("mid", Box::new(|tune, time| Ok(abc::midi(tune, time, MidiOptions::default())))),
            Format::Wav => ("wav", Box::new(|_, time| Ok(abc::pluck(time, true)?.wav()))),
            Format::MusicXml => ("musicxml", Box::new(|tune, _| Ok(abc::musicxml(tune).into_bytes()))),
            Format::Svg => ("svg", Box::new(|tune, _| Ok(abc::roll(tune).into_bytes()))),
        };
        let output = output.context("there is nowhere to write to")?;
        match &tunes[..] {
            [] => bail!("the model wrote no tune; try another --seed, or a lower --temperature"),
            [tune] => convert::write_one(1, tune, output, extension, &mut *convert),
            tunes if !convert::is_folder(output) => {
                bail!("the text holds {} tunes, which need a folder: -o {}/", tunes.len(), output.display())
            }
            tunes => convert::write_all(tunes, output, extension, &mut *convert),
        }
    }
}

/// The page of all tunes that can be played.
fn page(text: &str, tunes: &[abc::Tune]) -> Result<String> {
    let mut played = Vec::new();
    for (at, tune) in tunes.iter().enumerate() {
        let end = tunes.get(at + 1).map_or(text.len(), |next| next.place.offset);
        match convert::timeline(tune) {
            Ok(timeline) => played.push((&text[tune.place.offset..end], tune, timeline)),
            Err(error) => tell!("left out tune {}: {error:#}", at + 1),
        }
    }
    if played.is_empty() {
        bail!("the model wrote no tune that can be played; try another --seed, or a lower --temperature");
    }
    let title = match &played[..] {
        [(_, tune, _)] if !tune.header.title().is_empty() => tune.header.title().to_string(),
        _ => "Tunes written by Hornpipe".to_string(),
    };
    Ok(abc::page(&title, played.iter().map(|(text, tune, timeline)| (*text, *tune, timeline))))
}
