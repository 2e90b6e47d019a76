//! Local directories as sources: read in place by copies, made snapshots for whoever needs them as trees.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use stromatekt_files::{FileKey, IgnoreFilter, Owners, Selection, Source};
use stromatekt_graph::file::{Copy, CopySource, Unpack};
use stromatekt_graph::{NodeId, op};
use stromatekt_kernel::Root;
use stromatekt_oci::Digest;
use stromatekt_store::file_hashes::FileState;
use stromatekt_store::{Store, TreeId};
use tokio::sync::OnceCell;

use crate::build::Build;
use crate::error::{Error, Result};
use crate::events::Outcome;
use crate::limits::blocking;
use crate::snapshots::Tree;

/// A local directory, opened.
pub(crate) struct ContextTree {
    path: PathBuf,
    root: Root,
    ignore: Option<Arc<dyn IgnoreFilter>>,
    owners: Owners,
    /// What was asked for as a tree, by path: the id of each.
    ids: Mutex<HashMap<String, Arc<OnceCell<TreeId>>>>,
}

impl std::fmt::Debug for ContextTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ContextTree").field(&self.path).finish()
    }
}

impl ContextTree {
    /// Finds what a copy takes from the directory.
    pub fn select(&self, patterns: &[String], copy: &Copy) -> Result<Selection> {
        stromatekt_files::select(&self.source(), patterns, copy).map_err(|source| match source {
            stromatekt_files::Error::NotFound { .. } => Error::NotInContext {
                source,
                directory: self.path.clone(),
            },
            source => source.into(),
        })
    }

    /// The directory as a source of copies.
    pub fn source(&self) -> Source<'_> {
        Source {
            root: &self.root,
            owners: self.owners,
            ignore: self.ignore.as_deref(),
        }
    }
}

impl Build {
    /// Opens the directory of a `Context` node. Nothing of it is read before somebody needs it.
    pub fn context(&self, id: NodeId, context: &op::Context) -> Result<Arc<ContextTree>> {
        let vertex = self.vertex(id);
        vertex.start();
        let opened = self.open_context(context);
        self.complete(id, &opened, Outcome::Done);
        opened
    }

    fn open_context(&self, context: &op::Context) -> Result<Arc<ContextTree>> {
        let local = self.request.contexts.get(&context.name);
        let local = local.ok_or_else(|| Error::UnknownContext {
            name: context.name.clone(),
        })?;
        let root =
            Root::open(&local.path).map_err(Error::file("open the directory", &local.path))?;
        Ok(Arc::new(ContextTree {
            path: local.path.clone(),
            root,
            ignore: local.ignore.clone(),
            owners: local.owners,
            ids: Mutex::default(),
        }))
    }

    /// What the tree of everything at `path` of a context is known by: a digest of its content.
    pub async fn context_id(&self, context: &Arc<ContextTree>, path: &str) -> Result<TreeId> {
        let path = relative(path);
        let cell = {
            let mut ids = context.ids.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(ids.entry(path.clone()).or_default())
        };
        let id = cell
            .get_or_try_init(|| async {
                let _turn = self.parts.limits.disk(&self.cancel).await?;
                let (context, store) = (Arc::clone(context), Arc::clone(&self.parts.store));
                blocking(move || {
                    let source = context.source();
                    let copy = as_it_is(&path);
                    let selection = context.select(&[path], &copy)?;
                    let content = content_digest(&store, &source, &selection)?;
                    Ok(TreeId(Digest::of(format!("context {content}"))))
                })
                .await
            })
            .await?;
        Ok(*id)
    }

    /// A tree with everything at `path` of a context, at that path.
    pub async fn context_tree(&self, context: &Arc<ContextTree>, path: &str) -> Result<Tree> {
        let id = self.context_id(context, path).await?;
        if let Some(tree) = self.parts.snapshots.find(id)? {
            return Ok(tree);
        }
        let path = relative(path);
        let _turn = self.parts.limits.disk(&self.cancel).await?;
        let (context, parts) = (Arc::clone(context), Arc::clone(&self.parts));
        blocking(move || {
            let draft = parts.snapshots.fork(None)?;
            let into = draft.root()?;
            let source = context.source();
            let copy = as_it_is(&path);
            let selection = context.select(&[path], &copy)?;
            let content = stromatekt_files::Content::Tree(&source, &selection);
            let copied = stromatekt_files::copy(content, &copy, &into)
                .map_err(|error| parts.snapshots.explain(error.into()))?;
            if let Some(path) = copied.unstable.into_iter().next() {
                return Err(stromatekt_files::Error::Vanished { path, source: None }.into());
            }
            draft.keep_as(id)
        })
        .await
    }
}

/// The digest of what was selected, with the hashes of files that the store remembers.
pub(crate) fn content_digest(
    store: &Store,
    source: &Source<'_>,
    selection: &Selection,
) -> Result<Digest> {
    // What is known of a file on a snapshot cannot be told apart from what is known of the same file on another: both have the
    // number of their subvolume's device, which is another one after the next mount.
    Ok(match source.owners {
        Owners::Root => stromatekt_files::digest(source, selection, &Remembered(store))?,
        Owners::Kept => stromatekt_files::digest(source, selection, &Forgotten)?,
    })
}

/// The digest of all that is in a tree but its times.
pub(crate) fn content_of(root: &Root) -> Result<Digest> {
    let source = crate::file_step::tree_source(root);
    Ok(stromatekt_files::tree_digest(&source, ".", &Forgotten)?)
}

/// A copy that changes nothing and keeps the place.
fn as_it_is(path: &str) -> Copy {
    Copy {
        from: CopySource::Inline {
            name: String::new(),
            content: Vec::new(),
        },
        destination: "/".to_owned(),
        owner: None,
        mode: None,
        unpack: Unpack::Never,
        // The contents of the root need no parents.
        parents: path != ".",
        exclude: Vec::new(),
        link: false,
    }
}

fn relative(path: &str) -> String {
    match path.trim_matches('/') {
        "" => ".".to_owned(),
        path => path.to_owned(),
    }
}

/// The hashes of files that the store remembers.
struct Remembered<'a>(&'a Store);

/// No hashes at all.
struct Forgotten;

type HashError = Box<dyn std::error::Error + Send + Sync>;

impl stromatekt_files::FileHashes for Remembered<'_> {
    fn get_many(&self, keys: &[FileKey]) -> Result<Vec<Option<Digest>>, HashError> {
        let states: Vec<FileState> = keys.iter().map(state).collect();
        Ok(self.0.file_hashes(&states)?)
    }

    fn put_many(&self, files: &[(FileKey, Digest)]) -> Result<(), HashError> {
        let states: Vec<_> = files
            .iter()
            .map(|(key, digest)| (state(key), *digest))
            .collect();
        Ok(self.0.add_file_hashes(&states)?)
    }
}

impl stromatekt_files::FileHashes for Forgotten {
    fn get_many(&self, keys: &[FileKey]) -> Result<Vec<Option<Digest>>, HashError> {
        Ok(vec![None; keys.len()])
    }

    fn put_many(&self, _: &[(FileKey, Digest)]) -> Result<(), HashError> {
        Ok(())
    }
}

fn state(key: &FileKey) -> FileState {
    FileState {
        dev: key.dev,
        ino: key.ino,
        size: key.size,
        mtime: key.mtime_ns,
        ctime: key.ctime_ns,
    }
}
