/* A canned HTTP/1.1 server for the benchmarks, and a client that shows how fast it is.
 *
 *   server serve [PORT]                          listen on 127.0.0.1 to 127.0.0.50, print the port, answer until killed
 *   server load PORT PATH REQUESTS CONNECTIONS   send requests, print the rate and the server's own CPU time as JSON
 *
 * The path's prefix picks the reply; what follows belongs to the client, and an end of "/messages" asks for Anthropic's format.
 *
 *   /small/...                 a chat reply of some 600 bytes
 *   /reply-BYTES/...           a chat reply with a text of that size
 *   /logprobs/...              a chat reply of some 200 kB, most of it logprobs
 *   /image4m/...               an image reply with 4 MB of base64; /image-BYTES/... with another size
 *   /stream/N/bulk/...         N chunks of some 300 bytes, many in each write
 *   /stream/N/single/...       N chunks, each an HTTP chunk and a write of its own, as fast as the client takes them
 *   /stream/N/paced/...        the same, but each is sent when the client has read the one before: one chunk per read
 *   /stream/N/paced@US/...     the same, with a pause of US microseconds before each
 *   /stream/N/turns/...        N chunks, each a write of its own, of all open streams in turn; turns@US pauses before each
 *   /event8m/...               a stream with one event of 8 MB, in HTTP chunks of 16 KiB
 *   /stats                     requests answered, bytes sent, and CPU microseconds used so far
 *
 * "-BYTES" after bulk, single, paced or turns sets the size of a chunk. One process, one thread, epoll. Every reply is made once and kept.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { MAX_FD = 1 << 14, MAX_REPLIES = 256, REQUEST_ROOM = 1 << 16, BULK_WRITE = 1 << 16, BIG_EVENT_PART = 1 << 14, HOSTS = 50 };

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void *claim(void *memory) {
    if (!memory) fail("memory");
    return memory;
}

static double now_s(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- text that grows ---- */

typedef struct {
    char *data;
    size_t size, room;
} Text;

static void put(Text *text, const void *data, size_t size) {
    if (text->size + size > text->room) {
        text->room = (text->size + size) * 2;
        text->data = claim(realloc(text->data, text->room));
    }
    memcpy(text->data + text->size, data, size);
    text->size += size;
}

static void putf(Text *text, const char *format, ...) {
    char line[2048];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (size < 0 || size >= (int)sizeof line) fail("a line is too long");
    put(text, line, (size_t)size);
}

/* Words and digits, like a model's text: no letter needs an escape. */
static void put_filler(Text *text, size_t size, const char *letters) {
    size_t length = strlen(letters);
    for (size_t i = 0; i < size; i++) put(text, letters + i % length, 1);
}

/* A text unlike the last one: litellm takes many equal chunks for a fault. */
static void put_numbered(Text *text, size_t index, size_t size, const char *letters) {
    char number[24];
    size_t length = (size_t)snprintf(number, sizeof number, "%zu ", index);
    if (length > size) length = size;
    put(text, number, length);
    put_filler(text, size - length, letters);
}

static const char WORDS[] = "the quick brown fox jumps over the lazy dog 0123456789 ";
static const char BASE64[] = "iVBORw0KGgoAAAANSUhEUgAAAQAAAAEACAYAAABccqhmQ7xZ";

/* ---- replies ---- */

typedef struct {
    char *key;
    Text bytes;      /* the whole reply, head included */
    size_t *ends;    /* where each write of a one-by-one stream ends */
    size_t writes;   /* 0: send as fast as the socket takes it */
    int is_paced;    /* the next write waits until the client has read the last */
    int is_in_turn;  /* one write in each pass over the open streams */
    unsigned pause_us;
} Reply;

static Reply replies[MAX_REPLIES];
static size_t reply_count;

static void whole(Reply *reply, const Text *body) {
    putf(&reply->bytes,
         "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req-bench-0001\r\ncontent-length: %zu\r\n\r\n",
         body->size);
    put(&reply->bytes, body->data, body->size);
}

