//! Pipelines with one mistake each: every one is an error with a place, or still a pipeline; none panics.

mod support;

use std::collections::BTreeSet;

use stromatekt_pipeline::{Document, Kind, Problem, Value};
use support::{EXAMPLES, Files, everything, example, with_given};

const FILE: &str = "pipeline.yaml";

/// A text with one mistake, and the line of it where one line has it.
struct Mutant {
    what: String,
    text: String,
}

const OTHER_VALUES: [&str; 13] = [
    "",
    "[]",
    "{}",
    "~",
    "-1",
    "true",
    "nothing",
    "[nothing]",
    "{nothing: 1}",
    "\"${nothing}\"",
    "\"${\"",
    "sha256:0",
    "[[]]",
];

/// What can happen to a single line.
fn of_lines(text: &str) -> Vec<Mutant> {
    let lines: Vec<&str> = text.lines().collect();
    let mut mutants = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        let mut kinds = 0;
        // Every second kind of mistake for this line, the others for the next.
        let mut with = |what: &str, replaced: &[String]| {
            kinds += 1;
            if (kinds + number) % 2 == 0 {
                return;
            }
            let before = lines[..number].iter().map(|line| (*line).to_owned());
            let after = lines[number + 1..].iter().map(|line| (*line).to_owned());
            let all: Vec<String> = before.chain(replaced.to_vec()).chain(after).collect();
            mutants.push(Mutant {
                what: format!("line {}: {what}", number + 1),
                text: all.join("\n") + "\n",
            });
        };
        let own = (*line).to_owned();
        with("gone", &[]);
        with("twice", &[own.clone(), own.clone()]);
        with("farther in", &[format!("   {line}")]);
        with(
            "farther out",
            &[line.strip_prefix("  ").unwrap_or(line).to_owned()],
        );
        with("cut", &[line[..line.len() - line.len() / 3 - 1].to_owned()]);
        with("with a bracket", &[format!("{line} ]")]);
        with("with an open quote", &[format!("{line} \"")]);
        if let Some((key, value)) = line.split_once(": ") {
            with("without a colon", &[format!("{key} {value}")]);
            with(
                "with a word that is nearly right",
                &[format!("{}x: {value}", &key[..key.len() - 1])],
            );
            // Some of them for each line, others for the next.
            for other in OTHER_VALUES.iter().cycle().skip(number * 3).take(3) {
                with(
                    &format!("with the value `{other}`"),
                    &[format!("{key}: {other}")],
                );
            }
        }
    }
    mutants
}

fn check(files: &Files, mutant: &Mutant) -> Option<Problem> {
    let mut files = Files(files.0.clone());
    files.0.insert(FILE.to_owned(), mutant.text.clone());
    let problem = files.lower(FILE, &with_given()).err()?;
    let place = &problem.place;
    let file = files.0.get(&*place.file);
    let file = file.unwrap_or_else(|| panic!("{}: {problem} is in no file", mutant.what));
    let lines = u32::try_from(file.lines().count()).expect("a short file");
    assert!(
        (1..=lines + 1).contains(&place.span.start.line) && place.span.start.column >= 1,
        "{}: {problem} has no place\n{}",
        mutant.what,
        mutant.text
    );
    assert!(
        !problem.message.is_empty() && !problem.message.ends_with('.'),
        "{problem}"
    );
    Some(problem)
}

#[test]
fn each_mistake_has_a_place_and_none_panics() {
    let mut count = 0;
    let mut wrong = 0;
    let mut messages = BTreeSet::new();
    let schema = jsonschema::validator_for(&stromatekt_yaml::schema()).expect("it is a schema");
    let all = EXAMPLES
        .iter()
        .map(|name| example(name))
        .chain([everything()]);
    for files in all {
        for mutant in of_lines(&files.0[FILE]) {
            count += 1;
            if let Some(problem) = check(&files, &mutant) {
                wrong += 1;
                messages.insert(problem.message);
                continue;
            }
            // What is taken is right for an editor, too.
            let document = Document::parse_yaml(FILE, &mutant.text).expect("it was read");
            let value = support::json(&document.root);
            if schema.is_valid(&value) {
                continue;
            }
            let errors: Vec<String> = schema
                .iter_errors(&value)
                .map(|error| format!("{error} at {}", error.instance_path()))
                .collect();
            panic!("{}: {errors:#?}", mutant.what);
        }
    }
    assert!(count > 300, "{count}");
    assert!(wrong * 2 > count, "only {wrong} of {count} are errors");
    assert!(
        messages.len() > 200,
        "{} different messages",
        messages.len()
    );
}

