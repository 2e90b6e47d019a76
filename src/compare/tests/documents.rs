//! In what configs, histories, manifests and layers differ; and how that is told.

mod support;

use serde_json::{Value, json};
use stromatekt_compare::{Builder, Class, Detail, Image, LayerCache, Rules, compare, render};
use stromatekt_oci::Platform;
use support::{
    Entry, config, directory, file, image, places, read, tar_of, whiteout, write_archive,
    write_layout,
};
use tempfile::TempDir;

fn of_config(left: Value, right: Value, rules: &Rules) -> (Vec<String>, Vec<String>) {
    let side = |config| read(config, &[]).unwrap();
    places(&compare(&side(left), &side(right), rules))
}

#[test]
fn every_field_of_a_config_makes_a_difference() {
    for (left, right, expected) in [
        (json!({"os.version": "1"}), json!({}), &["os.version"][..]),
        (json!({"author": "a"}), json!({"author": "b"}), &["author"]),
        (
            json!({"config": {"Env": ["A=1", "B=2", "C=3"]}}),
            json!({"config": {"Env": ["A=1", "C=4"]}}),
            &["config.Env[1]", "config.Env[2]"],
        ),
        (
            json!({"config": {"Cmd": ["a"], "Entrypoint": ["b"], "Shell": ["c"]}}),
            json!({"config": {"Cmd": ["a", "b"]}}),
            &["config.Entrypoint", "config.Cmd", "config.Shell"],
        ),
        (
            json!({"config": {"ExposedPorts": {"80/tcp": {}}, "Volumes": {"/v": {}}}}),
            json!({"config": {"Labels": {"k": "v"}}}),
            &[
                "config.ExposedPorts.80/tcp",
                "config.Volumes./v",
                "config.Labels.k",
            ],
        ),
        (
            json!({"config": {"User": "a", "WorkingDir": "/w", "StopSignal": "TERM"}}),
            json!({"config": {"ArgsEscaped": true, "OnBuild": ["RUN x"]}}),
            &[
                "config.User",
                "config.WorkingDir",
                "config.StopSignal",
                "config.ArgsEscaped",
                "config.OnBuild[0]",
            ],
        ),
        (
            json!({"config": {"Healthcheck": {"Test": ["NONE"]}}}),
            json!({"config": {"Healthcheck": {"Test": ["CMD", "x"], "Retries": 3}}}),
            &["config.Healthcheck.Retries", "config.Healthcheck.Test"],
        ),
        (
            json!({"config": {"NetworkDisabled": true}}),
            json!({"config": {"Hostname": "", "Tty": false, "StopTimeout": null}}),
            &["config.NetworkDisabled"],
        ),
    ] {
        let told = format!("{left} {right}");
        assert_eq!(
            of_config(left, right, &Rules::default()).0,
            expected,
            "{told}"
        );
    }
}

#[test]
fn what_builders_note_of_themselves_is_expected() {
    let docker = json!({
        "container": "1", "docker_version": "20", "container_config": {"Tty": true}, "created": "2020-01-01T00:00:00Z",
        "config": {"Image": "sha256:1", "Hostname": "h"},
    });
    let (differences, noise) = of_config(docker, json!({}), &Rules::default());
    assert_eq!(differences, Vec::<String>::new());
    assert_eq!(noise.len(), 6, "{noise:?}");
}

#[test]
fn histories_are_aligned() {
    let history = |entries: &[(&str, bool)]| {
        let entries = entries.iter().map(|(done, empty)| {
            json!({"created_by": done, "empty_layer": empty, "created": "2020-01-01T00:00:00Z"})
        });
        json!({"history": entries.collect::<Vec<_>>()})
    };
    let rules = Rules::default();
    let one = history(&[("ENV A=1", true), ("RUN x", false), ("CMD y", true)]);
    for (other, expected) in [
        (history(&[("ENV A=1", true), ("CMD y", true)]), "history[1]"),
        (
            history(&[("ENV A=2", true), ("RUN x", false), ("CMD y", true)]),
            "history[0].created_by",
        ),
        (
            history(&[("ENV A=1", false), ("RUN x", false), ("CMD y", true)]),
            "history[0].empty_layer",
        ),
    ] {
        assert_eq!(of_config(one.clone(), other, &rules).0, [expected]);
    }
    let spelled = (
        history(&[("EXPOSE map[80/tcp:{}]", true)]),
        history(&[("EXPOSE [80/tcp]", true)]),
    );
    let (differences, noise) = of_config(spelled.0, spelled.1, &rules);
    assert_eq!(differences, Vec::<String>::new());
    assert_eq!(noise, ["history-spelling: history[0].created_by"]);
}

