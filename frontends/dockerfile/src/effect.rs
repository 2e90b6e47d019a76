//! What an instruction does to its stage: changes to the config are made at once, the rest is described for lowering.

use stromatekt_dockerfile_parser::{Arg, CommandLine, Healthcheck, Instruction, Kind, Pair, Word};
use stromatekt_oci::config::HealthConfig;

use crate::copy::CopyRequest;
use crate::error::Problem;
use crate::plan::Plan;
use crate::run::RunRequest;
use crate::state::State;
use crate::{build_args, ports, reading, reading_copy, reading_run, signals};

/// What an instruction does.
#[derive(Debug)]
pub enum Effect {
    /// It changed the config, and that is all.
    Config,
    /// It changes the working directory to this one, which must be made.
    WorkIn(String),
    /// It copies files.
    Copy(Box<CopyRequest>),
    /// It runs a process.
    Run(Box<RunRequest>),
}

/// Expands an instruction with the values of a stage and carries out what it does to the config.
pub fn read(
    instruction: &Instruction,
    state: &mut State,
    plan: &Plan<'_>,
) -> Result<Effect, Problem> {
    match &instruction.kind {
        Kind::Add(add) => {
            return reading_copy::add(add, state, plan).map(|copy| Effect::Copy(Box::new(copy)));
        }
        Kind::Copy(copy) => {
            return reading_copy::copy(copy, state, plan).map(|copy| Effect::Copy(Box::new(copy)));
        }
        Kind::Run(run) => {
            return reading_run::run(run, state, plan).map(|run| Effect::Run(Box::new(run)));
        }
        Kind::WorkDir(directory) => {
            return expand(directory, state, plan).map(Effect::WorkIn);
        }
        Kind::Arg(args) => arg(args, state, plan)?,
        Kind::Cmd(command) => state.cmd(arguments(command, state)),
        Kind::Entrypoint(command) => state.entrypoint(arguments(command, state)),
        Kind::Env(env) => {
            let expanded = pairs(env, state, plan)?;
            state.env(&expanded);
        }
        Kind::Label(labels) => {
            let expanded = pairs(labels, state, plan)?;
            state.label(&expanded);
        }
        Kind::Expose(words) => {
            let expanded = expose(words, state, plan)?;
            state.expose(expanded);
        }
        Kind::Healthcheck(check) => state.healthcheck(health(check)),
        Kind::Maintainer(name) => state.maintainer(&name.value),
        Kind::OnBuild(on_build) => state.on_build(&on_build.trigger),
        Kind::Shell(shell) => state.shell(values(shell)),
        Kind::StopSignal(signal) => {
            let expanded = expand(signal, state, plan)?;
            if !signals::is_signal(&expanded) {
                return Err(Problem::Signal { signal: expanded });
            }
            state.stop_signal(&expanded);
        }
        Kind::User(user) => {
            let expanded = expand(user, state, plan)?;
            state.user(&expanded);
        }
        Kind::Volume(volumes) => {
            let expanded = expand_all(volumes, state, plan)?;
            if expanded.iter().any(String::is_empty) {
                return Err(Problem::EmptyVolume);
            }
            state.volume(expanded);
        }
    }
    Ok(Effect::Config)
}

/// A word with the values of a stage.
pub fn expand(word: &Word, state: &State, plan: &Plan<'_>) -> Result<String, Problem> {
    plan.words.word(word, &state.environment)
}

/// Words with the values of a stage.
pub fn expand_all(words: &[Word], state: &State, plan: &Plan<'_>) -> Result<Vec<String>, Problem> {
    words.iter().map(|word| expand(word, state, plan)).collect()
}

/// Words as they are written.
pub fn values(words: &[Word]) -> Vec<String> {
    words.iter().map(|word| word.value.clone()).collect()
}

fn arguments(command: &CommandLine, state: &State) -> Vec<String> {
    match command {
        CommandLine::Exec(words) => values(words),
        CommandLine::Shell(text) => state.with_shell(std::slice::from_ref(&text.value)),
    }
}

fn pairs(pairs: &[Pair], state: &State, plan: &Plan<'_>) -> Result<Vec<(String, String)>, Problem> {
    pairs
        .iter()
        .map(|pair| {
            let name = expand(&pair.name, state, plan)?;
            Ok((name, expand(&pair.value, state, plan)?))
        })
        .collect()
}

/// ARG: what is given counts, then the default, then a global arg of the name. Later args of the instruction see the earlier ones.
fn arg(args: &[Arg], state: &mut State, plan: &Plan<'_>) -> Result<(), Problem> {
    let mut seen = state.environment.clone();
    let mut set = Vec::new();
    for arg in args {
        let name = &arg.name.value;
        let value = match (reading::build_arg(plan, name), &arg.default) {
            (Some(given), _) => Some(given),
            (None, Some(default)) => Some(plan.words.word(default, &seen)?),
            (None, None) => plan.globals.get(name).map(str::to_owned),
        };
        if let Some(value) = &value
            && !build_args::NOT_VARIABLES.contains(&name.as_str())
        {
            seen.set(name, value);
        }
        set.push((name.clone(), value));
    }
    state.arg(set, &build_args::NOT_VARIABLES);
    Ok(())
}

fn expose(words: &[Word], state: &State, plan: &Plan<'_>) -> Result<Vec<String>, Problem> {
    let mut expanded = Vec::new();
    for word in words {
        for port in plan.words.words(word, &state.environment)? {
            let entries = ports::parse(&port).map_err(|reason| Problem::Port { port, reason })?;
            expanded.extend(entries);
        }
    }
    Ok(expanded)
}

fn health(check: &Healthcheck) -> HealthConfig {
    match check {
        Healthcheck::None => HealthConfig {
            test: vec!["NONE".to_owned()],
            ..HealthConfig::default()
        },
        Healthcheck::Command {
            command,
            interval,
            timeout,
            start_period,
            start_interval,
            retries,
        } => {
            let (kind, words) = match command {
                CommandLine::Exec(words) => ("CMD", values(words)),
                CommandLine::Shell(text) => ("CMD-SHELL", vec![text.value.clone()]),
            };
            HealthConfig {
                test: std::iter::once(kind.to_owned()).chain(words).collect(),
                interval: *interval,
                timeout: *timeout,
                start_period: *start_period,
                start_interval: *start_interval,
                retries: i64::from(*retries),
            }
        }
    }
}
