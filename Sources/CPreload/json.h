/// As much JSON as the daemon's replies need: finding members, and reading numbers, booleans and base64.

#ifndef SWQ_JSON_H
#define SWQ_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// A value within a text that outlives it. `start` is NULL when there is none.
struct swq_json {
    const char *start;
    const char *end;
};

/// The member of an object. None when `object` is no object, has no such member, or is cut off.
struct swq_json swq_json_member(struct swq_json object, const char *name);

/// A number that is not negative, or a string that holds one in hexadecimal ("0x1000").
bool swq_json_number(struct swq_json value, uint64_t *number);

/// True for `true` alone.
bool swq_json_is_true(struct swq_json value);

/// The bytes of a base64 string. False: not one, or longer than `capacity`.
bool swq_json_bytes(struct swq_json value, void *bytes, size_t capacity, size_t *count);

/// A string without escapes, terminated. False: not one, has escapes, or is too long.
bool swq_json_text(struct swq_json value, char *text, size_t capacity);

// MARK: Writing

/// A request in the making. `overflowed` once something did not fit.
struct swq_json_writer {
    char *buffer;
    size_t capacity;
    size_t count;
    bool overflowed;
};

/// Appends a literal piece of JSON.
void swq_json_put(struct swq_json_writer *writer, const char *text);
/// Appends a string with its quotes, and escapes what needs it.
void swq_json_put_text(struct swq_json_writer *writer, const char *text);
void swq_json_put_number(struct swq_json_writer *writer, uint64_t number);
/// Appends bytes as a base64 string with its quotes.
void swq_json_put_bytes(struct swq_json_writer *writer, const void *bytes, size_t count);

#endif
