//! A plan carried out: stages in order, each instruction's effect on the state and the graph.

use std::collections::BTreeSet;
use std::sync::Arc;

use stromatekt_dockerfile_parser::{Dockerfile, Instruction, Problem as Syntax, Span};
use stromatekt_graph::file::FileAction;
use stromatekt_graph::op::File;
use stromatekt_graph::{NodeId, Op, Origin};
use stromatekt_oci::platform::Platform;

use crate::build_args;
use crate::checks::Checks;
use crate::copy::{self, Marks};
use crate::effect::{self, Effect};
use crate::error::{Problem, Result};
use crate::export;
use crate::inherit;
use crate::labels::uppercase_keyword;
use crate::lowered::{ImageConfigs, ImageRequest, Lowered, LoweredImage, Lowering};
use crate::options::Options;
use crate::outline;
use crate::paths;
use crate::plan::{Plan, Stage, Step};
use crate::reading;
use crate::ready::{Readiness, in_trigger};
use crate::run;
use crate::source::{Builder, Source};
use crate::state::State;

/// The images whose configs must be known before a Dockerfile can be lowered: those that the target needs.
///
/// # Errors
/// When the Dockerfile cannot be built whatever those configs are.
pub fn bases(dockerfile: &Dockerfile, options: &Options) -> Result<Vec<ImageRequest>> {
    let checks = Checks::new(dockerfile, options)?;
    match Plan::new(dockerfile, options, &checks)?.ready(&ImageConfigs::new())? {
        Readiness::Ready(_) => Ok(Vec::new()),
        Readiness::Needs(requests) => Ok(requests),
    }
}

/// The graph of a Dockerfile's target; or further images whose configs must be known, where `configs` lacks some.
///
/// `file` is the Dockerfile's name as the user wrote it, for progress and errors.
///
/// # Errors
/// When an instruction that the target needs cannot be carried out.
pub fn lower(
    dockerfile: &Dockerfile,
    file: &str,
    options: &Options,
    configs: &ImageConfigs,
) -> Result<Lowering> {
    let checks = Checks::new(dockerfile, options)?;
    lower_checked(dockerfile, file, options, configs, &checks)
}

/// As [`lower`], with these checks: whatever comes of it, they know afterwards what they found as far as it got.
///
/// # Errors
/// Those of [`lower`], and where violations are errors.
pub fn lower_checked(
    dockerfile: &Dockerfile,
    file: &str,
    options: &Options,
    configs: &ImageConfigs,
    checks: &Checks<'_>,
) -> Result<Lowering> {
    let is_index = build_args::is_multi_platform(options).map_err(Problem::nowhere)?;
    let platforms = match options.platforms.as_slice() {
        [] => std::slice::from_ref(&options.build_platform),
        several => several,
    };
    let mut lowering = Images {
        dockerfile,
        file: file.into(),
        configs,
        builder: Builder::default(),
    };
    let mut images = Vec::new();
    let mut requests: Vec<ImageRequest> = Vec::new();
    let mut told = Vec::new();
    for (number, platform) in platforms.iter().enumerate() {
        let own;
        let options = match options.platforms.is_empty() {
            true => options,
            false => {
                own = options.for_platform(platform);
                &own
            }
        };
        // What violates rules does so for all platforms: the first one tells.
        let silent;
        let checks = match number {
            0 => checks,
            _ => {
                silent = Checks::new(dockerfile, options)?;
                &silent
            }
        };
        match lowering.image(options, platform, is_index, checks)? {
            OneLowered::Done(image, warnings) => {
                images.push(image);
                if number == 0 {
                    told = warnings;
                }
            }
            OneLowered::Needs(more) => {
                for request in more {
                    let is_known = requests.iter().any(|known| {
                        (&known.location, &known.platform) == (&request.location, &request.platform)
                    });
                    if !is_known {
                        requests.push(request);
                    }
                }
            }
        }
    }
    if !requests.is_empty() {
        return Ok(Lowering::NeedsImages(requests));
    }
    Ok(Lowering::Done(Box::new(Lowered {
        graph: lowering.builder.graph,
        images,
        is_index,
        contexts: lowering.builder.contexts,
        warnings: told,
    })))
}

/// What the platforms have in common: the graph above all, in which equal work is done once.
struct Images<'a> {
    dockerfile: &'a Dockerfile,
    file: Arc<str>,
    configs: &'a ImageConfigs,
    builder: Builder,
}

