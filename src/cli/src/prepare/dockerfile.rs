//! A Dockerfile as a graph: the images that it needs the configs of are looked up on the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use stromatekt_dockerfile::checks::{Checks, IsIgnored};
use stromatekt_dockerfile::{Dockerfile, ImageConfigs, Lowered, Lowering, lower_checked};
use stromatekt_engine::PlatformExport;
use stromatekt_engine::events::Warning;
use stromatekt_graph::Origin;

use super::{Prepared, Wanted, Work};
use crate::base_images;
use crate::context::{self, Context};
use crate::context_files::Fetch;
use crate::error::{DockerfileText, Error, Result};
use crate::settings::Settings;

impl Work<'_> {
    /// Reads and lowers a Dockerfile.
    pub(super) async fn dockerfile(
        &self,
        context: Context,
        fetch: &Fetch<'_>,
        settings: &mut Settings,
    ) -> Result<Prepared> {
        settings.options.context_time = context.time();
        let dockerfile = context.dockerfile.parse()?;
        let ignored = |source: &str| context.leaves_out(source, fetch);
        let (lowered, configs) = self
            .lower(&dockerfile, &context.dockerfile, settings, &ignored)
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
                Some(directory) => context::named(directory, fetch)?,
                None => context.local(fetch)?,
            };
            contexts.insert(name.clone(), local);
        }
        let exports = lowered.images.into_iter().map(|image| PlatformExport {
            node: image.export,
            platform: image.platform,
            source_date_epoch: image.source_date_epoch,
        });
        Ok(Prepared {
            graph: lowered.graph,
            images: vec![Wanted {
                name: None,
                exports: exports.collect(),
                is_index: lowered.is_index,
                tags: Vec::new(),
                output: None,
            }],
            contexts,
            configs,
            directories: settings.directories.clone(),
            notes: Vec::new(),
            texts: vec![context.dockerfile.clone()],
            _context: context,
        })
    }

    async fn lower(
        &self,
        dockerfile: &Dockerfile,
        text: &DockerfileText,
        settings: &Settings,
        ignored: &IsIgnored<'_>,
    ) -> Result<(Lowered, ImageConfigs)> {
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
                    let (engine, events) = (self.engine()?, self.events);
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
                    return Ok((*lowered, configs));
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
