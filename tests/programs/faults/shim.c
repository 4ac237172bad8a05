/*
 * A kernel that does no more than it must: preloaded, this stands between a program and the system calls for its sockets and
 * pipes. It makes them short, lets them fail with EINTR, EAGAIN or ECONNABORTED, and reorders, delays and invents events.
 *
 * A program may rely on what the kernel promises, and the shim keeps these promises:
 *
 *  - Nothing is lost. A call that fails has not been made at all, and a short one has been made, with fewer bytes.
 *  - An edge-triggered descriptor gets an event after it became ready. To be told EAGAIN, or to get fewer bytes than were
 *    asked for, means that nothing is left for now, and a program may go to sleep on that. So the shim gives such an answer
 *    only where poll(2) says that there is something, and then it *owes* the descriptor an event. An owed event is delivered
 *    by one of the next calls of epoll_wait, and none of them sleeps while one is owed. To the program it is as if the bytes,
 *    or the room for them, had come a little later.
 *  - An event tells all that poll(2) tells of the descriptor at that moment, and a descriptor has at most one event in each
 *    answer of epoll_wait. Spurious events are allowed. They are invented only for directions that the program has used,
 *    since the kernel gives none to a connection that is still being made.
 *
 * One promise is broken: that a small write to a pipe is made whole or not at all. No stream of bytes may rely on it.
 *
 * Touched are stream sockets, listeners and FIFOs, from when they are added to an epoll instance until they are removed from
 * it or closed. Everything else goes through as it is; a datagram, for one, would lose what a short call leaves of it.
 *
 * WATERWHEEL_SHIM_SEED decides what happens. WATERWHEEL_SHIM_REPORT names the file that gets the counters at exit.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#define FDS 20000
#define PIECES 1024

enum direction { IN = 1, OUT = 2 };
enum kind { UNTOUCHED, STREAM, LISTENER };

static struct watched {
    enum kind kind;
    int epfd;
    uint32_t interest;
    uint64_t data;
    /* Directions in which the shim has said that nothing is left, though there was something. */
    int owed;
    /* Directions in which the program has made a call. */
    int used;
    /* Of 256 calls, how many are disturbed. */
    uint32_t temper;
    /* Errors come in storms: which one it is, and for how many calls more. */
    int storm_error, storm;
} watched[FDS];

/* The descriptors that have an owed event, in no order. */
static int owing[FDS], owing_count;

enum counter {
    SHORT_READS, SHORT_WRITES, READ_EINTR, READ_EAGAIN, WRITE_EINTR, WRITE_EAGAIN, ACCEPT_EINTR, ACCEPT_EAGAIN,
    ACCEPT_ECONNABORTED, WAIT_EINTR, SPURIOUS_EVENTS, DELAYED_EVENTS, REORDERED_BATCHES, COUNTERS
};
static const char *const names[COUNTERS] = {
    "short_reads", "short_writes", "read_eintr", "read_eagain", "write_eintr", "write_eagain", "accept_eintr",
    "accept_eagain", "accept_econnaborted", "wait_eintr", "spurious_events", "delayed_events", "reordered_batches"
};
static unsigned long long counters[COUNTERS];

