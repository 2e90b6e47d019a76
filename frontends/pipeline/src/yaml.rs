//! YAML with places: the parser's events as values; aliases and merge keys resolved, within limits.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use crate::document::{Entry, Kind, Value};
use crate::limits::{DEPTH, REPEATED, VALUES};
use crate::position::{Lines, Span};
use crate::problem::{Place, Problem};
use crate::yaml_scalar;

/// The key whose value is merged into its mapping (YAML 1.1's merge type, which people still write).
const MERGE: &str = "<<";

/// Reads the only document of a text.
pub fn parse(file: &Arc<str>, text: &str) -> Result<Value, Problem> {
    let mut offsets: Vec<usize> = text.char_indices().map(|(offset, _)| offset).collect();
    offsets.push(text.len());
    let mut reader = Reader {
        file,
        lines: Lines::of(text),
        offsets,
        open: Vec::new(),
        anchors: HashMap::new(),
        values: 0,
        repeated: Size::default(),
        root: None,
    };
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let at = reader.offset(error.marker().index());
            reader
                .place(reader.lines.span(at, at))
                .problem(format!("this is no YAML: {}", error.info()))
        })?;
        let (start, end) = (span.start.index(), span.end.index());
        let (start, mut end) = (reader.offset(start), reader.offset(end));
        if matches!(event, Event::Scalar(..)) {
            // That of a block ends where the next thing begins, lines later.
            let scalar = text.get(start..end).unwrap_or_default();
            end = start + scalar.trim_end().len();
        }
        let span = reader.lines.span(start, end);
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                return Err(reader
                    .place(span)
                    .problem("a second document begins here")
                    .help("a file has one document; write the other one into a file of its own"));
            }
        }
        reader.event(event, span)?;
    }
    Ok(reader.root.unwrap_or(Value {
        kind: Kind::Null,
        span: Span {
            start: reader.lines.mark(0),
            end: reader.lines.mark(0),
        },
    }))
}

struct Reader<'a> {
    file: &'a Arc<str>,
    lines: Lines<'a>,
    /// The offset of each character, for the parser counts characters.
    offsets: Vec<usize>,
    /// Collections whose end is not there yet.
    open: Vec<Open>,
    /// What each anchor stands for; nothing while that is not complete.
    anchors: HashMap<usize, Option<Anchored>>,
    /// How many values there are so far.
    values: usize,
    /// What anchors keep and aliases repeat so far.
    repeated: Size,
    root: Option<Value>,
}

struct Anchored {
    value: Value,
    size: Size,
}

/// How big a value is.
#[derive(Clone, Copy, Default)]
struct Size {
    /// How many values it has, itself included.
    values: usize,
    /// How deep they lie in each other.
    depth: usize,
    /// How long their texts and names are.
    bytes: usize,
}

struct Open {
    collection: Collection,
    anchor: usize,
    start: Span,
}

enum Collection {
    List(Vec<Value>),
    Map(Mapping),
}

#[derive(Default)]
struct Mapping {
    entries: Vec<Entry>,
    known: HashMap<String, Span>,
    /// The key whose value comes next.
    key: Option<Key>,
    merges: Vec<Value>,
}

struct Key {
    text: String,
    span: Span,
    is_merge: bool,
}

