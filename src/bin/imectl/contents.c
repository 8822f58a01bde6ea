/* Files whose contents are an argument of a command. */
#include "imectl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Appends what is there; the buffer's limit bounds it. 0 or the system's error. */
static int read_all(int fd, struct buf *contents)
{
    uint8_t chunk[16384];
    ssize_t got;
    do {
        got = read(fd, chunk, sizeof chunk);
        if (got > 0)
            buf_put(contents, chunk, (size_t)got);
    } while ((got > 0 && !contents->err) || (got < 0 && errno == EINTR));
    return got < 0 ? errno : 0;
}

static enum exit_code add(const char *name, struct slice contents, const struct ctl_arg *arg, struct ctl_args *args)
{
    struct buf why;
    enum exit_code code = EXIT_GOOD;
    buf_init(&why, 4096);
    if (ctl_args_add(args, arg, contents, &why) != 0) {
        fprintf(stderr, "imectl: %s: %s\n", name, buf_text(&why));
        code = EXIT_USAGE;
    }
    buf_fini(&why);
    return code;
}

enum exit_code file_add(const struct options *o, const char *file, struct ctl_args *args)
{
    const struct ctl_arg *arg = ctl_command_apart(args->command);
    if (!arg || arg->type != CTL_FILE)
        return EXIT_GOOD;
    bool standard = strcmp(file, "-") == 0;
    const char *name = standard ? "standard input" : file;
    if (standard && o->batch) {
        fprintf(stderr, "imectl: standard input holds commands: give a file\n");
        return EXIT_USAGE;
    }
    int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    struct buf contents;
    buf_init(&contents, CTL_FILE_OCTETS_MAX + 1); /* one too many says that it is too long */
    int err = fd < 0 ? errno : read_all(fd, &contents);
    enum exit_code code = EXIT_USAGE;
    if (err)
        fprintf(stderr, "imectl: %s: %s\n", name, strerror(err));
    else
        code = add(name, buf_slice(&contents), arg, args);
    if (fd >= 0 && !standard)
        close(fd);
    buf_fini(&contents);
    return code;
}
