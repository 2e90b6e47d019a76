//! A `Stack` node: found in the cache, or its changesets applied one after another.
//!
//! As long as a changeset is applied to the very tree that it was made from, the result is the tree after it, which is there: nothing is
//! done. What was made from nothing is laid over the tree. The rest is packed and unpacked in one go, so that the tree is what the layers
//! say.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use stromatekt_graph::op::Stack;
use stromatekt_graph::{NodeId, op::StackLayer};
use stromatekt_kernel::Root;
use stromatekt_oci::pack::{self, PackOptions};
use stromatekt_oci::unpack::{UnpackOptions, apply_layer, unpack};
use stromatekt_store::TreeId;

use crate::build::{Build, Value};
use crate::changesets::{Changeset, ImageLayer};
use crate::conflicts::{self, Side};
use crate::engine::Parts;
use crate::error::{Error, Result};
use crate::events::Outcome;
use crate::images::{chain_ids, empty_tree};
use crate::limits::blocking;
use crate::snapshots::Tree;

/// A changeset whose trees, or whose blob, are at hand.
enum Applicable {
    /// The trees before and after.
    Between(Option<Tree>, Tree),
    /// The blob of a layer, in the store.
    Blob(stromatekt_oci::Digest),
}

impl Build {
    /// The tree with all changesets applied.
    pub async fn stack_step(self: &Arc<Self>, id: NodeId, stack: &Stack) -> Result<Value> {
        let mut below = match stack.base {
            Some(base) => self.wait(base).await?,
            None => Value::Empty,
        };
        let mut changesets = Vec::new();
        for layer in &stack.layers {
            changesets.push(self.wait_changeset(layer.changeset).await?);
        }
        let found = self.find_or_stack(id, stack, &mut below, changesets).await;
        let outcome = match &found {
            Ok((_, true)) => Outcome::Cached,
            _ => Outcome::Done,
        };
        self.start(id);
        self.complete(id, &found, outcome);
        found.map(|(value, _)| value)
    }

    /// The tree, and whether it was there before.
    async fn find_or_stack(
        self: &Arc<Self>,
        id: NodeId,
        stack: &Stack,
        below: &mut Value,
        changesets: Vec<Arc<Changeset>>,
    ) -> Result<(Value, bool)> {
        let mut inputs = Vec::new();
        if stack.base.is_some() {
            inputs.push(self.tree_id(below).await?.0);
        }
        for changeset in &changesets {
            inputs.push(self.changeset_id(changeset).await?);
        }
        let key = self.key_of(id, &inputs);
        let (looks_up, replaces) = (!self.node(id).no_cache, self.node(id).no_cache);
        if looks_up && let Some(tree) = self.parts.snapshots.find_step(&key)? {
            return Ok((Value::Tree(tree), true));
        }
        if stack.is_exclusive && !self.only_looks() {
            self.refuse_conflicts(&stack.layers, &changesets).await?;
        }
        let mut rest = changesets.as_slice();
        while let Some((first, others)) = rest.split_first()
            && let Changeset::Between { lower, upper, .. } = &**first
            && self.is_same(lower.as_ref(), below).await?
        {
            below.clone_from(upper);
            rest = others;
        }
        if rest.is_empty() {
            return Ok((below.clone(), true));
        }
        self.would_run(id, &inputs)?;
        let mut applicable = Vec::new();
        for changeset in rest {
            applicable.push(self.applicable(id, changeset).await?);
        }
        let base = self.tree(below).await?;
        let _turn = self.parts.limits.disk(&self.cancel).await?;
        self.start(id);
        let started = SystemTime::now();
        let build = Arc::clone(self);
        let tree = blocking(move || {
            let draft = build.parts.snapshots.fork(base.as_ref())?;
            let into = draft.root()?;
            for changeset in &applicable {
                if build.cancel.is_cancelled() {
                    return Err(Error::Canceled);
                }
                let applied = build.parts.apply(changeset, &into);
                applied.map_err(|error| build.parts.snapshots.explain(error))?;
            }
            draft.keep_as_step(&key, TreeId(key), replaces)
        })
        .await?;
        self.remember_recipe(id, inputs, started)?;
        Ok((Value::Tree(tree), false))
    }

    /// Whether a changeset that was made from `lower` is applied to the same tree.
    async fn is_same(&self, lower: Option<&Value>, below: &Value) -> Result<bool> {
        let lower = match lower {
            Some(value) => self.tree_id(value).await?,
            None => empty_tree(),
        };
        Ok(lower == self.tree_id(below).await?)
    }

