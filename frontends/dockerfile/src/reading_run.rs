//! RUN with the values of a stage: its mounts are expanded, its command is not.

use std::collections::BTreeSet;

use stromatekt_dockerfile_parser::{self as parser, CommandLine, Mount, Run, Word};
use stromatekt_graph::run::{Network, Security};

use crate::copy::Document;
use crate::effect::values;
use crate::error::Problem;
use crate::mount::{self, Kind, MountFlag};
use crate::plan::Plan;
use crate::run::{Command, RunRequest};
use crate::state::State;

/// RUN. What the mounts take files from is filled in by the caller.
pub fn run(run: &Run, state: &State, plan: &Plan<'_>) -> Result<RunRequest, Problem> {
    if let Some(device) = run.devices.first() {
        return Err(Problem::Unsupported {
            what: format!("the device `{}` of RUN --device", device.name),
            help: "build without the device, and give it to the container that needs it".to_owned(),
        });
    }
    let mounts: Result<Vec<_>, Problem> = run
        .mounts
        .iter()
        .map(|mount| Ok((expand_mount(mount, state, plan)?, None)))
        .collect();
    Ok(RunRequest {
        command: command(run)?,
        mounts: mounts?,
        network: match run.network {
            parser::Network::Default => None,
            parser::Network::None => Some(Network::None),
            parser::Network::Host => Some(Network::Host),
        },
        security: match run.security {
            parser::Security::Sandbox => Security::Sandbox,
            parser::Security::Insecure => Security::Insecure,
        },
    })
}

fn command(run: &Run) -> Result<Command, Problem> {
    let text = match &run.command {
        CommandLine::Exec(words) if words.is_empty() => return Err(Problem::EmptyCommand),
        CommandLine::Exec(words) => return Ok(Command::Exec(values(words))),
        CommandLine::Shell(text) => &text.value,
    };
    if let Some(script) = run.script() {
        return Ok(Command::Script(Document {
            name: script.name.clone(),
            content: script.text(),
        }));
    }
    // The shell reads the documents itself, tabs and all.
    let mut text = text.clone();
    for document in &run.heredocs {
        text.push('\n');
        text.push_str(&document.content);
        text.push_str(&document.name);
    }
    Ok(Command::Shell(text))
}

fn expand_mount(mount: &Mount, state: &State, plan: &Plan<'_>) -> Result<MountFlag, Problem> {
    let mut fields = Vec::new();
    for (field, (key, value)) in mount.fields.iter().zip(mount.entries()) {
        let whole = Word {
            value: field.clone(),
            span: mount.span,
        };
        let value = value
            .map(|value| plan.words.part(value, &whole, &state.environment))
            .transpose()?;
        fields.push((key, value));
    }
    let fields = fields.iter().map(|(key, value)| (*key, value.as_deref()));
    mount::parse(fields).map_err(|error| Problem::Mount {
        reason: error.reason,
        help: error.help,
        place: Some(mount.span),
    })
}

/// The variables that secrets set.
pub fn secret_variables(run: &Run, state: &State, plan: &Plan<'_>) -> BTreeSet<String> {
    run.mounts
        .iter()
        .filter_map(|mount| expand_mount(mount, state, plan).ok())
        .filter(|mount| mount.kind == Kind::Secret)
        .filter_map(|mount| mount.env)
        .collect()
}
