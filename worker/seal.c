#include "worker/seal.h"

#include <errno.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// Landlock: glibc has no functions for it.

static int landlock_version(void)
{
    return (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
                        LANDLOCK_CREATE_RULESET_VERSION);
}

// A rule set that names rights and gives none away. Each version knows more of
// them: 13 on files, then REFER, TRUNCATE, IOCTL_DEV from version 5 on.
int seal_files(void)
{
    static const int known[] = { 0, 13, 14, 15, 15, 16 };
    enum { NEWEST = sizeof known / sizeof *known - 1 };
    int version = landlock_version();

    if (version <= 0)
        return 0;
    struct landlock_ruleset_attr rules = {
        .handled_access_fs =
            (UINT64_C(1) << known[version < NEWEST ? version : NEWEST]) - 1,
    };
    int fd = (int)syscall(SYS_landlock_create_ruleset, &rules, sizeof rules,
                          0);
    if (fd < 0)
        return -1;
    int rc = (int)syscall(SYS_landlock_restrict_self, fd, 0);
    close(fd);
    return rc;
}

// seccomp.

static const int allowed[] = {
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(close),
    SCMP_SYS(recvmsg), SCMP_SYS(sendto),
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
    SCMP_SYS(setitimer), SCMP_SYS(clock_gettime), SCMP_SYS(getrandom),
    SCMP_SYS(futex), SCMP_SYS(sched_yield), SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack), SCMP_SYS(getpid), SCMP_SYS(gettid),
    SCMP_SYS(exit), SCMP_SYS(exit_group),
};

static int allow(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp no_code =
        SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
    const struct scmp_arg_cmp itself =
        SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid());
    int rc = 0;

    for (size_t i = 0; i < sizeof allowed / sizeof *allowed && !rc; i++)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
    if (!rc)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                              no_code);
    if (!rc)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                              no_code);
    if (!rc)                            // abort() and raise()
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                              itself);
    return rc;
}

static bool has_seccomp(void)
{
    return seccomp_api_get() >= 2;
}

int seal_calls(void)
{
    scmp_filter_ctx filter;

    if (!has_seccomp())
        return 0;
    filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (!filter) {
        errno = ENOMEM;
        return -1;
    }
    int rc = allow(filter);
    if (!rc)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    if (rc)
        errno = -rc;
    return rc ? -1 : 0;
}

const char *seal_missing(void)
{
    bool files = landlock_version() > 0, calls = has_seccomp();

    if (files)
        return calls ? NULL : "seccomp";
    return calls ? "Landlock" : "seccomp and Landlock";
}
