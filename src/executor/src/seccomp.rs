//! Docker's default seccomp profile: what a process may ask of the kernel; all else is refused with `EPERM`.
//!
//! The names are those of moby's profile, arranged by what they are about. Runtimes skip names that they do not know.

use serde_json::{Value, json};

use crate::capability::Capabilities;

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// The address families that are kept from processes: the kernel's ciphers and the hypervisor.
const AF_ALG: u32 = 38;
const AF_VSOCK: u32 = 40;

/// The flags of clone(2) that make namespaces.
const CLONE_NAMESPACES: u32 = 0x7e02_0000;

/// The values of personality(2) that are harmless: the default, 32 bits, an old `uname`, and to ask.
const PERSONALITIES: [u32; 5] = [0, 0x0008, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Calls that every process may make.
const ALWAYS: [&str; 12] = [
    FILES,
    PATHS,
    METADATA,
    DESCRIPTORS,
    MEMORY,
    PROCESSES,
    IDENTITY,
    SCHEDULING,
    SIGNALS,
    TIME,
    COMMUNICATION,
    SYSTEM,
];

const FILES: &str = "open openat openat2 creat close close_range read readv pread64 preadv preadv2 write writev pwrite64 \
    pwritev pwritev2 lseek _llseek sendfile sendfile64 splice tee vmsplice copy_file_range readahead fallocate truncate \
    truncate64 ftruncate ftruncate64 fsync fdatasync sync syncfs sync_file_range fadvise64 fadvise64_64 io_setup \
    io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64 mknod mknodat memfd_create \
    memfd_secret name_to_handle_at";

const PATHS: &str = "chdir fchdir getcwd mkdir mkdirat rmdir rename renameat renameat2 link linkat symlink symlinkat \
    readlink readlinkat unlink unlinkat getdents getdents64 access faccessat faccessat2 inotify_init inotify_init1 \
    inotify_add_watch inotify_rm_watch fanotify_mark statmount listmount";

const METADATA: &str = "stat stat64 lstat lstat64 fstat fstat64 fstatat64 newfstatat statx statfs statfs64 fstatfs \
    fstatfs64 chmod fchmod fchmodat fchmodat2 chown chown32 lchown lchown32 fchown fchown32 fchownat umask utime utimes \
    utimensat utimensat_time64 futimesat getxattr lgetxattr fgetxattr getxattrat setxattr lsetxattr fsetxattr setxattrat \
    listxattr llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat";

const DESCRIPTORS: &str = "dup dup2 dup3 fcntl fcntl64 flock ioctl pipe pipe2 poll ppoll ppoll_time64 select _newselect \
    pselect6 pselect6_time64 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait \
    epoll_pwait2 eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime timerfd_settime64 timerfd_gettime \
    timerfd_gettime64";

const MEMORY: &str = "brk mmap mmap2 mremap munmap mprotect msync madvise mincore mlock mlock2 mlockall munlock munlockall \
    mseal map_shadow_stack remap_file_pages membarrier cachestat pkey_alloc pkey_free pkey_mprotect process_mrelease";

const PROCESSES: &str = "fork vfork execve execveat exit exit_group wait4 waitid waitpid getpid getppid gettid getpgid \
    getpgrp setpgid getsid setsid prctl set_tid_address get_thread_area set_thread_area get_robust_list set_robust_list \
    futex futex_time64 futex_wait futex_wake futex_waitv futex_requeue rseq restart_syscall pidfd_open \
    pidfd_send_signal process_vm_readv process_vm_writev ptrace uretprobe riscv_hwprobe";

const IDENTITY: &str = "getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid getresuid32 \
    getresgid getresgid32 getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid setreuid32 setregid setregid32 \
    setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 capget \
    capset seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self";

const SCHEDULING: &str = "sched_yield sched_getparam sched_setparam sched_getscheduler sched_setscheduler sched_getattr \
    sched_setattr sched_getaffinity sched_setaffinity sched_get_priority_max sched_get_priority_min \
    sched_rr_get_interval sched_rr_get_interval_time64 getpriority setpriority ioprio_get ioprio_set getrlimit \
    ugetrlimit setrlimit prlimit64 getrusage getcpu";

const SIGNALS: &str = "kill tkill tgkill pause alarm sigaltstack sigprocmask sigreturn rt_sigaction rt_sigpending \
    rt_sigprocmask rt_sigqueueinfo rt_tgsigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64";

const TIME: &str = "time times gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64 \
    clock_nanosleep clock_nanosleep_time64 clock_adjtime clock_adjtime64 adjtimex nanosleep getitimer setitimer \
    timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64";

const COMMUNICATION: &str = "socketpair socketcall bind listen accept accept4 connect shutdown getsockname getpeername \
    getsockopt setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64 ipc msgctl msgget \
    msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget mq_open mq_unlink \
    mq_getsetattr mq_notify mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64";

const SYSTEM: &str = "uname sysinfo getrandom";

/// Calls that a process may make if it has the capability.
const WITH_CAPABILITY: [(&str, &str); 14] = [
    ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    (
        "CAP_SYS_ADMIN",
        "clone clone3 unshare setns mount umount umount2 mount_setattr move_mount open_tree fsopen fsconfig fsmount \
         fspick sethostname setdomainname quotactl quotactl_fd fanotify_init lookup_dcookie bpf perf_event_open syslog \
         lsm_get_self_attr lsm_set_self_attr lsm_list_modules",
    ),
    ("CAP_SYS_BOOT", "reboot"),
    ("CAP_SYS_CHROOT", "chroot"),
    ("CAP_SYS_MODULE", "init_module finit_module delete_module"),
    ("CAP_SYS_PACCT", "acct"),
    ("CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise"),
    ("CAP_SYS_RAWIO", "iopl ioperm"),
    (
        "CAP_SYS_TIME",
        "settimeofday stime clock_settime clock_settime64",
    ),
    ("CAP_SYS_TTY_CONFIG", "vhangup"),
    (
        "CAP_SYS_NICE",
        "get_mempolicy set_mempolicy set_mempolicy_home_node mbind",
    ),
    ("CAP_SYSLOG", "syslog"),
    ("CAP_BPF", "bpf"),
    ("CAP_PERFMON", "perf_event_open"),
];

/// What an architecture has besides.
struct Architecture {
    /// As `std::env::consts::ARCH` has it.
    rust: &'static str,
    /// Its own name, and those of the architectures whose programs it runs too.
    names: &'static [&'static str],
    /// Calls of its own that every process may make.
    calls: &'static str,
}

