//! Bytes of an ABC file to tunes.

use super::{CorpusError, Tune};

/// Cuts the bytes of one ABC file into tunes; `name` is for the error.
///
/// - CRLF and lone CR become LF.
/// - A tune begins at each line that starts with `X:`. What comes before the first is dropped.
/// - Blank lines are cut out, also from inside a tune, because a blank line ends a tune in ABC and in
///   generation. Lines of spaces are not blank and stay.
/// - White space at the tune's end is trimmed, and `"\n\n"` set in its place.
///
/// # Errors
/// Where the bytes are empty, begin with or contain a byte-order mark, are not UTF-8, or hold no tune.
pub fn parse(name: &str, bytes: &[u8]) -> Result<Vec<Tune>, CorpusError> {
    let text = decode(name, bytes)?.replace("\r\n", "\n").replace('\r', "\n");
    let mut tunes: Vec<Tune> = Vec::new();
    for line in text.split('\n') {
        if line.starts_with("X:") {
            tunes.push(Tune { text: String::new() });
        }
        if let Some(tune) = tunes.last_mut()
            && !line.is_empty()
        {
            tune.text.push_str(line);
            tune.text.push('\n');
        }
    }
    for tune in &mut tunes {
        tune.text.truncate(tune.text.trim_end().len());
        tune.text.push_str("\n\n");
    }
    if tunes.is_empty() {
        return Err(CorpusError::NoTune { name: name.to_owned(), lines: text.lines().count() });
    }
    Ok(tunes)
}

/// The text of a UTF-8 file without byte-order marks.
///
/// # Errors
/// Where the file is empty or in another encoding, or has such a mark: a sentence that says where.
pub fn decode<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, CorpusError> {
    let name = || name.to_owned();
    if bytes.is_empty() {
        return Err(CorpusError::Empty { name: name() });
    }
    // UTF-32 first: its little-endian mark begins with UTF-16's.
    if bytes.starts_with(b"\xFF\xFE\0\0") || bytes.starts_with(b"\0\0\xFE\xFF") {
        return Err(CorpusError::WrongEncoding { name: name(), encoding: "UTF-32" });
    }
    if bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF") {
        return Err(CorpusError::WrongEncoding { name: name(), encoding: "UTF-16" });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let byte = error.valid_up_to();
        CorpusError::NotUtf8 { name: name(), line: line_of(bytes, byte), byte, value: bytes[byte] }
    })?;
    match text.find('\u{FEFF}') {
        Some(byte) => Err(CorpusError::ByteOrderMark { name: name(), line: line_of(bytes, byte), byte }),
        None => Ok(text),
    }
}

/// The line, counted from 1, that holds the byte at `offset`; LF, CRLF and CR end a line.
fn line_of(bytes: &[u8], offset: usize) -> usize {
    let ends =
        (0..offset).filter(|&i| bytes[i] == b'\n' || (bytes[i] == b'\r' && bytes.get(i + 1) != Some(&b'\n')));
    1 + ends.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(input: &str) -> Vec<String> {
        parse("a.abc", input.as_bytes()).unwrap().into_iter().map(|tune| tune.text).collect()
    }

    fn message(bytes: &[u8]) -> String {
        parse("a.abc", bytes).unwrap_err().to_string()
    }

    #[test]
    fn tunes_are_normalised() {
        assert_eq!(
            texts("% a header\n\nX: 1\nT:A\n \nK:G\nGAB|\n\n\n\nX:2\nK:D\nd|"),
            ["X: 1\nT:A\n \nK:G\nGAB|\n\n", "X:2\nK:D\nd|\n\n"]
        );
        assert_eq!(texts("X:1\r\nK:G\r\nG|\r\n\r\n"), ["X:1\nK:G\nG|\n\n"]);
        assert_eq!(texts("X:1\rK:G\rG|\r"), ["X:1\nK:G\nG|\n\n"]);
    }

    #[test]
    fn blank_lines_inside_a_tune_are_cut_out_and_its_end_is_trimmed() {
        assert_eq!(texts("X:1\nK:G\n\n\nG|\n\nA|  \n \n\t\n"), ["X:1\nK:G\nG|\nA|\n\n"]);
    }

    #[test]
    fn only_the_start_of_a_line_starts_a_tune() {
        assert_eq!(texts("X:1\nT:X:2\n X:3\n").len(), 1);
        assert_eq!(texts("X:"), ["X:\n\n"]);
    }

    #[test]
    fn errors_name_file_and_place() {
        assert!(message(b"").starts_with("a.abc is empty"));
        assert!(message(b"K:G\nG|\n").starts_with("a.abc holds no tune: none of its 2 lines"));
        assert!(message(b"\xEF\xBB\xBFX:1\n").contains("byte-order mark at line 1, byte 0"));
        assert!(message(b"X:1\nG|\n\n\xEF\xBB\xBFX:2\n").contains("byte-order mark at line 4, byte 8"));
        assert!(message(b"\xFF\xFEX\0:\0").contains("is UTF-16"));
        assert!(message(b"\xFE\xFF\0X\0:").contains("is UTF-16"));
        assert!(message(b"\xFF\xFE\0\0X\0\0\0").contains("is UTF-32"));
        assert!(message(b"X:1\nT:caf\xE9\n").contains("line 2, byte 9 is 0xE9"));
        assert!(message(b"X:1\r\nT:a\rT:caf\xE9\n").contains("line 3, byte 14 is 0xE9"));
        assert!(message(b"X:1\nT:caf\xC3").contains("line 2, byte 9 is 0xC3"));
    }
}
