/*
 * What the core does, in C with liblz4 and libxxhash: the native side of the core's bench. Each command prints how
 * many nanoseconds of processor time its work took: but for a dump, which works with fresh memory as ours does, when
 * it was done a second time, as first touches of memory may take longer than all else.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <lz4.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { PAGE = 4096, REGION = 65536, CHUNK = 1 << 20 };

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void *fresh(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	return p;
}

static void fill(const char *path, char *p, size_t size)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		exit(1);
	for (size_t done = 0; done < size;) {
		ssize_t n = read(fd, p + done, size - done);

		if (n <= 0)
			exit(1);
		done += n;
	}
	close(fd);
}

static char *load(const char *path, size_t *size)
{
	struct stat st;
	char *p;

	if (stat(path, &st))
		exit(1);
	*size = st.st_size;
	p = fresh(*size);
	fill(path, p, *size);
	return p;
}

static int is_zero(const char *page)
{
	const uint64_t *p = (const uint64_t *)page;

	for (int i = 0; i < PAGE / 8; i += 8)
		if (p[i] | p[i + 1] | p[i + 2] | p[i + 3] | p[i + 4] | p[i + 5] | p[i + 6] | p[i + 7])
			return 0;
	return 1;
}

/* The hash that the core has: NH over pairs of 32-bit words 16 bytes apart, three passes. */
static uint32_t key[PAGE / 4 + 16];

static uint64_t nh(const char *page)
{
	const uint32_t *w = (const uint32_t *)page;
	uint64_t sums[3] = { 0 };

	for (int i = 0; i < PAGE / 4; i += 8)
		for (int pass = 0; pass < 3; pass++)
			for (int j = 0; j < 4; j++) {
				const uint32_t *k = key + i + 8 * pass + j;

				sums[pass] += (uint64_t)(w[i + j] + k[0]) * (w[i + j + 4] + k[4]);
			}
	return sums[0] ^ sums[1] ^ sums[2];
}

/* A table of the pages that are there, as the core has one. */
static XXH128_hash_t *table;
static uint32_t *numbers;
static size_t slots;

static int known(XXH128_hash_t hash, uint32_t number)
{
	for (size_t i = hash.low64 & (slots - 1);; i = (i + 1) & (slots - 1)) {
		if (!numbers[i]) {
			table[i] = hash;
			numbers[i] = number + 1;
			return 0;
		}
		if (table[i].low64 == hash.low64 && table[i].high64 == hash.high64)
			return 1;
	}
}

static void write_all(int fd, const char *data, size_t size)
{
	while (size) {
		ssize_t n = write(fd, data, size);

		if (n <= 0)
			exit(1);
		data += n;
		size -= n;
	}
}

/* Memory of a process to a file; mode: raw, dedup, lz4. */
static void dump(int pid, uintptr_t from, size_t size, const char *path, const char *mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	char *chunk = fresh(CHUNK), *region = fresh(REGION), *packed = fresh(2 * REGION);
	size_t used = 0;
	uint32_t number = 0;

	if (fd < 0)
		exit(1);
	for (slots = 1 << 14; slots < size / PAGE * 4 / 3;)
		slots <<= 1;
	table = calloc(slots, sizeof *table);
	numbers = calloc(slots, sizeof *numbers);
	for (size_t done = 0; done < size; done += CHUNK) {
		size_t length = size - done < CHUNK ? size - done : CHUNK;
		struct iovec here = { chunk, length }, there = { (void *)(from + done), length };

		if (process_vm_readv(pid, &here, 1, &there, 1, 0) != (ssize_t)length)
			exit(1);
		if (!strcmp(mode, "raw")) {
			write_all(fd, chunk, length);
			continue;
		}
		for (size_t at = 0; at < length; at += PAGE) {
			if (is_zero(chunk + at) || known(XXH3_128bits(chunk + at, PAGE), number))
				continue;
			number++;
			memcpy(region + used, chunk + at, PAGE);
			used += PAGE;
			if (used < REGION)
				continue;
			used = 0;
			if (!strcmp(mode, "dedup"))
				write_all(fd, region, REGION);
			else
				write_all(fd, packed, LZ4_compress_default(region, packed, REGION, 2 * REGION));
		}
	}
	write_all(fd, region, used);
	close(fd);
}