static void chat_json(Text *body, size_t text_size) {
    putf(body, "{\"id\":\"chatcmpl-bench00000000000000000001\",\"object\":\"chat.completion\",\"created\":1760000000,"
               "\"model\":\"bench-model\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
    put_filler(body, text_size, WORDS);
    putf(body, "\",\"refusal\":null,\"tool_calls\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],"
               "\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":42,\"total_tokens\":53},"
               "\"system_fingerprint\":\"fp_bench\",\"service_tier\":\"default\"}");
}

static void message_json(Text *body, size_t text_size) {
    putf(body, "{\"id\":\"msg_bench0000000000000001\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"bench-model\","
               "\"content\":[{\"type\":\"text\",\"text\":\"");
    put_filler(body, text_size, WORDS);
    putf(body, "\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":11,\"output_tokens\":42,"
               "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"service_tier\":\"standard\"}}");
}

static void logprobs_json(Text *body) {
    putf(body, "{\"id\":\"chatcmpl-bench00000000000000000001\",\"object\":\"chat.completion\",\"created\":1760000000,"
               "\"model\":\"bench-model\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"");
    put_filler(body, 2000, WORDS);
    putf(body, "\",\"refusal\":null},\"logprobs\":{\"content\":[");
    for (int i = 0; body->size < 200000; i++) {
        putf(body, "%s{\"token\":\" t%d\",\"logprob\":-0.%06d,\"bytes\":[32,116,49],\"top_logprobs\":[", i ? "," : "", i, i * 37 % 999983);
        for (int rank = 0; rank < 5; rank++)
            putf(body, "%s{\"token\":\" r%d\",\"logprob\":-%d.%05d,\"bytes\":[32,114,48]}", rank ? "," : "", rank, rank + 1, i * 13 % 99991);
        putf(body, "]}");
    }
    putf(body, "],\"refusal\":null},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":400,"
               "\"total_tokens\":411},\"system_fingerprint\":\"fp_bench\"}");
}

static void image_json(Text *body, size_t size) {
    putf(body, "{\"id\":\"img-bench\",\"model\":\"bench-model\",\"object\":\"list\",\"created\":1760000000,"
               "\"data\":[{\"index\":0,\"type\":\"b64_json\",\"b64_json\":\"");
    put_filler(body, size, BASE64);
    putf(body, "\"}]}");
}

static void chunk_event(Text *out, size_t index, size_t count, size_t size) {
    size_t start = out->size;
    int is_last = index + 1 == count;
    putf(out, "data: {\"id\":\"chatcmpl-bench00000000000000000001\",\"object\":\"chat.completion.chunk\",\"created\":1760000000,"
              "\"model\":\"bench-model\",\"system_fingerprint\":\"fp_bench\",\"choices\":[{\"index\":0,\"delta\":{%s\"content\":\"",
         index ? "" : "\"role\":\"assistant\",");
    size_t used = out->size - start + 44;
    put_numbered(out, index, size > used ? size - used : 1, WORDS);
    putf(out, "\"},\"logprobs\":null,\"finish_reason\":%s}]}\n\n", is_last ? "\"stop\"" : "null");
}

static void delta_event(Text *out, size_t index, size_t size) {
    size_t start = out->size;
    putf(out, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"
              "\"delta\":{\"type\":\"text_delta\",\"text\":\"");
    size_t used = out->size - start + 5;
    put_numbered(out, index, size > used ? size - used : 1, WORDS);
    putf(out, "\"}}\n\n");
}

static void message_begin(Text *out) {
    putf(out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_bench0000000000000001\","
              "\"type\":\"message\",\"role\":\"assistant\",\"model\":\"bench-model\",\"content\":[],\"stop_reason\":null,"
              "\"stop_sequence\":null,\"usage\":{\"input_tokens\":11,\"output_tokens\":1}}}\n\n"
              "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"
              "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");
}

static void message_end(Text *out) {
    putf(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
              "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
              "\"stop_sequence\":null},\"usage\":{\"output_tokens\":42}}\n\n"
              "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

static void http_chunk(Text *out, const char *data, size_t size) {
    putf(out, "%zx\r\n", size);
    put(out, data, size);
    put(out, "\r\n", 2);
}

/* Puts the collected events out as one HTTP chunk. */
static void flush_events(Reply *reply, Text *events, int one_by_one) {
    if (events->size) http_chunk(&reply->bytes, events->data, events->size);
    events->size = 0;
    if (one_by_one) reply->ends[reply->writes++] = reply->bytes.size;
}

static void event_stream(Reply *reply, size_t count, size_t size, size_t part, int one_by_one, int is_messages) {
    Text events = {0};
    if (one_by_one) reply->ends = claim(malloc((count + 3) * sizeof *reply->ends));
    putf(&reply->bytes, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req-bench-0001\r\n"
                        "transfer-encoding: chunked\r\n\r\n");
    if (one_by_one) reply->ends[reply->writes++] = reply->bytes.size;
    if (is_messages) message_begin(&events);
    for (size_t i = 0; i < count; i++) {
        if (is_messages) delta_event(&events, i, size);
        else chunk_event(&events, i, count, size);
        if (one_by_one || (part == BULK_WRITE && events.size >= part)) flush_events(reply, &events, one_by_one);
    }
    if (is_messages) message_end(&events);
    else putf(&events, "data: [DONE]\n\n");
    for (size_t done = 0; part < BULK_WRITE && done < events.size; done += part)
        http_chunk(&reply->bytes, events.data + done, events.size - done < part ? events.size - done : part);
    if (part < BULK_WRITE) events.size = 0;
    if (events.size) http_chunk(&reply->bytes, events.data, events.size);
    putf(&reply->bytes, "0\r\n\r\n");
    if (one_by_one) reply->ends[reply->writes++] = reply->bytes.size;
    free(events.data);
}

static int make_stream(Reply *reply, const char *path, int is_messages) {
    size_t count, size = 300;
    char mode[32];
    if (sscanf(path, "/stream/%zu/%31[^/]", &count, mode) != 2 || !count || count > 1000000) return 0;
    char *dash = strchr(mode, '-'), *at = strchr(mode, '@');
    if (dash) size = strtoul(dash + 1, NULL, 10);
    reply->is_paced = mode[0] == 'p';
    reply->is_in_turn = mode[0] == 't' || reply->is_paced;
    if (at) reply->pause_us = (unsigned)strtoul(at + 1, NULL, 10);
    event_stream(reply, count, size, BULK_WRITE, mode[0] != 'b', is_messages);
    return 1;
}

static int make_reply(Reply *reply, const char *path) {
    Text body = {0};
    size_t length = strlen(path), size;
    int is_messages = length >= 9 && strcmp(path + length - 9, "/messages") == 0;
    if (strncmp(path, "/stream/", 8) == 0) return make_stream(reply, path, is_messages);
    if (strncmp(path, "/event8m/", 9) == 0) {
        event_stream(reply, 1, 8000000, BIG_EVENT_PART, 0, is_messages);
        return 1;
    }
    if (strncmp(path, "/logprobs/", 10) == 0) logprobs_json(&body);
    else if (strncmp(path, "/image4m/", 9) == 0) image_json(&body, 4000000);
    else if (sscanf(path, "/image-%zu/", &size) == 1 && size <= 100000000) image_json(&body, size);
    else if (strncmp(path, "/small/", 7) == 0) (is_messages ? message_json : chat_json)(&body, 200);
    else if (sscanf(path, "/reply-%zu/", &size) == 1 && size <= 100000000) (is_messages ? message_json : chat_json)(&body, size);
    else return 0;
    whole(reply, &body);
    free(body.data);
    return 1;
}

static Reply *reply_for(const char *path) {
    for (size_t i = 0; i < reply_count; i++)
        if (strcmp(replies[i].key, path) == 0) return &replies[i];
    Reply made = {0};
    if (reply_count == MAX_REPLIES || !make_reply(&made, path)) {
        static Reply missing;
        if (!missing.bytes.size) putf(&missing.bytes, "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        return &missing;
    }
    made.key = claim(strdup(path));
    replies[reply_count] = made;
    return &replies[reply_count++];
}

/* ---- has the client read everything? ---- */

/* The kernel tells how much lies unread at the other end of a loopback connection; the netlink socket is -1 where it does not. */
static int diag = -1;

static int unread(const struct sockaddr_in *client, const struct sockaddr_in *server) {
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 ask;
    } message = {.head = {.nlmsg_len = sizeof message, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST},
                 .ask = {.sdiag_family = AF_INET, .sdiag_protocol = IPPROTO_TCP, .idiag_states = ~0U}};
    message.ask.id.idiag_sport = client->sin_port;
    message.ask.id.idiag_dport = server->sin_port;
    message.ask.id.idiag_src[0] = client->sin_addr.s_addr;
    message.ask.id.idiag_dst[0] = server->sin_addr.s_addr;
    message.ask.id.idiag_cookie[0] = message.ask.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    if (send(diag, &message, sizeof message, 0) < 0) return -1;
    _Alignas(struct nlmsghdr) char answer[4096];
    ssize_t size = recv(diag, answer, sizeof answer, 0);
    struct nlmsghdr *head = (struct nlmsghdr *)answer;
    if (size < (ssize_t)(sizeof *head + sizeof(struct inet_diag_msg)) || head->nlmsg_type != SOCK_DIAG_BY_FAMILY) return -1;
    return (int)((struct inet_diag_msg *)NLMSG_DATA(head))->idiag_rqueue;
}

/* ---- connections ---- */

typedef struct {
    int is_open, is_closing, is_waiting_for_room;
    size_t got, body_left;
    Reply *reply;
    size_t sent, write;
    double next_s;
    struct sockaddr_in client, server;
    char request[REQUEST_ROOM]; /* last: of most connections only its first page is ever touched */
} Connection;

static Connection *connections[MAX_FD];
static int epoll, last_listener, single_streams[MAX_FD], single_count;
static unsigned long long requests, bytes_sent, spins;

static void hang_up(int fd) {
    connections[fd]->is_open = 0;
    close(fd);
}

static void watch(int fd, int for_room) {
    Connection *c = connections[fd];
    if (c->is_waiting_for_room == for_room) return;
    c->is_waiting_for_room = for_room;
    struct epoll_event event = {.events = for_room ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
}

static void finish(int fd) {
    connections[fd]->reply = NULL;
    requests++;
    watch(fd, 0);
    if (connections[fd]->is_closing) hang_up(fd);
}

/* Sends what is left up to a limit; true when it went out. */
static int send_up_to(int fd, size_t limit) {
    Connection *c = connections[fd];
    while (c->sent < limit) {
        ssize_t size = send(fd, c->reply->bytes.data + c->sent, limit - c->sent, MSG_NOSIGNAL);
        if (size < 0) {
            if (errno != EAGAIN && errno != EINTR) hang_up(fd);
            else if (errno == EAGAIN) watch(fd, 1);
            return 0;
        }
        c->sent += (size_t)size;
        bytes_sent += (unsigned long long)size;
    }
    return 1;
}

/* Sends what may be sent of a one-by-one stream: all that the socket takes, each write on its own; where the stream waits
 * for its turn, one write, and where it is paced, once the client has read the last one. False when the stream is over. */
static int step(int fd) {
    Connection *c = connections[fd];
    if (!c->is_open || !c->reply || !c->reply->writes) return 0;
    while (!c->reply->is_in_turn && c->write + 1 < c->reply->writes) {
        if (!send_up_to(fd, c->reply->ends[c->write])) return c->is_open;
        c->write++;
    }
    if (c->reply->is_in_turn && c->sent == c->reply->ends[c->write]) {
        int waiting = diag < 0 || !c->reply->is_paced ? 0 : unread(&c->client, &c->server);
        if (waiting > 0) return 1;
        unsigned pause = c->reply->pause_us ? c->reply->pause_us : c->reply->is_paced && (diag < 0 || waiting < 0) ? 1000 : 0;
        if (pause) {
            double now = now_s(CLOCK_MONOTONIC);
            if (!c->next_s) c->next_s = now + pause / 1e6;
            if (now < c->next_s) return 1;
            c->next_s = 0;
        }
        c->write++;
    }
    if (!send_up_to(fd, c->reply->ends[c->write])) return c->is_open;
    if (c->write + 1 < c->reply->writes) return 1;
    finish(fd);
    return 0;
}

static void step_all(void) {
    int kept = 0;
    for (int i = 0; i < single_count; i++)
        if (step(single_streams[i])) single_streams[kept++] = single_streams[i];
    single_count = kept;
    spins++;
}

static void answer_stats(int fd) {
    char body[256], head[512];
    int size = snprintf(body, sizeof body, "{\"requests\":%llu,\"bytes\":%llu,\"cpu_us\":%.0f,\"replies\":%zu,\"sees_reads\":%s}", requests,
                        bytes_sent, now_s(CLOCK_PROCESS_CPUTIME_ID) * 1e6, reply_count, diag < 0 ? "false" : "true");
    int all = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s", size, body);
    if (send(fd, head, (size_t)all, MSG_NOSIGNAL) != all) hang_up(fd);
}

static void answer(int fd, const char *path) {
    Connection *c = connections[fd];
    if (strcmp(path, "/stats") == 0) {
        answer_stats(fd);
        return;
    }
    c->reply = reply_for(path);
    c->sent = c->write = 0;
    c->next_s = 0;
    if (c->reply->writes) {
        if (step(fd)) single_streams[single_count++] = fd;
    } else if (send_up_to(fd, c->reply->bytes.size)) {
        finish(fd);
    }
}

static const char *header(const char *head, const char *end, const char *name) {
    size_t length = strlen(name);
    for (const char *line = head; line && line < end; line = memmem(line, (size_t)(end - line), "\r\n", 2)) {
        if (line != head) line += 2;
        else {
            line = memmem(line, (size_t)(end - line), "\r\n", 2);
            if (!line) return NULL;
            line += 2;
        }
        if (line + length < end && strncasecmp(line, name, length) == 0) return line + length + strspn(line + length, " ");
    }
    return NULL;
}

/* Takes one whole request out of what has arrived; false when more is needed. */
static int take_request(Connection *c, char *path, size_t room) {
    char *end = memmem(c->request, c->got, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t head = (size_t)(end - c->request) + 4, total;
    const char *length = header(c->request, end + 2, "content-length:"), *coding = header(c->request, end + 2, "transfer-encoding:");
    const char *connection = header(c->request, end + 2, "connection:");
    if (coding) {
        char *last = memmem(end + 2, c->got - head + 2, "\r\n0\r\n\r\n", 7);
        if (!last) return 0;
        total = (size_t)(last + 7 - c->request);
    } else {
        total = head + (length ? strtoul(length, NULL, 10) : 0);
        if (c->got < total) return 0;
    }
    c->is_closing = connection && strncasecmp(connection, "close", 5) == 0;
    char *from = memchr(c->request, ' ', head), *to = from ? strpbrk(from + 1, " ?") : NULL;
    if (!to || (size_t)(to - from) > room) return -1;
    memcpy(path, from + 1, (size_t)(to - from - 1));
    path[to - from - 1] = 0;
    memmove(c->request, c->request + total, c->got - total);
    c->got -= total;
    return 1;
}

static void receive(int fd) {
    Connection *c = connections[fd];
    char path[512];
    for (;;) {
        ssize_t size = recv(fd, c->request + c->got, REQUEST_ROOM - 1 - c->got, 0);
        if (size < 0 && errno == EINTR) continue;
        if (size < 0 && errno == EAGAIN) return;
        if (size <= 0) {
            hang_up(fd);
            return;
        }
        c->got += (size_t)size;
        c->request[c->got] = 0;
        int taken = c->reply ? 0 : take_request(c, path, sizeof path);
        if (taken < 0 || c->got == REQUEST_ROOM - 1) hang_up(fd);
        else if (taken) answer(fd, path);
        if (!c->is_open) return;
        if (!taken) continue; /* more may have arrived */
        return;
    }
}

static void welcome(int listener) {
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    int fd = accept4(listener, (struct sockaddr *)&from, &size, SOCK_NONBLOCK), on = 1;
    if (fd < 0) return;
    if (fd >= MAX_FD) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (!connections[fd]) connections[fd] = claim(malloc(sizeof **connections));
    Connection *c = connections[fd];
    memset(c, 0, offsetof(Connection, request));
    c->is_open = 1;
    c->client = from;
    size = sizeof c->server;
    getsockname(fd, (struct sockaddr *)&c->server, &size);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void serve_event(const struct epoll_event *event) {
    int fd = event->data.fd;
    if (fd <= last_listener) {
        welcome(fd);
        return;
    }
    Connection *c = connections[fd];
    if (!c->is_open) return;
    if ((event->events & EPOLLOUT) && c->reply && !c->reply->writes && send_up_to(fd, c->reply->bytes.size)) finish(fd);
    else if (event->events & EPOLLOUT) watch(fd, c->reply && !c->reply->writes);
    if (c->is_open && (event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))) receive(fd);
}

/* Every client keeps the connections of its last question, which are some thousands together. */
static void allow_many_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit)) fail("getrlimit");
    limit.rlim_cur = limit.rlim_max < MAX_FD ? limit.rlim_max : MAX_FD;
    if (setrlimit(RLIMIT_NOFILE, &limit)) fail("setrlimit");
}

/* One of the addresses that all lead to this machine; the first chooses the port. */
static int listen_at(unsigned number, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK + number)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 4096)) fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &size);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    last_listener = listener; /* they are opened before any connection, so that their numbers are the lowest */
    return ntohs(address.sin_port);
}

