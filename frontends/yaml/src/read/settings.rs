//! The circumstances of a step, and the commands that run in them.

use stromatekt_graph::limits::Ulimit;
use stromatekt_graph::run::{Executor, Network, Security};
use stromatekt_pipeline::{Fields, Item, Kind, Place, Problem, check_hostname, hosts};

use super::{Reading, boolean, finish, mount, text, text_list, texts, words};
use crate::language::COMMAND;
use crate::spec::{Command, Settings, Variable};

/// The circumstances of what is run; what is done to files has none of them.
const OF_COMMANDS: [&str; 11] = [
    "env",
    "user",
    "shell",
    "mounts",
    "network",
    "security",
    "executor",
    "hostname",
    "hosts",
    "ulimits",
    "cgroup-parent",
];

/// The first circumstance of what is run that is given.
pub fn of_commands<'a>(fields: &mut Fields<'a>) -> Option<Item<'a>> {
    OF_COMMANDS.into_iter().find_map(|name| fields.take(name))
}

/// Such a circumstance where nothing is run.
pub fn without_command(circumstance: &Item<'_>) -> Problem {
    circumstance
        .problem(format!(
            "`{}` is for what is run, and nothing is run here",
            circumstance.place().path
        ))
        .help("what an image runs with is said by its `config`")
}

/// Reads the circumstances.
pub fn settings(fields: &mut Fields<'_>, reading: &Reading<'_>) -> Result<Settings, Problem> {
    let with = fields
        .take("with")
        .map(|item| reading.unit(&item))
        .transpose()?;
    let mounts = match fields.take("mounts") {
        Some(item) => {
            let items = item.list()?;
            items
                .iter()
                .map(|item| mount::mount(item, reading))
                .collect::<Result<_, _>>()?
        }
        None => Vec::new(),
    };
    Ok(Settings {
        with,
        env: fields
            .take("env")
            .map(|item| variables(&item))
            .transpose()?
            .unwrap_or_default(),
        workdir: non_empty(fields.take("workdir"))?,
        user: text(fields.take("user"))?,
        shell: fields.take("shell").map(|item| words(&item)).transpose()?,
        mounts,
        network: match fields.take("network") {
            Some(item) => Some((network(&item)?, item.place())),
            None => None,
        },
        security: match fields.take("security") {
            Some(item) => Some((security(&item)?, item.place())),
            None => None,
        },
        executor: fields
            .take("executor")
            .map(|item| executor(&item))
            .transpose()?,
        hostname: fields
            .take("hostname")
            .map(|item| hostname(&item))
            .transpose()?,
        hosts: fields
            .take("hosts")
            .map(|item| hosts(&item))
            .transpose()?
            .unwrap_or_default(),
        ulimits: fields
            .take("ulimits")
            .map(|item| ulimits(&item))
            .transpose()?
            .unwrap_or_default(),
        cgroup_parent: non_empty(fields.take("cgroup-parent"))?,
        no_cache: boolean(fields.take("no-cache"))?,
    })
}

fn non_empty(item: Option<Item<'_>>) -> Result<Option<String>, Problem> {
    item.map(|item| item.non_empty_text()).transpose()
}

/// What is done to variables: a map changes some, a list is all there is.
pub fn variables(item: &Item<'_>) -> Result<Vec<Variable>, Problem> {
    let named = |place: Place, name: &str| match name.is_empty() || name.contains(['=', '\0']) {
        true => Err(place.problem(format!("`{name}` cannot be the name of a variable"))),
        false => Ok(name.to_owned()),
    };
    if let Kind::List(_) = item.kind() {
        let items = item.list()?;
        let set = items.iter().map(|item| {
            let text = item.text()?;
            match text.split_once('=') {
                Some((name, value)) => {
                    Ok(Variable::Set(named(item.place(), name)?, value.to_owned()))
                }
                None => Err(item
                    .problem(format!("`{text}` has no `=`"))
                    .help("write NAME=value")),
            }
        });
        return std::iter::once(Ok(Variable::Clear)).chain(set).collect();
    }
    let entries = item.entries()?;
    let changes = entries.iter().map(|entry| {
        let name = named(entry.name_place.clone(), entry.name)?;
        Ok(match entry.item.kind() {
            Kind::Null => Variable::Remove(name),
            _ => Variable::Set(name, entry.item.text()?),
        })
    });
    changes.collect()
}

