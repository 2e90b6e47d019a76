//! A pipeline of a hundred steps: bases, sources, parallel branches of different lengths, joins, two images.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use stromatekt_graph::file::{Copy, CopySource, FileAction, Unpack};
use stromatekt_graph::forecast::{Forecast, State};
use stromatekt_graph::limits::Limits;
use stromatekt_graph::op::{
    Context, Diff, Export, ExportLayer, File, Image, ImageLocation, Run, Scratch,
};
use stromatekt_graph::run::{Executor, Network, Security};
use stromatekt_graph::{Graph, Node, NodeId, Op, Origin};
use stromatekt_oci::config::ImageConfig;
use stromatekt_view::plan::{Plan, Root};
use stromatekt_view::timeline::{Outcome, Recorder, Timeline};

/// Branches of a stage each, and steps of a branch.
const BRANCHES: usize = 10;
const LENGTH: usize = 8;

struct Builder {
    graph: Graph,
    line: u32,
}

impl Builder {
    fn add(&mut self, label: String, op: Op) -> NodeId {
        self.line += 1;
        let origin = Origin {
            file: Arc::from("pipeline.yaml"),
            first_line: self.line,
            last_line: self.line + 1,
        };
        let node = Node {
            op,
            label,
            origin: Some(origin),
            no_cache: false,
        };
        self.graph.add(node).expect("the sample is sound")
    }

    fn image(&mut self, name: &str) -> NodeId {
        let source = ImageLocation::Named(name.parse().expect("a name"));
        let platform = "linux/amd64".parse().expect("a platform");
        self.add(
            format!("FROM {name}"),
            Op::Image(Image { source, platform }),
        )
    }

    fn run(&mut self, label: String, root: NodeId) -> NodeId {
        let run = Run {
            root,
            args: vec![label.clone()],
            shown: None,
            executor: Executor::Runc,
            env: Vec::new(),
            proxy_env: Vec::new(),
            cwd: "/".into(),
            user: String::new(),
            groups: Vec::new(),
            mounts: Vec::new(),
            network: Network::Default,
            security: Security::Sandbox,
            extra_hosts: Vec::new(),
            hostname: None,
            limits: Limits::default(),
        };
        self.add(label, Op::Run(Box::new(run)))
    }

    fn copy(&mut self, label: String, root: NodeId, sources: &[NodeId]) -> NodeId {
        let actions = sources.iter().map(|from| {
            FileAction::Copy(Box::new(Copy {
                from: CopySource::Tree {
                    from: *from,
                    patterns: vec![label.clone()],
                },
                destination: "/".into(),
                owner: None,
                mode: None,
                unpack: Unpack::Never,
                parents: false,
                exclude: Vec::new(),
                link: false,
            }))
        });
        let actions = actions.collect();
        self.add(label, Op::File(File { root, actions }))
    }
}

/// The graph, and what is asked of it.
fn graph() -> (Graph, Vec<Root>) {
    let mut builder = Builder {
        graph: Graph::new(),
        line: 0,
    };
    let bases = [
        "debian:12-slim",
        "registry.example/toolchains/gcc:14",
        "alpine:3.22",
    ]
    .map(|name| builder.image(name));
    let context = builder.add(
        "[internal] load build context".into(),
        Op::Context(Context {
            name: "context".into(),
        }),
    );
    let mut ends: Vec<NodeId> = Vec::new();
    for branch in 0..BRANCHES {
        let base = bases[branch % bases.len()];
        let mut tree = builder.copy(
            format!("[part-{branch} 1/{LENGTH}] COPY parts/{branch} /src"),
            base,
            &[context],
        );
        for step in 2..=LENGTH - branch % 3 {
            let label = match step {
                2 => format!(
                    "[part-{branch} 2/{LENGTH}] RUN apt-get update && apt-get install --yes --no-install-recommends build-essential"
                ),
                3 => format!(
                    "[part-{branch} 3/{LENGTH}] RUN ./configure --prefix=/usr --with-feature-{branch}"
                ),
                _ => format!("[part-{branch} {step}/{LENGTH}] RUN make -C /src target-{step}"),
            };
            tree = match (step, ends.len()) {
                // Every third takes files of the branch before it.
                (5, count) if count > 0 && branch % 3 == 2 => builder.copy(
                    format!(
                        "[part-{branch} 5/{LENGTH}] COPY --from=part-{} /out /in",
                        branch - 1
                    ),
                    tree,
                    &[ends[count - 1]],
                ),
                _ => builder.run(label, tree),
            };
        }
        ends.push(tree);
    }
    let scratch = builder.add("scratch".into(), Op::Scratch(Scratch));
    let mut roots = Vec::new();
    for (name, root, parts) in [
        ("app", bases[0], &ends[..6]),
        ("tools", scratch, &ends[3..]),
    ] {
        let mut layers = Vec::new();
        let mut tree = root;
        for (index, part) in parts.iter().enumerate() {
            let lower = tree;
            tree = builder.copy(
                format!(
                    "[{name} {}/{}] COPY --from=part /out /opt/{index}",
                    index + 1,
                    parts.len()
                ),
                lower,
                &[*part],
            );
            let diff = Op::Diff(Diff {
                lower: Some(lower),
                upper: tree,
            });
            let changeset = builder.add(format!("layer {index} of {name}"), diff);
            layers.push(ExportLayer {
                changeset,
                history: None,
            });
        }
        let export = Op::Export(Box::new(Export {
            base: (name == "app").then_some(root),
            layers,
            config: ImageConfig::default(),
            tree,
        }));
        let node = builder.add(format!("exporting {name}"), export);
        roots.push(Root {
            node,
            name: format!("{name} (linux/amd64)"),
        });
    }
    (builder.graph, roots)
}

