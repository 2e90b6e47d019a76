//! Random graphs: stages on busybox and on nothing, of commands, copies and stacks, and images of some of their trees.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use stromatekt_graph::file::{Copy, CopySource, FileAction, Unpack};
use stromatekt_graph::limits::Limits;
use stromatekt_graph::op::{
    Diff, Export, ExportLayer, File, Image, ImageLocation, Scratch, Stack, StackLayer,
};
use stromatekt_graph::run::{Executor, Network, Run, Security};
use stromatekt_graph::{Graph, Node, NodeId, Op, Origin};
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::platform::Platform;

/// A program that leaves a trace of each of its runs. It has the name of one that takes long, so chains are cut behind it.
const MAKE: &str =
    "#!/bin/sh\necho \"$0 $*\" >> /log; mkdir -p /made; echo \"$1\" > \"/made/$1\"\n";

/// What one node is.
#[derive(Clone, Debug)]
pub enum Step {
    /// A chain of commands of the shell.
    Run(Vec<String>),
    /// `WORKDIR`.
    MakeDirectory(&'static str, &'static str),
    /// `COPY` of texts; all with `--link`, or none.
    Write(
        Vec<(&'static str, &'static str)>,
        Option<&'static str>,
        bool,
    ),
    /// `COPY --from`.
    CopyFrom(usize, bool),
    /// What the step that made a tree changed, on another tree.
    Stack(usize),
}

/// A graph: each step with the tree that it is done on.
#[derive(Clone, Debug)]
pub struct Plan {
    pub steps: Vec<(usize, Step)>,
    pub images: Vec<usize>,
}

/// A random graph.
pub fn plan() -> impl Strategy<Value = Plan> {
    let numbered = |texts: &'static [&'static str]| {
        (select(texts), 0..3_usize)
            .prop_map(|(text, number)| text.replace('N', &number.to_string()))
    };
    let work = prop_oneof![
        Just("make build-1".to_owned()),
        Just("./configure 2".to_owned())
    ];
    let leak = (numbered(LEAKS), work, numbered(OBSERVERS))
        .prop_map(|(first, work, last)| vec![first, work, last]);
    let chain = prop_oneof![2 => vec(numbered(LINKS), 1..6), 1 => leak];
    let text = (select(PLACES), select(&["one\n", "two\n"][..]));
    let owner = prop_oneof![Just(None), Just(Some("7:8")), Just(Some("root"))];
    let step = prop_oneof![
        4 => chain.prop_map(Step::Run),
        2 => (select(DIRECTORIES), select(&["", "7:8", "daemon"][..])).prop_map(|(path, owner)| Step::MakeDirectory(path, owner)),
        4 => (vec(text, 1..3), owner, any::<bool>()).prop_map(|(texts, owner, link)| Step::Write(texts, owner, link)),
        1 => (0..8_usize, any::<bool>()).prop_map(|(from, link)| Step::CopyFrom(from, link)),
        1 => (0..8_usize).prop_map(Step::Stack),
    ];
    // Most steps follow the one before, as in a stage.
    let on = prop_oneof![3 => Just(usize::MAX), 1 => 0..8_usize];
    (vec((on, step), 1..9), vec(0..8_usize, 0..2))
        .prop_map(|(steps, images)| Plan { steps, images })
}

const LINKS: &[&str] = &[
    "make build-N",
    "make build-N",
    "make build-N",
    "./configure N",
    "mkdir -p /kN",
    "echo N > /textN",
    "rm -rf /made/N",
    "cp /log /logN",
    "ln -sf x /lN",
    "chmod 70N /log",
    "touch relN",
    "test -d /made",
    "true",
];
/// What changes the shell, and where it shows if it goes on to do so.
const LEAKS: &[&str] = &[
    "cd /tmp",
    "X=N",
    "umask 077",
    "X=N && export X",
    "set -u",
    "alias make=true",
];
const OBSERVERS: &[&str] = &[
    "touch relN",
    "echo \"$X$HOME$(pwd)\" >> /log",
    "mkdir /newN",
];
const DIRECTORIES: &[&str] = &["/m", "/a/b", "/usr/local/share/a", "/tmp/a"];
const PLACES: &[&str] = &[
    "/a/b/c",
    "/a/f",
    "/d/",
    "/tmp/x/y",
    "/usr/local/share/a/",
    "/etc/z",
];

