//! The verbs, one file each.

pub mod build;
pub mod call;
pub mod compat;
pub mod image_diff;
pub mod image_inspect;
pub mod image_load;
pub mod image_ls;
pub mod image_rm;
pub mod image_save;
pub mod image_tag;
pub mod store_prune;
pub mod store_unmount;

use crate::cli::{Cli, Command, Image, Store};
use crate::error::Result;
use crate::root::default_root;

/// Runs the verb.
///
/// # Errors
/// What the verb could not do.
pub async fn run(cli: Cli) -> Result<()> {
    let root = match cli.root {
        Some(root) => root,
        None => default_root()?,
    };
    match cli.command {
        Command::Build(args) => build::run(&root, *args).await,
        Command::Compat(args) => compat::run(&root, *args).await,
        Command::Image(Image::Diff(args)) => image_diff::run(&root, args).await,
        Command::Image(Image::Load(args)) => image_load::run(&root, args).await,
        Command::Image(Image::Save(args)) => image_save::run(&root, args).await,
        Command::Image(Image::Ls(args)) => image_ls::run(&root, &args),
        Command::Image(Image::Inspect(args)) => image_inspect::run(&root, &args),
        Command::Image(Image::Tag(args)) => image_tag::run(&root, &args),
        Command::Image(Image::Rm(args)) => image_rm::run(&root, &args),
        Command::Store(Store::Prune(args)) => store_prune::run(&root, &args),
        Command::Store(Store::Unmount(args)) => store_unmount::run(&root, &args),
    }
}
