#define _GNU_SOURCE

#include "reply.h"

#include <string.h>

#include "failure.h"

/// What follows `"key"`, white space, a colon and white space; NULL when the line has no such key.
static const uint8_t *value_of(const uint8_t *line, size_t length, const char *key)
{
    const uint8_t *end = line + length;
    const uint8_t *found = memmem(line, length, key, strlen(key));
    if (!found) return NULL;
    found += strlen(key);
    while (found < end && (*found == ' ' || *found == ':')) found++;
    return found < end ? found : NULL;
}

static enum reply_verdict refuse(const uint8_t *line, size_t length)
{
    bench_fail("unexpected reply: %.*s", (int)(length < 400 ? length : 400), (const char *)line);
    return REPLY_REFUSED;
}

static enum reply_verdict judge(enum bench_reply reply, const uint8_t *line, size_t length)
{
    if (reply == BENCH_REPLY_OK)
        return length == 4 && memcmp(line, "+OK\r", 4) == 0 ? REPLY_ACCEPTED : refuse(line, length);
    if (!value_of(line, length, "\"return\""))
        return value_of(line, length, "\"event\"") ? REPLY_EVENT : refuse(line, length);
    if (reply == BENCH_REPLY_RETURN) return REPLY_ACCEPTED;
    const uint8_t *zf = value_of(line, length, "\"zf\"");
    if (zf && *zf == 'f') return REPLY_ACCEPTED;
    // A VM exit sets ZF as well; submitting again would not help.
    if (zf && *zf == 't' && !value_of(line, length, "\"exit\"")) return REPLY_RETRY;
    return refuse(line, length);
}

enum reply_verdict reply_match(struct reply_matcher *matcher, const uint8_t **next, const uint8_t *end)
{
    const uint8_t *line = *next;
    size_t available = (size_t)(end - line);
    if (matcher->learned_bytes && available >= matcher->learned_bytes
        && memcmp(line, matcher->learned, matcher->learned_bytes) == 0) {
        *next += matcher->learned_bytes;
        return REPLY_ACCEPTED;
    }
    const uint8_t *line_feed = available ? memchr(line, '\n', available) : NULL;
    if (!line_feed) return REPLY_PARTIAL;
    size_t length = (size_t)(line_feed - line);
    *next = line_feed + 1;
    enum reply_verdict verdict = judge(matcher->reply, line, length);
    if (verdict == REPLY_ACCEPTED && !matcher->learned_bytes && length + 1 <= REPLY_LEARNED_MAX) {
        memcpy(matcher->learned, line, length + 1);
        matcher->learned_bytes = length + 1;
    }
    return verdict;
}