/* Guards all of the above, and the random numbers. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t state = 1;

/* Finds the function that the shim stands in front of. */
#define REAL(name)                                                  \
    static __typeof__(&name) real;                                  \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static uint32_t draw(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

static int chance(uint32_t of_256) { return (draw() & 255) < of_256; }

__attribute__((constructor)) static void begin(void) {
    const char *seed = getenv("WATERWHEEL_SHIM_SEED");
    state = 0x9e3779b97f4a7c15u * (2 * (seed ? strtoull(seed, NULL, 10) : 0) + 1);
    for (int i = 0; i < 16; i++) draw();
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("WATERWHEEL_SHIM_REPORT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return;
    for (int i = 0; i < COUNTERS; i++) fprintf(file, "%s %llu\n", names[i], counters[i]);
    fclose(file);
}

static struct watched *touched(int fd) {
    return fd >= 0 && fd < FDS && watched[fd].kind != UNTOUCHED ? &watched[fd] : NULL;
}

/* What poll(2) says now. Its bits are those of epoll. */
static uint32_t now(int fd, uint32_t events) {
    int before = errno;
    struct pollfd one = { .fd = fd, .events = (short)events };
    uint32_t came = poll(&one, 1, 0) == 1 ? (uint32_t)(unsigned short)one.revents : 0;
    errno = before;
    return came;
}

/* Whether a call could do something more. */
static int has_more(int fd, enum direction direction) {
    uint32_t bit = direction == IN ? POLLIN : POLLOUT;
    return (now(fd, bit) & bit) != 0;
}

static void owe(int fd, enum direction direction) {
    if (!watched[fd].owed) owing[owing_count++] = fd;
    watched[fd].owed |= direction;
}

static void forget_debts(int fd) {
    for (int i = 0; watched[fd].owed && i < owing_count; i++)
        if (owing[i] == fd) {
            owing[i] = owing[--owing_count];
            watched[fd].owed = 0;
        }
}

static void forget(int fd) {
    forget_debts(fd);
    watched[fd] = (struct watched){ 0 };
}

/* Decides about a call: its error, or 0; `*most` becomes how many of the bytes that it asks for it may have. */
static int disturb(struct watched *w, int fd, enum direction direction, size_t *most) {
    w->used |= direction;
    if (w->storm > 0) {
        w->storm--;
    } else {
        if (!chance(w->temper)) return 0;
        uint32_t what = draw() & 7;
        if (what > 1) {
            /* A few bytes mostly, and sometimes any number of them. */
            size_t room = *most < 64 || chance(32) ? *most : 64;
            if (room > 1) *most = 1 + draw() % (room - 1);
            return 0;
        }
        w->storm_error = what == 0 ? EINTR : EAGAIN;
        w->storm = draw() & 3;
    }
    if (w->storm_error == EAGAIN) {
        if (!has_more(fd, direction)) return 0;
        owe(fd, direction);
        counters[direction == IN ? READ_EAGAIN : WRITE_EAGAIN]++;
    } else {
        counters[direction == IN ? READ_EINTR : WRITE_EINTR]++;
    }
    return w->storm_error;
}

/* A call that got all of the little that it was cut down to was short because of that, if there is more. */
static void account(int fd, enum direction direction, size_t most, size_t asked, ssize_t got) {
    if (most == asked || got != (ssize_t)most || !has_more(fd, direction)) return;
    owe(fd, direction);
    counters[direction == IN ? SHORT_READS : SHORT_WRITES]++;
}

/* Makes a call that asks for `asked` bytes; `call` has `most` of them. What is not touched may block, and not with the lock. */
#define DISTURBED(fd, direction, asked, untouched, call)            \
    do {                                                            \
        size_t most = (asked);                                      \
        pthread_mutex_lock(&lock);                                  \
        struct watched *w = touched(fd);                            \
        if (!w) {                                                   \
            pthread_mutex_unlock(&lock);                            \
            return (untouched);                                     \
        }                                                           \
        int error = disturb(w, fd, direction, &most);               \
        ssize_t got = error ? -1 : (call);                          \
        if (error) errno = error;                                   \
        else account(fd, direction, most, asked, got);              \
        pthread_mutex_unlock(&lock);                                \
        return got;                                                 \
    } while (0)

/* Copies the first `most` bytes of some pieces, as pieces. */
static int cut(struct iovec *into, const struct iovec *pieces, size_t count, size_t most) {
    size_t used = 0;
    for (; used < count && used < PIECES && most > 0; used++) {
        into[used] = pieces[used];
        if (into[used].iov_len > most) into[used].iov_len = most;
        most -= into[used].iov_len;
    }
    return (int)used;
}

static size_t length(const struct iovec *pieces, size_t count) {
    size_t sum = 0;
    for (size_t i = 0; i < count && i < PIECES; i++) sum += pieces[i].iov_len;
    return sum;
}

ssize_t recv(int fd, void *into, size_t size, int flags) {
    REAL(recv);
    DISTURBED(fd, IN, size, real(fd, into, size, flags), real(fd, into, most, flags));
}

ssize_t read(int fd, void *into, size_t size) {
    REAL(read);
    /* An empty read asks whether a pipe still has a reader, and takes nothing. */
    if (size == 0) return real(fd, into, size);
    DISTURBED(fd, IN, size, real(fd, into, size), real(fd, into, most));
}

ssize_t send(int fd, const void *data, size_t size, int flags) {
    REAL(send);
    DISTURBED(fd, OUT, size, real(fd, data, size, flags), real(fd, data, most, flags));
}

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    DISTURBED(fd, OUT, size, real(fd, data, size), real(fd, data, most));
}

ssize_t writev(int fd, const struct iovec *pieces, int count) {
    REAL(writev);
    struct iovec less[PIECES];
    DISTURBED(fd, OUT, length(pieces, (size_t)count), real(fd, pieces, count),
              real(fd, less, cut(less, pieces, (size_t)count, most)));
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
    REAL(sendmsg);
    struct iovec pieces[PIECES];
    struct msghdr less = *message;
    less.msg_iov = pieces;
    DISTURBED(fd, OUT, length(message->msg_iov, message->msg_iovlen), real(fd, message, flags),
              (less.msg_iovlen = (size_t)cut(pieces, message->msg_iov, message->msg_iovlen, most), real(fd, &less, flags)));
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags) {
    REAL(accept4);
    int error = 0;
    pthread_mutex_lock(&lock);
    if (touched(fd) && chance(96)) {
        uint32_t what = draw() % 3;
        if (what == 0) error = EINTR, counters[ACCEPT_EINTR]++;
        if (what == 1) error = ECONNABORTED, counters[ACCEPT_ECONNABORTED]++;
        if (what == 2 && has_more(fd, IN)) error = EAGAIN, counters[ACCEPT_EAGAIN]++, owe(fd, IN);
    }
    pthread_mutex_unlock(&lock);
    if (!error) return real(fd, address, size, flags);
    errno = error;
    return -1;
}

static enum kind kind_of(int fd) {
    struct stat file;
    if (fstat(fd, &file)) return UNTOUCHED;
    if (S_ISFIFO(file.st_mode)) return STREAM;
    if (!S_ISSOCK(file.st_mode)) return UNTOUCHED;
    int type = 0, listens = 0;
    socklen_t size = sizeof type;
    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size);
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size);
    return type != SOCK_STREAM ? UNTOUCHED : listens ? LISTENER : STREAM;
}