fn network(item: &Item<'_>) -> Result<Network, Problem> {
    item.word(
        "network",
        &[
            ("default", Network::Default),
            ("none", Network::None),
            ("host", Network::Host),
        ],
    )
}

fn security(item: &Item<'_>) -> Result<Security, Problem> {
    item.word(
        "level of security",
        &[
            ("sandbox", Security::Sandbox),
            ("insecure", Security::Insecure),
        ],
    )
}

fn executor(item: &Item<'_>) -> Result<Executor, Problem> {
    item.word(
        "executor",
        &[("runc", Executor::Runc), ("wasi", Executor::Wasi)],
    )
}

fn hostname(item: &Item<'_>) -> Result<String, Problem> {
    let name = item.non_empty_text()?;
    check_hostname(&item.place(), &name)?;
    Ok(name)
}

fn ulimits(item: &Item<'_>) -> Result<Vec<Ulimit>, Problem> {
    let entries = item.entries()?;
    let limits = entries.iter().map(|entry| {
        if !Ulimit::NAMES.contains(&entry.name) {
            let mut problem = entry
                .name_place
                .problem(format!("`{}` is no limit", entry.name));
            problem.help = stromatekt_pipeline::suggest(entry.name, Ulimit::NAMES);
            return Err(problem);
        }
        let text = entry.item.text()?;
        let limit = |text: &str| match text {
            "-1" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                entry
                    .item
                    .problem(format!("`{text}` is no limit"))
                    .help("write SOFT:HARD or one number for both; -1 is no limit")
            }),
        };
        let (soft, hard) = text.split_once(':').unwrap_or((&text, &text));
        let (soft, hard) = (limit(soft)?, limit(hard)?);
        let is_above = match (soft, hard) {
            (Some(soft), Some(hard)) => soft > hard,
            (None, Some(_)) => true,
            _ => false,
        };
        if is_above {
            return Err(entry.item.problem("the soft limit is above the hard one"));
        }
        Ok(Ulimit {
            name: entry.name.to_owned(),
            soft,
            hard,
        })
    });
    limits.collect()
}

/// What is run.
pub fn commands(fields: &mut Fields<'_>) -> Result<Vec<(Command, Place)>, Problem> {
    let Some(item) = fields.take("run") else {
        return Ok(Vec::new());
    };
    let items = item.one_or_list();
    if items.is_empty() {
        return Err(item.problem("there is nothing to run"));
    }
    let commands = items.iter().map(|item| Ok((command(item)?, item.place())));
    commands.collect()
}

fn command(item: &Item<'_>) -> Result<Command, Problem> {
    let nothing = |item: &Item<'_>| item.problem("there is nothing to run");
    let shell = |item: &Item<'_>| match item.text()? {
        blank if blank.trim().is_empty() => Err(nothing(item)),
        text => Ok(Command::Shell(text)),
    };
    let Kind::Map(_) = item.kind() else {
        return shell(item);
    };
    let mut fields = item.fields(COMMAND.what)?;
    let args = fields.take("args");
    let text = fields.take("shell");
    let neither = fields.problem("a command is one of `args` and `shell`");
    finish(fields, &COMMAND)?;
    match (args, text) {
        (Some(args), None) => match text_list(&args)? {
            none if none.is_empty() => Err(nothing(&args)),
            args => Ok(Command::Args(args)),
        },
        (None, Some(text)) => shell(&text),
        _ => Err(neither),
    }
}

/// A text, or a list of texts, for a config.
pub fn list(item: Option<Item<'_>>) -> Result<Vec<String>, Problem> {
    item.map(|item| texts(&item))
        .transpose()
        .map(Option::unwrap_or_default)
}
