//! The functions of templates: Go's own and docker's.

use serde_json::Value;

/// Calls one.
pub fn call(name: &str, args: &[Value]) -> Result<Value, String> {
    let wrong = || {
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        format!("`{name}` does nothing with ({})", args.join(", "))
    };
    let result = match (name, args) {
        ("json", [value]) => Value::from(value.to_string()),
        ("lower", [value]) => Value::from(text(value).to_lowercase()),
        ("upper", [value]) => Value::from(text(value).to_uppercase()),
        ("title", [value]) => Value::from(title(&text(value))),
        ("join", [Value::Array(values), Value::String(separator)]) => {
            let texts: Vec<String> = values.iter().map(text).collect();
            Value::from(texts.join(separator))
        }
        ("join", [Value::Null, Value::String(_)]) => Value::from(""),
        ("split", [Value::String(value), Value::String(separator)]) => {
            value.split(separator.as_str()).map(Value::from).collect()
        }
        ("truncate", [Value::String(value), Value::Number(length)]) => {
            let length = number(length).ok_or_else(wrong)?;
            Value::from(value.chars().take(length).collect::<String>())
        }
        (
            "pad",
            [
                Value::String(value),
                Value::Number(left),
                Value::Number(right),
            ],
        ) => {
            let spaces = |count| number(count).map(|count| " ".repeat(count));
            let (left, right) = spaces(left).zip(spaces(right)).ok_or_else(wrong)?;
            Value::from(format!("{left}{value}{right}"))
        }
        ("len", [value]) => Value::from(length(value).ok_or_else(wrong)?),
        ("index", [value, keys @ ..]) => index(value, keys)?,
        ("slice", [value, bounds @ ..]) => slice(value, bounds).ok_or_else(wrong)?,
        ("not", [value]) => Value::Bool(!truth(value)),
        ("and", [.., last]) => args
            .iter()
            .find(|value| !truth(value))
            .unwrap_or(last)
            .clone(),
        ("or", [.., last]) => args
            .iter()
            .find(|value| truth(value))
            .unwrap_or(last)
            .clone(),
        ("eq", [first, others @ ..]) if !others.is_empty() => Value::Bool(others.contains(first)),
        ("ne", [a, b]) => Value::Bool(a != b),
        ("lt", [a, b]) => Value::Bool(compare(a, b).ok_or_else(wrong)?.is_lt()),
        ("le", [a, b]) => Value::Bool(compare(a, b).ok_or_else(wrong)?.is_le()),
        ("gt", [a, b]) => Value::Bool(compare(a, b).ok_or_else(wrong)?.is_gt()),
        ("ge", [a, b]) => Value::Bool(compare(a, b).ok_or_else(wrong)?.is_ge()),
        ("print", args) => Value::from(args.iter().map(text).collect::<String>()),
        ("println", args) => {
            let texts: Vec<String> = args.iter().map(text).collect();
            Value::from(format!("{}\n", texts.join(" ")))
        }
        ("printf", [Value::String(format), args @ ..]) => Value::from(printf(format, args)?),
        _ if NAMES.contains(&name) => return Err(wrong()),
        _ => {
            return Err(format!(
                "there is no function `{name}`: they are {}",
                NAMES.join(", ")
            ));
        }
    };
    Ok(result)
}

const NAMES: &[&str] = &[
    "and", "eq", "ge", "gt", "index", "join", "json", "le", "len", "lower", "lt", "ne", "not",
    "or", "pad", "print", "printf", "println", "slice", "split", "title", "truncate", "upper",
];

/// A value as Go's `%v` shows it.
pub fn text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let texts: Vec<String> = values.iter().map(text).collect();
            format!("[{}]", texts.join(" "))
        }
        Value::Object(map) => {
            let mut entries: Vec<String> = map
                .iter()
                .map(|(key, value)| format!("{key}:{}", text(value)))
                .collect();
            entries.sort();
            format!("map[{}]", entries.join(" "))
        }
        other => other.to_string(),
    }
}

/// Whether Go takes a value for true: it is not the zero of its type.
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64() != Some(0.0),
        other => length(other) != Some(0),
    }
}

fn number(number: &serde_json::Number) -> Option<usize> {
    number.as_u64().and_then(|number| number.try_into().ok())
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.len()),
        Value::Array(values) => Some(values.len()),
        Value::Object(map) => Some(map.len()),
        Value::Null => Some(0),
        _ => None,
    }
}

fn title(text: &str) -> String {
    let mut is_first = true;
    let letters = text.chars().flat_map(|char| {
        let shown: Vec<char> = match is_first {
            true => char.to_uppercase().collect(),
            false => vec![char],
        };
        is_first = char.is_whitespace();
        shown
    });
    letters.collect()
}

fn index(value: &Value, keys: &[Value]) -> Result<Value, String> {
    let mut value = value;
    for key in keys {
        value = match (value, key) {
            (Value::Array(values), Value::Number(place)) => number(place)
                .and_then(|place| values.get(place))
                .ok_or_else(|| format!("there is no element {key}"))?,
            // A map gives the zero of its values for a key that it has not; docker's are texts.
            (Value::Object(map), Value::String(name)) => match map.get(name) {
                Some(value) => value,
                None => return Ok(Value::from("")),
            },
            (Value::Null, Value::String(_)) => return Ok(Value::from("")),
            _ => return Err(format!("there is no element {key}")),
        };
    }
    Ok(value.clone())
}

fn slice(value: &Value, bounds: &[Value]) -> Option<Value> {
    let bound = |place: usize, default: usize| match bounds.get(place) {
        Some(Value::Number(bound)) => number(bound),
        Some(_) => None,
        None => Some(default),
    };
    let (start, end) = (bound(0, 0)?, bound(1, length(value)?)?);
    match value {
        Value::String(text) => text.get(start..end).map(Value::from),
        Value::Array(values) => values.get(start..end).map(Value::from),
        _ => None,
    }
}

fn compare(a: &Value, b: &Value) -> Option<std::cmp::Ordering> {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64()?.partial_cmp(&b.as_f64()?),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Go's `Printf` with `%s`, `%v`, `%d`, `%q` and the most characters of a text.
fn printf(format: &str, args: &[Value]) -> Result<String, String> {
    let mut args = args.iter();
    let mut out = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let digits = after.strip_prefix('.').map(|after| {
            let end = after.find(|char: char| !char.is_ascii_digit());
            after.split_at(end.unwrap_or(after.len()))
        });
        let (most, after) = match digits {
            Some((digits, after)) => (digits.parse::<usize>().ok(), after),
            None => (None, after),
        };
        let mut chars = after.chars();
        let verb = chars.next();
        let shown = match verb {
            Some('%') => "%".to_owned(),
            Some('s' | 'v' | 'd' | 'q') => {
                let value = args.next().ok_or("`printf` has too few values")?;
                match verb {
                    Some('q') => Value::from(text(value)).to_string(),
                    _ => text(value),
                }
            }
            _ => return Err(format!("`printf` has no `%{after}`")),
        };
        out.extend(shown.chars().take(most.unwrap_or(usize::MAX)));
        rest = chars.as_str();
    }
    out.push_str(rest);
    Ok(out)
}
