//! Rules about an instruction with the values of its stage, looked at before it is carried out.

use stromatekt_dockerfile_parser::{
    Add, Arg, CommandLine, Copy, Instruction, Kind, Pair, Run, Span, Transfer, Word,
};

use super::secrets::is_secret;
use super::variables::{Asked, did_you_mean};
use super::{Checks, Rule};
use crate::build_args::NOT_VARIABLES;
use crate::environment::Environment;
use crate::error::Problem;
use crate::plan::Plan;
use crate::state::State;
use crate::{copy, expand, paths, ports, reading};

/// What rules must know of the instructions before.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Marks {
    cmd: Option<Span>,
    entrypoint: Option<Span>,
    healthcheck: Option<Span>,
    has_workdir: bool,
}

impl Marks {
    /// Those of a stage on top of this one.
    pub fn next_stage(self) -> Self {
        Self {
            has_workdir: self.has_workdir,
            ..Self::default()
        }
    }
}

impl Checks<'_> {
    /// Looks at an instruction of a stage with this state.
    pub(crate) fn instruction(
        &self,
        instruction: &Instruction,
        state: &mut State,
        plan: &Plan<'_>,
    ) {
        let looking = Looking {
            checks: self,
            instruction,
            plan,
        };
        // What cannot be expanded is told when the instruction is carried out.
        let _ = looking.look(state);
    }
}

/// An instruction that is looked at.
struct Looking<'a> {
    checks: &'a Checks<'a>,
    instruction: &'a Instruction,
    plan: &'a Plan<'a>,
}

