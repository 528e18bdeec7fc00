//! A page: drawings below each other, as SVG and PNG.

use super::{ScoreError, WIDTH};
use crate::abc::xml::Xml;
use resvg::tiny_skia::{Color, Pixmap, Transform};
use resvg::usvg::{Indent, Tree, WriteOptions};

/// A drawing, and where it begins from above.
#[derive(Debug)]
pub(super) struct Piece {
    pub top: f32,
    pub tree: Tree,
}

/// A page of notation, white, as wide as A4.
#[derive(Debug)]
pub struct Page {
    pub(super) title: String,
    /// In tenths of a millimetre.
    pub(super) height: f32,
    pub(super) pieces: Vec<Piece>,
}

impl Page {
    /// A page that is as high as drawings below each other need.
    pub(super) fn below_each_other(title: &str, trees: Vec<Tree>) -> Page {
        let mut height = 0.0;
        let mut pieces = Vec::new();
        for tree in trees {
            let top = height;
            height += tree.size().height();
            pieces.push(Piece { top, tree });
        }
        Page { title: title.to_string(), height, pieces }
    }

    /// The page as the text of an SVG file. Letters are shapes, so that they look alike everywhere.
    #[must_use]
    pub fn svg(&self) -> String {
        let (width, height) = (f64::from(WIDTH), f64::from(self.height));
        let mut xml = Xml::new("");
        xml.open(
            "svg",
            &[
                ("xmlns", &"http://www.w3.org/2000/svg"),
                ("width", &format_args!("{}mm", width / 10.0)),
                ("height", &format_args!("{}mm", height / 10.0)),
                ("viewBox", &format_args!("0 0 {width} {height}")),
            ],
        );
        xml.leaf("title", &self.title);
        xml.empty("rect", &[("width", &width), ("height", &height), ("fill", &"white")]);
        for (n, piece) in self.pieces.iter().enumerate() {
            let options = WriteOptions {
                id_prefix: Some(format!("p{n}-")),
                indent: Indent::None,
                coordinates_precision: 2,
                transforms_precision: 5,
                ..WriteOptions::default()
            };
            xml.open("g", &[("transform", &format_args!("translate(0 {})", piece.top))]);
            xml.xml(&piece.tree.to_string(&options));
            xml.close();
        }
        xml.finish()
    }

    /// The page as a PNG file, ten pixels a millimetre.
    ///
    /// # Errors
    ///
    /// If so many pixels cannot be held.
    pub fn png(&self) -> Result<Vec<u8>, ScoreError> {
        let height = self.height.ceil() as u32;
        let mut pixels = Pixmap::new(WIDTH, height).ok_or(ScoreError::Pixels(WIDTH, height))?;
        pixels.fill(Color::WHITE);
        for piece in &self.pieces {
            resvg::render(&piece.tree, Transform::from_translate(0.0, piece.top), &mut pixels.as_mut());
        }
        pixels.encode_png().map_err(|error| ScoreError::Png(error.to_string()))
    }
}
