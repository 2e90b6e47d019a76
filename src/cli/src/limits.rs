//! The options of `build` that bound steps: `--ulimit`, `--shm-size`, `--cgroup-parent`, `--memory` and their kin, written as docker has them.

use std::collections::BTreeMap;

use stromatekt_graph::limits::{Limits, Resources, Ulimit};

use crate::error::{Error, Result};

/// Docker starts no container with less memory.
const LEAST_MEMORY: u64 = 6 << 20;

/// The options.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Limits of steps")]
pub struct LimitArgs {
    /// Limit of setrlimit(2): nofile=1024:2048
    #[arg(long = "ulimit", value_name = "NAME=SOFT[:HARD]", value_parser = ulimit)]
    ulimits: Vec<Ulimit>,
    /// Size of /dev/shm [default: 64m]
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    shm_size: Option<u64>,
    /// Control group to make those of steps in
    #[arg(long, value_name = "GROUP", value_parser = cgroup_parent)]
    cgroup_parent: Option<CgroupParent>,
    /// Memory of a step
    #[arg(short, long, value_name = "BYTES", value_parser = bytes)]
    memory: Option<u64>,
    /// Memory and swap of a step together; -1 for no limit
    #[arg(long, value_name = "BYTES", value_parser = bytes_or_unlimited, allow_hyphen_values = true)]
    memory_swap: Option<i64>,
    /// Weight of a step among those that want the processors
    #[arg(short, long, value_name = "WEIGHT", value_parser = clap::value_parser!(u64))]
    cpu_shares: Option<u64>,
    /// Microseconds of processor time in each period
    #[arg(long, value_name = "MICROSECONDS", value_parser = clap::value_parser!(i64).range(0..))]
    cpu_quota: Option<i64>,
    /// Microseconds of a period
    #[arg(long, value_name = "MICROSECONDS", value_parser = clap::value_parser!(u64))]
    cpu_period: Option<u64>,
    /// Processors that steps run on: 0-2,7
    #[arg(long, value_name = "LIST", value_parser = cpuset)]
    cpuset_cpus: Option<String>,
    /// Memory nodes that steps use: 0-2,7
    #[arg(long, value_name = "LIST", value_parser = cpuset)]
    cpuset_mems: Option<String>,
}

/// A control group from the top of the hierarchies, without slashes around it; empty for none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CgroupParent(String);

impl LimitArgs {
    /// What the options say of steps.
    ///
    /// # Errors
    /// When they make no sense together.
    pub fn limits(&self) -> Result<Limits> {
        // Of a name the last one counts, as with docker.
        let ulimits: BTreeMap<&str, &Ulimit> = self
            .ulimits
            .iter()
            .map(|ulimit| (ulimit.name.as_str(), ulimit))
            .collect();
        let parent = self.cgroup_parent.as_ref().map(|parent| parent.0.clone());
        Ok(Limits {
            ulimits: ulimits.into_values().cloned().collect(),
            cgroup_parent: parent.filter(|parent| !parent.is_empty()),
            resources: self.resources()?,
        })
    }

    /// The bytes of `/dev/shm`, where they are another than docker's.
    pub fn shm_size(&self) -> Option<u64> {
        self.shm_size.filter(|size| *size > 0)
    }

    /// Zero is as good as nothing everywhere.
    fn resources(&self) -> Result<Resources> {
        let memory = self.memory.filter(|bytes| *bytes > 0);
        let memory_swap = self.memory_swap.filter(|bytes| *bytes != 0);
        let refuse = |option, value: u64, reason: &str, hint: &str| {
            Err(Error::Option {
                option,
                value: value.to_string(),
                reason: reason.to_owned(),
                hint: Some(hint.to_owned()),
            })
        };
        match (memory, memory_swap) {
            (Some(bytes), _) if bytes < LEAST_MEMORY => {
                let reason = "a container needs 6 MiB to start";
                return refuse("--memory", bytes, reason, "give it more: --memory 6m");
            }
            (Some(memory), Some(swap)) if u64::try_from(swap).is_ok_and(|swap| swap < memory) => {
                let reason = "it is memory and swap together, so at least what --memory says";
                let hint = "give the sum of both, or -1 for no limit";
                return refuse("--memory-swap", swap.unsigned_abs(), reason, hint);
            }
            (None, Some(_)) => {
                return Err(Error::Usage {
                    what: "--memory-swap without --memory".to_owned(),
                    hint: "limit the memory, too: --memory BYTES".to_owned(),
                });
            }
            _ => {}
        }
        let list = |list: &Option<String>| list.clone().filter(|list| !list.is_empty());
        Ok(Resources {
            memory,
            memory_swap,
            cpu_shares: self.cpu_shares.filter(|shares| *shares > 0),
            cpu_quota: self.cpu_quota.filter(|quota| *quota > 0),
            cpu_period: self.cpu_period.filter(|period| *period > 0),
            cpus: list(&self.cpuset_cpus),
            mems: list(&self.cpuset_mems),
        })
    }
}

fn ulimit(text: &str) -> Result<Ulimit, String> {
    let Some((name, values)) = text.split_once('=') else {
        return Err("write it as NAME=SOFT or NAME=SOFT:HARD".to_owned());
    };
    if !Ulimit::NAMES.contains(&name) {
        return Err(format!(
            "there is no limit `{name}`: they are {}",
            Ulimit::NAMES.join(", ")
        ));
    }
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let limit = |text: &str| match text.parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(limit) => u64::try_from(limit)
            .map(Some)
            .map_err(|_| format!("`{text}` is neither a number nor -1, for no limit")),
        Err(_) => Err(format!("`{text}` is no number")),
    };
    let (soft, hard) = (limit(soft)?, limit(hard)?);
    match (soft, hard) {
        (None, Some(_)) => Err("the soft limit is above the hard one".to_owned()),
        (Some(soft), Some(hard)) if soft > hard => {
            Err("the soft limit is above the hard one".to_owned())
        }
        _ => Ok(Ulimit {
            name: name.to_owned(),
            soft,
            hard,
        }),
    }
}

