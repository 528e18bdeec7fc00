//! Notation, for `hornpipe abc score`.

use super::super::convert::{Files, is_folder};
use super::extension;
use crate::abc::score::{Book, Engraver};
use crate::cli::output::{tell, thousands};
use anyhow::{Result, bail};

/// What the feature adds to the command.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files of this kind into a folder or to standard output; else OUT's ending says it [default: svg].
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    /// A piano roll, as SVG.
    #[arg(long, conflicts_with = "format")]
    roll: bool,
}

/// What notation is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Svg,
    Png,
    Pdf,
}

impl Args {
    /// Whether a piano roll is asked for.
    pub fn roll(&self) -> bool {
        self.roll
    }

    /// Draws the tunes.
    pub fn run(&self, files: &Files) -> Result<()> {
        let format = self.format(files)?;
        let mut engraver = Engraver::new()?;
        if format == Format::Pdf && !is_folder(files.output()) {
            let mut book = Book::new();
            files.gather(|tune| Ok(book.add(&mut engraver, tune)?))?;
            files.write(&book.pdf()?)?;
            if book.pages().len() > 1 {
                tell!("{} pages", thousands(book.pages().len()));
            }
            return Ok(());
        }
        files.convert(format.extension(), |tune, _| match format {
            Format::Svg => Ok(engraver.page(tune)?.svg().into_bytes()),
            Format::Png => Ok(engraver.page(tune)?.png()?),
            Format::Pdf => {
                let mut book = Book::new();
                book.add(&mut engraver, tune)?;
                Ok(book.pdf()?)
            }
        })
    }

    fn format(&self, files: &Files) -> Result<Format> {
        let output = files.output();
        let to_file = output.as_os_str() != "-" && !is_folder(output);
        let named = match extension(files).as_deref() {
            Some("svg") => Some(Format::Svg),
            Some("png") => Some(Format::Png),
            Some("pdf") => Some(Format::Pdf),
            _ => None,
        };
        match (self.format, named) {
            (Some(format), Some(named)) if format != named => {
                bail!("{} is to be .{}, says --format", output.display(), format.extension())
            }
            (None, None) if to_file => {
                bail!("{} ends in none of .svg, .png and .pdf", output.display())
            }
            (format, named) => Ok(format.or(named).unwrap_or(Format::Svg)),
        }
    }
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Format::Svg => "svg",
            Format::Png => "png",
            Format::Pdf => "pdf",
        }
    }
}
