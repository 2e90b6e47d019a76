//! The report of a run, in Markdown: what was compared with what, group by group, and all that is not plainly the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use stromatekt_compare::Class;

use crate::case::Case;
use crate::docker::Versions;
use crate::verdict::{Count, Outcome, Verdict};

/// What a report is about.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The cases of the run.
    pub cases: &'a [Case],
    /// What came of them, in the same order.
    pub verdicts: &'a [Verdict],
    /// What they were compared with.
    pub versions: &'a Versions,
    /// The version of stromatekt.
    pub stromatekt: &'a str,
}

impl Report<'_> {
    /// The text.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut text = String::from("# The same image as docker build, case by case\n\n");
        text.push_str("`make compat` writes this file: it builds each case of `compat/cases` with docker and with stromatekt, and compares what comes out.\n\n");
        self.versions(&mut text);
        self.groups(&mut text);
        self.times(&mut text);
        self.accepted(&mut text);
        self.newest(&mut text);
        self.noise(&mut text);
        self.outcomes(&mut text);
        text
    }

    fn versions(&self, text: &mut String) {
        let versions = self.versions;
        let rows = [
            ("stromatekt", self.stromatekt.to_owned()),
            ("docker", versions.docker.clone()),
            ("BuildKit", versions.buildkit.clone()),
            ("buildx", versions.buildx.clone()),
            ("runc (docker's)", versions.runc.clone()),
            ("Linux", kernel()),
        ];
        text.push_str("| compared | version |\n| --- | --- |\n");
        for (what, version) in rows {
            let _ = writeln!(text, "| {what} | {} |", cell(&version));
        }
    }

    fn groups(&self, text: &mut String) {
        let mut groups: BTreeMap<&str, Vec<&Verdict>> = BTreeMap::new();
        for (case, verdict) in self.cases.iter().zip(self.verdicts) {
            groups.entry(case.group()).or_default().push(verdict);
        }
        text.push_str(
            "\n## Groups\n\n| group | passed | failed | skipped |\n| --- | ---: | ---: | ---: |\n",
        );
        for (group, verdicts) in groups {
            let count = Count::of(verdicts);
            let _ = writeln!(
                text,
                "| {group} | {} | {} | {} |",
                count.passed, count.failed, count.skipped
            );
        }
        let count = Count::of(self.verdicts);
        let _ = writeln!(
            text,
            "| **all** | **{}** | **{}** | **{}** |",
            count.passed, count.failed, count.skipped
        );
    }

    fn times(&self, text: &mut String) {
        let mut times: BTreeMap<&str, (usize, Duration)> = BTreeMap::new();
        for (who, time) in self.verdicts.iter().flat_map(|verdict| &verdict.times) {
            let (count, total) = times.entry(who).or_default();
            *count += 1;
            *total += *time;
        }
        text.push_str("\n## Times\n\nAll builds of a builder one after the other, without cache, with the image written; several cases were built at the same time.\n\n");
        text.push_str("| builder | builds | seconds |\n| --- | ---: | ---: |\n");
        for (who, (count, total)) in times {
            let _ = writeln!(text, "| {who} | {count} | {:.0} |", total.as_secs_f64());
        }
    }

    fn accepted(&self, text: &mut String) {
        let mut rows = String::new();
        for verdict in self.verdicts {
            for accepted in &verdict.accepted {
                let _ = writeln!(
                    rows,
                    "| {} | `{}` | {} |",
                    verdict.name,
                    accepted.difference,
                    cell(&accepted.why)
                );
            }
        }
        if !rows.is_empty() {
            let _ = write!(
                text,
                "\n## Differences that are right\n\n| case | where | why |\n| --- | --- | --- |\n{rows}"
            );
        }
    }

    fn newest(&self, text: &mut String) {
        let mut rows = String::new();
        for case in self.cases {
            if let Some(newest) = &case.definition.newest {
                let _ = writeln!(rows, "| {} | {} |", case.name, cell(newest));
            }
        }
        if !rows.is_empty() {
            let _ = write!(
                text,
                "\n## Where versions of docker differ\n\n| case | what the newest reference says |\n| --- | --- |\n{rows}"
            );
        }
    }

    fn noise(&self, text: &mut String) {
        let mut classes: BTreeMap<Class, (usize, usize)> = BTreeMap::new();
        for (class, number) in self.verdicts.iter().flat_map(|verdict| &verdict.noise) {
            let (cases, total) = classes.entry(*class).or_default();
            *cases += 1;
            *total += number;
        }
        text.push_str("\n## What any two builds differ in\n\nIt makes no difference here; `src/compare` tells where each class is found.\n\n");
        text.push_str("| class | cases | places | why |\n| --- | ---: | ---: | --- |\n");
        for (class, (cases, total)) in classes {
            let _ = writeln!(
                text,
                "| {} | {cases} | {total} | {} |",
                class.name(),
                class.reason()
            );
        }
    }

    fn outcomes(&self, text: &mut String) {
        let (mut failed, mut skipped) = (String::new(), String::new());
        for (case, verdict) in self.cases.iter().zip(self.verdicts) {
            match &verdict.outcome {
                Outcome::Passed => {}
                Outcome::Failed(findings) => {
                    let mut places: Vec<String> = findings
                        .iter()
                        .map(|finding| format!("`{}`", cell(&finding.place)))
                        .collect();
                    places.dedup();
                    let more = places.len().saturating_sub(5);
                    places.truncate(5);
                    if more > 0 {
                        places.push(format!("{more} more"));
                    }
                    let _ = writeln!(
                        failed,
                        "| {} | {} | {} |",
                        verdict.name,
                        cell(&case.point),
                        places.join(", ")
                    );
                }
                Outcome::Skipped(why) => {
                    let _ = writeln!(skipped, "| {} | {} |", verdict.name, cell(why));
                }
            }
        }
        if !failed.is_empty() {
            let _ = write!(
                text,
                "\n## Failed\n\n| case | point | where |\n| --- | --- | --- |\n{failed}"
            );
        }
        if !skipped.is_empty() {
            let _ = write!(
                text,
                "\n## Skipped\n\n| case | why |\n| --- | --- |\n{skipped}"
            );
        }
    }
}

