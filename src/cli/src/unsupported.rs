//! Options that docker and buildx have and stromatekt has not: each is refused with what to do instead.

use std::marker::PhantomData;

use clap::{Arg, ArgAction, ArgMatches, Command, FromArgMatches};

use crate::error::{Error, Result};

/// An option that docker has.
pub struct Foreign {
    /// Its name, without dashes.
    pub name: &'static str,
    /// Its letter.
    pub letter: Option<char>,
    /// The value that it has when it is given without one; none where it must have one.
    pub bare: Option<&'static str>,
    /// Values that ask for what is done anyway.
    pub harmless: &'static [&'static str],
    /// What to do instead.
    pub hint: &'static str,
}

/// A verb with options that docker has alone.
pub trait Verb {
    /// These options.
    const FOREIGN: &'static [Foreign];
}

/// `build`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Build;

impl Verb for Build {
    const FOREIGN: &'static [Foreign] = FOREIGN;
}

/// An option that takes a value.
pub const fn valued(name: &'static str, hint: &'static str) -> Foreign {
    Foreign {
        name,
        letter: None,
        bare: None,
        harmless: &[],
        hint,
    }
}

/// An option that is on or off.
pub const fn switch(
    name: &'static str,
    harmless: &'static [&'static str],
    hint: &'static str,
) -> Foreign {
    Foreign {
        name,
        letter: None,
        bare: Some("true"),
        harmless,
        hint,
    }
}

/// The values that switch an option off.
pub const OFF: &[&str] = &["false", "0"];
/// Those that switch it on.
pub const ON: &[&str] = &["true", "1"];
/// Either.
pub const BOTH: &[&str] = &["true", "1", "false", "0"];

const CACHE: &str = "the cache is in the state directory, and is used by itself: keep that directory between builds (`--root`)";
const ATTESTATION: &str =
    "no attestations are made: give --provenance=false --sbom=false, or leave them out";
const SENT_NOWHERE: &str = "the context is read where it is, and sent nowhere";
const LEAVE_OUT: &str = "leave it out";

const FOREIGN: &[Foreign] = &[
    Foreign {
        harmless: &["type=provenance,disabled=true", "type=sbom,disabled=true"],
        ..valued("attest", ATTESTATION)
    },
    switch("provenance", OFF, ATTESTATION),
    switch("sbom", OFF, ATTESTATION),
    valued("cache-from", CACHE),
    valued("cache-to", CACHE),
    Foreign {
        harmless: &["", "default"],
        ..valued(
            "builder",
            "there is no daemon and no builder to choose: leave it out",
        )
    },
    valued("policy", LEAVE_OUT),
    Foreign {
        harmless: &["", "default"],
        ..valued("isolation", "a container is how a step runs: leave it out")
    },
    valued(
        "security-opt",
        "use `RUN --security=insecure` with --allow security.insecure where a step needs more than others",
    ),
    switch(
        "squash",
        OFF,
        "add a last stage: `FROM scratch`, then `COPY --from=STAGE / /`",
    ),
    switch("compress", BOTH, SENT_NOWHERE),
    switch("stream", BOTH, SENT_NOWHERE),
    switch(
        "disable-content-trust",
        ON,
        "signatures of images are not checked: name the base by its digest",
    ),
    switch("rm", ON, "nothing of a step is kept but its result"),
    switch("force-rm", BOTH, "nothing of a step is kept but its result"),
];

/// The options of docker's that were given, with the values that ask for something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unsupported<V = Build> {
    given: Vec<(String, &'static str)>,
    verb: PhantomData<V>,
}

impl<V> Unsupported<V> {
    /// Nothing is accepted and ignored.
    ///
    /// # Errors
    /// When one was given that asks for what is not done.
    pub fn refuse(&self) -> Result<()> {
        match self.given.first() {
            Some((option, hint)) => Err(Error::Unsupported {
                option: option.clone(),
                hint,
            }),
            None => Ok(()),
        }
    }
}

impl<V: Verb> clap::Args for Unsupported<V> {
    fn augment_args(command: Command) -> Command {
        V::FOREIGN.iter().fold(command, |command, foreign| {
            let arg = Arg::new(foreign.name)
                .long(foreign.name)
                .short(foreign.letter)
                .action(ArgAction::Append)
                // Hidden from help, and read by what makes the table of flags.
                .help(foreign.hint)
                .long_help(foreign.harmless.join("\n"))
                .hide(true);
            command.arg(match foreign.bare {
                Some(bare) => arg
                    .num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value(bare),
                None => arg.num_args(1),
            })
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<V: Verb> FromArgMatches for Unsupported<V> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Vec::new();
        for foreign in V::FOREIGN {
            let values = matches.get_many::<String>(foreign.name);
            for value in values.into_iter().flatten() {
                if foreign.harmless.contains(&value.as_str()) {
                    continue;
                }
                let option = match foreign.bare == Some(value) {
                    true => format!("--{}", foreign.name),
                    false => format!("--{}={value}", foreign.name),
                };
                given.push((option, foreign.hint));
            }
        }
        Ok(Self {
            given,
            verb: PhantomData,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(args: &[&str]) -> Option<String> {
        let command = <Unsupported<Build> as clap::Args>::augment_args(Command::new("build"))
            .arg(Arg::new("context"));
        let matches = command
            .try_get_matches_from([&["build"], args].concat())
            .unwrap();
        let unsupported = Unsupported::<Build>::from_arg_matches(&matches).unwrap();
        unsupported.refuse().err().map(|error| error.to_string())
    }

    #[test]
    fn what_docker_has_alone_is_refused_by_name() {
        for (args, option) in [
            (&["--squash", "."][..], "--squash"),
            (&["--provenance=mode=max", "."], "--provenance=mode=max"),
            (&["--sbom", "."], "--sbom"),
            (&["--cache-from", "type=gha"], "--cache-from=type=gha"),
            (&["--rm=false"], "--rm=false"),
        ] {
            assert_eq!(refused(args), Some(format!("{option} is not supported")));
        }
    }

    #[test]
    fn what_asks_for_what_is_done_anyway_is_fine() {
        for args in [
            &["--provenance=false", "--sbom=false", "."][..],
            &["--rm", "."],
            &["--rm=true", "--force-rm", "."],
            &["--squash=false", "--force-rm=false", "--compress"],
            &["--builder", "default", "--isolation=default"],
            &["--attest=type=sbom,disabled=true"],
            &[],
        ] {
            assert_eq!(refused(args), None, "{args:?}");
        }
    }
}