/// A tree of the graph under construction.
struct Tree {
    id: NodeId,
    /// The tree that it was made from.
    parent: Option<usize>,
    has_shell: bool,
}

/// A node with a label and a line of its own.
pub fn node(op: Op, label: &str, line: u32) -> Node {
    Node {
        op,
        label: label.to_owned(),
        origin: Some(Origin {
            file: "Dockerfile".into(),
            first_line: line,
            last_line: line,
        }),
        no_cache: false,
    }
}

/// A text written to a place.
pub fn text(destination: &str, content: &str) -> Copy {
    Copy {
        from: CopySource::Inline {
            name: "name".into(),
            content: content.into(),
        },
        destination: destination.into(),
        owner: None,
        mode: None,
        unpack: Unpack::Never,
        parents: false,
        exclude: Vec::new(),
        link: false,
    }
}

/// The tree of busybox, and that tree with the programs that leave traces.
pub fn busybox(graph: &mut Graph) -> (NodeId, NodeId) {
    let image = Op::Image(Image {
        source: ImageLocation::Named(stromatekt_tests::lab::BUSYBOX.parse().unwrap()),
        platform: Platform::host(),
    });
    let image = graph.add(node(image, "FROM busybox", 1)).unwrap();
    let program = |destination: &str| {
        FileAction::Copy(Box::new(Copy {
            mode: Some("0755".into()),
            ..text(destination, MAKE)
        }))
    };
    let tools = Op::File(File {
        root: image,
        actions: vec![
            program("/usr/local/bin/make"),
            program("/configure"),
            FileAction::Copy(Box::new(text("/log", ""))),
        ],
    });
    (image, graph.add(node(tools, "COPY tools", 2)).unwrap())
}

/// A command of the shell.
pub fn shell(root: NodeId, command: &str) -> Op {
    Op::Run(Box::new(Run {
        root,
        args: ["/bin/sh", "-c", command].map(str::to_owned).to_vec(),
        shown: None,
        executor: Executor::Runc,
        env: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
        proxy_env: Vec::new(),
        cwd: "/".into(),
        user: String::new(),
        groups: Vec::new(),
        mounts: Vec::new(),
        network: Network::None,
        security: Security::Sandbox,
        extra_hosts: Vec::new(),
        hostname: None,
        limits: Limits::default(),
    }))
}

/// An image of a base and the changes of some steps: trees before and after.
pub fn image(
    graph: &mut Graph,
    base: Option<NodeId>,
    steps: &[(Option<NodeId>, NodeId)],
) -> NodeId {
    let mut layers = Vec::new();
    for &(lower, upper) in steps {
        let label = format!("layer of {}", graph.node(upper).label);
        let changeset = graph
            .add(node(Op::Diff(Diff { lower, upper }), &label, 1))
            .unwrap();
        layers.push(ExportLayer {
            changeset,
            history: None,
        });
    }
    let export = Op::Export(Box::new(Export {
        base,
        layers,
        config: ImageConfig::for_platform(&Platform::host()),
        tree: steps.last().map(|(_, upper)| *upper).or(base).unwrap(),
    }));
    graph.add(node(export, "exporting to image", 1)).unwrap()
}

