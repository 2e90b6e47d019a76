//! How an image runs.

use stromatekt_dockerfile::{ports, signals};
use stromatekt_oci::config::{HealthConfig, History};
use stromatekt_oci::time::parse_rfc3339;
use stromatekt_pipeline::{Item, Kind, Problem};

use super::settings::{list, variables};
use super::{Reading, boolean, finish, number, platform, text, text_list, texts, words};
use crate::duration;
use crate::language::{CONFIG, HEALTHCHECK, HISTORY};
use crate::spec::{Command, Config};

/// Reads a config.
pub fn config(item: &Item<'_>, reading: &Reading<'_>) -> Result<Config, Problem> {
    let mut fields = item.fields(CONFIG.what)?;
    let config = Config {
        from: fields
            .take("from")
            .map(|item| reading.unit(&item))
            .transpose()?,
        entrypoint: fields
            .take("entrypoint")
            .map(|item| command(&item))
            .transpose()?,
        cmd: fields.take("cmd").map(|item| command(&item)).transpose()?,
        env: fields
            .take("env")
            .map(|item| variables(&item))
            .transpose()?
            .unwrap_or_default(),
        user: text(fields.take("user"))?,
        workdir: text(fields.take("workdir"))?,
        labels: fields
            .take("labels")
            .map(|item| labels(&item))
            .transpose()?
            .unwrap_or_default(),
        ports: fields
            .take("ports")
            .map(|item| exposed(&item))
            .transpose()?
            .unwrap_or_default(),
        volumes: fields
            .take("volumes")
            .map(|item| volumes(&item))
            .transpose()?
            .unwrap_or_default(),
        stop_signal: fields
            .take("stop-signal")
            .map(|item| signal(&item))
            .transpose()?,
        healthcheck: fields
            .take("healthcheck")
            .map(|item| healthcheck(&item))
            .transpose()?,
        shell: fields.take("shell").map(|item| words(&item)).transpose()?,
        on_build: list(fields.take("on-build"))?,
        author: text(fields.take("author"))?,
        created: time(fields.take("created"))?,
        platform: fields
            .take("platform")
            .map(|item| platform(&item))
            .transpose()?,
        args_escaped: boolean(fields.take("args-escaped"))?,
        history: match fields.take("history") {
            Some(item) => {
                let entries = item.list()?;
                let entries = entries.iter().map(history).collect::<Result<_, _>>()?;
                Some((entries, item.place()))
            }
            None => None,
        },
    };
    finish(fields, &CONFIG)?;
    Ok(config)
}

fn command(item: &Item<'_>) -> Result<Command, Problem> {
    match item.kind() {
        Kind::List(_) => Ok(Command::Args(text_list(item)?)),
        _ => Ok(Command::Shell(item.text()?)),
    }
}

fn labels(item: &Item<'_>) -> Result<Vec<(String, Option<String>)>, Problem> {
    let entries = item.entries()?;
    let labels = entries.iter().map(|entry| {
        let value = match entry.item.kind() {
            Kind::Null => None,
            _ => Some(entry.item.text()?),
        };
        Ok((entry.name.to_owned(), value))
    });
    labels.collect()
}

fn exposed(item: &Item<'_>) -> Result<Vec<String>, Problem> {
    let mut exposed = Vec::new();
    for item in item.one_or_list() {
        let text = item.text()?;
        let wrong = |reason: &str| {
            item.problem(format!("`{text}` cannot be exposed: {reason}"))
                .help("ports are written as 80, 8000-8010 or 53/udp")
        };
        if ports::Form::of(&text).is_some_and(|form| form.has_host) {
            return Err(wrong(
                "ports of the host are chosen when a container starts",
            ));
        }
        let spelled_out = ports::parse(&text).map_err(|reason| wrong(&reason))?;
        exposed.extend(spelled_out);
    }
    Ok(exposed)
}

fn volumes(item: &Item<'_>) -> Result<Vec<String>, Problem> {
    let volumes = texts(item)?;
    match volumes.iter().any(String::is_empty) {
        true => Err(item.problem("a volume cannot be an empty text")),
        false => Ok(volumes),
    }
}

fn signal(item: &Item<'_>) -> Result<String, Problem> {
    let text = item.text()?;
    match signals::is_signal(&text) {
        true => Ok(text),
        false => Err(item
            .problem(format!("`{text}` is no signal"))
            .help("signals are written as SIGTERM, TERM or 15")),
    }
}

fn healthcheck(item: &Item<'_>) -> Result<HealthConfig, Problem> {
    const FIRST: [(&str, ()); 3] = [("CMD", ()), ("CMD-SHELL", ()), ("NONE", ())];
    let Kind::Map(_) = item.kind() else {
        item.word("healthcheck", &[("none", ())])?;
        return Ok(HealthConfig {
            test: vec!["NONE".to_owned()],
            ..HealthConfig::default()
        });
    };
    let mut fields = item.fields(HEALTHCHECK.what)?;
    let test = fields.required("test")?;
    let test = match test.kind() {
        Kind::List(_) => {
            match test.list()?.first() {
                Some(first) => first.word("first word of a test", &FIRST)?,
                None => return Err(test.problem("the test is empty")),
            }
            text_list(&test)?
        }
        _ => vec!["CMD-SHELL".to_owned(), test.text()?],
    };
    let health = HealthConfig {
        test,
        interval: interval(fields.take("interval"))?,
        timeout: interval(fields.take("timeout"))?,
        start_period: interval(fields.take("start-period"))?,
        start_interval: interval(fields.take("start-interval"))?,
        retries: number::<u32>(fields.take("retries"))?.unwrap_or(0).into(),
    };
    finish(fields, &HEALTHCHECK)?;
    Ok(health)
}

/// A time between two others in nanoseconds. docker takes none below a millisecond.
fn interval(item: Option<Item<'_>>) -> Result<i64, Problem> {
    let Some(item) = item else {
        return Ok(0);
    };
    let text = item.text()?;
    let wrong = match duration::parse(&text) {
        Some(time) if time == 0 || time >= 1_000_000 => return Ok(time),
        Some(_) => "is less than 1ms",
        None => "is no time",
    };
    Err(item
        .problem(format!("`{text}` {wrong}"))
        .help("times are written as 30s, 1m30s or 250ms"))
}

/// A time as configs have it.
fn time(item: Option<Item<'_>>) -> Result<Option<String>, Problem> {
    let Some(item) = item else {
        return Ok(None);
    };
    let text = item.text()?;
    match parse_rfc3339(&text) {
        Some(_) => Ok(Some(text)),
        None => Err(item
            .problem(format!("`{text}` is no time"))
            .help("times are written as 2024-02-29T12:00:00Z")),
    }
}

fn history(item: &Item<'_>) -> Result<History, Problem> {
    let mut fields = item.fields(HISTORY.what)?;
    let history = History {
        created: time(fields.take("created"))?,
        created_by: text(fields.take("by"))?.unwrap_or_default(),
        author: text(fields.take("author"))?.unwrap_or_default(),
        comment: text(fields.take("comment"))?.unwrap_or_default(),
        empty_layer: boolean(fields.take("empty-layer"))?.unwrap_or(false),
        ..History::default()
    };
    finish(fields, &HISTORY)?;
    Ok(history)
}