/// The fields that the language knows, at their places in a document: names of things are the user's own.
fn fields(value: &Value, path: &str, found: &mut Vec<(String, usize, usize)>) {
    const OWN: [&str; 17] = [
        "variables",
        "bases",
        "sources",
        "tasks",
        "images",
        "env",
        "labels",
        "matrix",
        "args",
        "hosts",
        "ulimits",
        "layers",
        "annotations",
        "files",
        "x-anchors",
        "",
        "<<",
    ];
    match &value.kind {
        Kind::Map(entries) => {
            let last = path.rsplit('.').next().unwrap_or_default();
            let is_own = !path.is_empty() && OWN.contains(&last);
            for entry in entries {
                if !is_own && !entry.key.starts_with("x-") {
                    found.push((
                        entry.key.clone(),
                        entry.key_span.start.offset,
                        entry.key_span.end.offset,
                    ));
                }
                fields(&entry.value, &format!("{path}.{}", entry.key), found);
            }
        }
        Kind::List(values) => values.iter().for_each(|value| fields(value, path, found)),
        _ => {}
    }
}

#[test]
fn a_field_that_is_nearly_right_is_suggested() {
    let files = everything();
    let text = &files.0[FILE];
    let document = Document::parse_yaml(FILE, text).expect("it is YAML");
    let mut found = Vec::new();
    fields(&document.root, "", &mut found);
    let mut count = 0;
    for (name, start, end) in found {
        // Short words have no neighbours that are near; what an alias stands for is at another place; `<<` is YAML's.
        if name.len() < 4 || text.get(start..end) != Some(&name) {
            continue;
        }
        let typo = format!("{}{}{}", &name[..1], &name[2..3], &name[1..2]) + &name[3..];
        if typo == name {
            continue;
        }
        count += 1;
        let mutant = Mutant {
            what: format!("{typo} at {start}"),
            text: format!("{}{typo}{}", &text[..start], &text[end..]),
        };
        let problem =
            check(&files, &mutant).unwrap_or_else(|| panic!("`{typo}` is taken\n{}", mutant.text));
        let help = problem.help.clone().unwrap_or_default();
        assert!(
            help.contains(&format!("`{name}`")),
            "{typo}: {problem} {help}"
        );
    }
    assert!(count > 100, "{count}");
}

