//! `stromatekt build`: reads, lowers and builds a Dockerfile.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use stromatekt_dockerfile::checks::{Checks, IsIgnored};
use stromatekt_dockerfile::{Dockerfile, ImageConfigs, Lowered, Lowering, lower_checked};
use stromatekt_engine::events::{Events, Warning};
use stromatekt_engine::{BuildRequest, Built, Engine, ImageRequest, PlatformExport};
use stromatekt_graph::Origin;
use tokio_util::sync::CancellationToken;

use crate::base_images::{self, failed};
use crate::commands::call;
use crate::context::{self, Place};
use crate::context_files::Fetch;
use crate::error::{DockerfileText, Error, Result};
use crate::git_labels;
use crate::interrupt;
pub use crate::options::Args;
use crate::output::print;
use crate::progress::watch::Watch;
use crate::report;
use crate::result_files;
use crate::settings::{EPOCH, Settings};

/// The build arg that keeps `.git` in a context that is a git repository.
const KEEP_GIT_DIR: &str = "BUILDKIT_CONTEXT_KEEP_GIT_DIR";

/// Builds.
///
/// # Errors
/// When the options, the Dockerfile or the build are at fault, or the person stopped it.
pub async fn run(root: &Path, args: Args) -> Result<()> {
    if let Some(call) = args.call.asked() {
        return call::run(root, args, call).await;
    }
    let mut settings = Settings::new(&args)?;
    settings.warnings.iter().for_each(|text| report::note(text));
    let place = Place::find(&args.context)?;
    if let Place::Directory(directory) = &place {
        let dockerfile = match &args.file {
            Some(file) => file.into(),
            None => directory.join("Dockerfile"),
        };
        match git_labels::labels(directory, &dockerfile) {
            // As with buildx, they win over --label.
            Ok(labels) => settings.options.labels.extend(labels),
            Err(reason) => {
                report::note(&format!("there are no labels of the repository: {reason}"))
            }
        }
    }
    if let Some(path) = &args.iidfile {
        result_files::remove_old(path)?;
    }
    let cancel = interrupt::on_signal()?;
    let watch = Watch::start(settings.mode)?;
    let prints_id = settings.prints_id;
    let work = Work {
        root,
        args: &args,
        events: &watch.events,
        cancel: &cancel,
    };
    let result = work.build(place, settings).await;
    let shown = watch.finish();
    let built = match result {
        Ok(built) => built,
        Err(_) if cancel.is_cancelled() => return Err(Error::Interrupted),
        Err(Error::Build(mut failed)) => {
            failed.steps = shown.failed;
            return Err(Error::Build(failed));
        }
        Err(error) => return Err(error),
    };
    if let Some(path) = &args.iidfile {
        result_files::write_id(path, &built)?;
    }
    if let Some(path) = &args.metadata_file {
        result_files::write_metadata(path, &built)?;
    }
    if prints_id {
        print(&format!("{}\n", built.id))?;
    }
    Ok(())
}

/// What all parts of a build need.
struct Work<'a> {
    root: &'a Path,
    args: &'a Args,
    events: &'a Events,
    cancel: &'a CancellationToken,
}

