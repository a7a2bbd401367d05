// Runs the threads of a CUDA kernel as fibers on one core, and looks at every access to memory.
//
// One fiber a thread, one block after the other. A thread runs until it meets others (a barrier, a warp's exchange)
// or ends. The kernel is compiled by g++ -fsanitize=thread, so that each access calls a function __tsan_…; they are
// here, not libtsan's, and they know what CUDA promises: threads of a block are ordered by __syncthreads(), lanes of
// a warp by __syncwarp(), blocks of one launch by nothing. Two accesses to one element by two threads, one of them a
// write, not both atomic, that are not ordered are a race, whatever order the fibers happen to run in (the idea of
// FastTrack: Flanagan and Freund, PLDI 2009).
#undef _FORTIFY_SOURCE  // its longjmp refuses to go from one stack to another

#include "runtime.h"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <link.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <utility>

dim3 gridDim, blockDim;
uint3 blockIdx, threadIdx;

namespace emulator {
namespace {

using std::size_t;
using std::uint16_t;
using std::uint32_t;
using std::uint64_t;
using std::uintptr_t;

enum Kind {
    FINE, OUTSIDE, WILD, CONSTANT, UNWRITTEN, UNDEFINED, RACE, DIVERGENCE, DEADLOCK, NOT_IN_MASK, ABSENT_LANE, BOUNDS,
    MISALIGNED, DIVISION, ENDLESS, SHARED_LIMIT
};

constexpr size_t STACK = 256 << 10, MOST_THREADS = 1024, STATIC_LIMIT = 48 << 10, DYNAMIC_LIMIT = 227 << 10;

// ---- memory: the launch's arrays and the block's shared arrays, in one arena with wide gaps --------------------

// Who touched an element last. A clock counts a thread's meetings; see `ordered`. What an earlier launch left here
// is known by the number of its block, so nothing is ever cleared; hence also the fixed places, 64 bytes each.
struct alignas(64) Cell {
    uint32_t write_block, write_clock, write_code;
    uint16_t write_thread, write_atomic;
    uint32_t read_block, read_clock, read_code, read_lanes;  // lanes of one warp of the last block that read
    uint16_t read_warp, other_thread;                        // a reader in another warp of that block
    uint32_t other_clock, other_code;
    uint32_t earlier_block, earlier_code;  // a reader in an earlier block
    uint16_t earlier_thread;
};

struct Region {
    uintptr_t begin;
    size_t bytes, element;
    unsigned shift;  // a cell covers 1 << shift bytes
    bool shared, read_only;
    int array;
    const char* name;
    Cell* cells;
};

constexpr int MOST_REGIONS = 128;
Region regions[MOST_REGIONS];
int region_count, last_region;

struct Pages {  // grows, is zero at first, is never given back
    char* begin = nullptr;
    size_t size = 0, used = 0;

    void reserve(size_t bytes) {
        used = 0;
        if (bytes <= size) return;
        if (begin) munmap(begin, size);
        void* found = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (found == MAP_FAILED) {
            perror("emulator");
            abort();
        }
        begin = (char*)found;
        size = bytes;
    }