/// A number of bytes with docker's units, which are powers of 1024: `64m`, `1.5GiB`.
fn bytes(text: &str) -> Result<u64, String> {
    let refuse = || format!("`{text}` is no number of bytes, as 64m or 2g is one");
    let end = text
        .rfind(|char: char| char.is_ascii_digit())
        .map_or(0, |last| last + 1);
    let (number, unit) = text.split_at_checked(end).ok_or_else(refuse)?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit).to_ascii_lowercase();
    let exponent = match unit.strip_suffix("ib").or(unit.strip_suffix('b')) {
        Some(prefix) => prefix,
        None => unit.as_str(),
    };
    let exponent = match exponent {
        "" if unit != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return Err(refuse()),
    };
    let factor = 1_u64 << (10 * exponent);
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(refuse);
    }
    let is_decimal = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    match number.parse::<f64>() {
        // Part of a byte is none, as with docker.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "what is written with a point is not exact anyway"
        )]
        Ok(number) if is_decimal && number.is_finite() => Ok((number * factor as f64) as u64),
        _ => Err(refuse()),
    }
}

fn bytes_or_unlimited(text: &str) -> Result<i64, String> {
    match text {
        "-1" => Ok(-1),
        text => i64::try_from(bytes(text)?).map_err(|_| format!("`{text}` is too much")),
    }
}

fn cgroup_parent(text: &str) -> Result<CgroupParent, String> {
    if text.contains(".slice") && text.ends_with(':') {
        return Err(
            "groups are made without systemd: name one by its path, as /system.slice".to_owned(),
        );
    }
    let names: Vec<&str> = text
        .split('/')
        .filter(|name| !matches!(*name, "" | "."))
        .collect();
    match names.contains(&"..") {
        true => Err("a group is named from the top, without `..`".to_owned()),
        false => Ok(CgroupParent(names.join("/"))),
    }
}

/// A list as the kernel takes it, cpuset(7).
fn cpuset(text: &str) -> Result<String, String> {
    let is_number = |text: &str| text.parse::<u32>().ok();
    let is_range = |part: &str| match part.split_once('-') {
        Some((first, last)) => is_number(first)
            .zip(is_number(last))
            .is_some_and(|(first, last)| first <= last),
        None => is_number(part).is_some(),
    };
    match text.is_empty() || text.split(',').all(is_range) {
        true => Ok(text.to_owned()),
        false => Err("write it as 0-2,7".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_dockers_units() {
        for (text, expected) in [
            ("0", 0),
            ("100", 100),
            ("64m", 64 << 20),
            ("64M", 64 << 20),
            ("64mb", 64 << 20),
            ("64MiB", 64 << 20),
            ("64 mb", 64 << 20),
            ("1.5k", 1536),
            ("2b", 2),
            ("1g", 1 << 30),
            ("1t", 1 << 40),
            ("1p", 1 << 50),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "m",
            "-1",
            "x",
            "1x",
            "1ib",
            "1 2m",
            "1mm",
            "1e3",
            "99999999999p",
            "inf",
            "1.2.3",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert_eq!(bytes_or_unlimited("-1"), Ok(-1));
        assert_eq!(bytes_or_unlimited("1k"), Ok(1024));
    }

    #[test]
    fn ulimits_have_a_soft_and_a_hard_value() {
        let limit = |text| ulimit(text).map(|limit| (limit.soft, limit.hard));
        assert_eq!(limit("nofile=1:2"), Ok((Some(1), Some(2))));
        assert_eq!(limit("nproc=7"), Ok((Some(7), Some(7))));
        assert_eq!(limit("core=-1"), Ok((None, None)));
        assert_eq!(limit("core=0:-1"), Ok((Some(0), None)));
        for text in [
            "nofile",
            "as=1",
            "foo=1",
            "nofile=2:1",
            "nofile=-1:1",
            "nofile=1:2:3",
            "nofile=x",
            "nofile=-2",
            "nofile=",
        ] {
            assert!(ulimit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn groups_and_sets_are_named_as_the_kernel_does() {
        let parent = |text: &str| cgroup_parent(text).map(|parent| parent.0);
        assert_eq!(parent("/a//b/."), Ok("a/b".to_owned()));
        assert_eq!(parent("system.slice"), Ok("system.slice".to_owned()));
        assert!(parent("a/../b").is_err() && parent("a.slice:b:").is_err());
        for text in ["", "0", "0-2,7", "3,1"] {
            assert!(cpuset(text).is_ok(), "{text}");
        }
        for text in ["a", "2-1", "1,", "-1", "0-"] {
            assert!(cpuset(text).is_err(), "{text}");
        }
    }

    #[test]
    fn limits_of_memory_fit_together() {
        let resources = |memory, memory_swap| {
            let args = LimitArgs {
                memory,
                memory_swap,
                ..LimitArgs::default()
            };
            args.limits().map(|limits| limits.resources)
        };
        assert_eq!(
            resources(Some(0), Some(0)).expect("no limits"),
            Resources::default()
        );
        let set = resources(Some(8 << 20), Some(-1)).expect("limits");
        assert_eq!((set.memory, set.memory_swap), (Some(8 << 20), Some(-1)));
        for (memory, swap) in [(Some(1), None), (None, Some(1)), (Some(8 << 20), Some(1))] {
            assert!(resources(memory, swap).is_err(), "{memory:?} {swap:?}");
        }
    }
}
