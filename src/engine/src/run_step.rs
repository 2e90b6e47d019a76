//! A `Run` node: found in the cache, or its process run on a fork of its tree.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use stromatekt_graph::NodeId;
use stromatekt_graph::run::{Executor, Mount, MountSource, Network, Run};
use stromatekt_oci::Digest;
use stromatekt_store::TreeId;
use tokio_util::sync::CancellationToken;

use crate::build::{Build, Value, wrong_kind};
use crate::cache_mounts::{self, CacheDirectory, Fresh};
use crate::engine::Parts;
use crate::error::{Error, Result};
use crate::events::{Outcome, Stream};
use crate::foreign;
use crate::limits::blocking;
use crate::snapshots::{Draft, Tree};
use crate::wasi;

/// How often to look whether the disk is full.
const DISK_INTERVAL: Duration = Duration::from_millis(500);

impl Build {
    /// The tree that the process leaves.
    pub async fn run_step(self: &Arc<Self>, id: NodeId, run: &Run) -> Result<Tree> {
        let root = self.wait(run.root).await?;
        let mut sources = Vec::new();
        for mount in &run.mounts {
            sources.push(match tree_of(mount) {
                Some((from, _)) => Some(self.wait(from).await?),
                None => None,
            });
        }
        let inputs = self.run_inputs(run, &root, &sources).await?;
        let key = self.key_of(id, &inputs);
        if !self.node(id).no_cache
            && let Some(tree) = self.parts.snapshots.find_step(&key)?
        {
            self.start(id);
            self.vertex(id).complete(Outcome::Cached);
            return Ok(tree);
        }
        self.would_run(id, &inputs)?;
        if run.executor == Executor::Runc && run.network == Network::Default {
            // It gets ready while the tree does.
            self.parts.executor().await?.prepare_network();
        }
        // The tree is unpacked while other steps have their turn.
        let root = self.tree(&root).await?;
        let _turn = self.parts.limits.process(&self.cancel).await?;
        self.start(id);
        let started = SystemTime::now();
        let result = self.execute(id, run, &key, root.as_ref(), &sources).await;
        if result.is_ok() {
            self.remember_recipe(id, inputs, started)?;
        }
        self.complete(id, &result, Outcome::Done);
        result
    }

    /// What the inputs are known by, in the order of the operation's.
    async fn run_inputs(
        self: &Arc<Self>,
        run: &Run,
        root: &Value,
        sources: &[Option<Value>],
    ) -> Result<Vec<Digest>> {
        let mut inputs = vec![self.tree_id(root).await?.0];
        for (mount, source) in run.mounts.iter().zip(sources) {
            let Some(source) = source else { continue };
            inputs.push(match (source, tree_of(mount)) {
                (Value::Context(context), Some((_, path))) => {
                    self.context_id(context, path).await?.0
                }
                _ => self.tree_id(source).await?.0,
            });
        }
        Ok(inputs)
    }

    async fn execute(
        self: &Arc<Self>,
        id: NodeId,
        run: &Run,
        key: &Digest,
        root: Option<&Tree>,
        sources: &[Option<Value>],
    ) -> Result<Tree> {
        let draft = self.parts.snapshots.fork(root)?;
        let mut mounted = Mounted::default();
        let mut mounts = Vec::new();
        for (mount, source) in run.mounts.iter().zip(sources) {
            mounts.push(self.prepare(mount, source.as_ref(), &mut mounted).await?);
        }
        let rootfs = draft.path();
        let vertex = self.vertex(id).clone();
        let name = format!("step-{}", id.index());
        let request = stromatekt_executor::Request {
            id: &name,
            rootfs: &rootfs,
            run,
            mounts: &mounts,
            secrets: &self.request.secrets,
            ssh: &self.request.ssh,
        };
        let has_unknown_format = AtomicBool::new(false);
        let output = |stream, data: &[u8]| {
            if contains(data, foreign::UNKNOWN_FORMAT) {
                has_unknown_format.store(true, Ordering::Relaxed);
            }
            let stream = match stream {
                stromatekt_executor::Stream::Stdout => Stream::Stdout,
                stromatekt_executor::Stream::Stderr => Stream::Stderr,
            };
            vertex.log(stream, data.to_owned());
        };
        let stop = self.cancel.child_token();
        let process = async {
            match run.executor {
                Executor::Wasi => wasi::run(request, output, stop.clone()).await,
                Executor::Runc => {
                    let executor = self.parts.executor().await?;
                    let outcome = executor.run(request, output, stop.clone()).await;
                    outcome.map_err(|error| match error {
                        stromatekt_executor::Error::Cancelled => Error::Canceled,
                        error => error.into(),
                    })
                }
            }
        };
        let (outcome, full) = tokio::join!(
            async {
                let outcome = process.await;
                stop.cancel();
                outcome
            },
            self.parts.watch_disk(&stop)
        );
        drop(mounted);
        if let Some(full) = full {
            return Err(full);
        }
        let outcome = outcome?;
        if !outcome.success() {
            if has_unknown_format.load(Ordering::Relaxed)
                && let Some(architecture) = foreign::architecture(&draft.root()?, run)
            {
                return Err(Error::ForeignProgram {
                    command: run.command(),
                    architecture,
                });
            }
            let failure = Error::Process {
                command: run.command(),
                code: outcome.exit,
            };
            return Err(self.parts.snapshots.explain(failure));
        }
        // A process may do another thing each time: what depends on this run must not be taken for what depended on an earlier one.
        let unique = format!("{key} {}", self.parts.store.lease().next_name());
        let tree = TreeId(Digest::of(unique));
        let (key, replace) = (*key, self.node(id).no_cache);
        blocking(move || draft.keep_as_step(&key, tree, replace)).await
    }