    void* take(size_t bytes, size_t gap) {
        void* place = begin + used + gap;
        used += gap + ((bytes + 63) & ~(size_t)63);
        return place;
    }
};

Pages arena, cells;
constexpr size_t LEAST_GAP = 1 << 16, SHARED_ROOM = 16 << 20, SHARED_CELLS = (DYNAMIC_LIMIT + (64 << 10)) * sizeof(Cell);
size_t arena_of_arrays, cells_of_arrays;
int array_regions;

unsigned shift_of(size_t element, size_t granule) {
    return element % 4 == 0 && granule >= 4 ? 2 : element % 2 == 0 && granule >= 2 ? 1 : 0;
}

Region& add_region(size_t bytes, size_t element, size_t gap, size_t granule) {
    Region& region = regions[region_count++];
    region = Region{};
    region.begin = (uintptr_t)arena.take(bytes, gap);
    region.bytes = bytes;
    region.element = element;
    region.shift = shift_of(element, granule);
    region.cells = (Cell*)cells.take(((bytes >> region.shift) + 1) * sizeof(Cell), 0);
    return region;
}

// ---- threads --------------------------------------------------------------------------------------------------

enum State : unsigned char { READY, AT_BARRIER, AT_MEETING, DONE };

struct Fiber {
    jmp_buf context;
    uint3 index;
    State state;
    bool fresh;
    Place place;
    uint64_t code;
    Meeting kind;
    unsigned mask, source;
    uint64_t value, received;
    int vote;
    uint32_t clock;
};

Fiber fibers[MOST_THREADS];
uint32_t seen[MOST_THREADS / 32][32][32];  // seen[warp][lane][other]: the other's clock when both last synchronised
uint32_t base;                             // all that happened in the block before this clock is ordered
char* stacks;
size_t thread_count, current;
jmp_buf scheduler;
void (*kernel_body)(void**);
void* argument_values[64];
uint64_t patience;
bool running, failed;
int block_votes[4];

const Launch* launch_now;
uint32_t block_serial, first_serial;
uint64_t block_count, shared_static;
uintptr_t image_begin, image_end;

Trouble trouble;

Note* notes;
size_t note_count, note_room;
bool watched_block;
size_t watched_thread;

uint3 block_index(uint64_t linear) {
    return {(unsigned)(linear % gridDim.x), (unsigned)(linear / gridDim.x % gridDim.y),
            (unsigned)(linear / gridDim.x / gridDim.y)};
}

bool backwards() { return launch_now->order / 2 % 2; }

uint3 block_of(uint32_t serial) {
    uint64_t turn = serial - first_serial;
    return block_index(backwards() ? block_count - 1 - turn : turn);
}

uint3 thread_index(size_t i) {
    return {(unsigned)(i % blockDim.x), (unsigned)(i / blockDim.x % blockDim.y),
            (unsigned)(i / blockDim.x / blockDim.y)};
}

uint64_t relative(const void* code) { return (uintptr_t)code - image_begin; }

void describe(Access& access, uint32_t serial, size_t thread, uint64_t code, bool write, bool atomic) {
    uint3 b = block_of(serial), t = thread_index(thread);
    unsigned block[3] = {b.x, b.y, b.z}, index[3] = {t.x, t.y, t.z};
    memcpy(access.block, block, sizeof block);
    memcpy(access.thread, index, sizeof index);
    access.code = code;
    access.write = write;
    access.atomic = atomic;
}

[[noreturn]] void to_scheduler() { _longjmp(scheduler, 1); }

// The first trouble is told; the fiber that met it does not go on.
Trouble& begin_trouble(Kind kind, const void* code, bool write = false, bool atomic = false) {
    static Trouble ignored;
    if (failed) return ignored;
    failed = true;
    memset(&trouble, 0, sizeof trouble);
    trouble.kind = kind;
    trouble.array = -1;
    describe(trouble.now, block_serial, current, relative(code), write, atomic);
    return trouble;
}

void name_region(Trouble& it, const Region& region, uintptr_t address) {
    it.array = region.array;
    if (region.shared) snprintf(it.name, sizeof it.name, "%s", region.name);
    long long offset = (long long)(address - region.begin), element = (long long)region.element;
    it.index = (offset - (offset < 0 ? element - 1 : 0)) / element;
    it.length = region.bytes / region.element;
}

// ---- every access ---------------------------------------------------------------------------------------------

// Does all that `thread` of this block did up to `clock` come before what the current thread does now?
inline bool ordered(size_t thread, uint32_t clock) {
    if (clock < base || thread == current) return true;
    return thread / 32 == current / 32 && seen[current / 32][current % 32][thread % 32] >= clock;
}

// Whatever an element saw before this block is of another launch, or in shared memory of another block.
inline uint32_t oldest(const Region& region) { return region.shared ? block_serial : first_serial; }

[[noreturn]] void race(const Region& region, uintptr_t address, const void* code, bool write, bool atomic,
                       uint32_t serial, size_t thread, uint64_t before, bool before_write, bool before_atomic) {
    Trouble& it = begin_trouble(RACE, code, write, atomic);
    name_region(it, region, address);
    describe(it.before, serial, thread, before, before_write, before_atomic);
    to_scheduler();
}

inline void check_write_before(const Region& region, const Cell& cell, uintptr_t address, const void* code, bool write,
                               bool atomic) {
    if (cell.write_block < oldest(region) || (atomic && cell.write_atomic)) return;
    if (cell.write_block != block_serial || !ordered(cell.write_thread, cell.write_clock))
        race(region, address, code, write, atomic, cell.write_block, cell.write_thread, cell.write_code, true,
             cell.write_atomic);
}

inline void check_reads_before(const Region& region, const Cell& cell, uintptr_t address, const void* code,
                               bool atomic) {
    uint32_t serial = cell.read_block;
    auto against = [&](uint32_t serial, size_t thread, uint32_t before) {
        race(region, address, code, true, atomic, serial, thread, before, false, false);
    };
    if (serial >= oldest(region)) {
        size_t first = cell.read_warp * 32;
        if (serial != block_serial) against(serial, first + (size_t)__builtin_ctz(cell.read_lanes), cell.read_code);
        if (cell.read_clock >= base)
            for (size_t lane = 0; lane < 32; ++lane)
                if (cell.read_lanes >> lane & 1 && !ordered(first + lane, cell.read_clock))
                    against(serial, first + lane, cell.read_code);
        if (cell.other_clock >= base && !ordered(cell.other_thread, cell.other_clock))
            against(serial, cell.other_thread, cell.other_code);
    }
    if (cell.earlier_block >= oldest(region) && cell.earlier_block != block_serial)
        against(cell.earlier_block, cell.earlier_thread, cell.earlier_code);
}

inline void note_read(Cell& cell, uint32_t code) {
    uint16_t warp = (uint16_t)(current / 32);
    uint32_t lane = 1u << current % 32, clock = fibers[current].clock;
    if (cell.read_block == block_serial && cell.read_clock >= base) {
        if (cell.read_warp != warp) {
            cell.other_thread = (uint16_t)current;
            cell.other_clock = clock;
            cell.other_code = code;
            return;
        }
        bool all_seen = true;
        for (size_t q = 0; q < 32 && all_seen; ++q)
            if (cell.read_lanes >> q & 1) all_seen = ordered(warp * 32u + q, cell.read_clock);
        if (!all_seen) {
            cell.read_lanes |= lane;
            return;
        }
    } else if (cell.read_block != block_serial) {
        if (cell.read_block >= first_serial) {
            cell.earlier_block = cell.read_block;
            cell.earlier_thread = (uint16_t)(cell.read_warp * 32 + __builtin_ctz(cell.read_lanes));
            cell.earlier_code = cell.read_code;
        }
        cell.other_clock = 0;
    }
    cell.read_block = block_serial;
    cell.read_clock = clock;
    cell.read_warp = warp;
    cell.read_lanes = lane;
    cell.read_code = code;
}

inline void note_write(Cell& cell, uint32_t code, bool atomic) {
    cell.write_block = block_serial;
    cell.write_clock = fibers[current].clock;
    cell.write_thread = (uint16_t)current;
    cell.write_atomic = atomic;
    cell.write_code = code;
}

// The value that `empty` fills an array with: a signalling NaN that no arithmetic makes.
bool poisoned(const Region& region, uintptr_t address) {
    switch (region.element) {
        case 2: return *(const uint16_t*)address == 0x7da5;
        case 4: return *(const uint32_t*)address == 0x7fa5a5a5u;
        case 8: return *(const uint64_t*)address == 0x7ff5a5a5a5a5a5a5ull;
        default: return false;
    }
}

[[noreturn]] void refuse(Kind kind, const Region& region, uintptr_t address, const void* code, bool write,
                         bool atomic) {
    Trouble& it = begin_trouble(kind, code, write, atomic);
    name_region(it, region, address);
    to_scheduler();
}

[[noreturn]] void outside(uintptr_t address, const void* code, bool write, bool atomic) {
    const Region* nearest = nullptr;
    size_t least = (size_t)1 << 32;
    for (int i = 0; i < region_count; ++i) {
        uintptr_t begin = regions[i].begin, end = begin + regions[i].bytes;
        size_t distance = address < begin ? begin - address : address >= end ? address - end : 0;
        if (distance < least) {
            least = distance;
            nearest = &regions[i];
        }
    }
    if (nearest) {
        uintptr_t end = nearest->begin + nearest->bytes;
        refuse(OUTSIDE, *nearest, address >= nearest->begin && address < end ? end : address, code, write, atomic);
    }
    begin_trouble(WILD, code, write, atomic);
    to_scheduler();
}

inline Region* find(uintptr_t address) {
    Region* region = &regions[last_region];
    if (address - region->begin < region->bytes) return region;
    for (int i = 0; i < region_count; ++i)
        if (address - regions[i].begin < regions[i].bytes) {
            last_region = i;
            return &regions[i];
        }
    return nullptr;
}

template <bool WRITE, bool ATOMIC>
inline void access(const void* at, size_t bytes, const void* code) {
    uintptr_t address = (uintptr_t)at;
    if (!running || address - ((uintptr_t)stacks + current * STACK) < STACK) return;
    if (address - image_begin < image_end - image_begin) return;
    Region* found = find(address);
    if (!found || address + bytes > found->begin + found->bytes) outside(address, code, WRITE, ATOMIC);
    Region& region = *found;
    if (WRITE && region.read_only) refuse(CONSTANT, region, address, code, WRITE, ATOMIC);
    if (!WRITE || ATOMIC)
        if (!region.shared && address % region.element == 0)
            for (size_t i = 0; i < bytes; i += region.element)
                if (poisoned(region, address + i)) refuse(UNDEFINED, region, address + i, code, WRITE, ATOMIC);
    if (region.read_only) return;
    size_t first = (address - region.begin) >> region.shift, last = (address - region.begin + bytes - 1) >> region.shift;
    for (size_t i = first; i <= last; ++i) {
        Cell& cell = region.cells[i];
        uintptr_t place = region.begin + (i << region.shift);
        if ((!WRITE || ATOMIC) && region.shared && cell.write_block != block_serial)
            refuse(UNWRITTEN, region, place, code, WRITE, ATOMIC);
        check_write_before(region, cell, place, code, WRITE, ATOMIC);
        if (WRITE) {
            check_reads_before(region, cell, place, code, ATOMIC);
            note_write(cell, (uint32_t)relative(code), ATOMIC);
        } else {
            note_read(cell, (uint32_t)relative(code));
        }
    }
}

// ---- the scheduler --------------------------------------------------------------------------------------------

void wait(State state, Place place, const void* code) {
    Fiber& fiber = fibers[current];
    fiber.state = state;
    fiber.place = place;
    fiber.code = relative(code);
    if (!_setjmp(fiber.context)) to_scheduler();
}

void entry() {
    kernel_body(argument_values);
    fibers[current].state = DONE;
    to_scheduler();
}

void step(size_t i) {
    current = i;
    threadIdx = fibers[i].index;
    if (_setjmp(scheduler)) return;
    if (fibers[i].fresh) {
        fibers[i].fresh = false;
        ucontext_t context;
        getcontext(&context);
        context.uc_stack.ss_sp = stacks + i * STACK;
        context.uc_stack.ss_size = STACK;
        context.uc_link = nullptr;
        makecontext(&context, entry, 0);
        setcontext(&context);
    }
    _longjmp(fibers[i].context, 1);
}

bool same(Place a, Place b) { return a.line == b.line && (a.file == b.file || !strcmp(a.file, b.file)); }

uint64_t reduced(Meeting kind, const Fiber* lanes, unsigned group) {
    bool first = true;
    uint32_t all = 0;
    for (unsigned lane = 0; lane < 32; ++lane) {
        if (!(group >> lane & 1)) continue;
        uint32_t x = (uint32_t)lanes[lane].value;
        if (first) all = x;
        else if (kind == ADD) all += x;
        else if (kind == AND) all &= x;
        else if (kind == OR) all |= x;
        else if (kind == XOR) all ^= x;
        else if (kind == MIN) all = (int32_t)x < (int32_t)all ? x : all;
        else if (kind == MAX) all = (int32_t)x > (int32_t)all ? x : all;
        else if (kind == UNSIGNED_MIN) all = x < all ? x : all;
        else all = x > all ? x : all;
        first = false;
    }
    return all;
}

uint64_t received(const Fiber& lane, const Fiber* lanes, unsigned group) {
    uint64_t bits = 0;
    switch (lane.kind) {
        case SYNC: return 0;
        case SHUFFLE: return lanes[lane.source].value;
        case BALLOT:
            for (unsigned q = 0; q < 32; ++q)
                if (group >> q & 1 && lanes[q].value) bits |= 1u << q;
            return bits;
        case MATCH:
            for (unsigned q = 0; q < 32; ++q)
                if (group >> q & 1 && lanes[q].value == lane.value) bits |= 1u << q;
            return bits;
        default: return reduced(lane.kind, lanes, group);
    }
}

// __syncwarp orders the memory of its lanes; a shuffle or a vote does not (CUDA C++ Programming Guide, warp shuffle
// functions: "do not imply a memory barrier").
void join(size_t warp, unsigned group) {
    uint32_t all[32] = {};
    for (unsigned lane = 0; lane < 32; ++lane) {
        if (!(group >> lane & 1)) continue;
        uint32_t* mine = seen[warp][lane];
        mine[lane] = fibers[warp * 32 + lane].clock++;
        for (unsigned q = 0; q < 32; ++q) all[q] = mine[q] > all[q] ? mine[q] : all[q];
    }
    for (unsigned lane = 0; lane < 32; ++lane)
        if (group >> lane & 1) memcpy(seen[warp][lane], all, sizeof all);
}

// Lets every complete group of lanes of the warp go on. A lane that has ended is not waited for.
bool release_warp(size_t warp) {
    Fiber* lanes = fibers + warp * 32;
    unsigned here = 0, alive = 0;
    bool any = false;
    for (unsigned lane = 0; lane < 32 && warp * 32 + lane < thread_count; ++lane) {
        if (lanes[lane].state != DONE) alive |= 1u << lane;
        if (lanes[lane].state == AT_MEETING) here |= 1u << lane;
    }
    for (unsigned lane = 0; lane < 32; ++lane) {
        if (!(here >> lane & 1)) continue;
        const Fiber& leader = lanes[lane];
        unsigned group = leader.mask & alive;
        bool complete = (group & here) == group;
        for (unsigned q = 0; q < 32 && complete; ++q)
            if (group >> q & 1)
                complete = lanes[q].mask == leader.mask && lanes[q].kind == leader.kind &&
                           (leader.kind == SYNC || same(lanes[q].place, leader.place));
        if (!complete) continue;
        for (unsigned q = 0; q < 32; ++q) {
            if (!(group >> q & 1)) continue;
            if (lanes[q].kind == SHUFFLE && !(group >> lanes[q].source & 1)) {
                current = warp * 32 + q;
                Trouble& it = begin_trouble(ABSENT_LANE, (const void*)(lanes[q].code + image_begin));
                it.numbers[0] = lanes[q].source;
                it.numbers[1] = q;
                it.mask = leader.mask;
                return false;
            }
            lanes[q].received = received(lanes[q], lanes, group);
        }
        if (leader.kind == SYNC) join(warp, group);
        for (unsigned q = 0; q < 32; ++q)
            if (group >> q & 1) lanes[q].state = READY;
        here &= ~group;
        any = true;
    }
    return any;
}

// When all threads that have not ended are at a barrier, the same one, they go on.
bool release_block() {
    const Fiber* first = nullptr;
    uint32_t latest = 0;
    int count = 0, yes = 0;
    for (size_t i = 0; i < thread_count; ++i) {
        Fiber& fiber = fibers[i];
        latest = fiber.clock > latest ? fiber.clock : latest;
        if (fiber.state == DONE) continue;
        if (fiber.state != AT_BARRIER) return false;
        ++count;
        yes += fiber.vote;
        if (!first) first = &fiber;
    }
    if (!first) return false;
    for (size_t i = 0; i < thread_count; ++i)
        if (fibers[i].state == AT_BARRIER && !same(fibers[i].place, first->place)) {
            current = i;
            Trouble& it = begin_trouble(DIVERGENCE, (const void*)(fibers[i].code + image_begin));
            describe(it.before, block_serial, (size_t)(first - fibers), first->code, false, false);
            return false;
        }
    base = latest + 1;
    block_votes[COUNT] = yes;
    block_votes[ALL] = yes == count;
    block_votes[ANY] = yes > 0;
    for (size_t i = 0; i < thread_count; ++i)
        if (fibers[i].state == AT_BARRIER) {
            fibers[i].state = READY;
            fibers[i].clock = base;
        }
    return true;
}

void tell_deadlock() {
    size_t done = 0, waiting = thread_count;
    for (size_t i = 0; i < thread_count; ++i) {
        done += fibers[i].state == DONE;
        // A warp's meeting that lacks a lane says more than the barrier at which the others wait.
        if (fibers[i].state == AT_MEETING && (waiting == thread_count || fibers[waiting].state != AT_MEETING)) waiting = i;
        if (fibers[i].state == AT_BARRIER && waiting == thread_count) waiting = i;
    }
    current = waiting;
    const Fiber& fiber = fibers[waiting];
    Trouble& it = begin_trouble(DEADLOCK, (const void*)(fiber.code + image_begin));
    it.mask = fiber.state == AT_MEETING ? fiber.mask : 0;
    it.numbers[0] = done;
    size_t warp = waiting / 32 * 32;
    for (size_t i = fiber.state == AT_MEETING ? warp : 0; i < thread_count; ++i) {
        if (fiber.state == AT_MEETING && (i >= warp + 32 || !(fiber.mask >> (i - warp) & 1))) continue;
        if (fibers[i].state == DONE || i == waiting) continue;
        if (fibers[i].state == fiber.state && fibers[i].mask == fiber.mask && same(fibers[i].place, fiber.place)) continue;
        describe(it.before, block_serial, i, fibers[i].code, false, false);
        it.numbers[1] = 1;
        break;
    }
}

unsigned warp_turn[32], lane_turn[32];

// Forward, forward, backward, backward, then shuffled. An even order lets a warp run ahead as far as it can.
void take_turns(unsigned* turns, size_t count) {
    int order = launch_now->order;
    for (size_t i = 0; i < count; ++i) turns[i] = (unsigned)(backwards() ? count - 1 - i : i);
    if (order < 4) return;
    uint64_t random = (uint64_t)order;
    for (size_t i = count; i-- > 1;) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;  // Knuth's MMIX generator
        std::swap(turns[i], turns[(random >> 33) % (i + 1)]);
    }
}

bool is(const unsigned* wanted, uint3 index) {
    return wanted[0] == index.x && wanted[1] == index.y && wanted[2] == index.z;
}

void run_block() {
    watched_thread = MOST_THREADS;  // none
    watched_block = launch_now->watch && is(launch_now->watch_block, blockIdx);
    size_t warps = (thread_count + 31) / 32;
    ++block_serial;
    patience = launch_now->patience;
    region_count = array_regions;
    arena.used = arena_of_arrays;
    cells.used = cells_of_arrays;
    shared_static = 0;
    for (size_t i = 0; i < thread_count; ++i) {
        Fiber& fiber = fibers[i];
        fiber.index = thread_index(i);
        fiber.state = READY;
        fiber.fresh = true;
        fiber.clock = base;
        if (is(launch_now->watch_thread, fiber.index)) watched_thread = i;
    }
    for (bool progress = true; progress && !failed;) {
        progress = false;
        for (size_t k = 0; k < warps; ++k) {
            size_t warp = warp_turn[k];
            bool again = true;
            while (again && !failed) {
                for (size_t j = 0; j < 32 && !failed; ++j) {
                    size_t i = warp * 32 + lane_turn[j];
                    if (i >= thread_count || fibers[i].state != READY) continue;
                    progress = true;
                    step(i);
                }
                again = !failed && release_warp(warp);
                progress |= again;
                if (launch_now->order & 1) break;
            }
        }
        if (!failed) progress |= release_block();
    }
    if (failed) return;
    for (size_t i = 0; i < thread_count; ++i) {
        base = fibers[i].clock >= base ? fibers[i].clock + 1 : base;
        if (fibers[i].state != DONE && !failed) tell_deadlock();
    }
}

void place_arrays() {
    const Launch& launch = *launch_now;
    size_t bytes = SHARED_ROOM, cell_bytes = SHARED_CELLS;
    for (int i = 0; i < launch.array_count; ++i) {
        const Array& array = launch.arrays[i];
        bytes += 2 * array.bytes + LEAST_GAP + 256;
        cell_bytes += ((array.bytes >> shift_of(array.element, launch.granule)) + 3) * sizeof(Cell);
    }
    arena.reserve(bytes);
    cells.reserve(cell_bytes);
    region_count = last_region = 0;
    for (int i = 0; i < launch.array_count; ++i) {
        const Array& array = launch.arrays[i];
        size_t gap = (LEAST_GAP + array.bytes + 63) & ~(size_t)63;
        Region& region = add_region(array.bytes, array.element, gap + array.misaligned, launch.granule);
        arena.used += 64 - array.misaligned;
        region.array = i;
        region.read_only = array.read_only;
        memcpy((void*)region.begin, array.data, array.bytes);
    }
    array_regions = region_count;
    arena_of_arrays = arena.used;
    cells_of_arrays = cells.used;
}

int find_image(dl_phdr_info* info, size_t, void*) {
    uintptr_t here = (uintptr_t)&find_image, end = 0;
    bool inside = false;
    for (int i = 0; i < info->dlpi_phnum; ++i) {
        const auto& part = info->dlpi_phdr[i];
        if (part.p_type != PT_LOAD) continue;
        uintptr_t begin = info->dlpi_addr + part.p_vaddr;
        inside |= here - begin < part.p_memsz;
        end = begin + part.p_memsz > end ? begin + part.p_memsz : end;
    }
    if (!inside) return 0;
    image_begin = info->dlpi_addr;
    image_end = end;
    return 1;
}

}  // namespace

