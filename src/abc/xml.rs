//! A writer of XML: elements that are opened are closed, and text is escaped.

use std::fmt::{Display, Write};

/// XML as it grows.
#[derive(Debug, Default)]
pub(crate) struct Xml {
    text: String,
    open: Vec<&'static str>,
    /// Whether the innermost element has children, so that its end stands on its own line.
    nested: bool,
}

impl Xml {
    /// Begins with a declaration, or whatever else stands before the first element.
    pub fn new(prolog: &str) -> Self {
        Xml { text: prolog.to_string(), ..Xml::default() }
    }

    /// Opens an element; attributes are pairs of name and value.
    pub fn open(&mut self, name: &'static str, attributes: &[(&str, &dyn Display)]) {
        self.indent();
        self.start(name, attributes);
        self.text.push('>');
        self.open.push(name);
        self.nested = false;
    }

    /// Closes the element that was opened last.
    pub fn close(&mut self) {
        let Some(name) = self.open.pop() else { return };
        if self.nested {
            self.indent();
        }
        let _ = write!(self.text, "</{name}>");
        self.nested = true;
    }

    /// An element without content.
    pub fn empty(&mut self, name: &'static str, attributes: &[(&str, &dyn Display)]) {
        self.indent();
        self.start(name, attributes);
        self.text.push_str("/>");
        self.nested = true;
    }

    /// An element with text and nothing else.
    pub fn leaf(&mut self, name: &'static str, content: impl Display) {
        self.leaf_with(name, &[], content);
    }

    /// An element with attributes and text.
    pub fn leaf_with(
        &mut self,
        name: &'static str,
        attributes: &[(&str, &dyn Display)],
        content: impl Display,
    ) {
        self.open(name, attributes);
        self.escaped(&content.to_string());
        self.close();
    }

    /// XML from elsewhere.
    #[cfg(feature = "score")]
    pub fn xml(&mut self, xml: &str) {
        self.indent();
        self.text.push_str(xml);
    }

    /// The whole, with all that is open closed.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text.push('\n');
        self.text
    }

    fn start(&mut self, name: &str, attributes: &[(&str, &dyn Display)]) {
        let _ = write!(self.text, "<{name}");
        for (name, value) in attributes {
            let _ = write!(self.text, " {name}=\"");
            self.escaped(&value.to_string());
            self.text.push('"');
        }
    }

    fn indent(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        (0..self.open.len()).for_each(|_| self.text.push_str("  "));
        self.nested = true;
    }

    fn escaped(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\t' => self.text.push(c),
                // XML has no other control characters.
                c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => {}
                c => self.text.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_nest_and_text_is_escaped() {
        let mut xml = Xml::new("<?xml version=\"1.0\"?>");
        xml.open("a", &[("n", &1), ("t", &"\"<\u{1}")]);
        xml.leaf("b", "x & y\u{0}");
        xml.empty("c", &[]);
        xml.open("d", &[]);
        let want = "<?xml version=\"1.0\"?>\n<a n=\"1\" t=\"&quot;&lt;\">\n  <b>x &amp; y</b>\n  <c/>\n  <d></d>\n</a>\n";
        assert_eq!(xml.finish(), want);
    }
}
