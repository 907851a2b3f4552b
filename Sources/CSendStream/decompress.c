#include "csendstream.h"

#include <zlib.h>
#include <zstd.h>

long dish_inflate(const void *input, size_t count, void *output, size_t capacity) {
    unsigned long length = capacity;
    return uncompress(output, &length, input, count) == Z_OK ? (long)length : -1;
}

long dish_unzstd(const void *input, size_t count, void *output, size_t capacity) {
    size_t frame = ZSTD_findFrameCompressedSize(input, count);
    if (ZSTD_isError(frame)) return -1;
    size_t length = ZSTD_decompress(output, capacity, input, frame);
    return ZSTD_isError(length) ? -1 : (long)length;
}
