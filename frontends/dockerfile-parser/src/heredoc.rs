//! Here-documents: `<<NAME` in an instruction, and the lines that follow it up to one that is `NAME`.

use crate::directives::Escape;
use crate::span::Span;
use crate::word_error::WordError;
use crate::words::Expander;

/// A here-document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heredoc {
    /// Its name.
    pub name: String,
    /// Its lines as they are written, line breaks included.
    pub content: String,
    /// Whether variables in it are expanded: no part of the name was quoted.
    pub expand: bool,
    /// `<<-`: tabs at the start of its lines do not count.
    pub chomp: bool,
    /// Where `<<NAME` stands.
    pub span: Span,
    /// Where the lines stand.
    pub content_span: Span,
}

impl Heredoc {
    /// The content, without tabs at the start of lines if it is to have none.
    #[must_use]
    pub fn text(&self) -> String {
        if self.chomp {
            chomp(&self.content)
        } else {
            self.content.clone()
        }
    }
}

fn chomp(content: &str) -> String {
    content
        .split_inclusive('\n')
        .map(|line| line.trim_start_matches('\t'))
        .collect()
}

/// `<<NAME` as a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// The name without quotes.
    pub name: String,
    /// Whether variables in the document are expanded.
    pub expand: bool,
    /// `<<-`.
    pub chomp: bool,
}

/// Reads a word, quotes and all, as the start of a here-document; nothing where it is none.
pub fn opening(word: &str) -> Result<Option<Opening>, WordError> {
    let after_digits = word.trim_start_matches(|c: char| c.is_ascii_digit());
    let Some(rest) = after_digits.strip_prefix("<<") else {
        return Ok(None);
    };
    let (chomp, rest) = match rest.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let rest = rest.trim_start_matches(['\t', '\n', '\x0c', '\r', ' ']);
    if rest.is_empty() || rest.contains('<') {
        return Ok(None);
    }
    // Names are read with the backslash, whatever the escape character is.
    let plain = Expander::new(Escape::Backslash).keep_unset();
    let names = plain.words(rest, &())?;
    let quoted = plain.keep_quotes().words(rest, &())?;
    let ([name], [with_quotes]) = (names.as_slice(), quoted.as_slice()) else {
        return Ok(None);
    };
    let quotes = |text: &str| text.matches(['\'', '"']).count();
    Ok(Some(Opening {
        expand: quotes(name) == quotes(with_quotes),
        name: name.clone(),
        chomp,
    }))
}

/// All here-documents that a logical line opens, each with the word that does.
pub fn openings(line: &str) -> Result<Vec<(Opening, String)>, WordError> {
    let raw = Expander::new(Escape::Backslash)
        .keep_quotes()
        .keep_escapes()
        .keep_unset();
    let mut found = Vec::new();
    // What the shell cannot read opens nothing.
    for word in raw.words(line, &()).unwrap_or_default() {
        if let Some(opening) = opening(&word)? {
            found.push((opening, word));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_open_documents() {
        for (word, name, expand, chomp) in [
            ("<<EOF", "EOF", true, false),
            ("3<<EOF", "EOF", true, false),
            ("<<-EOF", "EOF", true, true),
            ("<< EOF", "EOF", true, false),
            ("<<- \tEOF", "EOF", true, true),
            ("<<'EOF'", "EOF", false, false),
            ("<<\"EOF\"", "EOF", false, false),
            ("<<E'O'F", "EOF", false, false),
            ("<<'a b'", "a b", false, false),
            (r"<<a\'b", "a'b", true, false),
            ("<<$X", "$X", true, false),
            ("<<a)", "a)", true, false),
        ] {
            let expected = Opening {
                name: name.to_owned(),
                expand,
                chomp,
            };
            assert_eq!(opening(word), Ok(Some(expected)), "{word}");
        }
        for word in ["", "EOF", "<<", "<<-", "<EOF", "<<<EOF", "<<a sh", "a<<b"] {
            assert_eq!(opening(word), Ok(None), "{word}");
        }
        for word in ["<<'a", "<<a\""] {
            assert!(opening(word).is_err(), "{word}");
        }
    }

    #[test]
    fn lines_open_documents_outside_of_quotes() {
        for (line, names) in [
            ("RUN <<a cat; <<-b cat", &["a", "b"][..]),
            ("RUN cat <<  a >x", &["a"]),
            ("RUN echo \"<<a\" '<<b'", &[]),
            ("RUN echo \\<<a", &[]),
            ("RUN x=$((1<<2))", &[]),
            ("RUN echo it's <<a", &[]),
            ("RUN echo ${x/y} <<a", &[]),
            ("RUN cat <<<a", &[]),
        ] {
            let found: Vec<String> = openings(line)
                .unwrap()
                .into_iter()
                .map(|(opening, _)| opening.name)
                .collect();
            assert_eq!(found, names, "{line}");
        }
    }

    #[test]
    fn tabs_at_the_start_of_lines_can_go() {
        assert_eq!(chomp("\t\ta\tb\n c\n\t\n"), "a\tb\n c\n\n");
    }
}
