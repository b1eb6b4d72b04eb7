#ifndef REPLY_H
#define REPLY_H

#include "CLoadGenerator.h"

enum reply_verdict {
    /// The next reply is not all there.
    REPLY_PARTIAL,
    /// Done or, for a submission, accepted.
    REPLY_ACCEPTED,
    /// ZF = 1: to be submitted again.
    REPLY_RETRY,
    /// Not a reply at all.
    REPLY_EVENT,
    /// An error, or something else that no run survives; `bench_failure()` quotes it.
    REPLY_REFUSED,
};

enum { REPLY_LEARNED_MAX = 256 };

/// Recognises replies. The first accepted one is read with care and learned; the same bytes again are one comparison,
/// which is what `+OK` costs.
struct reply_matcher {
    enum bench_reply reply;
    size_t learned_bytes;
    uint8_t learned[REPLY_LEARNED_MAX];
};

/// Judges the reply at `*next` and steps over it, unless it is partial.
enum reply_verdict reply_match(struct reply_matcher *matcher, const uint8_t **next, const uint8_t *end);

#endif
