//! What a build of a target can be given: its args with their values, its secrets, its ssh agents.

use std::collections::{BTreeMap, BTreeSet};

use stromatekt_dockerfile_parser::{Dockerfile, Kind, Span};

use crate::build_args;
use crate::checks::Asked;
use crate::error::{Problem, Result};
use crate::mount;
use crate::plan::{Plan, Stage};
use crate::reading;
use crate::run::RunRequest;
use crate::source::Source;
use crate::state::State;

/// What a build of a target can be given, in the order of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    /// The target's name.
    pub name: Option<String>,
    /// What the comment before it says of it.
    pub description: Option<String>,
    /// The args that it and the stages below it use.
    pub args: Vec<OutlineArg>,
    /// The secrets that their steps read.
    pub secrets: Vec<Credential>,
    /// The ssh agents that their steps use.
    pub ssh: Vec<Credential>,
}

/// An arg.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutlineArg {
    /// Its name.
    pub name: String,
    /// What the comment before it says of it.
    pub description: Option<String>,
    /// Its value; empty where it has none.
    pub value: String,
    /// Where it is declared.
    pub span: Span,
}

/// A secret or an ssh agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Its id.
    pub name: String,
    /// Whether the step fails without it.
    pub is_required: bool,
    /// The first step that needs it.
    pub span: Span,
    /// Whether it is an agent.
    pub(crate) is_ssh: bool,
}

/// A global arg with what its default refers to.
struct Global {
    arg: OutlineArg,
    refers_to: Vec<String>,
}

/// What the mounts of a step need.
pub fn credentials(request: &RunRequest, span: Span) -> Vec<Credential> {
    let flags = request.mounts.iter().map(|(flag, _)| flag);
    flags
        .filter_map(|flag| {
            let is_ssh = match flag.kind {
                mount::Kind::Secret => false,
                mount::Kind::Ssh => true,
                _ => return None,
            };
            let name = match (flag.source.as_str(), flag.id.as_str()) {
                ("", "") if is_ssh => "default",
                ("", "") => crate::paths::base(&flag.target),
                ("", id) => id,
                (_, id) if is_ssh => id,
                (source, _) => source,
            };
            Some(Credential {
                name: name.to_owned(),
                is_required: flag.required,
                span,
                is_ssh,
            })
        })
        .collect()
}

/// The outline of the target of a plan that was carried out.
pub fn outline(
    dockerfile: &Dockerfile,
    plan: &Plan<'_>,
    stages: &[Stage<'_>],
    states: &[Option<State>],
) -> Result<Outline> {
    let outlining = Reading {
        dockerfile,
        plan,
        stages,
        states,
        globals: globals(dockerfile, plan)?,
    };
    let mut outline = Outline::default();
    if let Some(stage) = dockerfile.stages.get(plan.target) {
        outline.name = reading::stage_name(stage);
        outline.description = stage
            .from
            .comments
            .about(outline.name.as_deref().unwrap_or_default())
            .map(str::to_owned);
    }
    let mut seen = BTreeSet::new();
    outlining.collect(plan.target, &mut seen, &mut outline);
    outline.args.sort_by_key(|arg| arg.span.start);
    outline.secrets.sort_by_key(|secret| secret.span.start);
    outline.ssh.sort_by_key(|agent| agent.span.start);
    Ok(outline)
}

/// The args before the first FROM, the last declaration of each.
fn globals(dockerfile: &Dockerfile, plan: &Plan<'_>) -> Result<BTreeMap<String, Global>> {
    let last = dockerfile.stages.last().and_then(reading::stage_name);
    let mut set = build_args::predefined(plan.options, last.as_deref());
    let mut globals: BTreeMap<String, Global> = BTreeMap::new();
    for instruction in &dockerfile.global_args {
        let Kind::Arg(args) = &instruction.kind else {
            continue;
        };
        for arg in args {
            let name = arg.name.as_str();
            let mut refers_to = Vec::new();
            let value = match (plan.options.build_args.get(name), &arg.default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => {
                    let asked = Asked::new(&set);
                    let value = plan
                        .words
                        .word(default, &asked)
                        .map_err(|problem: Problem| problem.at(instruction.span))?;
                    refers_to = asked.set();
                    if refers_to.iter().any(|other| other == name) {
                        // What it was before counts.
                        refers_to.retain(|other| other != name);
                        let before = globals.get(name);
                        refers_to.extend(before.into_iter().flat_map(|old| old.refers_to.clone()));
                    }
                    Some(value)
                }
                (None, None) => None,
            };
            if let Some(value) = &value {
                set.set(name, value);
            }
            let arg = OutlineArg {
                name: name.to_owned(),
                description: instruction.comments.about(name).map(str::to_owned),
                value: value.unwrap_or_default(),
                span: instruction.span,
            };
            globals.insert(name.to_owned(), Global { arg, refers_to });
        }
    }
    Ok(globals)
}

/// A plan that was carried out, being read.
struct Reading<'a> {
    dockerfile: &'a Dockerfile,
    plan: &'a Plan<'a>,
    stages: &'a [Stage<'a>],
    states: &'a [Option<State>],
    globals: BTreeMap<String, Global>,
}