const ARCHITECTURES: [Architecture; 7] = [
    Architecture {
        rust: "x86_64",
        names: &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        calls: "arch_prctl modify_ldt",
    },
    Architecture {
        rust: "aarch64",
        names: &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        calls: ARM,
    },
    Architecture {
        rust: "arm",
        names: &[],
        calls: ARM,
    },
    Architecture {
        rust: "x86",
        names: &[],
        calls: "modify_ldt",
    },
    Architecture {
        rust: "powerpc64",
        names: &[],
        calls: "sync_file_range2 swapcontext",
    },
    Architecture {
        rust: "riscv64",
        names: &["SCMP_ARCH_RISCV64"],
        calls: "riscv_flush_icache",
    },
    Architecture {
        rust: "s390x",
        names: &["SCMP_ARCH_S390X", "SCMP_ARCH_S390"],
        calls: "s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr",
    },
];

const ARM: &str =
    "arm_fadvise64_64 arm_sync_file_range sync_file_range2 breakpoint cacheflush set_tls";

/// The profile of a process with these capabilities, as `linux.seccomp` of the runtime-spec.
pub fn profile(capabilities: &Capabilities) -> Value {
    profile_of(std::env::consts::ARCH, capabilities)
}

fn profile_of(architecture: &str, capabilities: &Capabilities) -> Value {
    let mut allowed: Vec<&str> = ALWAYS.iter().flat_map(|names| words(names)).collect();
    let own = ARCHITECTURES
        .iter()
        .find(|known| known.rust == architecture);
    allowed.extend(own.into_iter().flat_map(|own| words(own.calls)));
    for (capability, names) in WITH_CAPABILITY {
        if capabilities.contains(capability) {
            allowed.extend(words(names));
        }
    }
    let mut rules = vec![json!({ "names": allowed, "action": "SCMP_ACT_ALLOW" })];
    let mut allow_if = |name: &str, index: u32, op: &str, value: u32, value_two: u32| {
        rules.push(json!({
            "names": [name],
            "action": "SCMP_ACT_ALLOW",
            "args": [{ "index": index, "value": value, "valueTwo": value_two, "op": op }],
        }));
    };
    allow_if("socket", 0, "SCMP_CMP_LT", AF_ALG, 0);
    allow_if("socket", 0, "SCMP_CMP_EQ", AF_ALG + 1, 0);
    allow_if("socket", 0, "SCMP_CMP_GT", AF_VSOCK, 0);
    for personality in PERSONALITIES {
        allow_if("personality", 0, "SCMP_CMP_EQ", personality, 0);
    }
    if !capabilities.contains("CAP_SYS_ADMIN") {
        // On s390 the flags are the second argument of clone(2).
        let flags = u32::from(architecture == "s390x");
        allow_if("clone", flags, "SCMP_CMP_MASKED_EQ", CLONE_NAMESPACES, 0);
        // Its flags lie in memory, where no filter can look: libraries fall back to clone(2) only after ENOSYS.
        rules.push(json!({
            "names": ["clone3"],
            "action": "SCMP_ACT_ERRNO",
            "errnoRet": ENOSYS,
        }));
    }
    json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": EPERM,
        "architectures": own.map_or(&[][..], |own| own.names),
        "syscalls": rules,
    })
}

