//! What the fields of a pipeline mean: the graph that comes of them.

mod support;

use stromatekt_graph::op::{Expected, Op};
use stromatekt_graph::run::MountSource;
use stromatekt_graph::{NodeId, file::CopySource, file::FileAction};
use stromatekt_pipeline::Lowered;
use support::{Files, done, export, export_of, one, options};

const BASES: &str = "bases: {debian: 'debian:12', tools: 'tools'}\n";

fn run(lowered: &Lowered, node: NodeId) -> &stromatekt_graph::run::Run {
    match &lowered.graph.node(node).op {
        Op::Run(run) => run,
        other => panic!("{other:?} is no run"),
    }
}

fn diff(lowered: &Lowered, node: NodeId) -> (Option<NodeId>, NodeId) {
    match &lowered.graph.node(node).op {
        Op::Diff(diff) => (diff.lower, diff.upper),
        other => panic!("{other:?} is no diff"),
    }
}

#[test]
fn a_task_is_one_layer_of_what_it_changed() {
    let lowered = done(&format!(
        "{BASES}tasks:\n  app: {{on: debian, copy: {{files: a, to: /x/}}, run: [one, two]}}\nimages:\n  app: {{layers: [debian, app]}}\n"
    ));
    let export = export(&lowered);
    assert_eq!(export.layers.len(), 1);
    let (lower, upper) = diff(&lowered, export.layers[0].changeset);
    assert_eq!(lower, export.base);
    assert_eq!(upper, export.tree);
    let two = run(&lowered, upper);
    assert_eq!(two.args, ["/bin/sh", "-c", "two"]);
    assert_eq!(
        two.env,
        [
            ("PATH".into(), "/bin".into()),
            ("LANG".to_owned(), "C".to_owned())
        ]
    );
    let history = &export.config.history;
    assert_eq!(history.len(), 4);
    assert_eq!(export.layers[0].history, Some(3));
    assert_eq!(history[3].created_by, "app: COPY a /x/; RUN one; RUN two");
    assert_eq!(export.config.config.cmd, ["sh"]);
    assert!(lowered.uses_context);
}

#[test]
fn tasks_on_one_tree_are_stacked_and_conflicts_are_errors() {
    let lowered = done(&format!(
        "{BASES}tasks:\n  a: {{on: debian, run: a}}\n  b: {{on: debian, run: b}}\n  c: {{on: a, run: c}}\nimages:\n  app: {{layers: [debian, a, c, b]}}\n"
    ));
    let export = export(&lowered);
    assert_eq!(export.layers.len(), 3);
    let Op::Stack(stack) = &lowered.graph.node(export.tree).op else {
        panic!("no stack");
    };
    assert!(stack.is_exclusive);
    assert_eq!(stack.base, export.base);
    let names: Vec<&str> = stack
        .layers
        .iter()
        .map(|layer| layer.name.as_str())
        .collect();
    assert_eq!(names, ["a, c", "b"]);
}

#[test]
fn single_layers_of_a_task_are_known_by_their_numbers() {
    let lowered = done(&format!(
        "{BASES}tasks:\n  a: {{on: debian, layers: per-step, steps: [{{run: x}}, {{run: y}}]}}\nimages:\n  app: {{layers: [debian, 'a.layers[1]', 'a.layers[0]']}}\n"
    ));
    let Op::Stack(stack) = &lowered.graph.node(export(&lowered).tree).op else {
        panic!("no stack");
    };
    let names = stack.layers.iter().map(|layer| layer.name.as_str());
    assert_eq!(names.collect::<Vec<_>>(), ["a.layers[1]", "a.layers[0]"]);
    let history = &export(&lowered).config.history;
    assert_eq!(history[history.len() - 2].created_by, "a: RUN y");
}

#[test]
fn a_declared_order_is_no_conflict() {
    let lowered = done(&format!(
        "{BASES}tasks:\n  a: {{on: debian, run: a}}\n  b: {{on: debian, run: b}}\nimages:\n  app: {{layers: [debian, a, b], ordered: true}}\n"
    ));
    let Op::Stack(stack) = &lowered.graph.node(export(&lowered).tree).op else {
        panic!("no stack");
    };
    assert!(!stack.is_exclusive);
}

