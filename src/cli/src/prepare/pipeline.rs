//! A YAML or JSON pipeline as a graph: the files that it imports are read, the images that it needs the configs of are looked up on the way.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use stromatekt_dockerfile::{Entitlement, NoCache};
use stromatekt_engine::PlatformExport;
use stromatekt_engine::events::Warning;
use stromatekt_graph::op::{ImageLocation, Op};
use stromatekt_graph::path::clean;
use stromatekt_kernel::Root;
use stromatekt_pipeline::{
    Document, ImageConfigs, ImageRequest, Lowered, Lowering, Options, Problem,
};
use tokio::task::JoinSet;

use super::{Prepared, Wanted, Work, allowed};
use crate::base_images::failed;
use crate::context::{self, Context};
use crate::context_files::{Fetch, within};
use crate::error::{DockerfileText, Error, Result};
use crate::settings::{EPOCH, Settings};
use crate::user_config::UserConfig;

/// A pipeline that was read.
enum Pipeline {
    Yaml(stromatekt_yaml::Pipeline),
    Json(Document),
}

/// The texts that were read, by the names that places have.
struct Texts {
    context: Context,
    main: PathBuf,
    read: RefCell<Vec<DockerfileText>>,
}

impl Work<'_> {
    /// Reads and lowers a pipeline.
    pub(super) async fn pipeline(
        &self,
        file: &OsStr,
        context: Context,
        fetch: &Fetch<'_>,
        settings: &Settings,
    ) -> Result<Prepared> {
        let options = options(settings)?;
        let overrides = UserConfig::read()?.image.oci_override;
        let texts = Texts {
            context,
            main: file.into(),
            read: RefCell::default(),
        };
        let pipeline = texts.pipeline()?;
        let mut configs = ImageConfigs::new();
        let lowered = loop {
            let lowering = match &pipeline {
                Pipeline::Yaml(pipeline) => stromatekt_yaml::lower(pipeline, &options, &configs),
                Pipeline::Json(document) => {
                    stromatekt_json::lower(document, &options, &configs, &overrides)
                }
            };
            match lowering.map_err(|problem| texts.error(&problem))? {
                Lowering::Done(lowered) => break *lowered,
                Lowering::NeedsImages(requests) => {
                    for request in &requests {
                        texts.may_read(&request.location, &overrides)?;
                    }
                    configs.extend(self.configs(requests, &texts).await?);
                }
            }
        };
        for (_, node) in lowered.graph.nodes() {
            if let Op::Image(image) = &node.op {
                texts.may_read(&image.source, &overrides)?;
            }
        }
        let mut prepared = self.prepared(&pipeline, lowered, texts, fetch, settings)?;
        prepared.configs = configs;
        Ok(prepared)
    }

    fn prepared(
        &self,
        pipeline: &Pipeline,
        lowered: Lowered,
        texts: Texts,
        fetch: &Fetch<'_>,
        settings: &Settings,
    ) -> Result<Prepared> {
        for message in &lowered.warnings {
            self.events.warn(Warning {
                message: message.clone(),
                ..Warning::default()
            });
        }
        let mut contexts = BTreeMap::new();
        let mut directories = BTreeMap::new();
        if lowered.uses_context {
            let mut context = texts.context.local(fetch)?;
            if let Pipeline::Json(document) = pipeline {
                let allowed = stromatekt_json::allowed(document);
                context = allowed::only(allowed.map_err(|p| texts.error(&p))?, context);
            }
            contexts.insert("context".to_owned(), context);
        }
        if texts.context.came_from_elsewhere().is_some()
            && let Some(image) = lowered.images.iter().find(|image| image.output.is_some())
        {
            return Err(Error::Usage {
                what: format!(
                    "the pipeline was fetched, and may not choose where the image {} is written",
                    image.name
                ),
                hint: "leave `path` out there, and say it here: --output type=oci,tar=false,dest=DIRECTORY".into(),
            });
        }
        for (name, path) in &lowered.contexts {
            let directory = match settings.directories.get(name) {
                Some(directory) => directory.clone(),
                None => texts.directory(path)?,
            };
            contexts.insert(name.clone(), context::named(&directory, fetch)?);
            directories.insert(name.clone(), directory);
        }
        if let Some(unknown) = settings
            .directories
            .keys()
            .find(|name| !lowered.contexts.contains_key(*name))
        {
            return Err(Error::Usage {
                what: format!(
                    "the pipeline reads no directory `{unknown}` that --build-context could be"
                ),
                hint: match pipeline {
                    Pipeline::Yaml(_) => "the names are those of directories under `sources`",
                    Pipeline::Json(_) => "the names are those of `sources` of type `directory`: `contextName`, else `resultVar`",
                }
                .into(),
            });
        }
        let images = lowered.images.into_iter().map(|image| Wanted {
            exports: image
                .exports
                .into_iter()
                .map(|export| PlatformExport {
                    node: export.node,
                    platform: export.platform,
                    source_date_epoch: export.source_date_epoch,
                })
                .collect(),
            name: Some(image.name),
            is_index: image.is_index,
            tags: image.tags,
            output: image.output,
        });
        Ok(Prepared {
            graph: lowered.graph,
            images: images.collect(),
            contexts,
            configs: ImageConfigs::new(),
            directories,
            notes: Vec::new(),
            texts: texts.read.into_inner(),
            _context: texts.context,
        })
    }

    /// The configs of images, all looked up at the same time.
    async fn configs(&self, requests: Vec<ImageRequest>, texts: &Texts) -> Result<ImageConfigs> {
        let mut tasks = JoinSet::new();
        for request in requests {
            let (engine, events) = (Arc::clone(self.engine()?), self.events.clone());
            let (cancel, pull) = (self.cancel.child_token(), self.args.pull);
            tasks.spawn(async move {
                let wanted = [(request.location.clone(), request.platform.clone())];
                let found = engine.resolve(&wanted, pull, &events, &cancel).await;
                (request, found)
            });
        }
        let mut configs = ImageConfigs::new();
        let mut first_error = None;
        while let Some(ended) = tasks.join_next().await {
            match ended {
                Ok((_, Ok(found))) => configs.extend(found),
                Ok((request, Err(error))) => {
                    let span = request.place.span;
                    let lines = Some((span.start.line, span.end.line));
                    let text = texts.text(&request.place.file);
                    first_error.get_or_insert_with(|| failed(error, &text, lines, None));
                }
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => return Err(Error::Interrupted),
                },
            }
        }
        match first_error {
            Some(error) => Err(error),
            None => Ok(configs),
        }
    }
}

