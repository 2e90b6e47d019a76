//! A timeline carried out: its steps in order, each with its effect on the tree and on the layers.

use std::collections::BTreeMap;

use stromatekt_graph::NodeId;
use stromatekt_graph::export::{Object, Objects, TreeFile};
use stromatekt_graph::op::{Expect, Expected, Op};
use stromatekt_oci::compress::Compression;
use stromatekt_pipeline::{Place, Problem};

use crate::build::{Builder, Finished, LayerStack, Layered};
use crate::image;
use crate::model::{Expectation, ImportedObject, Name, Step, StepKind, Timeline};
use crate::scope::{Here, Use};
use crate::{step_files, step_run};

/// A timeline between two steps.
///
/// Its layers are the layer stack that it stands on and the changesets that it wrote; what it changed since the last of these is open: the
/// difference between `mark` and `tree`.
pub struct State {
    /// The image below all layers.
    pub image: Option<NodeId>,
    /// The layers that are complete.
    pub layers: Vec<Layered>,
    /// The tree of those layers.
    pub mark: NodeId,
    /// The tree now.
    pub tree: NodeId,
    /// The layers that were imported, by the names that their description has.
    pub objects: Vec<Object>,
    /// Where each of them was imported.
    pub imported: Vec<Place>,
}

/// What a step is called.
pub struct Marks<'a> {
    /// The timeline and the number of the step in it: `primary 2/5`.
    pub number: String,
    /// Where the step stands.
    pub place: &'a Place,
    /// The same for names.
    pub here: Here,
}

impl Marks<'_> {
    /// The label of a node.
    pub fn label(&self, text: &str) -> String {
        format!("[{}] {text}", self.number)
    }
}

/// Carries a timeline out, and puts what came of it to those that are finished.
pub fn lower(builder: &mut Builder<'_>, index: usize) -> Result<(), Problem> {
    let pipeline = builder.pipeline;
    let timeline = &pipeline.timelines[index];
    let tree = builder.scratch(&timeline.name.place)?;
    let mut state = State {
        image: None,
        layers: Vec::new(),
        mark: tree,
        tree,
        objects: Vec::new(),
        imported: Vec::new(),
    };
    let empty = Finished {
        stack: LayerStack {
            image: None,
            layers: Vec::new(),
            tree,
        },
        changesets: BTreeMap::new(),
        blobs: BTreeMap::new(),
        images: BTreeMap::new(),
    };
    // Steps find what those before them made here.
    builder.finished.insert(index, empty);
    for (step, one) in timeline.steps.iter().enumerate() {
        let marks = Marks {
            number: number(builder, timeline, step),
            place: &one.place,
            here: Here {
                timeline: index,
                step,
            },
        };
        state.step(builder, timeline, one, (index, step), &marks)?;
    }
    let stack = state.whole(builder, &timeline.name)?;
    if let Some(finished) = builder.finished.get_mut(&index) {
        finished.stack = stack;
    }
    Ok(())
}

impl State {
    fn step(
        &mut self,
        builder: &mut Builder<'_>,
        timeline: &Timeline,
        one: &Step,
        (index, step): (usize, usize),
        marks: &Marks<'_>,
    ) -> Result<(), Problem> {
        match &one.kind {
            StepKind::Apply(name) => self.apply(builder, name, marks),
            StepKind::ApplyChangesets {
                changesets,
                exclusive,
            } => self.apply_changesets(builder, changesets, *exclusive, marks),
            StepKind::CopyChangeset(name) => {
                self.no_open_changes(marks)?;
                let layers = builder.changesets(name, marks.here, Use::Changeset)?;
                let own = layers.into_iter().map(|layer| Layered {
                    is_own: true,
                    ..layer
                });
                let label = marks.label(&format!("copy-changeset {}", name.text));
                self.put_on_top(builder, own.collect(), false, label, marks)
            }
            StepKind::CopyLayerStack(name) => self.copy_layer_stack(builder, name, marks),
            StepKind::Files(files) => {
                self.tree = step_files::files(builder, self.tree, files, marks)?;
                Ok(())
            }
            StepKind::Run(run) => {
                self.tree = step_run::run(builder, self.tree, run, marks)?;
                Ok(())
            }
            StepKind::SnapshotChangeset { var, compression } => {
                let name = match var {
                    Some(var) => var.text.clone(),
                    None => format!("of step {} of {}", step + 1, timeline.name.text),
                };
                let layer = self.close(builder, name, *compression, marks.place)?;
                if let (Some(finished), Some(_)) = (builder.finished.get_mut(&index), var) {
                    finished.changesets.insert(step, layer);
                }
                Ok(())
            }
            StepKind::SnapshotFiles(files) => {
                for (file, blob) in files.iter().enumerate() {
                    let blob = TreeFile {
                        tree: self.tree,
                        path: blob.path.clone(),
                        media_type: blob.media.clone(),
                        digest: blob.digest,
                    };
                    if let Some(finished) = builder.finished.get_mut(&index) {
                        finished.blobs.insert((step, file), blob);
                    }
                }
                Ok(())
            }
            StepKind::ImportObjects { objects, path } => {
                let mut imported: Vec<Object> = Vec::new();
                for object in objects {
                    let object = self.import(builder, object, marks)?;
                    if imported.iter().all(|known| known.name != object.name) {
                        imported.push(object);
                    }
                }
                let objects = imported;
                match path {
                    Some(path) => self.describe(builder, objects, path, marks),
                    None => Ok(()),
                }
            }
            StepKind::DumpObjects(path) => {
                if self.objects.is_empty() {
                    return Err(marks
                        .place
                        .problem(
                            "there is nothing to describe: nothing was imported on this timeline",
                        )
                        .help("a step of type `import-objects` before it imports layers"));
                }
                let objects = self.objects.clone();
                self.describe(builder, objects, path, marks)
            }
            StepKind::Expect(expectation) => self.expect(builder, expectation, marks),
            StepKind::ExportImage(export) => {
                let made = image::export(builder, self, timeline, export, index, marks)?;
                if let Some(finished) = builder.finished.get_mut(&index) {
                    finished.images.insert(step, made);
                }
                Ok(())
            }
        }
    }