#[test]
fn the_first_entry_is_taken_whole() {
    let lowered = done(&format!(
        "{BASES}tasks:\n  a: {{on: debian, run: a}}\n  b: {{on: a, run: b}}\nimages:\n  app: {{layers: b}}\n"
    ));
    let export = export(&lowered);
    assert!(export.base.is_some());
    assert_eq!(export.layers.len(), 2);
    let lowered = done(&format!(
        "{BASES}tasks:\n  a: {{on: debian, run: a}}\n  b: {{on: a, run: b}}\nimages:\n  app: {{layers: [scratch, b]}}\n"
    ));
    let export = support::export(&lowered);
    assert!(export.base.is_none());
    assert_eq!(export.layers.len(), 1);
}

#[test]
fn layers_of_a_base_are_selected() {
    let lowered = done(&format!(
        "{BASES}images:\n  app: {{layers: ['debian.layers[0]', 'tools.layers[0..1]']}}\n"
    ));
    let export = export(&lowered);
    assert_eq!(export.base, None);
    assert_eq!(export.layers.len(), 3);
    let created: Vec<&str> = export
        .config
        .history
        .iter()
        .map(|entry| entry.created_by.as_str())
        .collect();
    assert_eq!(created, ["ADD a", "ADD a", "RUN b"]);
    let problem = support::problem(&format!(
        "{BASES}images:\n  app: {{layers: ['debian.layers[2]']}}\n"
    ));
    assert!(
        problem.message.contains("2 layers, from 0 to 1"),
        "{problem}"
    );
}

#[test]
fn the_base_under_a_built_stack_is_swapped() {
    let lowered = done(&format!(
        "{BASES}tasks:\n  a: {{on: debian, run: a}}\nimages:\n  app: {{layers: [tools, a]}}\n"
    ));
    let Op::Stack(stack) = &lowered.graph.node(export(&lowered).tree).op else {
        panic!("no stack");
    };
    assert_eq!(stack.base, export(&lowered).base);
    let (lower, _) = diff(&lowered, stack.layers[0].changeset);
    assert_ne!(
        lower, stack.base,
        "it ran on the other base, and does not run again"
    );
}

#[test]
fn tools_of_other_images_leave_only_what_they_change() {
    let lowered = done(&format!(
        "{BASES}tasks:\n  site:\n    on: scratch\n    steps:\n    - {{copy: {{to: /}}}}\n    - {{with: tools, run: make}}\n    - {{with: debian, run: pack}}\nimages:\n  site: {{layers: site}}\n"
    ));
    let export = export(&lowered);
    assert_eq!(export.base, None);
    assert_eq!(export.layers.len(), 1);
    let Op::Stack(stack) = &lowered.graph.node(export.tree).op else {
        panic!("no stack");
    };
    assert_eq!((stack.base, stack.layers.len()), (None, 3));
    let (lower, upper) = diff(&lowered, stack.layers[2].changeset);
    let pack = run(&lowered, upper);
    assert_eq!(lower, Some(pack.root));
    let Op::Stack(on_debian) = &lowered.graph.node(pack.root).op else {
        panic!("no stack");
    };
    assert!(matches!(
        &lowered.graph.node(on_debian.base.unwrap()).op,
        Op::Image(_)
    ));
    assert_eq!(on_debian.layers.len(), 2);
}

#[test]
fn settings_of_a_task_hold_in_its_steps() {
    let lowered = done(&format!(
        "{BASES}tasks:\n  a:\n    on: debian\n    env: {{A: 1, LANG: null}}\n    workdir: /w\n    user: app\n    steps:\n    - {{run: x, env: {{B: two}}, workdir: in}}\n    - {{run: {{args: [y, 3]}}, env: [C=3], shell: [bash, -c]}}\nimages:\n  app: {{layers: a}}\n"
    ));
    let second = run(&lowered, export(&lowered).tree);
    assert_eq!(second.args, ["y", "3"]);
    assert_eq!(second.env, [("C".to_owned(), "3".to_owned())]);
    assert_eq!((second.cwd.as_str(), second.user.as_str()), ("/w", "app"));
    let first = run(&lowered, second.root);
    let names: Vec<&str> = first.env.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["PATH", "A", "B"]);
    assert_eq!(first.cwd, "/w/in");
    assert_eq!(
        export(&lowered).config.config.env,
        ["PATH=/bin", "LANG=C"],
        "they are the task's alone"
    );
}

