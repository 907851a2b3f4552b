#include "csendstream.h"

#include <dlfcn.h>
#include <pthread.h>

// The libraries' own headers aren't needed: these functions have been the same for as long as their sonames.
// btrfs-progs depends on all three libraries.
static int (*zlib_uncompress)(unsigned char *, unsigned long *, const unsigned char *, unsigned long);
static size_t (*zstd_decompress)(void *, size_t, const void *, size_t);
static size_t (*zstd_frame_size)(const void *, size_t);
static unsigned (*zstd_is_error)(size_t);
static int (*lzo_decompress)(const unsigned char *, unsigned long, unsigned char *, unsigned long *, void *);

static void *symbol(const char *library, const char *name) {
    // The handle stays open for the life of the program.
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    return handle ? dlsym(handle, name) : NULL;
}

static void load(void) {
    zlib_uncompress = symbol("libz.so.1", "uncompress");
    zstd_decompress = symbol("libzstd.so.1", "ZSTD_decompress");
    zstd_frame_size = symbol("libzstd.so.1", "ZSTD_findFrameCompressedSize");
    zstd_is_error = symbol("libzstd.so.1", "ZSTD_isError");
    lzo_decompress = symbol("liblzo2.so.2", "lzo1x_decompress_safe");
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

long dish_inflate(const void *input, size_t count, void *output, size_t capacity) {
    pthread_once(&once, load);
    if (!zlib_uncompress) return DISH_DECOMPRESS_NO_LIBRARY;
    unsigned long length = capacity;
    return zlib_uncompress(output, &length, input, count) == 0 ? (long)length : DISH_DECOMPRESS_DAMAGED;
}

long dish_unzstd(const void *input, size_t count, void *output, size_t capacity) {
    pthread_once(&once, load);
    if (!zstd_decompress || !zstd_frame_size || !zstd_is_error) return DISH_DECOMPRESS_NO_LIBRARY;
    size_t frame = zstd_frame_size(input, count);
    if (zstd_is_error(frame)) return DISH_DECOMPRESS_DAMAGED;
    size_t length = zstd_decompress(output, capacity, input, frame);
    return zstd_is_error(length) ? DISH_DECOMPRESS_DAMAGED : (long)length;
}

long dish_unlzo(const void *input, size_t count, void *output, size_t capacity) {
    pthread_once(&once, load);
    if (!lzo_decompress) return DISH_DECOMPRESS_NO_LIBRARY;
    unsigned long length = capacity;
    return lzo_decompress(input, count, output, &length, NULL) == 0 ? (long)length : DISH_DECOMPRESS_DAMAGED;
}