fn kernel() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").map_or_else(
        |_| "unknown".to_owned(),
        |release| release.trim().to_owned(),
    )
}

/// A text as a cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::Definition;
    use crate::verdict::{Acceptance, Finding};

    #[test]
    fn everything_that_is_not_plainly_the_same_is_told() {
        let case = |name: &str| Case {
            name: name.to_owned(),
            directory: "nowhere".into(),
            point: format!("The point of {name}."),
            definition: Definition::default(),
        };
        let verdict = |name: &str, outcome| Verdict {
            name: name.to_owned(),
            outcome,
            times: BTreeMap::from([("stromatekt", Duration::from_millis(1500))]),
            accepted: Vec::new(),
            noise: BTreeMap::from([(Class::Created, 2)]),
        };
        let cases = [case("copy/a"), case("copy/b"), case("run/c")];
        let mut verdicts = [
            verdict("copy/a", Outcome::Passed),
            verdict(
                "copy/b",
                Outcome::Failed(vec![Finding::new(None, "/etc mode", "x")]),
            ),
            verdict("run/c", Outcome::Skipped("no | docker".to_owned())),
        ];
        verdicts[0].accepted.push(Acceptance {
            difference: "history[*]".to_owned(),
            why: "It is\nright.".to_owned(),
            count: 2,
        });
        let text = Report {
            cases: &cases,
            verdicts: &verdicts,
            versions: &Versions {
                docker: "28.5".to_owned(),
                ..Versions::default()
            },
            stromatekt: "0.1",
        }
        .markdown();
        for row in [
            "| docker | 28.5 |\n",
            "| copy | 1 | 1 | 0 |\n",
            "| **all** | **1** | **1** | **1** |\n",
            "| stromatekt | 3 | 4 |\n",
            "| created | 3 | 6 | the images were not made at the same instant |\n",
            "| copy/a | `history[*]` | It is right. |\n",
            "| copy/b | The point of copy/b. | `/etc mode` |\n",
            "| run/c | no \\| docker |\n",
        ] {
            assert!(text.contains(row), "{row}\n{text}");
        }
    }
}
