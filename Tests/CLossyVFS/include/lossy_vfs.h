/// An SQLite VFS that can lose power: a disk under one directory whose files hold only what was synced.
///
/// Every write goes to an image in memory that all connections share; `xSync` brings it to the file. A power cut drops
/// what was not synced, or keeps an arbitrary part of it, and makes every later operation fail until the power is
/// restored. The shared memory of the write-ahead log and the locks are those of the default VFS.
///
/// Not modelled: loss of directory entries. A file that was created stays, empty; one that was deleted stays deleted.
#ifndef LOSSY_VFS_H
#define LOSSY_VFS_H

#include <stdint.h>

typedef struct lossy_disk lossy_disk;

/// What a power cut does to writes that were not synced.
enum lossy_cut {
    /// All are dropped.
    LOSSY_DROP,
    /// Each 512-byte sector of each write is kept or dropped at random: reordering and torn writes.
    LOSSY_TEAR,
};

/// Makes the files under `directory` those of a lossy disk, for all connections opened from now on. The first call
/// puts the VFS in front of the default one; files elsewhere are not affected.
/// Returns NULL if SQLite does not take the VFS or there is no memory.
lossy_disk *lossy_disk_create(const char *directory);

/// Cuts the power at the `writes`-th write from now (0: the next one). `seed` decides what LOSSY_TEAR keeps.
void lossy_disk_cut_after(lossy_disk *disk, uint64_t writes, enum lossy_cut cut, uint64_t seed);

/// Cuts the power now.
void lossy_disk_cut(lossy_disk *disk, enum lossy_cut cut, uint64_t seed);

/// Non-zero after a power cut.
int lossy_disk_is_cut(lossy_disk *disk);

/// Restores the power. All connections to the files must be closed.
void lossy_disk_restore(lossy_disk *disk);

/// Makes every write that would make a file longer than `bytes` fail with SQLITE_FULL; a negative value ends that.
void lossy_disk_limit(lossy_disk *disk, int64_t bytes);

/// How often files were synced with effect, and written, since the disk was created.
uint64_t lossy_disk_syncs(lossy_disk *disk);
uint64_t lossy_disk_writes(lossy_disk *disk);

#endif
