/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An optical drive that is nothing but a directory.  A program that has this library preloaded and
 * FLAGMAN_MMC_DRIVE=DIRECTORY in its environment finds a burner at /dev/sr9, or at what the file
 * `device` in the directory says.  Also in there:
 *
 * - node: what an open of the drive really opens.  Its locks are who uses the drive, so that they
 *   go with a descriptor or a process, whatever ends it.
 * - state: struct mmc_state, mapped by everybody.  Drive and disc as they are, and the switches by
 *   which a test makes things go wrong; drive.py reads the layout from this file.
 * - data: the sectors of the disc.
 * - log: a line for each command, read or open.
 * - lock: held for the time of one command.
 *
 * mmc_drive.c and mmc_stat.c stand in for libc's functions, mmc_kernel.c for the kernel's sr driver
 * and mmc_ioctl.c for its ioctls; the others are the drive itself, as MMC-5 has it.
 */
#ifndef MMC_DRIVE_H
#define MMC_DRIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MMC_BLOCK  2048
#define MMC_TRACKS 100
#define MMC_SPOTS  64

/* int64_t and nothing else: drive.py counts them. */
struct mmc_state {
	/* The disc.  Blocks are of 2048 bytes; a track n is at the index n - 1. */
	int64_t profile;  /* as in GET CONFIGURATION; 0: none is in the drive */
	int64_t capacity; /* blocks that it takes */
	int64_t tracks;   /* complete ones */
	int64_t track_start[MMC_TRACKS];
	int64_t track_size[MMC_TRACKS];
	int64_t track_session[MMC_TRACKS];
	int64_t track_runout[MMC_TRACKS]; /* of its blocks, the last that cannot be read */
	int64_t sessions;                 /* complete ones */
	int64_t nwa;                      /* next writable address */
	int64_t run;                      /* where the track began that is being written, or -1 */
	int64_t reserved;                 /* how long that will be, 0: not known */
	int64_t broken;                   /* it ended before what was announced: no going on */
	int64_t closed;                   /* nothing can be added */
	int64_t formatted;                /* DVD+RW, BD-RE, BD-R */
	int64_t only_dao;                 /* DVD-RW that was blanked fast */

	/* The drive. */
	int64_t tray_open;
	int64_t locked;    /* by PREVENT MEDIUM REMOVAL */
	int64_t attention; /* the medium may have changed: told once */
	int64_t event;     /* of the media class: 2 new, 3 removed; told once */
	int64_t sense;     /* of the last command that failed: 0xKKAAQQ */
	int64_t write_type, write_mode, block_type; /* mode page 5: bytes 2, 3, 4 */
	int64_t cue;                                /* blocks that a cue sheet has announced */
	int64_t speed;                              /* kB/s that were asked for, 0: none */
	int64_t ready_at;                           /* CLOCK_MONOTONIC, ms: busy until then */

	/* The kernel. */
	int64_t kernel_blocks;  /* size of the block device */
	int64_t kernel_changed; /* a disc came that it has not looked at */
	int64_t kept_locked;    /* by CDROM_LOCKDOOR */

	/* What a test has switched on. */
	int64_t bad_count; /* sectors that cannot be read */
	int64_t bad_start[MMC_SPOTS];
	int64_t bad_size[MMC_SPOTS];
	int64_t bad_tries[MMC_SPOTS]; /* that fail; -1: all */
	int64_t corrupt_count;        /* sectors of which a bit turns when they are written */
	int64_t corrupt[MMC_SPOTS];
	int64_t write_error; /* this sector cannot be written; -1: none */
	int64_t close_error; /* what is in the buffer can't be written, nor anything be closed */
	int64_t write_ms;    /* that each WRITE takes */
	int64_t read_ms;     /* that each READ takes */
	int64_t busy_ms;     /* that closing, blanking, formatting and loading take */
	int64_t stale_size;  /* the kernel keeps a size until the tray was cycled */
	int64_t jammed;      /* START STOP succeeds, the tray stays as it is */
	int64_t no_load;     /* the tray is pushed in by hand: a laptop's */
	int64_t prevented;   /* somebody else keeps the tray locked */
	int64_t fixed;       /* it has no tray */
	int64_t read_only;   /* it is a DVD-ROM drive */
	int64_t mounted;     /* the kernel itself holds it exclusively */
	int64_t denied;      /* nobody may open it */
	int64_t gone;        /* it was unplugged */
	int64_t haste; /* usleep() is so many times shorter, sleep() too: libburn's are of seconds
			*/
};

/* A command on its way: `data` has `size` bytes to be written or read, and `done` were. */
struct mmc_command {
	const uint8_t *cdb;
	uint8_t *data;
	size_t size, done;
	int sense;         /* 0xKKAAQQ, 0: it went well */
	int64_t sense_lba; /* which block was bad, -1: does not apply */
	char note[96];     /* for the log */
};

