//! `stromatekt build --call=check|outline|targets`: what there is to say of a Dockerfile without building it. Nothing is kept, and the
//! store is but looked at for base images.

use std::path::Path;

use stromatekt_dockerfile::checks::{Checks, IsIgnored};
use stromatekt_dockerfile::{
    Dockerfile, Entitlement, ImageConfigs, Lowering, Options, Outline, Violation, lower_checked,
    parse_sound_part,
};
use stromatekt_engine::events::Events;
use stromatekt_engine::peek::image_config;
use tokio_util::sync::CancellationToken;

use crate::base_images;
use crate::call_options::{Call, Format, Method};
use crate::call_result::{self, CallResult};
use crate::context::{Context, Place};
use crate::context_files::Fetch;
use crate::error::{DockerfileText, Error, Result};
use crate::interrupt;
use crate::options::Args;
use crate::output::print;
use crate::prepare::is_pipeline;
use crate::progress::watch::Watch;
use crate::settings::Settings;

/// Says it.
///
/// # Errors
/// When the options or the Dockerfile are at fault, or checks found something.
pub async fn run(root: &Path, args: Args, call: Call) -> Result<()> {
    if is_pipeline(args.file.as_deref()) {
        return Err(Error::Usage {
            what: "--check and --call are about Dockerfiles, and --file names a pipeline".into(),
            hint: "`stromatekt plan` tells what is wrong with one, and what it would do".into(),
        });
    }
    let settings = Settings::new(&args)?;
    let options = Options {
        // Nothing is run: nothing needs a permission. As in BuildKit, the platform is that of the builder.
        allow: [Entitlement::NetworkHost, Entitlement::SecurityInsecure].into(),
        platforms: Vec::new(),
        ..settings.options
    };
    let place = Place::find(&args.context)?;
    let name = shown_name(&place, &args);
    let cancel = interrupt::on_signal()?;
    let watch = Watch::start(settings.mode)?;
    let scratch =
        tempfile::tempdir().map_err(Error::file("make a directory in", std::env::temp_dir()))?;
    let fetch = Fetch {
        root: scratch.path(),
        events: &watch.events,
        cancel: &cancel,
        secrets: &settings.secrets,
    };
    let work = Work {
        root,
        options: &options,
        events: &watch.events,
        cancel: &cancel,
    };
    let result = match place.open(args.file.as_ref(), &fetch).await {
        Ok(context) => {
            let name = name.unwrap_or_else(|| context.dockerfile.name.to_string());
            work.call(&context, &fetch, call.method, &name).await
        }
        Err(error) => Err(error),
    };
    watch.finish();
    let result = match result {
        Ok(result) => result,
        Err(_) if cancel.is_cancelled() => return Err(Error::Interrupted),
        Err(error) => return Err(error),
    };
    if let Some(path) = &args.metadata_file {
        std::fs::write(path, result.metadata()?).map_err(Error::file("write", path))?;
    }
    print(match call.format {
        Format::Text => &result.text,
        Format::Json => &result.json,
    })?;
    match result.failure {
        Some(error) => Err(error),
        None if result.has_violations && !call.ignores_status => Err(Error::Violations),
        None => Ok(()),
    }
}

/// The Dockerfile as people find it.
fn shown_name(place: &Place, args: &Args) -> Option<String> {
    match (place, &args.file) {
        (Place::Directory(directory), None) => {
            let directory = directory.strip_prefix(".").unwrap_or(directory);
            Some(directory.join("Dockerfile").display().to_string())
        }
        _ => None,
    }
}

/// What all calls need.
struct Work<'a> {
    root: &'a Path,
    options: &'a Options,
    events: &'a Events,
    cancel: &'a CancellationToken,
}

/// What came of lowering a Dockerfile.
struct Looked {
    violations: Vec<Violation>,
    outline: Option<Outline>,
    failure: Option<Error>,
}

impl Looked {
    fn failed(failure: Error) -> Self {
        Self {
            violations: Vec::new(),
            outline: None,
            failure: Some(failure),
        }
    }
}

impl Work<'_> {
    async fn call(
        &self,
        context: &Context,
        fetch: &Fetch<'_>,
        method: Method,
        name: &str,
    ) -> Result<CallResult> {
        let text = &context.dockerfile;
        Checks::check_build_args(self.options)
            .map_err(|error| Error::dockerfile(&error, text.clone()))?;
        let dockerfile = match (text.parse(), method) {
            (Ok(dockerfile), _) => dockerfile,
            (Err(error), Method::Check) => return self.check_part(text, name, error),
            (Err(error), _) => return Err(error),
        };
        if matches!(method, Method::Build | Method::Targets) {
            return call_result::targets(text, &dockerfile);
        }
        let ignored = |source: &str| context.leaves_out(source, fetch);
        let looked = self.look(&dockerfile, text, &ignored, method).await;
        if method == Method::Check {
            let failure = looked.failure.or_else(|| context.rules(fetch).err());
            let found = &looked.violations;
            return call_result::check(text, &dockerfile, name, found, failure);
        }
        match looked.failure {
            Some(error) => Err(error),
            None => {
                let outline = looked.outline.unwrap_or_default();
                call_result::outline(text, &dockerfile, &outline)
            }
        }
    }

    /// A check tells of errors, and of what comes before them.
    fn check_part(&self, text: &DockerfileText, name: &str, error: Error) -> Result<CallResult> {
        let part = parse_sound_part(&text.text);
        let found = part.as_ref().and_then(|part| {
            let checks = Checks::new(part, self.options).ok()?;
            checks.sound_part(part);
            Some((part, checks.found()))
        });
        match found {
            Some((part, found)) => call_result::check(text, part, name, &found, Some(error)),
            None => call_result::no_dockerfile(text, error),
        }
    }

    /// Lowers the Dockerfile as far as it can be. A check looks at all stages unless one is asked for.
    async fn look(
        &self,
        dockerfile: &Dockerfile,
        text: &DockerfileText,
        ignored: &IsIgnored<'_>,
        method: Method,
    ) -> Looked {
        let refused = |error| Error::dockerfile(&error, text.clone());
        let mut configs = ImageConfigs::new();
        loop {
            let mut checks = match Checks::new(dockerfile, self.options) {
                Ok(checks) => checks.with_ignored(ignored),
                Err(error) => return Looked::failed(refused(error)),
            };
            match method {
                Method::Outline => checks = checks.with_outline(),
                _ if self.options.target.is_none() => checks = checks.with_all_stages(),
                _ => {}
            }
            let lowering = lower_checked(dockerfile, &text.name, self.options, &configs, &checks);
            let failure = match lowering {
                Ok(Lowering::Done(_)) => None,
                Err(error) => Some(refused(error)),
                Ok(Lowering::NeedsImages(requests)) => {
                    let look_up = |location, platform, cancel| {
                        let (root, events) = (self.root.to_owned(), self.events.clone());
                        async move {
                            let found = image_config(&root, &location, &platform, &events, &cancel);
                            let config = found.await?;
                            Ok(ImageConfigs::from([((location, platform), config)]))
                        }
                    };
                    let found =
                        base_images::resolve(requests, look_up, dockerfile, text, self.cancel);
                    match found.await {
                        Ok(found) => {
                            configs.extend(found);
                            continue;
                        }
                        Err(error) => Some(error),
                    }
                }
            };
            return Looked {
                violations: checks.found(),
                outline: checks.take_outline(),
                failure,
            };
        }
    }
}
