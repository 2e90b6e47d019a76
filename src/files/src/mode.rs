//! `--chmod`: an octal mode, or changes to the mode of each file as chmod(1) has them, read as BuildKit reads them
//! (`tonistiigi/dchapes-mode`, which is BSD's setmode(3)).

use crate::error::{Error, Result};

const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
const STICKY: u32 = 0o1000;
const EXECUTE: u32 = 0o111;
/// All bits that `a` means: the sticky bit belongs to nobody.
const ALL: u32 = 0o6777;

/// What `--chmod` does to the mode of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModeChange(Change);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Octal(u32),
    Symbolic(Vec<Step>),
}

/// One step of a symbolic mode. The bits of a step are those of all whom it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Set(u32),
    Clear(u32),
    /// `X`: for directories, and for files that somebody could execute before all steps.
    SetIfExecutable(u32),
    /// Read, write and execute bits of one class for others.
    Copy {
        /// How far the bits of the class that is copied are from those of `o`.
        from: u32,
        /// The bits of the classes that get them.
        to: u32,
        operator: Operator,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Add,
    Remove,
    Assign,
}

impl ModeChange {
    /// Reads the value of `--chmod`.
    pub fn parse(text: &str) -> Result<Self> {
        let malformed = |reason| Error::Mode {
            mode: text.to_owned(),
            reason,
        };
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            // A sign, which Rust would take, is not among the digits.
            return match u32::from_str_radix(text, 8) {
                Ok(bits) if bits <= 0o7777 => Ok(Self(Change::Octal(bits))),
                _ => Err(malformed("an octal mode lies between 0 and 07777")),
            };
        }
        let mut steps = Vec::new();
        for clause in text.split(',') {
            read_clause(clause, &mut steps).map_err(malformed)?;
        }
        Ok(Self(Change::Symbolic(steps)))
    }

    /// The mode that a file with `mode` gets.
    #[must_use]
    pub fn apply(&self, mode: u32, is_dir: bool) -> u32 {
        let steps = match &self.0 {
            Change::Octal(bits) => return *bits,
            Change::Symbolic(steps) => steps,
        };
        let is_executable = is_dir || mode & EXECUTE != 0;
        steps.iter().fold(mode, |mode, step| match *step {
            Step::Set(bits) => mode | bits,
            Step::Clear(bits) => mode & !bits,
            Step::SetIfExecutable(bits) if is_executable => mode | bits,
            Step::SetIfExecutable(_) => mode,
            Step::Copy { from, to, operator } => {
                // The same three bits for each class.
                let bits = (((mode >> from) & 7) * 0o111) & to;
                match operator {
                    Operator::Add => mode | bits,
                    Operator::Remove => mode & !bits,
                    Operator::Assign => (mode & !to) | bits,
                }
            }
        })
    }

    /// The mode of directories that are made for a destination: an octal one counts for them too, without its special bits.
    #[must_use]
    pub fn of_parents(&self) -> Option<u32> {
        match self.0 {
            Change::Octal(bits) => Some(bits & 0o777),
            Change::Symbolic(_) => None,
        }
    }
}

/// Reads `[ugoa…][[-+=][perms…]]…`.
fn read_clause(clause: &str, steps: &mut Vec<Step>) -> Result<(), &'static str> {
    let actions = clause.trim_start_matches(['u', 'g', 'o', 'a']);
    let who = clause[..clause.len() - actions.len()]
        .chars()
        .fold(0, |who, class| {
            who | match class {
                'u' => SET_UID | 0o700,
                'g' => SET_GID | 0o070,
                'o' => 0o007,
                _ => ALL,
            }
        });
    let mut chars = actions.chars().peekable();
    loop {
        let operator = match chars.next() {
            Some('+') => Operator::Add,
            Some('-') => Operator::Remove,
            Some('=') => Operator::Assign,
            _ => return Err("an operator `+`, `-` or `=` is expected"),
        };
        let mut action = Action {
            operator,
            who,
            bits: 0,
            bits_if_executable: 0,
            is_assigned: false,
        };
        while let Some(permission) = chars.next_if(|c| !"+-=".contains(*c)) {
            action.permission(permission, steps)?;
        }
        action.finish(steps);
        if chars.peek().is_none() {
            return Ok(());
        }
    }
}

/// An operator with the permissions after it, as far as they were read.
struct Action {
    operator: Operator,
    /// The bits that may change; 0 where nobody was named, which is everybody.
    who: u32,
    bits: u32,
    bits_if_executable: u32,
    /// Whether `=` has taken away what was there.
    is_assigned: bool,
}