#[test]
fn mounts_are_of_all_kinds() {
    let lowered = done(&format!(
        "{BASES}tasks:\n  a:\n    on: debian\n    run: x\n    mounts:\n    - {{target: /src}}\n    - {{target: tools, from: tools, path: usr}}\n    - {{type: cache, target: /c, sharing: locked, mode: 0700}}\n    - {{type: tmpfs, target: /t, size: 100}}\n    - {{type: secret, id: key, env: KEY}}\n    - {{type: ssh}}\n    - {{type: file, target: /f, content: hi}}\nimages:\n  app: {{layers: a}}\n"
    ));
    let run = run(&lowered, export(&lowered).tree);
    let targets: Vec<&str> = run
        .mounts
        .iter()
        .map(|mount| mount.target.as_str())
        .collect();
    assert_eq!(
        targets,
        [
            "/c",
            "/f",
            "/run/buildkit/ssh_agent.0",
            "/run/secrets/key",
            "/src",
            "/t",
            "/tools"
        ]
    );
    assert!(
        matches!(&run.mounts[0].source, MountSource::Cache { id, mode: 0o700, .. } if id == "/c")
    );
    assert!(matches!(
        &run.mounts[3].source,
        MountSource::Secret { file: false, .. }
    ));
    assert_eq!(run.env.last().unwrap().0, "SSH_AUTH_SOCK");
}

#[test]
fn files_are_written_and_fetched() {
    let lowered = done(
        "sources: {page: {url: 'https://example.com/a/b.html'}, assets: ./assets}\ntasks:\n  a:\n    on: scratch\n    directories: [/d]\n    copy: [{from: page, to: /www/}, {from: assets, files: ['*.css', x], to: /www/, mode: 0644, exclude: y}]\n    files: {/etc/motd: hello, /etc/x: {base64: AAE=, mode: 0600}}\nimages:\n  app: {layers: a}\n",
    );
    let Op::File(file) = &lowered.graph.node(export(&lowered).tree).op else {
        panic!("no file");
    };
    assert_eq!(file.actions.len(), 6);
    let FileAction::Copy(page) = &file.actions[1] else {
        panic!("no copy");
    };
    assert!(matches!(&page.from, CopySource::Blob { name, .. } if name == "b.html"));
    let FileAction::Copy(css) = &file.actions[2] else {
        panic!("no copy");
    };
    assert_eq!(css.mode.as_deref(), Some("0644"));
    let FileAction::Copy(binary) = &file.actions[5] else {
        panic!("no copy");
    };
    assert!(
        matches!(&binary.from, CopySource::Inline { name, content } if name == "x" && content == &[0, 1])
    );
    assert_eq!(lowered.contexts["assets"].to_str(), Some("./assets"));
}

#[test]
fn libraries_have_their_own_names_and_paths() {
    let files = Files::of(&[
        (
            "main/p.yaml",
            "import: [../lib/tools.yaml, {file: ../lib/tools.yaml, as: other, variables: {version: 2}}]\nimages:\n  one: {layers: tools.gcc}\n  two: {layers: [other.gcc]}\n",
        ),
        (
            "lib/tools.yaml",
            "variables: {version: 1}\nsources: {patches: ./patches}\ntasks:\n  gcc: {on: scratch, copy: {from: patches, to: /}, files: {/version: '${version}'}}\n",
        ),
    ]);
    let (lowered, _) = files
        .lower("main/p.yaml", &options())
        .unwrap_or_else(|problem| panic!("{problem}"));
    assert_eq!(
        lowered.contexts["tools.patches"].to_str(),
        Some("main/../lib/patches")
    );
    assert!(lowered.contexts.contains_key("other.patches"));
    assert!(!lowered.uses_context);
    let labels: Vec<&str> = lowered
        .graph
        .nodes()
        .map(|(_, node)| node.label.as_str())
        .collect();
    assert!(
        labels
            .iter()
            .any(|label| label.starts_with("[tools.gcc 1/1] ")),
        "{labels:?}"
    );
}

