// What a kernel calls after each statement when one of its threads is watched (trace.py), inside namespace emulator.
#pragma once

#ifdef EMULATOR_TRACE

template <class V>
__attribute__((no_sanitize("thread"))) inline void told(const char* name, V value) {
    if (!*name) return;
    if constexpr (std::is_pointer_v<V>) note_pointer(name, value);
    else if constexpr (code_of<V>() != 's') note({code_of<V>(), 0, name, pack(value), 0});
}

inline void all_told() {}
template <class V, class... More>
inline void all_told(const char* name, V value, More... more) {
    told(name, value);
    all_told(more...);
}

// `line(7, "x", x)`: the statement of number 7 is done, and x has this value.
template <class... Values>
inline void line(int number, Values... values) {
    if (!watching()) return;
    all_told(values...);
    note({'L', number, nullptr, 0, 0});
}

template <class... Values>
inline bool condition(int number, const char* text, bool holds, Values... values) {
    line(number, values..., text, holds);
    return holds;
}

template <class V>
inline V returned(int number, V value) {
    line(number, "return", value);
    return value;
}

template <class V>
inline V exchanged(const char* name, V given, V got, unsigned source) {
    static char gives[64] = {code_of<V>(), ' '}, receives[2] = {code_of<V>()};
    if (!gives[2]) strncpy(gives + 2, name, 61);
    if (watching()) {
        note({'G', 0, gives, pack(given), 0});
        note({'R', 0, receives, pack(got), source});
    }
    return got;
}

inline void waited(const char* name) {
    if (watching()) note({'W', 0, name, 0, 0});
}

#else

template <class V>
EMULATOR_INLINE V exchanged(const char*, V, V got, unsigned) { return got; }
EMULATOR_INLINE void waited(const char*) {}

#endif
