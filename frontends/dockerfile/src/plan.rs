//! The stages of a Dockerfile with everything resolved that has a name: bases, platforms, sources of copies and mounts,
//! triggers, and which stages and images the target needs.

use std::borrow::Cow;
use std::collections::BTreeSet;

use stromatekt_dockerfile_parser::{self as parser, Dockerfile, Instruction, Span, nearest};
use stromatekt_oci::platform::Platform;

use crate::checks::Checks;
use crate::environment::Environment;
use crate::error::{Problem, Result};
use crate::expand::Words;
use crate::labels::Labels;
use crate::options::Options;
use crate::outline::Credential;
use crate::source::{self, Source};
use crate::{build_args, reading};

/// A Dockerfile with its names resolved.
pub struct Plan<'a> {
    /// What the user said.
    pub options: &'a Options,
    /// How words are expanded.
    pub words: Words,
    /// The args before the first FROM.
    pub globals: Environment,
    /// The time of the image, in seconds and as text.
    pub epoch: Option<(i64, String)>,
    /// The stages in order.
    pub stages: Vec<Stage<'a>>,
    /// The stage that is wanted.
    pub target: usize,
    /// What looks at rules.
    pub checks: &'a Checks<'a>,
    /// The names of the args before the first FROM, set or not.
    declared: BTreeSet<String>,
}

/// A stage with its names resolved.
pub struct Stage<'a> {
    /// The name, in lower case.
    pub name: Option<String>,
    /// What it is called where it has no name, too.
    pub title: String,
    /// Where its FROM stands.
    pub span: Span,
    /// What it starts from.
    pub base: Source,
    /// The named context that stands in its place.
    pub replaced: Option<Source>,
    /// The platform of its base and its processes.
    pub platform: Platform,
    /// What is done, triggers of the base first.
    pub steps: Vec<Step<'a>>,
    /// The labels of the steps.
    pub labels: Labels,
    /// Whether its steps look for no earlier result.
    pub no_cache: bool,
    /// Whether the triggers of the base are among the steps already.
    pub has_triggers: bool,
    /// The secrets and ssh agents of the steps that were carried out.
    pub credentials: Vec<Credential>,
}

/// An instruction with the trees it takes files from.
pub struct Step<'a> {
    /// The instruction.
    pub instruction: Cow<'a, Instruction>,
    /// What `--from` of a copy names, or `from` of each mount; nothing where it is not given.
    pub from: Vec<Option<Source>>,
    /// The text of the trigger, if it is one.
    pub trigger: Option<String>,
}

impl<'a> Plan<'a> {
    /// Resolves all names of a Dockerfile.
    pub fn new(
        dockerfile: &'a Dockerfile,
        options: &'a Options,
        checks: &'a Checks<'a>,
    ) -> Result<Self> {
        checks.file(dockerfile);
        build_args::check(options).map_err(Problem::nowhere)?;
        check_frontend(dockerfile, options)?;
        if dockerfile.stages.is_empty() {
            return Err(Problem::Syntax(parser::Problem::NoStage).nowhere());
        }
        let words = Words::of(dockerfile);
        let last_name = dockerfile.stages.last().and_then(reading::stage_name);
        let mut globals = build_args::predefined(options, last_name.as_deref());
        checks.default_bases(dockerfile, &words, &globals);
        reading::global_args(dockerfile, options, &words, &mut globals)?;
        let epoch = build_args::source_date_epoch(options, &globals).map_err(Problem::nowhere)?;
        if let Some((seconds, _)) = &epoch
            && globals.get(build_args::EPOCH).is_some()
        {
            globals.set(build_args::EPOCH, &seconds.to_string());
        }
        let is_of_context = globals.get(build_args::EPOCH) == Some(build_args::OF_CONTEXT);
        if epoch.is_none() && (options.build_args.contains_key(build_args::EPOCH) || is_of_context)
        {
            // Given, but empty: as if nobody had spoken of it.
            globals.remove(build_args::EPOCH);
        }
        let mut plan = Self {
            options,
            words,
            globals,
            epoch,
            stages: Vec::new(),
            target: 0,
            checks,
            declared: reading::global_names(dockerfile),
        };
        for stage in &dockerfile.stages {
            let stage = plan.stage(stage)?;
            plan.stages.push(stage);
        }
        plan.target = plan.find_target()?;
        let mut is_alone = plan.stages.len() == 1;
        for (index, stage) in dockerfile.stages.iter().enumerate() {
            for instruction in &stage.instructions {
                let (step, only_stages) = plan
                    .step(Cow::Borrowed(instruction), None)
                    .map_err(|problem| problem.at(instruction.span))?;
                is_alone &= only_stages;
                plan.stages[index].steps.push(step);
            }
        }
        plan.check_circles()?;
        plan.number_steps(is_alone);
        Ok(plan)
    }