#[test]
fn a_stage_of_a_dockerfile_is_a_task() {
    let dockerfile = "FROM debian AS build\nARG V=1\nRUN make $V\nCOPY x /x\nCMD [\"/x\"]\nFROM build\nRUN last\n";
    let text = "tasks:\n  build: {dockerfile: './Dockerfile#build', args: {V: 2}}\n  app: {on: build, run: more}\nimages:\n  app: {layers: [app]}\n  same: {layers: build}\n";
    let files = Files::of(&[("p.yaml", text), ("Dockerfile", dockerfile)]);
    let (lowered, _) = files
        .lower("p.yaml", &options())
        .unwrap_or_else(|problem| panic!("{problem}"));
    let export = export(&lowered);
    assert_eq!(export.layers.len(), 3);
    assert_eq!(export.config.config.cmd, ["/x"]);
    let same = export_of(&lowered.graph, lowered.images[1].exports[0].node);
    // It is the image that the Dockerfile makes.
    let own = stromatekt_dockerfile::Options {
        target: Some("build".to_owned()),
        build_args: [("V".to_owned(), "2".to_owned())].into(),
        build_platform: options().host,
        ..Default::default()
    };
    let parsed = stromatekt_dockerfile::parse(dockerfile).unwrap();
    let (_, configs) = files.lower("p.yaml", &options()).unwrap();
    let lowering = stromatekt_dockerfile::lower(&parsed, "Dockerfile", &own, &configs).unwrap();
    let stromatekt_dockerfile::Lowering::Done(docker) = lowering else {
        panic!("an image is missing");
    };
    let node = docker.images[0].export;
    assert_eq!(
        lowered.graph.digest(lowered.images[1].exports[0].node),
        docker.graph.digest(node),
        "{:#?}\n{:#?}",
        same.config,
        export_of(&docker.graph, node).config
    );
}

#[test]
fn expectations_stand_before_whoever_uses_the_task() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let lowered = done(&format!(
        "{BASES}tasks:\n  a:\n    on: debian\n    run: x\n    expect: {{tree: '{digest}', layer: '{digest}', files: {{/a: '{digest}'}}}}\nimages:\n  app: {{layers: [debian, a]}}\n"
    ));
    let export = export(&lowered);
    let (_, upper) = diff(&lowered, export.layers[0].changeset);
    assert_eq!(upper, export.tree);
    let Op::Expect(expect) = &lowered.graph.node(upper).op else {
        panic!("nothing is expected");
    };
    assert!(matches!(&expect.expected, Expected::File { path, .. } if path == "/a"));
}

#[test]
fn images_are_built_for_platforms() {
    let lowered = done(&format!(
        "{BASES}tasks:\n  a: {{on: debian, run: '${{target.arch}}'}}\nimages:\n  app: {{layers: a, platforms: [linux/amd64, linux/arm64], index: true}}\n"
    ));
    let image = &lowered.images[0];
    assert!(image.is_index);
    let architectures: Vec<String> = image
        .exports
        .iter()
        .map(|export| {
            export_of(&lowered.graph, export.node)
                .config
                .architecture
                .clone()
        })
        .collect();
    assert_eq!(architectures, ["amd64", "arm64"]);
    let tree = export_of(&lowered.graph, image.exports[1].node).tree;
    assert_eq!(run(&lowered, tree).args[2], "arm64");
}

