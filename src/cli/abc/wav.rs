//! `hornpipe abc wav`

use super::convert::Files;
use crate::abc::{self, MidiOptions, RATE, Stereo, Timeline, Tune};
use anyhow::{Context, Result, bail};
use rustysynth_ext::{MidiFile, MidiFileSequencer, SoundFont, Synthesizer, SynthesizerSettings};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Turn a tune into sound: a WAV file, 16 bits, stereo.
///
/// Plucked strings by default, which need nothing else. A SoundFont (.sf2) brings other instruments.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    #[command(flatten)]
    files: Files,
    /// Play with the instruments of this SoundFont file (.sf2).
    #[arg(long, value_name = "FILE")]
    soundfont: Option<PathBuf>,
    /// General MIDI's instrument of the melody, of the SoundFont: 40 violin, 73 flute, 21 accordion, …
    #[arg(long, value_name = "N", default_value_t = 40, requires = "soundfont", value_parser = clap::value_parser!(u8).range(0..128))]
    program: u8,
    /// The melody alone.
    #[arg(long)]
    no_chords: bool,
}

pub fn run(args: &Args) -> Result<()> {
    let font = args.soundfont.as_deref().map(load).transpose()?;
    let options = MidiOptions { program: args.program, chords: !args.no_chords };
    args.files.convert("wav", |tune, timeline| match &font {
        None => Ok(abc::pluck(timeline, options.chords)?.wav()),
        Some(font) => Ok(with_font(font, tune, timeline, options)?.wav()),
    })
}

fn load(path: &Path) -> Result<Arc<SoundFont>> {
    // Reading a device or a pipe may never end.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        bail!("cannot read {}: it is not a regular file", path.display());
    }
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let font = SoundFont::new(&mut bytes.as_slice())
        .with_context(|| format!("{} is no SoundFont that can be used; give a .sf2 file", path.display()))?;
    Ok(Arc::new(font))
}

fn with_font(
    font: &Arc<SoundFont>,
    tune: &Tune,
    timeline: &Timeline,
    options: MidiOptions,
) -> Result<Stereo> {
    let samples = abc::samples(timeline)?;
    let midi = abc::midi(tune, timeline, options);
    let file = Arc::new(MidiFile::new(&mut midi.as_slice()).context("the tune as MIDI cannot be played")?);
    let synthesizer = Synthesizer::new(font, &SynthesizerSettings::new(RATE as i32))?;
    let mut sequencer = MidiFileSequencer::new(synthesizer);
    sequencer.play(&file, false);
    let mut sound = Stereo { left: vec![0.0; samples], right: vec![0.0; samples] };
    sequencer.render(&mut sound.left, &mut sound.right);
    fade_out(&mut sound);
    Ok(sound)
}

/// The end of the file cuts through whatever still sounds: the last fifth of a second fades.
fn fade_out(sound: &mut Stereo) {
    let fade = (RATE as usize / 5).min(sound.left.len());
    for channel in [&mut sound.left, &mut sound.right] {
        let from = channel.len() - fade;
        for (n, x) in channel[from..].iter_mut().enumerate() {
            *x *= 1.0 - (n + 1) as f32 / fade as f32;
        }
    }
}
