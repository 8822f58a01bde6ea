/* Large pages for the heap. A program with many calls looks at all of its memory in turn, and with pages of 4 KiB the processor no longer knows where these are:
 * it walks the page tables for each thing that it touches, which costs a busy agent a tenth of its time. With pages of 2 MiB it knows.
 *
 * The kernel is asked for them (madvise), where it gives them only on demand; without large pages all goes on as ever. The heap then grows by 32 MiB of
 * addresses at a time, up to 2 MiB of memory are there without being used, and what was freed stays with the process. */
#ifndef IO_LARGE_PAGES_H
#define IO_LARGE_PAGES_H

/* At the start of a program, before it has much memory. */
void large_pages_begin(void);

/* Asks for what the heap has grown by; at most times that is nothing, and costs next to nothing. Harmless where they were not begun. */
void large_pages_follow(void);

#endif