std::uint64_t meet(Meeting kind, unsigned mask, std::uint64_t value, unsigned source, Place place) {
    const void* code = __builtin_return_address(0);
    Fiber& fiber = fibers[current];
    if (!(mask >> current % 32 & 1)) {
        Trouble& it = begin_trouble(NOT_IN_MASK, code);
        it.mask = mask;
        it.numbers[0] = current % 32;
        to_scheduler();
    }
    fiber.kind = kind;
    fiber.mask = mask;
    fiber.value = value;
    fiber.source = source;
    wait(AT_MEETING, place, code);
    return fibers[current].received;
}

int barrier(Vote vote, int predicate, Place place) {
    fibers[current].vote = predicate != 0;
    wait(AT_BARRIER, place, __builtin_return_address(0));
    return block_votes[vote];
}

unsigned lane() { return current % 32; }

void atomic(const void* address, std::size_t bytes, const void* code) { access<true, true>(address, bytes, code); }

bool watching() { return watched_block && current == watched_thread && running; }

void note(const Note& note) {
    if (note_count == note_room) {
        note_room = note_room ? 2 * note_room : 1024;
        notes = (Note*)realloc(notes, note_room * sizeof(Note));
    }
    notes[note_count++] = note;
}

// A pointer is told as an element of an array: of an argument, or of shared memory.
void note_pointer(const char* name, const void* pointer) {
    const Region* region = find((uintptr_t)pointer);
    if (!region || region->shared) return;
    note({'A', region->array, name, (uint64_t)((uintptr_t)pointer - region->begin) / region->element, 0});
}

