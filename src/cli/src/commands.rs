//! The verbs, one file each.

pub mod build;
pub mod call;
pub mod compat;
pub mod convert;
pub mod image_diff;
pub mod image_history;
pub mod image_inspect;
pub mod image_load;
pub mod image_ls;
pub mod image_pull;
pub mod image_push;
pub mod image_rm;
pub mod image_save;
pub mod image_tag;
pub mod login;
pub mod plan;
pub mod prune;
pub mod schema;
pub mod store_prune;
pub mod store_unmount;
pub mod version;

use stromatekt_sources::docker_config::DockerConfig;

use crate::cli::{Buildx, Cli, Command, Image, Store, System};
use crate::commands::prune::What;
use crate::error::Result;
use crate::foreign_verbs::refuse;
use crate::root::default_root;

/// Runs the verb.
///
/// # Errors
/// What the verb could not do.
pub async fn run(cli: Cli) -> Result<()> {
    cli.unsupported.refuse()?;
    if let Some(directory) = cli.config {
        DockerConfig::choose_directory(directory);
    }
    let root = match cli.root {
        Some(root) => root,
        None => default_root()?,
    };
    match cli.command {
        Command::Build(args)
        | Command::Image(Image::Build(args))
        | Command::Buildx(Buildx::Build(args))
        | Command::Builder(Buildx::Build(args)) => build::run(&root, *args).await,
        Command::Compat(args) => compat::run(&root, *args).await,
        Command::Plan(args) => plan::run(&root, *args).await,
        Command::Convert(args) => convert::run(&root, args).await,
        Command::Schema(args) => schema::run(&args),
        Command::Image(Image::Diff(args)) => image_diff::run(&root, args).await,
        Command::Load(args) | Command::Image(Image::Load(args)) => {
            image_load::run(&root, args).await
        }
        Command::Save(args) | Command::Image(Image::Save(args)) => {
            image_save::run(&root, args).await
        }
        Command::Pull(args) | Command::Image(Image::Pull(args)) => {
            image_pull::run(&root, args).await
        }
        Command::Push(args) | Command::Image(Image::Push(args)) => {
            image_push::run(&root, args).await
        }
        Command::Images(args) | Command::Image(Image::Ls(args)) => image_ls::run(&root, &args),
        Command::History(args) | Command::Image(Image::History(args)) => {
            image_history::run(&root, &args)
        }
        Command::Inspect(args) | Command::Image(Image::Inspect(args)) => {
            image_inspect::run(&root, &args)
        }
        Command::Tag(args) | Command::Image(Image::Tag(args)) => image_tag::run(&root, &args),
        Command::Rmi(args) | Command::Image(Image::Rm(args)) => image_rm::run(&root, &args),
        Command::Image(Image::Prune(args)) => prune::run(&root, &args, What::Images),
        Command::Buildx(Buildx::Prune(args)) | Command::Builder(Buildx::Prune(args)) => {
            prune::run(&root, &args, What::Cache)
        }
        Command::System(System::Prune(args)) => prune::run(&root, &args, What::Both),
        Command::Info(args) | Command::System(System::Info(args)) => version::info(&root, &args),
        Command::Version(args)
        | Command::Buildx(Buildx::Version(args))
        | Command::Builder(Buildx::Version(args)) => version::run(&args),
        Command::Login(args) => login::run(args).await,
        Command::Logout(args) => login::logout(args).await,
        Command::Other(typed) => Err(refuse("", &typed)),
        Command::Image(Image::Other(typed)) => Err(refuse("image", &typed)),
        Command::Buildx(Buildx::Other(typed)) => Err(refuse("buildx", &typed)),
        Command::Builder(Buildx::Other(typed)) => Err(refuse("builder", &typed)),
        Command::System(System::Other(typed)) => Err(refuse("system", &typed)),
        Command::Store(Store::Prune(args)) => store_prune::run(&root, &args),
        Command::Store(Store::Unmount(args)) => store_unmount::run(&root, &args),
    }
}
