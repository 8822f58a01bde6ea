/* A media worker: the process that relays. It gets its commands and its ports over a socket and knows nothing else: no file, no name, no
 * key but those of the streams it relays. */
#ifndef IO_MEDIA_WORKER_H
#define IO_MEDIA_WORKER_H

/* The SOCK_SEQPACKET socket that a worker is started with. */
#define MEDIA_WORKER_DESCRIPTOR 3

/* Runs until the socket closes. Returns the process's exit status. */
int media_worker_main(void);

#endif
