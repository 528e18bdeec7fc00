//! `hornpipe abc`

mod check;
pub mod convert;
mod midi;
mod musicxml;
mod score;
mod wav;

use anyhow::Result;

/// Work with tunes in ABC notation.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Check(check::Args),
    Midi(midi::Args),
    #[command(name = "musicxml")]
    MusicXml(musicxml::Args),
    Wav(wav::Args),
    Score(score::Args),
}

pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Check(args) => check::run(args),
        Command::Midi(args) => midi::run(&args),
        Command::MusicXml(args) => musicxml::run(&args),
        Command::Wav(args) => wav::run(&args),
        Command::Score(args) => score::run(&args),
    }
}
