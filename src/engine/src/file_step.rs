//! A `File` node: found in the cache, or its actions done on a fork of its tree.
//!
//! A step is looked up twice. First by which trees it takes files from, which costs nothing. Then, where that finds nothing and files come
//! from the tree of another step, by the content of what it takes: a stage that ran again and made the same files changes nothing for those
//! who copy them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use stromatekt_files::owner::Owner;
use stromatekt_files::{Content, Owners, Selection, Source};
use stromatekt_graph::file::{Copy, CopySource, FileAction};
use stromatekt_graph::op::File;
use stromatekt_graph::{NodeId, digest};
use stromatekt_kernel::Root;
use stromatekt_oci::Digest;
use stromatekt_store::TreeId;

use crate::build::{Build, Value, wrong_kind};
use crate::contexts::{ContextTree, content_digest};
use crate::engine::Parts;
use crate::error::{Error, Result};
use crate::events::Outcome;
use crate::images::empty_tree;
use crate::limits::blocking;
use crate::remote::Download;
use crate::snapshots::{Draft, Tree};

/// Where an action takes its files from, and which they are.
enum Taken {
    /// Nowhere: a directory is made, or the content stands in the action.
    Nothing,
    /// A local directory.
    Context(Arc<ContextTree>, Selection),
    /// A tree, by its root directory.
    Tree(Root, Selection),
    /// A fetched file.
    Download(Arc<Download>),
}

impl Build {
    /// The tree with everything done to it.
    pub async fn file_step(self: &Arc<Self>, id: NodeId, file: &File) -> Result<Tree> {
        let root = self.wait(file.root).await?;
        let mut sources = Vec::new();
        for action in &file.actions {
            sources.push(match source_of(action) {
                Some(from) => Some(self.wait(from).await?),
                None => None,
            });
        }
        let found = self.find_or_do(id, file, &root, sources).await;
        let outcome = match &found {
            Ok((_, true)) => Outcome::Cached,
            _ => Outcome::Done,
        };
        // A step that was cached or failed before it started has to start all the same.
        self.start(id);
        self.complete(id, &found, outcome);
        found.map(|(tree, _)| tree)
    }

    /// The tree, and whether it was there before.
    async fn find_or_do(
        self: &Arc<Self>,
        id: NodeId,
        file: &File,
        root: &Value,
        sources: Vec<Option<Value>>,
    ) -> Result<(Tree, bool)> {
        let looks_up = !self.node(id).no_cache;
        if matches!(root, Value::Empty) {
            refuse_names(file)?;
        }
        let root_id = self.tree_id(root).await?;
        let mut inputs = Vec::new();
        let mut taken = Vec::new();
        for (index, (action, source)) in file.actions.iter().zip(&sources).enumerate() {
            let (one, input) = self
                .take(action, source.as_ref())
                .await
                .map_err(Error::of_action(index))?;
            inputs.push(input);
            taken.push(one);
        }
        let known_by: Vec<Digest> = std::iter::once(root_id.0)
            .chain(inputs.iter().copied().flatten())
            .collect();
        let key = self.key_of(id, &known_by);
        if looks_up && let Some(tree) = self.parts.snapshots.find_step(&key)? {
            return Ok((tree, true));
        }
        let takes_from_steps = self
            .take_trees(file, &sources, &mut taken, &mut inputs)
            .await?;
        let by_content = takes_from_steps.then(|| {
            let key = self.file_key(id, root_id, &inputs);
            Digest::of(format!("by content {key}"))
        });
        if looks_up
            && let Some(by_content) = &by_content
            && let Some(tree) = self.parts.snapshots.find_step(by_content)?
        {
            if !self.only_looks() {
                // The next time it is found at once.
                self.parts
                    .store
                    .add_step(&key, &tree.id, tree.snapshot.as_str(), true)?;
            }
            return Ok((tree, true));
        }
        self.would_run(id, &known_by)?;
        let root = self.tree(root).await?;
        let below = Some(root_id).filter(|id| *id != empty_tree());
        let _turn = self.parts.limits.disk(&self.cancel).await?;
        self.start(id);
        let started = SystemTime::now();
        let (parts, build) = (Arc::clone(&self.parts), Arc::clone(self));
        let actions = file.actions.clone();
        let tree = blocking(move || {
            let draft = parts.snapshots.fork(root.as_ref())?;
            let (is_stable, touched) = parts
                .act(&draft, &actions, &taken)
                .map_err(|error| parts.snapshots.explain(error))?;
            if build.cancel.is_cancelled() {
                return Err(Error::Canceled);
            }
            let unique = || {
                let name = parts.store.lease().next_name();
                TreeId(Digest::of(format!("{key} {name}")))
            };
            if !is_stable {
                // Files changed while they were copied: the result is not what the key says.
                let tree = draft.keep_as(unique())?;
                build.has_touched(below, tree.id, touched);
                return Ok(tree);
            }
            // Doing it again on demand must do again what depends on it.
            let tree_id = if looks_up {
                TreeId(by_content.unwrap_or(key))
            } else {
                unique()
            };
            let tree = draft.keep_as_step(&key, tree_id, !looks_up)?;
            if tree.id == tree_id {
                build.has_touched(below, tree_id, touched);
            }
            if let Some(by_content) = by_content {
                parts
                    .store
                    .add_step(&by_content, &tree.id, tree.snapshot.as_str(), !looks_up)?;
            }
            Ok(tree)
        })
        .await?;
        self.remember_recipe(id, known_by, started)?;
        Ok((tree, false))
    }