impl Looking<'_> {
    fn look(&self, state: &mut State) -> Result<(), Problem> {
        match &self.instruction.kind {
            Kind::Add(add) => self.add(add, state),
            Kind::Copy(copy) => self.copy(copy, state),
            Kind::Run(run) => self.run(run, state),
            Kind::Arg(args) => self.args(args, state),
            Kind::Env(env) => self.env(env, state),
            Kind::Label(labels) => {
                self.pairs(labels, state)?;
                for label in labels {
                    self.old_form(label);
                }
                Ok(())
            }
            Kind::Cmd(command) => {
                let earlier = state.marks.cmd.replace(self.instruction.span);
                self.once(earlier);
                self.shell_form(command, state);
                Ok(())
            }
            Kind::Entrypoint(command) => {
                let earlier = state.marks.entrypoint.replace(self.instruction.span);
                self.once(earlier);
                self.shell_form(command, state);
                Ok(())
            }
            Kind::Healthcheck(_) => {
                let earlier = state.marks.healthcheck.replace(self.instruction.span);
                self.once(earlier);
                Ok(())
            }
            Kind::Expose(words) => self.expose(words, state),
            Kind::StopSignal(word) | Kind::User(word) => self.expand(word, state).map(drop),
            Kind::Volume(words) => self.expand_all(words, state).map(drop),
            Kind::WorkDir(directory) => self.workdir(directory, state),
            Kind::Maintainer(_) | Kind::OnBuild(_) | Kind::Shell(_) => Ok(()),
        }
    }

    fn report(&self, rule: Rule, message: String) {
        let Instruction { span, comments, .. } = self.instruction;
        self.checks.report(rule, Some(comments), *span, message);
    }

    /// A word with the values of the stage; variables that nothing sets are told.
    fn expand(&self, word: &Word, state: &State) -> Result<String, Problem> {
        let asked = Asked::new(&state.environment);
        let expanded = self.plan.words.word(word, &asked);
        self.unset(&asked, state, &state.environment, &[]);
        expanded
    }

    fn expand_all(&self, words: &[Word], state: &State) -> Result<Vec<String>, Problem> {
        words.iter().map(|word| self.expand(word, state)).collect()
    }

    fn optional(&self, word: Option<&Word>, state: &State) -> Result<(), Problem> {
        word.map_or(Ok(()), |word| self.expand(word, state).map(drop))
    }

    /// Tells what was asked for and is not set: neither by the `environment`, nor declared.
    fn unset(
        &self,
        asked: &Asked<'_>,
        state: &State,
        environment: &Environment,
        declared: &[&str],
    ) {
        for name in asked.unset() {
            let is_declared = declared.contains(&name.as_str())
                || NOT_VARIABLES.contains(&name.as_str())
                || state.args.iter().any(|(known, _)| *known == name);
            if !is_declared {
                let meant = did_you_mean(&name, "$", environment.names());
                let message = format!("Nothing sets the variable '${name}'{meant}");
                self.report(Rule::UndefinedVar, message);
            }
        }
    }

    fn pairs(&self, pairs: &[Pair], state: &State) -> Result<Vec<String>, Problem> {
        pairs
            .iter()
            .map(|pair| {
                let name = self.expand(&pair.name, state)?;
                self.expand(&pair.value, state)?;
                Ok(name)
            })
            .collect()
    }

    fn env(&self, env: &[Pair], state: &State) -> Result<(), Problem> {
        let names = self.pairs(env, state)?;
        for (pair, name) in env.iter().zip(names) {
            self.old_form(pair);
            self.secret("ENV", &name);
        }
        Ok(())
    }

    fn old_form(&self, pair: &Pair) {
        if pair.is_old_form {
            let keyword = &self.instruction.keyword;
            let message =
                format!("\"{keyword} key value\" is the old form of \"{keyword} key=value\"");
            self.report(Rule::LegacyKeyValueFormat, message);
        }
    }

    fn secret(&self, keyword: &str, name: &str) {
        if is_secret(name) {
            let message = format!("The name says that this is a secret ({keyword} \"{name}\")");
            self.report(Rule::SecretsUsedInArgOrEnv, message);
        }
    }

    /// Later args of the instruction see the earlier ones.
    fn args(&self, args: &[Arg], state: &State) -> Result<(), Problem> {
        let mut seen = state.environment.clone();
        let mut declared = Vec::new();
        for arg in args {
            let name = arg.name.as_str();
            self.secret("ARG", name);
            let value = match (reading::build_arg(self.plan, name), &arg.default) {
                (Some(given), _) => Some(given),
                (None, Some(default)) => {
                    let asked = Asked::new(&seen);
                    let expanded = self.plan.words.word(default, &asked);
                    self.unset(&asked, state, &seen, &declared);
                    Some(expanded?)
                }
                (None, None) => self.plan.globals.get(name).map(str::to_owned),
            };
            if let Some(value) = value.filter(|_| !NOT_VARIABLES.contains(&name)) {
                seen.set(name, &value);
            }
            declared.push(name);
        }
        Ok(())
    }

    fn once(&self, earlier: Option<Span>) {
        if let Some(earlier) = earlier {
            let message = format!(
                "A later {} of the stage stands in the place of this one",
                self.instruction.keyword
            );
            // It is this instruction's comments that say whether the rule is looked at.
            self.checks.report(
                Rule::MultipleInstructionsDisallowed,
                Some(&self.instruction.comments),
                earlier,
                message,
            );
        }
    }

    /// Whoever chose a shell knows what they do.
    fn shell_form(&self, command: &CommandLine, state: &State) {
        if matches!(command, CommandLine::Shell(_)) && state.image.config.shell.is_empty() {
            let message = format!(
                "{} in shell form: its process gets no signals",
                self.instruction.keyword
            );
            self.report(Rule::JsonArgsRecommended, message);
        }
    }

    fn workdir(&self, directory: &Word, state: &mut State) -> Result<(), Problem> {
        let expanded = self.expand(directory, state)?;
        let has_workdir = std::mem::replace(&mut state.marks.has_workdir, true);
        if !has_workdir && !expanded.starts_with('/') {
            let message = format!("\"{expanded}\" is relative to the directory of the base image");
            self.report(Rule::WorkdirRelativePath, message);
        }
        Ok(())
    }

    fn expose(&self, words: &[Word], state: &State) -> Result<(), Problem> {
        for word in words {
            for port in self.plan.words.words(word, &state.environment)? {
                let Some(form) = ports::Form::of(&port) else {
                    return Ok(());
                };
                if form.has_capitals {
                    let message = format!("The protocol of '{port}' is not in lower case");
                    self.report(Rule::ExposeProtoCasing, message);
                }
                if form.has_host {
                    let message = format!("'{port}' has an address or a port of the host");
                    self.report(Rule::ExposeInvalidFormat, message);
                }
                if ports::parse(&port).is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn add(&self, add: &Add, state: &State) -> Result<(), Problem> {
        self.optional(add.files.chown.as_ref(), state)?;
        self.optional(add.files.chmod.as_ref(), state)?;
        self.optional(add.checksum.as_ref(), state)?;
        let sources = self.files(&add.files, state)?;
        self.sources("Add", &sources);
        Ok(())
    }

    fn copy(&self, copy: &Copy, state: &State) -> Result<(), Problem> {
        self.optional(copy.files.chown.as_ref(), state)?;
        self.optional(copy.files.chmod.as_ref(), state)?;
        let sources = self.files(&copy.files, state)?;
        if copy.from.is_none() {
            self.sources("Copy", &sources);
        }
        Ok(())
    }

    fn files(&self, files: &Transfer, state: &State) -> Result<Vec<String>, Problem> {
        let sources = self.expand_all(&files.sources, state)?;
        self.expand(&files.destination, state)?;
        for document in &files.documents {
            let asked = Asked::new(&state.environment);
            let expanded = expand::document(document, &asked);
            self.unset(&asked, state, &state.environment, &[]);
            expanded?;
        }
        Ok(sources)
    }

    /// Sources that the ignore file leaves out.
    fn sources(&self, verb: &str, sources: &[String]) {
        let Some(is_ignored) = self.checks.is_ignored else {
            return;
        };
        for source in sources.iter().filter(|source| copy::is_local(source)) {
            let source = paths::clean(source);
            if is_ignored(&source) {
                let message = format!("{verb} of \"{source}\", which .dockerignore leaves out");
                self.report(Rule::CopyIgnoredFile, message);
            }
        }
    }

    /// The values of mounts.
    fn run(&self, run: &Run, state: &State) -> Result<(), Problem> {
        for mount in &run.mounts {
            for value in mount.entries().filter_map(|(_, value)| value) {
                let word = Word {
                    value: value.to_owned(),
                    span: mount.span,
                };
                self.expand(&word, state)?;
            }
        }
        Ok(())
    }
}
