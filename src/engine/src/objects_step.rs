//! An `Objects` node: layers described as JSON in a file of a tree.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value as Json, json};
use stromatekt_files::Content;
use stromatekt_graph::NodeId;
use stromatekt_graph::export::{Object, Objects};
use stromatekt_graph::file::{Copy, CopySource, Unpack};
use stromatekt_oci::image::OutputLayer;
use stromatekt_store::{LayerRecord, TreeId};

use crate::build::{Build, Value, wrong_kind};
use crate::changesets::{Changeset, fixed_form};
use crate::error::Result;
use crate::events::Outcome;
use crate::images::BaseImage;
use crate::limits::blocking;
use crate::snapshots::Tree;

/// The layers of an object, the lowest first.
pub(crate) struct Layers<'a> {
    object: &'a Object,
    base: Option<(Arc<BaseImage>, NodeId)>,
    changesets: Vec<Arc<Changeset>>,
}

impl Build {
    /// The tree with the description in it.
    pub async fn objects_step(self: &Arc<Self>, id: NodeId, objects: &Objects) -> Result<Tree> {
        let root = self.wait(objects.root).await?;
        let mut all = Vec::new();
        for object in &objects.objects {
            all.push(self.layers_of(object).await?);
        }
        let found = self.find_or_describe(id, objects, &root, all).await;
        let outcome = match &found {
            Ok((_, true)) => Outcome::Cached,
            _ => Outcome::Done,
        };
        self.start(id);
        self.complete(id, &found, outcome);
        found.map(|(tree, _)| tree)
    }

    /// The tree, and whether it was there before.
    async fn find_or_describe(
        self: &Arc<Self>,
        id: NodeId,
        objects: &Objects,
        root: &Value,
        all: Vec<Layers<'_>>,
    ) -> Result<(Tree, bool)> {
        let mut inputs = vec![self.tree_id(root).await?.0];
        for layers in &all {
            if let Some((base, _)) = &layers.base {
                inputs.push(base.tree_id().0);
            }
            for changeset in &layers.changesets {
                inputs.push(self.changeset_id(changeset).await?);
            }
        }
        let key = self.key_of(id, &inputs);
        let (looks_up, replaces) = (!self.node(id).no_cache, self.node(id).no_cache);
        if looks_up && let Some(tree) = self.parts.snapshots.find_step(&key)? {
            return Ok((tree, true));
        }
        self.would_run(id, &inputs)?;
        self.start(id);
        let started = SystemTime::now();
        let mut description = Map::new();
        for layers in &all {
            let layers_json: Vec<Json> = self
                .blobs_of(id, layers)
                .await?
                .iter()
                .map(describe)
                .collect();
            description.insert(layers.object.name.clone(), layers_json.into());
        }
        let mut text = serde_json::to_vec_pretty(&description).map_err(|_| wrong_kind())?;
        text.push(b'\n');
        let root = self.tree(root).await?;
        let _turn = self.parts.limits.disk(&self.cancel).await?;
        let (parts, path) = (Arc::clone(&self.parts), objects.path.clone());
        let tree = blocking(move || {
            let draft = parts.snapshots.fork(root.as_ref())?;
            let copy = written_to(&path);
            let content = Content::Inline {
                name: "objects.json",
                content: &text,
            };
            let _ = stromatekt_files::copy(content, &copy, &draft.root()?)?;
            draft.keep_as_step(&key, TreeId(key), replaces)
        })
        .await?;
        self.remember_recipe(id, inputs, started)?;
        Ok((tree, false))
    }

    /// Waits for the layers of an object.
    pub async fn layers_of<'a>(self: &Arc<Self>, object: &'a Object) -> Result<Layers<'a>> {
        let base = match object.base {
            Some(base) => match self.wait(base).await? {
                Value::Image(image, node) => Some((image, node)),
                Value::Empty => None,
                _ => return Err(wrong_kind()),
            },
            None => None,
        };
        let mut changesets = Vec::new();
        for &layer in &object.layers {
            changesets.push(self.wait_changeset(layer).await?);
        }
        Ok(Layers {
            object,
            base,
            changesets,
        })
    }

    /// The blobs of the layers of an object, packed where they are not yet.
    pub async fn blobs_of(
        self: &Arc<Self>,
        id: NodeId,
        layers: &Layers<'_>,
    ) -> Result<Vec<OutputLayer>> {
        let mut records: Vec<LayerRecord> = Vec::new();
        if let Some((base, _)) = &layers.base {
            let vertex = self.vertex(id);
            for layer in &base.layers {
                self.parts
                    .keep_blob(base, layer, vertex, &self.cancel)
                    .await?;
                records.push(layer.record());
            }
        }
        for changeset in &layers.changesets {
            records.push(self.recorded_layer(id, changeset).await?);
        }
        let form = fixed_form(layers.object.compression);
        let (parts, cancel) = (Arc::clone(&self.parts), self.cancel.clone());
        blocking(move || {
            let blobs = records
                .iter()
                .map(|record| parts.output_layer(record, &form, &cancel));
            blobs.collect()
        })
        .await
    }
}

fn describe(layer: &OutputLayer) -> Json {
    json!({
        "mediaType": layer.descriptor.media_type,
        "digest": layer.descriptor.digest,
        "size": layer.descriptor.size,
        "diffID": layer.diff_id,
    })
}

/// The copy that makes a file of its own at a path.
fn written_to(path: &str) -> Copy {
    Copy {
        from: CopySource::Inline {
            name: Path::new(path)
                .file_name()
                .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            content: Vec::new(),
        },
        destination: path.to_owned(),
        owner: None,
        mode: None,
        unpack: Unpack::Never,
        parents: false,
        exclude: Vec::new(),
        link: false,
    }
}
