//! What there is to see in a cell.

use crate::nn::Cell;

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

const I: Signal =
    Signal { name: "i", about: "input gate: how much of the candidate comes in", span: Span::Share };
const F: Signal = Signal { name: "f", about: "forget gate: how much of the memory stays", span: Span::Share };
const G: Signal = Signal { name: "g", about: "candidate: what may come in", span: Span::Signed };
const O: Signal = Signal { name: "o", about: "output gate: how much of the memory shows", span: Span::Share };
const C: Signal = Signal { name: "c", about: "cell state: the memory", span: Span::Free };
const H: Signal = Signal { name: "h", about: "hidden state: what the memory shows", span: Span::Signed };
const R: Signal =
    Signal { name: "r", about: "reset gate: how much of the memory the candidate sees", span: Span::Share };
const Z: Signal = Signal { name: "z", about: "update gate: how much of the memory stays", span: Span::Share };
const N: Signal = Signal { name: "n", about: "candidate: what may come in", span: Span::Signed };
const MEMORY: Signal =
    Signal { name: "h", about: "hidden state: the memory, which all shows", span: Span::Signed };

/// The signals of an LSTM: its gates in their order, then the states that a step leaves.
pub const LSTM_SIGNALS: [Signal; 6] = [I, F, G, O, C, H];

/// The gates of a cell in their order, the candidate among them; none of an RNN.
pub fn gates(cell: Cell) -> &'static [Signal] {
    let count = if cell == Cell::Rnn { 0 } else { cell.gates() };
    &signals(cell)[..count]
}

/// The signals of a cell: its gates in their order, but for those of an RNN, which has none; then the states that a step leaves, `h` last.
pub fn signals(cell: Cell) -> &'static [Signal] {
    /// Where nothing squashes it.
    const fn free(signal: Signal) -> Signal {
        Signal { span: Span::Free, ..signal }
    }
    match cell {
        Cell::Lstm | Cell::Peepholes => &LSTM_SIGNALS,
        Cell::NoInputGate => &[F, G, O, C, H],
        Cell::NoForgetGate | Cell::Coupled => &[I, G, O, C, H],
        Cell::NoOutputGate => &[I, F, G, C, H],
        Cell::NoInputActivation => const { &[I, F, free(G), O, C, H] },
        Cell::NoOutputActivation => const { &[I, F, G, O, C, free(H)] },
        Cell::Gru => &[R, Z, N, MEMORY],
        Cell::Rnn => &[MEMORY],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gate_and_state_is_there() {
        for cell in Cell::ALL {
            let names: Vec<&str> = signals(cell).iter().map(|signal| signal.name).collect();
            assert_eq!(names.len(), gates(cell).len() + cell.states().len(), "{cell}");
            assert_eq!(names.last(), Some(&"h"));
            assert_eq!(names.contains(&"c"), cell.has_memory(), "{cell}");
        }
    }
}
