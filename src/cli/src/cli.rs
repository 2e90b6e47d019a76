//! The command line: what stands before the verb, and the verbs.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands;

/// Build OCI images from Dockerfiles: independent steps at the same time, on btrfs snapshots, without a daemon.
#[derive(Debug, Parser)]
#[command(name = "stromatekt", version, args_override_self = true)]
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
    /// Build with docker or buildah, too, and tell in what the images differ
    Compat(Box<commands::compat::Args>),
    /// Load, save, list, show, compare, name and remove images
    #[command(subcommand)]
    Image(Image),
    /// Look after the state directory
    #[command(subcommand)]
    Store(Store),
}

/// What can be done with images.
#[derive(Debug, Subcommand)]
pub enum Image {
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
