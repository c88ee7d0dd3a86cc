//! HTML, written so that nothing which comes from a document can be taken for markup.

/// A tag's attributes: names are ours, values may be anybody's.
pub(crate) type Attributes<'a> = &'a [(&'static str, &'a str)];

/// A piece of a page. Tags open and close in pairs, and everything else is escaped.
#[derive(Debug, Default)]
pub(crate) struct Html {
    text: String,
}

impl Html {
    /// A whole document.
    pub(crate) fn document(inside: impl FnOnce(&mut Self)) -> String {
        let mut html = Self { text: "<!DOCTYPE html>\n".to_owned() };
        html.element("html", &[("lang", "en")], inside);
        html.text.push('\n');
        html.text
    }

    /// An element with something inside.
    pub(crate) fn element(
        &mut self,
        tag: &'static str,
        attributes: Attributes<'_>,
        inside: impl FnOnce(&mut Self),
    ) {
        self.void(tag, attributes);
        inside(self);
        self.text.push_str("</");
        self.text.push_str(tag);
        self.text.push('>');
        if is_block(tag) {
            self.text.push('\n');
        }
    }

    /// An element that has no inside.
    pub(crate) fn void(&mut self, tag: &'static str, attributes: Attributes<'_>) {
        self.text.push('<');
        self.text.push_str(tag);
        for (name, value) in attributes {
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.words(value);
            self.text.push('"');
        }
        self.text.push('>');
    }

    /// An element with a text inside.
    pub(crate) fn text(&mut self, tag: &'static str, attributes: Attributes<'_>, words: &str) {
        self.element(tag, attributes, |html| html.words(words));
    }

    /// Text.
    pub(crate) fn words(&mut self, words: &str) {
        for character in words.chars() {
            match character {
                '&' => self.text.push_str("&amp;"),
                '<' => self.text.push_str("&lt;"),
                '>' => self.text.push_str("&gt;"),
                '"' => self.text.push_str("&quot;"),
                '\'' => self.text.push_str("&#39;"),
                other => self.text.push(other),
            }
        }
    }

    /// What descriptions are made of: paragraphs, with `code` between backticks.
    pub(crate) fn prose(&mut self, words: &str) {
        for paragraph in words.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
            self.element("p", &[], |html| html.line(paragraph));
        }
    }

    /// One paragraph of them, without its element. A backtick that has no other stands for itself.
    pub(crate) fn line(&mut self, words: &str) {
        let mut rest = words;
        while let Some((before, after)) = rest.split_once('`') {
            let Some((code, after)) = after.split_once('`') else { break };
            self.words(before);
            self.text("code", &[], code);
            rest = after;
        }
        self.words(rest);
    }
}

/// Whether a line ends behind the element, so that people can read the source.
fn is_block(tag: &str) -> bool {
    !["a", "b", "code", "span", "td", "th", "dt"].contains(&tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(write: impl FnOnce(&mut Html), expect: &str) {
        let mut html = Html::default();
        write(&mut html);
        assert_eq!(html.text, expect);
    }

    #[test]
    fn what_is_written_is_never_markup() {
        let evil = "</code><script>\"'&";
        let harmless = "&lt;/code&gt;&lt;script&gt;&quot;&#39;&amp;";
        check(|html| html.words(evil), harmless);
        check(|html| html.prose(evil), &format!("<p>{harmless}</p>\n"));
        let title = format!("<a href=\"{harmless}\">{harmless}</a>");
        check(|html| html.text("a", &[("href", evil)], evil), &title);
    }

    #[test]
    fn descriptions_have_paragraphs_and_code() {
        check(|html| html.prose("a `b`\n\n\n\nc"), "<p>a <code>b</code></p>\n<p>c</p>\n");
        check(|html| html.line("`a` and `b"), "<code>a</code> and `b");
        check(|html| html.line("``"), "<code></code>");
    }
}
