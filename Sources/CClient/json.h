/// The little that the library reads of the daemon's lines, which are well-formed.

#ifndef SWQ_JSON_H
#define SWQ_JSON_H

#include <stdbool.h>
#include <stddef.h>

/// Copies a string value of `length` bytes, quotes included, without its escapes but \u, which it leaves. What does not
/// fit is cut off. False when the value is no string.
__attribute__((visibility("hidden")))
bool json_copy_string(const char *value, size_t length, char *copy, size_t capacity);

#endif
