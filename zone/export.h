// Which names the shared library shows: those in namespaces opened with ZONEBRIDGE_PUBLIC. All else
// is compiled with hidden visibility.
//
// Threads: none.
// Ownership: none.
#pragma once

#if defined(__GNUC__)
#define ZONEBRIDGE_PUBLIC [[gnu::visibility("default")]]
#else
#define ZONEBRIDGE_PUBLIC
#endif
