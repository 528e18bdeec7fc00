//! Which characters there are, and the integer of each.

use serde::{Deserialize, Serialize};

use super::{CorpusError, Tune, UnknownCharacter};

/// The distinct characters of a text, sorted by code point; a character's integer is its place.
///
/// The line feed is always among them, because it is the first input of every stream. In files a
/// vocabulary is the string of its characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Vocabulary {
    chars: Vec<char>,
}

impl Vocabulary {
    /// The vocabulary of these characters and the line feed; order and repetition do not matter.
    pub fn from_chars(chars: impl IntoIterator<Item = char>) -> Self {
        let distinct: std::collections::BTreeSet<char> = chars.into_iter().chain(['\n']).collect();
        Vocabulary { chars: distinct.into_iter().collect() }
    }

    /// The vocabulary of a text.
    pub fn from_text(text: &str) -> Self {
        Self::from_chars(text.chars())
    }

    /// The vocabulary of all tunes together.
    pub fn from_tunes(tunes: &[Tune]) -> Self {
        Self::from_chars(tunes.iter().flat_map(|tune| tune.text.chars()))
    }

    /// `V`, the number of characters.
    #[allow(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> usize {
        self.chars.len()
    }

    /// The characters, sorted.
    pub fn chars(&self) -> &[char] {
        &self.chars
    }

    /// The integer of the line feed.
    pub fn newline(&self) -> u32 {
        self.encode_char('\n').expect("a vocabulary has the line feed")
    }

    /// The integer of a character, or none where it is not in the vocabulary.
    pub fn encode_char(&self, character: char) -> Option<u32> {
        self.chars.binary_search(&character).ok().map(|index| index as u32)
    }

    /// The integers of a text, one a character.
    ///
    /// # Errors
    /// Names every character that is not in the vocabulary, with the line where it comes first.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, CorpusError> {
        let mut unknown = Vec::new();
        let encoded = self.encode_into(text, None, &mut unknown);
        if unknown.is_empty() { Ok(encoded) } else { Err(CorpusError::UnknownCharacters { unknown }) }
    }

    /// The integers of each tune.
    ///
    /// # Errors
    /// As [`encode`](Self::encode), with the number of the tune as well.
    pub fn encode_tunes(&self, tunes: &[Tune]) -> Result<Vec<Vec<u32>>, CorpusError> {
        let mut unknown = Vec::new();
        let numbered = tunes.iter().enumerate();
        let encoded =
            numbered.map(|(i, tune)| self.encode_into(&tune.text, Some(i + 1), &mut unknown)).collect();
        if unknown.is_empty() { Ok(encoded) } else { Err(CorpusError::UnknownCharacters { unknown }) }
    }

    /// Encodes what it can and notes what it cannot.
    fn encode_into(&self, text: &str, tune: Option<usize>, unknown: &mut Vec<UnknownCharacter>) -> Vec<u32> {
        let mut line = 1;
        let mut encoded = Vec::with_capacity(text.len());
        for character in text.chars() {
            match self.encode_char(character) {
                Some(index) => encoded.push(index),
                None if unknown.iter().any(|u| u.character == character) => {}
                None => unknown.push(UnknownCharacter { character, tune, line }),
            }
            line += usize::from(character == '\n');
        }
        encoded
    }

    /// The character of an integer; U+FFFD, the replacement character, where it is not below `V`.
    pub fn char_at(&self, index: u32) -> char {
        self.chars.get(index as usize).copied().unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    /// The text of some integers, as [`char_at`](Self::char_at) gives each.
    pub fn decode(&self, indices: &[u32]) -> String {
        indices.iter().map(|&index| self.char_at(index)).collect()
    }
}

impl TryFrom<String> for Vocabulary {
    type Error = CorpusError;

    /// Takes the characters as they stand: they must be sorted already, as the integers in a model mean
    /// their places.
    fn try_from(string: String) -> Result<Self, CorpusError> {
        let chars: Vec<char> = string.chars().collect();
        if chars.contains(&'\n') && chars.is_sorted_by(|a, b| a < b) {
            Ok(Vocabulary { chars })
        } else {
            Err(CorpusError::BadVocabulary)
        }
    }
}

impl From<Vocabulary> for String {
    fn from(vocabulary: Vocabulary) -> String {
        vocabulary.chars.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_follow_the_sorted_characters() {
        let vocabulary = Vocabulary::from_text("cab\na");
        assert_eq!(vocabulary.chars(), ['\n', 'a', 'b', 'c']);
        assert_eq!(vocabulary.encode("abc\n").unwrap(), [1, 2, 3, 0]);
        assert_eq!(vocabulary.decode(&[3, 0, 1, 9]), "c\na\u{FFFD}");
        assert_eq!(Vocabulary::from_text("").len(), 1);
        assert_eq!(vocabulary.newline(), 0);
    }

    #[test]
    fn unknown_characters_are_named_once_and_escaped() {
        let error = Vocabulary::from_text("ab").encode("a\nbéb\té\u{7}").unwrap_err().to_string();
        assert!(error.contains(r"'é' (line 2), '\t' (line 2), '\u{7}' (line 2);"), "{error}");
        let tune = |text: &str| Tune { text: text.to_owned() };
        let error =
            Vocabulary::from_text("ab").encode_tunes(&[tune("a"), tune("a\nc")]).unwrap_err().to_string();
        assert!(error.contains("'c' (tune 2, line 2);"), "{error}");
        let error = Vocabulary::from_text("").encode("0123456789abc").unwrap_err().to_string();
        assert!(error.contains("'9' (line 1), and 3 more;"), "{error}");
    }

    #[test]
    fn in_files_it_is_a_string() {
        let vocabulary = Vocabulary::from_text("X:1\nT:é\n");
        let json = serde_json::to_string(&vocabulary).unwrap();
        assert_eq!(json, r#""\n1:TXé""#);
        assert_eq!(serde_json::from_str::<Vocabulary>(&json).unwrap(), vocabulary);
        for bad in [r#""""#, r#""abc""#, r#""\nba""#, r#""\naa""#] {
            assert!(
                serde_json::from_str::<Vocabulary>(bad).unwrap_err().to_string().contains("no vocabulary")
            );
        }
    }
}