#define SENSE_NOT_READY         0x020400
#define SENSE_BECOMING_READY    0x020401
#define SENSE_INCOMPATIBLE      0x023000
#define SENSE_NO_DISC           0x023a01
#define SENSE_TRAY_OPEN         0x023a02
#define SENSE_WRITE_ERROR       0x030c00
#define SENSE_READ_ERROR        0x031100
#define SENSE_UNKNOWN_COMMAND   0x052000
#define SENSE_OUT_OF_RANGE      0x052100
#define SENSE_WRONG_ADDRESS     0x052102
#define SENSE_INVALID_FIELD     0x052400
#define SENSE_INVALID_PARAM     0x052600
#define SENSE_CANNOT_WRITE      0x053005
#define SENSE_CANNOT_FORMAT     0x053006
#define SENSE_REMOVAL_PREVENTED 0x055302
#define SENSE_END_OF_AREA       0x056300
#define SENSE_ILLEGAL_MODE      0x056400
#define SENSE_INCOMPLETE_TRACK  0x057204
#define SENSE_CHANGED           0x062800

static inline unsigned get16(const uint8_t *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static inline int64_t get32(const uint8_t *p)
{
	return (int32_t)((uint32_t)get16(p) << 16 | get16(p + 2));
}

static inline void put16(uint8_t *p, int64_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void put32(uint8_t *p, int64_t value)
{
	put16(p, value >> 16);
	put16(p + 2, value);
}

/* libcdio has functions of its own of these names, and libburn inside: nothing here may be seen. */
#pragma GCC visibility push(hidden)

/* mmc_state.c: NULL where the environment names no drive. */
struct mmc_state *mmc_state(void);
const char *mmc_device(void);
unsigned mmc_minor(void);
bool mmc_is_node(dev_t dev, ino_t ino);
int mmc_open_file(const char *name, int flags);
int mmc_lock(void);
void mmc_unlock(int lock);
void mmc_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
int64_t mmc_now(void); /* ms */
void mmc_sleep(int64_t usec);
int mmc_data_read(int64_t lba, size_t n, uint8_t *to);
int mmc_data_write(int64_t lba, size_t n, const uint8_t *from);
void mmc_data_clear(int64_t blocks);

/* mmc_drive.c */
bool mmc_is_drive(int fd);
bool mmc_names_drive(int at, const char *path);
int mmc_fail(int result); /* as a system call tells: -errno becomes -1 */

/* mmc_commands.c: one command, with the lock held; it is logged. */
void mmc_execute(struct mmc_command *c);
void mmc_answer(struct mmc_command *c, const uint8_t *reply, size_t size, size_t asked);
int mmc_readiness(void);   /* 0 or a sense code; tells of no unit attention */
int mmc_eject(void);       /* 0 or a sense code */
int mmc_load(void);        /* 0 or a sense code */
void mmc_be_busy(void);    /* for as long as the test wants */
int64_t mmc_profile(void); /* as the drive sees the disc */

/* mmc_info.c */
int mmc_get_configuration(struct mmc_command *c);
int mmc_get_performance(struct mmc_command *c);
int mmc_mode_sense(struct mmc_command *c);
int mmc_mode_select(struct mmc_command *c);
/* mmc_disc.c */
int mmc_read_disc_information(struct mmc_command *c);
int mmc_read_track_information(struct mmc_command *c);
int mmc_read_toc(struct mmc_command *c);
int mmc_read_capacity(struct mmc_command *c);
int mmc_read_format_capacities(struct mmc_command *c);
int mmc_read_disc_structure(struct mmc_command *c);

/* mmc_media.c */
bool mmc_is_cd(void);
bool mmc_is_overwritable(void);
bool mmc_is_erasable(void);
bool mmc_is_blank(void);
bool mmc_is_appendable(void);
int64_t mmc_recorded(void);                    /* blocks that READ CAPACITY tells of */
int64_t mmc_bad_sector(int64_t lba, size_t n); /* -1: none; counts the tries */
int mmc_read_10(struct mmc_command *c);
int mmc_read_12(struct mmc_command *c);
int mmc_read_cd(struct mmc_command *c);
int mmc_write_10(struct mmc_command *c);
int mmc_write_12(struct mmc_command *c);
/* mmc_record.c */
int mmc_sync(struct mmc_command *c);
int mmc_reserve(struct mmc_command *c);
int mmc_cue_sheet(struct mmc_command *c);
int mmc_close(struct mmc_command *c);
int mmc_blank(struct mmc_command *c);
int mmc_format(struct mmc_command *c);

void mmc_break_off(void); /* no more data comes: is what was announced complete? */

/* mmc_kernel.c: as the system calls, but -errno. */
int mmc_kernel_open(int flags);
ssize_t mmc_kernel_read(int fd, void *to, size_t size, int64_t at);
int64_t mmc_kernel_size(void);
int mmc_kernel_users(void);
bool mmc_kernel_direct(int fd);
bool mmc_kernel_writable(int fd);
/* mmc_ioctl.c */
int mmc_kernel_ioctl(int fd, unsigned long request, void *argument);

#pragma GCC visibility pop

#endif
