//! Programs of another processor, which the kernel did not start: what they are for, and what would start them.

use std::io::Read;
use std::path::{Path, PathBuf};

use stromatekt_graph::run::Run;
use stromatekt_kernel::Root;
use stromatekt_kernel::beneath::OFlag;
use stromatekt_oci::Platform;

/// What the runtime says of a program that the kernel does not know how to start (`ENOEXEC`).
pub(crate) const UNKNOWN_FORMAT: &[u8] = b"exec format error";

/// Processors by the number that programs for them have (`e_machine` of elf(5)), little-endian, and whether they have 64 bits.
const MACHINES: [(u16, bool, &str); 9] = [
    (3, false, "386"),
    (40, false, "arm"),
    (62, true, "amd64"),
    (183, true, "arm64"),
    (243, true, "riscv64"),
    (258, true, "loong64"),
    (21, true, "ppc64le"),
    (8, false, "mipsle"),
    (8, true, "mips64le"),
];

/// The processor that the program of a process is for, where that is not this machine's.
pub(crate) fn architecture(root: &Root, run: &Run) -> Option<String> {
    let program = run.args.first()?;
    let directories = run.env.iter().rev().find(|(name, _)| name == "PATH");
    let directories = directories.map_or("/usr/bin:/bin", |(_, value)| value);
    let candidates: Vec<PathBuf> = match program.contains('/') {
        true => vec![Path::new(&run.cwd).join(program)],
        false => directories
            .split(':')
            .map(|directory| Path::new(directory).join(program))
            .collect(),
    };
    let header = candidates.iter().find_map(|path| {
        let mut header = [0; 20];
        let mut file = root.open_file(path, OFlag::O_RDONLY, 0).ok()?;
        file.read_exact(&mut header).ok().map(|()| header)
    })?;
    let found = of_header(&header)?;
    (found != Platform::host().architecture).then(|| found.to_owned())
}

fn of_header(header: &[u8; 20]) -> Option<&'static str> {
    const LITTLE: u8 = 1;
    if header[..4] != *b"\x7fELF" {
        return None;
    }
    let machine = match header[5] {
        LITTLE => u16::from_le_bytes([header[18], header[19]]),
        _ => return (header[19] == 22).then_some("s390x"),
    };
    let is_wide = header[4] == 2;
    let found = MACHINES
        .iter()
        .find(|(number, wide, _)| *number == machine && *wide == is_wide);
    found.map(|(_, _, name)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_of_a_program_is_in_its_header() {
        let header = |class: u8, order: u8, machine: [u8; 2]| {
            let mut header = [0; 20];
            header[..4].copy_from_slice(b"\x7fELF");
            (header[4], header[5]) = (class, order);
            header[18..].copy_from_slice(&machine);
            header
        };
        for (header, expected) in [
            (header(2, 1, [183, 0]), Some("arm64")),
            (header(2, 1, [62, 0]), Some("amd64")),
            (header(1, 1, [40, 0]), Some("arm")),
            (header(2, 2, [0, 22]), Some("s390x")),
            (header(2, 1, [250, 250]), None),
            ([b'#'; 20], None),
        ] {
            assert_eq!(of_header(&header), expected);
        }
        let mut own = [0; 20];
        std::fs::File::open("/proc/self/exe")
            .and_then(|mut file| file.read_exact(&mut own))
            .unwrap();
        let host = Platform::host().architecture;
        assert_eq!(of_header(&own), Some(host.as_str()));
    }
}
