//! `hornpipe completions`

use super::output;
use anyhow::Result;
use clap_complete::Shell;

/// Print a completion script for a shell.
///
/// For bash: `hornpipe completions bash > ~/.local/share/bash-completion/completions/hornpipe`
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which shell.
    shell: Shell,
}

pub fn run(args: &Args, mut command: clap::Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "hornpipe", &mut script);
    output::print(&String::from_utf8(script)?)
}
