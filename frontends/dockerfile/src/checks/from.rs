//! Rules about FROM with the args before it.

use std::collections::BTreeSet;

use stromatekt_dockerfile_parser::{Dockerfile, From, Span, Variables};
use stromatekt_oci::platform::Platform;
use stromatekt_oci::reference::ImageReference;

use super::variables::{Asked, did_you_mean};
use super::{Checks, Rule};
use crate::environment::Environment;
use crate::expand::Words;
use crate::options::Options;
use crate::reading;
use crate::source::ImageSource;

const TARGET_PLATFORM: &str = "TARGETPLATFORM";

impl Checks<'_> {
    /// Looks at what each FROM names where no build args are given; `predefined` are the args that there always are.
    pub(crate) fn default_bases(
        &self,
        dockerfile: &Dockerfile,
        words: &Words,
        predefined: &Environment,
    ) {
        let mut args = predefined.clone();
        // What cannot be expanded is told later.
        if reading::global_args(dockerfile, &Options::default(), words, &mut args).is_err() {
            return;
        }
        for stage in &dockerfile.stages {
            let base = &stage.from.base;
            let Ok(name) = words.word(base, &args) else {
                return;
            };
            if name.parse::<ImageReference>().is_err() {
                let message = format!("Without build args, {} names no image", base.value);
                self.report(
                    Rule::InvalidDefaultArgInFrom,
                    None,
                    stage.from.span,
                    message,
                );
            }
        }
    }

    /// Looks at the args of a FROM. `declared` are the names of all args before the first FROM, set or not.
    pub(crate) fn from(
        &self,
        from: &From,
        words: &Words,
        globals: &Environment,
        declared: &BTreeSet<String>,
    ) {
        let asked = Asked::new(globals);
        let base = words.word(&from.base, &asked);
        self.undeclared(from, &asked, globals, declared);
        if base.is_err() || base.is_ok_and(|base| base.is_empty()) {
            return;
        }
        let Some(platform) = &from.platform else {
            return;
        };
        let asked = Asked::new(globals);
        let result = words.word(platform, &asked);
        self.undeclared(from, &asked, globals, declared);
        let Ok(result) = result else { return };
        let comments = Some(&from.comments);
        let (set, unset) = (asked.set(), asked.unset());
        if unset.is_empty()
            && set == [TARGET_PLATFORM]
            && globals.value(TARGET_PLATFORM) == Some(result.as_str())
        {
            let message = format!("{} is the platform of the base anyway", platform.value);
            self.report(Rule::RedundantTargetPlatform, comments, from.span, message);
        }
        let stage = from.name.as_ref().map_or("", |name| name.as_str());
        if set.is_empty()
            && unset.is_empty()
            && let Ok(parsed) = result.parse::<Platform>()
            && !stage.contains(&parsed.os)
            && !stage.contains(&parsed.architecture)
        {
            let message = format!("The platform \"{result}\" is a constant");
            self.report(
                Rule::FromPlatformFlagConstDisallowed,
                comments,
                from.span,
                message,
            );
        }
    }

    fn undeclared(
        &self,
        from: &From,
        asked: &Asked<'_>,
        globals: &Environment,
        declared: &BTreeSet<String>,
    ) {
        let known: BTreeSet<&str> = globals
            .names()
            .chain(declared.iter().map(String::as_str))
            .collect();
        for name in asked.unset() {
            if known.contains(name.as_str()) {
                continue;
            }
            let meant = did_you_mean(&name, "", known.iter().copied());
            let message = format!("The arg '{name}' is not declared before the first FROM{meant}");
            self.report(
                Rule::UndefinedArgInFrom,
                Some(&from.comments),
                from.span,
                message,
            );
        }
    }

    /// Looks at the platform of an image that was found.
    pub(crate) fn base_platform(&self, image: &ImageSource, found: &Platform, span: Span) {
        let wanted = &image.platform;
        if image.context.is_some()
            || (wanted.os == found.os && wanted.architecture == found.architecture)
        {
            return;
        }
        let message = format!(
            "The image {} is for \"{found}\", not for \"{wanted}\"",
            image.name
        );
        self.report(Rule::InvalidBaseImagePlatform, None, span, message);
    }
}
