//! The parser's instructions as what lowering does with them: the names that they refer to, their place, their label.

use std::collections::BTreeSet;

use stromatekt_dockerfile_parser::{
    Dockerfile, Instruction, Kind, Span, Stage, Variables, Word, parse_instruction,
};

use crate::build_args;
use crate::environment::Environment;
use crate::error::{Error, Problem};
use crate::expand::Words;
use crate::options::Options;
use crate::plan::Plan;
use crate::reading_run;
use crate::state::State;

/// What an instruction takes files from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From<'a> {
    /// Nothing that has a name. It `counts` where BuildKit makes a stage of nothing for it: for mounts.
    Nothing {
        /// Whether it counts as a stage.
        counts: bool,
    },
    /// What `--from` of a copy names.
    Copy(&'a str),
    /// What `from` of a mount names.
    Mount(&'a str),
}

/// The name of a stage, in lower case.
pub fn stage_name(stage: &Stage) -> Option<String> {
    stage.from.name.as_ref().map(|name| name.value.clone())
}

/// The `--platform` of a stage.
pub fn platform(stage: &Stage) -> Option<&Word> {
    stage.from.platform.as_ref()
}

/// Sets the args before the first FROM. Each sees those before it.
pub fn global_args(
    dockerfile: &Dockerfile,
    options: &Options,
    words: &Words,
    globals: &mut Environment,
) -> Result<(), Error> {
    for instruction in &dockerfile.global_args {
        let Kind::Arg(args) = &instruction.kind else {
            continue;
        };
        for arg in args {
            let name = &arg.name.value;
            let value = match (options.build_args.get(name), &arg.default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => Some(
                    words
                        .word(default, globals)
                        .map_err(|problem| problem.at(instruction.span))?,
                ),
                (None, None) => None,
            };
            if let Some(value) = value {
                globals.set(name, &value);
            }
        }
    }
    Ok(())
}

/// The names of all args before the first FROM.
pub fn global_names(dockerfile: &Dockerfile) -> BTreeSet<String> {
    dockerfile.global_args.iter().flat_map(declared).collect()
}

/// The args that an instruction declares.
pub fn declared(instruction: &Instruction) -> Vec<String> {
    match &instruction.kind {
        Kind::Arg(args) => args.iter().map(|arg| arg.name.value.clone()).collect(),
        _ => Vec::new(),
    }
}

/// What an instruction takes files from: one entry for a copy, one for each mount of a RUN.
pub fn sources<'a>(instruction: &'a Instruction, words: &Words) -> Result<Vec<From<'a>>, Problem> {
    match &instruction.kind {
        Kind::Copy(copy) => Ok(vec![match &copy.from {
            None => From::Nothing { counts: false },
            Some(from) => {
                // What expands to itself has nothing to expand.
                if words.word(from, &())? != from.value {
                    return Err(Problem::VariableInFrom { place: from.span });
                }
                From::Copy(&from.value)
            }
        }]),
        Kind::Run(run) => Ok(run
            .mounts
            .iter()
            .map(|mount| match mount.from() {
                None => From::Nothing { counts: true },
                Some(from) => From::Mount(from),
            })
            .collect()),
        _ => Ok(Vec::new()),
    }
}

/// Whether a step has a number in the labels of its stage.
pub fn is_counted(instruction: &Instruction) -> bool {
    matches!(
        instruction.kind,
        Kind::Add(_) | Kind::Copy(_) | Kind::Run(_) | Kind::WorkDir(_)
    )
}

/// The trigger that an instruction leaves for others.
pub fn trigger(instruction: &Instruction) -> Option<String> {
    match &instruction.kind {
        Kind::OnBuild(on_build) => Some(on_build.trigger.clone()),
        _ => None,
    }
}

/// The instruction that a trigger is, at the place of the FROM that brought it.
pub fn parse_trigger(trigger: &str, span: Span) -> Result<Instruction, Problem> {
    match parse_instruction(trigger) {
        Ok(instruction) => Ok(Instruction {
            span,
            ..instruction
        }),
        Err(error) => Err(Problem::Syntax(error.problem)),
    }
}

/// The instruction's text without continuation lines and here-documents.
pub fn text(instruction: &Instruction) -> &str {
    &instruction.text
}

/// The variables of a stage, and those that a secret sets, which are not to be shown.
struct Masked<'a> {
    environment: &'a Environment,
    secrets: BTreeSet<String>,
}

impl Variables for Masked<'_> {
    fn value(&self, name: &str) -> Option<&str> {
        if self.secrets.contains(name) {
            return Some("****");
        }
        self.environment.get(name)
    }
}

/// The label of an instruction: `text` expanded as BuildKit does it for people.
pub fn label(instruction: &Instruction, text: &str, state: &State, plan: &Plan<'_>) -> String {
    match &instruction.kind {
        Kind::Run(run) => {
            let variables = Masked {
                environment: &state.environment,
                secrets: reading_run::secret_variables(run, state, plan),
            };
            plan.words.command_label(text, &variables)
        }
        _ => plan.words.label(text, &state.environment),
    }
}

/// The build arg of a name. That of the epoch is a number, or was not given.
pub fn build_arg(plan: &Plan<'_>, name: &str) -> Option<String> {
    let given = plan.options.build_args.get(name)?;
    if name == build_args::EPOCH {
        return plan.epoch.as_ref().map(|(seconds, _)| seconds.to_string());
    }
    Some(given.clone())
}
