#include "json.h"

#include <string.h>

#include "swq.h"

static const char *skip_space(const char *text) {
    while (*text == ' ' || *text == '\t' || *text == '\r' || *text == '\n') text++;
    return text;
}

/// Behind the string that begins at `text`; NULL when it does not end.
static const char *skip_string(const char *text) {
    for (text++; *text && *text != '"'; text++) {
        if (*text == '\\' && *++text == 0) return NULL;
    }
    return *text ? text + 1 : NULL;
}

/// Behind the value that begins at `text`; NULL when it does not end.
static const char *skip_value(const char *text) {
    size_t depth = 0;
    do {
        text = skip_space(text);
        switch (*text) {
        case 0: return NULL;
        case '"': text = skip_string(text); break;
        case '{':
        case '[':
            depth++;
            text++;
            break;
        case '}':
        case ']':
            if (depth == 0) return NULL;
            depth--;
            text++;
            break;
        case ',':
        case ':':
            if (depth == 0) return NULL;
            text++;
            break;
        default: text += strcspn(text, ",:]} \t\r\n\"[{");
        }
    } while (text && depth > 0);
    return text;
}

const char *swq_member(const char *object, const char *name, size_t *length) {
    size_t name_length = strlen(name);
    const char *text = skip_space(object);
    if (*text != '{') return NULL;
    text = skip_space(text + 1);
    while (*text == '"') {
        const char *key = text + 1;
        text = skip_string(text);
        if (!text) return NULL;
        bool is_wanted = (size_t)(text - 1 - key) == name_length && memcmp(key, name, name_length) == 0;
        text = skip_space(text);
        if (*text != ':') return NULL;
        const char *value = skip_space(text + 1);
        text = skip_value(value);
        if (!text) return NULL;
        if (is_wanted) {
            *length = (size_t)(text - value);
            return value;
        }
        text = skip_space(text);
        if (*text != ',') return NULL;
        text = skip_space(text + 1);
    }
    return NULL;
}

bool json_copy_string(const char *value, size_t length, char *copy, size_t capacity) {
    if (length < 2 || value[0] != '"' || capacity == 0) return false;
    size_t count = 0;
    for (size_t index = 1; index + 1 < length && count + 1 < capacity; index++) {
        char byte = value[index];
        if (byte == '\\' && index + 2 < length && value[index + 1] != 'u') {
            index++;
            switch (value[index]) {
            case 'n': byte = '\n'; break;
            case 't': byte = '\t'; break;
            case 'r': byte = '\r'; break;
            case 'b': byte = '\b'; break;
            case 'f': byte = '\f'; break;
            default: byte = value[index];
            }
        }
        copy[count++] = byte;
    }
    copy[count] = 0;
    return true;
}
