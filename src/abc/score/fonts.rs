//! The fonts that come with Verovio: Leipzig for signs, and for text Liberation Serif, which is as wide as the Times that Verovio reckons
//! with.

use super::ScoreError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use resvg::usvg::fontdb::Database;
use std::path::Path;
use std::sync::Arc;
use std::{fs, io};
use verovio_data::DATA;

/// Puts into a folder what Verovio reads: the signs' shapes, their sizes, and those of letters.
pub(super) fn write(folder: &Path) -> io::Result<()> {
    // It takes the names of all signs from Bravura, and draws none of its.
    let tables = ["Bravura.xml", "Leipzig.xml"].into_iter().filter_map(|name| DATA.get_file(name));
    let folders = ["Leipzig", "text"].into_iter().filter_map(|name| DATA.get_dir(name));
    for file in tables.chain(folders.flat_map(|folder| folder.files())) {
        let path = folder.join(file.path());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, file.contents())?;
    }
    Ok(())
}

/// The fonts that text is drawn with.
pub(super) fn database() -> Result<Arc<Database>, ScoreError> {
    let mut fonts = Database::new();
    for name in ["Liberation.css", "Leipzig.css"] {
        let css = DATA.get_file(name).and_then(|file| file.contents_utf8());
        let css = css.ok_or(ScoreError::Fonts("a style sheet is missing"))?;
        // src: url(data:application/font-woff2;charset=utf-8;base64,…)
        for font in css.split("base64,").skip(1) {
            let encoded = font.split([')', '"', '\'']).next().unwrap_or_default().trim();
            let woff = STANDARD.decode(encoded).map_err(|_| ScoreError::Fonts("one is not in Base64"))?;
            let font =
                wuff::decompress_woff2(&woff).map_err(|_| ScoreError::Fonts("one is not in WOFF 2"))?;
            fonts.load_font_data(font);
        }
    }
    // Verovio asks for Times or any other with serifs.
    fonts.set_serif_family("Liberation Serif");
    Ok(Arc::new(fonts))
}