/// One platform, lowered.
enum OneLowered {
    /// The image, with what the user should know.
    Done(LoweredImage, Vec<String>),
    /// The images that must be known first.
    Needs(Vec<ImageRequest>),
}

impl Images<'_> {
    fn image(
        &mut self,
        options: &Options,
        platform: &Platform,
        is_index: bool,
        checks: &Checks<'_>,
    ) -> Result<OneLowered> {
        let mut plan = Plan::new(self.dockerfile, options, checks)?;
        if is_index {
            plan.show_platforms();
        }
        let order = match plan.ready(self.configs)? {
            Readiness::Ready(order) => order,
            Readiness::Needs(requests) => return Ok(OneLowered::Needs(requests)),
        };
        let mut lowering = StageLowering {
            dockerfile: self.dockerfile,
            file: Arc::clone(&self.file),
            configs: self.configs,
            builder: &mut self.builder,
            states: vec![None; plan.stages.len()],
        };
        let mut stages = std::mem::take(&mut plan.stages);
        for index in order {
            let state = lowering.stage(&plan, &mut stages[index])?;
            lowering.states[index] = Some(state);
        }
        checks.refuse()?;
        checks.outline(self.dockerfile, &plan, &stages, &lowering.states)?;
        let target = lowering.states[plan.target]
            .take()
            .ok_or_else(|| Problem::Syntax(Syntax::NoStage).nowhere())?;
        let export =
            export::export(lowering.builder, &target, options).map_err(Problem::nowhere)?;
        let image = LoweredImage {
            platform: platform.normalized(),
            export,
            source_date_epoch: plan.epoch.as_ref().map(|(seconds, _)| *seconds),
        };
        let warnings = warnings(self.dockerfile, &plan, &stages);
        Ok(OneLowered::Done(image, warnings))
    }
}

fn warnings(dockerfile: &Dockerfile, plan: &Plan<'_>, stages: &[Stage<'_>]) -> Vec<String> {
    let mut declared: BTreeSet<String> = reading::global_names(dockerfile);
    for stage in stages {
        for step in &stage.steps {
            declared.extend(reading::declared(&step.instruction));
        }
    }
    let predefined = build_args::predefined(plan.options, None);
    let unused = build_args::unused(plan.options, &declared, &predefined);
    let mut warnings = Vec::new();
    if !unused.is_empty() {
        warnings.push(format!(
            "[Warning] One or more build-args [{}] were not consumed",
            unused.join(" ")
        ));
    }
    warnings
}

/// Stages being lowered.
struct StageLowering<'a> {
    dockerfile: &'a Dockerfile,
    file: Arc<str>,
    configs: &'a ImageConfigs,
    builder: &'a mut Builder,
    /// The end of each stage that is done.
    states: Vec<Option<State>>,
}