impl Plan {
    /// The graph, and its images: always one of the last tree.
    pub fn graph(&self) -> (Graph, Vec<NodeId>) {
        let mut graph = Graph::new();
        let (image, tools) = busybox(&mut graph);
        let scratch = graph
            .add(node(Op::Scratch(Scratch), "FROM scratch", 1))
            .unwrap();
        let tree = |id, parent, has_shell| Tree {
            id,
            parent,
            has_shell,
        };
        let mut trees = vec![
            tree(scratch, None, false),
            tree(image, None, true),
            tree(tools, Some(1), true),
        ];
        for (number, (on, step)) in self.steps.iter().enumerate() {
            let on = (*on).min(trees.len() - 1);
            let is_run = matches!(step, Step::Run(_));
            // The tools stand in for a tree without a shell.
            let on = if is_run && !trees[on].has_shell {
                2
            } else {
                on
            };
            let op = self.op(&mut graph, &trees, on, step);
            let label = format!("[{}/{}] {step:?}", number + 1, self.steps.len());
            let id = graph.add(node(op, &label, number as u32 + 3)).unwrap();
            let has_shell = trees[on].has_shell;
            trees.push(tree(id, Some(on), has_shell));
        }
        let mut wanted: Vec<usize> = self
            .images
            .iter()
            .map(|image| image % trees.len())
            .collect();
        wanted.push(trees.len() - 1);
        let mut images: Vec<NodeId> = wanted
            .into_iter()
            // No image is of nothing at all.
            .filter(|wanted| *wanted > 1)
            .map(|wanted| self::Plan::image(&mut graph, &trees, wanted))
            .collect();
        images.dedup();
        (graph, images)
    }

    fn op(&self, graph: &mut Graph, trees: &[Tree], on: usize, step: &Step) -> Op {
        let root = trees[on].id;
        match step {
            Step::Run(links) => shell(root, &links.join(" && ")),
            Step::MakeDirectory(path, owner) => Op::File(File {
                root,
                actions: vec![FileAction::MakeDirectory {
                    path: (*path).into(),
                    // Names are not looked up in a tree without any.
                    owner: if trees[on].has_shell {
                        (*owner).into()
                    } else {
                        String::new()
                    },
                    time: None,
                }],
            }),
            Step::Write(texts, owner, link) => Op::File(File {
                root,
                actions: texts
                    .iter()
                    .map(|(destination, content)| {
                        FileAction::Copy(Box::new(Copy {
                            owner: owner.map(str::to_owned),
                            link: *link,
                            ..text(destination, content)
                        }))
                    })
                    .collect(),
            }),
            Step::CopyFrom(from, link) => {
                let from = &trees[from % trees.len()];
                let from = if from.has_shell && from.parent.is_some() {
                    from
                } else {
                    &trees[2]
                };
                Op::File(File {
                    root,
                    actions: vec![FileAction::Copy(Box::new(Copy {
                        from: CopySource::Tree {
                            from: from.id,
                            patterns: vec!["usr/local".into(), "lo*".into()],
                        },
                        link: *link,
                        ..text("/from/there/", "")
                    }))],
                })
            }
            Step::Stack(of) => {
                let of = &trees[of % trees.len()];
                let of = if of.parent.is_some() { of } else { &trees[2] };
                let lower = of
                    .parent
                    .map(|parent| &trees[parent])
                    .filter(|lower| !is_scratch(lower, trees));
                let diff = Op::Diff(Diff {
                    lower: lower.map(|lower| lower.id),
                    upper: of.id,
                });
                let changeset = graph.add(node(diff, "changeset", 1)).unwrap();
                Op::Stack(Stack {
                    base: (!is_scratch(&trees[on], trees)).then_some(root),
                    layers: vec![StackLayer {
                        changeset,
                        name: "changeset".into(),
                    }],
                    is_exclusive: false,
                })
            }
        }
    }

    fn image(graph: &mut Graph, trees: &[Tree], wanted: usize) -> NodeId {
        let mut steps = Vec::new();
        let mut at = wanted;
        while let Some(parent) = trees[at].parent {
            let lower = (!is_scratch(&trees[parent], trees)).then_some(trees[parent].id);
            steps.push((lower, trees[at].id));
            at = parent;
        }
        steps.reverse();
        let base = (at == 1).then_some(trees[1].id);
        image(graph, base, &steps)
    }
}

fn is_scratch(tree: &Tree, trees: &[Tree]) -> bool {
    tree.id == trees[0].id
}
