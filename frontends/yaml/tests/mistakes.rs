//! Mistakes of people who write pipelines by hand: each is told at its place, and nothing that was written is left aside in silence.

mod support;

use stromatekt_pipeline::Problem;
use support::{Files, options, problem};

const FILE: &str = "pipeline.yaml";
const BASES: &str = "bases: {debian: 'debian:12'}\n";

/// The problem of a pipeline with bases and an image.
fn of(text: &str) -> Problem {
    problem(&format!(
        "{BASES}{text}\nimages: {{i: {{layers: debian}}}}\n"
    ))
}

/// Each text with its message, a part of its help, and the column where it is on the second line.
fn all_are_told(texts: &[(&str, &str, &str, u32)]) {
    for (text, message, help, column) in texts {
        let problem = of(text);
        assert_eq!(problem.message, *message, "{text}");
        let told = problem.help.clone().unwrap_or_default();
        assert!(told.contains(help), "{text}: {told}");
        let start = problem.place.span.start;
        assert_eq!((start.line, start.column), (2, *column), "{text}");
    }
}

#[test]
fn what_would_do_nothing_is_refused() {
    all_are_told(&[
        (
            "tasks: {a: {on: debian, copy: {to: /}, env: {A: b}}}",
            "`tasks.a.env` is for what is run, and nothing is run here",
            "`config`",
            45,
        ),
        (
            "tasks: {a: {on: debian, user: app}}",
            "`tasks.a.user` has no meaning in a task that does nothing",
            "",
            31,
        ),
        (
            "tasks: {a: {on: debian, steps: [{copy: {to: /}, network: none}, {run: x}]}}",
            "`tasks.a.steps[0].network` is for what is run, and nothing is run here",
            "",
            58,
        ),
        (
            "tasks: {a: {on: debian, workdir: /x}}",
            "`tasks.a.workdir` has no meaning in a task that does nothing",
            "",
            34,
        ),
    ]);
    let text = "images: {i: {written: {by: scratch, manifests: /m}, source-date-epoch: 5}}\n";
    assert_eq!(
        problem(text).message,
        "`images.i.source-date-epoch` has no meaning beside `written`: the manifest says it"
    );
    // For files, these mean something; of a task, also what one of its steps alone needs.
    for text in [
        "{on: debian, workdir: /x, copy: {to: .}}",
        "{on: debian, env: {A: b}, steps: [{copy: {to: /}}, {run: x}]}",
        "{on: [debian, context]}",
    ] {
        let text = format!("{BASES}tasks: {{a: {text}}}\nimages: {{i: {{layers: a}}}}\n");
        support::done(&text);
    }
}

#[test]
fn names_of_hosts_are_one_word() {
    let long = "x".repeat(65);
    for (setting, message) in [
        ("hosts: {'a b': 1.2.3.4}", "`a b` is no name of a host"),
        ("hostname: 'a#b'", "`a#b` is no name of a host"),
        (
            &format!("hostname: {long}"),
            "a host name has at most 64 bytes",
        ),
    ] {
        let text = format!(
            "tasks: {{a: {{on: scratch, run: x, {setting}}}}}\nimages: {{i: {{layers: a}}}}\n"
        );
        assert_eq!(problem(&text).message, message);
    }
}

#[test]
fn names_that_are_nowhere_are_told_with_what_is_near() {
    all_are_told(&[
        (
            "tasks: {a: {on: 'debian:12', run: x}}",
            "`debian:12` refers to nothing that there can be",
            "under `bases`",
            17,
        ),
        (
            "tasks: {a: {on: 'context[1]', run: x}}",
            "`context` has no matrix",
            "write `context`",
            17,
        ),
        (
            "tasks: {a: {on: debian, matrix: {v: [a, b, a]}, run: x}}",
            "`a` is there twice",
            "",
            44,
        ),
        (
            "tasks: {a: {on: debian, run: x, env: {'A=': b}}}",
            "`A=` cannot be the name of a variable",
            "",
            39,
        ),
    ]);
    let of_library = |reference: &str| {
        let main = format!("import: tools.yaml\nimages: {{i: {{layers: {reference}}}}}\n");
        let files = Files::of(&[
            (FILE, &main),
            (
                "tools.yaml",
                "tasks: {compiler: {on: scratch, files: {/a: b}}}\n",
            ),
        ]);
        files.lower(FILE, &options()).map(|_| ())
    };
    assert_eq!(of_library("tools.compiler"), Ok(()));
    let problem = of_library("tools.compilre").expect_err("it is not there");
    assert_eq!(problem.message, "nothing in `tools` is called `compilre`");
    assert_eq!(
        problem.help.as_deref(),
        Some("did you mean `tools.compiler`?")
    );
    let problem = of_library("tools.scratch").expect_err("it is not there");
    assert_eq!(problem.message, "nothing in `tools` is called `scratch`");
}

