//! HEALTHCHECK: none, or a command and how often it is run.

use crate::arguments;
use crate::duration;
use crate::error::{Error, Problem};
use crate::flags::{self, Flags, Takes};
use crate::instruction::{CommandLine, Healthcheck};
use crate::scan::Raw;
use crate::split::trim;

const FLAGS: [(&str, Takes); 5] = [
    ("interval", Takes::One),
    ("timeout", Takes::One),
    ("start-period", Takes::One),
    ("start-interval", Takes::One),
    ("retries", Takes::One),
];
const MILLISECOND: i64 = 1_000_000;

/// HEALTHCHECK.
pub fn healthcheck(raw: &Raw) -> Result<Healthcheck, Error> {
    let rest = raw.split.rest.clone();
    let text = &raw.line.text()[rest.clone()];
    let length = text
        .find(|c: char| c.is_ascii_whitespace() || c == '\x0b')
        .unwrap_or(text.len());
    let kind = raw.line.word(rest.start..rest.start + length);
    let behind = trim(&raw.line, rest.start + length..rest.end);
    // A list that is none of strings is wrong whatever the kind is.
    let command = arguments::command(&raw.line, behind)?;
    match kind.value.to_uppercase().as_str() {
        "" => Err(Problem::NoArgument {
            instruction: "HEALTHCHECK",
        }
        .at(raw.line.whole())),
        // Its flags are not looked at.
        "NONE" => match command {
            CommandLine::Exec(words) if words.is_empty() => Ok(Healthcheck::None),
            CommandLine::Shell(word) if word.value.is_empty() => Ok(Healthcheck::None),
            CommandLine::Shell(_) | CommandLine::Exec(_) => {
                Err(Problem::HealthcheckNone.at(raw.line.whole()))
            }
        },
        "CMD" => {
            let flags = flags::read("HEALTHCHECK", &raw.split.flags, &FLAGS)?;
            let is_empty = match &command {
                CommandLine::Exec(words) => words.is_empty(),
                CommandLine::Shell(word) => word.value.is_empty(),
            };
            if is_empty {
                return Err(Problem::HealthcheckCommand.at(raw.line.whole()));
            }
            Ok(Healthcheck::Command {
                command,
                interval: interval(&flags, "interval", "--interval")?,
                timeout: interval(&flags, "timeout", "--timeout")?,
                start_period: interval(&flags, "start-period", "--start-period")?,
                start_interval: interval(&flags, "start-interval", "--start-interval")?,
                retries: retries(&flags)?,
            })
        }
        _ => {
            flags::read("HEALTHCHECK", &raw.split.flags, &FLAGS)?;
            Err(Problem::HealthcheckKind {
                kind: kind.value.clone(),
            }
            .at(kind.span))
        }
    }
}

fn interval(flags: &Flags, name: &str, flag: &'static str) -> Result<i64, Error> {
    let Some(word) = flags.one(name) else {
        return Ok(0);
    };
    let reason = match duration::parse(&word.value) {
        Some(nanoseconds) if nanoseconds == 0 || nanoseconds >= MILLISECOND => {
            return Ok(nanoseconds);
        }
        Some(_) => format!("`{}` is less than 1ms", word.value),
        None => format!("`{}` is no duration", word.value),
    };
    Err(Problem::FlagNotValid {
        flag,
        reason,
        help: "durations are written as 30s, 1m30s or 250ms".to_owned(),
    }
    .at(word.span))
}

fn retries(flags: &Flags) -> Result<i32, Error> {
    let Some(word) = flags.one("retries") else {
        return Ok(0);
    };
    word.value
        .parse()
        .ok()
        .filter(|retries| *retries >= 0)
        .ok_or_else(|| {
            Problem::FlagNotValid {
                flag: "--retries",
                reason: format!("`{}` is no number of retries", word.value),
                help: "write a whole number, 0 for docker's default".to_owned(),
            }
            .at(word.span)
        })
}