    fn has_open_changes(&self) -> bool {
        self.mark != self.tree
    }

    /// Whether all that the timeline wrote is in changesets: what comes on top of it must know on top of which layer it is.
    fn no_open_changes(&self, marks: &Marks<'_>) -> Result<(), Problem> {
        match self.has_open_changes() {
            false => Ok(()),
            true => Err(marks
                .place
                .problem("what this timeline changed before this step is in no changeset yet")
                .help("put a step of type `snapshot-changeset` before this one")),
        }
    }

    /// Ends the open changeset.
    fn close(
        &mut self,
        builder: &mut Builder<'_>,
        name: String,
        compression: Compression,
        place: &Place,
    ) -> Result<Layered, Problem> {
        let changeset = builder.diff(self.mark, self.tree, &name, place)?;
        let layer = Layered {
            changeset,
            name,
            compression: Some(compression),
            is_own: true,
        };
        self.layers.push(layer.clone());
        self.mark = self.tree;
        Ok(layer)
    }

    /// All layers: open changes are one more.
    pub fn whole(&self, builder: &mut Builder<'_>, name: &Name) -> Result<LayerStack, Problem> {
        let mut layers = self.layers.clone();
        if self.has_open_changes() {
            let text = format!("end of {}", name.text);
            layers.push(Layered {
                changeset: builder.diff(self.mark, self.tree, &text, &name.place)?,
                name: text,
                compression: Some(Compression::Gzip),
                is_own: true,
            });
        }
        Ok(LayerStack {
            image: self.image,
            layers,
            tree: self.tree,
        })
    }

    /// Another layer stack below what the timeline wrote.
    fn apply(
        &mut self,
        builder: &mut Builder<'_>,
        name: &Name,
        marks: &Marks<'_>,
    ) -> Result<(), Problem> {
        let stack = builder.stack(name, marks.here)?;
        let label = marks.label(&format!("apply {}", name.text));
        let own: Vec<Layered> = self.layers.iter().filter(|l| l.is_own).cloned().collect();
        let mark = builder.stacked(stack.tree, &own, false, label.clone(), marks.place)?;
        // Open changes stay open, on the new tree.
        self.tree = match self.has_open_changes() {
            false => mark,
            true => {
                let name = "open changes";
                let open = Layered {
                    changeset: builder.diff(self.mark, self.tree, name, marks.place)?,
                    name: name.to_owned(),
                    compression: None,
                    is_own: true,
                };
                builder.stacked(mark, &[open], false, label, marks.place)?
            }
        };
        self.mark = mark;
        self.image = stack.image;
        self.layers = stack
            .layers
            .into_iter()
            .map(|layer| Layered {
                is_own: false,
                ..layer
            })
            .chain(own)
            .collect();
        Ok(())
    }

    fn apply_changesets(
        &mut self,
        builder: &mut Builder<'_>,
        names: &[Name],
        exclusive: bool,
        marks: &Marks<'_>,
    ) -> Result<(), Problem> {
        self.no_open_changes(marks)?;
        let mut layers = Vec::new();
        let mut words = Vec::new();
        for name in names {
            layers.extend(builder.changesets(name, marks.here, Use::Changesets)?);
            words.push(name.text.as_str());
        }
        for layer in &mut layers {
            layer.is_own = false;
        }
        let label = marks.label(&format!("apply-changesets {}", words.join(" ")));
        self.put_on_top(builder, layers, exclusive, label, marks)
    }

