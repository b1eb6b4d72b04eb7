/// The JSON of the daemon's replies and of requests.

#include "check.h"
#include "json.h"

static struct swq_json text(const char *literal) { return (struct swq_json){literal, literal + strlen(literal)}; }

static uint64_t number_of(const char *object, const char *name) {
    uint64_t number = UINT64_MAX - 1;
    return swq_json_number(swq_json_member(text(object), name), &number) ? number : UINT64_MAX;
}

int main(void) {
    const char *reply = "{\"return\": {\"a\": [1, {\"errno\": 9}], \"s\": \"}{\\\"errno\\\": 8\", \"errno\" :7}, "
                        "\"id\": 12}";

    TEST("a member is found at its own level, past nested values and braces in strings");
    CHECK_EQUAL(number_of(reply, "id"), 12);
    uint64_t number;
    struct swq_json result = swq_json_member(text(reply), "return");
    CHECK(swq_json_number(swq_json_member(result, "errno"), &number) && number == 7);
    CHECK(!swq_json_member(result, "missing").start);
    CHECK(!swq_json_member(text("[1]"), "id").start);
    CHECK_EQUAL(number_of("{}", "id"), UINT64_MAX);

    TEST("a reply that is cut off anywhere gives no member behind the cut");
    for (size_t cut = 0; cut < strlen(reply) - 1; cut++) {
        char *copy = malloc(cut + 1);
        memcpy(copy, reply, cut);
        struct swq_json part = {copy, copy + cut};
        struct swq_json value = swq_json_member(part, "return");
        CHECK(!value.start || value.end <= part.end);
        free(copy);
    }

    TEST("numbers are decimal or hexadecimal strings, and fit 64 bits");
    CHECK_EQUAL(number_of("{\"n\": \"0xffffffffff601000\"}", "n"), 0xffffffffff601000);
    CHECK_EQUAL(number_of("{\"n\": \"42\" , \"m\": 1}", "n"), 42);
    CHECK_EQUAL(number_of("{\"n\": 18446744073709551616}", "n"), UINT64_MAX);
    CHECK_EQUAL(number_of("{\"n\": -1}", "n"), UINT64_MAX);
    CHECK_EQUAL(number_of("{\"n\": null}", "n"), UINT64_MAX);
    CHECK(swq_json_is_true(swq_json_member(text("{\"b\": true}"), "b")));
    CHECK(!swq_json_is_true(swq_json_member(text("{\"b\": false}"), "b")));

    TEST("bytes come back from base64 as they were written");
    uint8_t bytes[200], back[200];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 37 + 11);
    for (size_t count = 0; count <= sizeof bytes; count++) {
        char buffer[512];
        struct swq_json_writer writer = {.buffer = buffer, .capacity = sizeof buffer};
        swq_json_put_bytes(&writer, bytes, count);
        CHECK_EQUAL(writer.count, (count + 2) / 3 * 4 + 2);
        size_t found;
        struct swq_json written = {buffer, buffer + writer.count};
        CHECK(swq_json_bytes(written, back, sizeof back, &found));
        CHECK(found == count && memcmp(bytes, back, count) == 0);
        if (count > 0) CHECK(!swq_json_bytes(written, back, count - 1, &found));
    }
    size_t found;
    CHECK(!swq_json_bytes(text("\"a*bc\""), back, sizeof back, &found));

    TEST("names are written so that no byte of them ends the string");
    char buffer[64];
    struct swq_json_writer writer = {.buffer = buffer, .capacity = sizeof buffer};
    swq_json_put_text(&writer, "a\"b\\c\n\xff");
    CHECK(writer.count == 21 && memcmp(buffer, "\"a\\\"b\\\\c\\u000a\\u00ff\"", 21) == 0);
    writer = (struct swq_json_writer){.buffer = buffer, .capacity = 4};
    swq_json_put(&writer, "12345");
    CHECK(writer.overflowed && writer.count == 4);
    char path[8];
    CHECK(swq_json_text(text("\"\\/a/b\""), path, sizeof path) && strcmp(path, "/a/b") == 0);
    CHECK(!swq_json_text(text("\"1234567x\""), path, sizeof path));
    return 0;
}
