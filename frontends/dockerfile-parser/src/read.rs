//! From the parts of a logical line to a typed instruction.

use crate::arguments;
use crate::error::{Error, Problem};
use crate::flags::{self, Takes};
use crate::instruction::{Arg, CommandLine, From, Instruction, KEYWORDS, Kind, OnBuild};
use crate::nearest::nearest;
use crate::read_copy;
use crate::read_healthcheck;
use crate::read_run;
use crate::scan::Raw;
use crate::span::{Span, Word};
use crate::split::split;

/// What a logical line can be.
#[derive(Debug)]
pub enum Read {
    /// The start of a stage.
    From(From),
    /// Any other instruction.
    Instruction(Instruction),
}

/// Reads an instruction.
pub fn read(raw: &Raw) -> Result<Read, Error> {
    let text = raw.line.text().trim().to_owned();
    let keyword = raw.split.keyword.value.to_lowercase();
    if keyword == "from" {
        return from(raw, text).map(Read::From);
    }
    Ok(Read::Instruction(Instruction {
        span: raw.span,
        text,
        keyword: raw.split.keyword.value.clone(),
        comments: raw.comments.clone(),
        kind: kind(raw, &keyword)?,
    }))
}

fn kind(raw: &Raw, keyword: &str) -> Result<Kind, Error> {
    Ok(match keyword {
        "add" => Kind::Add(read_copy::add(raw)?),
        "arg" => Kind::Arg(arg(raw)?),
        "cmd" => {
            no_flags(raw, "CMD")?;
            Kind::Cmd(command(raw)?)
        }
        "copy" => Kind::Copy(read_copy::copy(raw)?),
        "entrypoint" => {
            no_flags(raw, "ENTRYPOINT")?;
            Kind::Entrypoint(command(raw)?)
        }
        "env" => Kind::Env(pairs(raw, "ENV")?),
        "expose" => Kind::Expose(expose(raw)?),
        "healthcheck" => Kind::Healthcheck(read_healthcheck::healthcheck(raw)?),
        "label" => Kind::Label(pairs(raw, "LABEL")?),
        "maintainer" => Kind::Maintainer(text(raw, "MAINTAINER")?),
        "onbuild" => Kind::OnBuild(on_build(raw)?),
        "run" => Kind::Run(read_run::run(raw)?),
        "shell" => Kind::Shell(shell(raw)?),
        // Its flags are not looked at.
        "stopsignal" => Kind::StopSignal(rest(raw, "STOPSIGNAL")?),
        "user" => Kind::User(text(raw, "USER")?),
        "volume" => Kind::Volume(volume(raw)?),
        "workdir" => Kind::WorkDir(text(raw, "WORKDIR")?),
        _ => {
            let name = raw.split.keyword.value.clone();
            return Err(Problem::UnknownInstruction {
                nearest: nearest(&name, KEYWORDS),
                name,
            }
            .at(raw.split.keyword.span));
        }
    })
}

fn no_flags(raw: &Raw, instruction: &'static str) -> Result<(), Error> {
    flags::read(instruction, &raw.split.flags, &[]).map(drop)
}

/// The command of an instruction that is nothing else.
pub fn command(raw: &Raw) -> Result<CommandLine, Error> {
    arguments::command(&raw.line, raw.split.rest.clone())
}

/// Everything behind the keyword as one argument.
fn rest(raw: &Raw, instruction: &'static str) -> Result<Word, Error> {
    let word = raw.line.word(raw.split.rest.clone());
    if word.value.is_empty() {
        return Err(Problem::NotOneArgument { instruction }.at(raw.line.whole()));
    }
    Ok(word)
}

fn text(raw: &Raw, instruction: &'static str) -> Result<Word, Error> {
    no_flags(raw, instruction)?;
    rest(raw, instruction)
}

fn pairs(raw: &Raw, instruction: &'static str) -> Result<Vec<crate::Pair>, Error> {
    no_flags(raw, instruction)?;
    arguments::pairs(&raw.line, raw.split.rest.clone(), raw.escape, instruction)
}

fn at_least_one<T>(raw: &Raw, words: Vec<T>, instruction: &'static str) -> Result<Vec<T>, Error> {
    match words.is_empty() {
        true => Err(Problem::NoArgument { instruction }.at(raw.line.whole())),
        false => Ok(words),
    }
}

fn from(raw: &Raw, text: String) -> Result<From, Error> {
    let arguments = arguments::spaced(&raw.line, raw.split.rest.clone());
    let (base, alias) = match arguments.as_slice() {
        [base] => (base, None),
        [base, keyword, name] if keyword.value.eq_ignore_ascii_case("as") => {
            (base, Some((keyword, name)))
        }
        _ => {
            let span = match arguments.as_slice() {
                [_, second, .., last] => second.span.to(last.span),
                [_, second] => second.span,
                _ => raw.line.whole(),
            };
            return Err(Problem::FromArguments.at(span));
        }
    };
    let name = alias.map(|(_, name)| stage_name(name)).transpose()?;
    let flags = flags::read("FROM", &raw.split.flags, &[("platform", Takes::One)])?;
    Ok(From {
        span: raw.span,
        text,
        keyword: raw.split.keyword.value.clone(),
        comments: raw.comments.clone(),
        base: base.clone(),
        name,
        alias: alias.map(|(keyword, name)| (keyword.value.clone(), name.value.clone())),
        platform: flags.one("platform"),
    })
}

