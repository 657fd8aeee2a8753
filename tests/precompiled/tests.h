// What most tests include and takes longest to read: precompiled once for all of them (tests/meson.build).
// A test includes what it uses all the same: it must compile without this (-Db_pch=false).
// No "#pragma once": nothing includes this file, it is compiled.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
