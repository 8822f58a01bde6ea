/* Hardening of a daemon's process, the kernel's randomness. */
#include "io/process.h"

#include "base/err.h"
#include "base/sanitized.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

void process_harden(void)
{
    if (!SANITIZED) /* its leak check needs to look */
        prctl(PR_SET_DUMPABLE, 0);
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    umask(077);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file at its limit is a full disk, and no reason to die */
}

size_t process_files_max(void)
{
    struct rlimit files;
    return getrlimit(RLIMIT_NOFILE, &files) == 0 ? (size_t)files.rlim_cur : 1024;
}

int process_become(const char *user)
{
    errno = 0;
    const struct passwd *to = getpwnam(user);
    if (!to)
        return errno == 0 || errno == ENOENT || errno == ESRCH ? ERR_NOT_FOUND : ERR_IO;
    if (initgroups(user, to->pw_gid) != 0 || setgid(to->pw_gid) != 0 || setuid(to->pw_uid) != 0)
        return errno == EPERM ? ERR_FORBIDDEN : ERR_IO;
    return 0;
}

static void ask_kernel(uint8_t *p, size_t n)
{
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            fputs("no randomness from the kernel\n", stderr);
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}

/* Tags, branches and transaction numbers take twelve octets at most, many for each call: the kernel is asked for a block of them at once. What was
 * handed out is wiped, and keys are never of it. Each thread has its own block, and a forked child begins a new one: it would hand out the same as its
 * parent. */
#define SMALL_OCTETS 12

static _Thread_local uint8_t block[512];
static _Thread_local size_t block_left; /* at the end of it */

static void forget_block(void)
{
    explicit_bzero(block, sizeof block);
    block_left = 0;
}

static void forget_after_fork(void)
{
    if (pthread_atfork(NULL, NULL, forget_block) != 0) {
        fputs("no memory to fork safely\n", stderr);
        abort();
    }
}

static void kernel_fill(void *ctx, void *octets, size_t n)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)ctx;
    if (n > SMALL_OCTETS) {
        ask_kernel(octets, n);
        return;
    }
    pthread_once(&once, forget_after_fork);
    if (block_left < n) {
        ask_kernel(block, sizeof block);
        block_left = sizeof block;
    }
    uint8_t *from = block + sizeof block - block_left;
    memcpy(octets, from, n);
    explicit_bzero(from, n);
    block_left -= n;
}

struct entropy kernel_entropy(void)
{
    return (struct entropy){kernel_fill, NULL};
}
