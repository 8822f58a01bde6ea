/* Whole files: bounded reads, durable replacement, locks. */
#include "io/file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int errno_err(int number)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EACCES:
    case EPERM:
    case ELOOP:
        return ERR_FORBIDDEN;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EROFS:
        return ERR_NO_SPACE;
    case ENOMEM:
        return ERR_NO_MEMORY;
    default:
        return ERR_IO;
    }
}

static int read_all(int fd, struct buf *ret_contents)
{
    uint8_t chunk[4096];
    int err = 0;
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            err = errno_err(errno);
        if (n <= 0)
            break;
        buf_put(ret_contents, chunk, (size_t)n);
        if (ret_contents->err) {
            err = ret_contents->err;
            break;
        }
    }
    mem_wipe(chunk, sizeof chunk);
    return err;
}

int file_read(const char *path, struct buf *ret_contents)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno_err(errno);
    int err = read_all(fd, ret_contents);
    close(fd);
    return err;
}

/* Time and size tell that it was written, device and inode that another one took its place. */
uint64_t file_stamp(const char *path)
{
    struct stat status;
    uint64_t stamp = UINT64_C(0xcbf29ce484222325);
    if (stat(path, &status) != 0)
        return 0;
    const uint64_t parts[] = {(uint64_t)status.st_dev, (uint64_t)status.st_ino, (uint64_t)status.st_size,
                              (uint64_t)status.st_mtim.tv_sec, (uint64_t)status.st_mtim.tv_nsec};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        stamp = (stamp ^ parts[i]) * UINT64_C(0x100000001b3) + (stamp >> 31);
    return stamp ? stamp : 1;
}

int file_read_secret(const char *path, struct buf *ret_contents)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno_err(errno);
    struct stat status;
    int err = fstat(fd, &status) == 0 ? 0 : errno_err(errno);
    if (!err &&
        (!S_ISREG(status.st_mode) || (status.st_mode & 077) || (status.st_uid != geteuid() && status.st_uid != 0)))
        err = ERR_FORBIDDEN;
    if (!err)
        err = read_all(fd, ret_contents);
    close(fd);
    return err;
}

static int write_all(int fd, struct slice contents)
{
    while (contents.n) {
        ssize_t n = write(fd, contents.p, contents.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno_err(errno);
        contents.p += n;
        contents.n -= (size_t)n;
    }
    return 0;
}

/* The folder that holds the path, synchronized: the names in it are durable. */
static int sync_folder_of(const char *path)
{
    char *copy = mem_strdup(path);
    if (!copy)
        return ERR_NO_MEMORY;
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    mem_free(copy);
    if (fd < 0)
        return errno_err(errno);
    int err = fsync(fd) == 0 ? 0 : errno_err(errno);
    close(fd);
    return err;
}

int file_write(const char *path, struct slice contents, mode_t mode)
{
    size_t n = strlen(path) + sizeof ".new";
    char *temporary = mem_alloc(n);
    if (!temporary)
        return ERR_NO_MEMORY;
    snprintf(temporary, n, "%s.new", path);
    /* What an interrupted write left behind may have any mode. */
    int err = unlink(temporary) == 0 || errno == ENOENT ? 0 : errno_err(errno);
    int fd = err ? -1 : open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (!err && fd < 0)
        err = errno_err(errno);
    if (!err && fchmod(fd, mode) != 0) /* whatever the umask is */
        err = errno_err(errno);
    if (!err)
        err = write_all(fd, contents);
    if (!err && fsync(fd) != 0)
        err = errno_err(errno);
    if (fd >= 0 && close(fd) != 0 && !err)
        err = errno_err(errno);
    if (!err && rename(temporary, path) != 0)
        err = errno_err(errno);
    if (err && fd >= 0)
        unlink(temporary);
    mem_free(temporary);
    return err ? err : sync_folder_of(path);
}

int file_make_folder(const char *path)
{
    char *copy = mem_strdup(path);
    if (!copy)
        return ERR_NO_MEMORY;
    int err = 0;
    for (char *at = copy + 1; *copy && !err; at++) {
        char was = *at;
        if (was != '/' && was != '\0')
            continue;
        *at = '\0';
        if (mkdir(copy, 0700) == 0)
            err = sync_folder_of(copy);
        else if (errno != EEXIST)
            err = errno_err(errno);
        *at = was;
        if (was == '\0')
            break;
    }
    mem_free(copy);
    struct stat status;
    if (!err && (stat(path, &status) != 0 || !S_ISDIR(status.st_mode)))
        err = ERR_NOT_FOUND;
    return err;
}

int file_lock(const char *folder, int *ret_descriptor)
{
    size_t n = strlen(folder) + sizeof "/lock";
    char *path = mem_alloc(n);
    if (!path)
        return ERR_NO_MEMORY;
    snprintf(path, n, "%s/lock", folder);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int err = fd < 0 ? errno_err(errno) : 0;
    mem_free(path);
    if (!err && flock(fd, LOCK_EX | LOCK_NB) != 0)
        err = errno == EWOULDBLOCK ? ERR_CONFLICT : errno_err(errno);
    if (err) {
        if (fd >= 0)
            close(fd);
        return err;
    }
    *ret_descriptor = fd;
    return 0;
}

void file_unlock(int descriptor)
{
    close(descriptor);
}