/* Compresses the data; how long it takes to bring it from there to the memory of a process. */
static uint64_t restore(const char *data, size_t size, int pid, uintptr_t to)
{
	size_t count = size / REGION;
	char *packed = fresh(count * 2 * REGION), *chunk = fresh(CHUNK);
	int *lengths = calloc(count, sizeof *lengths);
	uint64_t began = 0;

	for (size_t i = 0; i < count; i++)
		lengths[i] = LZ4_compress_default(data + i * REGION, packed + i * 2 * REGION, REGION, 2 * REGION);
	for (int warm = 0; warm < 2; warm++) {
		began = now();
		for (size_t done = 0; done < size; done += CHUNK) {
			size_t length = size - done < CHUNK ? size - done : CHUNK;
			struct iovec here = { chunk, length }, there = { (void *)(to + done), length };

			for (size_t at = 0; at < length; at += REGION) {
				size_t i = (done + at) / REGION;

				LZ4_decompress_safe(packed + i * 2 * REGION, chunk + at, lengths[i], REGION);
			}
			if (process_vm_writev(pid, &here, 1, &there, 1, 0) != (ssize_t)length)
				exit(1);
		}
		began = now() - began;
	}
	return began;
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	uint64_t began, sum = 0;
	size_t size;

	if (!strcmp(what, "hold")) {
		char *p = load(argv[2], &size);

		printf("%p %zu\n", (void *)p, size);
		fflush(stdout);
		pause();
		return 0;
	}
	if (!strcmp(what, "room")) {
		printf("%p\n", fresh(strtoull(argv[2], NULL, 0)));
		fflush(stdout);
		pause();
		return 0;
	}
	if (!strcmp(what, "dump")) {
		began = now();
		dump(atoi(argv[2]), strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0), argv[5], argv[6]);
		printf("%llu\n", (unsigned long long)(now() - began));
		return 0;
	}
	char *data = load(argv[2], &size);

	if (!strcmp(what, "restore")) {
		printf("%llu\n", (unsigned long long)restore(data, size, atoi(argv[3]), strtoull(argv[4], NULL, 0)));
		return 0;
	}
	if (!strcmp(what, "read")) {
		uint64_t took = 0;

		for (int warm = 0; warm < 2; warm++) {
			began = now();
			fill(argv[2], data, size);
			took = now() - began;
		}
		printf("%llu\n", (unsigned long long)took);
		return 0;
	}
	if (!strcmp(what, "hash") || !strcmp(what, "nh")) {
		int is_nh = !strcmp(what, "nh");
		uint64_t took = 0;

		for (size_t i = 0; i < sizeof key / sizeof *key; i++)
			key[i] = i * 2654435761u;
		for (int warm = 0; warm < 2; warm++) {
			began = now();
			for (size_t at = 0; at + PAGE <= size; at += PAGE)
				sum += is_zero(data + at) ? 1 : is_nh ? nh(data + at) : XXH3_128bits(data + at, PAGE).low64;
			took = now() - began;
		}
		printf("%llu %d\n", (unsigned long long)took, (int)(sum & 1));
		return 0;
	}
	if (!strcmp(what, "lz4")) {
		size_t count = size / REGION, total = 0;
		char *packed = fresh(count * 2 * REGION), *back = fresh(REGION);
		int *lengths = calloc(count, sizeof *lengths);
		uint64_t compressing, decompressing;

		for (int warm = 0; warm < 2; warm++) {
			total = 0;
			began = now();
			for (size_t i = 0; i < count; i++) {
				lengths[i] = LZ4_compress_default(data + i * REGION, packed + i * 2 * REGION, REGION, 2 * REGION);
				total += lengths[i];
			}
			compressing = now() - began;
			began = now();
			for (size_t i = 0; i < count; i++)
				LZ4_decompress_safe(packed + i * 2 * REGION, back, lengths[i], REGION);
			decompressing = now() - began;
		}
		printf("%llu %llu %zu\n", (unsigned long long)compressing, (unsigned long long)decompressing, total);
		return 0;
	}
	return 1;
}