/// The plan, with all states.
pub fn plan() -> Plan {
    let (graph, roots) = graph();
    let mut forecasts = HashMap::new();
    for (index, (id, node)) in graph.nodes().enumerate() {
        let state = match &node.label {
            label if label.starts_with("[part-1") && !label.contains(" 1/") => State::Unknown {
                why: "depends on [part-1 1/8] COPY parts/1 /src".into(),
            },
            label if label.starts_with("[part-4") || label.starts_with("[app") => State::Runs {
                why: "the files it copies changed: src/main.c".into(),
            },
            label if label.starts_with("exporting") => State::Runs {
                why: "the image is written".into(),
            },
            label if label.starts_with("[part-7") => State::Runs {
                why: "no earlier result".into(),
            },
            _ => State::Cached,
        };
        let forecast = Forecast {
            seconds: (state != State::Cached).then_some(0.3 * index as f64),
            state,
        };
        forecasts.insert(id, forecast);
    }
    Plan::new(
        "pipeline.yaml <&>".into(),
        &graph,
        &roots,
        &forecasts,
        vec!["2 copies were detached from the steps before them".into()],
    )
}

/// A build of it, with four processes at the same time.
pub fn timeline(fails: bool) -> Timeline {
    const TURNS: usize = 4;
    const FAILED: f64 = 26.0;
    let plan = plan();
    let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let at = |seconds: f64| began + Duration::from_secs_f64(seconds);
    let mut recorder = Recorder::new(began);
    recorder.announce(
        0,
        "[internal] load build definition from pipeline.yaml",
        Vec::new(),
        None,
    );
    recorder.start(0, at(0.0));
    recorder.end(0, at(0.05), Outcome::Done);
    let mut ends = vec![0.05; plan.steps.len() + 1];
    let mut turns = [0.05_f64; TURNS];
    let shown: Vec<_> = plan
        .steps
        .iter()
        .filter(|step| !step.kind.is_folded())
        .collect();
    for step in &shown {
        let id = u32::try_from(step.id).expect("few steps");
        let inputs: Vec<u32> = step
            .inputs
            .iter()
            .flat_map(|input| match plan.step(*input) {
                step if step.kind.is_folded() => step.inputs.last().copied(),
                step => Some(step.id),
            })
            .filter_map(|input| u32::try_from(input).ok())
            .collect();
        let ready = inputs
            .iter()
            .map(|input| ends[*input as usize])
            .fold(0.05, f64::max);
        recorder.announce(id, &step.label, inputs, step.origin.clone());
        let is_cached = step.id % 7 == 0 && step.wave < 4;
        let turn = (0..TURNS)
            .min_by(|one, other| turns[*one].total_cmp(&turns[*other]))
            .expect("there are some");
        let start = if is_cached {
            ready
        } else {
            ready.max(turns[turn])
        };
        let end = match is_cached {
            true => start,
            false => start + 0.2 + (step.id * 37 % 23) as f64 * 0.13,
        };
        ends[step.id] = end;
        if !is_cached {
            turns[turn] = end;
        }
        let fails_here = fails && step.label.starts_with("[part-2 6/");
        // What is at work then is stopped.
        if fails && start > FAILED {
            continue;
        }
        let (end, is_stopped) = match fails && !fails_here && end > FAILED {
            true => (FAILED, true),
            false => (end, false),
        };
        recorder.start(id, at(start));
        if step.label.starts_with("FROM") {
            recorder.part(
                id,
                "unpacking sha256:0123456789ab",
                12_345_678,
                at(start),
                Some(at(end)),
            );
        }
        let outcome = match (is_cached, fails_here) {
            (_, true) => Outcome::Failed(
                "process \"/bin/sh -c make\" did not complete successfully: exit code: 2".into(),
            ),
            (true, _) => Outcome::Cached,
            _ if is_stopped => Outcome::Canceled,
            _ => Outcome::Done,
        };
        recorder.end(id, at(end), outcome);
    }
    let last = ends.iter().copied().fold(0.0, f64::max);
    recorder.finish(
        "pipeline.yaml <&>".into(),
        at(if fails { FAILED } else { last }),
    )
}
