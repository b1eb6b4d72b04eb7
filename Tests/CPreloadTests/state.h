/// The whole state of a processor around one instruction: set before, taken down behind it (state.S).

#ifndef STATE_H
#define STATE_H

#include <stdint.h>

extern uint64_t state_in[16], state_out[16], state_flags_in, state_flags_out;
extern uint8_t state_vectors_in[16][32], state_vectors_out[16][32];
/// FXSAVE images: x87, MXCSR and the lower halves once more.
extern uint8_t state_legacy_in[512], state_legacy_out[512];
/// What the form relative to RIP reads.
extern uint64_t state_block[8];

#define FORM(name)       \
    void name(void);     \
    extern uint8_t name##_site[];

FORM(plain_enqcmd)
FORM(plain_movdir64b)
FORM(indexed_enqcmd)
FORM(relative_movdir64b)
FORM(red_zone_enqcmd)
FORM(segment_movdir64b)
FORM(short_enqcmd)
FORM(absolute_enqcmd)
FORM(plain_enqcmds)
FORM(plain_umonitor)
FORM(plain_umwait)
FORM(plain_tpause)

enum { SMALL_SITE_COUNT = 65 };
extern int (*const small_sites[SMALL_SITE_COUNT])(const void *source, void *portal);

#endif
