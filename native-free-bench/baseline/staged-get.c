/*
 * The yardstick for the kernel: the same work in C. Frames of 128 commands [0x10, key] as msgpack, executed in staged
 * groups of 32 on 64-byte buckets of 12 tags and 12 addresses and 64-byte entries: parse, XXH32, touch the buckets, touch
 * the entries, match by SSE2, compare the key, copy the value out, set the access mark. No locks, no versions, no expiry,
 * one thread, a table of fixed size: less than what the kernel does, never more.
 *
 *   gcc -O2 -march=native -o staged-get staged-get.c && ./staged-get 1000000 5
 *   staged-get KEYS SECONDS [get|set]
 *
 * Prints nanoseconds per operation: minimum, 10th percentile and median over slices of 64 frames, and a checksum.
 *
 *   staged-get serve KEYS [wall|cpu]
 *
 * Does the work of a benchmark that sends its frames, one line on stdin and one on stdout at a time:
 *   load FILE          frames, each after its length and its reply's mark (length plus last byte), as uint32: their number
 *   hash               runs them all once: FNV-1a of the replies
 *   slice NS FRAMES    runs batches of so many frames, going on where the last slice ended, until they took so many
 *                      nanoseconds: nanoseconds, batches, batches whose marks were not the expected ones
 */
#include <emmintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GROUP 32
#define FRAME 128
#define VALUE 34 /* bin 8 of 32 bytes, as msgpack */
#define ENTRY 64

static uint8_t *arena;
static uint32_t buckets, entriesAt, nextEntry;

static clockid_t clockId = CLOCK_MONOTONIC;

static double now(void) {
  struct timespec t;
  clock_gettime(clockId, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static uint32_t rnd(void) {
  static uint64_t s = 88172645463325252ull;
  s ^= s << 13;
  s ^= s >> 7;
  s ^= s << 17;
  return (uint32_t)(s >> 16);
}

static inline uint32_t rotl(uint32_t x, int n) { return x << n | x >> (32 - n); }
static inline uint32_t rd32(const uint8_t *p) {
  uint32_t v;
  memcpy(&v, p, 4);
  return v;
}

static inline uint32_t xxh32(const uint8_t *p, uint32_t n, uint32_t seed) {
  const uint32_t P1 = 0x9e3779b1, P2 = 0x85ebca77, P3 = 0xc2b2ae3d, P4 = 0x27d4eb2f, P5 = 0x165667b1;
  const uint8_t *end = p + n;
  uint32_t h;
  if (n >= 16) {
    uint32_t a = seed + P1 + P2, b = seed + P2, c = seed, d = seed - P1;
    do {
      a = rotl(a + rd32(p) * P2, 13) * P1;
      b = rotl(b + rd32(p + 4) * P2, 13) * P1;
      c = rotl(c + rd32(p + 8) * P2, 13) * P1;
      d = rotl(d + rd32(p + 12) * P2, 13) * P1;
      p += 16;
    } while (p + 16 <= end);
    h = rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18);
  } else {
    h = seed + P5;
  }
  h += n;
  for (; p + 4 <= end; p += 4) h = rotl(h + rd32(p) * P3, 17) * P4;
  for (; p < end; p++) h = rotl(h + *p * P5, 11) * P1;
  h ^= h >> 15;
  h *= P2;
  h ^= h >> 13;
  h *= P3;
  return h ^ h >> 16;
}

static inline uint8_t tagOf(uint32_t h) {
  uint8_t t = h >> 24;
  return t ? t : 1;
}
static inline int match(const uint8_t *bucket, uint8_t tag) {
  return _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)bucket), _mm_set1_epi8(tag))) & 0xfff;
}

/* The entry of a key, and the slot that names it. */
static inline uint8_t *find(uint32_t h, const uint8_t *key, uint32_t n, uint8_t **slot) {
  uint32_t b = h & (buckets - 1);
  for (;;) {
    uint8_t *bucket = arena + (uint64_t)b * 64;
    for (int bits = match(bucket, tagOf(h)); bits; bits &= bits - 1) {
      int i = __builtin_ctz(bits);
      uint8_t *e = arena + rd32(bucket + 16 + 4 * i);
      uint16_t kn;
      memcpy(&kn, e + 4, 2);
      if (kn == n && !memcmp(e + 8, key, n)) {
        *slot = bucket + i;
        return e;
      }
    }
    if (!bucket[15]) return 0;
    b = (b + 1) & (buckets - 1);
  }
}