namespace {
void* place_shared(Slot& slot, const char* name, size_t bytes, size_t element, size_t misaligned) {
    size_t gap = (LEAST_GAP + bytes + 63) & ~(size_t)63;
    Region& region = add_region(bytes, element, gap + misaligned, launch_now->granule);
    arena.used += 64 - misaligned;
    region.shared = true;
    region.array = -1;
    region.name = name;
    memset((void*)region.begin, 0xff, bytes);
    slot.begin = (void*)region.begin;
    slot.block = block_serial;
    return slot.begin;
}
}  // namespace

// An array is aligned as far as its declaration asks, and no further: a GPU may place it so too.
void* shared(Slot& slot, const char* name, std::size_t bytes, std::size_t element, std::size_t alignment) {
    if (slot.block == block_serial) return slot.begin;
    shared_static += bytes;
    if (shared_static > STATIC_LIMIT || region_count == MOST_REGIONS) {
        Trouble& it = begin_trouble(SHARED_LIMIT, __builtin_return_address(0));
        it.numbers[0] = shared_static;
        to_scheduler();
    }
    return place_shared(slot, name, bytes, element, alignment % 64);
}

void* dynamic_shared(Slot& slot, const char* name, std::size_t element) {
    return slot.block == block_serial ? slot.begin : place_shared(slot, name, launch_now->shared_bytes, element, 0);
}