    /// What stands at the mount's target.
    async fn prepare(
        self: &Arc<Self>,
        mount: &Mount,
        source: Option<&Value>,
        mounted: &mut Mounted,
    ) -> Result<stromatekt_executor::ResolvedMount> {
        use stromatekt_executor::ResolvedMount;
        match &mount.source {
            MountSource::Bind { path, .. } => {
                let source = source.ok_or_else(wrong_kind)?;
                let tree = match source {
                    Value::Context(context) => Some(self.context_tree(context, path).await?),
                    other => self.tree(other).await?,
                };
                Ok(ResolvedMount::Tree(match tree {
                    Some(tree) if mount.read_only => self.parts.snapshots.path(&tree),
                    // Writes are thrown away with the fork.
                    tree => {
                        let fork = self.parts.snapshots.fork(tree.as_ref())?;
                        let path = fork.path();
                        mounted.forks.push(fork);
                        path
                    }
                }))
            }
            MountSource::Cache {
                id,
                sharing,
                from,
                mode,
                uid,
                gid,
            } => {
                let seed = match (source, from) {
                    (Some(Value::Context(context)), Some((_, path))) => {
                        Some((Some(self.context_tree(context, path).await?), path.clone()))
                    }
                    // In the empty tree there is no path but the root.
                    (Some(source), Some((_, path))) => {
                        Some((self.tree(source).await?, path.clone()))
                    }
                    _ => None,
                };
                let parts = Arc::clone(&self.parts);
                let directory = cache_mounts::take(
                    &self.parts.store.directory("cache-mounts")?,
                    id,
                    *sharing,
                    Fresh {
                        mode: *mode,
                        uid: *uid,
                        gid: *gid,
                    },
                    |directory| match &seed {
                        Some((tree, path)) => parts.copy_directory(tree.as_ref(), path, directory),
                        None => Ok(()),
                    },
                    &self.cancel,
                )
                .await?;
                let path = directory.path.clone();
                mounted.caches.push(directory);
                Ok(ResolvedMount::Directory(path))
            }
            MountSource::Tmpfs { .. }
            | MountSource::Secret { .. }
            | MountSource::Ssh { .. }
            | MountSource::Inline { .. } => Ok(ResolvedMount::Made),
        }
    }
}

impl Parts {
    /// Stops a process when the disk is full, and says so: btrfs lets it go on writing, byte by byte, for a very long time.
    async fn watch_disk(&self, stop: &CancellationToken) -> Option<Error> {
        loop {
            tokio::select! {
                () = stop.cancelled() => return None,
                () = tokio::time::sleep(DISK_INTERVAL) => {}
            }
            if let Err(full) = self.snapshots.check() {
                stop.cancel();
                return Some(full);
            }
        }
    }
}

fn contains(data: &[u8], words: &[u8]) -> bool {
    data.windows(words.len()).any(|window| window == words)
}

/// What exists only while the process runs.
#[derive(Default)]
struct Mounted {
    forks: Vec<Draft>,
    caches: Vec<CacheDirectory>,
}

/// The tree that a mount reads, with the path in it.
fn tree_of(mount: &Mount) -> Option<(NodeId, &str)> {
    match &mount.source {
        MountSource::Bind { from, path } => Some((*from, path)),
        MountSource::Cache {
            from: Some((from, path)),
            ..
        } => Some((*from, path)),
        _ => None,
    }
}
