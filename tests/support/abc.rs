//! Tunes from a few words.

use hornpipe::abc::{Note, Tune, read};

pub fn tune_of(text: &str) -> Tune {
    let mut tunes = read(text);
    assert_eq!(tunes.len(), 1, "{text}");
    tunes.remove(0)
}

/// A tune in C, 4/4, quarter notes, with this music.
pub fn music(music: &str) -> Tune {
    tune_of(&format!("X:1\nM:4/4\nL:1/4\nK:C\n{music}\n"))
}

pub fn notes(tune: &Tune) -> Vec<&Note> {
    tune.notes().map(|(_, note)| note).collect()
}
