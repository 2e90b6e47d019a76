//! What is to be built, whatever it is written in, as a graph with the directories that it reads.

mod allowed;
mod dockerfile;
mod pipeline;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use stromatekt_engine::events::Events;
use stromatekt_engine::{Engine, LocalContext, PlatformExport};
use stromatekt_graph::{Graph, NodeId};
use stromatekt_oci::reference::ImageReference;
use stromatekt_optimizer::{Note, Passes, optimize};
use stromatekt_pipeline::ImageConfigs;
use tokio_util::sync::CancellationToken;

use crate::base_images::failed;
use crate::context::{Context, Place};
use crate::context_files::Fetch;
use crate::error::{DockerfileText, Error, Result};
use crate::options::Args;
use crate::settings::Settings;

/// What all parts of a build need.
pub struct Work<'a> {
    /// The state directory.
    pub root: &'a Path,
    /// The options.
    pub args: &'a Args,
    /// Where progress is told.
    pub events: &'a Events,
    /// What stops it.
    pub cancel: &'a CancellationToken,
    /// Opened when it is known that there is something to do.
    engine: OnceLock<Arc<Engine>>,
}

/// What is to be built.
pub struct Prepared {
    /// What is to be done.
    pub graph: Graph,
    /// The images that come of it.
    pub images: Vec<Wanted>,
    /// The directories that the graph reads.
    pub contexts: BTreeMap<String, LocalContext>,
    /// The configs of the images that it begins with.
    pub configs: ImageConfigs,
    /// Where the directories are that it reads besides the build context.
    pub directories: BTreeMap<String, PathBuf>,
    /// What was done to the graph, and what was not.
    pub notes: Vec<Note>,
    /// What must be there until it is built: a context that was fetched is removed with it.
    pub _context: Context,
    /// The texts that it was made of; the first is the one that was named.
    pub texts: Vec<DockerfileText>,
}

/// An image that is wanted.
pub struct Wanted {
    /// Its name in a pipeline.
    pub name: Option<String>,
    /// The image of each platform.
    pub exports: Vec<PlatformExport>,
    /// Whether an index of them is wanted, even of one.
    pub is_index: bool,
    /// The names that a pipeline gives it.
    pub tags: Vec<ImageReference>,
    /// The OCI layout that a pipeline wants it written to.
    pub output: Option<PathBuf>,
}

impl<'a> Work<'a> {
    /// For these options.
    pub fn new(
        root: &'a Path,
        args: &'a Args,
        events: &'a Events,
        cancel: &'a CancellationToken,
    ) -> Self {
        Self {
            root,
            args,
            events,
            cancel,
            engine: OnceLock::new(),
        }
    }

    /// The open store.
    pub fn engine(&self) -> Result<&Arc<Engine>> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let opened = Arc::new(Engine::open(self.root)?);
        Ok(self.engine.get_or_init(|| opened))
    }

    /// Reads what is to be built.
    ///
    /// # Errors
    /// When it, or what it needs, is not there or is wrong.
    pub async fn prepare(&self, place: Place, settings: &mut Settings) -> Result<Prepared> {
        let secrets = settings.secrets.clone();
        let fetch = Fetch {
            root: self.root,
            events: self.events,
            cancel: self.cancel,
            secrets: &secrets,
        };
        let context = place.open(self.args.file.as_ref(), &fetch).await?;
        let file = self.args.file.as_deref();
        let mut prepared = match file.filter(|file| is_pipeline(Some(file))) {
            Some(file) => self.pipeline(file, context, &fetch, settings).await?,
            None => self.dockerfile(context, &fetch, settings).await?,
        };
        prepared.optimize(&self.args.optimize);
        Ok(prepared)
    }
}

/// Whether a file is a pipeline, by its name.
pub fn is_pipeline(file: Option<&OsStr>) -> bool {
    file.and_then(|file| Path::new(file).extension())
        .is_some_and(|extension| extension == "yaml" || extension == "yml" || extension == "json")
}

impl Prepared {
    /// Makes the graph cheaper to execute.
    fn optimize(&mut self, passes: &Passes) {
        let exports = || self.images.iter().flat_map(|image| &image.exports);
        let roots: Vec<NodeId> = exports().map(|export| export.node).collect();
        let optimized = optimize(std::mem::take(&mut self.graph), &roots, passes);
        let exports = self.images.iter_mut().flat_map(|image| &mut image.exports);
        for (export, root) in exports.zip(optimized.roots) {
            export.node = root;
        }
        self.graph = optimized.graph;
        self.notes = optimized.notes;
    }

    /// The failure of a build of this, with the lines that it is about.
    pub fn failed(&self, error: Arc<stromatekt_engine::Error>) -> Error {
        let origin = error.origin();
        let text = self
            .texts
            .iter()
            .find(|text| origin.is_some_and(|origin| origin.file == text.name));
        let lines = origin.map(|origin| (origin.first_line, origin.last_line));
        let text = text.or(self.texts.first()).cloned();
        failed(error, &text.unwrap_or_default(), lines, None)
    }
}
