/* Text forms of addresses; inet_pton and inet_ntop are pure functions of the C library. */
#include "base/addr.h"

#include "base/text.h"

#include <arpa/inet.h>
#include <stdio.h>

/* Each message has some: the C library would print them with printf. */
static char *put_ipv4(const uint8_t ip[4], char *text)
{
    for (unsigned i = 0; i < 4; i++) {
        text = decimal_put(ip[i], text);
        if (i < 3)
            *text++ = '.';
    }
    return text;
}

const char *addr_format_ip(const struct addr *a, char *text)
{
    if (a->family == 4)
        put_ipv4(a->ip, text);
    else if (!a->family || !inet_ntop(AF_INET6, a->ip, text, ADDR_TEXT_OCTETS))
        snprintf(text, ADDR_TEXT_OCTETS, "-");
    return text;
}

const char *addr_format(const struct addr *a, char *text)
{
    char ip[ADDR_TEXT_OCTETS];
    if (a->family == 4) {
        char *end = put_ipv4(a->ip, text);
        *end++ = ':';
        decimal_put(a->port, end);
        return text;
    }
    addr_format_ip(a, ip);
    if (!a->family)
        snprintf(text, ADDR_TEXT_OCTETS, "-");
    else
        snprintf(text, ADDR_TEXT_OCTETS, "[%.45s]:%u", ip, a->port);
    return text;
}

/* Four numbers without leading zeros, as inet_pton has them. */
static bool read_ipv4(struct slice host, uint8_t ret_ip[4])
{
    unsigned number = 0, digits = 0, count = 0;
    for (size_t i = 0; i <= host.n; i++) {
        if (i == host.n || host.p[i] == '.') {
            if (!digits || count == 4)
                return false;
            ret_ip[count++] = (uint8_t)number;
            number = digits = 0;
        } else if (host.p[i] < '0' || host.p[i] > '9' || (digits && !number)) {
            return false;
        } else {
            number = 10 * number + (unsigned)(host.p[i] - '0');
            if (number > 255)
                return false;
            digits++;
        }
    }
    return count == 4;
}

static bool read_ipv6(struct slice host, uint8_t ret_ip[16])
{
    char ip[ADDR_TEXT_OCTETS];
    if (host.n >= sizeof ip || memchr(host.p, 0, host.n))
        return false;
    memcpy(ip, host.p, host.n);
    ip[host.n] = 0;
    return inet_pton(AF_INET6, ip, ret_ip) == 1;
}

int addr_parse(struct slice text, uint16_t default_port, struct addr *ret_addr)
{
    struct slice host = text;
    struct slice port = {NULL, 0};
    if (text.n && text.p[0] == '[') {
        struct slice rest = slice_of(text.p + 1, text.n - 1);
        host = text_cut(&rest, ']');
        if (!rest.p || (rest.n && rest.p[0] != ':'))
            return ERR_SYNTAX;
        if (rest.n)
            port = slice_of(rest.p + 1, rest.n - 1);
    } else if (text.n && memchr(text.p, '.', text.n)) {
        port = text;
        host = text_cut(&port, ':');
    }
    if (!host.n)
        return ERR_SYNTAX;

    struct addr a = {0};
    const bool v6 = memchr(host.p, ':', host.n) != NULL;
    a.family = v6 ? 6 : 4;
    if (!(v6 ? read_ipv6(host, a.ip) : read_ipv4(host, a.ip)))
        return ERR_SYNTAX;
    uint64_t value = default_port;
    if (port.p && (u64_parse(port, 65535, &value) < 0 || value == 0))
        return ERR_SYNTAX;
    if (value == 0)
        return ERR_SYNTAX;
    a.port = (uint16_t)value;
    *ret_addr = a;
    return 0;
}
