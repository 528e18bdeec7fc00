//! What of a text stands in other texts: a suffix automaton.
//!
//! The smallest automaton that accepts every run of symbols of the texts, built in one pass (Blumer and others, "The Smallest Automaton
//! Recognizing the Subwords of a Text", 1985; for several texts as in "Complete Inverted Files", 1987). A text of `n` symbols is
//! looked up in `O(n)` steps, however long the others are.

/// All runs of symbols of some texts.
#[derive(Clone, Debug)]
pub struct Automaton {
    states: Vec<State>,
    /// Where each text ends in all of them laid one after the other.
    ends: Vec<u32>,
}

/// The runs that end at the same places.
#[derive(Clone, Debug, Default)]
struct State {
    /// The states that one more symbol leads to, in the order of the symbols.
    next: Vec<(u32, u32)>,
    /// The state of the longest of their ends that also stands elsewhere.
    link: u32,
    /// The length of the longest of them.
    length: u32,
    /// Where the first of their places ends.
    end: u32,
}

const ROOT: u32 = 0;

/// A run of symbols that a text has in common with another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Its length.
    pub length: usize,
    /// Where it begins in the text that was looked up.
    pub start: usize,
    /// The first of the texts that has it, counted from 0.
    pub text: usize,
}

impl Automaton {
    /// The automaton of these texts; what goes beyond 2^31 symbols is left out.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut automaton = Automaton { states: vec![State::default()], ends: Vec::new() };
        let mut end = 0;
        for text in texts {
            let mut last = ROOT;
            for &symbol in text.iter().take((1 << 31) - end as usize) {
                end += 1;
                last = automaton.extend(last, symbol, end);
            }
            automaton.ends.push(end);
        }
        automaton
    }

    fn state(&self, at: u32) -> &State {
        &self.states[at as usize]
    }

    fn next(&self, at: u32, symbol: u32) -> Option<u32> {
        let next = &self.state(at).next;
        next.binary_search_by_key(&symbol, |(s, _)| *s).ok().map(|found| next[found].1)
    }

    fn push(&mut self, state: State) -> u32 {
        self.states.push(state);
        self.states.len() as u32 - 1
    }

    /// The state of the text so far and one more symbol; `last` is that of the text so far.
    fn extend(&mut self, last: u32, symbol: u32, end: u32) -> u32 {
        let length = self.state(last).length + 1;
        if let Some(known) = self.next(last, symbol) {
            return self.only_as_long(last, known, symbol, length);
        }
        let new = self.push(State { next: Vec::new(), link: ROOT, length, end });
        let mut at = last;
        loop {
            match self.next(at, symbol) {
                None => {
                    let next = &mut self.states[at as usize].next;
                    let place = next.partition_point(|(s, _)| *s < symbol);
                    next.insert(place, (symbol, new));
                }
                Some(known) => {
                    let length = self.state(at).length + 1;
                    self.states[new as usize].link = self.only_as_long(at, known, symbol, length);
                    return new;
                }
            }
            if at == ROOT {
                return new;
            }
            at = self.state(at).link;
        }
    }

    /// The state of the run of this length that `symbol` leads to from `at`, where `known` also has longer ones: then those are set apart.
    fn only_as_long(&mut self, mut at: u32, known: u32, symbol: u32, length: u32) -> u32 {
        if self.state(known).length == length {
            return known;
        }
        let apart = self.push(State { length, ..self.state(known).clone() });
        self.states[known as usize].link = apart;
        loop {
            let next = &mut self.states[at as usize].next;
            match next.binary_search_by_key(&symbol, |(s, _)| *s) {
                Ok(found) if next[found].1 == known => next[found].1 = apart,
                _ => return apart,
            }
            if at == ROOT {
                return apart;
            }
            at = self.state(at).link;
        }
    }

    /// The first of the longest runs of `text` that stand in the automaton's texts; of length 0 where none does.
    pub fn longest(&self, text: &[u32]) -> Run {
        let mut longest = Run::default();
        let (mut at, mut length) = (ROOT, 0);
        for (place, &symbol) in text.iter().enumerate() {
            while at != ROOT && self.next(at, symbol).is_none() {
                at = self.state(at).link;
                length = self.state(at).length as usize;
            }
            if let Some(next) = self.next(at, symbol) {
                at = next;
                length += 1;
            }
            if length > longest.length {
                let end = self.state(at).end;
                let text = self.ends.partition_point(|e| *e < end);
                longest = Run { length, start: place + 1 - length, text };
            }
        }
        longest
    }

    /// Whether all of `text` is a run of one of the automaton's texts.
    pub fn contains(&self, text: &[u32]) -> bool {
        text.iter().try_fold(ROOT, |at, &symbol| self.next(at, symbol)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By trying all.
    fn naive(texts: &[Vec<u32>], text: &[u32]) -> usize {
        let has =
            |run: &[u32]| texts.iter().any(|t| run.is_empty() || t.windows(run.len()).any(|w| w == run));
        let runs = (0..=text.len()).flat_map(|i| (i..=text.len()).map(move |j| (i, j)));
        runs.filter(|&(i, j)| has(&text[i..j])).map(|(i, j)| j - i).max().unwrap_or(0)
    }

    fn texts(alphabet: u32) -> impl Strategy<Value = Vec<Vec<u32>>> {
        prop::collection::vec(prop::collection::vec(0..alphabet, 0..40), 0..6)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(600))]

        #[test]
        fn it_agrees_with_trying_all(
            (texts, text) in (1u32..5).prop_flat_map(|v| (texts(v), prop::collection::vec(0..v + 1, 0..30)))
        ) {
            let automaton = Automaton::new(texts.iter().map(Vec::as_slice));
            let Run { length, start, text: which } = automaton.longest(&text);
            prop_assert_eq!(length, naive(&texts, &text));
            let run = &text[start..start + length];
            prop_assert!(automaton.contains(run));
            prop_assert_eq!(automaton.contains(&text), length == text.len());
            if length > 0 {
                let first = texts.iter().position(|t| t.windows(length).any(|w| w == run));
                prop_assert_eq!(Some(which), first);
            }
            prop_assert!(automaton.states.len() <= 2 * texts.concat().len() + 1);
        }
    }

    #[test]
    fn runs_do_not_cross_texts() {
        let automaton = Automaton::new([&[1, 2, 3][..], &[], &[4, 5]]);
        assert_eq!(automaton.longest(&[2, 3, 4, 5]), Run { length: 2, start: 0, text: 0 });
        assert_eq!(automaton.longest(&[9, 4, 5, 9]), Run { length: 2, start: 1, text: 2 });
        assert_eq!(automaton.longest(&[9]), Run::default());
        assert!(automaton.contains(&[]) && !automaton.contains(&[3, 4]));
    }
}
