// Seen by every unit: made once per build tree without ATen, and as a part of aten_pch.h for the units that see it.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

// Compiled once, in core/json.cpp, and not in every unit.
extern template class nlohmann::basic_json<nlohmann::ordered_map>;