    fn stage(&self, stage: &'a parser::Stage) -> Result<Stage<'a>> {
        let index = self.stages.len();
        let span = stage.from.span;
        self.checks
            .from(&stage.from, &self.words, &self.globals, &self.declared);
        let place = stage.from.base.span;
        let base = self
            .words
            .word(&stage.from.base, &self.globals)
            .map_err(|problem| problem.at(place))?;
        if base.is_empty() {
            return Err(Problem::BlankBase {
                expression: stage.from.base.value.clone(),
            }
            .at(place));
        }
        let platform = self.platform(stage)?;
        let name = reading::stage_name(stage);
        let names = self.names();
        let wanted = platform
            .clone()
            .unwrap_or_else(|| self.options.target_platform().clone());
        let replaced = name
            .as_deref()
            .and_then(|name| self.options.named_context(name, &wanted))
            .map(|(given, context)| source::resolve_context(given, context, &wanted, &names))
            .transpose()
            .map_err(|problem| problem.at(span))?;
        // Unlike `--from`, FROM knows stages by their names in lower case only.
        let earlier = self
            .stages
            .iter()
            .rposition(|stage| stage.name.as_deref() == Some(base.as_str()));
        let base = match earlier {
            _ if replaced.is_some() => Source::Scratch,
            Some(earlier) => Source::Stage(earlier),
            None => source::resolve(&base, &wanted, self.options, &names)
                .map_err(|problem| problem.at(place))?,
        };
        let platform = match &base {
            Source::Stage(earlier) => self.stages[*earlier].platform.clone(),
            // Nothing is of no platform: the image is of that which is built for, whatever `--platform` says.
            Source::Scratch if replaced.is_none() => self.options.target_platform().clone(),
            _ => wanted,
        };
        if platform.os != "linux" {
            return Err(Problem::UnsupportedSystem {
                platform: platform.to_string(),
            }
            .at(span));
        }
        Ok(Stage {
            title: name.clone().unwrap_or_else(|| format!("stage-{index}")),
            no_cache: self.options.no_cache.applies_to(name.as_deref()),
            name,
            span,
            base,
            replaced,
            platform,
            steps: Vec::new(),
            labels: Labels::new(None, 0),
            has_triggers: false,
            credentials: Vec::new(),
        })
    }

    fn platform(&self, stage: &parser::Stage) -> Result<Option<Platform>> {
        let Some(word) = reading::platform(stage) else {
            return Ok(None);
        };
        let text = self
            .words
            .word(word, &self.globals)
            .map_err(|problem| problem.at(word.span))?;
        let invalid = |reason: String| {
            Problem::Platform {
                text: word.value.clone(),
                reason,
            }
            .at(word.span)
        };
        if text.is_empty() {
            return Err(invalid("it expands to nothing".to_owned()));
        }
        text.parse()
            .map(Some)
            .map_err(|error: stromatekt_oci::Error| invalid(error.to_string()))
    }

    /// The names of the stages so far; empty for those without.
    pub fn names(&self) -> Vec<&str> {
        self.stages
            .iter()
            .map(|stage| stage.name.as_deref().unwrap_or(""))
            .collect()
    }

    /// The last stage of a name so far. Names have no case.
    fn find(&self, name: &str) -> Option<usize> {
        self.stages.iter().rposition(|stage| {
            stage
                .name
                .as_deref()
                .is_some_and(|known| known.eq_ignore_ascii_case(name))
        })
    }

    fn find_target(&self) -> Result<usize> {
        let Some(name) = self
            .options
            .target
            .as_deref()
            .filter(|name| !name.is_empty())
        else {
            return Ok(self.stages.len().saturating_sub(1));
        };
        // Not by number, as `COPY --from` may: BuildKit knows targets by their names alone.
        self.find(name).ok_or_else(|| {
            let names: Vec<String> = self
                .stages
                .iter()
                .filter_map(|stage| stage.name.clone())
                .collect();
            Problem::UnknownTarget {
                name: name.to_owned(),
                nearest: nearest(name, names.iter().map(String::as_str)),
                names,
            }
            .nowhere()
        })
    }

    /// An instruction with its sources, and whether all of those are stages.
    pub fn step(
        &self,
        instruction: Cow<'a, Instruction>,
        trigger: Option<String>,
    ) -> std::result::Result<(Step<'a>, bool), Problem> {
        let mut only_stages = true;
        let mut from = Vec::new();
        for name in reading::sources(&instruction, &self.words)? {
            let source = match &name {
                reading::From::Nothing { counts } => {
                    only_stages &= !counts;
                    None
                }
                reading::From::Copy(name) => Some(self.copy_source(name)?),
                reading::From::Mount(name) => Some(self.mount_source(name)?),
            };
            only_stages &= !matches!(&source, Some(source) if !matches!(source, Source::Stage(_)));
            from.push(source);
        }
        Ok((
            Step {
                instruction,
                from,
                trigger,
            },
            only_stages,
        ))
    }

    fn copy_source(&self, name: &str) -> std::result::Result<Source, Problem> {
        match name.parse::<i64>() {
            Ok(number) => match usize::try_from(number) {
                Ok(index) if index < self.stages.len() => Ok(Source::Stage(index)),
                _ => Err(Problem::UnknownStageNumber {
                    index: name.to_owned(),
                    count: self.stages.len(),
                }),
            },
            Err(_) => self.named_source(name),
        }
    }

    fn mount_source(&self, name: &str) -> std::result::Result<Source, Problem> {
        if name.bytes().all(|c| c.is_ascii_digit()) {
            return Err(Problem::MountFromNumber {
                index: name.to_owned(),
            });
        }
        self.named_source(name)
    }

    fn named_source(&self, name: &str) -> std::result::Result<Source, Problem> {
        match self.find(name) {
            Some(index) => Ok(Source::Stage(index)),
            None => source::resolve(
                name,
                self.options.target_platform(),
                self.options,
                &self.names(),
            ),
        }
    }

    /// The stages that a stage takes files from, its base aside.
    pub fn copied_stages(&self, index: usize) -> impl Iterator<Item = (usize, Span)> {
        self.stages[index].steps.iter().flat_map(|step| {
            step.from
                .iter()
                .flatten()
                .filter_map(|source| match source {
                    Source::Stage(from) => Some((*from, step.instruction.span)),
                    _ => None,
                })
        })
    }

    fn check_circles(&self) -> Result<()> {
        // 0: not seen, 1: on the path, 2: done.
        let mut marks = vec![0_u8; self.stages.len()];
        for start in 0..self.stages.len() {
            // Each entry is a stage with those that it takes files from and that are still to be visited.
            let mut path = Vec::new();
            if marks[start] == 0 {
                marks[start] = 1;
                path.push((start, self.copied_stages(start).collect::<Vec<_>>()));
            }
            while let Some((index, rest)) = path.last_mut() {
                match rest.pop() {
                    None => {
                        marks[*index] = 2;
                        path.pop();
                    }
                    Some((next, span)) if marks[next] == 1 => {
                        return Err(Problem::Circular {
                            stage: self.stages[next].title.clone(),
                        }
                        .at(span));
                    }
                    Some((next, _)) if marks[next] == 0 => {
                        marks[next] = 1;
                        path.push((next, self.copied_stages(next).collect()));
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Has the labels of steps tell the platform, and that which is built for where the stage looks at it and it is another.
    pub fn show_platforms(&mut self) {
        let target = self.options.target_platform().normalized();
        for stage in &mut self.stages {
            let looks = stage.steps.iter().any(|step| {
                let declared = reading::declared(&step.instruction);
                declared.iter().any(|name| name.starts_with("TARGET"))
            });
            let own = &stage.platform;
            let other = match (looks, own.os == target.os, &target.variant) {
                (false, ..) => String::new(),
                (true, false, _) => format!("->{target}"),
                (true, true, _) if own.architecture == target.architecture => String::new(),
                (true, true, None) => format!("->{}", target.architecture),
                (true, true, Some(variant)) => format!("->{}/{variant}", target.architecture),
            };
            stage.labels.show_platform(format!("{own}{other}"));
        }
    }

    fn number_steps(&mut self, is_alone: bool) {
        for stage in &mut self.stages {
            let counted = stage
                .steps
                .iter()
                .filter(|step| reading::is_counted(&step.instruction))
                .count();
            let base = usize::from(!matches!(stage.base, Source::Stage(_) | Source::Scratch));
            let title = (!is_alone).then(|| stage.title.clone());
            stage.labels = Labels::new(title, counted + base);
        }
    }
}

/// Refuses a `# syntax=` line that names another language than this. `BUILDKIT_SYNTAX` stands above it and was looked at before.
fn check_frontend(dockerfile: &Dockerfile, options: &Options) -> Result<()> {
    match &dockerfile.directives.syntax {
        Some(syntax)
            if !options.build_args.contains_key("BUILDKIT_SYNTAX")
                && !build_args::is_known_syntax(&syntax.value) =>
        {
            let image = syntax.value.split(' ').next().unwrap_or_default();
            Err(Problem::Frontend {
                image: image.to_owned(),
            }
            .at(syntax.span))
        }
        _ => Ok(()),
    }
}
