//! The order of timelines: each after those that it needs. All names of all timelines are looked up on the way.

use stromatekt_pipeline::{Place, Problem};

use crate::allowed::Allowed;
use crate::model::{FileKind, ImageContent, MountKind, Name, Pipeline, StepKind, Timeline};
use crate::scope::{Here, Scope, Thing, Use};

/// What each timeline needs, and an order in which they can be carried out.
#[derive(Debug)]
pub struct Order {
    /// For each timeline, the timelines that it needs.
    pub needs: Vec<Vec<usize>>,
    /// All timelines, each after those that it needs.
    pub order: Vec<usize>,
}

/// Finds the order.
///
/// # Errors
/// When a name stands for nothing or for the wrong thing, when the build context is used where it may not be, and when timelines need
/// each other.
pub fn order(pipeline: &Pipeline, scope: &Scope<'_>) -> Result<Order, Problem> {
    let mut edges: Vec<Vec<(usize, Place)>> = Vec::new();
    for (index, timeline) in pipeline.timelines.iter().enumerate() {
        edges.push(needs(pipeline, scope, index, timeline)?);
    }
    let mut walk = Walk {
        pipeline,
        edges: &edges,
        state: vec![State::New; edges.len()],
        order: Vec::new(),
    };
    for timeline in 0..edges.len() {
        walk.visit(timeline)?;
    }
    let order = walk.order;
    let needs = edges
        .into_iter()
        .map(|edges| edges.into_iter().map(|(timeline, _)| timeline).collect())
        .collect();
    Ok(Order { needs, order })
}

fn needs(
    pipeline: &Pipeline,
    scope: &Scope<'_>,
    index: usize,
    timeline: &Timeline,
) -> Result<Vec<(usize, Place)>, Problem> {
    let mut needed: Vec<(usize, Place)> = Vec::new();
    for (step, one) in timeline.steps.iter().enumerate() {
        let here = Here {
            timeline: index,
            step,
        };
        for (name, wanted) in names(&one.kind) {
            let thing = scope.resolve(name, here, wanted)?;
            let other = match thing {
                Thing::Timeline(timeline)
                | Thing::Changeset { timeline, .. }
                | Thing::Blob { timeline, .. } => timeline,
                _ => continue,
            };
            if other != index && needed.iter().all(|(known, _)| *known != other) {
                needed.push((other, name.place.clone()));
            }
        }
        for (from, path) in context_paths(&one.kind) {
            if from.is_none_or(|from| from.text == "context") {
                allowed(&pipeline.files, &path)?;
            }
        }
    }
    Ok(needed)
}

fn allowed(files: &Allowed, path: &Name) -> Result<(), Problem> {
    match files.allows(&path.text) {
        true => Ok(()),
        false => {
            let shown = match path.text.as_str() {
                "." | "/" => "all of the build context".to_owned(),
                path => format!("`{path}` of the build context"),
            };
            Err(path
                .place
                .problem(format!(
                    "{shown} may not be used: `files` does not allow it"
                ))
                .help(format!(
                    "allow it at the top of the file: \"files\": {}",
                    Allowed::way_out(&path.text)
                )))
        }
    }
}

/// The names that a step uses, each with what for.
fn names(step: &StepKind) -> Vec<(&Name, Use)> {
    match step {
        StepKind::Apply(name) | StepKind::CopyLayerStack(name) => vec![(name, Use::Stack)],
        StepKind::ApplyChangesets { changesets, .. } => changesets
            .iter()
            .map(|name| (name, Use::Changesets))
            .collect(),
        StepKind::CopyChangeset(name) => vec![(name, Use::Changeset)],
        StepKind::Files(files) => files
            .iter()
            .filter_map(|file| match &file.kind {
                FileKind::Copy { from, .. } => Some((from.as_ref()?, Use::Tree)),
                FileKind::Fetched { from, .. } => Some((from, Use::Fetched)),
                FileKind::Inline { .. } | FileKind::Directory { .. } => None,
            })
            .collect(),
        StepKind::Run(run) => run
            .mounts
            .iter()
            .filter_map(|mount| match &mount.kind {
                MountKind::Bind { from, .. } => Some((from.as_ref()?, Use::Tree)),
                MountKind::Cache { from, .. } => Some((&from.as_ref()?.0, Use::Tree)),
                _ => None,
            })
            .collect(),
        StepKind::ImportObjects { objects, .. } => objects
            .iter()
            .flat_map(|object| {
                let wanted = match object.is_changeset {
                    true => Use::Changeset,
                    false => Use::Changesets,
                };
                object.layers.iter().map(move |name| (name, wanted))
            })
            .collect(),
        StepKind::ExportImage(image) => match &image.content {
            ImageContent::Written { blobs, .. } => {
                blobs.iter().map(|name| (name, Use::Blob)).collect()
            }
            ImageContent::Composed {
                layers,
                config_from,
                ..
            } => layers
                .iter()
                .flatten()
                .map(|layer| (&layer.layer, Use::Changesets))
                .chain(config_from.iter().map(|name| (name, Use::Import)))
                .collect(),
        },
        StepKind::SnapshotChangeset { .. }
        | StepKind::SnapshotFiles(_)
        | StepKind::DumpObjects(_)
        | StepKind::Expect(_) => Vec::new(),
    }
}

