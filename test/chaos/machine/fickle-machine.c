/*
 * Loaded into a broker before the C library (LD_PRELOAD): its wall clock and its disk can go wrong while it runs. Node and libuv make their
 * system calls through the C library, so that all of them pass here, in the threads that wait for them: a slow disk occupies the threads of
 * libuv's pool, or the main thread, as a real one does. The monotonic clock is the machine's own.
 *
 * What goes wrong is in a small file that is mapped into memory, and changes at once for whoever has it. Nothing of it: every call goes
 * straight on.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Bits of `failing`. */
enum { READS = 1, WRITES = 2, SYNCS = 4 };

struct control {
	int64_t wall_ahead_ns;
	/* What fails with EIO. */
	int64_t failing;
	/* Nothing comes back until this is 0 again. */
	int64_t hangs;
	/* Of every read and write, of names too; and of every sync. */
	int64_t delay_ns;
	int64_t sync_delay_ns;
};

static const struct control sound;
static const volatile struct control *control = &sound;
/* The folder that is the disk. */
static const char *disk = "";
static size_t disk_length;

__attribute__((constructor)) static void begin(void)
{
	const char *file = getenv("CHAOS_MACHINE");
	const char *folder = getenv("CHAOS_DISK");
	int fd = file == NULL ? -1 : open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	void *mapped = mmap(NULL, sizeof(struct control), PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (folder != NULL) {
		disk = folder;
		disk_length = strlen(folder);
	}
	if (mapped != MAP_FAILED)
		control = mapped;
}

#define REAL(name)                                                       \
	static __typeof__(name) *real;                                   \
	if (real == NULL)                                                \
		real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

int clock_gettime(clockid_t clock, struct timespec *now)
{
	REAL(clock_gettime);
	int result = real(clock, now);
	if (result == 0 && control->wall_ahead_ns != 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
		int64_t ns = now->tv_sec * 1000000000LL + now->tv_nsec + control->wall_ahead_ns;
		now->tv_sec = ns / 1000000000LL;
		now->tv_nsec = ns % 1000000000LL;
	}
	return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec exact;
	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &exact) != 0)
		return -1;
	now->tv_sec = exact.tv_sec;
	now->tv_usec = exact.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *seconds)
{
	struct timespec exact;
	clock_gettime(CLOCK_REALTIME, &exact);
	if (seconds != NULL)
		*seconds = exact.tv_sec;
	return exact.tv_sec;
}

static void sleep_ns(int64_t ns)
{
	struct timespec rest = { ns / 1000000000LL, ns % 1000000000LL };
	while (ns > 0 && nanosleep(&rest, &rest) != 0 && errno == EINTR)
		;
}

static int is_sound(void)
{
	return control->failing == 0 && control->hangs == 0 && control->delay_ns == 0 && control->sync_delay_ns == 0;
}

static int is_on_disk(const char *path)
{
	return disk_length > 0 && strncmp(path, disk, disk_length) == 0 && (path[disk_length] == '/' || path[disk_length] == '\0');
}

/* As long as it takes. Nonzero, with `errno`: it fails. */
static int goes_wrong(int operation)
{
	while (control->hangs != 0)
		sleep_ns(5000000);
	sleep_ns(operation == SYNCS ? control->sync_delay_ns : control->delay_ns);
	if ((control->failing & operation) == 0)
		return 0;
	errno = EIO;
	return -1;
}

static int file_goes_wrong(int fd, int operation)
{
	char link[32], path[PATH_MAX];
	if (is_sound())
		return 0;
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, sizeof path - 1);
	if (length < 0)
		return 0;
	path[length] = '\0';
	return is_on_disk(path) ? goes_wrong(operation) : 0;
}

static int name_goes_wrong(const char *path, int operation)
{
	return !is_sound() && is_on_disk(path) ? goes_wrong(operation) : 0;
}

/* Calls on an open file, or a name, with these parameters, passed on under these names. */
#define FILE_CALL(result, name, operation, parameters, names)            \
	result name parameters                                           \
	{                                                                \
		REAL(name);                                              \
		return file_goes_wrong(fd, operation) ? -1 : real names; \
	}

#define NAME_CALL(name, parameters, names)                               \
	int name parameters                                              \
	{                                                                \
		REAL(name);                                              \
		return name_goes_wrong(path, WRITES) ? -1 : real names;  \
	}

FILE_CALL(ssize_t, read, READS, (int fd, void *to, size_t length), (fd, to, length))
FILE_CALL(ssize_t, readv, READS, (int fd, const struct iovec *to, int count), (fd, to, count))
FILE_CALL(ssize_t, pread64, READS, (int fd, void *to, size_t length, off64_t at), (fd, to, length, at))
FILE_CALL(ssize_t, preadv64, READS, (int fd, const struct iovec *to, int count, off64_t at), (fd, to, count, at))
FILE_CALL(ssize_t, write, WRITES, (int fd, const void *from, size_t length), (fd, from, length))
FILE_CALL(ssize_t, writev, WRITES, (int fd, const struct iovec *from, int count), (fd, from, count))
FILE_CALL(ssize_t, pwrite64, WRITES, (int fd, const void *from, size_t length, off64_t at), (fd, from, length, at))
FILE_CALL(ssize_t, pwritev64, WRITES, (int fd, const struct iovec *from, int count, off64_t at), (fd, from, count, at))
FILE_CALL(int, ftruncate64, WRITES, (int fd, off64_t size), (fd, size))
FILE_CALL(int, fsync, SYNCS, (int fd), (fd))
FILE_CALL(int, fdatasync, SYNCS, (int fd), (fd))
NAME_CALL(unlink, (const char *path), (path))
NAME_CALL(mkdir, (const char *path, mode_t mode), (path, mode))
NAME_CALL(rename, (const char *path, const char *to), (path, to))

/* Takes its time; what would fail is what comes after it. */
int open64(const char *path, int flags, ...)
{
	REAL(open64);
	va_list rest;
	va_start(rest, flags);
	mode_t mode = va_arg(rest, mode_t);
	va_end(rest);
	name_goes_wrong(path, 0);
	return real(path, flags, mode);
}
