/*
 * A CNI plugin executable: carries the call to the node's agent and its answer back (README.md), because no JavaScript
 * runtime starts in the time this takes. Where no agent answers it becomes `nodeplane`, which does the same alone.
 * Never setuid, and who starts it decides by CNI_PATH what is run anyway: so the environment may name the socket.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_PATH "/run/nodeplane/cni.sock"
#define MAGIC "NPC1"
#define MAX_ENVIRONMENT_BYTES (1u << 20)
#define MAX_CONFIG_BYTES (16u << 20)
#define MAX_ANSWER_BYTES (64u << 20)
#define CONNECT_SECONDS 5
#define ANSWER_SECONDS 120
/* An agent that stops has 15 s for the calls it has begun; then the kubelet starts the next one. */
#define AWAY_MS 30000
#define LOOK_MS 50
#define MAX_TRIES 100
/* DIST, where `nodeplane` was built, is given by scripts/build. */

extern char **environ;
struct header { char magic[4]; uint32_t numbers[3]; };

/* The CNI specification's error object. 11 is "try again later". Nothing in the texts needs escaping. */
static void fail(int code, const char *what, const char *why) {
  printf("{\"cniVersion\":\"1.1.0\",\"code\":%d,\"msg\":\"%s: %s\"}\n", code, what, why);
  exit(1);
}

static void lost(const char *why) { fail(11, "the nodeplane agent took the call and did not answer", why); }

/* May the last call on this descriptor be repeated? A descriptor that does not block is waited for. */
static int again(int fd, short events) {
  struct pollfd ready = {.fd = fd, .events = events};
  return errno == EINTR || (errno == EAGAIN && poll(&ready, 1, ANSWER_SECONDS * 1000) > 0);
}

/* Root or ourselves, and on our network: an agent in another network namespace would wire another host. */
static int is_our_agent(int fd) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  char path[64];
  struct stat own, theirs;
  int known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
  if (!known || (peer.uid != 0 && peer.uid != geteuid())) return 0;
  snprintf(path, sizeof path, "/proc/%d/ns/net", (int)peer.pid);
  if (stat("/proc/self/ns/net", &own) != 0 || stat(path, &theirs) != 0) return 0;
  return own.st_dev == theirs.st_dev && own.st_ino == theirs.st_ino;
}

/*
 * Where an agent has said that it manages this node, and does not listen, it is being replaced: who asks waits. Who waited
 * in vain takes the mark away, so that the calls of a node that has lost its agent wait once, not each.
 */
static int is_coming_back(const char *path, int waited_ms) {
  char mark[sizeof((struct sockaddr_un *)0)->sun_path + 9];
  const char *command = getenv("CNI_COMMAND"), *limit = getenv("NODEPLANE_CNI_AWAY_MS");
  int is_away = (errno == ENOENT || errno == ECONNREFUSED) && command != NULL && strcmp(command, "VERSION") != 0;
  snprintf(mark, sizeof mark, "%s.managed", path);
  if (!is_away || access(mark, F_OK) != 0) return 0;
  if (waited_ms < (limit == NULL ? AWAY_MS : atoi(limit))) return poll(NULL, 0, LOOK_MS) == 0;
  unlink(mark);
  return 0;
}

/* A connection to the agent, of which nothing was asked yet; -1 where none can be had. */
static int connect_agent(void) {
  const char *path = getenv("NODEPLANE_CNI_SOCKET");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct timeval connecting = {.tv_sec = CONNECT_SECONDS}, answering = {.tv_sec = ANSWER_SECONDS};
  if (path == NULL || *path == '\0') path = SOCKET_PATH;
  if (strlen(path) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, path);
  for (int waited_ms = 0;; waited_ms += LOOK_MS) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &connecting, sizeof connecting);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &answering, sizeof answering);
    int is_there = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    if (is_there && is_our_agent(fd)) return fd;
    int coming = !is_there && is_coming_back(path, waited_ms);
    close(fd);
    if (!coming) return -1;
  }
}

/* Becomes the Node program: of the build this file lies in (DIST/cni/NAME), else of the one it was copied from. */
static void become_node(char *name, char *self) {
  char dist[PATH_MAX], file[PATH_MAX + 16];
  snprintf(dist, sizeof dist, "%s", self);
  for (int up = 0; up < 2; up++) *(strrchr(dist, '/') ? strrchr(dist, '/') : dist) = '\0';
  snprintf(file, sizeof file, "%s/lib/cni.cjs", dist);
  const char *home = access(file, R_OK) == 0 ? dist : DIST;
  snprintf(file, sizeof file, "%s/nodeplane", home);
  execl(file, file, "--cni-plugin", name, self, (char *)NULL);
  fail(11, "no nodeplane agent answers, and without one the program cannot be started", strerror(errno));
}

