//! Texts of others in markup and on terminals: they are shown, whatever is in them, and never become a part of it.

use std::fmt;

/// A text in HTML or SVG, between tags or in a quoted attribute.
pub(crate) struct Markup<'a>(pub &'a str);

impl fmt::Display for Markup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                '\n' | '\t' => f.write_str(" ")?,
                // XML 1.0, 2.2: these may not occur, not even as references.
                letter if is_unseen(letter) || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                    f.write_str("\u{fffd}")?;
                }
                letter => write!(f, "{letter}")?,
            }
        }
        Ok(())
    }
}

/// JSON inside of a `script` element: what would end the element is written in another way, which means the same.
pub(crate) fn script_json(value: &serde_json::Value) -> String {
    value.to_string().replace('<', "\\u003c")
}

/// A text in one line of a terminal: nothing in it moves the cursor.
#[must_use]
pub fn line(text: &str) -> String {
    let shown = text.chars().map(|letter| match letter {
        '\n' | '\r' | '\t' => ' ',
        letter if is_unseen(letter) => '\u{fffd}',
        letter => letter,
    });
    shown.collect()
}

/// What is not shown itself, but changes how others are: controls, and what turns the direction of a text, so that it reads as another.
fn is_unseen(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text cut to so many columns, with `…` where something is missing. Line ends are spaces.
pub(crate) fn shorten(text: &str, columns: usize) -> String {
    use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
    let text = line(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    if text.width() <= columns {
        return text;
    }
    let mut used = 1;
    let mut short = String::new();
    for letter in text.chars() {
        used += letter.width().unwrap_or(0);
        if used > columns {
            break;
        }
        short.push(letter);
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_of_others_is_text() {
        let shown = Markup("RUN echo \"<b>\" && 'x'\u{7}\u{202e}").to_string();
        assert_eq!(
            shown,
            "RUN echo &quot;&lt;b&gt;&quot; &amp;&amp; &#39;x&#39;\u{fffd}\u{fffd}"
        );
        let json = script_json(&serde_json::json!("</script><!--"));
        assert!(!json.contains('<'), "{json}");
    }

    #[test]
    fn lines_of_others_are_lines() {
        assert_eq!(
            line("a\r\nb\u{1b}[2J\u{9b}31m\u{2066}"),
            "a  b\u{fffd}[2J\u{fffd}31m\u{fffd}"
        );
    }

    #[test]
    fn long_texts_are_cut_by_columns() {
        assert_eq!(shorten("a  b\nc", 9), "a b c");
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("漢字漢字", 5), "漢字…");
    }
}
