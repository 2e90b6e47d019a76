//! Every option and verb of docker's that it tells in its help is in `compat/FLAGS.md`, and known to the command.

use std::collections::BTreeSet;
use std::process::Command;

use stromatekt_tests::{Context, Lab, command, requirement};

/// What of docker's verbs is asked for its options.
const VERBS: &[&[&str]] = &[
    &["build"],
    &["buildx", "build"],
    &["image", "history"],
    &["image", "inspect"],
    &["image", "load"],
    &["image", "ls"],
    &["image", "prune"],
    &["image", "pull"],
    &["image", "push"],
    &["image", "rm"],
    &["image", "save"],
    &["image", "tag"],
    &["builder", "prune"],
    &["buildx", "prune"],
    &["system", "prune"],
    &["inspect"],
    &["info"],
    &["login"],
    &["logout"],
    &["version"],
];

/// Whose verbs are listed.
const GROUPS: &[&[&str]] = &[&[], &["image"], &["builder"], &["buildx"], &["system"]];

/// The help of each docker that there is: the installed one with either builder, and the newer one of the lab.
fn helps(path: &[&str]) -> Vec<String> {
    let mut helps = Vec::new();
    for buildkit in ["0", "1"] {
        let mut docker = Command::new("docker");
        docker
            .args(path)
            .arg("--help")
            .env("DOCKER_BUILDKIT", buildkit);
        helps.push(docker);
    }
    let newer = requirement::newer_docker();
    helps.extend(newer.map(|mut docker| {
        docker.arg("docker").args(path).arg("--help");
        docker
    }));
    helps
        .into_iter()
        .map(|mut docker| command::run(&mut docker, None))
        .filter(|outcome| outcome.code == Some(0))
        .map(|outcome| outcome.text().to_owned())
        // One that does not know the verb tells what it knows instead.
        .filter(|help| {
            let usage = help.lines().find(|line| line.starts_with("Usage:"));
            usage.is_some_and(|usage| path.iter().all(|word| is_in(usage, word)))
        })
        .collect()
}

/// Whether a verb is in a line of usage. Newer dockers have all that is about builds in buildx.
fn is_in(usage: &str, verb: &str) -> bool {
    let mut words = usage.split_whitespace();
    words.any(|word| word == verb || (verb == "builder" && word == "buildx"))
}

/// `--name` and `-n` of the lines of a help that begin with an option.
fn options(help: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in help.lines() {
        let mut words = line.split_whitespace().peekable();
        let is_option = line.starts_with("  -") || line.starts_with("      --");
        while is_option && words.peek().is_some_and(|word| word.starts_with('-')) {
            found.extend(
                words
                    .next()
                    .map(|word| word.trim_end_matches(',').to_owned()),
            );
        }
    }
    found
}

/// The verbs that a help lists.
fn verbs(help: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut is_list = false;
    for line in help.lines() {
        if !line.starts_with(' ') {
            is_list = line.ends_with("Commands:");
        } else if is_list && line.starts_with("  ") && !line.starts_with("   ") {
            let name = line.split_whitespace().next().unwrap_or_default();
            found.insert(name.trim_end_matches('*').to_owned());
        }
    }
    found
}

fn table() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../compat/FLAGS.md");
    std::fs::read_to_string(path).expect("the table is there")
}

/// The lines of a section of the table.
fn section<'a>(table: &'a str, title: &str) -> &'a str {
    let start = table
        .find(&format!("\n## {title}\n"))
        .unwrap_or_else(|| panic!("there is a section {title}"));
    let rest = &table[start + 1..];
    rest.find("\n## ").map_or(rest, |end| &rest[..end])
}

/// What the table calls the options of a verb.
fn title(verb: &[&str]) -> String {
    match verb {
        ["build"] | ["buildx", "build"] => "`docker build`, `docker buildx build`".to_owned(),
        ["builder" | "buildx" | "system", "prune"] => "Options of `image prune`".to_owned(),
        ["inspect"] => "Options of `image inspect`".to_owned(),
        verb => format!("Options of `{}`", verb.join(" ")),
    }
}