/* All of stdin. Who types the call by hand is not waited for. */
static char *read_config(uint32_t *length) {
  size_t room = 1 << 16, used = 0;
  char *config = malloc(room);
  struct stat input;
  ssize_t got = fstat(0, &input) != 0 || S_ISCHR(input.st_mode) ? 0 : 1;
  while (got != 0) {
    if (used == room) config = realloc(config, room *= 2);
    if (config == NULL) fail(5, "stdin", "not enough memory");
    got = read(0, config + used, room - used);
    if (got < 0 && !again(0, POLLIN)) fail(5, "stdin", strerror(errno));
    if (got > 0) used += got;
    if (used > MAX_CONFIG_BYTES) fail(6, "stdin", "the configuration is larger than 16 MiB");
  }
  *length = used;
  return config;
}

static int put(int fd, const void *data, size_t size) {
  for (const char *at = data; size > 0;) {
    ssize_t wrote = write(fd, at, size);
    if (wrote < 0 && !again(fd, POLLOUT)) return -1;
    if (wrote > 0) at += wrote, size -= wrote;
  }
  return 0;
}

static void receive(int fd, void *data, size_t size) {
  for (char *at = data; size > 0;) {
    ssize_t got = read(fd, at, size);
    if (got == 0) lost("it closed the connection");
    if (got < 0 && errno != EINTR) lost(errno == EAGAIN ? "not within 120 s" : strerror(errno));
    if (got > 0) at += got, size -= got;
  }
}

struct request { struct header head; char *environment, *config; uint32_t config_length; size_t size; };

/*
 * Sends the request and waits for the first byte of the answer; 0 when the agent ended before it had all of the request, so
 * that nothing was begun. The kernel tells: a socket that is closed with bytes nobody read is reset (unix(7)).
 */
static int was_taken(int fd, const struct request *request) {
  char first;
  int is_sent = put(fd, &request->head, sizeof request->head) == 0 && put(fd, request->environment, request->size) == 0 &&
                put(fd, request->config, request->config_length) == 0;
  if (is_sent && recv(fd, &first, 1, MSG_PEEK) >= 0) return 1;
  if (errno == EPIPE || errno == ECONNRESET) return 0;
  if (!is_sent) lost(strerror(errno));
  return 1;
}

static int print_answer(int fd) {
  struct header head;
  receive(fd, &head, sizeof head);
  uint32_t status = ntohl(head.numbers[0]), out = ntohl(head.numbers[1]), err = ntohl(head.numbers[2]);
  if (memcmp(head.magic, MAGIC, sizeof head.magic) != 0 || out > MAX_ANSWER_BYTES || err > MAX_ANSWER_BYTES)
    lost("what it said is no answer");
  char *answer = malloc((size_t)out + err + 1);
  if (answer == NULL) lost("not enough memory");
  receive(fd, answer, (size_t)out + err);
  put(2, answer + out, err);
  return put(1, answer, out) == 0 ? (int)status : 1;
}

/* Stdin as it was before it was read. */
static void give_back(const char *config, uint32_t length) {
  int copy = memfd_create("stdin", 0);
  if (copy < 0 || put(copy, config, length) || lseek(copy, 0, SEEK_SET) != 0 || dup2(copy, 0) != 0)
    fail(11, "stdin", strerror(errno));
}

int main(int argc, char **argv) {
  char *name = argc > 0 ? argv[0] : "", self[PATH_MAX] = "";
  if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) snprintf(self, sizeof self, "%s", name);
  struct request request = {.size = strlen(name) + strlen(self) + 2};
  for (char **each = environ; *each != NULL; each++) request.size += strlen(*each) + 1;
  int fd = request.size > MAX_ENVIRONMENT_BYTES ? -1 : connect_agent();
  char *end = request.environment = fd < 0 ? NULL : malloc(request.size);
  if (end == NULL) become_node(name, self);
  signal(SIGPIPE, SIG_IGN);
  end = stpcpy(stpcpy(end, name) + 1, self) + 1;
  for (char **each = environ; *each != NULL; each++) end = stpcpy(end, *each) + 1;
  request.config = read_config(&request.config_length);
  request.head = (struct header){.numbers = {htonl(request.size), htonl(request.config_length)}};
  memcpy(request.head.magic, MAGIC, sizeof request.head.magic);
  for (int tries = 1; !was_taken(fd, &request); tries++) {
    close(fd);
    if (tries == MAX_TRIES) fail(11, "the nodeplane agent", "it takes no call");
    poll(NULL, 0, LOOK_MS);
    fd = connect_agent();
    if (fd >= 0) continue;
    signal(SIGPIPE, SIG_DFL);
    give_back(request.config, request.config_length);
    become_node(name, self);
  }
  return print_answer(fd);
}
