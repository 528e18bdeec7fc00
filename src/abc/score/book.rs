//! Tunes one after another on pages of A4, as PDF.

use super::page::{Page, Piece};
use super::{Engraver, HEIGHT, MARGIN, ScoreError, WIDTH};
use crate::abc::tune::Tune;
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, TextStr};
use std::collections::HashMap;
use svg2pdf::ConversionOptions;

/// Points, of which PDF has 72 to the inch, in a tenth of a millimetre.
const POINTS: f32 = 72.0 / 254.0;

/// Tunes one after another. One that fits on the rest of a page begins there, others begin a new one.
#[derive(Debug, Default)]
pub struct Book {
    pages: Vec<Page>,
    /// The titles, each with its page and how far below the upper edge it begins.
    titles: Vec<(String, usize, f32)>,
    /// Where the next tune begins on the last page.
    next: f32,
}

impl Book {
    /// A book without tunes.
    #[must_use]
    pub fn new() -> Self {
        Book::default()
    }

    /// Adds all of a tune, or nothing of it.
    ///
    /// # Errors
    ///
    /// If Verovio does not take it.
    pub fn add(&mut self, engraver: &mut Engraver, tune: &Tune) -> Result<(), ScoreError> {
        let (lowest, title) = ((HEIGHT - MARGIN) as f32, tune.header.title());
        for (n, tree) in engraver.engrave(tune, HEIGHT - 2 * MARGIN)?.into_iter().enumerate() {
            let height = tree.size().height();
            if self.pages.is_empty() || n > 0 || self.next + height > lowest {
                self.pages.push(Page { title: title.to_string(), height: HEIGHT as f32, pieces: Vec::new() });
                self.next = MARGIN as f32;
            }
            let last = self.pages.len() - 1;
            if n == 0 {
                self.titles.push((title.to_string(), last, self.next));
            }
            self.pages[last].pieces.push(Piece { top: self.next, tree });
            self.next += height;
        }
        Ok(())
    }

    /// The pages.
    #[must_use]
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// The book as a PDF file, with its titles as bookmarks.
    ///
    /// # Errors
    ///
    /// If a drawing has something that PDF cannot hold.
    pub fn pdf(&self) -> Result<Vec<u8>, ScoreError> {
        let mut refs = Refs(0);
        let mut pdf = Pdf::new();
        let (catalog, tree, outline) = (refs.next(), refs.next(), refs.next());
        let pages: Vec<Ref> = self.pages.iter().map(|_| refs.next()).collect();
        let items: Vec<Ref> = self.titles.iter().map(|_| refs.next()).collect();
        {
            let mut catalog = pdf.catalog(catalog);
            catalog.pages(tree);
            catalog.outlines(outline);
        }
        pdf.pages(tree).count(pages.len() as i32).kids(pages.iter().copied());
        for (page, id) in self.pages.iter().zip(&pages) {
            write_page(&mut pdf, page, *id, tree, &mut refs)?;
        }
        {
            let mut outline = pdf.outline(outline);
            if let (Some(first), Some(last)) = (items.first(), items.last()) {
                outline.first(*first).last(*last).count(items.len() as i32);
            }
        }
        for (at, (title, page, top)) in self.titles.iter().enumerate() {
            let mut item = pdf.outline_item(items[at]);
            item.title(TextStr(title)).parent(outline);
            if at > 0 {
                item.prev(items[at - 1]);
            }
            if let Some(next) = items.get(at + 1) {
                item.next(*next);
            }
            item.dest().page(pages[*page]).xyz(0.0, (HEIGHT as f32 - top) * POINTS, None);
        }
        Ok(pdf.finish())
    }
}

/// Numbers of a PDF's objects.
struct Refs(i32);

impl Refs {
    fn next(&mut self) -> Ref {
        self.0 += 1;
        Ref::new(self.0)
    }
}

/// Each piece is an object of its own, one unit wide and high, that the page scales and puts into its place.
fn write_page(pdf: &mut Pdf, page: &Page, id: Ref, parent: Ref, refs: &mut Refs) -> Result<(), ScoreError> {
    let names: Vec<String> = (0..page.pieces.len()).map(|n| format!("S{n}")).collect();
    let mut content = Content::new();
    let mut drawings = Vec::new();
    for (piece, name) in page.pieces.iter().zip(&names) {
        let (chunk, drawing) = svg2pdf::to_chunk(&piece.tree, ConversionOptions::default())
            .map_err(|error| ScoreError::Pdf(error.to_string()))?;
        let mut renumbered = HashMap::new();
        let chunk = chunk.renumber(|old| *renumbered.entry(old).or_insert_with(|| refs.next()));
        pdf.extend(&chunk);
        let size = piece.tree.size();
        let below = page.height - piece.top - size.height();
        content.save_state();
        content.transform([size.width() * POINTS, 0.0, 0.0, size.height() * POINTS, 0.0, below * POINTS]);
        content.x_object(Name(name.as_bytes()));
        content.restore_state();
        drawings
            .push(renumbered.get(&drawing).copied().ok_or_else(|| ScoreError::Pdf("it is empty".into()))?);
    }
    let contents = refs.next();
    pdf.stream(contents, &content.finish());
    let mut written = pdf.page(id);
    written.media_box(Rect::new(0.0, 0.0, WIDTH as f32 * POINTS, page.height * POINTS));
    written.parent(parent).contents(contents);
    let mut resources = written.resources();
    let mut objects = resources.x_objects();
    for (name, drawing) in names.iter().zip(drawings) {
        objects.pair(Name(name.as_bytes()), drawing);
    }
    objects.finish();
    Ok(())
}
