//! As much of Protocol Buffers' wire format as an ONNX file takes: varints and length-delimited fields
//! (<https://protobuf.dev/programming-guides/encoding/>).

/// A message while it is written, field after field.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// A field of an integer or enumeration, none of which is negative here.
    pub fn int(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3);
        self.varint(value);
        self
    }

    /// A field of bytes.
    pub fn bytes(mut self, field: u32, bytes: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
        self
    }

    /// A field of text.
    pub fn text(self, field: u32, text: &str) -> Self {
        self.bytes(field, text.as_bytes())
    }

    /// A field that is a message.
    pub fn message(self, field: u32, message: Message) -> Self {
        self.bytes(field, &message.0)
    }

    /// A repeated field of messages.
    pub fn messages(self, field: u32, messages: impl IntoIterator<Item = Message>) -> Self {
        messages.into_iter().fold(self, |all, message| all.message(field, message))
    }

    /// Seven bits a byte, the lowest first; the top bit says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the format's own description.
    #[test]
    fn the_wire_format() {
        assert_eq!(Message::default().int(1, 150).into_bytes(), [0x08, 0x96, 0x01]);
        assert_eq!(Message::default().text(2, "testing").into_bytes(), b"\x12\x07testing");
        let inner = Message::default().int(1, 150);
        assert_eq!(Message::default().message(3, inner).into_bytes(), [0x1A, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(Message::default().int(20, 0).into_bytes(), [0xA0, 0x01, 0x00]);
        let largest = Message::default().int(1, u64::MAX).into_bytes();
        assert_eq!(largest, [0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]);
    }
}
