//! The examples, and a pipeline with every field: they are read, fit the schema, and are told in the reference.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use stromatekt_pipeline::Document;
use stromatekt_yaml::language::OBJECTS;
use stromatekt_yaml::{NamedImage, Source, reference, schema, write};
use support::{EXAMPLES, everything, example, json, options, with_given};

#[test]
fn examples_and_everything_are_read() {
    for name in EXAMPLES {
        let (lowered, _) = example(name)
            .lower("pipeline.yaml", &options())
            .unwrap_or_else(|problem| panic!("{name}: {problem} {:?}", problem.help));
        assert!(!lowered.images.is_empty());
        assert_eq!(lowered.warnings, Vec::<String>::new());
    }
    everything()
        .lower("pipeline.yaml", &with_given())
        .unwrap_or_else(|problem| panic!("{problem} {:?} {:?}", problem.help, problem.place));
}

#[test]
fn examples_and_everything_fit_the_schema() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).expect("it is a schema");
    let texts = EXAMPLES.iter().map(|name| (*name, example(name)));
    for (name, files) in texts.chain([("everything", everything())]) {
        for (path, text) in files.0.iter().filter(|(path, _)| path.ends_with(".yaml")) {
            let document = Document::parse_yaml(path, text).expect("it is YAML");
            let value = json(&document.root);
            let errors: Vec<String> = validator
                .iter_errors(&value)
                .map(|error| format!("{} at {}", error, error.instance_path()))
                .collect();
            assert!(errors.is_empty(), "{name} {path}: {errors:#?}");
        }
    }
    for wrong in [
        "tasks: {a: {rnu: x}}",
        "tasks: [a]",
        "images: {a: {layers: {}}}",
        "other: 1",
    ] {
        let document = Document::parse_yaml("p.yaml", wrong).expect("it is YAML");
        assert!(!validator.is_valid(&json(&document.root)), "{wrong}");
    }
}

#[test]
fn what_something_needs_is_needed_by_the_schema_and_by_the_reader() {
    let validator = jsonschema::validator_for(&schema()).expect("it is a schema");
    for (value, lacks) in [
        ("import: {as: x}", "file"),
        ("bases: {b: {platform: host}}", "image"),
        ("sources: {s: {checksum: x}}", "directory"),
        ("tasks: {a: {run: x}}", "on"),
        ("tasks: {a: {on: scratch, directories: {owner: x}}}", "path"),
        ("tasks: {a: {on: scratch, copy: {files: x}}}", "to"),
        (
            "tasks: {a: {on: scratch, files: {/x: {mode: 755}}}}",
            "content",
        ),
        ("tasks: {a: {on: scratch, files: [{content: x}]}}", "to"),
        ("tasks: {a: {on: scratch, files: [{to: /x}]}}", "content"),
        ("tasks: {a: {on: scratch, describe: {to: /x}}}", "layers"),
        ("tasks: {a: {on: scratch, run: {}}}", "args"),
        ("images: {i: {tags: x}}", "layers"),
        ("images: {i: {written: {by: scratch}}}", "manifests"),
        (
            "images: {i: {layers: scratch, config: {healthcheck: {retries: 1}}}}",
            "test",
        ),
    ] {
        let document = Document::parse_yaml("p.yaml", value).expect("it is YAML");
        assert!(!validator.is_valid(&json(&document.root)), "{value}");
        let text = format!("x-: 1\n{value}\n");
        let problem = support::one(&text).expect_err(value);
        assert!(
            problem.message.contains(&format!("`{lacks}`")),
            "{value}: {problem}"
        );
    }
}

#[test]
fn everything_has_every_field() {
    let files = everything();
    let text: String = files.0.values().map(String::as_str).collect();
    for object in OBJECTS {
        for field in object.fields {
            let name = field.name;
            let is_there = [
                format!(" {name}:"),
                format!("{{{name}:"),
                format!("\n{name}:"),
            ]
            .iter()
            .any(|text_of| text.contains(text_of.as_str()));
            assert!(is_there, "`{name}` of {} is nowhere", object.what);
        }
    }
}

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("REFERENCE.md");
    let text = fs::read_to_string(&path).expect("it is there");
    let tables = reference();
    let is_there = text.ends_with(&tables);
    if !is_there {
        let proposed = std::env::temp_dir().join("REFERENCE.tables.md");
        fs::write(&proposed, &tables).expect("a file can be written");
        panic!(
            "the tables of REFERENCE.md are to be replaced by those in {}",
            proposed.display()
        );
    }
}

/// What this language says can be written by it again, as long as nothing is in a stack of its own.
#[test]
fn pipelines_are_written_again() {
    for name in ["twin", "matrix", "library"] {
        let (lowered, configs) = example(name)
            .lower("pipeline.yaml", &options())
            .unwrap_or_else(|problem| panic!("{name}: {problem}"));
        let images: Vec<NamedImage> = lowered
            .images
            .iter()
            .map(|image| NamedImage {
                name: image.name.clone(),
                node: image.exports[0].node,
                is_index: image.is_index,
                tags: image.tags.clone(),
                source_date_epoch: None,
            })
            .collect();
        let contexts: BTreeMap<_, _> = lowered.contexts.clone();
        let host = options().host;
        let written = write(&Source {
            graph: &lowered.graph,
            images: &images,
            configs: &configs,
            platform: &host,
            is_asked: false,
            contexts: &contexts,
        });
        match (name, written) {
            // The directory of a library has a name with a dot, which only libraries can give.
            ("library", Err(error)) => {
                assert!(error.to_string().contains("cannot be said"), "{error}")
            }
            ("library", Ok(text)) => panic!("{text}"),
            (_, Ok(text)) => assert!(text.contains("tasks:"), "{text}"),
            (_, Err(error)) => panic!("{name}: {error}"),
        }
    }
}