static void insert(uint32_t h, uint32_t entry) {
  uint32_t b = h & (buckets - 1);
  for (;; b = (b + 1) & (buckets - 1)) {
    uint8_t *bucket = arena + (uint64_t)b * 64;
    int empty = match(bucket, 0);
    if (!empty) {
      bucket[15]++;
      continue;
    }
    int i = __builtin_ctz(empty);
    bucket[i] = tagOf(h);
    memcpy(bucket + 16 + 4 * i, &entry, 4);
    return;
  }
}

typedef struct {
  const uint8_t *key, *value;
  uint32_t keyBytes, hash;
} Staged;

/* Executes a frame; the length of the reply. */
static uint32_t exec(const uint8_t *p, const uint8_t *end, uint8_t *out) {
  uint8_t *out0 = out;
  memcpy(out, p, 5);
  p += 5;
  out += 5;
  Staged g[GROUP];
  static volatile uint32_t sink;
  while (p < end) {
    int n = 0;
    for (; n < GROUP && p < end; n++) {
      uint32_t head = rd32(p);
      uint32_t kn = head >> 16 & 31;
      g[n].key = p + 3;
      g[n].keyBytes = kn;
      g[n].value = 0;
      g[n].hash = xxh32(p + 3, kn, 1);
      p += 3 + kn;
      if ((head & 0xff) == 0x93) {
        g[n].value = p;
        p += 2 + p[1];
      }
    }
    uint32_t sum = 0;
    for (int i = 0; i < n; i++) sum += arena[(uint64_t)(g[i].hash & (buckets - 1)) * 64];
    for (int i = 0; i < n; i++) {
      uint8_t *bucket = arena + (uint64_t)(g[i].hash & (buckets - 1)) * 64;
      int bits = match(bucket, tagOf(g[i].hash));
      if (bits) sum += arena[rd32(bucket + 16 + 4 * __builtin_ctz(bits))];
    }
    sink = sum;
    for (int i = 0; i < n; i++) {
      uint8_t *slot, *e = find(g[i].hash, g[i].key, g[i].keyBytes, &slot);
      if (g[i].value) {
        memcpy(e + 8 + g[i].keyBytes, g[i].value, VALUE);
        *out++ = 0xc3;
        continue;
      }
      if (!e) {
        *out++ = 0xc0;
        continue;
      }
      uint32_t vn = rd32(e);
      if (vn == VALUE) memcpy(out, e + 8 + g[i].keyBytes, VALUE);
      else memcpy(out, e + 8 + g[i].keyBytes, vn);
      out += vn;
      uint32_t at = (uint32_t)(uintptr_t)slot & 63;
      uint8_t *mark = slot - at + 12 + (at >> 2), bit = 1 << (at & 3) * 2;
      if (!(*mark & bit)) *mark |= bit;
    }
  }
  return out - out0;
}

static int cmp(const void *a, const void *b) {
  double x = *(double *)a - *(double *)b;
  return (x > 0) - (x < 0);
}

/* Lays the arena out, with so many keys whose values are of the right length. */
static void fill(uint32_t keys) {
  for (buckets = 64; buckets * 12 * 0.75 < keys; buckets *= 2) {
  }
  entriesAt = buckets * 64;
  nextEntry = entriesAt;
  arena = aligned_alloc(65536, ((uint64_t)entriesAt + (uint64_t)keys * ENTRY + 65536 * 2) & ~65535ull);
  memset(arena, 0, entriesAt);
  char kb[32];
  for (uint32_t i = 0; i < keys; i++) {
    sprintf(kb, "key:%012u", i);
    uint8_t *e = arena + nextEntry;
    uint32_t vn = VALUE;
    uint16_t kn = 16;
    memcpy(e, &vn, 4);
    memcpy(e + 4, &kn, 2);
    memcpy(e + 8, kb, 16);
    memset(e + 24, i, VALUE);
    insert(xxh32((uint8_t *)kb, 16, 1), nextEntry);
    nextEntry += ENTRY;
  }
}

typedef struct {
  uint8_t *at;
  uint32_t length, mark;
} Frame;

/* Reads a file of frames; their number. */
static uint32_t load(const char *path, uint8_t **file, Frame **frames) {
  FILE *f = fopen(path, "rb");
  if (!f) return 0;
  fseek(f, 0, SEEK_END);
  size_t bytes = ftell(f);
  rewind(f);
  free(*file);
  *file = malloc(bytes);
  size_t got = fread(*file, 1, bytes, f);
  fclose(f);
  if (got != bytes) return 0;
  uint32_t n = 0;
  for (size_t at = 0; at < bytes; at += 8 + rd32(*file + at)) n++;
  *frames = realloc(*frames, n * sizeof **frames);
  n = 0;
  for (size_t at = 0; at < bytes; at += 8 + rd32(*file + at)) {
    (*frames)[n++] = (Frame){*file + at + 8, rd32(*file + at), rd32(*file + at + 4)};
  }
  return n;
}