    async fn applicable(
        self: &Arc<Self>,
        id: NodeId,
        changeset: &Arc<Changeset>,
    ) -> Result<Applicable> {
        match &**changeset {
            Changeset::Between { lower, upper, .. } => {
                let lower = match lower {
                    Some(value) => self.tree(value).await?,
                    None => None,
                };
                let upper = self.tree_to_read(upper).await?;
                Ok(Applicable::Between(lower, upper))
            }
            Changeset::OfImage(_) => {
                let record = self.recorded_layer(id, changeset).await?;
                let (parts, cancel) = (Arc::clone(&self.parts), self.cancel.clone());
                blocking(move || match &record.blob {
                    Some((digest, _)) => Ok(Applicable::Blob(*digest)),
                    None => {
                        let compression = Default::default();
                        let (digest, _) =
                            parts.layer_blob(&record.diff_id, compression, &cancel)?;
                        Ok(Applicable::Blob(digest))
                    }
                })
                .await
            }
        }
    }

    /// Fails where two changesets leave different things at one path.
    async fn refuse_conflicts(
        self: &Arc<Self>,
        layers: &[StackLayer],
        changesets: &[Arc<Changeset>],
    ) -> Result<()> {
        let mut trees = Vec::new();
        for changeset in changesets {
            trees.push(match &**changeset {
                Changeset::Between { lower, upper, .. } => {
                    let lower = match lower {
                        Some(value) => self.tree(value).await?,
                        None => None,
                    };
                    (lower, self.tree_to_read(upper).await?)
                }
                Changeset::OfImage(layer) => self.trees_of(layer).await?,
            });
        }
        let names: Vec<String> = layers.iter().map(|layer| layer.name.clone()).collect();
        let parts = Arc::clone(&self.parts);
        blocking(move || {
            let mut sides = Vec::new();
            for (name, (lower, upper)) in names.into_iter().zip(&trees) {
                sides.push(Side {
                    name,
                    changes: parts.snapshots.diff(lower.as_ref(), upper, None)?,
                    lower: match lower {
                        Some(lower) => Some(parts.snapshots.root(Some(lower))?),
                        None => None,
                    },
                    upper: parts.snapshots.root(Some(upper))?,
                });
            }
            conflicts::refuse(&sides)
        })
        .await
    }

    /// The trees before and after a layer of an image.
    async fn trees_of(&self, layer: &ImageLayer) -> Result<(Option<Tree>, Tree)> {
        self.image_tree(&layer.image, layer.node).await?;
        let chain = chain_ids(layer.image.layers.iter().map(|layer| layer.diff_id));
        let find = |index: usize| -> Result<Tree> {
            let found = self.parts.snapshots.find(TreeId(chain[index]))?;
            found.ok_or_else(|| Error::InconsistentImage {
                image: chain[index].to_string(),
                reason: "the image is unpacked, but the tree of this chain of layers is gone"
                    .into(),
            })
        };
        let lower = layer.index.checked_sub(1).map(find).transpose()?;
        Ok((lower, find(layer.index)?))
    }
}

impl Parts {
    fn apply(&self, changeset: &Applicable, into: &Root) -> Result<()> {
        match changeset {
            Applicable::Blob(digest) => {
                let path = self.store.blob_path(digest);
                let file = std::fs::File::open(&path).map_err(Error::file("open", &path))?;
                let _ = apply_layer(file, io::sink(), into)?;
                Ok(())
            }
            // All of it, and nothing is removed: files share their blocks.
            Applicable::Between(None, upper) => {
                let root = self.snapshots.root(Some(upper))?;
                let _ = stromatekt_files::lay_over(&root, into)?;
                Ok(())
            }
            Applicable::Between(lower, upper) => {
                let changes = self.snapshots.diff(lower.as_ref(), upper, None)?;
                let root = self.snapshots.root(Some(upper))?;
                let (reader, writer) = io::pipe().map_err(Error::file("make a pipe for", ""))?;
                through(
                    reader,
                    writer,
                    |writer| pack::pack(&root, &changes, &PackOptions::default(), writer).map(drop),
                    |reader| unpack(reader, into, &UnpackOptions::default()).map(drop),
                )
            }
        }
    }
}

/// Has one thread write what another reads, and tells the failure that came first.
fn through<R: Read + Send, W: Write + Send>(
    reader: R,
    writer: W,
    write: impl FnOnce(W) -> stromatekt_oci::Result<()> + Send,
    read: impl FnOnce(&mut R) -> stromatekt_oci::Result<()>,
) -> Result<()> {
    thread::scope(|scope| {
        let mut reader = reader;
        let writing = scope.spawn(move || write(writer));
        let read = read(&mut reader);
        // Whoever writes learns that nobody reads on.
        drop(reader);
        let written = match writing.join() {
            Ok(written) => written,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        match (read, written) {
            (Ok(()), written) => Ok(written?),
            (Err(error), Err(cause)) if !is_broken_pipe(&cause) => {
                tracing::debug!(%error, "the reader failed for want of its writer");
                Err(cause.into())
            }
            (Err(error), _) => Err(error.into()),
        }
    })
}

fn is_broken_pipe(error: &stromatekt_oci::Error) -> bool {
    let source = std::error::Error::source(error);
    source
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