impl Texts {
    fn pipeline(&self) -> Result<Pipeline> {
        self.is_utf8()?;
        let is_json = self
            .main
            .extension()
            .is_some_and(|extension| extension == "json");
        match is_json {
            true => self
                .read(&self.main)
                .map_err(Error::file("read", &self.main))
                .and_then(|text| {
                    let document = Document::parse_json(&self.main.to_string_lossy(), &text);
                    let document = document.map_err(|problem| self.error(&problem))?;
                    Ok(Pipeline::Json(document))
                }),
            false => stromatekt_yaml::load(&self.main, &|path| self.read(path))
                .map(Pipeline::Yaml)
                .map_err(|problem| self.error(&problem)),
        }
    }

    /// A file of the pipeline: the one that was named was read with the context.
    fn read(&self, path: &Path) -> io::Result<String> {
        let text: Arc<str> = match path == self.main {
            true => Arc::clone(&self.context.dockerfile.text),
            false => {
                let bytes = match self.context.came_from_elsewhere() {
                    Some(directory) => within(directory, path)?,
                    None => fs::read(path)?,
                };
                let text = String::from_utf8(bytes);
                let text = text.map_err(|_| io::Error::other("it is not UTF-8"))?;
                text.into()
            }
        };
        let name: Arc<str> = path.to_string_lossy().into();
        let mut read = self.read.borrow_mut();
        if !read.iter().any(|known| known.name == name) {
            read.push(DockerfileText {
                name,
                text: Arc::clone(&text),
            });
        }
        Ok(text.to_string())
    }

