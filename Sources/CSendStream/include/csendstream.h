// CRC-32C with the processor's own instruction, and decompression.

#ifndef DISH_CSENDSTREAM_H
#define DISH_CSENDSTREAM_H

#include <stddef.h>
#include <stdint.h>

// Continues a CRC-32C (Castagnoli) with some bytes; without inversions before and after, as Btrfs has it.
uint32_t dish_crc32c(uint32_t crc, const void *bytes, size_t count);
// The same without the processor's instruction.
uint32_t dish_crc32c_portable(uint32_t crc, const void *bytes, size_t count);

// Each decompresses all of a Btrfs extent; bytes after the compressed data are padding. They answer how many bytes they wrote,
// or -1 for input that isn't what it should be, or of which there is more than the output holds.
long dish_inflate(const void *input, size_t count, void *output, size_t capacity);
long dish_unzstd(const void *input, size_t count, void *output, size_t capacity);

#endif