fn words(names: &'static str) -> impl Iterator<Item = &'static str> {
    names.split_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn allowed(profile: &Value) -> BTreeSet<String> {
        let rules = profile["syscalls"].as_array().expect("rules");
        rules
            .iter()
            .filter(|rule| rule["action"] == "SCMP_ACT_ALLOW" && rule.get("args").is_none())
            .flat_map(|rule| rule["names"].as_array().expect("names"))
            .map(|name| name.as_str().expect("a name").to_owned())
            .collect()
    }

    #[test]
    fn capabilities_open_what_belongs_to_them() {
        let few = profile_of("x86_64", &Capabilities::from(["CAP_CHOWN"]));
        let many = profile_of(
            "x86_64",
            &Capabilities::from(["CAP_SYS_ADMIN", "CAP_SYS_CHROOT"]),
        );
        let (few_names, many_names) = (allowed(&few), allowed(&many));
        for name in ["mount", "unshare", "clone", "chroot", "bpf"] {
            assert!(!few_names.contains(name), "{name}");
            assert!(many_names.contains(name), "{name}");
        }
        for name in ["reboot", "keyctl", "userfaultfd", "kexec_load", "socket"] {
            assert!(!many_names.contains(name), "{name}");
        }
        assert!(few.to_string().contains("clone3"));
        assert!(
            !many.to_string().contains("ENOSYS") && !many.to_string().contains("errnoRet\":38")
        );
    }

    #[test]
    fn no_call_is_named_twice() {
        let mut seen = BTreeSet::new();
        for name in ALWAYS.iter().flat_map(|names| words(names)) {
            assert!(seen.insert(name), "{name}");
        }
    }

    #[test]
    fn architectures_have_calls_of_their_own() {
        let capabilities = Capabilities::default();
        assert!(allowed(&profile_of("x86_64", &capabilities)).contains("arch_prctl"));
        let arm = profile_of("aarch64", &capabilities);
        assert!(allowed(&arm).contains("set_tls") && !allowed(&arm).contains("arch_prctl"));
        assert_eq!(
            arm["architectures"],
            json!(["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"])
        );
        let s390 = profile_of("s390x", &capabilities);
        assert!(s390.to_string().contains("\"index\":1"));
    }
}
