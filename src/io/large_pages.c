/* The heap's large pages, by way of the C library's settings and madvise. */
#include "io/large_pages.h"

#include "base/sanitized.h"

#include <malloc.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is larger has pages of its own: a UDP socket's room for datagrams (io/udp.c), of which hardly anything is ever touched, is 2 MiB and a little. */
#define OWN_PAGES_OCTETS (2 << 20)
#define GROWTH_OCTETS (32 << 20) /* each beginning and end of a stretch is without large pages */
#define UNUSED_OCTETS_MAX (64 << 20)

static char *advised_end; /* NULL: not begun */

void large_pages_begin(void)
{
    if (SANITIZED) /* its heap is another */
        return;
    mallopt(M_MMAP_THRESHOLD, OWN_PAGES_OCTETS);
    mallopt(M_TOP_PAD, GROWTH_OCTETS);
    mallopt(M_TRIM_THRESHOLD, UNUSED_OCTETS_MAX);
    advised_end = sbrk(0);
}

void large_pages_follow(void)
{
    char *const end = advised_end ? sbrk(0) : NULL;
    if (end == advised_end)
        return;
    if (end > advised_end) {
        const uintptr_t page_octets = (uintptr_t)sysconf(_SC_PAGESIZE);
        char *const begin = advised_end - (uintptr_t)advised_end % page_octets;
        (void)madvise(begin, (size_t)(end - begin), MADV_HUGEPAGE);
    }
    advised_end = end;
}
