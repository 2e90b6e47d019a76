//! The state of a stage between two instructions: its tree, its image config, its environment; and what the instructions that only
//! change the config do to it. Values are expanded already.

use std::collections::BTreeSet;

use stromatekt_graph::NodeId;
use stromatekt_oci::config::{HealthConfig, History, ImageConfig};

use crate::checks::Marks;
use crate::environment::{self, Environment};
use crate::{go_text, inherit};

/// What BuildKit writes into each entry that it adds to a history.
const HISTORY_COMMENT: &str = "buildkit.dockerfile.v0";
const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// The state of a stage between two instructions.
#[derive(Clone, Debug)]
pub struct State {
    /// The files.
    pub tree: NodeId,
    /// The [`Image`](stromatekt_graph::op::Image) below all layers, if there is one.
    pub base: Option<NodeId>,
    /// What came on top of it, in order.
    pub layers: Vec<Layer>,
    /// The config as an image of this state would have it.
    pub image: ImageConfig,
    /// What a process sees and words expand: the variables of the image and the args.
    pub environment: Environment,
    /// The args in the order in which they were declared, with what they were set to there.
    pub args: Vec<(String, Option<String>)>,
    /// When the history says that things were done.
    pub created: Option<String>,
    /// Whether CMD stood in this stage: then ENTRYPOINT keeps it.
    pub has_cmd: bool,
    /// What checks must know of the instructions before.
    pub marks: Marks,
}

/// A layer: what turned one tree into another.
#[derive(Clone, Copy, Debug)]
pub struct Layer {
    /// The tree before; the empty one where absent.
    pub lower: Option<NodeId>,
    /// The tree after.
    pub upper: NodeId,
    /// The entry in the history.
    pub history: usize,
}

impl State {
    /// The state at the start of a stage on top of an image (or of nothing) with this config.
    pub fn on_image(
        tree: NodeId,
        base: Option<NodeId>,
        image: ImageConfig,
        created: Option<String>,
    ) -> Self {
        let mut state = Self {
            tree,
            base,
            layers: Vec::new(),
            // Its triggers are among the steps of the stage.
            image: inherit::from_base(image),
            environment: Environment::default(),
            args: Vec::new(),
            created,
            has_cmd: false,
            marks: Marks::default(),
        };
        state.enter();
        state
    }

    /// The state at the start of a stage on top of this one. Triggers do not go on to it; args do.
    pub fn next_stage(&self) -> Self {
        let mut state = self.clone();
        state.image.config.on_build.clear();
        state.has_cmd = false;
        state.marks = self.marks.next_stage();
        state.enter();
        state
    }

    fn enter(&mut self) {
        inherit::complete(&mut self.image.config);
        for variable in &self.image.config.env {
            let (name, value) = environment::split(variable);
            self.environment.set(name, value);
        }
    }

    /// The working directory, absolute.
    pub fn working_dir(&self) -> &str {
        match self.image.config.working_dir.as_str() {
            "" => "/",
            directory => directory,
        }
    }

    /// A command of the shell form as an argument vector.
    pub fn with_shell(&self, words: &[String]) -> Vec<String> {
        let shell = &self.image.config.shell;
        let mut args = if shell.is_empty() {
            DEFAULT_SHELL.map(str::to_owned).to_vec()
        } else {
            shell.clone()
        };
        args.push(words.join(" "));
        args
    }

    /// Puts a step that makes a layer behind the state.
    pub fn add_layer(&mut self, upper: NodeId, lower_is_empty: bool, created_by: String) {
        self.layers.push(Layer {
            lower: (!lower_is_empty).then_some(self.tree),
            upper,
            history: self.image.history.len(),
        });
        self.tree = upper;
        self.add_history(created_by, false);
    }

    fn add_metadata(&mut self, created_by: String) {
        self.add_history(created_by, true);
    }

    fn add_history(&mut self, created_by: String, empty_layer: bool) {
        self.image.history.push(History {
            created: self.created.clone(),
            created_by,
            comment: HISTORY_COMMENT.to_owned(),
            empty_layer,
            ..History::default()
        });
    }

    /// ENV.
    pub fn env(&mut self, pairs: &[(String, String)]) {
        for (name, value) in pairs {
            self.environment.set(name, value);
            environment::set_in_config(&mut self.image.config.env, name, value);
        }
        self.add_metadata(with_pairs("ENV", pairs));
    }

    /// LABEL.
    pub fn label(&mut self, pairs: &[(String, String)]) {
        self.image.config.labels.extend(pairs.iter().cloned());
        self.add_metadata(with_pairs("LABEL", pairs));
    }

