// Options of AddressSanitizer for the fuzzers: freed memory is used again after 16 MB, which many inputs take
// to free, and is not given back to the kernel. By default the processor clears and fetches ever new memory.
extern "C" const char* __asan_default_options();   // NOLINT
extern "C" const char* __asan_default_options() {  // NOLINT
    return "quarantine_size_mb=16:allocator_release_to_os_interval_ms=-1:malloc_context_size=5";
}
