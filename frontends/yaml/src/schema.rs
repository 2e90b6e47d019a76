//! The JSON Schema of pipelines, made of the language's tables.

use serde_json::{Map, Value, json};

use crate::language::{OBJECTS, Object, PIPELINE, Shape};

const SCALAR: [&str; 3] = ["string", "number", "boolean"];

/// The JSON Schema (2020-12) of a pipeline, for editors.
#[must_use]
pub fn schema() -> Value {
    let definitions = OBJECTS
        .iter()
        .filter(|object| object.name != PIPELINE.name)
        .map(|object| (object.name.to_owned(), of_object(object)));
    let definitions: Map<String, Value> = definitions.collect();
    let mut top = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "stromatekt pipeline",
    });
    if let (Value::Object(top), Value::Object(pipeline)) = (&mut top, of_object(&PIPELINE)) {
        top.extend(pipeline);
        top.insert(
            "patternProperties".to_owned(),
            json!({"^x-": {"description": "not read: a place for anchors"}}),
        );
        top.insert("$defs".to_owned(), Value::Object(definitions));
    }
    top
}

fn of_object(object: &Object) -> Value {
    let properties = object.fields.iter().map(|field| {
        let mut schema = of_shape(&field.shape);
        if let Value::Object(members) = &mut schema {
            members.insert("description".to_owned(), json!(field.says));
        }
        (field.name.to_owned(), schema)
    });
    let mut schema = json!({
        "type": "object",
        "properties": properties.collect::<Map<_, _>>(),
        "additionalProperties": false,
    });
    let needs = object.needs.iter().map(|names| {
        let one = names.iter().map(|name| json!({ "required": [name] }));
        json!({"anyOf": one.collect::<Vec<_>>()})
    });
    if let (Value::Object(members), [_, ..]) = (&mut schema, object.needs) {
        members.insert("allOf".to_owned(), needs.collect());
    }
    schema
}

/// Variables can stand for anything; what they are is not known to an editor.
fn or_variable(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "string", "pattern": "\\$\\{"}]})
}

fn of_shape(shape: &Shape) -> Value {
    match shape {
        Shape::Text => json!({"type": SCALAR}),
        Shape::TextOrNothing => json!({"type": ["string", "number", "boolean", "null"]}),
        Shape::Switch => or_variable(json!({"type": "boolean"})),
        Shape::Number => or_variable(json!({"type": "integer"})),
        Shape::Word(words) => or_variable(json!({"enum": words})),
        Shape::Digest => json!({"type": "string", "pattern": "^(sha256:[0-9a-f]{64}|.*\\$\\{.*)$"}),
        Shape::List(element) => json!({"type": "array", "items": of_shape(element)}),
        Shape::OneOrMore(element) => {
            let one = of_shape(element);
            json!({"anyOf": [one.clone(), {"type": "array", "items": one}]})
        }
        Shape::Map(value) => json!({"type": "object", "additionalProperties": of_shape(value)}),
        Shape::Either(shapes) => json!({"anyOf": shapes.iter().map(of_shape).collect::<Vec<_>>()}),
        Shape::Object(object) => json!({"$ref": format!("#/$defs/{}", object.name)}),
    }
}
