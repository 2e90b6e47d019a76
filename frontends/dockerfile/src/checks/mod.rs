//! Build checks: what docker's frontend warns of, by the names of its rules. They stand beside lowering and change nothing of it.
//!
//! - [`Rule`]: the table of rules
//! - `settings`: which of them are looked at
//! - `file`: rules about the text alone
//! - `from`: rules about FROM with its args
//! - `instruction`: rules about an instruction with the values of its stage
//!
//! Rules are looked at in BuildKit's order, as far as the build gets.

mod file;
mod from;
mod instruction;
mod rule;
mod secrets;
mod settings;
mod variables;

use std::cell::RefCell;

use stromatekt_dockerfile_parser::{Comments, Dockerfile, Span};

pub use rule::Rule;
pub use settings::Settings;

pub(crate) use instruction::Marks;
pub(crate) use variables::Asked;

use crate::error::{Problem, Result};
use crate::options::Options;
use crate::outline::{self, Outline};
use crate::plan::{Plan, Stage};
use crate::state::State;

/// The build arg with settings, which stand in the place of those of the Dockerfile.
const SETTINGS: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// A rule that a Dockerfile does not follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// What there is, in a sentence.
    pub message: String,
    /// Where.
    pub span: Span,
}

/// Tells whether a source of COPY, as it is written in the end, names what the ignore file leaves out.
pub type IsIgnored<'a> = dyn Fn(&str) -> bool + 'a;

/// Looks at rules while a Dockerfile is lowered, and collects what does not follow them.
pub struct Checks<'a> {
    settings: Settings,
    is_ignored: Option<&'a IsIgnored<'a>>,
    /// Whether the stages that the target does not need are lowered, too.
    pub(crate) all_stages: bool,
    found: RefCell<Vec<Violation>>,
    wants_outline: bool,
    outline: RefCell<Option<Outline>>,
}

impl<'a> Checks<'a> {
    /// For a build: only what the target needs is looked at.
    ///
    /// # Errors
    /// When the settings cannot be read.
    pub fn new(dockerfile: &Dockerfile, options: &Options) -> Result<Self> {
        Ok(Self {
            settings: settings(dockerfile, options)?,
            is_ignored: None,
            all_stages: false,
            found: RefCell::default(),
            wants_outline: false,
            outline: RefCell::default(),
        })
    }

    /// Whether the settings among the build args can be read.
    ///
    /// # Errors
    /// When they cannot.
    pub fn check_build_args(options: &Options) -> Result<()> {
        given(options).map(drop)
    }

    /// Looks at what is copied, too.
    #[must_use]
    pub fn with_ignored(self, is_ignored: &'a IsIgnored<'a>) -> Self {
        Self {
            is_ignored: Some(is_ignored),
            ..self
        }
    }

    /// Looks at all stages.
    #[must_use]
    pub fn with_all_stages(self) -> Self {
        Self {
            all_stages: true,
            ..self
        }
    }

    /// What was found, in the order in which it was looked at.
    #[must_use]
    pub fn found(&self) -> Vec<Violation> {
        self.found.borrow().clone()
    }

    /// Makes an outline of the target, too.
    #[must_use]
    pub fn with_outline(self) -> Self {
        Self {
            wants_outline: true,
            ..self
        }
    }

    /// The outline, once the Dockerfile is lowered.
    #[must_use]
    pub fn take_outline(&self) -> Option<Outline> {
        self.outline.borrow_mut().take()
    }

    /// Makes the outline of a plan that was carried out, where it is wanted.
    pub(crate) fn outline(
        &self,
        dockerfile: &Dockerfile,
        plan: &Plan<'_>,
        stages: &[Stage<'_>],
        states: &[Option<State>],
    ) -> Result<()> {
        if self.wants_outline {
            let made = outline::outline(dockerfile, plan, stages, states)?;
            self.outline.replace(Some(made));
        }
        Ok(())
    }

    /// Looks at what comes before the first error of a text that is no Dockerfile, as far as that can be read.
    pub fn sound_part(&self, part: &Dockerfile) {
        self.instructions(part);
    }

    /// Adds a violation, unless its rule is not looked at.
    fn report(&self, rule: Rule, comments: Option<&Comments>, span: Span, message: String) {
        // What cannot be read is no setting.
        let own = comments
            .and_then(Comments::check)
            .and_then(|text| Settings::parse(&text).ok());
        if self.settings.has(rule, own.as_ref()) {
            self.found.borrow_mut().push(Violation {
                rule,
                message,
                span,
            });
        }
    }

    /// Fails where violations are errors and there are some.
    pub(crate) fn refuse(&self) -> Result<()> {
        let mut rules: Vec<&'static str> = Vec::new();
        for violation in self.found.borrow().iter() {
            let name = violation.rule.name();
            if !rules.contains(&name) {
                rules.push(name);
            }
        }
        match self.settings.is_error && !rules.is_empty() {
            true => Err(Problem::Checks { rules }.nowhere()),
            false => Ok(()),
        }
    }
}

/// The settings among the build args, where there are some.
fn given(options: &Options) -> Result<Option<Settings>> {
    let Some(text) = options.build_args.get(SETTINGS) else {
        return Ok(None);
    };
    Settings::parse(text).map(Some).map_err(|reason| {
        Problem::BuildArg {
            name: SETTINGS.to_owned(),
            reason,
            help: Problem::SETTINGS_HELP.to_owned(),
        }
        .nowhere()
    })
}

fn settings(dockerfile: &Dockerfile, options: &Options) -> Result<Settings> {
    if let Some(given) = given(options)? {
        return Ok(given);
    }
    match &dockerfile.directives.check {
        Some(directive) => Settings::parse(&directive.value)
            .map_err(|reason| Problem::CheckSettings { reason }.at(directive.span)),
        None => Ok(Settings::default()),
    }
}
