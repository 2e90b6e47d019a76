//! What the optimizer makes of a graph gives the same images: random graphs, as they are and optimized, on real trees.

mod graphs;
mod whole;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use stromatekt_engine::events::{Event, Outcome, VertexId, channel};
use stromatekt_engine::{
    BuildRequest, Destination, Engine, Error, ImageOptions, ImageRequest, Output, PlatformExport,
};
use stromatekt_graph::file::{CopySource, FileAction};
use stromatekt_graph::op::File;
use stromatekt_graph::{Graph, NodeId, Op};
use stromatekt_oci::platform::Platform;
use stromatekt_optimizer::{Pass, Passes, optimize};
use stromatekt_tests::rootfs::Entry;
use stromatekt_tests::{Image, Lab, Rootfs};
use tokio_util::sync::CancellationToken;

use graphs::{busybox, image, node, plan, shell, text};

/// A store with busybox, open.
struct Workshop {
    engine: Option<Engine>,
    tokio: tokio::runtime::Runtime,
    _lab: Lab,
}

impl Workshop {
    fn new() -> Self {
        let lab = Lab::with_busybox();
        Self {
            engine: Some(Engine::open(lab.root()).unwrap()),
            tokio: tokio::runtime::Runtime::new().unwrap(),
            _lab: lab,
        }
    }

    /// Builds images, and tells what became of each step, by its label.
    fn build(
        &self,
        graph: &Graph,
        images: &[NodeId],
    ) -> (Result<Vec<Image>, Arc<Error>>, BTreeMap<String, Outcome>) {
        let directory = tempfile::tempdir().unwrap();
        let layout = |number: usize| directory.path().join(number.to_string());
        let request = BuildRequest {
            graph: graph.clone(),
            images: images
                .iter()
                .enumerate()
                .map(|(number, node)| ImageRequest {
                    exports: vec![PlatformExport {
                        node: *node,
                        platform: Platform::host(),
                        source_date_epoch: None,
                    }],
                    is_index: false,
                    names: Vec::new(),
                    outputs: vec![Output::OciLayout {
                        destination: Destination::Path(layout(number)),
                        tar: false,
                        options: ImageOptions::default(),
                    }],
                })
                .collect(),
            contexts: BTreeMap::new(),
            secrets: Default::default(),
            ssh: Default::default(),
            pull: false,
        };
        let (events, mut received) = channel();
        let engine = self.engine.as_ref().unwrap();
        let built = self
            .tokio
            .block_on(engine.build(request, &events, CancellationToken::new()));
        drop(events);
        let mut names: BTreeMap<VertexId, String> = BTreeMap::new();
        let mut outcomes = BTreeMap::new();
        while let Some(event) = received.blocking_recv() {
            match event {
                Event::Vertex { id, name, .. } => {
                    names.insert(id, name);
                }
                Event::Completed { id, outcome, .. } => {
                    outcomes.insert(names[&id].clone(), outcome);
                }
                _ => {}
            }
        }
        let images = built.map(|_| {
            (0..images.len())
                .map(|number| Image::read(&layout(number)))
                .collect()
        });
        (images, outcomes)
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // Before its store is unmounted.
        self.engine = None;
    }
}

/// The root filesystem after each layer, without times.
fn states(image: &Image) -> Vec<BTreeMap<String, Entry>> {
    (1..=image.layers.len())
        .map(|count| {
            let layers = image.layers[..count].iter();
            let rootfs = Rootfs::of_layers(layers.map(|layer| layer.entries.as_slice()));
            let without_time = |(path, entry): (&String, &Entry)| {
                let entry = Entry {
                    mtime: 0,
                    ..entry.clone()
                };
                (path.clone(), entry)
            };
            rootfs.entries().iter().map(without_time).collect()
        })
        .collect()
}

