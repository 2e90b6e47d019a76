//! The values of `--chmod`: octal, or symbolic as chmod(1) has them.

/// Why a mode is refused; nothing where docker takes it.
pub fn check(mode: &str) -> Result<(), String> {
    if mode.bytes().all(|c| c.is_ascii_digit()) {
        return match u32::from_str_radix(mode, 8) {
            Ok(bits) if bits <= 0o7777 => Ok(()),
            _ => Err("an octal mode lies between 0 and 07777".to_owned()),
        };
    }
    mode.split(',').try_for_each(|clause| {
        check_clause(clause).map_err(|reason| format!("in `{clause}`: {reason}"))
    })
}

/// `[ugoa…][[-+=][perms…]]…`: who, then actions, each an operator with permissions or with one of `u`, `g`, `o` to copy from.
fn check_clause(clause: &str) -> Result<(), &'static str> {
    let actions = clause.trim_start_matches(['u', 'g', 'o', 'a']);
    if !actions.starts_with(['-', '+', '=']) {
        return Err("an operator `+`, `-` or `=` is expected");
    }
    let mut permissions = actions.split(['-', '+', '=']);
    // Before the first operator there is nothing.
    permissions.next();
    let is_valid =
        |set: &str| set.chars().all(|c| "rwxXst".contains(c)) || matches!(set, "u" | "g" | "o");
    if permissions.all(is_valid) {
        Ok(())
    } else {
        Err("permissions are letters of `rwxXst`, or one of `u`, `g`, `o`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_and_symbolic_modes_are_taken() {
        for mode in [
            "755",
            "0644",
            "7777",
            "u=rwX,go=rX",
            "+x",
            "a+rx,u-s",
            "g=u",
            "o=",
            "ug+rw-x",
        ] {
            assert_eq!(check(mode), Ok(()), "{mode}");
        }
        for mode in [
            "8",
            "10000",
            "rwx",
            "u",
            "u+q",
            "u=rw,",
            "0x1ff",
            "g=ux",
            "999999999999",
        ] {
            assert!(check(mode).is_err(), "{mode}");
        }
    }
}