#[test]
fn options_in_dockers_help_are_in_the_table_and_known() {
    if !requirement::program("docker") {
        return;
    }
    let (table, lab) = (table(), Lab::empty());
    let mut count = 0;
    for verb in VERBS {
        let section = section(&table, &title(verb));
        for option in helps(verb).iter().flat_map(|help| options(help)) {
            assert!(
                section.contains(&format!("`{option}`")),
                "docker {} {option} is not in the table",
                verb.join(" ")
            );
            // Never a value that could be one: what is wrong with it then is another thing than that nobody knows it.
            let outcome = lab.stromatekt(*verb).arg(&option).run();
            assert!(!outcome.stderr.contains("unexpected argument"), "{outcome}");
            count += 1;
        }
    }
    assert!(count > 100, "docker's help was understood: {count}");
}

#[test]
fn options_before_the_verb_are_in_the_table() {
    if !requirement::program("docker") {
        return;
    }
    let table = table();
    let section = section(&table, "Before the verb");
    let found: BTreeSet<String> = helps(&[]).iter().flat_map(|help| options(help)).collect();
    assert!(found.contains("--config"), "docker's help was understood");
    for option in found {
        assert!(section.contains(&format!("`{option}`")), "{option}");
    }
}

#[test]
fn verbs_in_dockers_help_are_in_the_table_and_known() {
    if !requirement::program("docker") {
        return;
    }
    let (table, lab) = (table(), Lab::empty());
    let section = section(&table, "Verbs");
    let mut count = 0;
    for group in GROUPS {
        for verb in helps(group).iter().flat_map(|help| verbs(help)) {
            let path = [*group, &[verb.as_str()]].concat();
            let name = path.join(" ");
            // A group is there with its verbs.
            let known =
                section.contains(&format!("`{name}`")) || section.contains(&format!("| `{name} "));
            assert!(known, "docker {name} is not in the table");
            let outcome = lab.stromatekt(&path).arg("--help").run();
            assert!(!outcome.stderr.contains("unknown command"), "{outcome}");
            count += 1;
        }
    }
    assert!(count > 60, "docker's help was understood: {count}");
}

#[test]
fn what_is_refused_says_why_and_what_asks_for_nothing_is_fine() {
    let (lab, context) = (Lab::shared(), Context::dockerfile("FROM busybox\n"));
    let build = |options: &[&str]| lab.build(&context).args(options);
    for (option, said) in [
        ("--cache-from=type=gha", "--root"),
        ("--provenance=true", "--provenance=false"),
        ("--squash", "FROM scratch"),
        ("--security-opt=seccomp=unconfined", "--security=insecure"),
        ("--builder=mine", "no builder"),
        ("--isolation=hyperv", "container"),
        ("--rm=false", "nothing of a step"),
        ("--disable-content-trust=false", "digest"),
    ] {
        let name = option.split('=').next().unwrap_or(option);
        build(&[option])
            .fails()
            .says(&[name, "not supported", said]);
    }
    build(&[
        "--rm",
        "--force-rm=false",
        "--compress",
        "--provenance=false",
        "--sbom=0",
        "--squash=false",
        "--isolation",
        "default",
        "--builder",
        "default",
        "--disable-content-trust",
        "--attest",
        "type=sbom,disabled=true",
    ])
    .ok();
    for arg in ["BUILDKIT_INLINE_CACHE=1", "BUILDKIT_DISABLE_FILEOP=1"] {
        let name = arg.split('=').next().unwrap_or(arg);
        build(&["--build-arg", arg])
            .fails()
            .says(&[name, "leave it out"]);
    }
    for (permission, said) in [
        ("device", "devices"),
        ("device=gpu", "devices"),
        ("fs.read=/", "network.host"),
    ] {
        build(&["--allow", permission])
            .fails()
            .says(&[permission, said]);
    }
}

#[test]
fn exit_codes_are_dockers() {
    let lab = Lab::shared();
    let code = |args: &[&str]| lab.stromatekt(args.iter().copied()).run().code;
    for (args, expected) in [
        (&["build", "--no-such-option", "."][..], 125),
        (&["build", "--ulimit", "x", "."], 125),
        (&["build"], 1),
        (&["build", "/no/such/directory"], 1),
        (&["no-such-verb"], 1),
        (&["image", "no-such-verb"], 1),
        (&["image", "inspect", "no-such-image"], 1),
        (&["run", "-it", "busybox"], 1),
        (&["--help"], 0),
        (&["-v"], 0),
    ] {
        assert_eq!(code(args), Some(expected), "{args:?}");
    }
}