#[test]
fn a_mount_over_another_one_is_told_with_both_places() {
    let text = |mounts: &str| {
        format!(
            "{BASES}tasks: {{a: {{on: debian, run: x, workdir: /w, mounts: [{mounts}]}}}}\nimages: {{i: {{layers: a}}}}\n"
        )
    };
    let found = problem(&text("{target: /w/a}, {type: tmpfs, target: a}"));
    assert_eq!(
        found.to_string(),
        "p.yaml:2:71: there is another mount at `/w/a`"
    );
    assert_eq!(found.also[0].1.to_string(), "p.yaml:2:55");
    // A secret that is a variable alone is nowhere.
    support::done(&text(
        "{type: secret, id: a, env: A}, {type: secret, id: a, env: B}, {type: secret, id: a}",
    ));
}

#[test]
fn commits_of_repositories_are_digits() {
    for (fields, message) in [
        ("checksum: v1", "`v1` is no commit"),
        (
            "by-commit: true",
            "`by-commit` needs the `checksum` that it fetches",
        ),
    ] {
        let problem = of(&format!("sources: {{s: {{git: 'https://x/y', {fields}}}}}"));
        assert_eq!(problem.message, message);
    }
}

#[test]
fn layers_of_what_is_always_there_can_be_selected() {
    support::done("images: {i: {layers: [scratch, 'context.layers[0]']}}\n");
    let problem = problem("images: {i: {layers: 'scratch.layers[0]'}}\n");
    assert_eq!(
        problem.message,
        "there is no layer 0: it has no layers of its own"
    );
}

#[test]
fn configs_that_no_runtime_takes_are_refused() {
    for (config, message) in [
        ("{created: yesterday}", "`yesterday` is no time"),
        ("{history: [{by: x, created: '2020'}]}", "`2020` is no time"),
        (
            "{ports: '8080:80'}",
            "`8080:80` cannot be exposed: ports of the host are chosen when a container starts",
        ),
        (
            "{healthcheck: {interval: 1s}}",
            "a healthcheck has no `test`, which it needs",
        ),
        (
            "{healthcheck: {test: x, interval: 10us}}",
            "`10us` is less than 1ms",
        ),
    ] {
        let text = format!("{BASES}images: {{i: {{layers: debian, config: {config}}}}}\n");
        assert_eq!(problem(&text).message, message, "{config}");
    }
}

#[test]
fn names_of_images_are_told_where_they_stand() {
    let text =
        "images:\n  one: {layers: scratch, tags: [a, b]}\n  two: {layers: scratch, tags: [c, b]}\n";
    let problem = problem(text);
    assert_eq!(
        problem.to_string(),
        "p.yaml:3:36: two images get the name b:latest"
    );
    assert_eq!(problem.also[0].1.to_string(), "p.yaml:2:36");
    let problem = support::problem("images:\n  one: {layers: scratch, tags: [a, b, 'a:latest']}\n");
    assert_eq!(
        problem.to_string(),
        "p.yaml:2:39: the name a:latest is there twice"
    );
}

#[test]
fn a_name_with_the_platform_is_that_of_what_is_built() {
    let text = |platforms: &str| {
        format!(
            "images: {{i: {{layers: scratch, platforms: {platforms}, tags: 'app:${{target.arch}}'}}}}\n"
        )
    };
    let lowered = support::done(&text("linux/arm64"));
    assert_eq!(lowered.images[0].tags[0].familiar(), "app:arm64");
    let problem = problem(&text("[linux/amd64, linux/arm64]"));
    assert_eq!(
        problem.message,
        "an image for several platforms has one name, not app:amd64 and app:arm64"
    );
}

#[test]
fn a_clash_with_an_import_is_where_it_gets_its_name() {
    let files = Files::of(&[
        (
            FILE,
            "import: {file: tools.yaml, as: debian}\nbases: {debian: 'debian:12'}\nimages: {i: {layers: debian}}\n",
        ),
        ("tools.yaml", "tasks: {}\n"),
    ]);
    let problem = files.lower(FILE, &options()).expect_err("two have a name");
    assert_eq!(
        problem.to_string(),
        "pipeline.yaml:2:9: `debian` is the name of an import already"
    );
    assert_eq!(problem.also[0].1.to_string(), "pipeline.yaml:1:32");
}

#[test]
fn what_would_be_too_much_is_refused_at_once() {
    let values: Vec<String> = (0..900).map(|number| number.to_string()).collect();
    let axis = values.join(", ");
    let problem = of(&format!(
        "tasks: {{a: {{on: debian, matrix: {{a: [{axis}], b: [{axis}], c: [{axis}]}}, run: x}}}}"
    ));
    assert_eq!(
        problem.message,
        "this matrix has more than 1000 combinations"
    );
    let values: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    let problem = of(&format!(
        "tasks: {{a: {{on: debian, matrix: {{a: [{}]}}, run: x}}}}",
        values.join(", ")
    ));
    assert_eq!(
        problem.message,
        "this matrix has more than 1000 combinations"
    );
}
