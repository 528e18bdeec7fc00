//! What there is to see in a cell.

/// Where the values of a signal lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// From 0 to 1: a gate, which lets through that share.
    Share,
    /// From -1 to 1.
    Signed,
    /// Anywhere: a memory.
    Free,
}

/// One number that each unit of a layer has at each step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal {
    /// As in the equations.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// Where its values lie.
    pub span: Span,
}

/// The signals of an LSTM: its gates in their order, then the states that a step leaves.
pub const LSTM_SIGNALS: [Signal; 6] = [
    Signal { name: "i", about: "input gate: how much of the candidate comes in", span: Span::Share },
    Signal { name: "f", about: "forget gate: how much of the memory stays", span: Span::Share },
    Signal { name: "g", about: "candidate: what may come in", span: Span::Signed },
    Signal { name: "o", about: "output gate: how much of the memory shows", span: Span::Share },
    Signal { name: "c", about: "cell state: the memory", span: Span::Free },
    Signal { name: "h", about: "hidden state: what the memory shows", span: Span::Signed },
];