    /// ARG: the args with the values that hold from here on. Those of `outside` are remembered, but no variables.
    pub fn arg(&mut self, args: Vec<(String, Option<String>)>, outside: &[&str]) {
        let texts: Vec<String> = args
            .iter()
            .map(|(name, value)| match value {
                Some(value) => format!("{name}={value}"),
                None => name.clone(),
            })
            .collect();
        for (name, value) in &args {
            if let Some(value) = value
                && !outside.contains(&name.as_str())
            {
                self.environment.set(name, value);
            }
        }
        self.args.extend(args);
        self.add_metadata(format!("ARG {}", texts.join(" ")));
    }

    /// CMD, with the shell before it already where it is of that form.
    pub fn cmd(&mut self, args: Vec<String>) {
        self.add_metadata(format!("CMD {}", go_text::quoted_list(&args)));
        self.image.config.cmd = args;
        // BuildKit sets it on all systems.
        self.image.config.args_escaped = true;
        self.has_cmd = true;
    }

    /// ENTRYPOINT. A command that a base brought would be an argument of another program: it goes.
    pub fn entrypoint(&mut self, args: Vec<String>) {
        self.add_metadata(format!("ENTRYPOINT {}", go_text::quoted_list(&args)));
        self.image.config.entrypoint = args;
        if !self.has_cmd {
            self.image.config.cmd.clear();
        }
    }

    /// EXPOSE, with ports as the config has them.
    pub fn expose(&mut self, ports: Vec<String>) {
        self.add_metadata(format!("EXPOSE {}", go_text::list(&ports)));
        self.image.config.exposed_ports.extend(ports);
    }

    /// VOLUME.
    pub fn volume(&mut self, volumes: Vec<String>) {
        self.add_metadata(format!("VOLUME {}", go_text::list(&volumes)));
        self.image.config.volumes.extend(volumes);
    }

    /// USER.
    pub fn user(&mut self, user: &str) {
        user.clone_into(&mut self.image.config.user);
        self.add_metadata(format!("USER {user}"));
    }

    /// STOPSIGNAL.
    pub fn stop_signal(&mut self, signal: &str) {
        signal.clone_into(&mut self.image.config.stop_signal);
        self.add_metadata(format!("STOPSIGNAL {signal}"));
    }

    /// SHELL.
    pub fn shell(&mut self, shell: Vec<String>) {
        self.add_metadata(format!("SHELL {}", go_text::list(&shell)));
        self.image.config.shell = shell;
    }

    /// HEALTHCHECK.
    pub fn healthcheck(&mut self, health: HealthConfig) {
        self.add_metadata(format!(
            "HEALTHCHECK {{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
            go_text::list(&health.test),
            go_text::duration(health.interval),
            go_text::duration(health.timeout),
            go_text::duration(health.start_period),
            go_text::duration(health.start_interval),
            health.retries
        ));
        self.image.config.healthcheck = Some(health);
    }

    /// MAINTAINER.
    pub fn maintainer(&mut self, name: &str) {
        name.clone_into(&mut self.image.author);
        self.add_metadata(format!("MAINTAINER {name}"));
    }

    /// ONBUILD. It leaves no trace in the history.
    pub fn on_build(&mut self, trigger: &str) {
        self.image.config.on_build.push(trigger.to_owned());
    }

    /// WORKDIR to the root, which needs no directory made.
    pub fn work_in_root(&mut self) {
        "/".clone_into(&mut self.image.config.working_dir);
        self.add_metadata("WORKDIR /".to_owned());
    }

    /// WORKDIR, with the tree in which the directory is.
    pub fn work_in(&mut self, directory: &str, tree: NodeId, lower_is_empty: bool) {
        directory.clone_into(&mut self.image.config.working_dir);
        self.add_layer(tree, lower_is_empty, format!("WORKDIR {directory}"));
    }

    /// The history's text for a RUN: the args that it could see, by their values now, then the argument vector.
    pub fn run_text(&self, args: &[String]) -> String {
        let mut names = BTreeSet::new();
        let seen: Vec<String> = self
            .args
            .iter()
            .filter(|(name, _)| names.insert(name))
            .map(|(name, _)| {
                // The variable counts (ENV may have changed it); else the last declaration.
                let value = self.environment.get(name).unwrap_or_else(|| {
                    let last = self.args.iter().rev().find(|(other, _)| other == name);
                    last.and_then(|(_, value)| value.as_deref()).unwrap_or("")
                });
                format!("{name}={value}")
            })
            .collect();
        let count = (!seen.is_empty()).then(|| format!("|{}", seen.len()));
        let words: Vec<String> = count
            .into_iter()
            .chain(seen)
            .chain(args.iter().cloned())
            .collect();
        format!("RUN {} # buildkit", words.join(" "))
    }
}

fn with_pairs(instruction: &str, pairs: &[(String, String)]) -> String {
    pairs
        .iter()
        .fold(instruction.to_owned(), |text, (name, value)| {
            format!("{text} {name}={value}")
        })
}
