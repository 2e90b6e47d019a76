//! The command line: what stands before the verb, and the verbs: stromatekt's, and docker's for the same.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::unsupported::{Foreign, OFF, Unsupported, Verb, switch, valued};

/// Build OCI images from Dockerfiles: independent steps at the same time, on btrfs snapshots, without a daemon.
#[derive(Debug, Parser)]
#[command(
    name = "stromatekt",
    version,
    args_override_self = true,
    disable_version_flag = true
)]
pub struct Cli {
    /// The state directory: images, snapshots, cache [default: /var/lib/stromatekt for root, else
    /// $XDG_STATE_HOME/stromatekt]
    #[arg(
        long,
        value_name = "DIR",
        env = "STROMATEKT_ROOT",
        hide_env_values = true
    )]
    pub root: Option<PathBuf>,
    /// The directory of docker's config.json: logins, proxies [default: $DOCKER_CONFIG, else ~/.docker]
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,
    /// Show the log of what happens inside
    #[arg(short = 'D', long, global = true)]
    debug: bool,
    /// The same for the level debug
    #[arg(
        short,
        long,
        value_name = "LEVEL",
        value_enum,
        default_value = "info",
        hide_default_value = true
    )]
    log_level: LogLevel,
    /// Print version
    #[arg(short, short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    /// What docker has and this has not.
    #[command(flatten)]
    pub unsupported: Unsupported<Global>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build an image from a Dockerfile
    #[command(visible_alias = "b")]
    Build(Box<commands::build::Args>),
    /// Show what a build would do, what can run at the same time, and why a step would run
    Plan(Box<commands::plan::Args>),
    /// Turn a Dockerfile into a pipeline that builds the same image
    Convert(commands::convert::Args),
    /// Print the JSON Schema of pipelines, for editors
    Schema(commands::schema::Args),
    /// Build with docker or buildah, too, and tell in what the images differ
    Compat(Box<commands::compat::Args>),
    /// Load, save, list, show, compare, name and remove images
    #[command(subcommand)]
    Image(Image),
    /// Look after the state directory
    #[command(subcommand)]
    Store(Store),
    /// The same as `build` and `store prune`, by buildx's names
    #[command(subcommand)]
    Buildx(Buildx),
    /// The same as `buildx`
    #[command(subcommand)]
    Builder(Buildx),
    /// Tell about the state directory, and clean it
    #[command(subcommand)]
    System(System),
    /// The same as `image ls`
    Images(commands::image_ls::Args),
    /// The same as `image history`
    History(commands::image_history::Args),
    /// The same as `image inspect`
    Inspect(commands::image_inspect::Args),
    /// The same as `image pull`
    Pull(commands::image_pull::Args),
    /// The same as `image push`
    Push(commands::image_push::Args),
    /// The same as `image load`
    Load(commands::image_load::Args),
    /// The same as `image rm`
    Rmi(commands::image_rm::Args),
    /// The same as `image save`
    Save(commands::image_save::Args),
    /// The same as `image tag`
    Tag(commands::image_tag::Args),
    /// Log in to a registry
    Login(commands::login::Args),
    /// Log out from a registry
    Logout(commands::login::LogoutArgs),
    /// The same as `system info`
    Info(commands::version::Args),
    /// Tell the version
    Version(commands::version::Args),
    /// What docker has and this has not.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// How much of the log is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// All of it.
    Debug,
    /// None: what matters is told anyway.
    Info,
    /// None, too.
    Warn,
    /// None, too.
    Error,
    /// None, too.
    Fatal,
}

/// What stands before the verb with docker alone.
#[derive(Clone, Debug, Default)]
pub struct Global;

const NO_DAEMON: &str = "there is no daemon to talk to: leave it out";

impl Verb for Global {
    const FOREIGN: &'static [Foreign] = &[
        Foreign {
            letter: Some('H'),
            ..valued("host", NO_DAEMON)
        },
        Foreign {
            letter: Some('c'),
            harmless: &["", "default"],
            ..valued("context", NO_DAEMON)
        },
        switch("tls", OFF, NO_DAEMON),
        valued("tlscacert", NO_DAEMON),
        valued("tlscert", NO_DAEMON),
        valued("tlskey", NO_DAEMON),
        switch("tlsverify", OFF, NO_DAEMON),
    ];
}

impl Cli {
    /// How much of the log is shown.
    pub fn log_level(&self) -> LogLevel {
        match self.debug {
            true => LogLevel::Debug,
            false => self.log_level,
        }
    }
}

/// buildx's verbs.
#[derive(Debug, Subcommand)]
pub enum Buildx {
    /// The same as `build`
    #[command(visible_alias = "b")]
    Build(Box<commands::build::Args>),
    /// Remove what no image needs: the cache of steps, cache mounts, downloads
    Prune(commands::prune::Args),
    /// Tell the version
    Version(commands::version::Args),
    /// What buildx has and this has not.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// docker's verbs about the whole.
#[derive(Debug, Subcommand)]
pub enum System {
    /// Tell about the state directory
    Info(commands::version::Args),
    /// Remove images without a name, and what no image needs
    Prune(commands::prune::Args),
    /// What docker has and this has not.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// What can be done with images.
#[derive(Debug, Subcommand)]
pub enum Image {
    /// The same as `build`
    Build(Box<commands::build::Args>),
    /// Show how an image was made
    History(commands::image_history::Args),
    /// Fetch an image from its registry
    Pull(commands::image_pull::Args),
    /// Push an image to its registry
    Push(commands::image_push::Args),
    /// Load images from an OCI layout, its tar, a docker archive, or a root filesystem tar
    Load(commands::image_load::Args),
    /// Save images to a docker archive or an OCI layout
    Save(commands::image_save::Args),
    /// Tell in what two images differ, from wherever they are
    Diff(commands::image_diff::Args),
    /// List images
    #[command(visible_alias = "list")]
    Ls(commands::image_ls::Args),
    /// Show what is known of images, as JSON
    Inspect(commands::image_inspect::Args),
    /// Give an image another name
    Tag(commands::image_tag::Args),
    /// Remove names, and images with their last name
    #[command(visible_alias = "remove")]
    Rm(commands::image_rm::Args),
    /// Remove images without a name
    Prune(commands::prune::Args),
    /// What docker has and this has not.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// What can be done with the state directory.
#[derive(Debug, Subcommand)]
pub enum Store {
    /// Remove what no image needs: the cache of steps, cache mounts, downloads
    Prune(commands::store_prune::Args),
    /// Unmount the store's own filesystem; the next command mounts it again
    Unmount(commands::store_unmount::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_option_given_twice_counts_the_last_time() {
        let cli =
            Cli::try_parse_from(["stromatekt", "build", "--target=a", "--target=b", "."]).unwrap();
        let Command::Build(args) = cli.command else {
            panic!("expected a build");
        };
        assert_eq!(args.target.as_deref(), Some("b"));
    }

    #[test]
    fn a_missing_value_is_told_by_the_options_name() {
        let arguments = [
            "stromatekt",
            "build",
            "--progress",
            "plain",
            "--build-arg",
            "/context",
        ];
        let error = Cli::try_parse_from(arguments).unwrap_err().to_string();
        assert!(error.contains("--build-arg"), "{error}");
    }
}
