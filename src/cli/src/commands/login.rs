//! `stromatekt login` and `logout`: who one is to a registry, kept where docker keeps it.

use std::io::{self, Read};

use stromatekt_sources::docker_config::DockerConfig;
use stromatekt_sources::login::{self, Kept};

use crate::error::{Error, Result};
use crate::output::print;
use crate::report;

/// docker's own registry, as references name it, and as its users do.
const DOCKER_HUB: (&str, &[&str]) = (
    "docker.io",
    &["index.docker.io", "registry-1.docker.io", "docker.io"],
);

/// A password is not longer.
const MAX_PASSWORD: u64 = 1 << 20;

/// The options of `login`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The registry [default: Docker Hub]
    #[arg(value_name = "SERVER")]
    server: Option<String>,
    /// The name of the account
    #[arg(short, long, value_name = "NAME")]
    username: Option<String>,
    /// The password or access token; others can see it while this runs
    #[arg(
        short,
        long,
        value_name = "PASSWORD",
        conflicts_with = "password_stdin"
    )]
    password: Option<String>,
    /// Read the password or access token from standard input
    #[arg(long)]
    password_stdin: bool,
}

/// The options of `logout`.
#[derive(Clone, Debug, clap::Args)]
pub struct LogoutArgs {
    /// The registry [default: Docker Hub]
    #[arg(value_name = "SERVER")]
    server: Option<String>,
}

/// Logs in.
///
/// # Errors
/// When the registry does not take the name and password, or they cannot be kept.
pub async fn run(args: Args) -> Result<()> {
    let registry = registry(args.server.as_deref());
    let Some(user) = args.username.filter(|user| !user.is_empty()) else {
        return Err(missing("the name of the account"));
    };
    let password = match (args.password, args.password_stdin) {
        (Some(password), _) => {
            report::note(
                "a password on the command line can be seen by others: --password-stdin reads it from standard input",
            );
            password
        }
        (None, true) => password_from_stdin()?,
        (None, false) => return Err(missing("the password")),
    };
    let config = config()?;
    login::check(&registry, &user, &password).await?;
    match login::keep(&config, &registry, &user, &password).await? {
        Kept::Helper(_) => {}
        Kept::File => report::note(&format!(
            "the password is kept in {} without encryption; a credential helper would encrypt it",
            config.path().display()
        )),
    }
    print("Login Succeeded\n")
}

/// Logs out.
///
/// # Errors
/// When the config cannot be changed.
pub async fn logout(args: LogoutArgs) -> Result<()> {
    let registry = registry(args.server.as_deref());
    let found = login::forget(&config()?, &registry).await?;
    print(&match found {
        true => format!("Removing login credentials for {registry}\n"),
        false => format!("Not logged in to {registry}\n"),
    })
}

/// The host of a registry, which may be given as a URL.
fn registry(server: Option<&str>) -> String {
    let server = server.unwrap_or(DOCKER_HUB.0);
    let host = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or(host);
    match DOCKER_HUB.1.contains(&host) {
        true => DOCKER_HUB.0.to_owned(),
        false => host.to_owned(),
    }
}

fn missing(what: &str) -> Error {
    Error::Usage {
        what: format!("{what} is missing"),
        hint: "give --username NAME --password-stdin, and the password on standard input".into(),
    }
}

fn config() -> Result<DockerConfig> {
    DockerConfig::of_user().ok_or_else(|| Error::Usage {
        what: "cannot tell where docker's config is: HOME is not set".into(),
        hint: "name its directory with --config DIR".into(),
    })
}

fn password_from_stdin() -> Result<String> {
    let mut password = String::new();
    io::stdin()
        .lock()
        .take(MAX_PASSWORD)
        .read_to_string(&mut password)
        .map_err(Error::file("read", "standard input"))?;
    // As docker: one line end does not belong to it.
    let password = password.strip_suffix('\n').unwrap_or(&password);
    let password = password.strip_suffix('\r').unwrap_or(password);
    match password.is_empty() {
        true => Err(missing("the password")),
        false => Ok(password.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_named_by_their_host() {
        for (server, expected) in [
            (None, "docker.io"),
            (Some("https://index.docker.io/v1/"), "docker.io"),
            (Some("localhost:5000"), "localhost:5000"),
            (Some("https://ghcr.io/v2/"), "ghcr.io"),
        ] {
            assert_eq!(registry(server), expected, "{server:?}");
        }
    }
}
