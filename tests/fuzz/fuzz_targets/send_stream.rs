//! Any bytes as a send stream of btrfs: commands about paths that lead nowhere but into the subvolume, or an error.

#![no_main]

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use stromatekt_kernel::send_stream::{Command, Reader};

fuzz_target!(|data: &[u8]| {
    let Some((&version, commands)) = data.split_first() else {
        return;
    };
    let stream = [&b"btrfs-stream\0"[..], &[version % 5, 0, 0, 0], commands].concat();
    let Ok(mut reader) = Reader::new(&stream[..]) else {
        return;
    };
    while let Ok(Some(command)) = reader.next_command() {
        match &command {
            Command::MakeDirectory { path }
            | Command::Make { path }
            | Command::Remove { path }
            | Command::Data { path }
            | Command::Metadata { path } => check(path),
            Command::Rename {
                from: path,
                to: other,
            }
            | Command::Link {
                existing: other,
                path,
            } => {
                check(path);
                check(other);
            }
        }
    }
});

fn check(path: &Path) {
    assert!(
        path.components()
            .all(|part| matches!(part, Component::Normal(_))),
        "{path:?}"
    );
}