impl Action {
    fn permission(&mut self, letter: char, steps: &mut Vec<Step>) -> Result<(), &'static str> {
        // What `s` and `t` mean is nothing that `o` has.
        let is_only_others = self.who != 0 && self.who & !0o007 == 0;
        match letter {
            'r' => self.bits |= 0o444,
            'w' => self.bits |= 0o222,
            'x' => self.bits |= EXECUTE,
            'X' if self.operator == Operator::Remove => self.bits |= EXECUTE,
            'X' => self.bits_if_executable = EXECUTE,
            's' if !is_only_others => self.bits |= SET_UID | SET_GID,
            't' if !is_only_others => {
                self.who |= STICKY;
                self.bits |= STICKY;
            }
            's' | 't' => {}
            'u' => self.copy(6, steps),
            'g' => self.copy(3, steps),
            'o' => self.copy(0, steps),
            _ => return Err("permissions are letters of `rwxXst`, or one of `u`, `g`, `o`"),
        }
        Ok(())
    }

    fn copy(&mut self, from: u32, steps: &mut Vec<Step>) {
        if self.bits != 0 {
            self.flush(steps);
        }
        self.is_assigned = true;
        self.flush_if_executable(steps);
        let classes = [0o700, 0o070, 0o007];
        let to = match self.who {
            0 => 0o777,
            who => classes.iter().filter(|class| who & **class != 0).sum(),
        };
        steps.push(Step::Copy {
            from,
            to,
            operator: self.operator,
        });
    }

    fn finish(mut self, steps: &mut Vec<Step>) {
        // `o=` alone takes everything away.
        if self.bits != 0 || self.operator == Operator::Assign && !self.is_assigned {
            self.flush(steps);
        }
        self.flush_if_executable(steps);
    }

    fn flush(&mut self, steps: &mut Vec<Step>) {
        let bits = self.among_who(self.bits);
        match self.operator {
            Operator::Add => steps.push(Step::Set(bits)),
            Operator::Remove => steps.push(Step::Clear(bits)),
            Operator::Assign => steps.extend([
                Step::Clear(if self.who == 0 { ALL } else { self.who }),
                Step::Set(bits),
            ]),
        }
        self.bits = 0;
    }

    fn flush_if_executable(&mut self, steps: &mut Vec<Step>) {
        if self.bits_if_executable != 0 {
            steps.push(Step::SetIfExecutable(
                self.among_who(self.bits_if_executable),
            ));
            self.bits_if_executable = 0;
        }
    }

    fn among_who(&self, bits: u32) -> u32 {
        match self.who {
            0 => bits,
            who => bits & who,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_change_as_chmod_says() {
        for (text, mode, is_dir, changed) in [
            ("755", 0o644, false, 0o755),
            ("0", 0o7777, false, 0),
            ("04711", 0o644, false, 0o4711),
            ("u+x", 0o644, false, 0o744),
            ("+x", 0o644, false, 0o755),
            ("a+x", 0o644, false, 0o755),
            ("go-rwx", 0o755, false, 0o700),
            ("u=rw,go=r", 0o777, false, 0o644),
            ("=r", 0o4777, false, 0o444),
            ("o=", 0o777, false, 0o770),
            ("g=u", 0o750, false, 0o770),
            ("go=u-w", 0o700, false, 0o755),
            ("go+u", 0o740, false, 0o777),
            ("u-g", 0o750, false, 0o250),
            ("u=rwX,go=rX", 0o600, false, 0o644),
            ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("a-X", 0o755, false, 0o644),
            ("u+s", 0o755, false, 0o4755),
            ("g+s", 0o755, true, 0o2755),
            ("+s", 0o755, false, 0o6755),
            ("o+s", 0o755, false, 0o755),
            ("+t", 0o777, true, 0o1777),
            ("o+t", 0o777, true, 0o777),
            ("u-s", 0o4755, false, 0o755),
            ("a=rx", 0o1777, true, 0o1555),
            ("u+r-w+x", 0o200, false, 0o500),
            ("u+", 0o644, false, 0o644),
        ] {
            let change = ModeChange::parse(text).unwrap();
            let found = change.apply(mode, is_dir);
            assert_eq!(found, changed, "{text} on {mode:o}: {found:o}");
        }
    }

    #[test]
    fn malformed_modes_are_refused() {
        for text in ["", "8", "10000", "rwx", "u", "u+q", "u=rw,", "0x1ff", "7a"] {
            let error = ModeChange::parse(text).unwrap_err();
            assert!(matches!(error, Error::Mode { .. }), "{text}: {error:?}");
        }
    }

    #[test]
    fn parents_get_octal_modes_without_special_bits() {
        assert_eq!(ModeChange::parse("4710").unwrap().of_parents(), Some(0o710));
        assert_eq!(ModeChange::parse("u+x").unwrap().of_parents(), None);
    }

    proptest::proptest! {
        #[test]
        fn any_change_keeps_within_the_mode_bits(text in "[ugoa]{0,2}[-+=][rwxXst]{0,3}(,[ugoa]{0,2}[-+=][ugo])?", mode in 0u32..0o10000) {
            let changed = ModeChange::parse(&text).unwrap().apply(mode, false);
            proptest::prop_assert!(changed <= 0o7777);
        }
    }
}
