// Marks the names that the shared library exports: those in namespaces between
// ZONEBRIDGE_BEGIN_PUBLIC and ZONEBRIDGE_END_PUBLIC. Everything else is compiled with hidden
// visibility.
#pragma once

// Not an attribute of the namespace: Clang loses that attribute where a function is defined.
#if defined(__GNUC__)
#define ZONEBRIDGE_BEGIN_PUBLIC _Pragma("GCC visibility push(default)")
#define ZONEBRIDGE_END_PUBLIC _Pragma("GCC visibility pop")
#else
#define ZONEBRIDGE_BEGIN_PUBLIC
#define ZONEBRIDGE_END_PUBLIC
#endif