impl Reading<'_> {
    /// Adds what a stage can be given, then what those below it can; what is known by its name already is known better.
    fn collect(&self, index: usize, seen: &mut BTreeSet<(Class, String)>, outline: &mut Outline) {
        if !seen.insert((Class::Stage, index.to_string())) {
            return;
        }
        for arg in self.args(index) {
            if seen.insert((Class::Arg, arg.name.clone())) {
                outline.args.push(arg);
            }
        }
        for credential in &self.stages[index].credentials {
            let (class, list) = match credential.is_ssh {
                true => (Class::Ssh, &mut outline.ssh),
                false => (Class::Secret, &mut outline.secrets),
            };
            if seen.insert((class, credential.name.clone())) {
                list.push(credential.clone());
            }
        }
        for below in self.below(index) {
            self.collect(below, seen, outline);
        }
    }

    /// The stages that a stage is made of, its base first.
    fn below(&self, index: usize) -> Vec<usize> {
        let stage = &self.stages[index];
        if stage.replaced.is_some() {
            return Vec::new();
        }
        let sources = stage
            .steps
            .iter()
            .flat_map(|step| step.from.iter().flatten());
        std::iter::once(&stage.base)
            .chain(sources)
            .filter_map(|source| match source {
                Source::Stage(other) => Some(*other),
                _ => None,
            })
            .collect()
    }

    /// The args that a stage uses: in its FROM, by declaring them, and those that the defaults of global ones refer to.
    fn args(&self, index: usize) -> Vec<OutlineArg> {
        let mut own = BTreeMap::new();
        let mut used = self.used_by_from(index);
        for (arg, is_global) in self.declared(index) {
            used.push(arg.name.clone());
            if !is_global {
                own.insert(arg.name.clone(), arg);
            }
        }
        let mut at = 0;
        while let Some(name) = used.get(at) {
            at += 1;
            if own.contains_key(name) {
                continue;
            }
            let refers_to = self.globals.get(name).map(|global| &global.refers_to);
            let more: Vec<String> = refers_to
                .into_iter()
                .flatten()
                .filter(|other| !used.contains(other))
                .cloned()
                .collect();
            used.extend(more);
        }
        used.iter()
            .filter_map(|name| {
                let global = || self.globals.get(name).map(|global| &global.arg);
                own.get(name).or_else(global).cloned()
            })
            .collect()
    }

    fn used_by_from(&self, index: usize) -> Vec<String> {
        let Some(stage) = self.dockerfile.stages.get(index) else {
            return Vec::new();
        };
        if self.stages[index].replaced.is_some() {
            return Vec::new();
        }
        let asked = Asked::new(&self.plan.globals);
        for word in std::iter::once(&stage.from.base).chain(&stage.from.platform) {
            // It was expanded before: it can be.
            let _ = self.plan.words.word(word, &asked);
        }
        asked.set()
    }

    /// The args that a stage declares, and whether each is but the global one of its name.
    fn declared(&self, index: usize) -> Vec<(OutlineArg, bool)> {
        let mut declared = Vec::new();
        for step in &self.stages[index].steps {
            let Kind::Arg(args) = &step.instruction.kind else {
                continue;
            };
            for arg in args {
                let name = arg.name.as_str();
                let is_global = arg.default.is_none()
                    && !self.plan.options.build_args.contains_key(name)
                    && self.plan.globals.get(name).is_some();
                let comments = &step.instruction.comments;
                let arg = OutlineArg {
                    name: name.to_owned(),
                    description: comments.about(name).map(str::to_owned),
                    value: String::new(),
                    span: step.instruction.span,
                };
                declared.push((arg, is_global));
            }
        }
        // The state knows their values, after those of the stages below.
        let state = self.states.get(index).and_then(Option::as_ref);
        let values = state.map_or(&[][..], |state| &state.args);
        let values = values
            .iter()
            .skip(values.len().saturating_sub(declared.len()));
        for ((arg, _), (_, value)) in declared.iter_mut().zip(values) {
            arg.value = value.clone().unwrap_or_default();
        }
        declared
    }
}

/// Kinds of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    Stage,
    Arg,
    Secret,
    Ssh,
}