fn stage_name(word: &Word) -> Result<Word, Error> {
    let lower = word.value.to_lowercase();
    let is_valid = lower.starts_with(|c: char| c.is_ascii_lowercase())
        && lower
            .bytes()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_.".contains(&c));
    if !is_valid {
        return Err(Problem::StageName {
            name: word.value.clone(),
        }
        .at(word.span));
    }
    Ok(Word {
        value: lower,
        span: word.span,
    })
}

/// ARG. Its flags are not looked at.
fn arg(raw: &Raw) -> Result<Vec<Arg>, Error> {
    let words = arguments::quoted(&raw.line, raw.split.rest.clone(), raw.escape);
    at_least_one(raw, words, "ARG")?
        .into_iter()
        .map(|word| match arguments::cut(&raw.line, &word) {
            (name, Some(_)) if name.value.is_empty() => {
                Err(Problem::BlankName { instruction: "ARG" }.at(raw.line.span(&word)))
            }
            (name, default) => Ok(Arg { name, default }),
        })
        .collect()
}

fn expose(raw: &Raw) -> Result<Vec<Word>, Error> {
    no_flags(raw, "EXPOSE")?;
    let ports = arguments::spaced(&raw.line, raw.split.rest.clone());
    let mut ports = at_least_one(raw, ports, "EXPOSE")?;
    ports.sort_by(|a, b| a.value.cmp(&b.value));
    Ok(ports)
}

fn shell(raw: &Raw) -> Result<Vec<Word>, Error> {
    no_flags(raw, "SHELL")?;
    match command(raw)? {
        CommandLine::Exec(words) => at_least_one(raw, words, "SHELL"),
        CommandLine::Shell(text) if text.value.is_empty() => Err(Problem::NoArgument {
            instruction: "SHELL",
        }
        .at(raw.line.whole())),
        CommandLine::Shell(text) => Err(Problem::ShellForm.at(text.span)),
    }
}

fn volume(raw: &Raw) -> Result<Vec<Word>, Error> {
    no_flags(raw, "VOLUME")?;
    let volumes = arguments::list(&raw.line, raw.split.rest.clone())?;
    at_least_one(raw, volumes, "VOLUME")?
        .into_iter()
        .map(|volume| match volume.value.trim() {
            "" => Err(Problem::EmptyVolume.at(volume.span)),
            trimmed => Ok(Word {
                value: trimmed.to_owned(),
                span: volume.span,
            }),
        })
        .collect()
}

/// ONBUILD. The trigger is kept as a text; beyond its form it is checked where it is used, as in BuildKit.
fn on_build(raw: &Raw) -> Result<OnBuild, Error> {
    no_flags(raw, "ONBUILD")?;
    let inner = split(&raw.line, raw.split.rest.clone(), raw.escape);
    let keyword = inner.keyword.value.to_uppercase();
    match keyword.as_str() {
        "" => {
            return Err(Problem::NoArgument {
                instruction: "ONBUILD",
            }
            .at(raw.line.whole()));
        }
        "ONBUILD" | "MAINTAINER" | "FROM" => {
            return Err(Problem::Trigger {
                instruction: keyword,
            }
            .at(inner.keyword.span));
        }
        _ => {}
    }
    check_form(raw, &keyword, inner.rest.clone())?;
    let whole = raw.line.text();
    let start = whole.len() - whole.trim_start().len() + raw.split.keyword.value.len();
    let start = whole.len()
        - whole[start..]
            .trim_start_matches(['\t', '\n', '\x0c', '\r', ' '])
            .len();
    let mut trigger = whole[start..].to_owned();
    for document in &raw.heredocs {
        trigger.push('\n');
        trigger.push_str(&document.content);
        trigger.push_str(&document.name);
    }
    Ok(OnBuild {
        trigger,
        span: Span::new(raw.line.span(&(start..whole.len())).start, raw.span.end),
    })
}

/// The checks that belong to the form of arguments rather than to the instruction.
fn check_form(raw: &Raw, keyword: &str, rest: std::ops::Range<usize>) -> Result<(), Error> {
    let line = &raw.line;
    let is_empty = rest.is_empty();
    match keyword {
        "ADD" | "COPY" | "VOLUME" => arguments::list(line, rest).map(drop),
        "RUN" | "CMD" | "ENTRYPOINT" | "SHELL" => arguments::command(line, rest).map(drop),
        "ENV" | "LABEL" if !is_empty => {
            let instruction = if keyword == "ENV" { "ENV" } else { "LABEL" };
            match arguments::pairs(line, rest, raw.escape, instruction) {
                Err(Error {
                    problem: Problem::BlankName { .. },
                    ..
                })
                | Ok(_) => Ok(()),
                Err(error) => Err(error),
            }
        }
        "HEALTHCHECK" => {
            let text = &line.text()[rest.clone()];
            let kind = text.find(|c: char| c.is_ascii_whitespace() || c == '\x0b');
            let command = text[kind.unwrap_or(text.len())..].trim_start();
            arguments::command(line, rest.end - command.len()..rest.end).map(drop)
        }
        _ => Ok(()),
    }
}
