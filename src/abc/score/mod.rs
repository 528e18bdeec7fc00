//! A tune in notation, as SVG, PNG and PDF. Only with the feature `score`, which builds Verovio, a C++ library.
//!
//! Verovio engraves what [`musicxml`](super::musicxml()) writes. Its text is drawn with the fonts that come with it: nothing depends on
//! those of the machine.
//!
//! ```text
//! Tune ─► musicxml ─► Engraver ─┬─► Page, one as high as the tune ─► svg, png
//!                     (Verovio) └─► Book, pages of A4 ─────────────► pdf
//! ```

mod book;
mod fonts;
mod page;

use super::musicxml::write as write_musicxml;
use super::tune::Tune;
use cxx::UniquePtr;
use resvg::usvg::{self, Options, Tree, fontdb::Database};
use serde_json::json;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tempfile::TempDir;
use verovio_sys::ffi;

pub use book::Book;
pub use page::Page;

/// Why there is no score.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// Verovio reads its fonts from files; they cannot be written.
    #[error("cannot write the fonts that engraving needs into the folder of temporary files: {0}")]
    Files(#[from] io::Error),
    /// Verovio, or what draws text, refuses the fonts.
    #[error("the fonts that engraving needs cannot be used: {0}")]
    Fonts(&'static str),
    /// Verovio does not read the tune.
    #[error("Verovio cannot engrave it")]
    Refused,
    /// Verovio's drawing cannot be read.
    #[error("what Verovio drew cannot be read: {0}")]
    Drawing(#[from] usvg::Error),
    /// No memory holds the pixels, or none are wanted.
    #[error("a picture of {0} × {1} pixels is too large")]
    Pixels(u32, u32),
    /// The PNG cannot be written.
    #[error("the picture cannot be written as PNG: {0}")]
    Png(String),
    /// The drawing cannot be written as PDF.
    #[error("the drawing cannot be written as PDF: {0}")]
    Pdf(String),
}

/// The width of all pages, in tenths of a millimetre: that of A4.
const WIDTH: u32 = 2100;
/// The height of A4.
const HEIGHT: u32 = 2970;
/// Above the first and below the last tune of a page of A4; Verovio's own margins come on top.
const MARGIN: u32 = 60;
/// The most that Verovio takes.
const HIGHEST: u32 = 60_000;

/// Verovio has state that is shared by all its toolkits: one works at a time.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The MusicXML that Verovio gets. It goes by the accidentals that are drawn: a tie over a bar line is lost where the note's is not repeated.
#[must_use]
pub fn musicxml(tune: &Tune) -> String {
    write_musicxml(tune, true)
}

/// Verovio with its fonts. It takes a moment to make one, so take one for all tunes.
pub struct Engraver {
    toolkit: UniquePtr<ffi::Toolkit>,
    fonts: Arc<Database>,
    /// Verovio reads signs from here while it draws.
    _resources: TempDir,
}

impl std::fmt::Debug for Engraver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engraver").finish_non_exhaustive()
    }
}

impl Drop for Engraver {
    fn drop(&mut self) {
        let _turn = turn();
        self.toolkit = UniquePtr::null();
    }
}

impl Engraver {
    /// Verovio, ready to engrave.
    ///
    /// # Errors
    ///
    /// If fonts cannot be written to the folder of temporary files, or read.
    pub fn new() -> Result<Self, ScoreError> {
        let resources = tempfile::Builder::new().prefix("hornpipe-score-").tempdir()?;
        fonts::write(resources.path())?;
        let folder =
            resources.path().to_str().ok_or(ScoreError::Fonts("their folder's name is not UTF-8"))?;
        let _turn = turn();
        // What Verovio says on standard error is not for those who draw tunes.
        ffi::enable_log(0);
        let mut toolkit = ffi::new_toolkit(false);
        if !ffi::set_resource_path(toolkit.pin_mut(), folder) {
            return Err(ScoreError::Fonts("Verovio misses some"));
        }
        Ok(Engraver { toolkit, fonts: fonts::database()?, _resources: resources })
    }

    /// A tune on one page, as high as it needs.
    ///
    /// # Errors
    ///
    /// If Verovio does not take the tune.
    pub fn page(&mut self, tune: &Tune) -> Result<Page, ScoreError> {
        Ok(Page::below_each_other(tune.header.title(), self.engrave(tune, HIGHEST)?))
    }

    /// A tune's pages, each as high as its music and at most as high as is said, in tenths of a millimetre.
    fn engrave(&mut self, tune: &Tune, height: u32) -> Result<Vec<Tree>, ScoreError> {
        let options = json!({
            "adjustPageHeight": true,
            // Lines of the text are lines of the score, unless that would leave most of one empty or crowd another.
            "breaks": "smart",
            "footer": "none",
            "pageHeight": height,
            "pageMarginBottom": 50,
            "pageMarginLeft": 120,
            "pageMarginRight": 120,
            "pageMarginTop": 80,
            "pageWidth": WIDTH,
            "smuflTextFont": "none",
            // Half the distance of two lines of a staff: three tunes on a page, as tune books have them.
            "unit": 8,
            "xmlIdSeed": 1,
        });
        let drawn: Vec<String> = {
            let _turn = turn();
            let mut toolkit = self.toolkit.pin_mut();
            // Verovio ends the process where it draws nothing at all.
            let pages = match ffi::set_options(toolkit.as_mut(), &options.to_string())
                && ffi::set_input_from(toolkit.as_mut(), "musicxml")
                && ffi::load_data(toolkit.as_mut(), &musicxml(tune))
            {
                true => ffi::page_count(toolkit.as_mut()),
                false => 0,
            };
            (1..=pages).map(|page| ffi::render_to_svg(toolkit.as_mut(), page, false)).collect()
        };
        if drawn.is_empty() {
            return Err(ScoreError::Refused);
        }
        let options = Options { fontdb: Arc::clone(&self.fonts), ..Options::default() };
        let trees = drawn.iter().map(|svg| Tree::from_str(&without_labels(svg), &options));
        Ok(trees.collect::<Result<_, _>>()?)
    }
}

/// Verovio's SVG without the names of its texts: they stand within the text, and usvg would put them where the text belongs.
fn without_labels(svg: &str) -> String {
    let mut parts = svg.split("<title class=\"labelAttr\">");
    let mut kept = parts.next().unwrap_or_default().to_string();
    parts.for_each(|part| kept.push_str(part.split_once("</title>").map_or(part, |(_, after)| after)));
    kept
}
