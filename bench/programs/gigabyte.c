/*
 * gigabyte BEATS MEGABYTES: touches that much memory, a quarter zero pages, a quarter duplicates, half random,
 * then beats every millisecond: writes the time of each beat (CLOCK_MONOTONIC, ns) to the file BEATS.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL

int main(int argc, char **argv)
{
	close_range(3, ~0U, 0); /* what was inherited */
	if (argc != 3)
		return 2;
	unsigned long pages = strtoul(argv[2], NULL, 10) * 256, seed = 88172645463325252UL;
	char *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	FILE *beats = fopen(argv[1], "a");

	if (memory == MAP_FAILED || !beats)
		return 1;
	setlinebuf(beats);
	for (unsigned long page = 0; page < pages; page++) {
		unsigned long *words = (unsigned long *)(memory + page * PAGE);

		if (page % 4 == 0) {
			memset(words, 0, PAGE);
		} else if (page % 4 == 1) {
			memset(words, (int)(page / 4 % 16) + 1, PAGE);
		} else {
			for (unsigned long i = 0; i < PAGE / 8; i++) {
				seed ^= seed << 13;
				seed ^= seed >> 7;
				seed ^= seed << 17;
				words[i] = seed;
			}
		}
	}
	for (;;) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		fprintf(beats, "%ld%09ld\n", now.tv_sec, now.tv_nsec);
		usleep(1000);
	}
}