    /// What an action takes, as far as it can be told without files of other steps, and what that adds to the key.
    async fn take(
        &self,
        action: &FileAction,
        source: Option<&Value>,
    ) -> Result<(Taken, Option<Digest>)> {
        match (action, source) {
            (_, None) => Ok((Taken::Nothing, None)),
            (FileAction::Copy(copy), Some(Value::Context(context))) => {
                let patterns = patterns_of(copy)?.to_vec();
                let _turn = self.parts.limits.disk(&self.cancel).await?;
                let (context, copy) = (Arc::clone(context), copy.clone());
                let store = Arc::clone(&self.parts.store);
                blocking(move || {
                    let selection = context.select(&patterns, &copy)?;
                    let content = content_digest(&store, &context.source(), &selection)?;
                    Ok((Taken::Context(context, selection), Some(content)))
                })
                .await
            }
            (_, Some(Value::Download(download))) => {
                let content = format!("{} {:?}", download.digest, download.modified);
                Ok((
                    Taken::Download(Arc::clone(download)),
                    Some(Digest::of(content)),
                ))
            }
            (_, Some(tree)) => Ok((Taken::Nothing, Some(self.tree_id(tree).await?.0))),
        }
    }

    /// The key of the step with what its actions take.
    fn file_key(&self, id: NodeId, root: TreeId, inputs: &[Option<Digest>]) -> Digest {
        let inputs: Vec<Digest> = std::iter::once(root.0)
            .chain(inputs.iter().copied().flatten())
            .collect();
        digest::definition(&self.node(id).op, &inputs)
    }

    /// Selects what is taken from trees. Where those are of other steps, the inputs become what is taken from them; whether there were any.
    async fn take_trees(
        &self,
        file: &File,
        sources: &[Option<Value>],
        taken: &mut [Taken],
        inputs: &mut [Option<Digest>],
    ) -> Result<bool> {
        let mut takes_from_steps = false;
        let places = taken.iter_mut().zip(inputs).enumerate();
        for ((action, source), (index, (taken, input))) in
            file.actions.iter().zip(sources).zip(places)
        {
            let (
                FileAction::Copy(copy),
                Some(value @ (Value::Empty | Value::Tree(_) | Value::Image(..))),
            ) = (action, source)
            else {
                continue;
            };
            if self.only_looks() && !matches!(value, Value::Tree(_)) {
                // It would have to be unpacked, and adds nothing to the key.
                continue;
            }
            let tree = self.tree(value).await?;
            let patterns = patterns_of(copy)?.to_vec();
            let _turn = self.parts.limits.disk(&self.cancel).await?;
            let (parts, copy) = (Arc::clone(&self.parts), copy.clone());
            // What an image has is known by its layers already.
            let is_of_step = matches!(value, Value::Tree(_));
            let (one, content) = blocking(move || {
                let root = parts.snapshots.root(tree.as_ref())?;
                let source = tree_source(&root);
                let selection = stromatekt_files::select(&source, &patterns, &copy)?;
                let content = match is_of_step {
                    true => Some(content_digest(&parts.store, &source, &selection)?),
                    false => None,
                };
                Ok((Taken::Tree(root, selection), content))
            })
            .await
            .map_err(Error::of_action(index))?;
            *taken = one;
            if content.is_some() {
                *input = content;
                takes_from_steps = true;
            }
        }
        Ok(takes_from_steps)
    }
}