impl StageLowering<'_> {
    fn stage(&mut self, plan: &Plan<'_>, stage: &mut Stage<'_>) -> Result<State> {
        let span = stage.span;
        let mut state = self
            .start(plan, stage)
            .map_err(|problem| problem.at(span))?;
        if stage.replaced.is_none() {
            let steps = std::mem::take(&mut stage.steps);
            for step in &steps {
                self.step(plan, stage, &mut state, step)
                    .map_err(|problem| match &step.trigger {
                        Some(trigger) => in_trigger(problem, trigger, span),
                        None => problem.at(step.instruction.span),
                    })?;
            }
            stage.steps = steps;
        }
        Ok(state)
    }

    /// The state before the first instruction.
    fn start(&mut self, plan: &Plan<'_>, stage: &mut Stage<'_>) -> Result<State, Problem> {
        let created = plan.epoch.as_ref().map(|(_, text)| text.clone());
        let origin = self.origin(stage.span);
        let platform = stage.platform.clone();
        match stage.replaced.as_ref().unwrap_or(&stage.base) {
            Source::Stage(base) => self.state(*base).map(State::next_stage),
            Source::Scratch => {
                let tree = self.builder.scratch()?;
                let image = inherit::from_nothing(&platform);
                Ok(State::on_image(tree, None, image, created))
            }
            Source::Image(image) => {
                let text = format!("FROM {}", image.location);
                // Named contexts have labels of their own, which are not counted.
                let label = match image.context {
                    Some(_) => text,
                    None => stage.labels.next(&text, false),
                };
                let tree = self.builder.image(image, label, origin)?;
                let config = self
                    .configs
                    .get(&(image.location.clone(), image.platform.clone()))
                    .cloned()
                    .unwrap_or_else(|| inherit::from_nothing(&platform));
                plan.checks
                    .base_platform(image, &config.platform(), stage.span);
                Ok(State::on_image(tree, Some(tree), config, created))
            }
            Source::Files(name, files) => {
                let tree = self.builder.files(name, files, origin)?;
                let image = inherit::from_nothing(&platform);
                let empty = self.builder.scratch()?;
                let mut state = State::on_image(empty, None, image, created);
                // The files are the image's first layer.
                let text = format!("FROM {name}");
                state.add_layer(tree, true, text);
                Ok(state)
            }
        }
    }

    fn step(
        &mut self,
        plan: &Plan<'_>,
        stage: &mut Stage<'_>,
        state: &mut State,
        step: &Step<'_>,
    ) -> Result<(), Problem> {
        plan.checks.instruction(&step.instruction, state, plan);
        let effect = effect::read(&step.instruction, state, plan)?;
        match effect {
            Effect::Config => Ok(()),
            Effect::WorkIn(directory) => self.work_in(plan, stage, state, step, &directory),
            Effect::Copy(request) => {
                let from = match step.from.first().and_then(Option::as_ref) {
                    Some(source) => Some(self.tree(source, &step.instruction)?),
                    None => None,
                };
                let marks = self.marks(plan, stage, state, step, None);
                copy::copy(self.builder, state, &request, from, marks)
            }
            Effect::Run(mut request) => {
                let span = step.instruction.span;
                stage
                    .credentials
                    .extend(outline::credentials(&request, span));
                for ((_, tree), source) in request.mounts.iter_mut().zip(&step.from) {
                    if let Some(source) = source {
                        *tree = Some(self.tree(source, &step.instruction)?);
                    }
                }
                let marks = self.marks(plan, stage, state, step, request.summary());
                run::run(self.builder, state, &request, plan.options, marks)
            }
        }
    }

    fn work_in(
        &mut self,
        plan: &Plan<'_>,
        stage: &mut Stage<'_>,
        state: &mut State,
        step: &Step<'_>,
        directory: &str,
    ) -> Result<(), Problem> {
        let directory = paths::working_directory(state.working_dir(), directory);
        if directory == "/" {
            state.work_in_root();
            return Ok(());
        }
        let marks = self.marks(plan, stage, state, step, None);
        let made = FileAction::MakeDirectory {
            path: paths::clean(&directory),
            owner: state.image.config.user.clone(),
            time: plan.epoch.as_ref().map(|(seconds, _)| *seconds),
        };
        let op = Op::File(File {
            root: state.tree,
            actions: vec![made],
        });
        let lower_is_empty = self.builder.is_scratch(state.tree);
        let tree = self.builder.add(op, marks.label, marks.origin)?;
        state.work_in(&directory, tree, lower_is_empty);
        Ok(())
    }

    /// The label as buildx shows it: the instruction's text, expanded.
    fn marks(
        &self,
        plan: &Plan<'_>,
        stage: &mut Stage<'_>,
        state: &State,
        step: &Step<'_>,
        summary: Option<String>,
    ) -> Marks {
        let mut text = reading::text(&step.instruction).to_owned();
        if let Some(summary) = summary {
            text = format!("{text} ({summary})");
        }
        let text = reading::label(&step.instruction, &text, state, plan);
        let span = match step.trigger {
            Some(_) => stage.span,
            None => step.instruction.span,
        };
        Marks {
            label: stage
                .labels
                .next(&uppercase_keyword(&text), step.trigger.is_some()),
            origin: self.origin(span),
            no_cache: stage.no_cache,
        }
    }

    fn origin(&self, span: Span) -> Option<Origin> {
        let (first_line, last_line) = self.dockerfile.lines(span);
        Some(Origin {
            file: Arc::clone(&self.file),
            first_line,
            last_line,
        })
    }

    fn state(&self, stage: usize) -> Result<&State, Problem> {
        self.states
            .get(stage)
            .and_then(Option::as_ref)
            .ok_or_else(|| Problem::Circular {
                stage: stage.to_string(),
            })
    }

    /// The tree that files are taken from.
    fn tree(&mut self, source: &Source, instruction: &Instruction) -> Result<NodeId, Problem> {
        let origin = self.origin(instruction.span);
        match source {
            Source::Stage(stage) => Ok(self.state(*stage)?.tree),
            Source::Scratch => self.builder.scratch(),
            Source::Image(image) => {
                let label = format!("FROM {}", image.location);
                self.builder.image(image, label, origin)
            }
            Source::Files(name, files) => self.builder.files(name, files, origin),
        }
    }
}
