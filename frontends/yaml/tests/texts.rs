//! Texts of a pipeline: variables, matrices, and what a text may be.

mod support;

use stromatekt_graph::NodeId;
use stromatekt_graph::op::Op;
use stromatekt_graph::run::MountSource;
use stromatekt_pipeline::Lowered;
use support::{Files, done, export, export_of, options};

fn run(lowered: &Lowered, node: NodeId) -> &stromatekt_graph::run::Run {
    match &lowered.graph.node(node).op {
        Op::Run(run) => run,
        other => panic!("{other:?} is no run"),
    }
}

#[test]
fn a_matrix_makes_tasks_and_images() {
    let lowered = done(
        "bases: {python: 'python'}\ntasks:\n  app:\n    on: python\n    matrix: {version: ['3.11', 3.12], kind: [slim, full]}\n    run: build ${version} ${kind}\nimages:\n  app:\n    matrix: {version: ['3.11', '3.12']}\n    layers: app[${version}, slim]\n    tags: app:${version}\n",
    );
    assert_eq!(lowered.images.len(), 2);
    let second = &lowered.images[1];
    assert_eq!(second.name, "app[3.12]");
    assert_eq!(second.tags[0].familiar(), "app:3.12");
    let tree = export_of(&lowered.graph, second.exports[0].node).tree;
    assert_eq!(run(&lowered, tree).args[2], "build 3.12 slim");
}

#[test]
fn variables_come_from_the_command_line() {
    let text = "variables: {a: 1, b: '${a}2', c: }\ntasks:\n  t: {on: scratch, run: '${b} ${c} $${HOME}'}\nimages:\n  i: {layers: t}\n";
    let files = Files::of(&[("p.yaml", text)]);
    let mut options = options();
    let problem = files.lower("p.yaml", &options).unwrap_err();
    assert!(problem.message.contains("`c` has no text"), "{problem}");
    for (name, value) in [("a", "x"), ("c", "y"), ("other", "z")] {
        options
            .variables
            .insert(name.to_owned(), Some(value.to_owned()));
    }
    let (lowered, _) = files.lower("p.yaml", &options).unwrap();
    assert_eq!(run(&lowered, export(&lowered).tree).args[2], "x2 y ${HOME}");
    assert_eq!(
        lowered.warnings,
        ["[Warning] One or more build-args [other] were not consumed"]
    );
}

#[test]
fn a_variable_alone_is_what_its_text_would_be() {
    let lowered = done(
        "variables: {size: 64, is_on: true, word: none, name: '1.10', number: 7}\ntasks:\n  \"7\":\n    on: scratch\n    run: '${is_on}'\n    no-cache: ${is_on}\n    network: ${word}\n    env: {N: '${name}', M: \"${number}\"}\n    mounts: [{type: tmpfs, target: '/${number}', size: '${size}'}]\nimages:\n  i: {layers: '${number}', index: '${is_on}', config: {healthcheck: {test: x, retries: \"${number}\"}}}\n",
    );
    assert!(lowered.images[0].is_index);
    let export = export(&lowered);
    let health = export.config.config.healthcheck.as_ref();
    assert_eq!(health.map(|health| health.retries), Some(7));
    assert!(lowered.graph.node(export.tree).no_cache);
    let run = run(&lowered, export.tree);
    assert_eq!(run.args[2], "true");
    assert!(run.env.contains(&("N".to_owned(), "1.10".to_owned())));
    assert!(matches!(
        run.mounts[0].source,
        MountSource::Tmpfs { size: Some(64) }
    ));
}

#[test]
fn numbers_are_texts_where_texts_are_wanted() {
    let lowered = done(
        "bases: {1: 2}\ntasks: {3: {on: 1, directories: [2024], copy: {from: 1, files: 4, to: 5}, files: {6: 7}, run: true}}\nimages: {8: {layers: 3, tags: 9}}\n",
    );
    assert_eq!(lowered.images[0].tags[0].familiar(), "9:latest");
    let run = run(&lowered, export(&lowered).tree);
    assert_eq!(run.args[2], "true");
}
