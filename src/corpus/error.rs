//! What can be wrong with a corpus: each error names the place and says what to do about it.

use std::io;

use thiserror::Error;

/// An unknown character is listed at most so often; the rest are counted.
const LISTED: usize = 10;

/// Why text could not become batches.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// The list of paths was empty.
    #[error("there is nothing to read: name an ABC file, a folder of .abc files, or - for standard input")]
    NoPaths,
    /// The operating system would not give the bytes. Its reason is part of the sentence, not a `source`.
    #[error("cannot read {name}: {cause}; check that it is there and that you may read it")]
    Unreadable {
        /// The file or folder.
        name: String,
        /// The operating system's reason.
        cause: io::Error,
    },
    /// A file of more bytes than can be meant, such as a device that never ends.
    #[error(
        "{name} does not end within {} MiB: name another file, or divide it into several",
        limit >> 20
    )]
    TooLong {
        /// The file.
        name: String,
        /// The most bytes that it may have.
        limit: u64,
    },
    /// A folder without any file named `*.abc`, at any depth.
    #[error("the folder {name} holds no .abc files: name a folder that does, or a file of any name")]
    NoAbcFiles {
        /// The folder.
        name: String,
    },
    /// A file of no bytes.
    #[error("{name} is empty: remove it from the input, or put tunes in ABC notation into it")]
    Empty {
        /// The file.
        name: String,
    },
    /// A UTF-8 byte-order mark, at the start or (from joined files) further on.
    #[error(
        "{name} has a byte-order mark at line {line}, byte {byte}: remove these three bytes \
         (EF BB BF), or save the file as UTF-8 without a byte-order mark"
    )]
    ByteOrderMark {
        /// The file.
        name: String,
        /// The line, counted from 1.
        line: usize,
        /// The mark's first byte, counted from 0.
        byte: usize,
    },
    /// The byte-order mark of another encoding.
    #[error(
        "{name} is {encoding} (by its byte-order mark at line 1, byte 0): convert it to UTF-8 without one"
    )]
    WrongEncoding {
        /// The file.
        name: String,
        /// `UTF-16` or `UTF-32`.
        encoding: &'static str,
    },
    /// Bytes that are not UTF-8.
    #[error(
        "{name} is not UTF-8: line {line}, byte {byte} is {value:#04X}; convert the file to UTF-8 \
         (older ABC files are often ISO 8859-1)"
    )]
    NotUtf8 {
        /// The file.
        name: String,
        /// The line, counted from 1.
        line: usize,
        /// The first bad byte, counted from 0 at the start of the file.
        byte: usize,
        /// That byte.
        value: u8,
    },
    /// A file in which no line starts with `X:`.
    #[error(
        "{name} holds no tune: none of its {lines} lines starts with X: as the first line of an ABC \
         tune does; add that line to each tune, or leave the file out"
    )]
    NoTune {
        /// The file.
        name: String,
        /// How many lines it has.
        lines: usize,
    },
    /// Characters that the vocabulary lacks.
    #[error(
        "the text has characters outside the vocabulary: {}; remove or replace them, or use a model \
         trained on text that has them",
        list(unknown)
    )]
    UnknownCharacters {
        /// Each of them once, where it comes first.
        unknown: Vec<UnknownCharacter>,
    },
    /// A string that is no vocabulary.
    #[error(
        "this is no vocabulary: its characters must be distinct, sorted by code point, and have the \
         line feed among them; take the vocabulary from the model's own file, unchanged"
    )]
    BadVocabulary,
    /// A held-out fraction outside `[0, 1)`.
    #[error("the held-out fraction is {fraction}, but must be at least 0 and less than 1")]
    BadFraction {
        /// What was asked for.
        fraction: f64,
    },
    /// All tunes fell on one side.
    #[error(
        "of {tunes} distinct tunes none is left {side} with a held-out fraction of {fraction}: \
         use more tunes, another fraction or another seed, or 0 to hold none out"
    )]
    EmptySplit {
        /// How many tunes there were to be split, duplicates not counted.
        tunes: usize,
        /// `for training` or `held out`.
        side: &'static str,
        /// What was asked for.
        fraction: f64,
    },
    /// A length or count of 0.
    #[error("the {what} is 0, but must be at least 1")]
    Zero {
        /// Which one.
        what: &'static str,
    },
    /// Nothing to predict.
    #[error("there is no character to predict: give at least one tune")]
    NoCharacters,
    /// Not one window fits.
    #[error(
        "the text has {characters} characters, but one window needs {needed} (the sequence length \
         and the character after it): use more text or a shorter sequence length"
    )]
    TextTooShort {
        /// Its length.
        characters: usize,
        /// The shortest that would do.
        needed: usize,
    },
    /// Positions are kept in 32 bits.
    #[error(
        "the text has {characters} characters, but at most {} can be cut into windows: use less text",
        u32::MAX
    )]
    TextTooLong {
        /// Its length.
        characters: usize,
    },
}

/// A character that is not in the vocabulary, and where it comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownCharacter {
    /// The character.
    pub character: char,
    /// The tune, counted from 1, where several were encoded.
    pub tune: Option<usize>,
    /// The line of that tune or text, counted from 1.
    pub line: usize,
}

fn list(unknown: &[UnknownCharacter]) -> String {
    let mut parts: Vec<String> = unknown
        .iter()
        .take(LISTED)
        .map(|u| match u.tune {
            Some(tune) => format!("{:?} (tune {tune}, line {})", u.character, u.line),
            None => format!("{:?} (line {})", u.character, u.line),
        })
        .collect();
    if unknown.len() > LISTED {
        parts.push(format!("and {} more", unknown.len() - LISTED));
    }
    parts.join(", ")
}

/// Refuses a size of 0.
pub(super) fn at_least_one(what: &'static str, size: usize) -> Result<(), CorpusError> {
    if size == 0 { Err(CorpusError::Zero { what }) } else { Ok(()) }
}