#[test]
fn the_classic_builders_history_is_brought_into_one_form() {
    let classic = json!({"author": "me", "history": [
        {"created_by": "/bin/sh -c #(nop)  MAINTAINER me", "author": "me", "empty_layer": true},
        {"created_by": "/bin/sh -c #(nop)  ONBUILD RUN x", "author": "me", "empty_layer": true},
        {"created_by": "/bin/sh -c #(nop) WORKDIR /", "author": "me", "empty_layer": true},
        {"created_by": "/bin/sh -c #(nop)  CMD [\"sh\"]", "author": "me", "empty_layer": true},
    ]});
    let buildkit = |last: &str| {
        let note = "buildkit.dockerfile.v0";
        json!({"author": "me", "history": [
            {"created_by": "MAINTAINER me", "comment": note, "empty_layer": true},
            {"created_by": "WORKDIR /", "comment": note},
            {"created_by": last, "comment": note, "empty_layer": true},
        ]})
    };
    let rules = Rules::against(Builder::Classic);
    let same = of_config(classic.clone(), buildkit("CMD [\"sh\"]"), &rules);
    assert_eq!(same.0, Vec::<String>::new());
    let other = of_config(classic.clone(), buildkit("CMD [\"zsh\"]"), &rules);
    assert_eq!(other.0, ["history[3].created_by"]);
    let read = |config| read(config, &[]).unwrap();
    let images = (read(classic), read(buildkit("CMD [\"sh\"]")));
    assert_eq!(Builder::of(&images.0), Builder::Classic);
    assert_eq!(Builder::of(&images.1), Builder::BuildKit);
    for rules in [
        Rules::between(&images.0, &images.1),
        Rules::between(&images.1, &images.0),
    ] {
        assert_eq!(rules.left, Builder::Classic);
    }
}

#[test]
fn the_history_of_a_pipeline_is_never_that_of_a_dockerfile() {
    let of = |by: &str, comment: &str| {
        let entry = json!({"created_by": by, "comment": comment});
        read(json!({"history": [entry]}), &[]).unwrap()
    };
    let pipeline = of("app: RUN make", "stromatekt");
    let other = of("app: RUN more", "stromatekt");
    let dockerfile = of("RUN make # buildkit", "buildkit.dockerfile.v0");
    assert!(!Rules::between(&pipeline, &dockerfile).history);
    assert!(!Rules::between(&dockerfile, &pipeline).history);
    assert!(Rules::between(&pipeline, &other).history);
    assert!(Rules::between(&dockerfile, &dockerfile).history);
}

fn of_layers(
    left: &[Vec<Entry>],
    right: &[Vec<Entry>],
    rules: &Rules,
) -> (Vec<String>, Vec<String>) {
    let side = |layers| read(json!({}), layers).unwrap();
    places(&compare(&side(left), &side(right), rules))
}

#[test]
fn layers_are_compared_by_what_they_mention() {
    let base = vec![
        directory("d"),
        directory("d/e"),
        file("d/e/f", "f"),
        file("d/g", "g"),
    ];
    let rules = Rules::default();
    for (what, left, right, differences, noise) in [
        (
            "directories that lead to changes",
            vec![directory("d"), directory("d/e"), file("d/e/f", "new")],
            vec![file("d/e/f", "new")],
            vec![],
            vec!["layer-parents: layer[1] /d", "layer-parents: layer[1] /d/e"],
        ),
        (
            "a file that was rewritten just so",
            vec![file("d/g", "g"), file("n", "")],
            vec![file("n", "")],
            vec![],
            vec!["layer-parents: layer[1] /d/g"],
        ),
        (
            "whiteouts of one effect",
            vec![directory("d"), whiteout("d/e/.wh.f")],
            vec![
                directory("d"),
                directory("d/e"),
                whiteout("d/e/.wh..wh..opq"),
            ],
            vec![],
            vec![
                "layer-parents: layer[1] /d/e",
                "whiteouts: layer[1] /d/e/.wh..wh..opq",
                "whiteouts: layer[1] /d/e/.wh.f",
            ],
        ),
        (
            "a whiteout of nothing",
            vec![whiteout(".wh.d")],
            vec![whiteout("d/.wh.e"), whiteout("d/.wh.g")],
            vec![
                "/d",
                "layer[1] /.wh.d",
                "layer[1] /d/.wh.e",
                "layer[1] /d/.wh.g",
            ],
            vec![],
        ),
    ] {
        let with = |upper: Vec<Entry>| vec![base.clone(), upper];
        let found = of_layers(&with(left), &with(right), &rules);
        assert_eq!(found.0, differences, "{what}");
        assert_eq!(found.1, noise, "{what}");
    }
    // What a later layer covers shows in the layer alone.
    let covered = |mode| vec![vec![file("f", "").mode(mode)], vec![file("f", "")]];
    let found = of_layers(&covered(0o600), &covered(0o644), &rules);
    assert_eq!(found.0, ["layer[0] /f mode"]);
}