#[test]
fn mistakes_are_told_in_plain_words() {
    let bases = "bases: {debian: 'debian:12'}\n";
    for (text, message, help) in [
        (
            "tasks: {a: {on: debain, run: x}}",
            "nothing here is called `debain`",
            "did you mean `debian`?",
        ),
        (
            "tasks: {a: {run: x}}",
            "a task has no `on`, which it needs",
            "`on: scratch` starts from nothing",
        ),
        (
            "tasks: {a: {on: b, run: x}, b: {on: a, run: y}}",
            "`a` needs itself: a needs b needs a",
            "",
        ),
        (
            "tasks: {debian: {on: scratch, run: x}}",
            "`debian` is the name of a base already",
            "give one of them another name",
        ),
        (
            "tasks: {a: {on: debian, runn: x}}",
            "a task has no field `runn`",
            "did you mean `run`?",
        ),
        (
            "tasks: {a: {on: debian, run: '${HOME}'}}",
            "there is no variable `HOME`",
            "$${HOME}",
        ),
        (
            "tasks: {a: {on: debian, run: x, copy: {files: [a, b], to: /x}}}",
            "several files are copied, so this must be a directory",
            "write `/x/`",
        ),
        (
            "tasks: {a: {on: debian, run: x, steps: [{run: y}]}}",
            "`tasks.a.run` has no place beside `steps`",
            "make it a step",
        ),
        (
            "tasks: {a: {on: debian, run: x, network: offline}}",
            "`offline` is no network",
            "there are `default`, `none` and `host`",
        ),
        (
            "tasks: {a: {on: debian, matrix: {v: [1, 2]}, run: x}, b: {on: 'a[3]', run: y}}",
            "there is no `a[3]`",
            "did you mean `a[1]`?",
        ),
        (
            "images: {a: {layers: debian, config: {ports: x}}}",
            "`x` cannot be exposed: `x` is no port: 0 to 65535 are",
            "80, 8000-8010",
        ),
        (
            "import: ./missing.yaml",
            "`./missing.yaml` cannot be read: no such file",
            "",
        ),
        (
            "import: pipeline.yaml",
            "`pipeline.yaml` imports itself in the end",
            "",
        ),
        (
            "tasks: {a: {on: debian, run: x, executor: wasi}}\nimages: {a: {layers: a}}",
            "a WebAssembly runtime has no shell that could run a text",
            "args",
        ),
    ] {
        let whole = format!("{bases}{text}\n");
        let whole = match whole.contains("images") {
            true => whole,
            false => format!("{whole}images: {{i: {{layers: debian}}}}\n"),
        };
        let files = Files::of(&[(FILE, &whole)]);
        let problem = files
            .lower(FILE, &support::options())
            .err()
            .unwrap_or_else(|| panic!("{text}"));
        assert_eq!(problem.message, message, "{text}");
        assert!(
            problem.help.clone().unwrap_or_default().contains(help),
            "{text}: {:?}",
            problem.help
        );
        assert!(problem.place.span.start.line >= 2, "{text}: {problem}");
    }
}

#[test]
fn clashes_and_cycles_have_both_places() {
    let files = Files::of(&[
        (FILE, "import: a.yaml\nimages: {i: {layers: scratch}}\n"),
        ("a.yaml", "import: b.yaml\n"),
        ("b.yaml", "tasks: {}\nimport: a.yaml\n"),
    ]);
    let problem = files.lower(FILE, &support::options()).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "b.yaml:2:9: `a.yaml` imports itself in the end"
    );
    assert_eq!(problem.also[0].1.to_string(), "pipeline.yaml:1:9");
    let files = Files::of(&[
        (FILE, "import: a.yaml\ntasks:\n  a: {on: scratch, run: x}\n"),
        ("a.yaml", "tasks: {}\n"),
    ]);
    let problem = files.lower(FILE, &support::options()).unwrap_err();
    assert_eq!(
        problem.to_string(),
        "pipeline.yaml:3:3: `a` is the name of an import already"
    );
    assert_eq!(problem.also[0].1.to_string(), "pipeline.yaml:1:9");
}

#[test]
fn an_error_in_a_dockerfile_is_in_the_dockerfile() {
    let files = Files::of(&[
        (
            FILE,
            "tasks:\n  a: {dockerfile: Dockerfile#nope}\nimages: {i: {layers: a}}\n",
        ),
        ("Dockerfile", "FROM scratch AS one\nCOPY a /\n"),
    ]);
    let problem = files.lower(FILE, &support::options()).unwrap_err();
    assert_eq!(problem.place.to_string(), "pipeline.yaml:2:19");
    assert!(problem.message.contains("`nope`"), "{problem}");
    let files = Files::of(&[
        (
            FILE,
            "tasks:\n  a: {dockerfile: Dockerfile}\nimages: {i: {layers: a}}\n",
        ),
        ("Dockerfile", "FROM scratch\nCOPPY a /\n"),
    ]);
    let problem = files.lower(FILE, &support::options()).unwrap_err();
    assert_eq!(problem.place.to_string(), "Dockerfile:2:1");
    assert_eq!(problem.also[0].1.to_string(), "pipeline.yaml:2:19");
}