int epoll_ctl(int epfd, int what, int fd, struct epoll_event *event) {
    REAL(epoll_ctl);
    pthread_mutex_lock(&lock);
    int result = real(epfd, what, fd, event), error = errno;
    if (result == 0 && fd >= 0 && fd < FDS) {
        struct watched *w = &watched[fd];
        if (what != EPOLL_CTL_MOD) forget(fd);
        if (what == EPOLL_CTL_ADD) {
            /* Some are left nearly alone, and some hardly get anything done. */
            static const uint32_t tempers[] = { 16, 64, 128, 224 };
            w->kind = kind_of(fd);
            w->temper = tempers[draw() & 3];
        }
        if (what != EPOLL_CTL_DEL) {
            w->epfd = epfd;
            w->interest = event->events;
            w->data = event->data.u64;
        }
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}

int close(int fd) {
    REAL(close);
    pthread_mutex_lock(&lock);
    if (touched(fd)) forget(fd);
    pthread_mutex_unlock(&lock);
    return real(fd);
}

/* Adds an event for these directions to those that have come, where there is room for one; returns how many there are then. */
static int add_event(struct epoll_event *events, int count, int fd, int directions) {
    struct watched *w = &watched[fd];
    uint32_t bits = (directions & IN ? EPOLLIN : 0) | (directions & OUT ? EPOLLOUT : 0);
    bits |= now(fd, w->interest & (EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP));
    bits &= w->interest | EPOLLERR | EPOLLHUP;
    for (int i = 0; i < count; i++)
        if (events[i].data.u64 == w->data) {
            events[i].events |= bits;
            return count;
        }
    events[count].events = bits;
    events[count].data.u64 = w->data;
    return count + 1;
}

static int add_owed(int epfd, struct epoll_event *events, int count, int most) {
    for (int i = owing_count - 1; i >= 0 && count < most; i--) {
        int fd = owing[i];
        if (watched[fd].epfd != epfd) continue;
        count = add_event(events, count, fd, watched[fd].owed);
        forget_debts(fd);
    }
    return count;
}

/* Adds an event for nothing, or for next to nothing, if the descriptor that is drawn is one to have it. */
static int add_spurious(int epfd, struct epoll_event *events, int count, int most) {
    int fd = (int)(draw() % 128);
    struct watched *w = touched(fd);
    if (count == most || !w || w->epfd != epfd || w->kind != STREAM || !w->used) return count;
    counters[SPURIOUS_EVENTS]++;
    return add_event(events, count, fd, w->used);
}

static void shuffle(struct epoll_event *events, int count) {
    for (int i = count - 1; i > 0; i--) {
        int other = (int)(draw() % (uint32_t)(i + 1));
        struct epoll_event kept = events[i];
        events[i] = events[other];
        events[other] = kept;
    }
}

int epoll_wait(int epfd, struct epoll_event *events, int most, int timeout) {
    REAL(epoll_wait);
    pthread_mutex_lock(&lock);
    int interrupted = chance(8), owed = 0;
    for (int i = 0; i < owing_count && !owed; i++) owed = watched[owing[i]].epfd == epfd;
    if (interrupted) counters[WAIT_EINTR]++;
    pthread_mutex_unlock(&lock);
    if (interrupted) {
        errno = EINTR;
        return -1;
    }

    int count = real(epfd, events, most, owed ? 0 : timeout);
    if (count < 0) return count;

    pthread_mutex_lock(&lock);
    if (owed && count > 0 && chance(96)) counters[DELAYED_EVENTS]++;
    else count = add_owed(epfd, events, count, most);
    if (chance(16)) count = add_spurious(epfd, events, count, most);
    if (count > 1 && chance(64)) {
        counters[REORDERED_BATCHES]++;
        shuffle(events, count);
    }
    pthread_mutex_unlock(&lock);
    return count;
}
