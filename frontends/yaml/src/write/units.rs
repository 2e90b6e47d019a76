//! A graph cut into bases, sources and tasks, each with a name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use stromatekt_graph::file::{CopySource, FileAction};
use stromatekt_graph::op::{Diff, ImageLocation, Op};
use stromatekt_graph::run::MountSource;
use stromatekt_graph::{Graph, NodeId};

use crate::names::{CONTEXT, SCRATCH, check_text, is_name};

/// A graph cut into units.
#[derive(Debug)]
pub struct Units {
    /// The names of trees at which something starts or from which files are taken, and of fetched files.
    pub names: HashMap<NodeId, String>,
    /// Bases and sources in order.
    pub leaves: Vec<NodeId>,
    /// Tasks in order.
    pub tasks: Vec<Task>,
    /// The task and the step in it that each tree of one came about in.
    pub steps: HashMap<NodeId, (usize, usize)>,
    /// The names of tasks that are there for one changeset.
    pub changesets: HashMap<NodeId, String>,
}

/// A task: nodes that came about on each other.
#[derive(Debug)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// What it is on: a tree, or a [`Stack`](stromatekt_graph::op::Stack).
    pub on: NodeId,
    /// Its steps.
    pub steps: Vec<NodeId>,
    /// What is expected in the end.
    pub expects: Vec<NodeId>,
    /// Whether a layer of one step alone is used.
    pub is_per_step: bool,
}

/// The tree that a node changes, of those that tasks are made of.
pub fn root(op: &Op) -> Option<NodeId> {
    match op {
        Op::Run(run) => Some(run.root),
        Op::File(file) => Some(file.root),
        Op::Objects(objects) => Some(objects.root),
        Op::Expect(expect) => Some(expect.tree),
        _ => None,
    }
}

/// The step that a tree came about in: expectations let it through.
pub fn behind_expectations(graph: &Graph, mut tree: NodeId) -> NodeId {
    while let Op::Expect(expect) = &graph.node(tree).op {
        tree = expect.tree;
    }
    tree
}

/// Whether a changeset is what one step changed.
pub fn is_of_step(graph: &Graph, diff: &Diff) -> bool {
    let step = behind_expectations(graph, diff.upper);
    let below = root(&graph.node(step).op).filter(|root| !is_scratch(graph, *root));
    root(&graph.node(step).op).is_some() && below == diff.lower
}

/// Whether a tree is the empty one.
pub fn is_scratch(graph: &Graph, tree: NodeId) -> bool {
    matches!(graph.node(tree).op, Op::Scratch(_))
}