#[test]
fn each_operation_and_each_part_of_one_is_known_by_its_place() {
    let lowered = done(
        "tasks:\n  a:\n    on: scratch\n    directories: /d\n    copy:\n      - {files: [a, b], to: /x/}\n      - {files: c, to: /y}\n    files:\n      /z: text\n    run:\n      - one\n      - two\nimages:\n  i: {layers: a}\n",
    );
    let line = |node: NodeId| {
        let origin = lowered.graph.node(node).origin.clone();
        origin.map(|origin| (origin.first_line, origin.last_line))
    };
    let two = export(&lowered).tree;
    let one = run(&lowered, two).root;
    let files = run(&lowered, one).root;
    assert_eq!((line(two), line(one)), (Some((12, 12)), Some((11, 11))));
    let parts = lowered.graph.parts(files).iter().map(|part| {
        let origin = part.origin.as_ref();
        (part.label.as_str(), origin.map(|origin| origin.first_line))
    });
    let parts: Vec<_> = parts.collect();
    assert_eq!(
        parts,
        [
            ("[a 1/3] DIRECTORY /d", Some(4)),
            ("[a 1/3] COPY a b /x/", Some(6)),
            ("[a 1/3] COPY a b /x/", Some(6)),
            ("[a 1/3] COPY c /y", Some(7)),
            ("[a 1/3] FILE /z", Some(9)),
        ]
    );
}

#[test]
fn a_directory_of_a_config_is_relative_to_the_one_before() {
    let lowered = done(
        "tasks: {a: {on: scratch, files: {/a: b}}}\nimages:\n  i: {layers: a, config: {workdir: app}}\n  j: {layers: a, config: {workdir: /x/}}\n",
    );
    let directory = |image: usize| {
        let node = lowered.images[image].exports[0].node;
        let config = &export_of(&lowered.graph, node).config;
        config.config.working_dir.as_str()
    };
    assert_eq!((directory(0), directory(1)), ("/app", "/x/"));
}

#[test]
fn an_image_is_as_old_as_its_config_says() {
    let time = "2024-01-01T00:00:00Z";
    for history in ["", ", history: [{by: x}]"] {
        let lowered = done(&format!(
            "{BASES}tasks: {{a: {{on: debian, run: one}}}}\nimages:\n  i: {{layers: [debian, a], config: {{created: '{time}'{history}}}}}\n"
        ));
        let config = &export(&lowered).config;
        let times: Vec<_> = config
            .history
            .iter()
            .map(|e| e.created.as_deref())
            .collect();
        assert_eq!((times[0], times[times.len() - 1]), (None, Some(time)));
        assert_eq!(config.created.as_deref(), Some(time));
    }
}

#[test]
fn a_task_is_a_target() {
    let text =
        format!("{BASES}tasks:\n  a: {{on: debian, run: x}}\nimages:\n  i: {{layers: debian}}\n");
    let files = Files::of(&[("p.yaml", &text)]);
    let mut options = options();
    options.targets = vec!["a".to_owned()];
    let (lowered, _) = files.lower("p.yaml", &options).unwrap();
    assert_eq!(lowered.images[0].name, "a");
    assert_eq!(export(&lowered).layers.len(), 1);
    options.targets = vec!["b".to_owned()];
    let problem = files.lower("p.yaml", &options).unwrap_err();
    assert!(problem.message.contains("the target `b`"), "{problem}");
}

#[test]
fn manifests_are_written_by_a_task() {
    let lowered = done(&format!(
        "{BASES}tasks:\n  app: {{on: debian, run: x}}\n  write:\n    on: debian\n    describe: {{to: /layers.json, layers: {{app: [debian, app]}}}}\n    run: write\nimages:\n  app:\n    written: {{by: write, manifests: /manifest.json, layers: {{app: [debian, app]}}, blobs: [{{path: /config.json, media-type: x}}]}}\n"
    ));
    let Op::Written(written) = &lowered.graph.node(lowered.images[0].exports[0].node).op else {
        panic!("not written");
    };
    assert_eq!(written.objects.len(), 1);
    assert!(written.objects[0].base.is_some());
    assert_eq!(written.objects[0].layers.len(), 1);
    let run = run(&lowered, written.tree);
    assert!(matches!(&lowered.graph.node(run.root).op, Op::Objects(_)));
}

#[test]
fn permissions_must_be_given() {
    for text in ["network: host", "security: insecure"] {
        let problem = one(&format!(
            "{BASES}tasks:\n  a: {{on: debian, run: x, {text}}}\nimages: {{i: {{layers: a}}}}\n"
        ))
        .unwrap_err();
        assert!(problem.help.unwrap().starts_with("pass --allow "));
    }
}
