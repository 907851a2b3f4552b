// The files of the web page, inside the program. SwiftPM's own `embedInCode` makes array literals of them that take the Swift
// compiler some ten seconds for each 50 kB; #embed takes none.
#ifndef CWEBPAGE_H
#define CWEBPAGE_H

#include <stddef.h>

struct dish_web_asset {
    // As it is asked for: "page.css".
    const char *_Nonnull name;
    const char *_Nonnull type;
    const unsigned char *_Nonnull bytes;
    size_t length;
};

// NULL after the last one.
const struct dish_web_asset *_Nullable dish_web_asset_at(size_t index);

#endif
