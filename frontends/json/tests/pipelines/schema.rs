//! The schema says what the reader takes.

use std::collections::BTreeSet;

use serde_json::Value;
use stromatekt_json::schema;

use crate::given;

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&schema()).expect("a schema")
}

#[test]
fn the_examples_are_valid() {
    let validator = validator();
    for (name, value) in given::all() {
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

/// The names of all fields that a schema has.
fn fields(value: &Value, found: &mut BTreeSet<String>) {
    if let Some(properties) = value.get("properties").and_then(Value::as_object) {
        found.extend(properties.keys().cloned());
    }
    match value {
        Value::Object(map) => map.values().for_each(|value| fields(value, found)),
        Value::Array(list) => list.iter().for_each(|value| fields(value, found)),
        _ => {}
    }
}

#[test]
fn the_reader_takes_every_field_of_the_schema() {
    if let Err(problem) = given::lowered(given::EVERY_FIELD) {
        panic!("{problem}: {:?}", problem.help);
    }
    let mut of_schema = BTreeSet::new();
    fields(&schema(), &mut of_schema);
    // The other name of a field that is there cannot be there, too.
    assert!(of_schema.remove("tasks"));
    for field in of_schema {
        let is_there = given::EVERY_FIELD.contains(&format!("\"{field}\":"));
        assert!(
            is_there,
            "`{field}` is in the schema, but not in every-field.json"
        );
    }
}

#[test]
fn the_schema_has_every_field_that_the_reader_takes() {
    let mut of_schema = BTreeSet::new();
    fields(&schema(), &mut of_schema);
    let sources = [
        include_str!("../../src/read.rs"),
        include_str!("../../src/read_config.rs"),
        include_str!("../../src/read_files.rs"),
        include_str!("../../src/read_mount.rs"),
        include_str!("../../src/read_run.rs"),
        include_str!("../../src/read_step.rs"),
    ];
    let mut count = 0;
    for source in sources {
        let source: String = source.split_whitespace().collect();
        for start in [
            "take(\"",
            "required(\"",
            "fields,\"",
            "text(\"",
            "list(\"",
            "set(\"",
            "optional(\"",
            "number(\"",
            "id(\"",
        ] {
            for rest in source.split(start).skip(1) {
                let field = rest.split('"').next().unwrap_or_default();
                // It is only taken to be refused.
                if field == "rootfs" {
                    continue;
                }
                assert!(of_schema.contains(field), "`{field}` is not in the schema");
                count += 1;
            }
        }
    }
    assert!(count > 100, "the fields were found: {count}");
}

#[test]
fn every_field_of_the_schema_says_what_it_does() {
    fn walk(value: &Value, path: &str) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (name, property) in properties {
                let is_told = ["description", "$ref", "const"]
                    .iter()
                    .any(|key| property.get(key).is_some());
                assert!(is_told, "{path}: `{name}` has no description");
            }
        }
        match value {
            Value::Object(map) => map
                .iter()
                .for_each(|(k, v)| walk(v, &format!("{path}/{k}"))),
            Value::Array(list) => list.iter().for_each(|v| walk(v, path)),
            _ => {}
        }
    }
    let schema = schema();
    assert!(schema.is_object());
    walk(&schema, "");
}
