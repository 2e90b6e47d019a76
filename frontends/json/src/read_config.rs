//! The config of an image, by the field names of the image-spec (`config.md`) and docker's.

use stromatekt_oci::config::{ContainerConfig, HealthConfig, History, ImageConfig};
use stromatekt_oci::time::parse_rfc3339;
use stromatekt_pipeline::{Fields, Item, Problem};

use crate::model::{ConfigItem, Name};
use crate::read::{each, flag};

/// A config, with the names of the fields that are there.
pub fn config(item: &Item<'_>) -> Result<ConfigItem, Problem> {
    let mut set = Vec::new();
    let mut fields = item.fields("the config of an image")?;
    let mut config = ImageConfig::default();
    let mut outer = Setter {
        fields: &mut fields,
        set: &mut set,
        prefix: "",
    };
    outer.text("architecture", &mut config.architecture)?;
    outer.text("author", &mut config.author)?;
    if let Some(item) = outer.take("created") {
        config.created = Some(time(&item)?);
    }
    outer.text("os", &mut config.os)?;
    outer.list("os.features", &mut config.os_features)?;
    outer.optional("os.version", &mut config.os_version)?;
    outer.optional("variant", &mut config.variant)?;
    if let Some(item) = outer.take("history") {
        config.history = each(Some(item), history)?;
    }
    if let Some(item) = fields.take("config") {
        config.config = container(&item, &mut set)?;
    }
    if let Some(item) = fields.take("rootfs") {
        return Err(item
            .problem("`rootfs` follows from the layers")
            .help("leave it out"));
    }
    fields.finish()?;
    Ok(ConfigItem {
        config,
        fields: set,
    })
}

/// Fields that are put into a struct, each remembered by its name.
struct Setter<'s, 'f> {
    fields: &'s mut Fields<'f>,
    set: &'s mut Vec<Name>,
    prefix: &'static str,
}

impl<'f> Setter<'_, 'f> {
    fn take(&mut self, name: &'static str) -> Option<Item<'f>> {
        let item = self.fields.take(name)?;
        self.set.push(Name {
            text: format!("{}{name}", self.prefix),
            place: item.place(),
        });
        Some(item)
    }

    fn text(&mut self, name: &'static str, value: &mut String) -> Result<(), Problem> {
        if let Some(item) = self.take(name) {
            item.string()?.clone_into(value);
        }
        Ok(())
    }

    fn optional(&mut self, name: &'static str, value: &mut Option<String>) -> Result<(), Problem> {
        if let Some(item) = self.take(name) {
            *value = Some(item.string()?.to_owned());
        }
        Ok(())
    }

    fn list(&mut self, name: &'static str, value: &mut Vec<String>) -> Result<(), Problem> {
        if let Some(item) = self.take(name) {
            *value = item.strings()?.into_iter().map(str::to_owned).collect();
        }
        Ok(())
    }

    /// A set, written as an object of empty objects.
    fn set(
        &mut self,
        name: &'static str,
        value: &mut std::collections::BTreeSet<String>,
    ) -> Result<(), Problem> {
        if let Some(item) = self.take(name) {
            for entry in item.entries()? {
                entry.item.fields("an element of a set")?.finish()?;
                value.insert(entry.name.to_owned());
            }
        }
        Ok(())
    }
}

/// A time as configs have it.
fn time(item: &Item<'_>) -> Result<String, Problem> {
    let text = item.string()?;
    match parse_rfc3339(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(item
            .problem(format!("`{text}` is no time"))
            .help("write \"2024-12-31T23:59:59Z\" (RFC 3339)")),
    }
}

fn container(item: &Item<'_>, set: &mut Vec<Name>) -> Result<ContainerConfig, Problem> {
    let mut fields = item.fields("the config of a container")?;
    let mut config = ContainerConfig::default();
    let mut inner = Setter {
        fields: &mut fields,
        set,
        prefix: "config.",
    };
    inner.text("User", &mut config.user)?;
    inner.set("ExposedPorts", &mut config.exposed_ports)?;
    inner.list("Env", &mut config.env)?;
    inner.list("Entrypoint", &mut config.entrypoint)?;
    inner.list("Cmd", &mut config.cmd)?;
    inner.set("Volumes", &mut config.volumes)?;
    inner.text("WorkingDir", &mut config.working_dir)?;
    if let Some(item) = inner.take("Labels") {
        for entry in item.entries()? {
            let value = entry.item.string()?.to_owned();
            config.labels.insert(entry.name.to_owned(), value);
        }
    }
    inner.text("StopSignal", &mut config.stop_signal)?;
    if let Some(item) = inner.take("ArgsEscaped") {
        config.args_escaped = item.boolean()?;
    }
    if let Some(item) = inner.take("Healthcheck") {
        config.healthcheck = Some(health(&item)?);
    }
    inner.list("OnBuild", &mut config.on_build)?;
    inner.list("Shell", &mut config.shell)?;
    fields.finish()?;
    Ok(config)
}

fn health(item: &Item<'_>) -> Result<HealthConfig, Problem> {
    let mut fields = item.fields("a health check")?;
    let mut number = |name| fields.take(name).map_or(Ok(0), |item| item.i64());
    let mut config = HealthConfig {
        interval: number("Interval")?,
        timeout: number("Timeout")?,
        start_period: number("StartPeriod")?,
        start_interval: number("StartInterval")?,
        retries: number("Retries")?,
        test: Vec::new(),
    };
    if let Some(item) = fields.take("Test") {
        config.test = item.strings()?.into_iter().map(str::to_owned).collect();
    }
    fields.finish()?;
    Ok(config)
}

fn history(item: &Item<'_>) -> Result<History, Problem> {
    let mut fields = item.fields("an entry of a history")?;
    let mut text = |name| match fields.take(name) {
        Some(item) => item.string().map(str::to_owned),
        None => Ok(String::new()),
    };
    let (created_by, author, comment) = (text("created_by")?, text("author")?, text("comment")?);
    let entry = History {
        created: fields.take("created").map(|item| time(&item)).transpose()?,
        created_by,
        author,
        comment,
        empty_layer: flag(&mut fields, "empty_layer")?,
        ..History::default()
    };
    fields.finish()?;
    Ok(entry)
}
