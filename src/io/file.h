/* Files: whole, small and written so that a power cut leaves either the old or the new contents. */
#ifndef IO_FILE_H
#define IO_FILE_H

#include "base/buf.h"

#include <sys/types.h>

/* Appends the contents. The buffer's limit bounds them: ERR_LIMIT. ERR_NOT_FOUND, ERR_FORBIDDEN, ERR_IO, ERR_NO_MEMORY. */
int file_read(const char *path, struct buf *ret_contents);

/* The same for a secret: ERR_FORBIDDEN unless the file is a regular one, ours or root's, and closed to group and others. */
int file_read_secret(const char *path, struct buf *ret_contents);

/* A number that is another one when the file has been written or replaced since; 0: it cannot be looked at. */
uint64_t file_stamp(const char *path);

/* Replaces the file as a whole, durably: written beside it, synchronized, renamed, the folder synchronized. ERR_NO_SPACE (full or read-only),
 * ERR_FORBIDDEN, ERR_NOT_FOUND (no such folder), ERR_IO. */
int file_write(const char *path, struct slice contents, mode_t mode);

/* Creates the folder and those above it with mode 0700; 0 also if it is there. */
int file_make_folder(const char *path);

/* Takes the lock of a data folder (the file "lock" in it), held until the process ends or file_unlock: ERR_CONFLICT if another process has it. */
int file_lock(const char *folder, int *ret_descriptor);
void file_unlock(int descriptor);

#endif
