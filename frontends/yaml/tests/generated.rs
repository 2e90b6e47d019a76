//! Pipelines made of the language's tables by chance: none panics, each mistake has a place, and what the reader takes the schema takes.

mod support;

use std::cell::Cell;

use serde_json::{Map, Value, json};
use stromatekt_pipeline::Document;
use stromatekt_yaml::language::{IMAGE, Object, PIPELINE, Shape, TASK};
use stromatekt_yaml::schema;
use support::{Files, with_given};

const FILE: &str = "p.yaml";
const DIGEST: &str = "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// What stands for a text: names of all kinds, right and wrong, among them those that the pipelines here have.
const TEXTS: [&str; 40] = [
    "base",
    "base",
    "task",
    "task",
    "scratch",
    "context",
    "many[1]",
    "many",
    "base.layers[0]",
    "task.layers[0..1]",
    "lib.made",
    "nowhere",
    "debian:12",
    "a",
    "/a",
    "/a/",
    "/",
    "a/../b",
    "",
    " ",
    "755",
    "u=rwX",
    "${number}",
    "${word}",
    "${nothing}",
    "${target.arch}",
    "$${x}",
    "1m30s",
    "80",
    "53/udp",
    "linux/arm64",
    "host",
    "A=b",
    "TERM",
    "10.0.0.1",
    "http://localhost/x",
    "2020-01-01T00:00:00Z",
    "Dockerfile#build",
    "lib.yaml",
    DIGEST,
];

const KEYS: [&str; 8] = [
    "base", "task", "other", "A", "nofile", "/file", "", "${word}",
];

/// Values by chance, the same ones for the same seed (splitmix64).
struct Chance(Cell<u64>);

impl Chance {
    fn below(&self, bound: usize) -> usize {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let bound = u64::try_from(bound).unwrap_or(1).max(1);
        usize::try_from((mixed ^ (mixed >> 31)) % bound).unwrap_or(0)
    }

    fn one<'a, T>(&self, several: &'a [T]) -> &'a T {
        &several[self.below(several.len())]
    }

    fn value(&self, shape: &Shape) -> Value {
        if self.below(40) == 0 {
            let others = [
                json!(null),
                json!([]),
                json!({}),
                json!(-1),
                json!([[null]]),
                json!({"x": 1}),
            ];
            return self.one(&others).clone();
        }
        match shape {
            Shape::Text => match self.below(8) {
                0 => json!(self.below(1000)),
                1 => json!(true),
                _ => json!(self.one(&TEXTS)),
            },
            Shape::TextOrNothing => match self.below(3) {
                0 => Value::Null,
                _ => self.value(&Shape::Text),
            },
            Shape::Switch => match self.below(4) {
                0 => json!("${flag}"),
                number => json!(number == 1),
            },
            Shape::Number => match self.below(4) {
                0 => json!("${number}"),
                1 => json!(self.below(usize::MAX)),
                _ => json!(self.below(5)),
            },
            Shape::Word(words) => match self.below(6) {
                0 => json!("${word}"),
                _ => json!(self.one(words)),
            },
            Shape::Digest => json!(DIGEST),
            Shape::List(element) => {
                let count = self.below(3);
                (0..count).map(|_| self.value(element)).collect()
            }
            Shape::OneOrMore(element) => match self.below(3) {
                0 => self.value(&Shape::List(element)),
                _ => self.value(element),
            },
            Shape::Map(value) => {
                let count = self.below(3);
                let entry = |_| ((*self.one(&KEYS)).to_owned(), self.value(value));
                Value::Object((0..count).map(entry).collect())
            }
            Shape::Either(shapes) => self.value(self.one(shapes)),
            Shape::Object(object) => Value::Object(self.object(object)),
        }
    }

    /// What an object needs, and a bit more.
    fn object(&self, object: &Object) -> Map<String, Value> {
        let more = self.below(3);
        let needed = object.needs.iter().map(|names| *self.one(names));
        let more = (0..more).map(|_| self.one(object.fields).name);
        let names: Vec<&str> = needed.chain(more).collect();
        let fields = object
            .fields
            .iter()
            .filter(|field| names.contains(&field.name));
        fields
            .map(|field| (field.name.to_owned(), self.value(&field.shape)))
            .collect()
    }

    /// A pipeline that is right, and what chance adds to it.
    fn pipeline(&self) -> Value {
        let mut top = json!({
            "variables": {"number": 7, "word": "none", "flag": true},
            "import": "lib.yaml",
            "bases": {"base": "debian"},
            "tasks": {
                "task": {"on": "base", "layers": "per-step", "steps": [{"run": "x"}, {"files": {"/x": "y"}}]},
                "many": {"on": "scratch", "matrix": {"n": [1, 2]}, "files": {"/n": "${n}"}},
            },
            "images": {"image": {"layers": "task"}},
        });
        let mut add = |section: &str, name: &str, value: Value| {
            top[section][name] = value;
        };
        match self.below(4) {
            0 => add("tasks", "made", Value::Object(self.object(&TASK))),
            1 => {
                let mut task = self.object(&TASK);
                task.insert("on".to_owned(), json!("base"));
                add("tasks", "made", Value::Object(task));
                add("images", "made", json!({"layers": ["base", "made"]}));
            }
            2 => add("images", "made", Value::Object(self.object(&IMAGE))),
            _ => {
                let field = self.one(PIPELINE.fields);
                let value = self.value(&field.shape);
                match (value, &mut top[field.name]) {
                    (Value::Object(more), Value::Object(known)) => known.extend(more),
                    (value, place) => *place = value,
                }
            }
        }
        top
    }
}

#[test]
fn what_the_tables_allow_is_read_or_told() {
    let validator = jsonschema::validator_for(&schema()).expect("it is a schema");
    let mut options = with_given();
    options.variables.clear();
    let mut read = 0;
    for seed in 0..2000 {
        let value = Chance(Cell::new(seed)).pipeline();
        let text = serde_json::to_string_pretty(&value).expect("plain data");
        let files = Files::of(&[
            (FILE, &text),
            (
                "lib.yaml",
                "variables: {v: 1}\ntasks: {made: {on: scratch, files: {/lib: '${v}'}}}\n",
            ),
            ("Dockerfile", "FROM debian AS build\nRUN make\n"),
        ]);
        let Err(problem) = files.lower(FILE, &options) else {
            read += 1;
            let document = Document::parse_yaml(FILE, &text).expect("it was read");
            let seen = support::json(&document.root);
            let errors = validator.iter_errors(&seen);
            let errors: Vec<String> = errors
                .map(|error| format!("{error} at {}", error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{seed}: {errors:#?}\n{text}");
            continue;
        };
        let place = &problem.place;
        let file = files.0.get(&*place.file);
        let lines = file.map_or(0, |file| file.lines().count());
        let line = usize::try_from(place.span.start.line).unwrap_or(0);
        assert!(
            (1..=lines).contains(&line) && !problem.message.is_empty(),
            "{seed}: {problem} has no place\n{text}"
        );
    }
    assert!(read > 200, "only {read} were right");
}
