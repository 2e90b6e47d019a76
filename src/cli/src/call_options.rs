//! `--call` and `--check`: what else can be done with a Dockerfile than to build it.

use clap::ArgAction;

use crate::options::go_bool;

/// The options.
#[derive(Clone, Debug, clap::Args)]
pub struct CallArgs {
    /// What to do: build; check (warn of what docker's build checks warn of), outline (what the target can be given) or targets (what can
    /// be built), as a text or with `,format=json`
    #[arg(long, value_name = "METHOD", default_value = "build", value_parser = Call::parse, hide_default_value = true, overrides_with = "check")]
    call: Call,
    /// Short for --call=check
    #[arg(long, action = ArgAction::Set, value_parser = go_bool, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true, overrides_with = "call")]
    check: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// What to do.
    pub method: Method,
    /// How the result is printed.
    pub format: Format,
    /// Whether it is a success whatever checks find.
    pub ignores_status: bool,
}

/// What to do with a Dockerfile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Build it.
    Build,
    /// Look at the rules.
    Check,
    /// Tell what the target can be given.
    Outline,
    /// Tell what can be built.
    Targets,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// BuildKit's JSON.
    Json,
}

impl CallArgs {
    /// What is asked for, where it is something else than a build.
    pub fn asked(&self) -> Option<Call> {
        let call = match self.check {
            true => Call {
                method: Method::Check,
                ..self.call
            },
            false => self.call,
        };
        (call.method != Method::Build).then_some(call)
    }
}

impl Call {
    /// `METHOD[,format=FORMAT][,ignorestatus=BOOL]`, as buildx takes it.
    fn parse(text: &str) -> Result<Self, String> {
        let fields = stromatekt_dockerfile::csv::fields(text).map_err(|error| error.to_string())?;
        let mut call = Self {
            method: Method::Build,
            format: Format::Text,
            ignores_status: false,
        };
        for (place, field) in fields.iter().enumerate() {
            match (place, field.split_once('=')) {
                (0, None) => {
                    call.method = match field.as_str() {
                        "build" => Method::Build,
                        "check" | "lint" => Method::Check,
                        "outline" => Method::Outline,
                        "targets" => Method::Targets,
                        other => {
                            return Err(format!(
                                "there is build, check, outline and targets, but not `{other}`"
                            ));
                        }
                    };
                }
                (_, Some(("format", value))) => {
                    call.format = match value {
                        "json" => Format::Json,
                        "text" | "" => Format::Text,
                        other => {
                            return Err(format!("the formats are text and json, not `{other}`"));
                        }
                    };
                }
                (_, Some(("ignorestatus", value))) => call.ignores_status = go_bool(value)?,
                _ => {
                    return Err(format!(
                        "write it as METHOD,format=json: `{field}` cannot be read"
                    ));
                }
            }
        }
        Ok(call)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        call: CallArgs,
    }

    fn asked(args: &[&str]) -> Option<Call> {
        let line = Line::try_parse_from([&["build"], args].concat());
        line.unwrap_or_else(|error| panic!("{error}")).call.asked()
    }

    #[test]
    fn what_is_no_build_is_asked_for_by_name() {
        for (args, method, format) in [
            (&["--call=check"][..], Method::Check, Format::Text),
            (&["--call", "lint,format=json"], Method::Check, Format::Json),
            (&["--check"], Method::Check, Format::Text),
            (
                &["--call=outline,format=text"],
                Method::Outline,
                Format::Text,
            ),
            (
                &["--call=targets,ignorestatus=true"],
                Method::Targets,
                Format::Text,
            ),
            (
                &["--check", "--call=outline"],
                Method::Outline,
                Format::Text,
            ),
            (&["--call=outline", "--check"], Method::Check, Format::Text),
        ] {
            let call = asked(args).unwrap();
            assert_eq!((call.method, call.format), (method, format), "{args:?}");
        }
        for args in [&[][..], &["--call=build"], &["--check=false"]] {
            assert_eq!(asked(args), None, "{args:?}");
        }
        for call in [
            "what",
            "check,format=xml",
            "check,colour=1",
            "check,x",
            "format",
        ] {
            assert!(Call::parse(call).is_err(), "{call}");
        }
    }
}
