/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fuzzer's corpus without a fuzzer: fuzz_NAME PATH... gives each file, and each file of each
 * directory, to the target.
 */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static unsigned n_files;

/* The memory is as long as the file, so that AddressSanitizer sees who reads on. */
static void run_file(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ uint8_t *data = NULL;
	struct stat st;

	CHECK(fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode));
	data = malloc((size_t)st.st_size);
	CHECK((data || st.st_size == 0) && pread_all(fd, data, (size_t)st.st_size, 0) == 0);
	fprintf(stderr, "%s\n", path);
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	n_files++;
}

static void run_directory(const char *path)
{
	struct dirent **list = NULL;
	int n = scandir(path, &list, NULL, alphasort);

	CHECK(n >= 0);
	for (int i = 0; i < n; i++) {
		char file[4096];

		snprintf(file, sizeof(file), "%s/%s", path, list[i]->d_name);
		if (*list[i]->d_name != '.')
			run_file(file);
		free(list[i]);
	}
	free(list);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;

		CHECK(stat(argv[i], &st) == 0);
		if (S_ISDIR(st.st_mode))
			run_directory(argv[i]);
		else
			run_file(argv[i]);
	}
	printf("%u files\n", n_files);
	return n_files == 0;
}