    /// What is no UTF-8 was replaced when the text that was named was read, as in a Dockerfile; here that could change what a string means.
    fn is_utf8(&self) -> Result<()> {
        let text = &self.context.dockerfile;
        let replaced = text.text.find(char::REPLACEMENT_CHARACTER);
        match replaced {
            None => Ok(()),
            Some(at) => Err(Error::Dockerfile {
                message: "this is no UTF-8".to_owned(),
                help: Some(r#"the character U+FFFD itself is written "\ufffd""#.to_owned()),
                text: text.clone(),
                span: Some(at..at + char::REPLACEMENT_CHARACTER.len_utf8()),
            }),
        }
    }

    /// A directory that a pipeline names: of this machine, or of what came with it.
    fn directory(&self, path: &Path) -> Result<PathBuf> {
        let Some(top) = self.context.came_from_elsewhere() else {
            return Ok(path.to_owned());
        };
        // By its text; its links then lead nowhere outside.
        let clean = clean(&path.to_string_lossy());
        let leads_out = Path::new(&clean)
            .components()
            .any(|part| matches!(part, Component::RootDir | Component::ParentDir));
        if leads_out {
            return Err(Error::Context {
                path: path.to_owned(),
                reason: "leads out of what the pipeline came with",
                hint: "a pipeline that was fetched names directories beside itself only; --build-context gives it others",
            });
        }
        let found = Root::open(top).and_then(|top| top.resolve(&clean));
        Ok(top.join(found.map_err(Error::file("find the directory", path))?))
    }

    /// Images that are files are those of this machine: whoever builds what was fetched may name them, and no one else.
    fn may_read(
        &self,
        location: &ImageLocation,
        overrides: &BTreeMap<String, PathBuf>,
    ) -> Result<()> {
        match location {
            ImageLocation::Layout { path, .. }
                if self.context.came_from_elsewhere().is_some()
                    && !overrides.values().any(|known| known == path) =>
            {
                Err(Error::Usage {
                    what: format!(
                        "the pipeline was fetched, and may not read the image {} of this machine",
                        path.display()
                    ),
                    hint: "load it with `stromatekt image load --name NAME`, and let the pipeline name it"
                        .into(),
                })
            }
            _ => Ok(()),
        }
    }

    fn text(&self, name: &str) -> DockerfileText {
        let read = self.read.borrow();
        let known = read.iter().find(|text| *text.name == *name);
        known.cloned().unwrap_or_default()
    }

    /// What is wrong with a file, with its text.
    fn error(&self, problem: &Problem) -> Error {
        let also = problem
            .also
            .iter()
            .map(|(what, place)| format!("{what}: {place}"));
        let help: Vec<String> = problem.help.iter().cloned().chain(also).collect();
        let place = &problem.place;
        let text = self.text(&place.file);
        let known = !text.text.is_empty();
        // Some messages say it themselves.
        let says_where = problem.message.contains(&format!("`{}`", place.path));
        let message = match (known, place.path.is_empty() || says_where) {
            (true, true) => problem.message.clone(),
            (true, false) => format!("{}: {}", place.path, problem.message),
            (false, _) => problem.to_string(),
        };
        Error::Dockerfile {
            message,
            help: (!help.is_empty()).then(|| help.join("\n")),
            span: known.then_some(place.span.start.offset..place.span.end.offset),
            text,
        }
    }
}

/// What the command line says about a pipeline.
fn options(settings: &Settings) -> Result<Options> {
    let of = &settings.options;
    if let Some(name) = of
        .named_contexts
        .keys()
        .find(|name| !settings.directories.contains_key(*name))
    {
        return Err(Error::Usage {
            what: format!(
                "--build-context {name}: a pipeline takes directories of this machine alone"
            ),
            hint: "images, repositories and URLs are named in the file itself".into(),
        });
    }
    if let NoCache::Stages(_) = of.no_cache {
        return Err(Error::Usage {
            what: "--no-cache-filter names stages of a Dockerfile, which a pipeline has none of"
                .into(),
            hint: "use --no-cache".into(),
        });
    }
    if of.shm_size.is_some() {
        return Err(Error::Usage {
            what: "--shm-size: a pipeline says itself how much memory its steps share".into(),
            hint: "mount a tmpfs of that size at /dev/shm in the file".into(),
        });
    }
    let epoch = of.build_args.get(EPOCH).filter(|epoch| !epoch.is_empty());
    let source_date_epoch = match epoch.map(|epoch| epoch.parse::<i64>()) {
        None => None,
        Some(Ok(epoch)) => Some(epoch),
        Some(Err(error)) => {
            return Err(Error::Option {
                option: EPOCH,
                value: epoch.cloned().unwrap_or_default(),
                reason: error.to_string(),
                hint: Some("it is a number of seconds since 1970".into()),
            });
        }
    };
    Ok(Options {
        targets: of.target.iter().cloned().collect(),
        variables: of
            .build_args
            .iter()
            .filter(|(name, _)| *name != EPOCH)
            .map(|(name, value)| (name.clone(), Some(value.clone())))
            .collect(),
        platforms: of.platforms.clone(),
        host: of.build_platform.clone(),
        source_date_epoch,
        labels: of.labels.clone(),
        network: of.network,
        extra_hosts: of.extra_hosts.clone(),
        limits: of.limits.clone(),
        no_cache: of.no_cache == NoCache::All,
        allows_host_network: of.allow.contains(&Entitlement::NetworkHost),
        allows_insecure: of.allow.contains(&Entitlement::SecurityInsecure),
    })
}
