//! How an image runs.

use stromatekt_dockerfile::{ports, signals};
use stromatekt_oci::config::{HealthConfig, History};
use stromatekt_pipeline::{Item, Kind, Problem};

use super::settings::{list, variables};
use super::{Reading, boolean, finish, number, platform, text, text_list, texts, words};
use crate::duration;
use crate::language::{CONFIG, HEALTHCHECK, HISTORY};
use crate::spec::{Config, Line};

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
            .map(|item| line(&item))
            .transpose()?,
        cmd: fields.take("cmd").map(|item| line(&item)).transpose()?,
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
        created: text(fields.take("created"))?,
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

fn line(item: &Item<'_>) -> Result<Line, Problem> {
    match item.kind() {
        Kind::List(_) => Ok(Line::Args(text_list(item)?)),
        _ => Ok(Line::Shell(item.text()?)),
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
        let spelled_out = ports::parse(&text).map_err(|reason| {
            item.problem(format!("`{text}` is no port: {reason}"))
                .help("ports are written as 80, 8000-8010 or 53/udp")
        })?;
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
    if let Kind::String(_) = item.kind() {
        item.word("healthcheck", &[("none", ())])?;
        return Ok(HealthConfig {
            test: vec!["NONE".to_owned()],
            ..HealthConfig::default()
        });
    }
    let mut fields = item.fields(HEALTHCHECK.what)?;
    let test = match fields.take("test") {
        Some(item) => match item.kind() {
            Kind::List(_) => {
                let list = item.list()?;
                match list.first() {
                    Some(first) => first.word("first word of a test", &FIRST)?,
                    None => return Err(item.problem("the test is empty")),
                }
                text_list(&item)?
            }
            _ => vec!["CMD-SHELL".to_owned(), item.text()?],
        },
        None => Vec::new(),
    };
    let mut time = |name| match fields.take(name) {
        Some(item) => {
            let text = item.text()?;
            duration::parse(&text)
                .filter(|time| *time >= 0)
                .ok_or_else(|| {
                    item.problem(format!("`{text}` is no time"))
                        .help("times are written as 30s, 1m30s or 250ms")
                })
        }
        None => Ok(0),
    };
    let health = HealthConfig {
        test,
        interval: time("interval")?,
        timeout: time("timeout")?,
        start_period: time("start-period")?,
        start_interval: time("start-interval")?,
        retries: number::<u32>(fields.take("retries"))?.unwrap_or(0).into(),
    };
    finish(fields, &HEALTHCHECK)?;
    Ok(health)
}

fn history(item: &Item<'_>) -> Result<History, Problem> {
    let mut fields = item.fields(HISTORY.what)?;
    let history = History {
        created: text(fields.take("created"))?,
        created_by: text(fields.take("by"))?.unwrap_or_default(),
        author: text(fields.take("author"))?.unwrap_or_default(),
        comment: text(fields.take("comment"))?.unwrap_or_default(),
        empty_layer: boolean(fields.take("empty-layer"))?.unwrap_or(false),
        ..History::default()
    };
    finish(fields, &HISTORY)?;
    Ok(history)
}
