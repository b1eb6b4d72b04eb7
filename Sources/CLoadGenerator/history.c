#define _GNU_SOURCE

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "CLoadGenerator.h"
#include "failure.h"

enum {
    /// A guest physical function of a first device.
    DEVICE_RID = 0x6a08,
    PASIDS_FILLED = 1000,
    LOCK_WAIT_MS = 5000,
};

static const uint64_t EVENT_SPACING_NS = 1000000;

struct bench_history {
    sqlite3 *database;
    sqlite3_stmt *insert_event;
    sqlite3_stmt *insert_binding;
    sqlite3_stmt *end_binding;
    int64_t sequence;
    int64_t time;
};

static int sqlite_fail(sqlite3 *database, const char *what)
{
    return bench_fail("%s: %s", what, database ? sqlite3_errmsg(database) : "out of memory");
}

static int execute(sqlite3 *database, const char *sql)
{
    return sqlite3_exec(database, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : sqlite_fail(database, sql);
}

static int prepare(sqlite3 *database, const char *sql, sqlite3_stmt **statement)
{
    if (sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL) == SQLITE_OK) return 0;
    return sqlite_fail(database, sql);
}

static int open_database(const char *path, int flags, sqlite3 **database)
{
    if (sqlite3_open_v2(path, database, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
        return sqlite_fail(*database, path);
    sqlite3_busy_timeout(*database, LOCK_WAIT_MS);
    return 0;
}

/// The first column of the first row; 0 when there is none.
static int read_integer(sqlite3 *database, const char *sql, int64_t *value)
{
    sqlite3_stmt *statement = NULL;
    if (prepare(database, sql, &statement) != 0) return -1;
    int step = sqlite3_step(statement);
    *value = step == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    return step == SQLITE_ROW || step == SQLITE_DONE ? 0 : sqlite_fail(database, sql);
}

/// The daemon's own statements, so that both sides write the same columns and the same indexes.
static int prepare_all(struct bench_history *history)
{
    static const char insert_event[] =
        "INSERT INTO event (sequence, time, wall_time, kind, cause, bound_sequence, daemon_run, ioasid, guest_pasid,"
        " ioasid_set, vm, device_rid, process, uid, pid, connection)"
        " VALUES (?1, ?2, ?2, ?3, 'request', ?4, 1, ?5, ?5, 1, 1, ?6, NULL, 0, 1, 1)";
    static const char insert_binding[] =
        "INSERT INTO binding (bound_sequence, bound_time, bound_wall_time, bind_cause, daemon_run, ioasid, guest_pasid,"
        " ioasid_set, vm, device_rid, process, uid, pid, connection)"
        " VALUES (?1, ?2, ?2, 'request', 1, ?3, ?3, 1, 1, ?4, NULL, 0, 1, 1)";
    static const char end_binding[] =
        "UPDATE binding SET unbound_sequence = ?1, unbound_time = ?2, unbound_wall_time = ?2, unbind_cause = 'request'"
        " WHERE bound_sequence = ?3";
    if (prepare(history->database, insert_event, &history->insert_event) != 0
        || prepare(history->database, insert_binding, &history->insert_binding) != 0)
        return -1;
    return prepare(history->database, end_binding, &history->end_binding);
}

static int step(struct bench_history *history, sqlite3_stmt *statement)
{
    int outcome = sqlite3_step(statement);
    sqlite3_reset(statement);
    return outcome == SQLITE_DONE ? 0 : sqlite_fail(history->database, "a row");
}

static int insert_event(struct bench_history *history, const char *kind, int64_t bound_sequence, uint32_t pasid)
{
    sqlite3_stmt *statement = history->insert_event;
    sqlite3_bind_int64(statement, 1, ++history->sequence);
    sqlite3_bind_int64(statement, 2, history->time);
    sqlite3_bind_text(statement, 3, kind, -1, SQLITE_STATIC);
    if (bound_sequence) sqlite3_bind_int64(statement, 4, bound_sequence);
    else sqlite3_bind_null(statement, 4);
    sqlite3_bind_int64(statement, 5, pasid);
    sqlite3_bind_int64(statement, 6, DEVICE_RID);
    return step(history, statement);
}

static int bind(struct bench_history *history, uint32_t pasid, int64_t *bound_sequence)
{
    if (insert_event(history, "bind", 0, pasid) != 0) return -1;
    *bound_sequence = history->sequence;
    sqlite3_stmt *statement = history->insert_binding;
    sqlite3_bind_int64(statement, 1, history->sequence);
    sqlite3_bind_int64(statement, 2, history->time);
    sqlite3_bind_int64(statement, 3, pasid);
    sqlite3_bind_int64(statement, 4, DEVICE_RID);
    return step(history, statement);
}

static int unbind(struct bench_history *history, uint32_t pasid, int64_t bound_sequence)
{
    if (insert_event(history, "unbind", bound_sequence, pasid) != 0) return -1;
    sqlite3_stmt *statement = history->end_binding;
    sqlite3_bind_int64(statement, 1, history->sequence);
    sqlite3_bind_int64(statement, 2, history->time);
    sqlite3_bind_int64(statement, 3, bound_sequence);
    return step(history, statement);
}

void bench_history_close(struct bench_history *history)
{
    if (!history) return;
    sqlite3_finalize(history->insert_event);
    sqlite3_finalize(history->insert_binding);
    sqlite3_finalize(history->end_binding);
    sqlite3_close(history->database);
    free(history);
}

/// Runs every statement that made the model's tables and indexes.
static int copy_schema(sqlite3 *target, const char *model)
{
    sqlite3 *source = NULL;
    sqlite3_stmt *statement = NULL;
    int outcome = open_database(model, SQLITE_OPEN_READONLY, &source);
    if (outcome == 0)
        outcome = prepare(source, "SELECT sql FROM sqlite_schema WHERE tbl_name IN ('event', 'binding')"
                                  " AND sql IS NOT NULL ORDER BY type = 'table' DESC", &statement);
    while (outcome == 0 && sqlite3_step(statement) == SQLITE_ROW)
        outcome = execute(target, (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(source);
    return outcome;
}

struct bench_history *bench_history_create(const char *path, const char *model)
{
    struct bench_history *history = calloc(1, sizeof *history);
    if (!history) {
        bench_fail("out of memory");
        return NULL;
    }
    int64_t synchronous = 0;
    if (open_database(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &history->database) != 0
        || execute(history->database, "PRAGMA journal_mode = WAL") != 0
        || execute(history->database, "PRAGMA synchronous = FULL") != 0
        || read_integer(history->database, "PRAGMA synchronous", &synchronous) != 0
        || copy_schema(history->database, model) != 0 || prepare_all(history) != 0) {
        bench_history_close(history);
        return NULL;
    }
    if (synchronous != 2) {
        bench_fail("%s: synchronous is %d, not FULL", path, (int)synchronous);
        bench_history_close(history);
        return NULL;
    }
    return history;
}

int bench_history_run(
    struct bench_history *history, uint32_t waiters, uint64_t measured_ns, uint64_t *pairs, uint64_t *elapsed_ns)
{
    int64_t *bound = calloc(waiters, sizeof *bound);
    if (!bound) return bench_fail("out of memory");
    *pairs = 0;
    int outcome = 0;
    uint64_t start = bench_now();
    do {
        if ((outcome = execute(history->database, "BEGIN IMMEDIATE")) != 0) break;
        history->time++;
        for (uint32_t index = 0; outcome == 0 && index < waiters; index++)
            outcome = bind(history, index + 1, &bound[index]);
        if (outcome != 0 || (outcome = execute(history->database, "COMMIT")) != 0) break;

        if ((outcome = execute(history->database, "BEGIN IMMEDIATE")) != 0) break;
        history->time++;
        for (uint32_t index = 0; outcome == 0 && index < waiters; index++)
            outcome = unbind(history, index + 1, bound[index]);
        if (outcome != 0 || (outcome = execute(history->database, "COMMIT")) != 0) break;
        *pairs += waiters;
        *elapsed_ns = bench_now() - start;
    } while (*elapsed_ns < measured_ns);
    free(bound);
    return outcome;
}

/// Moves the only daemon run back to before the first event, so that the rows are its own.
static int move_run(struct bench_history *history, uint64_t events)
{
    int64_t start = 0, count = 0;
    if (read_integer(history->database, "SELECT count(*) FROM daemon_run", &count) != 0
        || read_integer(history->database, "SELECT start_time FROM daemon_run WHERE id = 1", &start) != 0
        || read_integer(history->database, "SELECT coalesce(max(sequence), 0) FROM event", &history->sequence) != 0)
        return -1;
    if (count != 1 || history->sequence != 0) return bench_fail("a new history, used once, is needed");
    history->time = start - (int64_t)((events + 1) * EVENT_SPACING_NS);
    char sql[128];
    snprintf(sql, sizeof sql, "UPDATE daemon_run SET start_time = %lld WHERE id = 1", (long long)history->time);
    return execute(history->database, sql);
}

static int fill(struct bench_history *history, uint64_t bindings)
{
    if (execute(history->database, "BEGIN IMMEDIATE") != 0 || move_run(history, 2 * bindings) != 0) return -1;
    for (uint64_t index = 0; index < bindings; index++) {
        uint32_t pasid = 1 + (uint32_t)(index % PASIDS_FILLED);
        int64_t bound = 0;
        history->time += EVENT_SPACING_NS;
        if (bind(history, pasid, &bound) != 0) return -1;
        history->time += EVENT_SPACING_NS;
        if (unbind(history, pasid, bound) != 0) return -1;
    }
    return execute(history->database, "COMMIT");
}

int bench_history_fill(const char *path, uint64_t bindings)
{
    struct bench_history history = {0};
    int outcome = open_database(path, SQLITE_OPEN_READWRITE, &history.database);
    if (outcome == 0) outcome = execute(history.database, "PRAGMA synchronous = OFF");
    if (outcome == 0) outcome = prepare_all(&history);
    if (outcome == 0) outcome = fill(&history, bindings);
    sqlite3_finalize(history.insert_event);
    sqlite3_finalize(history.insert_binding);
    sqlite3_finalize(history.end_binding);
    // Closing folds the log into the database, as the end of a daemon does.
    if (sqlite3_close(history.database) != SQLITE_OK && outcome == 0) outcome = bench_fail("%s: close", path);
    return outcome;
}

int64_t bench_history_count(const char *path, const char *kind)
{
    sqlite3 *database = NULL;
    sqlite3_stmt *statement = NULL;
    int64_t count = -1;
    if (open_database(path, SQLITE_OPEN_READONLY, &database) == 0
        && prepare(database, "SELECT count(*) FROM event WHERE kind = ?1", &statement) == 0) {
        sqlite3_bind_text(statement, 1, kind, -1, SQLITE_STATIC);
        if (sqlite3_step(statement) == SQLITE_ROW) count = sqlite3_column_int64(statement, 0);
        else sqlite_fail(database, path);
    }
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return count;
}

const char *bench_history_version(void)
{
    return sqlite3_libversion();
}
