//! Lines that are too long to be shown: programs write whole files as one.

use std::borrow::Cow;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// Longer ones are cut.
const WHOLE: usize = 500;

/// How much is shown before and behind what is marked.
const AROUND: usize = 60;

/// What stands for what is left out.
const CUT: &str = "\u{2026}";

/// The start of a line.
pub fn start_of(line: &str) -> Cow<'_, str> {
    match line.len() > WHOLE {
        true => Cow::Owned(format!("{}{CUT}", &line[..before(line, WHOLE)])),
        false => Cow::Borrowed(line),
    }
}

/// Some of a text, which knows where it stood.
pub struct Part {
    name: String,
    text: String,
    /// How many lines stand before it.
    lines: usize,
    /// How many bytes of the marked line are left out before the part.
    shift: usize,
    /// What is marked.
    pub marked: (usize, usize),
}

/// What is to be shown of a text where a line at or beside what is marked is too long; nothing where all of them can be shown.
pub fn part(name: &str, text: &str, (start, end): (usize, usize)) -> Option<Part> {
    let first = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let last = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let above = &text[..first];
    let (line, below) = (&text[first..last], &text[last..]);
    let neighbour_above = above.lines().next_back();
    let neighbour_below = below.lines().nth(1);
    let shown = [neighbour_above, Some(line), neighbour_below];
    if shown.into_iter().flatten().all(|line| line.len() <= WHOLE) {
        return None;
    }
    let (start, end) = (start - first, end.min(last) - first);
    let (from, to) = match line.len() > WHOLE {
        true => (
            before(line, start.saturating_sub(AROUND)),
            before(line, end.min(start + WHOLE) + AROUND),
        ),
        false => (0, line.len()),
    };
    let mut part = String::new();
    if let Some(neighbour) = neighbour_above {
        part.push_str(&start_of(neighbour));
        part.push('\n');
    }
    let cut = if from > 0 { CUT } else { "" };
    let at = part.len() + cut.len();
    part.push_str(cut);
    part.push_str(&line[from..to]);
    if to < line.len() {
        part.push_str(CUT);
    }
    if let Some(neighbour) = neighbour_below {
        part.push('\n');
        part.push_str(&start_of(neighbour));
    }
    Some(Part {
        name: name.to_owned(),
        text: part,
        lines: above.lines().count() - usize::from(neighbour_above.is_some()),
        shift: from.saturating_sub(cut.len()),
        marked: (at + start - from, at + end.min(to) - from),
    })
}

/// The last place between two characters up to an offset.
fn before(line: &str, offset: usize) -> usize {
    let mut found = offset.min(line.len());
    while !line.is_char_boundary(found) {
        found -= 1;
    }
    found
}

impl SourceCode for Part {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let read = self.text.read_span(span, before, after)?;
        // The place of the mark itself is what is asked for without any lines around it.
        let shift = match (before, after) {
            (0, 0) => self.shift,
            _ => 0,
        };
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            read.data(),
            *read.span(),
            self.lines + read.line(),
            read.column() + shift,
            read.line_count(),
        )))
    }
}
