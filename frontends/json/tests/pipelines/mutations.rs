//! Bad pipelines: each is an error with a place, or what the schema allows; none panics.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stromatekt_pipeline::Problem;

use crate::given;

/// A way to a value: names and numbers.
type Path = Vec<Value>;

/// All values, the whole first.
fn paths(value: &Value) -> Vec<Path> {
    let mut all = vec![Vec::new()];
    let mut inside = |step: Value, inner: &Value| {
        for mut path in paths(inner) {
            path.insert(0, step.clone());
            all.push(path);
        }
    };
    match value {
        Value::Object(map) => map
            .iter()
            .for_each(|(name, inner)| inside(json!(name), inner)),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(number, inner)| inside(json!(number), inner)),
        _ => {}
    }
    all
}

fn at<'v>(value: &'v mut Value, path: &[Value]) -> &'v mut Value {
    path.iter().fold(value, |value, step| match step {
        Value::String(name) => &mut value[name.as_str()],
        step => &mut value[step.as_u64().expect("a number") as usize],
    })
}

/// The same with another value in one place.
fn with(value: &Value, path: &[Value], change: impl FnOnce(&mut Value)) -> Value {
    let mut value = value.clone();
    change(at(&mut value, path));
    value
}

fn without(value: &Value, path: &[Value]) -> Value {
    let (last, outer) = path.split_last().expect("not the whole");
    with(value, outer, |outer| match (outer, last) {
        (Value::Object(map), Value::String(name)) => {
            map.shift_remove(name);
        }
        (Value::Array(list), number) => {
            list.remove(number.as_u64().expect("a number") as usize);
        }
        (other, _) => panic!("{other} has nothing in it"),
    })
}

fn renamed(value: &Value, path: &[Value]) -> Option<Value> {
    let (last, outer) = path.split_last()?;
    let name = last.as_str()?;
    Some(with(value, outer, |outer| {
        if let Value::Object(map) = outer {
            *map = std::mem::take(map)
                .into_iter()
                .map(|(key, value)| match key == name {
                    true => (format!("{key}x"), value),
                    false => (key, value),
                })
                .collect();
        }
    }))
}

/// Values of other types, and odd ones of the same. `turn` says which of the odder ones.
fn others(value: &Value, turn: usize) -> Vec<Value> {
    let odd = [
        Value::Null,
        json!("no such thing"),
        json!(true),
        json!(-7),
        json!([1]),
        json!({"x": "y"}),
        json!(1.5),
        json!(""),
        json!("/"),
        json!("..\u{0}"),
        json!([]),
        json!({}),
    ];
    let mut others = vec![
        odd[turn % odd.len()].clone(),
        odd[(turn + 1) % odd.len()].clone(),
    ];
    if let Value::String(text) = value {
        others.push(json!(format!("{text}x")));
    }
    others
}

fn mutations(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    for (turn, path) in paths(value).into_iter().enumerate() {
        let here = at(&mut value.clone(), &path).clone();
        for other in others(&here, turn) {
            all.push(with(value, &path, |value| *value = other));
        }
        if !path.is_empty() {
            all.push(without(value, &path));
            all.extend(renamed(value, &path));
        }
    }
    all.retain(|other| other != value);
    all
}

fn check_place(text: &str, problem: &Problem) {
    let places = problem.also.iter().map(|(_, place)| place);
    for place in places.chain([problem.place.as_ref()]) {
        let span = place.span;
        assert_eq!(&*place.file, "p.json", "{problem}");
        assert!(span.start.line >= 1 && span.start <= span.end, "{problem}");
        assert!(span.end.offset <= text.len(), "{problem}");
        assert!(text.get(span.start.offset..span.end.offset).is_some());
    }
    assert!(!problem.message.is_empty());
}

#[test]
fn each_mutation_is_a_problem_with_a_place_or_what_the_schema_allows() {
    let validator = jsonschema::draft202012::new(&stromatekt_json::schema()).expect("a schema");
    let (mut refused, mut taken) = (0, 0);
    let mut messages = BTreeSet::new();
    for (name, value) in given::all() {
        for mutation in mutations(&value) {
            let text = serde_json::to_string_pretty(&mutation).expect("JSON");
            match given::lowered(&text) {
                Err(problem) => {
                    check_place(&text, &problem);
                    messages.insert(problem.message);
                    refused += 1;
                }
                Ok(_) => {
                    assert!(validator.is_valid(&mutation), "{name}:\n{text}");
                    taken += 1;
                }
            }
        }
    }
    assert!(refused > 1_500, "{refused} refused, {taken} taken");
    assert!(messages.len() > 150, "{} messages", messages.len());
}

#[test]
fn each_text_that_is_cut_off_is_a_problem_with_a_place() {
    for (name, value) in given::all() {
        let text = serde_json::to_string_pretty(&value).expect("JSON");
        for end in (0..text.len())
            .filter(|end| text.is_char_boundary(*end))
            .step_by(97)
        {
            let problem = given::lowered(&text[..end]).expect_err(&name);
            check_place(&text[..end], &problem);
        }
    }
}