#[test]
fn the_number_of_layers_makes_a_difference() {
    let (one, other) = (vec![file("a", "")], vec![file("b", "")]);
    let apart = [one.clone(), other.clone()];
    let together = [[one, other].concat()];
    let found = of_layers(&apart, &together, &Rules::default());
    assert_eq!(found.0, ["layers"]);
    let empty = [apart[0].clone(), vec![], apart[1].clone()];
    assert_eq!(of_layers(&apart, &empty, &Rules::default()).0, ["layers"]);
    let found = of_layers(&apart, &empty, &Rules::against(Builder::Classic));
    assert_eq!(found, (vec![], vec!["empty-layers: layers".to_owned()]));
    assert_eq!(
        of_layers(&apart, &together, &Rules::against(Builder::Buildah)).0,
        Vec::<String>::new()
    );
}

#[test]
fn manifests_are_compared_where_both_have_one() {
    let directory = TempDir::new().unwrap();
    let layers = [tar_of(&[file("f", "")])];
    let config = config(json!({}), &layers);
    let read = |name: &str| Image::open(&directory.path().join(name), None, &Platform::host());
    let oci = "application/vnd.oci.image.layer.v1.tar";
    let docker = "application/vnd.docker.image.rootfs.diff.tar";
    let write = |name: &str, media: &str, extra| {
        write_layout(&directory.path().join(name), &config, &layers, media, extra);
    };
    write("a", oci, json!({"annotations": {"k": "v"}}));
    write("b", oci, json!({}));
    write("mixed", docker, json!({}));
    write_archive(&directory.path().join("archive"), &config, &layers);
    let found = |one: &str, other: &str| {
        let (one, other) = (read(one).unwrap(), read(other).unwrap());
        places(&compare(&one, &other, &Rules::default())).0
    };
    assert_eq!(found("a", "b"), ["manifest.annotations.k"]);
    assert_eq!(found("b", "mixed"), ["manifest.layers[0].mediaType"]);
    assert_eq!(found("a", "archive"), Vec::<String>::new());
}

#[test]
fn layers_that_are_known_are_read_once() {
    let directory = TempDir::new().unwrap();
    let layers = [tar_of(&[file("f", "")])];
    let path = directory.path().join("archive");
    write_archive(&path, &config(json!({}), &layers), &layers);
    let cache = LayerCache::new();
    let open = || Image::open_with(&path, None, &Platform::host(), &cache).unwrap();
    let (one, other) = (open(), open());
    assert!(std::sync::Arc::ptr_eq(&one.layers[0], &other.layers[0]));
    drop((one, other));
    cache.shrink();
    assert_eq!(open().layers[0].len(), 1);
}

#[test]
fn people_read_what_differs() {
    let left = read(
        json!({"config": {"Env": ["A=1"], "User": "a"}, "history": [{"created_by": "RUN x"}]}),
        &[vec![
            directory("d"),
            file("d/f", ""),
            file("d/g", ""),
            file("t", "a\n"),
        ]],
    );
    let right = read(
        json!({"config": {"Env": ["A=2"]}, "history": [{"created_by": "RUN y"}]}),
        &[vec![file("t", "b\n").time(1), file("new", "").mode(0o600)]],
    );
    let (left, right) = (left.unwrap().named("one"), right.unwrap().named("other"));
    let found = compare(&left, &right, &Rules::default());
    assert_eq!(
        render(&found, Detail::default()),
        "\
- one
+ other

config
  ~ User    a    (none)
  ~ Env[0]  A=1  A=2

history: 1 difference (--history shows it)

root filesystem
  - /d  (directory 0755 0:0)
      … and 2 below it
  + /new  (file 0600 0:0, 0 bytes)
  ~ /t content: 2 bytes, sha256:87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7 -> 2 bytes, sha256:0263829989b6fd954f72baaf2fc64bc2e2f01d692d4de72986ea808f6e99813f
      @@ -1 +1 @@
      -a
      +b

expected to differ, and not counted (--strict counts them)
  times      1  files got their time during the builds

the images differ in 8 places
"
    );
    let detail = Detail {
        history: true,
        layers: true,
    };
    let all = render(&found, detail);
    assert!(
        all.contains("  ~ history[0].created_by\n      - RUN x\n      + RUN y\n"),
        "{all}"
    );
    let same = render(&compare(&left, &left, &Rules::default()), detail);
    assert_eq!(same, "- one\n+ one\n\nthe images are the same\n");
}

#[test]
fn machines_read_json() {
    let (left, right) = (
        image(&[file("f", "a")]).named("l"),
        image(&[file("f", "b").time(1)]).named("r"),
    );
    let found = compare(&left, &right, &Rules::default()).to_json();
    assert_eq!(found["same"], json!(false));
    assert_eq!(
        (&found["left"], &found["right"]),
        (&json!("l"), &json!("r"))
    );
    let difference = &found["differences"][0];
    assert_eq!(difference["place"], "/f content");
    assert_eq!(difference["kind"], "content");
    assert_eq!(difference["path"], "/f");
    let times = &found["noise"][Class::Times.name()];
    assert_eq!(times["count"], 1);
    assert_eq!(times["differences"][0]["place"], "/f time");
    assert!(
        times["reason"]
            .as_str()
            .is_some_and(|text| !text.is_empty())
    );
}
