#include <sys/shm.h>

#include "pattern.h"

int main(void) {
  int id = shmget(IPC_PRIVATE, 4 * PAGE, IPC_CREAT | 0600);
  CHECK(id >= 0);
  char *memory = shmat(id, NULL, 0);
  CHECK(memory != (void *)-1 && shmctl(id, IPC_RMID, NULL) == 0);
  fill(memory, 4 * PAGE, 1);
  ready_and_wait();
  CHECK(is_filled(memory, 4 * PAGE, 1));
  CHECK(shmdt(memory) == 0);
  return pass();
}
