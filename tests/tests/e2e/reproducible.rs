//! SOURCE_DATE_EPOCH: what it limits, and that builds on different stores give the same bytes.

use std::os::unix::fs::MetadataExt;

use stromatekt_tests::rootfs::read_tar;
use stromatekt_tests::{Context, Image, Lab};
use tempfile::TempDir;

const DOCKERFILE: &str = "FROM busybox AS build\nRUN mkdir /out && date > /dev/null && echo made > /out/file && ln /out/file /out/link\n\
     FROM busybox\nARG SOURCE_DATE_EPOCH\nENV EPOCH=$SOURCE_DATE_EPOCH\nWORKDIR /work/here\n\
     COPY --from=build /out /out\nCOPY Dockerfile .\nRUN echo more >> Dockerfile && rm /bin/vi\nCMD [\"sh\"]\n";

const EPOCH: &str = "1000000000";

fn image(lab: &Lab, options: &str) -> Image {
    let directory = TempDir::new().unwrap();
    let layout = directory.path().join("layout");
    lab.build(&Context::dockerfile(DOCKERFILE))
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .output(format!(
            "type=oci,tar=false,dest={}{options}",
            layout.display()
        ))
        .ok();
    Image::read(&layout)
}

#[test]
fn two_stores_give_one_digest() {
    let digests: Vec<String> = [(), ()]
        .map(|()| image(&Lab::with_busybox(), ",rewrite-timestamp=true").digest)
        .into();
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn the_epoch_limits_times_of_files_where_the_output_asks_for_that_alone() {
    let lab = Lab::shared();
    let (plain, rewritten) = (image(&lab, ""), image(&lab, ",rewrite-timestamp=true"));
    let epoch: u64 = EPOCH.parse().unwrap();
    let latest = |image: &Image, from: usize| {
        let entries = image
            .layers
            .iter()
            .skip(from)
            .flat_map(|layer| &layer.entries);
        entries.map(|entry| entry.mtime).max()
    };
    assert!(latest(&plain, 1) > Some(epoch));
    assert!(latest(&rewritten, 1) <= Some(epoch));
    // The base stays what it is.
    assert_eq!(plain.layers[0].digest, rewritten.layers[0].digest);
    for image in [&plain, &rewritten] {
        assert_eq!(image.env("EPOCH").as_deref(), Some(EPOCH));
        assert_eq!(image.config["created"], "2001-09-09T01:46:40Z");
        let history = image.config["history"].as_array().unwrap();
        for entry in history
            .iter()
            .filter(|entry| entry["comment"] == "buildkit.dockerfile.v0")
        {
            assert_eq!(entry["created"], "2001-09-09T01:46:40Z");
        }
        // The directory that WORKDIR makes has that time by itself.
        let made = image.layers.iter().flat_map(|layer| &layer.entries);
        let made = made
            .clone()
            .find(|entry| entry.path == "work/here")
            .unwrap();
        assert_eq!(made.mtime, epoch);
    }
}

#[test]
fn an_output_may_have_an_epoch_of_its_own() {
    let lab = Lab::shared();
    let image = image(&lab, ",source-date-epoch=86400,rewrite-timestamp=true");
    assert_eq!(image.config["created"], "1970-01-02T00:00:00Z");
    // Or none, whatever that of the build is.
    let image = self::image(&lab, ",source-date-epoch=,rewrite-timestamp=true");
    let mut entries = image.layers.iter().flat_map(|layer| &layer.entries);
    let file = entries.find(|entry| entry.path == "out/file").unwrap();
    assert!(file.mtime > EPOCH.parse().unwrap(), "{}", file.mtime);
}

#[test]
fn the_epoch_is_the_time_of_all_files_that_leave_as_files() {
    let (lab, directory) = (Lab::shared(), TempDir::new().unwrap());
    let local = directory.path().join("local");
    let context = Context::dockerfile(DOCKERFILE);
    let build = || lab.build(&context).env("SOURCE_DATE_EPOCH", EPOCH);
    build()
        .output(format!("type=local,dest={}", local.display()))
        .ok();
    let tar = build().output("type=tar,dest=-").ok().stdout;
    let epoch: u64 = EPOCH.parse().unwrap();
    for path in ["out/file", "out", "bin/busybox"] {
        let time = std::fs::symlink_metadata(local.join(path)).unwrap().mtime();
        assert_eq!(u64::try_from(time), Ok(epoch), "{path}");
    }
    for entry in read_tar(&tar) {
        assert_eq!(entry.mtime, epoch, "{}", entry.path);
    }
}