impl Parts {
    /// Does the actions in order. Whether all that was copied was still what it was when its digest was computed; and where the tree
    /// may have changed.
    fn act(
        &self,
        draft: &Draft,
        actions: &[FileAction],
        taken: &[Taken],
    ) -> Result<(bool, BTreeSet<PathBuf>)> {
        let into = draft.root()?;
        let is_link = |action: &FileAction| matches!(action, FileAction::Copy(copy) if copy.link);
        if actions.len() < 2 || !actions.iter().all(is_link) {
            return self.act_in(&into, actions, taken);
        }
        let mut alone = Vec::new();
        for action in actions {
            alone.push(match action {
                FileAction::Copy(copy) => {
                    FileAction::Copy(Box::new(stromatekt_files::on_its_own(copy)?))
                }
                other => other.clone(),
            });
        }
        let ((is_stable, _), touched) =
            stromatekt_files::over(&into, |own| self.act_in(own, &alone, taken))?;
        Ok((is_stable, touched))
    }

    fn act_in(
        &self,
        into: &Root,
        actions: &[FileAction],
        taken: &[Taken],
    ) -> Result<(bool, BTreeSet<PathBuf>)> {
        let mut is_stable = true;
        let mut touched = BTreeSet::new();
        for (index, (action, taken)) in actions.iter().zip(taken).enumerate() {
            let done = self.do_one(into, action, taken);
            let (is_one_stable, paths) = done.map_err(Error::of_action(index))?;
            is_stable &= is_one_stable;
            touched.extend(paths);
        }
        Ok((is_stable, touched))
    }

    fn do_one(
        &self,
        into: &Root,
        action: &FileAction,
        taken: &Taken,
    ) -> Result<(bool, BTreeSet<PathBuf>)> {
        let copy = match action {
            FileAction::MakeDirectory { path, owner, time } => {
                let path = stromatekt_files::make_directory(into, path, owner, *time)?;
                return Ok((true, BTreeSet::from([path])));
            }
            FileAction::Copy(copy) => copy,
        };
        let copied = match (taken, &copy.from) {
            (Taken::Context(context, selection), _) => {
                self.make_room(selection)?;
                stromatekt_files::copy(Content::Tree(&context.source(), selection), copy, into)
            }
            (Taken::Tree(root, selection), _) => {
                self.make_room(selection)?;
                stromatekt_files::copy(Content::Tree(&tree_source(root), selection), copy, into)
            }
            (Taken::Download(download), CopySource::Blob { name, .. }) => {
                let content = Content::Blob {
                    path: &download.path,
                    name,
                    modified: download.modified,
                };
                stromatekt_files::copy(content, copy, into)
            }
            (Taken::Nothing, CopySource::Inline { name, content }) => {
                stromatekt_files::copy(Content::Inline { name, content }, copy, into)
            }
            _ => return Err(wrong_kind()),
        }?;
        Ok((copied.unstable.is_empty(), copied.touched))
    }

    fn make_room(&self, selection: &Selection) -> Result<()> {
        let (_, bytes) = selection.size();
        self.snapshots.ensure_space(bytes)
    }

    /// Copies everything in a directory of a tree (the empty one where absent) into an empty directory; an error where the tree does not have it.
    pub fn copy_directory(
        &self,
        tree: Option<&Tree>,
        path: &str,
        into: &std::path::Path,
    ) -> Result<()> {
        let root = self.snapshots.root(tree)?;
        let source = tree_source(&root);
        let into = crate::snapshots::open_root(into)?;
        Ok(stromatekt_files::copy_tree(&source, path, &into)?)
    }
}

/// A tree of the store as a source of copies.
pub(crate) fn tree_source(root: &Root) -> Source<'_> {
    Source {
        root,
        owners: Owners::Kept,
        ignore: None,
    }
}

fn source_of(action: &FileAction) -> Option<NodeId> {
    match action {
        FileAction::Copy(copy) => match &copy.from {
            CopySource::Tree { from, .. } | CopySource::Blob { from, .. } => Some(*from),
            CopySource::Inline { .. } => None,
        },
        FileAction::MakeDirectory { .. } => None,
    }
}

/// BuildKit looks names up in what is there before a step, which must not be nothing: in an empty tree that a step made, they are root.
fn refuse_names(file: &File) -> Result<()> {
    let owner = match file.actions.first() {
        Some(FileAction::Copy(copy)) => copy.owner.as_deref(),
        Some(FileAction::MakeDirectory { owner, .. }) => Some(owner.as_str()),
        None => None,
    };
    if let Some(owner) = owner.filter(|owner| !owner.is_empty()) {
        Owner::parse(owner)?.without_tree()?;
    }
    Ok(())
}

fn patterns_of(copy: &Copy) -> Result<&[String]> {
    match &copy.from {
        CopySource::Tree { patterns, .. } => Ok(patterns),
        CopySource::Blob { .. } | CopySource::Inline { .. } => Err(wrong_kind()),
    }
}