int run(const Launch& launch, void (*kernel)(void**)) {
    if (!stacks) {
        dl_iterate_phdr(find_image, nullptr);
        Pages pages;
        pages.reserve(MOST_THREADS * STACK);
        stacks = pages.begin;
    }
    launch_now = &launch;
    failed = false;
    note_count = 0;
    kernel_body = kernel;
    gridDim = dim3(launch.grid[0], launch.grid[1], launch.grid[2]);
    blockDim = dim3(launch.block[0], launch.block[1], launch.block[2]);
    thread_count = (size_t)blockDim.x * blockDim.y * blockDim.z;
    block_count = (uint64_t)gridDim.x * gridDim.y * gridDim.z;
    first_serial = block_serial + 1;
    if (!base) base = 1;
    place_arrays();
    take_turns(warp_turn, (thread_count + 31) / 32);
    take_turns(lane_turn, 32);
    for (int i = 0; i < launch.argument_count; ++i) {
        const Argument& argument = launch.arguments[i];
        static void* pointers[64];
        argument_values[i] = argument.value;
        if (argument.array < 0) continue;
        pointers[i] = (char*)regions[argument.array].begin + argument.offset;
        argument_values[i] = &pointers[i];
    }
    running = true;
    for (uint64_t i = 0; i < block_count && !failed; ++i) {
        blockIdx = block_index(backwards() ? block_count - 1 - i : i);
        run_block();
    }
    running = false;
    for (int i = 0; i < launch.array_count; ++i)
        if (!launch.arrays[i].read_only) memcpy(launch.arrays[i].data, (void*)regions[i].begin, launch.arrays[i].bytes);
    fflush(stdout);
    return failed;
}

}  // namespace emulator

