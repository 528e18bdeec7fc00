//! `hornpipe abc`

mod check;
mod convert;
mod midi;

use anyhow::Result;

/// Work with tunes in ABC notation.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    Check(check::Args),
    Midi(midi::Args),
}

pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Check(args) => check::run(args),
        Command::Midi(args) => midi::run(&args),
    }
}
