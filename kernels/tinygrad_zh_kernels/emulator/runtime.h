// What the emulated CUDA (cuda.h) asks of the runtime (runtime.cpp), and what Python asks of both.
#pragma once
#include <cstddef>
#include <cstdint>

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

extern dim3 gridDim, blockDim;
extern uint3 blockIdx, threadIdx;

namespace emulator {

// Where a barrier or a warp's exchange stands in the source: two threads meet only at the same place.
struct Place {
    const char* file;
    int line;
};

enum Meeting { SYNC, SHUFFLE, BALLOT, MATCH, ADD, MIN, MAX, UNSIGNED_MIN, UNSIGNED_MAX, AND, OR, XOR };

// All lanes of `mask` meet; returns what this lane receives: lane `source`'s value, the votes, or the reduction.
std::uint64_t meet(Meeting kind, unsigned mask, std::uint64_t value, unsigned source, Place place);

enum Vote { NONE, COUNT, ALL, ANY };
int barrier(Vote vote, int predicate, Place place);

unsigned lane();

// Tells the checker of an atomic access; the access itself follows at once.
void atomic(const void* address, std::size_t bytes, const void* code);

// The place in memory of a __shared__ array; `slot` is the declaration's own and remembers it while a block runs.
struct Slot {
    void* begin = nullptr;
    std::uint32_t block = 0;
};
void* shared(Slot& slot, const char* name, std::size_t bytes, std::size_t element, std::size_t alignment);
void* dynamic_shared(Slot& slot, const char* name, std::size_t element);

// One array that the launch may touch. Python fills it in; overlapping arrays are one.
struct Array {
    void* data;
    std::size_t bytes;
    std::size_t element;
    std::size_t misaligned;  // bytes beyond a multiple of 64, where the array stands on the device
    int read_only;
};

// An argument: a place in an array, or where a value stands.
struct Argument {
    int array;  // -1: a value
    std::size_t offset;
    void* value;
};

struct Launch {
    unsigned grid[3], block[3];
    std::size_t shared_bytes;
    int order;
    std::size_t granule;     // the smallest type in memory: races are told apart to this many bytes
    int watch;               // one thread is watched: this one, of this block
    unsigned watch_block[3], watch_thread[3];
    std::uint64_t patience;  // basic blocks that one block may run
    int array_count, argument_count;
    Array* arrays;
    Argument* arguments;
};

// What the watched thread did; see trace.py.
struct Note {
    char kind;
    int number;
    const char* name;
    std::uint64_t bits, other;
};
bool watching();
void note(const Note& note);
void note_pointer(const char* name, const void* pointer);

// What went wrong, for Python to say it. `code` is an address relative to the library.
struct Access {
    unsigned block[3], thread[3];
    std::uint64_t code;
    int write, atomic;
};

struct Trouble {
    int kind;  // see report.py
    Access now, before;
    int array;        // an argument's array, or -1
    char name[64];    // of a shared array
    long long index;  // of the element
    std::uint64_t length;
    unsigned mask;
    std::uint64_t numbers[2];
    char text[128];
};

int run(const Launch& launch, void (*kernel)(void** arguments));

}  // namespace emulator