/// Cuts what these images need.
pub fn cut(graph: &Graph, images: &[NodeId]) -> Units {
    let needed = graph.needed(images);
    let ends = ends(graph, &needed);
    let mut users: HashMap<NodeId, usize> = HashMap::new();
    for id in &needed {
        if let Some(root) = root(&graph.node(*id).op) {
            *users.entry(root).or_default() += 1;
        }
    }
    let mut units = Units {
        names: HashMap::new(),
        leaves: Vec::new(),
        tasks: Vec::new(),
        steps: HashMap::new(),
        changesets: HashMap::new(),
    };
    let mut taken = BTreeSet::new();
    let mut of_tree: HashMap<NodeId, usize> = HashMap::new();
    for &id in &needed {
        let node = graph.node(id);
        match &node.op {
            Op::Scratch(_) => {
                units.names.insert(id, SCRATCH.to_owned());
            }
            Op::Context(context) if context.name == CONTEXT => {
                units.names.insert(id, CONTEXT.to_owned());
            }
            Op::Image(_) | Op::Context(_) | Op::Git(_) | Op::Http(_) => {
                let name = unique(&mut taken, &leaf_name(&node.op));
                units.names.insert(id, name);
                units.leaves.push(id);
            }
            Op::Stack(_) => {
                let name = unique(&mut taken, "stack");
                of_tree.insert(id, units.tasks.len());
                units.names.insert(id, name.clone());
                units.tasks.push(Task {
                    name,
                    on: id,
                    steps: Vec::new(),
                    expects: Vec::new(),
                    is_per_step: false,
                });
            }
            op => {
                let Some(root) = root(op) else {
                    continue;
                };
                let is_expect = matches!(op, Op::Expect(_));
                let goes_on = of_tree.get(&root).copied().filter(|_| {
                    !ends.contains(&root)
                        && users.get(&root) == Some(&1)
                        && (is_expect || !matches!(graph.node(root).op, Op::Expect(_)))
                });
                let task = goes_on.unwrap_or_else(|| {
                    let name = unique(&mut taken, &task_name(&node.label));
                    units.tasks.push(Task {
                        name,
                        on: root,
                        steps: Vec::new(),
                        expects: Vec::new(),
                        is_per_step: false,
                    });
                    units.tasks.len() - 1
                });
                of_tree.insert(id, task);
                let made = &mut units.tasks[task];
                if is_expect {
                    made.expects.push(id);
                } else {
                    units.steps.insert(id, (task, made.steps.len()));
                    made.steps.push(id);
                }
                units.names.insert(id, made.name.clone());
            }
        }
    }
    for id in &needed {
        if let Op::Diff(diff) = &graph.node(*id).op
            && is_of_step(graph, diff)
        {
            let step = behind_expectations(graph, diff.upper);
            if let Some((task, _)) = units.steps.get(&step) {
                let task = &mut units.tasks[*task];
                task.is_per_step = task.steps.len() > 1;
            }
        }
    }
    for id in &needed {
        if let Op::Diff(diff) = &graph.node(*id).op
            && !is_of_step(graph, diff)
            && let Some(task) = task_of_changeset(graph, &units, diff)
        {
            let name = unique(&mut taken, &task.name);
            units.changesets.insert(*id, name.clone());
            units.tasks.push(Task { name, ..task });
        }
    }
    units
}

/// A task for a changeset of which one task has but a part: what leads to both its trees is done in several tasks, but once.
fn task_of_changeset(graph: &Graph, units: &Units, diff: &Diff) -> Option<Task> {
    let end = behind_expectations(graph, diff.upper);
    let (own, _) = units.steps.get(&end)?;
    let is_lower = |tree: NodeId| match diff.lower {
        Some(lower) => tree == lower,
        None => is_scratch(graph, tree),
    };
    if is_lower(units.tasks[*own].on) {
        return None;
    }
    let mut task = Task {
        name: units.tasks[*own].name.clone(),
        on: diff.upper,
        steps: Vec::new(),
        expects: Vec::new(),
        is_per_step: false,
    };
    while !is_lower(task.on) {
        let node = task.on;
        match graph.node(node).op {
            Op::Expect(_) if task.steps.is_empty() => task.expects.insert(0, node),
            _ => task.steps.insert(0, node),
        }
        task.on = root(&graph.node(node).op)?;
    }
    Some(task)
}

/// Trees that something other than the next step of a task uses.
fn ends(graph: &Graph, needed: &[NodeId]) -> BTreeSet<NodeId> {
    let mut ends = BTreeSet::new();
    for id in needed {
        match &graph.node(*id).op {
            Op::Run(run) => {
                ends.extend(run.mounts.iter().filter_map(|mount| match &mount.source {
                    MountSource::Bind { from, .. } => Some(*from),
                    MountSource::Cache { from, .. } => from.as_ref().map(|(from, _)| *from),
                    _ => None,
                }));
            }
            Op::File(file) => ends.extend(file.actions.iter().filter_map(|action| match action {
                FileAction::Copy(copy) => match &copy.from {
                    CopySource::Tree { from, .. } => Some(*from),
                    _ => None,
                },
                FileAction::MakeDirectory { .. } => None,
            })),
            Op::Diff(diff) if !is_of_step(graph, diff) => {
                ends.extend(diff.lower);
                ends.insert(diff.upper);
            }
            Op::Stack(stack) => ends.extend(stack.base),
            Op::Export(export) => {
                ends.insert(export.tree);
            }
            Op::Written(written) => {
                ends.insert(written.tree);
                ends.extend(written.blobs.iter().map(|blob| blob.tree));
            }
            _ => {}
        }
    }
    ends
}

