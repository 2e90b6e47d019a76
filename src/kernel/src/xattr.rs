//! Extended attributes of any kind of file, symbolic links and device nodes included, never through a symbolic link.

use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::errno::Errno;

use crate::beneath::single;

/// The file that a call is about.
///
/// There is no `lgetxattrat` before Linux 6.13, and `fgetxattr` refuses an `O_PATH` descriptor, which is all that one can have of
/// a symbolic link or a device without side effects: so the calls go by `/proc/self/fd`, which leads to the very file.
#[derive(Debug)]
pub struct Target<'fd> {
    path: CString,
    /// Whether the path's last component is the link in /proc, which has to be followed.
    magic: bool,
    descriptor: PhantomData<&'fd ()>,
}

impl<'fd> Target<'fd> {
    /// The file that a descriptor, `O_PATH` or not, stands for.
    pub fn of_fd(fd: &'fd impl AsFd) -> Self {
        let path = format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd());
        Self {
            path: CString::new(path).unwrap_or_default(),
            magic: true,
            descriptor: PhantomData,
        }
    }

    /// An entry of an open directory.
    pub fn of_entry(dir: &'fd impl AsFd, name: &OsStr) -> io::Result<Self> {
        let mut path = format!("/proc/self/fd/{}/", dir.as_fd().as_raw_fd()).into_bytes();
        path.extend_from_slice(single(name)?.as_bytes());
        Ok(Self {
            path: CString::new(path)?,
            magic: false,
            descriptor: PhantomData,
        })
    }
}

/// The names of the attributes, sorted. None where the file system has no attributes.
pub fn list(target: &Target<'_>) -> io::Result<Vec<OsString>> {
    let path = target.path.as_ptr();
    let read = |buffer: *mut libc::c_void, size| {
        // SAFETY: the path is NUL-terminated and lives through the call; the kernel writes at most `size` bytes to `buffer`,
        // which `sized` guarantees to have them.
        unsafe {
            match target.magic {
                true => libc::listxattr(path, buffer.cast(), size),
                false => libc::llistxattr(path, buffer.cast(), size),
            }
        }
    };
    let names = match sized(read) {
        Err(Errno::EOPNOTSUPP) => return Ok(Vec::new()),
        result => result?,
    };
    let mut names: Vec<_> = names
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .map(|name| OsString::from_vec(name.to_vec()))
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// The value of an attribute; nothing if there is none of that name.
pub fn get(target: &Target<'_>, name: &OsStr) -> io::Result<Option<Vec<u8>>> {
    let name = CString::new(name.as_bytes())?;
    let (path, name) = (target.path.as_ptr(), name.as_ptr());
    let read = |buffer: *mut libc::c_void, size| {
        // SAFETY: both strings are NUL-terminated and live through the call; the kernel writes at most `size` bytes to `buffer`,
        // which `sized` guarantees to have them.
        unsafe {
            match target.magic {
                true => libc::getxattr(path, name, buffer, size),
                false => libc::lgetxattr(path, name, buffer, size),
            }
        }
    };
    match sized(read) {
        Ok(value) => Ok(Some(value)),
        Err(Errno::ENODATA) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// All attributes with their values, sorted by name.
pub fn all(target: &Target<'_>) -> io::Result<Vec<(OsString, Vec<u8>)>> {
    let mut all = Vec::new();
    for name in list(target)? {
        // One that was removed after it was listed is not there.
        if let Some(value) = get(target, &name)? {
            all.push((name, value));
        }
    }
    Ok(all)
}

/// Sets an attribute, new or not.
pub fn set(target: &Target<'_>, name: &OsStr, value: &[u8]) -> io::Result<()> {
    let name = CString::new(name.as_bytes())?;
    let (path, name) = (target.path.as_ptr(), name.as_ptr());
    let (data, size) = (value.as_ptr().cast(), value.len());
    // SAFETY: both strings are NUL-terminated, `data` has `size` bytes, and all live through the call.
    let result = unsafe {
        match target.magic {
            true => libc::setxattr(path, name, data, size, 0),
            false => libc::lsetxattr(path, name, data, size, 0),
        }
    };
    Errno::result(result)?;
    Ok(())
}

/// Removes an attribute. Tells whether there was one.
pub fn remove(target: &Target<'_>, name: &OsStr) -> io::Result<bool> {
    let name = CString::new(name.as_bytes())?;
    let (path, name) = (target.path.as_ptr(), name.as_ptr());
    // SAFETY: both strings are NUL-terminated and live through the call.
    let result = unsafe {
        match target.magic {
            true => libc::removexattr(path, name),
            false => libc::lremovexattr(path, name),
        }
    };
    match Errno::result(result) {
        Ok(_) => Ok(true),
        Err(Errno::ENODATA) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Reads something of unknown length: first into a small buffer, then, if that is too short, into one of the length that
/// the kernel tells.
fn sized(read: impl Fn(*mut libc::c_void, usize) -> libc::ssize_t) -> nix::Result<Vec<u8>> {
    let mut buffer = vec![0; 256];
    loop {
        match Errno::result(read(buffer.as_mut_ptr().cast(), buffer.len())) {
            Ok(length) => {
                buffer.truncate(usize::try_from(length).unwrap_or(0));
                return Ok(buffer);
            }
            Err(Errno::ERANGE) => {
                let length = Errno::result(read(std::ptr::null_mut(), 0))?;
                // It may grow between two calls, and a length of 0 would ask for the length again.
                buffer.resize(
                    usize::try_from(length).unwrap_or(0).max(buffer.len()) + 64,
                    0,
                );
            }
            Err(error) => return Err(error),
        }
    }
}