// ---- what g++ -fsanitize=… calls --------------------------------------------------------------------------------

using emulator::access;

extern "C" {

#define HERE __builtin_return_address(0)
#define ACCESSES(n)                                                                            \
    void __tsan_read##n(void* p) { access<false, false>(p, n, HERE); }                         \
    void __tsan_write##n(void* p) { access<true, false>(p, n, HERE); }                         \
    void __tsan_unaligned_read##n(void* p) { access<false, false>(p, n, HERE); }               \
    void __tsan_unaligned_write##n(void* p) { access<true, false>(p, n, HERE); }               \
    void __tsan_volatile_read##n(void* p) { access<false, false>(p, n, HERE); }                \
    void __tsan_volatile_write##n(void* p) { access<true, false>(p, n, HERE); }                \
    void __tsan_unaligned_volatile_read##n(void* p) { access<false, false>(p, n, HERE); }      \
    void __tsan_unaligned_volatile_write##n(void* p) { access<true, false>(p, n, HERE); }
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)
void __tsan_read_range(void* p, std::size_t n) { access<false, false>(p, n, HERE); }
void __tsan_write_range(void* p, std::size_t n) { access<true, false>(p, n, HERE); }
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}

void __sanitizer_cov_trace_pc() {
    if (!emulator::running || --emulator::patience) return;
    emulator::begin_trouble(emulator::ENDLESS, HERE);
    emulator::to_scheduler();
}

