// CRC-32C with the processor's own instruction, and decompressors that are loaded when first needed:
// a program that never sees a compressed write never loads them.

#ifndef DISH_CSENDSTREAM_H
#define DISH_CSENDSTREAM_H

#include <stddef.h>
#include <stdint.h>

// Continues a CRC-32C (Castagnoli) with some bytes; without inversions before and after, as Btrfs has it.
uint32_t dish_crc32c(uint32_t crc, const void *bytes, size_t count);
// The same without the processor's instruction.
uint32_t dish_crc32c_portable(uint32_t crc, const void *bytes, size_t count);

// What a decompressor answers when it doesn't give the number of bytes it wrote.
enum {
    DISH_DECOMPRESS_NO_LIBRARY = -1, // the library isn't installed
    DISH_DECOMPRESS_DAMAGED = -2,    // the input isn't what it should be, or there is more of it than the output holds
};

// Each decompresses all of a Btrfs extent; bytes after the compressed data are padding.
long dish_inflate(const void *input, size_t count, void *output, size_t capacity);
long dish_unzstd(const void *input, size_t count, void *output, size_t capacity);
// Of one LZO segment.
long dish_unlzo(const void *input, size_t count, void *output, size_t capacity);

#endif
