//! Values as YAML that reads well: blocks, with short lists and maps on one line.

use serde_json::Value;

/// How long a line with a list or a map may be.
const WIDTH: usize = 110;

/// A map as a whole document; an empty line stands before each section but the first.
#[must_use]
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                if !text.is_empty() {
                    text.push('\n');
                }
                entry(&mut text, 0, key, value);
            }
        }
        other => {
            text.push_str(&flow(other));
            text.push('\n');
        }
    }
    text
}

/// `key: value` at an indent, with its line end; what stands before it on the line is there already.
fn entry(text: &mut String, indent: usize, key: &str, value: &Value) {
    text.push_str(&name(key, true));
    text.push(':');
    behind(text, indent, value);
}

/// A value behind `key:` or `-`.
fn behind(text: &mut String, indent: usize, value: &Value) {
    let column = text.len() - text.rfind('\n').map_or(0, |at| at + 1);
    let one_line = flow(value);
    let is_short = column + one_line.len() < WIDTH && !one_line.contains("\\n");
    match value {
        Value::String(lines) if literal(lines).is_some() => {
            let (header, lines) = literal(lines).unwrap_or_default();
            text.push_str(&format!(" {header}\n"));
            for line in lines {
                if !line.is_empty() {
                    text.push_str(&" ".repeat(indent + 2));
                    text.push_str(line);
                }
                text.push('\n');
            }
        }
        Value::Array(values) if !(values.is_empty() || is_short && is_simple(value, 1)) => {
            text.push('\n');
            for value in values {
                text.push_str(&" ".repeat(indent + 2));
                text.push('-');
                match value {
                    // A single member reads best behind the dash itself.
                    Value::Object(members)
                        if members.len() == 1
                            || !(members.is_empty() || fits(indent + 4, value)) =>
                    {
                        block(text, indent + 4, members, " ");
                    }
                    Value::Object(_) => text.push_str(&format!(" {}\n", flow(value))),
                    value => behind(text, indent + 2, value),
                }
            }
        }
        Value::Object(members)
            if !(members.is_empty() || is_short && indent > 0 && is_simple(value, 1)) =>
        {
            text.push('\n');
            let first = " ".repeat(indent + 2);
            block(text, indent + 2, members, &first);
        }
        Value::String(line) => text.push_str(&format!(" {}\n", scalar(line, true))),
        _ => text.push_str(&format!(" {one_line}\n")),
    }
}

fn block(text: &mut String, indent: usize, members: &serde_json::Map<String, Value>, first: &str) {
    for (number, (key, value)) in members.iter().enumerate() {
        match number {
            0 => text.push_str(first),
            _ => text.push_str(&" ".repeat(indent)),
        }
        entry(text, indent, key, value);
    }
}

fn fits(indent: usize, value: &Value) -> bool {
    let text = flow(value);
    indent + text.len() < WIDTH && !text.contains("\\n") && is_simple(value, 2)
}

/// Whether a value is one that reads well on one line: scalars, and lists and maps of them.
fn is_simple(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(values) => depth > 0 && values.iter().all(|value| is_simple(value, depth - 1)),
        Value::Object(members) => {
            depth > 0 && members.values().all(|value| is_simple(value, depth - 1))
        }
        _ => true,
    }
}

/// A value on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => scalar(text, false),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(flow).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{}: {}", name(key, false), flow(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// The header and the lines of a literal block, for texts of several lines that can be one.
fn literal(text: &str) -> Option<(&'static str, Vec<&str>)> {
    let is_plain = |c: char| c == '\n' || c == '\t' || !needs_escape(c);
    if !text.trim_end_matches('\n').contains('\n') || !text.chars().all(is_plain) {
        return None;
    }
    let (header, body) = match text.strip_suffix('\n') {
        None => ("|-", text),
        Some(body) if body.ends_with('\n') => return None,
        Some(body) => ("|", body),
    };
    let lines: Vec<&str> = body.split('\n').collect();
    // The first line tells the indent, so it has none of its own.
    let first = lines.first()?;
    let is_telling = !first.is_empty() && !first.starts_with([' ', '\t']);
    let has_blank = lines
        .iter()
        .any(|line| !line.is_empty() && line.trim().is_empty());
    (is_telling && !has_blank).then_some((header, lines))
}

/// A name of a map. `on` is one of the language's own, and only old YAML takes it for true.
fn name(key: &str, is_block: bool) -> String {
    match key {
        "on" => key.to_owned(),
        key => scalar(key, is_block),
    }
}

/// A text as a plain scalar where that is safe, and else in double quotes.
fn scalar(text: &str, is_block: bool) -> String {
    if is_plain(text, is_block) {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if needs_escape(c) => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether a character cannot stand in a document as itself, or should not.
fn needs_escape(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}'
        )
}

fn is_plain(text: &str, is_block: bool) -> bool {
    const OTHER_KINDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let starts_well = text
        .starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '_' | '$'))
        || text.starts_with("./")
        || text.starts_with("../");
    let is_word = OTHER_KINDS.contains(&text.to_ascii_lowercase().as_str());
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    let mut is_safe = true;
    while let Some(c) = rest.next() {
        is_safe &= match c {
            // A colon is one of a text only before something else, and a hash only behind something.
            ':' => rest.peek().is_some_and(|next| {
                next.is_ascii_alphanumeric() || matches!(next, '/' | '$' | '-')
            }),
            '#' => before != ' ',
            ',' | '[' | ']' | '{' | '}' => is_block,
            c => c == ' ' || c.is_ascii_graphic(),
        };
        before = c;
    }
    starts_well && is_safe && !is_word && !text.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use stromatekt_pipeline::{Document, Kind, Value as Read};

    fn read(value: &Read) -> Value {
        match &value.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(text) => Value::from(text.parse::<u64>().expect("it was one")),
            Kind::String(text) => Value::from(text.clone()),
            Kind::List(values) => values.iter().map(read).collect(),
            Kind::Map(entries) => {
                let members = entries
                    .iter()
                    .map(|entry| (entry.key.clone(), read(&entry.value)));
                Value::Object(members.collect())
            }
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let text = prop_oneof![
            "[a-z]{1,8}",
            "[ -~]{0,12}",
            "([ -~]{0,6}\n){1,4}[a-z]{0,3}",
            "([a-z][ -~]{0,30}\n){2,4}",
            any::<String>(),
            Just("true".to_owned()),
            Just("0x10".to_owned()),
            Just("~".to_owned()),
            Just("<<".to_owned()),
        ];
        let leaf = prop_oneof![
            text.clone().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 32, 5, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::vec(("[ -~]{0,8}", inner), 0..5).prop_map(|members| {
                    Value::Object(members.into_iter().filter(|(key, _)| key != "<<").collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in value()) {
            let text = document(&value);
            let document = Document::parse_yaml("p.yaml", &text);
            let document = document.unwrap_or_else(|problem| panic!("{problem}\n{text}"));
            prop_assert_eq!(read(&document.root), value, "{}", text);
        }
    }

    #[test]
    fn it_reads_well() {
        let value = serde_json::json!({
            "bases": {"debian": "debian:12"},
            "tasks": {
                "app": {"on": "debian", "copy": [{"files": ["a", "b"], "to": "/x/"}], "run": "set -e\nmake\n"},
                "empty": {},
            },
        });
        let text = "bases:\n  debian: debian:12\n\ntasks:\n  app:\n    on: debian\n    copy:\n      - {files: [a, b], to: /x/}\n    \
                    run: |\n      set -e\n      make\n  empty: {}\n";
        assert_eq!(document(&value), text);
    }
}