static uint8_t request[1 << 16], reply[1 << 20];

/* As a server does: copy the frame in, run it. */
static uint32_t run(const Frame *f) {
  memcpy(request, f->at, f->length);
  return exec(request, request + f->length, reply);
}

static int serve(uint32_t keys) {
  static char line[4096];
  uint8_t *file = 0;
  Frame *frames = 0;
  uint32_t count = 0, next = 0;
  fill(keys);
  while (fgets(line, sizeof line, stdin)) {
    double ns;
    uint32_t perBatch;
    if (!strncmp(line, "load ", 5)) {
      line[strcspn(line, "\n")] = 0;
      count = load(line + 5, &file, &frames);
      next = 0;
      printf("%u\n", count);
    } else if (!strncmp(line, "hash", 4)) {
      uint32_t h = 0x811c9dc5;
      for (uint32_t i = 0; i < count; i++) {
        uint32_t length = run(&frames[i]);
        for (uint32_t j = 0; j < length; j++) h = (h ^ reply[j]) * 0x01000193;
      }
      printf("%u\n", h);
    } else if (sscanf(line, "slice %lf %u", &ns, &perBatch) == 2 && count) {
      double took = 0;
      uint32_t batches = 0, wrong = 0;
      for (; took < ns; batches++) {
        uint32_t sum = 0, expected = 0, first = next;
        double t0 = now();
        for (uint32_t i = 0; i < perBatch; i++) {
          uint32_t length = run(&frames[first + i]);
          sum += length + reply[length - 1];
        }
        took += now() - t0;
        for (uint32_t i = 0; i < perBatch; i++) expected += frames[first + i].mark;
        wrong += sum != expected;
        next = (first + perBatch) % count;
      }
      printf("%.0f %u %u\n", took, batches, wrong);
    } else {
      return 1;
    }
    fflush(stdout);
  }
  return 0;
}

int main(int c, char **v) {
  if (c > 2 && !strcmp(v[1], "serve")) {
    if (c > 3 && !strcmp(v[3], "cpu")) clockId = CLOCK_PROCESS_CPUTIME_ID;
    return serve(atoi(v[2]));
  }
  uint32_t keys = c > 1 ? atoi(v[1]) : 1000000;
  double seconds = c > 2 ? atof(v[2]) : 5;
  int set = c > 3 && !strcmp(v[3], "set");
  fill(keys);
  enum { FRAMES = 2048 };
  uint8_t **frames = malloc(FRAMES * sizeof *frames);
  uint32_t *lengths = malloc(FRAMES * 4);
  for (int f = 0; f < FRAMES; f++) {
    uint8_t *p = frames[f] = malloc(FRAME * 64);
    memcpy(p, "\xce\0\0\0\1", 5);
    p += 5;
    for (int i = 0; i < FRAME; i++) {
      *p++ = set ? 0x93 : 0x92;
      *p++ = set ? 0x11 : 0x10;
      *p++ = 0xb0;
      sprintf((char *)p, "key:%012u", rnd() % keys);
      p += 16;
      if (set) {
        *p++ = 0xc4;
        *p++ = 32;
        memset(p, i, 32);
        p += 32;
      }
    }
    lengths[f] = p - frames[f];
  }
  static double t[1000000];
  int n = 0;
  uint64_t sum = 0;
  double stop = now() + seconds * 1e9;
  while (now() < stop && n < 1000000) {
    double t0 = now();
    for (int i = 0; i < 64; i++) {
      int f = rnd() % FRAMES;
      memcpy(request, frames[f], lengths[f]);
      uint32_t length = exec(request, request + lengths[f], reply);
      sum += length + reply[length - 1];
    }
    t[n++] = (now() - t0) / (64 * FRAME);
  }
  qsort(t, n, 8, cmp);
  printf("{\"keys\":%u,\"op\":\"%s\",\"nsMin\":%.1f,\"nsP10\":%.1f,\"nsMedian\":%.1f,\"checksum\":%llu}\n", keys,
         set ? "set" : "get", t[0], t[n / 10], t[n / 2], (unsigned long long)sum);
  return 0;
}
