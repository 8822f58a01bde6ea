/* Datagrams to the service manager. */
#include "io/notify.h"

#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TEXT_OCTETS_MAX 64

/* "/run/systemd/notify", or "@name" in the abstract namespace: there the name begins with a zero octet and has no end but its length. */
static int address_of(const char *name, struct sockaddr_un *ret_address, socklen_t *ret_octets)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const size_t n = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || n < 2 || n >= sizeof address.sun_path)
        return ERR_UNSUPPORTED;
    memcpy(address.sun_path, name, n);
    if (name[0] == '@')
        address.sun_path[0] = '\0';
    *ret_address = address;
    *ret_octets = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '/'));
    return 0;
}

static int errno_err(int number)
{
    switch (number) {
    case ECONNREFUSED:
    case ENOENT:
    case ENOTDIR:
        return ERR_UNREACHABLE;
    case EAGAIN:
        return ERR_LIMIT;
    default:
        return ERR_IO;
    }
}

static int tell(const char *text)
{
    const char *name = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    socklen_t octets;
    if (!name)
        return 0;
    int err = address_of(name, &address, &octets);
    if (err)
        return err;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return ERR_IO;
    if (sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address, octets) < 0)
        err = errno_err(errno);
    close(fd);
    return err;
}

int notify_ready(void)
{
    return tell("READY=1");
}

int notify_reloading(struct mono since)
{
    char text[TEXT_OCTETS_MAX];
    snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, since.us);
    return tell(text);
}

int notify_stopping(void)
{
    return tell("STOPPING=1");
}
