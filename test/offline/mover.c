/* Writes its pid, its thread id as the C library has it, and its working directory to a file that stays open. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

int main(int argc, char **argv) {
  for (int descriptor = 3; descriptor < 1024; descriptor++) close(descriptor);
  if (argc < 2 || chdir(argv[1]) != 0) return 1;
  int out = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);
  for (int beat = 0;; beat++) {
    char directory[256] = "?";
    if (getcwd(directory, sizeof directory) == NULL) directory[0] = '!';
    /* Signal 0 goes to the id that the C library remembers: it fails where that is not the kernel's. */
    int alive = pthread_kill(pthread_self(), 0);
    pthread_mutex_lock(&lock);
    dprintf(out, "%d pid %d tid %ld alive %d cwd %s\n", beat, getpid(), syscall(SYS_gettid), alive, directory);
    pthread_mutex_unlock(&lock);
    usleep(20000);
  }
}
