//! HTML pages out of frames.

/// Text within HTML, in attributes too.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The frame with each `{{name}}` replaced; a name that is not among the parts leaves nothing. What is put in is not looked through again.
pub(crate) fn filled(frame: &str, parts: &[(&str, String)]) -> String {
    let mut text = String::new();
    fill(&mut text, frame, |text, name| {
        text.extend(parts.iter().find(|(n, _)| *n == name).map(|(_, part)| part.as_str()));
    });
    text
}

/// The same at the end of a text. What replaces a name is written there by `part`, so that large parts need not be made first.
pub(crate) fn fill(text: &mut String, frame: &str, mut part: impl FnMut(&mut String, &str)) {
    let mut rest = frame;
    while let Some((before, (name, after))) =
        rest.split_once("{{").and_then(|(before, after)| Some((before, after.split_once("}}")?)))
    {
        text.push_str(before);
        part(text, name);
        rest = after;
    }
    text.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_take_the_places_of_their_names() {
        let parts = [("a", "{{b}}".to_string()), ("b", "<".to_string())];
        assert_eq!(filled("{{a}}@media {}{{b}}{{c}}{{a}}{{", &parts), "{{b}}@media {}<{{b}}{{");
        assert_eq!(filled("", &parts), "");
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("<a href=\"x\"> & 'b'"), "&lt;a href=&quot;x&quot;&gt; &amp; 'b'");
    }
}
