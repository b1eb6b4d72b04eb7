#include "json.h"

#include <string.h>

static const char *skip_space(const char *at, const char *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\n' || *at == '\r')) at++;
    return at;
}

/// The end of the string that begins at `at`, behind its closing quote, or NULL when it is cut off.
static const char *skip_string(const char *at, const char *end) {
    for (at++; at < end; at++) {
        if (*at == '\\') {
            at++;
        } else if (*at == '"') {
            return at + 1;
        }
    }
    return NULL;
}

/// The end of the value that begins at `at`, or NULL when it is cut off.
static const char *skip_value(const char *at, const char *end) {
    if (at < end && *at == '"') return skip_string(at, end);
    int depth = 0;
    while (at < end) {
        if (*at == '"') {
            at = skip_string(at, end);
            if (!at) return NULL;
            continue;
        }
        if (*at == '{' || *at == '[') depth++;
        if (*at == '}' || *at == ']') {
            if (depth == 0) return at;
            if (--depth == 0) return at + 1;
        }
        if (depth == 0 && *at == ',') return at;
        at++;
    }
    return depth == 0 ? at : NULL;
}

struct swq_json swq_json_member(struct swq_json object, const char *name) {
    static const struct swq_json none = {NULL, NULL};
    if (!object.start) return none;
    const char *at = skip_space(object.start, object.end), *end = object.end;
    if (at == end || *at != '{') return none;
    at = skip_space(at + 1, end);
    while (at < end && *at == '"') {
        const char *key = at + 1, *key_end = skip_string(at, end);
        if (!key_end) return none;
        at = skip_space(key_end, end);
        if (at == end || *at != ':') return none;
        at = skip_space(at + 1, end);
        const char *value_end = skip_value(at, end);
        if (!value_end) return none;
        size_t length = (size_t)(key_end - 1 - key);
        if (strlen(name) == length && memcmp(key, name, length) == 0) return (struct swq_json){at, value_end};
        at = skip_space(value_end, end);
        if (at < end && *at == ',') at = skip_space(at + 1, end);
    }
    return none;
}

static bool is_string(struct swq_json value) {
    return value.start && value.end - value.start >= 2 && *value.start == '"' && value.end[-1] == '"';
}

static int digit_of(char letter) {
    if (letter >= '0' && letter <= '9') return letter - '0';
    if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
    if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
    return -1;
}

bool swq_json_number(struct swq_json value, uint64_t *number) {
    uint64_t base = 10;
    const char *at = value.start, *end = value.end;
    if (is_string(value)) {
        at++, end--;
        if (end - at > 2 && at[0] == '0' && at[1] == 'x') base = 16, at += 2;
    }
    if (!at || at == end) return false;
    uint64_t result = 0;
    for (; at < end; at++) {
        if (*at == ' ' && at > value.start) break;
        int digit = digit_of(*at);
        if (digit < 0 || digit >= (int)base) return false;
        if (__builtin_mul_overflow(result, base, &result) || __builtin_add_overflow(result, (uint64_t)digit, &result))
            return false;
    }
    *number = result;
    return true;
}

bool swq_json_is_true(struct swq_json value) {
    return value.start && value.end - value.start >= 4 && memcmp(value.start, "true", 4) == 0;
}

static int sextet_of(char letter) {
    if (letter >= 'A' && letter <= 'Z') return letter - 'A';
    if (letter >= 'a' && letter <= 'z') return letter - 'a' + 26;
    if (letter >= '0' && letter <= '9') return letter - '0' + 52;
    return letter == '+' ? 62 : letter == '/' ? 63 : -1;
}

bool swq_json_bytes(struct swq_json value, void *bytes, size_t capacity, size_t *count) {
    if (!is_string(value)) return false;
    uint32_t bits = 0;
    int held = 0;
    *count = 0;
    for (const char *at = value.start + 1; at < value.end - 1 && *at != '='; at++) {
        // A slash may come escaped.
        if (*at == '\\') continue;
        int sextet = sextet_of(*at);
        if (sextet < 0) return false;
        bits = bits << 6 | (uint32_t)sextet;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        if (*count == capacity) return false;
        ((uint8_t *)bytes)[(*count)++] = (uint8_t)(bits >> held);
    }
    return true;
}

bool swq_json_text(struct swq_json value, char *text, size_t capacity) {
    if (!is_string(value)) return false;
    size_t count = 0;
    for (const char *at = value.start + 1; at < value.end - 1; at++) {
        // Paths have slashes, which may come escaped; nothing else is.
        if (*at == '\\' && at[1] == '/') continue;
        if (*at == '\\' || count + 1 >= capacity) return false;
        text[count++] = *at;
    }
    text[count] = 0;
    return true;
}

// MARK: Writing

static void put_letter(struct swq_json_writer *writer, char letter) {
    if (writer->count == writer->capacity) {
        writer->overflowed = true;
        return;
    }
    writer->buffer[writer->count++] = letter;
}

void swq_json_put(struct swq_json_writer *writer, const char *text) {
    while (*text) put_letter(writer, *text++);
}

void swq_json_put_text(struct swq_json_writer *writer, const char *text) {
    static const char digits[] = "0123456789abcdef";
    put_letter(writer, '"');
    for (; *text; text++) {
        unsigned char letter = (unsigned char)*text;
        if (letter == '"' || letter == '\\') put_letter(writer, '\\');
        if (letter >= 0x20 && letter < 0x7f) {
            put_letter(writer, (char)letter);
            continue;
        }
        // No name of ours has such a letter: any code point will do to find none.
        swq_json_put(writer, "\\u00");
        put_letter(writer, digits[letter >> 4]);
        put_letter(writer, digits[letter & 15]);
    }
    put_letter(writer, '"');
}

void swq_json_put_number(struct swq_json_writer *writer, uint64_t number) {
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) put_letter(writer, digits[--count]);
}

void swq_json_put_bytes(struct swq_json_writer *writer, const void *bytes, size_t count) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *at = bytes;
    put_letter(writer, '"');
    for (; count > 0; at += 3) {
        uint32_t bits = (uint32_t)at[0] << 16 | (count > 1 ? (uint32_t)at[1] << 8 : 0) | (count > 2 ? at[2] : 0);
        put_letter(writer, letters[bits >> 18]);
        put_letter(writer, letters[(bits >> 12) & 63]);
        put_letter(writer, count > 1 ? letters[(bits >> 6) & 63] : '=');
        put_letter(writer, count > 2 ? letters[bits & 63] : '=');
        count -= count > 3 ? 3 : count;
    }
    put_letter(writer, '"');
}
