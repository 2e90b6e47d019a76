//! What each pass makes of small graphs, and what it leaves alone.

use stromatekt_graph::file::{Copy, CopySource, FileAction, Unpack};
use stromatekt_graph::op::{Context, Diff, Export, ExportLayer, File, Image, ImageLocation, Stack};
use stromatekt_graph::{Graph, Node, NodeId, Op};
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::platform::Platform;
use stromatekt_optimizer::{Optimized, Pass, Passes, optimize};

/// A graph under construction, on a base and a context.
struct Draft {
    graph: Graph,
    base: NodeId,
    context: NodeId,
}

impl Draft {
    fn new() -> Self {
        let mut graph = Graph::new();
        let image = Op::Image(Image {
            source: ImageLocation::Layout {
                path: "/base".into(),
                selector: None,
            },
            platform: Platform::host(),
        });
        let base = graph.add(node(image, "base")).unwrap();
        let context = Op::Context(Context {
            name: "context".into(),
        });
        let context = graph.add(node(context, "context")).unwrap();
        Self {
            graph,
            base,
            context,
        }
    }

    fn file(&mut self, root: NodeId, label: &str, actions: Vec<FileAction>) -> NodeId {
        let file = Op::File(File { root, actions });
        self.graph.add(node(file, label)).unwrap()
    }