fn leaf_name(op: &Op) -> String {
    let last = |text: &str| {
        let text = text.trim_end_matches('/');
        let name = text.rsplit(['/', ':']).next().unwrap_or_default();
        let name = name.strip_suffix(".git").unwrap_or(name);
        name.to_owned()
    };
    match op {
        Op::Image(image) => match &image.source {
            ImageLocation::Named(reference) => last(reference.repository()),
            ImageLocation::Layout { path, .. } => path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        },
        Op::Context(context) => context.name.clone(),
        Op::Git(git) => last(&git.remote),
        Op::Http(http) => last(http.url.split(['?', '#']).next().unwrap_or_default()),
        _ => String::new(),
    }
}

/// The stage in a label: `[build 2/5] RUN make`.
fn task_name(label: &str) -> String {
    let inside = label
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'));
    let words: Vec<&str> = inside.map_or(Vec::new(), |(inside, _)| inside.split(' ').collect());
    let name = words
        .iter()
        .find(|word| is_name(word) && !word.starts_with(|c: char| c.is_ascii_digit()));
    name.map_or_else(|| "main".to_owned(), |name| (*name).to_owned())
}

/// A name like this one that nothing has yet.
pub fn unique(taken: &mut BTreeSet<String>, wish: &str) -> String {
    let letters = wish.chars().map(|c| match c {
        c if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') => c,
        _ => '-',
    });
    let wish: String = letters.collect();
    let wish = match wish.trim_matches('-') {
        "" => "unit".to_owned(),
        name if check_text(name) => name.to_owned(),
        name => format!("{name}-1"),
    };
    let numbered = (2..).map(|number| format!("{wish}-{number}"));
    let mut names = std::iter::once(wish.clone()).chain(numbered);
    let name = names.find(|name| !taken.contains(name)).unwrap_or(wish);
    taken.insert(name.clone());
    name
}

/// Names by which the layers of an image are called, in order: whole units, or single layers of them.
pub fn entries(graph: &Graph, units: &Units, changesets: &[NodeId]) -> Option<Vec<String>> {
    let mut entries: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(changeset) = changesets.get(at) {
        at += 1;
        match &graph.node(*changeset).op {
            Op::Layer(layer) => {
                let name = units.names.get(&layer.image)?;
                entries.push(format!("{name}.layers[{}]", layer.index));
            }
            Op::Diff(diff) => {
                let step = behind_expectations(graph, diff.upper);
                match units.steps.get(&step) {
                    Some((task, number)) if is_of_step(graph, diff) => {
                        let task = &units.tasks[*task];
                        // All layers of a task one after another are the task.
                        let rest = changesets.get(at - 1..at - 1 + task.steps.len());
                        let is_whole = *number == 0
                            && rest.is_some_and(|rest| is_all_of(graph, units, rest, task));
                        if is_whole {
                            at += task.steps.len() - 1;
                            entries.push(task.name.clone());
                        } else {
                            entries.push(format!("{}.layers[{number}]", task.name));
                        }
                    }
                    _ => {
                        let own = units.changesets.get(changeset);
                        entries.push(own.or(units.names.get(&diff.upper))?.clone());
                    }
                }
            }
            _ => return None,
        }
    }
    Some(entries)
}

fn is_all_of(graph: &Graph, units: &Units, changesets: &[NodeId], task: &Task) -> bool {
    let mut steps = BTreeMap::new();
    for changeset in changesets {
        if let Op::Diff(diff) = &graph.node(*changeset).op
            && is_of_step(graph, diff)
        {
            let step = behind_expectations(graph, diff.upper);
            if let Some((other, number)) = units.steps.get(&step)
                && units.tasks[*other].name == task.name
            {
                steps.insert(*number, steps.len());
            }
        }
    }
    steps.len() == task.steps.len() && steps.iter().all(|(number, at)| number == at)
}