static _Noreturn void serve(int port) {
    allow_many_files();
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* the run that started us is gone: so are we */
    epoll = epoll_create1(0);
    diag = socket(AF_NETLINK, SOCK_DGRAM, NETLINK_SOCK_DIAG);
    for (unsigned number = 0; number < HOSTS; number++) port = listen_at(number, port);
    struct epoll_event events[256];
    printf("%d\n", port);
    fflush(stdout);
    for (;;) {
        int count = epoll_wait(epoll, events, 256, single_count ? 0 : -1);
        for (int i = 0; i < count; i++) serve_event(&events[i]);
        if (single_count) step_all();
        if (single_count && spins % 64 == 0) sched_yield();
    }
}

/* ---- the client that shows that the server is fast enough ---- */

static int dial(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* Reads one reply, known by its length or by the last chunk. */
static size_t read_reply(int fd, char *room, size_t size) {
    size_t got = 0, total = 0, kept = 0;
    for (;;) {
        ssize_t part = recv(fd, room + kept, size - kept - 1, 0);
        if (part <= 0) fail("read");
        got += (size_t)part;
        kept += (size_t)part;
        room[kept] = 0;
        if (!total && got == kept) {
            char *end = strstr(room, "\r\n\r\n"), *length = strstr(room, "content-length: ");
            if (end && length && length < end) total = (size_t)(end + 4 - room) + strtoul(length + 16, NULL, 10);
        }
        if (total ? got >= total : kept >= 7 && memcmp(room + kept - 7, "\r\n0\r\n\r\n", 7) == 0) return got;
        if (size - kept < 65536) {
            memmove(room, room + kept - 8, 8);
            kept = 8;
        }
    }
}

static double server_cpu_us(int port) {
    char room[70000];
    static const char ask[] = "GET /stats HTTP/1.1\r\nhost: localhost\r\n\r\n";
    int fd = dial(port);
    if (send(fd, ask, sizeof ask - 1, 0) < 0) fail("send");
    read_reply(fd, room, sizeof room);
    close(fd);
    char *found = strstr(room, "\"cpu_us\":");
    return found ? strtod(found + 9, NULL) : 0;
}

static int load(int port, const char *path, int count, int width) {
    static char room[1 << 20];
    static const char body[] = "{\"model\":\"bench-model\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}";
    char ask[1024];
    int size = snprintf(ask, sizeof ask, "POST %s HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: %zu\r\n\r\n%s",
                        path, sizeof body - 1, body);
    int fds[1024];
    if (width < 1 || width > 1024) return 2;
    for (int i = 0; i < width; i++) fds[i] = dial(port);
    size_t bytes = 0;
    int done = 0;
    double cpu = server_cpu_us(port), start = now_s(CLOCK_MONOTONIC);
    while (done < count) {
        for (int i = 0; i < width; i++)
            if (send(fds[i], ask, (size_t)size, 0) != size) fail("send");
        for (int i = 0; i < width; i++) bytes += read_reply(fds[i], room, sizeof room);
        done += width;
    }
    double wall = now_s(CLOCK_MONOTONIC) - start, used = server_cpu_us(port) - cpu;
    printf("{\"requests\":%d,\"bytes\":%zu,\"wall_s\":%.6f,\"per_s\":%.0f,\"server_cpu_us_per_request\":%.2f}\n", done, bytes, wall, done / wall,
           used / done);
    return 0;
}

int main(int argc, char **argv) {
    if (argc >= 2 && strcmp(argv[1], "serve") == 0) serve(argc > 2 ? atoi(argv[2]) : 0);
    if (argc == 6 && strcmp(argv[1], "load") == 0) return load(atoi(argv[2]), argv[3], atoi(argv[4]), atoi(argv[5]));
    fprintf(stderr, "usage: server serve [PORT] | server load PORT PATH REQUESTS CONNECTIONS\n");
    return 2;
}
