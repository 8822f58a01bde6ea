/* Memory or the end. */
#include "alloc.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void sim_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("ime-sim: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

void *sim_alloc(size_t octets)
{
    void *p = mem_alloc(octets);
    if (!p)
        sim_die("no memory for %zu octets", octets);
    return p;
}

void *sim_resize(void *p, size_t octets)
{
    void *grown = mem_resize(p, octets);
    if (!grown)
        sim_die("no memory for %zu octets", octets);
    return grown;
}