    fn put_on_top(
        &mut self,
        builder: &mut Builder<'_>,
        layers: Vec<Layered>,
        exclusive: bool,
        label: String,
        marks: &Marks<'_>,
    ) -> Result<(), Problem> {
        self.tree = builder.stacked(self.tree, &layers, exclusive, label, marks.place)?;
        self.mark = self.tree;
        self.layers.extend(layers);
        Ok(())
    }

    /// The state at the end of another timeline, or an image.
    fn copy_layer_stack(
        &mut self,
        builder: &mut Builder<'_>,
        name: &Name,
        marks: &Marks<'_>,
    ) -> Result<(), Problem> {
        if self.has_open_changes() || !self.layers.is_empty() || self.image.is_some() {
            return Err(marks
                .place
                .problem("a timeline can only begin as a copy of another one, and this one has layers already")
                .help("a step of type `apply` puts another layer stack below what is there"));
        }
        let stack = builder.stack(name, marks.here)?;
        self.image = stack.image;
        self.layers = stack.layers;
        self.tree = stack.tree;
        self.mark = stack.tree;
        Ok(())
    }

    /// Makes layers known; what is known by that name already must be the same.
    fn import(
        &mut self,
        builder: &mut Builder<'_>,
        object: &ImportedObject,
        marks: &Marks<'_>,
    ) -> Result<Object, Problem> {
        let wanted = match object.is_changeset {
            true => Use::Changeset,
            false => Use::Changesets,
        };
        let (base, layers) = builder.composed(object.layers.iter(), marks.here, wanted)?;
        let layers: Vec<Layered> = layers.into_iter().flatten().collect();
        let new = Object {
            name: object.name.clone(),
            base,
            layers: layers.iter().map(|layer| layer.changeset).collect(),
            compression: compression(object, &layers)?,
        };
        let known = self.objects.iter().zip(&self.imported);
        match known.into_iter().find(|(known, _)| known.name == new.name) {
            None => {
                self.objects.push(new.clone());
                self.imported.push(object.place.clone());
                Ok(new)
            }
            Some((known, _))
                if (known.base, &known.layers, known.compression)
                    == (new.base, &new.layers, new.compression) =>
            {
                Ok(new)
            }
            Some((_, place)) => Err(object
                .place
                .problem(format!(
                    "`{}` is something else on this timeline already",
                    object.name
                ))
                .also("it was imported here", place.clone())
                .help("`name` gives it another name in the description")),
        }
    }

    fn describe(
        &mut self,
        builder: &mut Builder<'_>,
        objects: Vec<Object>,
        path: &str,
        marks: &Marks<'_>,
    ) -> Result<(), Problem> {
        let op = Op::Objects(Box::new(Objects {
            root: self.tree,
            path: path.to_owned(),
            objects,
        }));
        let label = marks.label(&format!("describe layers in {path}"));
        self.tree = builder.add(op, label, marks.place)?;
        Ok(())
    }

    fn expect(
        &mut self,
        builder: &mut Builder<'_>,
        expectation: &Expectation,
        marks: &Marks<'_>,
    ) -> Result<(), Problem> {
        let (expected, text) = match expectation {
            Expectation::Tree(digest) => (Expected::Tree(*digest), digest.to_string()),
            Expectation::File(path, digest) => (
                Expected::File {
                    path: path.clone(),
                    digest: *digest,
                },
                format!("{path} {digest}"),
            ),
            Expectation::Changeset(diff_id) => (
                Expected::Layer {
                    lower: builder.unless_empty(self.mark),
                    diff_id: *diff_id,
                },
                format!("changeset {diff_id}"),
            ),
        };
        let op = Op::Expect(Expect {
            tree: self.tree,
            expected,
        });
        let label = marks.label(&format!("expect {text}"));
        let tree = builder.add(op, label, marks.place)?;
        if !self.has_open_changes() {
            self.mark = tree;
        }
        self.tree = tree;
        Ok(())
    }
}

/// What a step is called in progress: the timeline and its number there, after the platform if there are several.
fn number(builder: &Builder<'_>, timeline: &Timeline, step: usize) -> String {
    let platform = match builder.options.platforms.as_slice() {
        [] | [_] => String::new(),
        _ => format!("{} ", builder.platform),
    };
    let (name, count) = (&timeline.name.text, timeline.steps.len());
    format!("{platform}{name} {}/{count}", step + 1)
}

/// How the new layers of an object are compressed: as is said there, else as their changesets say.
fn compression(object: &ImportedObject, layers: &[Layered]) -> Result<Compression, Problem> {
    if let Some(compression) = object.compression {
        return Ok(compression);
    }
    let mut found = layers.iter().filter_map(|layer| layer.compression);
    let first = found.next().unwrap_or(Compression::Gzip);
    match found.all(|other| other == first) {
        true => Ok(first),
        false => Err(object
            .place
            .problem("the changesets of this layer stack have several media types")
            .help("`mediaType` says which one all of them get here")),
    }
}
