//! Some lines of a Dockerfile with the failing ones marked, as buildx shows them, and a caret line below the first.

use crate::long_lines;

/// How many lines around the marked ones are shown, all in all.
const AROUND: usize = 4;

/// The lines `first` to `last` (counted from 1) of `text`, marked, with what stands around them; empty where there are no such lines.
pub fn excerpt(name: &str, text: &str, (first, last): (u32, u32)) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let (first, last) = (first as usize, (last as usize).min(lines.len()));
    if first == 0 || first > last {
        return String::new();
    }
    let pad = if first == last { AROUND } else { AROUND / 2 };
    let (mut from, mut to) = (first, last);
    let mut padded = 0;
    while padded < pad && (from > 1 || to < lines.len()) {
        if from > 1 {
            from -= 1;
            padded += 1;
        }
        if to < lines.len() && padded < pad {
            to += 1;
            padded += 1;
        }
    }
    let rule = "-".repeat(20);
    let mut out = format!("{name}:{first}\n{rule}\n");
    for number in from..=to {
        let line = long_lines::start_of(lines[number - 1].trim_end_matches('\r'));
        let mark = if (first..=last).contains(&number) {
            ">>>"
        } else {
            "   "
        };
        out.push_str(format!(" {number:>3} | {mark} {line}").trim_end());
        out.push('\n');
        if number == first {
            out.push_str(&format!("     |     {}\n", carets(&line)));
        }
    }
    out.push_str(&rule);
    out.push('\n');
    out
}

/// Carets below all of a line but the spaces around it.
fn carets(line: &str) -> String {
    let content = line.trim();
    let indent = &line[..line.len() - line.trim_start().len()];
    // Tabs stay, so that the carets stand below the text whatever a tab's width is.
    let indent: String = indent
        .chars()
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    let width = unicode_width::UnicodeWidthStr::width(content).max(1);
    format!("{indent}{}", "^".repeat(width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failing_lines_are_marked() {
        let text = "FROM busybox\nRUN echo one && \\\n    exit 7\nRUN never\nRUN ever\n";
        insta::assert_snapshot!(excerpt("Dockerfile", text, (2, 3)), @r"
        Dockerfile:2
        --------------------
           1 |     FROM busybox
           2 | >>> RUN echo one && \
             |     ^^^^^^^^^^^^^^^^^
           3 | >>>     exit 7
           4 |     RUN never
        --------------------
        ");
    }

    #[test]
    fn a_single_line_has_more_around_it() {
        let text = "1\n2\n3\n4\n\tü漢 x\n6\n7\n8";
        insta::assert_snapshot!(excerpt("D", text, (5, 5)), @r"
        D:5
        --------------------
           3 |     3
           4 |     4
           5 | >>> 	ü漢 x
             |     	^^^^^
           6 |     6
           7 |     7
        --------------------
        ");
    }

    #[test]
    fn lines_that_are_not_there_show_nothing() {
        assert_eq!(excerpt("D", "one\n", (0, 0)), "");
        assert_eq!(excerpt("D", "one\n", (7, 9)), "");
        assert!(excerpt("D", "one\n", (1, 9)).contains(">>> one"));
    }
}