impl Work<'_> {
    async fn build(&self, place: Place, mut settings: Settings) -> Result<Built> {
        let secrets = settings.secrets.clone();
        let fetch = Fetch {
            root: self.root,
            events: self.events,
            cancel: self.cancel,
            secrets: &secrets,
        };
        let place = of_repository(place, &settings);
        let context = place.open(self.args.file.as_ref(), &fetch).await?;
        settings.options.context_time = context.time();
        let dockerfile = context.dockerfile.parse()?;
        // Opened when it is known that there is something to do.
        let mut engine = None;
        let ignored = |source: &str| context.leaves_out(source, &fetch);
        let lowered = self
            .lower(
                &dockerfile,
                &context.dockerfile,
                &settings,
                &ignored,
                &mut engine,
            )
            .await?;
        for warning in &lowered.warnings {
            self.events.warn(Warning {
                message: warning.clone(),
                ..Warning::default()
            });
        }
        let mut contexts = BTreeMap::new();
        for name in &lowered.contexts {
            let local = match settings.directories.get(name) {
                Some(directory) => context::named(directory, &fetch)?,
                None => context.local(&fetch)?,
            };
            contexts.insert(name.clone(), local);
        }
        let exports = lowered.images.into_iter().map(|image| PlatformExport {
            node: image.export,
            platform: image.platform,
            source_date_epoch: image.source_date_epoch,
        });
        let request = BuildRequest {
            graph: lowered.graph,
            images: vec![ImageRequest {
                exports: exports.collect(),
                is_index: lowered.is_index,
                names: settings.names,
                outputs: settings.outputs,
            }],
            contexts,
            secrets: settings.secrets,
            ssh: settings.ssh,
            pull: self.args.pull,
        };
        let engine = self.engine(&mut engine)?;
        let built = engine
            .build(request, self.events, self.cancel.clone())
            .await;
        let built = built.map(|mut built| built.swap_remove(0));
        built.map_err(|error| {
            let lines = error
                .origin()
                .map(|origin| (origin.first_line, origin.last_line));
            failed(error, &context.dockerfile, lines, None)
        })
    }

    fn engine<'e>(&self, engine: &'e mut Option<Arc<Engine>>) -> Result<&'e Arc<Engine>> {
        Ok(match engine {
            Some(engine) => engine,
            none => none.insert(Arc::new(Engine::open(self.root)?)),
        })
    }

    /// Lowers the Dockerfile; the images that it needs the configs of are looked up on the way.
    async fn lower(
        &self,
        dockerfile: &Dockerfile,
        text: &DockerfileText,
        settings: &Settings,
        ignored: &IsIgnored<'_>,
        engine: &mut Option<Arc<Engine>>,
    ) -> Result<Lowered> {
        let refused = |error| Error::dockerfile(&error, text.clone());
        let mut configs = ImageConfigs::new();
        loop {
            let checks = Checks::new(dockerfile, &settings.options)
                .map_err(refused)?
                .with_ignored(ignored);
            let lowering =
                lower_checked(dockerfile, &text.name, &settings.options, &configs, &checks);
            let found = match lowering {
                Ok(Lowering::NeedsImages(requests)) => {
                    let (engine, events) = (self.engine(engine)?, self.events);
                    let (cancel, pull) = (self.cancel, self.args.pull);
                    let look_up = |location, platform, cancel| {
                        let (engine, events) = (Arc::clone(engine), events.clone());
                        async move {
                            let wanted = [(location, platform)];
                            engine.resolve(&wanted, pull, &events, &cancel).await
                        }
                    };
                    base_images::resolve(requests, look_up, dockerfile, text, cancel).await
                }
                Ok(Lowering::Done(lowered)) => {
                    self.warn(dockerfile, text, &checks);
                    return Ok(*lowered);
                }
                Err(error) => Err(refused(error)),
            };
            match found {
                Ok(found) => configs.extend(found),
                Err(error) => {
                    self.warn(dockerfile, text, &checks);
                    return Err(error);
                }
            }
        }
    }

    /// Tells what the checks found up to now.
    fn warn(&self, dockerfile: &Dockerfile, text: &DockerfileText, checks: &Checks<'_>) {
        for violation in checks.found() {
            let (first_line, last_line) = dockerfile.lines(violation.span);
            let rule = violation.rule;
            self.events.warn(Warning {
                message: format!("{}: {}", rule.name(), violation.message),
                detail: rule.description().to_owned(),
                url: rule.url(),
                origin: Some(Origin {
                    file: Arc::clone(&text.name),
                    first_line,
                    last_line,
                }),
            });
        }
    }
}

/// Where the build args ask for it, a repository as context keeps what git knows of it; and, as with BuildKit, its files have the time of
/// the commit where the times of the image are asked for.
fn of_repository(place: Place, settings: &Settings) -> Place {
    let args = &settings.options.build_args;
    let keeps = args
        .get(KEEP_GIT_DIR)
        .is_some_and(|text| crate::options::go_bool(text) == Ok(true));
    let has_epoch = args.get(EPOCH).is_some_and(|epoch| !epoch.is_empty());
    match place {
        Place::Git(mut git) => {
            git.keep_git_dir |= keeps;
            git.commit_time |= has_epoch;
            Place::Git(git)
        }
        place => place,
    }
}