#[test]
fn random_graphs_give_the_same_images_with_each_pass() {
    let workshop = Workshop::new();
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(12);
    let config = Config {
        cases,
        // Each try is two builds.
        max_shrink_iters: 40,
        failure_persistence: None,
        ..Config::default()
    };
    // The few cases of each run are the same ones, with something to do for each pass; more of them are other ones, too.
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[8; 32]);
    let mut runner = TestRunner::new_with_rng(config, random);
    let mut done: BTreeMap<Pass, usize> = BTreeMap::new();
    let seen = std::cell::RefCell::new(&mut done);
    let built = std::cell::Cell::new(0);
    runner
        .run(&plan(), |plan| {
            let (graph, images) = plan.graph();
            let (expected, _) = workshop.build(&graph, &images);
            built.set(built.get() + u32::from(expected.is_ok()));
            let singles = Pass::ALL.into_iter().map(Passes::only);
            for passes in singles.chain([Passes::all()]) {
                let optimized = optimize(graph.clone(), &images, &passes);
                if passes != Passes::all() && optimized.notes.iter().all(|note| !note.is_done) {
                    // The graph is as it was, or as the last one has it.
                    continue;
                }
                for note in optimized.notes.iter().filter(|note| note.is_done) {
                    *seen.borrow_mut().entry(note.pass).or_default() += 1;
                }
                let (found, _) = workshop.build(&optimized.graph, &optimized.roots);
                match (&expected, &found) {
                    (Ok(expected), Ok(found)) => {
                        for (expected, found) in expected.iter().zip(found) {
                            proptest::prop_assert_eq!(
                                states(expected),
                                states(found),
                                "{:?}: {:?}",
                                passes,
                                optimized.notes
                            );
                        }
                    }
                    (Err(_), Err(_)) => {}
                    (expected, found) => {
                        let reason = format!(
                            "{passes:?}: {:?}, not {:?}",
                            found.as_ref().err(),
                            expected.as_ref().err()
                        );
                        return Err(proptest::test_runner::TestCaseError::fail(reason));
                    }
                }
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(
        built.get() * 2 > cases,
        "only {} of {cases} graphs can be built",
        built.get()
    );
    for pass in [Pass::Detach, Pass::Split, Pass::Files] {
        assert!(
            done.contains_key(&pass),
            "{pass:?} did something at least once: {done:?}"
        );
    }
}

#[test]
fn what_a_graph_says_does_not_depend_on_the_order_of_passes() {
    // The same passes once more find nothing to do.
    let mut runner = TestRunner::deterministic();
    for _ in 0..200 {
        let plan = plan().new_tree(&mut runner).unwrap().current();
        let (graph, images) = plan.graph();
        let once = optimize(graph, &images, &Passes::all());
        let twice = optimize(once.graph.clone(), &once.roots, &Passes::all());
        let labels = |graph: &Graph| {
            graph
                .nodes()
                .map(|(_, node)| node.label.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(labels(&once.graph), labels(&twice.graph), "{plan:?}");
        assert!(
            twice.notes.iter().all(|note| !note.is_done),
            "{:?}",
            twice.notes
        );
    }
}

#[test]
fn a_part_that_failed_is_told_as_the_whole_command() {
    let workshop = Workshop::new();
    let mut graph = Graph::new();
    let (base, tools) = busybox(&mut graph);
    let command = "make build && sed -i Q3 /log";
    let upper = graph
        .add(node(
            shell(tools, command),
            &format!("[3/3] RUN {command}"),
            3,
        ))
        .unwrap();
    let image = image(
        &mut graph,
        Some(base),
        &[(Some(base), tools), (Some(tools), upper)],
    );
    let optimized = optimize(graph, &[image], &Passes::all());
    assert!(
        optimized
            .notes
            .iter()
            .any(|note| note.text == "split into 2 steps"),
        "{:?}",
        optimized.notes
    );
    let (built, outcomes) = workshop.build(&optimized.graph, &optimized.roots);
    let error = built.unwrap_err();
    let Error::Step { origin, source, .. } = &*error else {
        panic!("{error}");
    };
    assert_eq!(origin.as_ref().unwrap().first_line, 3);
    assert!(
        source.to_string().starts_with("process \"/bin/sh -c make build && sed -i Q3 /log\" did not complete successfully: exit code: "),
        "{source}"
    );
    assert_eq!(
        outcomes["[3/3] RUN make build (part 1 of 2)"],
        Outcome::Done
    );
}

#[test]
fn what_stands_before_a_change_is_not_run_again() {
    let workshop = Workshop::new();
    let build = |command: &str| {
        let mut graph = Graph::new();
        let (base, tools) = busybox(&mut graph);
        let upper = graph
            .add(node(shell(tools, command), &format!("RUN {command}"), 3))
            .unwrap();
        let image = image(
            &mut graph,
            Some(base),
            &[(Some(base), tools), (Some(tools), upper)],
        );
        let optimized = optimize(graph, &[image], &Passes::all());
        let (built, outcomes) = workshop.build(&optimized.graph, &optimized.roots);
        (built.unwrap().remove(0), outcomes)
    };
    let (first, _) = build("make build && echo one > /end");
    let (second, outcomes) = build("make build && echo two > /end");
    assert_eq!(outcomes["RUN make build (part 1 of 2)"], Outcome::Cached);
    assert_eq!(first.layers.len(), second.layers.len());
    assert_eq!(second.rootfs().text("end"), "two");
    let mut paths = second.top().paths_of_the_step();
    paths.retain(|path| !path.contains("log"));
    assert_eq!(
        paths,
        ["end", "made", "made/build"],
        "one layer for both parts"
    );
}

#[test]
fn a_detached_copy_is_found_on_another_base() {
    let workshop = Workshop::new();
    let build = |below: &str| {
        let mut graph = Graph::new();
        let (base, tools) = busybox(&mut graph);
        let lower = graph
            .add(node(shell(tools, below), "RUN below", 3))
            .unwrap();
        let copy = stromatekt_graph::file::Copy {
            link: true,
            owner: Some("7:8".into()),
            ..text("/opt/deep/file", "text")
        };
        let file = Op::File(File {
            root: lower,
            actions: vec![FileAction::Copy(Box::new(copy))],
        });
        let upper = graph.add(node(file, "COPY --link", 4)).unwrap();
        let image = image(
            &mut graph,
            Some(base),
            &[
                (Some(base), tools),
                (Some(tools), lower),
                (Some(lower), upper),
            ],
        );
        let optimized = optimize(graph, &[image], &Passes::all());
        let (built, outcomes) = workshop.build(&optimized.graph, &optimized.roots);
        (built.unwrap().remove(0), outcomes)
    };
    let (first, _) = build("mkdir -m 700 /opt");
    assert_eq!(
        first.top().paths(),
        ["opt", "opt/deep", "opt/deep/file"],
        "with all that leads there"
    );
    let (second, outcomes) = build("echo other > /opt");
    assert_eq!(outcomes["COPY --link"], Outcome::Cached);
    assert_eq!(first.top().diff_id, second.top().diff_id);
    let opt = second.rootfs().entry("opt").clone();
    assert_eq!((opt.mode, opt.owner), (0o755, (7, 8)));
}

#[test]
fn a_merged_step_that_fails_names_the_line_that_did() {
    let workshop = Workshop::new();
    let mut graph = Graph::new();
    let (base, tools) = busybox(&mut graph);
    let add = |graph: &mut Graph, root, action, label: &str, line| {
        let file = Op::File(File {
            root,
            actions: vec![action],
        });
        graph.add(node(file, label, line)).unwrap()
    };
    let work = |path: &str| FileAction::MakeDirectory {
        path: path.into(),
        owner: String::new(),
        time: None,
    };
    let copy = |pattern: &str| {
        FileAction::Copy(Box::new(stromatekt_graph::file::Copy {
            from: CopySource::Tree {
                from: tools,
                patterns: vec![pattern.into()],
            },
            ..text("/here/", "")
        }))
    };
    for (first, second, third, line, message) in [
        (work("/a"), copy("missing"), work("/b"), 4, "missing"),
        (work("/log/a"), copy("log"), work("/b"), 3, "log/a"),
        (
            work("/a"),
            copy("log"),
            work("/here/log/a"),
            5,
            "here/log/a",
        ),
    ] {
        let one = add(&mut graph, tools, first, "WORKDIR 1", 3);
        let two = add(&mut graph, one, second, "COPY 2", 4);
        let three = add(&mut graph, two, third, "WORKDIR 3", 5);
        let image = image(&mut graph, Some(base), &[(Some(base), three)]);
        let optimized = optimize(graph.clone(), &[image], &Passes::all());
        let files = |graph: &Graph| {
            graph
                .nodes()
                .filter(|(_, node)| matches!(node.op, Op::File(_)))
                .count()
        };
        // The tools are in it, too: nobody else sees them, but the copy takes from them.
        assert_eq!(files(&optimized.graph), 2, "{:?}", optimized.notes);
        let (built, _) = workshop.build(&optimized.graph, &optimized.roots);
        let error = built.unwrap_err();
        let Error::Step {
            origin,
            label,
            source,
        } = &*error
        else {
            panic!("{error}");
        };
        assert_eq!(
            origin.as_ref().unwrap().first_line,
            line,
            "{label}: {source}"
        );
        assert!(source.to_string().contains(message), "{source}");
    }
}