/// The paths that a step may take from the build context: those where it names nothing else, or the context itself.
fn context_paths(step: &StepKind) -> Vec<(Option<&Name>, Name)> {
    let whole = |name: &Name| Name {
        text: ".".to_owned(),
        place: name.place.clone(),
    };
    let mut found: Vec<(Option<&Name>, Name)> = Vec::new();
    match step {
        StepKind::Files(files) => {
            for file in files {
                if let FileKind::Copy { from, sources, .. } = &file.kind {
                    found.extend(sources.iter().map(|path| (from.as_ref(), path.clone())));
                }
            }
        }
        StepKind::Run(run) => {
            for mount in &run.mounts {
                match &mount.kind {
                    MountKind::Bind { from, source } => found.push((from.as_ref(), source.clone())),
                    MountKind::Cache {
                        from: Some((from, path)),
                        ..
                    } => found.push((
                        Some(from),
                        Name {
                            text: path.clone(),
                            place: from.place.clone(),
                        },
                    )),
                    _ => {}
                }
            }
        }
        other => {
            for (name, _) in names(other) {
                found.push((Some(name), whole(name)));
            }
        }
    }
    found
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    /// Above the one that is being visited.
    Open,
    Done,
}

struct Walk<'a> {
    pipeline: &'a Pipeline,
    edges: &'a [Vec<(usize, Place)>],
    state: Vec<State>,
    order: Vec<usize>,
}

impl Walk<'_> {
    /// Goes depth first, by a list of its own: a chain of timelines may be longer than the stack.
    fn visit(&mut self, first: usize) -> Result<(), Problem> {
        let mut path: Vec<(usize, usize)> = Vec::new();
        if self.state[first] == State::New {
            self.state[first] = State::Open;
            path.push((first, 0));
        }
        while let Some((timeline, next)) = path.last_mut() {
            let timeline = *timeline;
            let Some((needed, _)) = self.edges[timeline].get(*next) else {
                self.state[timeline] = State::Done;
                self.order.push(timeline);
                path.pop();
                continue;
            };
            *next += 1;
            match self.state[*needed] {
                State::Done => {}
                State::New => {
                    self.state[*needed] = State::Open;
                    path.push((*needed, 0));
                }
                State::Open => return Err(self.cycle(&path, *needed)),
            }
        }
        Ok(())
    }

    /// `path` leads to a timeline that needs `first`, which is on it; each has gone one need further than the one that it follows.
    fn cycle(&self, path: &[(usize, usize)], first: usize) -> Problem {
        let start = path.iter().position(|(timeline, _)| *timeline == first);
        let circle = path.get(start.unwrap_or_default()..).unwrap_or_default();
        let name = |timeline: usize| &self.pipeline.timelines[timeline].name;
        let mut needs = circle.iter().filter_map(|(timeline, next)| {
            let (needed, place) = self.edges[*timeline].get(next.checked_sub(1)?)?;
            let text = format!("`{}` needs `{}`", name(*timeline).text, name(*needed).text);
            Some((text, place.clone()))
        });
        let Some((text, place)) = needs.next() else {
            return name(first).place.problem("the timeline needs itself");
        };
        let mut problem = place.problem(format!("timelines need each other: {text}"));
        problem.also.extend(needs);
        problem
    }
}
