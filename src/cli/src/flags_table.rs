//! `compat/FLAGS.md`, made of the command's own tables: what docker's users type, and what it does here.
//!
//! The test fails when the file is not what it would be; with `STROMATEKT_WRITE_FLAGS` in the environment (`make flags`) it writes it.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};

use crate::cli::Cli;
use crate::environment::{Asks, Meaning, VARIABLES};
use crate::foreign_verbs::FOREIGN_VERBS;
use crate::unsupported::BOTH;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../compat/FLAGS.md");

const HEAD: &str = "# What docker's users type, and what it does here

This file is made of the tables that the command itself reads (`make flags` writes it, a test compares it). Another test asks each docker
that is installed for its help, and fails for what is not in here. Nothing is ignored in silence: what is not supported is refused with the
reason, or, where an environment asks for it, told.

*nothing to do* means: the image and the outcome are the same with and without it.
";

/// The verbs with options of docker's.
const VERBS: &[&[&str]] = &[
    &["image", "history"],
    &["image", "inspect"],
    &["image", "load"],
    &["image", "ls"],
    &["image", "prune"],
    &["image", "pull"],
    &["image", "push"],
    &["image", "rm"],
    &["image", "save"],
    &["image", "tag"],
    &["info"],
    &["login"],
    &["logout"],
    &["version"],
];

fn table(cli: &Command) -> String {
    let mut text = HEAD.to_owned();
    let build = find(cli, &["build"]);
    section(
        &mut text,
        "`docker build`, `docker buildx build`",
        "The options of the classic builder and of buildx, each with all that it has in both. The verb is also `image build`, `builder build`, `buildx b`.",
        &options(build),
    );
    section(&mut text, "Before the verb", "", &options(cli));
    section(&mut text, "Verbs", "", &verbs(cli));
    for path in VERBS {
        let title = format!("Options of `{}`", path.join(" "));
        let rows = options(find(cli, path));
        if !rows.is_empty() {
            section(&mut text, &title, "", &rows);
        }
    }
    let variables: Vec<_> = VARIABLES
        .iter()
        .map(|variable| {
            let name = variable.name.to_owned();
            let what = match variable.meaning {
                Meaning::Supported => "supported: ".to_owned(),
                Meaning::Without => "nothing to do: ".to_owned(),
                Meaning::Warned(asks) => format!("told where it is {}: ", values(asks)),
                Meaning::Refused(asks) => format!("refused where it is {}: ", values(asks)),
            };
            (name, what + variable.note)
        })
        .collect();
    section(
        &mut text,
        "Environment variables",
        "Those of docker and buildx. Build args of BuildKit (`BUILDKIT_…`, `SOURCE_DATE_EPOCH`) are given with `--build-arg`, as there.",
        &variables,
    );
    text
}

fn values(asks: Asks) -> &'static str {
    match asks {
        Asks::Any => "set",
        Asks::AnyButDefault => "set to another than `default`",
        Asks::True => "true",
        Asks::False => "false",
    }
}

fn find<'a>(cli: &'a Command, path: &[&str]) -> &'a Command {
    path.iter().fold(cli, |command, name| {
        command
            .find_subcommand(name)
            .unwrap_or_else(|| panic!("there is a verb {path:?}"))
    })
}

fn section(text: &mut String, title: &str, about: &str, rows: &[(String, String)]) {
    let _ = write!(text, "\n## {title}\n\n");
    if !about.is_empty() {
        let _ = write!(text, "{about}\n\n");
    }
    text.push_str("| | here |\n| --- | --- |\n");
    for (name, what) in rows {
        let _ = writeln!(text, "| `{name}` | {} |", what.replace('|', "\\|"));
    }
}

fn options(command: &Command) -> Vec<(String, String)> {
    let mut rows: Vec<(String, String)> = command
        .get_arguments()
        .filter_map(|arg| Some((named(arg)?, meaning(arg))))
        .collect();
    rows.sort();
    rows
}

fn named(arg: &Arg) -> Option<String> {
    let long = arg.get_long()?;
    Some(match arg.get_short() {
        Some(short) => format!("--{long}`, `-{short}"),
        None => format!("--{long}"),
    })
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if !arg.is_hide_set() {
        let help = help.replace('\n', " ");
        return format!("supported: {}", help.trim());
    }
    let harmless = arg
        .get_long_help()
        .map(ToString::to_string)
        .unwrap_or_default();
    let harmless: Vec<&str> = harmless.lines().filter(|value| !value.is_empty()).collect();
    match harmless.as_slice() {
        [] => format!("refused: {help}"),
        values if values == BOTH => format!("nothing to do: {help}"),
        values => format!(
            "with `{}` nothing to do; else refused: {help}",
            values.join("`, `")
        ),
    }
}

fn verbs(cli: &Command) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let is_own = |command: &&Command| command.get_name() != "help";
    for command in cli.get_subcommands().filter(is_own) {
        if command.get_subcommands().next().is_none() {
            rows.push(verb("", command));
        }
        for inner in command.get_subcommands().filter(is_own) {
            rows.push(verb(command.get_name(), inner));
        }
    }
    for foreign in FOREIGN_VERBS {
        for group in foreign.groups {
            for name in foreign.names {
                let name = format!("{group} {name}").trim().to_owned();
                rows.push((name, format!("refused: {}", foreign.hint)));
            }
        }
    }
    rows.sort();
    rows
}

fn verb(group: &str, command: &Command) -> (String, String) {
    let name = format!("{group} {}", command.get_name());
    let mut name = name.trim().to_owned();
    for alias in command.get_all_aliases() {
        let _ = write!(name, "`, `{}", format!("{group} {alias}").trim());
    }
    let about = command
        .get_about()
        .map(ToString::to_string)
        .unwrap_or_default();
    (name, format!("supported: {about}"))
}

#[test]
fn the_table_of_flags_says_what_the_command_does() {
    let mut cli = Cli::command();
    cli.build();
    let table = table(&cli);
    if std::env::var_os("STROMATEKT_WRITE_FLAGS").is_some() {
        std::fs::write(FILE, &table).expect("the file can be written");
    }
    let written = std::fs::read_to_string(Path::new(FILE)).unwrap_or_default();
    assert!(
        written == table,
        "compat/FLAGS.md is not what the command does: `make flags` writes it anew"
    );
}