// The layout of these is part of GCC's and Clang's interface to libubsan.
struct Source {
    const char* file;
    std::uint32_t line, column;
};
struct Type {
    std::uint16_t kind, info;
    char name[1];
};
struct OutOfBounds {
    Source source;
    Type *array, *index;
};
struct Mismatch {
    Source source;
    Type* type;
    unsigned char log_alignment, check;
};

void __ubsan_handle_out_of_bounds(OutOfBounds* data, std::uintptr_t index) {
    auto& it = emulator::begin_trouble(emulator::BOUNDS, HERE);
    it.index = (long long)(int)index;
    snprintf(it.text, sizeof it.text, "%s", data->array->name);
    emulator::to_scheduler();
}

void __ubsan_handle_type_mismatch_v1(Mismatch* data, std::uintptr_t address) {
    auto& it = emulator::begin_trouble(emulator::MISALIGNED, HERE);
    it.numbers[0] = (std::uint64_t)1 << data->log_alignment;
    it.numbers[1] = address;
    snprintf(it.text, sizeof it.text, "%s", data->type->name);
    emulator::to_scheduler();
}

void __ubsan_handle_divrem_overflow(void*, std::uintptr_t, std::uintptr_t) {
    emulator::begin_trouble(emulator::DIVISION, HERE);
    emulator::to_scheduler();
}

#define EXPORT __attribute__((visibility("default")))
EXPORT const emulator::Trouble* emulator_trouble() { return &emulator::trouble; }
EXPORT const emulator::Note* emulator_notes() { return emulator::notes; }
EXPORT std::size_t emulator_note_count() { return emulator::note_count; }

}  // extern "C"
