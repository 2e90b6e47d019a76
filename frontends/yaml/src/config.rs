//! Configs of images: what one starts as, with what a pipeline says of it.

use stromatekt_dockerfile::paths;
use stromatekt_oci::config::ImageConfig;
use stromatekt_oci::platform::Platform;

use crate::environment::apply_to_config;
use crate::process::with_shell;
use crate::spec::{Command, Config};

/// The config that comes of one.
#[must_use]
pub fn apply(start: ImageConfig, spec: &Config) -> ImageConfig {
    let mut image = start;
    image.history.clear();
    image.created.clone_from(&spec.created);
    if let Some(author) = &spec.author {
        image.author.clone_from(author);
    }
    let shell = spec
        .shell
        .clone()
        .unwrap_or_else(|| image.config.shell.clone());
    image.config.shell = shell;
    let line = |command: &Command, image: &ImageConfig| match command {
        Command::Args(args) => args.clone(),
        Command::Shell(text) => with_shell(None, image, text),
    };
    if let Some(entrypoint) = &spec.entrypoint {
        image.config.entrypoint = line(entrypoint, &image);
        // As docker has it: the base's command would be an argument of another program.
        if spec.cmd.is_none() {
            image.config.cmd.clear();
        }
    }
    if let Some(cmd) = &spec.cmd {
        image.config.cmd = line(cmd, &image);
        image.config.args_escaped = true;
    }
    if let Some(args_escaped) = spec.args_escaped {
        image.config.args_escaped = args_escaped;
    }
    let config = &mut image.config;
    apply_to_config(&mut config.env, &spec.env);
    if let Some(user) = &spec.user {
        config.user.clone_from(user);
    }
    if let Some(workdir) = &spec.workdir {
        config.working_dir = match workdir.as_str() {
            "" => String::new(),
            path => paths::working_directory(&config.working_dir, path),
        };
    }
    for (name, value) in &spec.labels {
        match value {
            Some(value) => {
                config.labels.insert(name.clone(), value.clone());
            }
            None => {
                config.labels.remove(name);
            }
        }
    }
    config.exposed_ports.extend(spec.ports.iter().cloned());
    config.volumes.extend(spec.volumes.iter().cloned());
    if let Some(signal) = &spec.stop_signal {
        config.stop_signal.clone_from(signal);
    }
    if let Some(health) = &spec.healthcheck {
        config.healthcheck = Some(health.clone());
    }
    config.on_build.extend(spec.on_build.iter().cloned());
    image
}

/// Calls an image by the platform that somebody asked for, as docker does.
pub fn call(config: &mut ImageConfig, target: &Platform) {
    let is_same = target.os == config.os && target.architecture == config.architecture;
    config.os.clone_from(&target.os);
    config.architecture.clone_from(&target.architecture);
    if target.variant.is_some() || !is_same {
        config.variant.clone_from(&target.variant);
    }
    if target.os_version.is_some() || !is_same {
        config.os_version.clone_from(&target.os_version);
    }
    if !target.os_features.is_empty() {
        config.os_features.clone_from(&target.os_features);
    }
}

/// Brings the platform of a config into the form that all configs have.
pub fn normalize(config: &mut ImageConfig) {
    let platform = config.platform();
    config.os = platform.os;
    config.architecture = platform.architecture;
    config.variant = platform.variant;
}
