//! Any text at all is a document or a problem with a place in it.

use proptest::prelude::*;
use stromatekt_pipeline::{Document, Kind, Problem, Value};

fn place_is_inside(text: &str, problem: &Problem) {
    let span = problem.place.span;
    assert!(span.start <= span.end && span.end.offset <= text.len());
    assert!(text.is_char_boundary(span.start.offset) && text.is_char_boundary(span.end.offset));
    assert!(span.start.line >= 1 && span.start.column >= 1);
}

fn check(text: &str) {
    for parsed in [
        Document::parse_json("p", text),
        Document::parse_yaml("p", text),
    ] {
        match parsed {
            Ok(document) => spans(text, &document.root),
            Err(problem) => place_is_inside(text, &problem),
        }
    }
}

fn spans(text: &str, value: &Value) {
    assert!(value.span.start <= value.span.end, "{text:?}: {value:?}");
    assert!(value.span.end.offset <= text.len());
    match &value.kind {
        Kind::List(values) => values.iter().for_each(|value| spans(text, value)),
        Kind::Map(entries) => entries.iter().for_each(|entry| spans(text, &entry.value)),
        _ => {}
    }
}

/// The same by a reader that is not ours.
fn as_serde(value: &Value) -> serde_json::Value {
    match &value.kind {
        Kind::Null => serde_json::Value::Null,
        Kind::Bool(value) => (*value).into(),
        Kind::Number(text) => serde_json::from_str(text).expect("a number"),
        Kind::String(text) => text.as_str().into(),
        Kind::List(values) => values.iter().map(as_serde).collect(),
        Kind::Map(entries) => serde_json::Value::Object(
            entries
                .iter()
                .map(|entry| (entry.key.clone(), as_serde(&entry.value)))
                .collect(),
        ),
    }
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_a_document_or_a_problem(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn text_with_the_signs_of_the_languages_is_a_document_or_a_problem(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "[", "]", ":", ": ", ",", "\n", "  ", "- ", "? ", "&a ", "*a", "<<: ", "\"", "'", "|\n", ">-\n", "#",
                "---\n", "...\n", "!!str ", "!x ", "%YAML 1.2\n", "a", "\u{e4}", "1", "-", "\\u00e4", "\\", "\t", "true", "\r\n", "\u{feff}",
            ]),
            0..40,
        )
    ) {
        check(&parts.concat());
    }

    #[test]
    fn json_is_read_as_others_read_it(value in json_value(), pretty in any::<bool>()) {
        let text = match pretty {
            true => serde_json::to_string_pretty(&value).expect("JSON"),
            false => value.to_string(),
        };
        let document = Document::parse_json("p", &text).expect("JSON");
        prop_assert_eq!(as_serde(&document.root), value);
    }
}
