/* Stands in for libFuzzer in ordinary builds: runs a fuzz target over the files of its corpus folder, and over every truncation of
 * each small one. An empty or missing folder is a failure. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_OCTETS_MAX = 1 << 20, TRUNCATE_OCTETS_MAX = 2048 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A copy of exactly this size, so that a sanitizer sees the first octet that is read too many. */
static void run_one(const uint8_t *octets, size_t n)
{
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy)
        abort();
    if (n)
        memcpy(copy, octets, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static int run_file(const char *path)
{
    static uint8_t octets[FILE_OCTETS_MAX];
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return -1;
    }
    size_t n = fread(octets, 1, sizeof octets, f);
    int failed = ferror(f);
    fclose(f);
    if (failed) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return -1;
    }
    run_one(octets, n);
    for (size_t cut = 0; n <= TRUNCATE_OCTETS_MAX && cut < n; cut++)
        run_one(octets, cut);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS-FOLDER\n", argv[0]);
        return 2;
    }
    DIR *folder = opendir(argv[1]);
    if (!folder) {
        perror(argv[1]);
        return 1;
    }
    unsigned files = 0;
    int failed = 0;
    for (struct dirent *e; (e = readdir(folder));) {
        char path[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], e->d_name);
        failed |= run_file(path);
        files++;
    }
    closedir(folder);
    if (!files)
        fprintf(stderr, "%s: the corpus is empty\n", argv[1]);
    else
        printf("# %u files and their truncations\n", files);
    return failed || !files;
}