    /// From the context.
    fn copy(&self, destination: &str) -> Copy {
        Copy {
            from: CopySource::Tree {
                from: self.context,
                patterns: vec![".".into()],
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

    fn image(&mut self, layers: &[(NodeId, NodeId)]) -> NodeId {
        let (_, tree) = *layers.last().unwrap();
        let layers = layers
            .iter()
            .map(|&(lower, upper)| ExportLayer {
                changeset: self.diff(lower, upper),
                history: None,
            })
            .collect();
        let export = Op::Export(Box::new(Export {
            base: Some(self.base),
            layers,
            config: ImageConfig::for_platform(&Platform::host()),
            tree,
        }));
        self.graph.add(node(export, "image")).unwrap()
    }

    fn diff(&mut self, lower: NodeId, upper: NodeId) -> NodeId {
        let diff = Op::Diff(Diff {
            lower: Some(lower),
            upper,
        });
        let label = format!("layer of {}", self.graph.node(upper).label);
        self.graph.add(node(diff, &label)).unwrap()
    }

    fn after(&self, pass: Pass, roots: &[NodeId]) -> Optimized {
        optimize(self.graph.clone(), roots, &Passes::only(pass))
    }
}

fn node(op: Op, label: &str) -> Node {
    Node {
        op,
        label: label.into(),
        origin: None,
        no_cache: false,
    }
}

fn copied(copy: Copy) -> Vec<FileAction> {
    vec![FileAction::Copy(Box::new(copy))]
}

fn work(path: &str) -> Vec<FileAction> {
    vec![FileAction::MakeDirectory {
        path: path.into(),
        owner: String::new(),
        time: None,
    }]
}

fn labels(optimized: &Optimized) -> Vec<&str> {
    let nodes = optimized.graph.nodes();
    nodes.map(|(_, node)| node.label.as_str()).collect()
}

#[test]
fn what_no_root_needs_is_dropped() {
    let mut draft = Draft::new();
    let (base, context) = (draft.base, draft.context);
    let one = draft.file(base, "one", work("/one"));
    let _difference = draft.diff(base, one);
    let two = draft.file(base, "two", copied(draft.copy("/two")));
    assert_eq!(labels(&draft.after(Pass::Dead, &[one])), ["base", "one"]);
    let optimized = draft.after(Pass::Dead, &[two, context]);
    assert_eq!(labels(&optimized), ["base", "context", "two"]);
    let roots: Vec<usize> = optimized.roots.iter().map(|root| root.index()).collect();
    assert_eq!(roots, [2, 1]);
}

#[test]
fn what_has_become_equal_is_one() {
    let mut draft = Draft::new();
    let base = draft.base;
    let link = Copy {
        link: true,
        ..draft.copy("/a")
    };
    let other = draft.file(base, "other", work("/other"));
    let one = draft.file(base, "one", copied(link.clone()));
    let two = draft.file(other, "two", copied(link));
    let optimized = optimize(
        draft.graph.clone(),
        &[one, two],
        &Passes::none().with(Pass::Detach).with(Pass::Common),
    );
    let files = |optimized: &Optimized| {
        labels(optimized)
            .iter()
            .filter(|label| ["one", "two"].contains(label))
            .count()
    };
    assert_eq!(
        files(&optimized),
        1,
        "one copy for both: {:?}",
        labels(&optimized)
    );
    assert_eq!(optimized.roots.len(), 2);
    assert_ne!(optimized.roots[0], optimized.roots[1]);
}

#[test]
fn copies_that_do_not_look_at_their_tree_are_detached() {
    let mut draft = Draft::new();
    let base = draft.base;
    let link = |owner: Option<&str>| Copy {
        link: true,
        owner: owner.map(str::to_owned),
        ..draft.copy("/a")
    };
    let (plain, numeric, named) = (link(None), link(Some("1:2")), link(Some("app")));
    let first = draft.file(base, "first", copied(plain.clone()));
    let second = draft.file(first, "second", copied(numeric));
    let third = draft.file(second, "third", copied(named));
    let image = draft.image(&[(base, first), (first, second), (second, third)]);
    let optimized = draft.after(Pass::Detach, &[image]);
    let Op::Export(export) = &optimized.graph.node(optimized.roots[0]).op else {
        panic!("{optimized:?}");
    };
    let lowers: Vec<bool> = export
        .layers
        .iter()
        .map(|layer| match &optimized.graph.node(layer.changeset).op {
            Op::Diff(diff) => diff.lower.is_some(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(lowers, [false, false, true]);
    let told: Vec<_> = optimized
        .notes
        .iter()
        .map(|note| (note.label.as_str(), note.text.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (
                "first",
                "detached: it does not depend on the steps before it"
            ),
            (
                "second",
                "detached: it does not depend on the steps before it"
            ),
            ("third", "not detached: its owner is looked up in the tree"),
        ]
    );
}

#[test]
fn the_changeset_of_a_detached_copy_on_another_tree_keeps_its_entries() {
    let mut draft = Draft::new();
    let (base, link) = (
        draft.base,
        Copy {
            link: true,
            ..draft.copy("/a")
        },
    );
    let copy = draft.file(base, "copy", copied(link));
    let changeset = draft.diff(base, copy);
    let other = draft.file(base, "other", work("/b"));
    let stack = Op::Stack(Stack {
        base: Some(other),
        layers: vec![stromatekt_graph::op::StackLayer {
            changeset,
            name: "copy".into(),
        }],
        is_exclusive: false,
    });
    let stack = draft.graph.add(node(stack, "stack")).unwrap();
    let optimized = draft.after(Pass::Detach, &[stack]);
    let Op::Stack(stack) = &optimized.graph.node(optimized.roots[0]).op else {
        panic!("{optimized:?}");
    };
    let Op::Diff(diff) = &optimized.graph.node(stack.layers[0].changeset).op else {
        panic!("{optimized:?}");
    };
    assert!(diff.lower.is_some());
}

#[test]
fn directories_are_made_in_one_go_with_what_is_copied() {
    let mut draft = Draft::new();
    let base = draft.base;
    let one = draft.file(base, "[1/4] WORKDIR /a", work("/a"));
    let two = draft.file(one, "[2/4] COPY . /a", copied(draft.copy("/a")));
    let three = draft.file(two, "[3/4] WORKDIR /b", work("/b"));
    let four = draft.file(three, "[4/4] COPY . /b", copied(draft.copy("/b")));
    let optimized = draft.after(Pass::Files, &[four]);
    assert_eq!(
        labels(&optimized),
        ["base", "context", "[2/4] COPY . /a", "[4/4] COPY . /b"]
    );
    let (merged, _) = optimized.graph.nodes().nth(2).unwrap();
    let parts: Vec<_> = optimized
        .graph
        .parts(merged)
        .iter()
        .map(|part| part.label.as_str())
        .collect();
    assert_eq!(
        parts,
        ["[1/4] WORKDIR /a", "[2/4] COPY . /a", "[3/4] WORKDIR /b"]
    );
    assert_eq!(optimized.notes.len(), 1);
    assert_eq!(
        optimized.notes[0].text,
        "done in one go with its neighbours, 3 steps in all"
    );
    // The parts survive other passes.
    let again = optimize(optimized.graph.clone(), &optimized.roots, &Passes::all());
    assert_eq!(again.graph.parts(merged).len(), 3);
}

#[test]
fn steps_that_somebody_sees_stay_alone() {
    let mut draft = Draft::new();
    let base = draft.base;
    let one = draft.file(base, "one", work("/a"));
    let two = draft.file(one, "two", copied(draft.copy("/a")));
    let layers = draft.image(&[(base, one), (one, two)]);
    assert!(
        draft.after(Pass::Files, &[layers]).notes.is_empty(),
        "a layer of its own"
    );
    let whole = draft.image(&[(base, two)]);
    assert_eq!(
        draft.after(Pass::Files, &[two]).notes.len(),
        0,
        "the layers above still name it"
    );
    let optimized = optimize(
        draft.graph.clone(),
        &[whole],
        &Passes::none().with(Pass::Dead).with(Pass::Files),
    );
    assert_eq!(optimized.notes.len(), 1, "{:?}", labels(&optimized));
    let optimized = optimize(
        draft.graph.clone(),
        &[whole, one],
        &Passes::none().with(Pass::Dead).with(Pass::Files),
    );
    assert_eq!(optimized.notes.len(), 0, "its tree is wanted");

    let mut draft = Draft::new();
    let link = Copy {
        link: true,
        ..draft.copy("/a")
    };
    let one = draft.file(base, "one", copied(link));
    let two = draft.file(one, "two", work("/b"));
    assert!(
        draft.after(Pass::Files, &[two]).notes.is_empty(),
        "copies with --link"
    );
    let mut no_cache = node(
        Op::File(File {
            root: two,
            actions: work("/c"),
        }),
        "three",
    );
    no_cache.no_cache = true;
    let three = draft.graph.add(no_cache).unwrap();
    assert!(
        draft.after(Pass::Files, &[three]).notes.is_empty(),
        "only one of them is to be found in the cache"
    );
}
