#ifndef CPROTOCOL_H
#define CPROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

/// Characters of base64 that stand for the 64 bytes of a descriptor: 86 digits and two padding characters.
#define CP_DESCRIPTOR_CHARACTERS 88

/// Decodes a descriptor, `CP_DESCRIPTOR_CHARACTERS` characters of base64 at `text` (RFC 4648 §4), into eight words in
/// the order of the bytes.
///
/// @return Whether every character is a digit, the last two are padding and the four bits before them are 0. If not,
///         `words` holds anything.
bool cp_decode_descriptor(const void *text, uint64_t words[8]);

/// The same without vector instructions, on any processor.
bool cp_decode_descriptor_scalar(const void *text, uint64_t words[8]);

#endif
