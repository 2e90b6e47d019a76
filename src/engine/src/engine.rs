//! The engine: an open store with all that builds need, and what can be done with it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use stromatekt_executor::Executor;
use stromatekt_graph::op::ImageLocation;
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::platform::Platform;
use stromatekt_sources::registry::Registry;
use stromatekt_store::Store;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::build::Build;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::events::Events;
use crate::images::Resolver;
use crate::limits::Limits;
use crate::request::{BuildRequest, Built};
use crate::snapshots::Snapshots;

/// Images by where they are and the platform that was asked for.
pub type ResolvedConfigs = HashMap<(ImageLocation, Platform), ImageConfig>;

/// An open store. Several processes may have the same one open.
pub struct Engine {
    pub(crate) parts: Arc<Parts>,
}

/// What all builds of an engine share.
pub(crate) struct Parts {
    pub store: Arc<Store>,
    pub snapshots: Arc<Snapshots>,
    /// Made when the first process is to run: nothing else needs an OCI runtime.
    executor: OnceCell<Executor>,
    executor_config: stromatekt_executor::Config,
    pub limits: Limits,
    pub registry: Registry,
    pub resolver: Resolver,
}

impl Engine {
    /// Opens the store in `root`, which is made where it does not exist, and removes what builds left that were killed.
    ///
    /// # Errors
    /// When the store or its snapshots cannot be used.
    pub fn open(root: &Path) -> Result<Self> {
        let store = Arc::new(Store::open(root)?);
        let config = Config::read(store.root())?;
        let snapshots = Snapshots::open(
            Arc::clone(&store),
            &stromatekt_snapshot::Config {
                btrfs_root: config.btrfs_root.clone(),
            },
        )?;
        let executor_config = stromatekt_executor::Config {
            runtime: config.runtime.unwrap_or_else(|| "runc".into()),
            scratch: store.lease().scratch().join("run"),
        };
        let engine = Self {
            parts: Arc::new(Parts {
                store,
                snapshots,
                executor: OnceCell::new(),
                executor_config,
                limits: Limits::new(config.max_processes),
                registry: Registry::new(),
                resolver: Resolver::default(),
            }),
        };
        engine.sync_in_the_background()?;
        Ok(engine)
    }

    /// Finds images, and reads their configs; nothing is unpacked.
    ///
    /// # Errors
    /// When one is not found, or has no image for the platform.
    pub async fn resolve(
        &self,
        wanted: &[(ImageLocation, Platform)],
        pull: bool,
        events: &Events,
        cancel: &CancellationToken,
    ) -> Result<ResolvedConfigs, Arc<Error>> {
        let mut tasks = tokio::task::JoinSet::new();
        for (location, platform) in wanted.iter().cloned() {
            let parts = Arc::clone(&self.parts);
            let (events, cancel) = (events.clone(), cancel.clone());
            tasks.spawn(async move {
                let image = parts
                    .resolve(&location, &platform, pull, &events, &cancel)
                    .await?;
                Ok::<_, Error>(((location, platform), image.config.clone()))
            });
        }
        let mut configs = HashMap::new();
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok(found) => configs.extend([found?]),
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => return Err(Arc::new(Error::Canceled)),
                },
            }
        }
        Ok(configs)
    }

    /// Builds images; tells of each what was made, in the order of the request.
    ///
    /// # Errors
    /// The first failure; by then everything else was stopped, and nothing of the build is left running or mounted.
    pub async fn build(
        &self,
        request: BuildRequest,
        events: &Events,
        cancel: CancellationToken,
    ) -> Result<Vec<Built>, Arc<Error>> {
        Build::run(Arc::clone(&self.parts), request, events.clone(), cancel).await
    }

    /// Syncs what earlier builds left to the kernel to write, and tidies the database. The kernel writes by itself within half a minute
    /// or so: after that a sync has little to wait for, and does not hold up the end of this process.
    fn sync_in_the_background(&self) -> Result<()> {
        let old = SystemTime::now() - Duration::from_secs(60);
        let has_unsynced = self.parts.store.has_unsynced(old)?;
        if !has_unsynced && !self.parts.store.has_long_log() {
            return Ok(());
        }
        let (store, snapshots) = (
            Arc::clone(&self.parts.store),
            Arc::clone(&self.parts.snapshots),
        );
        let sync = move || -> Result<()> {
            if store.has_long_log() {
                store.checkpoint()?;
            }
            if !has_unsynced {
                return Ok(());
            }
            let started = SystemTime::now();
            snapshots.sync()?;
            let root = store.root();
            std::fs::File::open(root)
                .and_then(stromatekt_kernel::mount::syncfs)
                .map_err(Error::file("sync", root))?;
            Ok(store.mark_synced(started)?)
        };
        // Not waited for: a program that ends before the sync does leaves it to the next one.
        let spawned = std::thread::Builder::new()
            .name("sync".to_owned())
            .spawn(move || {
                if let Err(error) = sync() {
                    tracing::warn!(%error, "cannot sync the store");
                }
            });
        spawned
            .map(drop)
            .map_err(Error::file("start a thread for", self.parts.store.root()))
    }
}

impl Parts {
    /// What runs processes.
    pub async fn executor(&self) -> Result<&Executor> {
        let made = self.executor.get_or_try_init(|| async {
            Ok::<_, Error>(Executor::new(self.executor_config.clone())?)
        });
        made.await
    }
}
