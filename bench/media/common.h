/* What the programs of the media benchmark share: streams that are numbered, sockets, keys. */
#ifndef BENCH_MEDIA_COMMON_H
#define BENCH_MEDIA_COMMON_H

#include "base/addr.h"
#include "base/mem.h"
#include "media/srtp.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

/* Ends the program when the machine does not do what it must. */
static inline void need(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(1);
}

static inline struct addr address_of(const char *text)
{
    struct addr a;
    need(addr_parse(slice_str(text), 0, &a) == 0 && a.family == 4, text);
    return a;
}

static inline struct sockaddr_in socket_address(const struct addr *a)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
    memcpy(&in.sin_addr, a->ip, 4);
    return in;
}

static inline int udp_socket(const struct addr *local, int buffer_octets)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = socket_address(local);
    need(fd >= 0, "socket");
    /* Beyond the system's limit where we may. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer_octets, sizeof buffer_octets) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_octets, sizeof buffer_octets);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_octets, sizeof buffer_octets);
    need(bind(fd, (const struct sockaddr *)&in, sizeof in) == 0, "bind");
    return fd;
}

static inline int64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Key and salt in hexadecimal digits. */
static inline struct srtp_master master_of(const char *suite, const char *digits)
{
    struct srtp_master master = {.suite = srtp_suite_find(slice_str(suite))};
    size_t n = srtp_suite_key_octets(master.suite) + srtp_suite_salt_octets(master.suite);
    need(n > 0 && strlen(digits) == 2 * n, "key");
    for (size_t i = 0; i < n; i++) {
        char octet[3] = {digits[2 * i], digits[2 * i + 1], 0};
        master.octets[i] = (uint8_t)strtoul(octet, NULL, 16);
    }
    return master;
}

/* One line of the standard input for each stream: the key of what the far end sends, and of what it gets. False: no more. */
static inline bool read_keys(const char *suite, struct srtp_master *ret_in, struct srtp_master *ret_out)
{
    char line[512], in[128], out[128];
    if (!fgets(line, sizeof line, stdin) || sscanf(line, "%127s %127s", in, out) != 2)
        return false;
    *ret_in = master_of(suite, in);
    *ret_out = master_of(suite, out);
    return true;
}

#endif