impl Reader<'_> {
    fn offset(&self, character: usize) -> usize {
        let last = self.offsets.last().copied().unwrap_or_default();
        self.offsets.get(character).copied().unwrap_or(last)
    }

    fn place(&self, span: Span) -> Place {
        Place {
            file: Arc::clone(self.file),
            span,
            path: String::new(),
        }
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Problem> {
        match event {
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(()),
            Event::Scalar(text, style, anchor, tag) => {
                let is_key = self.wants_key();
                if is_key && tag.is_none() {
                    if anchor != 0 {
                        let kind = Kind::String(text.clone().into_owned());
                        self.remember(anchor, &Value { kind, span })?;
                    }
                    let is_merge = text == MERGE && style == ScalarStyle::Plain;
                    return self.key(text.into_owned(), span, is_merge);
                }
                let kind = yaml_scalar::kind(&text, style, tag.as_deref())
                    .map_err(|reason| self.place(span).problem(reason))?;
                let value = Value { kind, span };
                self.remember(anchor, &value)?;
                self.value(value, 1)
            }
            Event::SequenceStart(anchor, tag) => {
                self.open(Collection::List(Vec::new()), anchor, tag.as_deref(), span)
            }
            Event::MappingStart(anchor, tag) => {
                let mapping = Collection::Map(Mapping::default());
                self.open(mapping, anchor, tag.as_deref(), span)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(span),
            Event::Alias(anchor) => self.alias(anchor, span),
        }
    }

    fn wants_key(&self) -> bool {
        matches!(
            self.open.last(),
            Some(Open {
                collection: Collection::Map(Mapping { key: None, .. }),
                ..
            })
        )
    }

    fn open(
        &mut self,
        collection: Collection,
        anchor: usize,
        tag: Option<&Tag>,
        start: Span,
    ) -> Result<(), Problem> {
        let tag_of_kind = match collection {
            Collection::List(_) => "seq",
            Collection::Map(_) => "map",
        };
        if let Some(tag) = tag
            && !(tag.is_yaml_core_schema() && tag.suffix == tag_of_kind)
        {
            let message = format!("the tag `{tag}` is not known here");
            return Err(self.place(start).problem(message));
        }
        if self.wants_key() {
            return Err(self
                .place(start)
                .problem("a list or a mapping cannot be the name of a value"));
        }
        if self.open.len() >= DEPTH {
            return Err(self.too_deep(start));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, None);
        }
        self.open.push(Open {
            collection,
            anchor,
            start,
        });
        Ok(())
    }

    fn too_deep(&self, span: Span) -> Problem {
        let message = format!("more than {DEPTH} values in each other");
        self.place(span).problem(message)
    }

    fn close(&mut self, end: Span) -> Result<(), Problem> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let (kind, last) = match open.collection {
            Collection::List(values) => {
                let last = values.last().map(|value| value.span.end);
                (Kind::List(values), last)
            }
            Collection::Map(mapping) => {
                let last = mapping.entries.last().map(|entry| entry.value.span.end);
                (Kind::Map(self.merged(mapping)?), last)
            }
        };
        // The end of a block collection is where the next thing begins, lines later; its last value's end says more. A merged
        // or repeated value may stand anywhere.
        let end = match last {
            Some(last) if end.end == end.start && last > open.start.start => last.min(end.end),
            _ => end.end,
        };
        let span = Span {
            start: open.start.start,
            end: end.max(open.start.start),
        };
        let value = Value { kind, span };
        self.remember(open.anchor, &value)?;
        self.value(value, 1)
    }

    /// Keeps what an anchor stands for; anchors are counted from 1.
    fn remember(&mut self, anchor: usize, value: &Value) -> Result<(), Problem> {
        if anchor == 0 {
            return Ok(());
        }
        let size = measure(value);
        self.repeat(size, value.span)?;
        let value = value.clone();
        self.anchors.insert(anchor, Some(Anchored { value, size }));
        Ok(())
    }

    /// Counts what there will be once more.
    fn repeat(&mut self, size: Size, span: Span) -> Result<(), Problem> {
        self.repeated.values += size.values;
        self.repeated.bytes += size.bytes;
        match self.repeated.values > VALUES || self.repeated.bytes > REPEATED {
            true => Err(self.too_many(span)),
            false => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Problem> {
        let anchored = match self.anchors.get(&anchor) {
            Some(Some(anchored)) => anchored,
            // The parser refuses aliases of anchors that were never there.
            Some(None) | None => {
                return Err(self
                    .place(span)
                    .problem("this alias stands for something that it is a part of"));
            }
        };
        let size = anchored.size;
        if self.open.len() + size.depth > DEPTH {
            return Err(self.too_deep(span));
        }
        if self.wants_key() && matches!(anchored.value.kind, Kind::List(_) | Kind::Map(_)) {
            return Err(self
                .place(span)
                .problem("a list or a mapping cannot be the name of a value"));
        }
        let value = anchored.value.clone();
        self.repeat(size, span)?;
        self.value(value, size.values)
    }

    fn too_many(&self, span: Span) -> Problem {
        self.place(span)
            .problem(format!(
                "there are more than {VALUES} values in this file, or aliases repeat more than {REPEATED} bytes"
            ))
            .help("aliases of aliases multiply: repeat less")
    }

    /// Puts a complete value where it belongs. `count` values came with it.
    fn value(&mut self, value: Value, count: usize) -> Result<(), Problem> {
        self.values += count;
        if self.values > VALUES {
            return Err(self.too_many(value.span));
        }
        if self.wants_key() {
            let text = match value.kind {
                Kind::String(text) | Kind::Number(text) => text,
                Kind::Bool(value) => value.to_string(),
                _ => {
                    return Err(self
                        .place(value.span)
                        .problem("the name of a value is missing here"));
                }
            };
            return self.key(text, value.span, false);
        }
        match self.open.last_mut().map(|open| &mut open.collection) {
            None => self.root = Some(value),
            Some(Collection::List(values)) => values.push(value),
            Some(Collection::Map(mapping)) => match mapping.key.take() {
                Some(key) if key.is_merge => mapping.merges.push(value),
                Some(key) => mapping.entries.push(Entry {
                    key: key.text,
                    key_span: key.span,
                    value,
                }),
                None => {}
            },
        }
        Ok(())
    }

    fn key(&mut self, text: String, span: Span, is_merge: bool) -> Result<(), Problem> {
        let mut first = None;
        if let Some(Collection::Map(mapping)) =
            self.open.last_mut().map(|open| &mut open.collection)
        {
            first = mapping.known.insert(text.clone(), span);
            mapping.key = Some(Key {
                text: text.clone(),
                span,
                is_merge,
            });
        }
        match first {
            None => Ok(()),
            Some(first) => Err(self
                .place(span)
                .problem(format!("`{text}` is there twice"))
                .also("it is here first", self.place(first))),
        }
    }

    /// The entries of a mapping with those that it merges: its own count most, then those merged first.
    fn merged(&mut self, mapping: Mapping) -> Result<Vec<Entry>, Problem> {
        let Mapping {
            mut entries,
            mut known,
            merges,
            ..
        } = mapping;
        known.remove(MERGE);
        for merge in merges {
            let several = match merge.kind {
                Kind::List(several) => several,
                _ => vec![merge],
            };
            for one in several {
                let Kind::Map(more) = one.kind else {
                    return Err(self
                        .place(one.span)
                        .problem("`<<` merges a mapping, or a list of mappings"));
                };
                for entry in more {
                    if !known.contains_key(&entry.key) {
                        known.insert(entry.key.clone(), entry.key_span);
                        entries.push(entry);
                    }
                }
            }
        }
        Ok(entries)
    }
}

fn measure(value: &Value) -> Size {
    let mut size = Size {
        values: 1,
        ..Size::default()
    };
    let mut add = |inner: &Value| {
        let inner = measure(inner);
        size.values += inner.values;
        size.bytes += inner.bytes;
        size.depth = size.depth.max(inner.depth + 1);
    };
    match &value.kind {
        Kind::Null | Kind::Bool(_) => {}
        Kind::Number(text) | Kind::String(text) => size.bytes = text.len(),
        Kind::List(values) => {
            values.iter().for_each(&mut add);
            size.depth = size.depth.max(1);
        }
        Kind::Map(entries) => {
            entries.iter().for_each(|entry| add(&entry.value));
            size.depth = size.depth.max(1);
            size.bytes += entries.iter().map(|entry| entry.key.len()).sum::<usize>();
        }
    }
    size
}

#[cfg(test)]
mod tests;
