// A small model's state cut over any number of ranks, whose values follow from their place.
#pragma once

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "parallel/checks.h"
#include "tests/parallel/ranks.h"
#include "trainer/checkpoint/checkpoint.h"

namespace plumb::checkpoint {

namespace fs = std::filesystem;
using parallel::CommunicatorPtr;
using parallel::run_ranks;

class Folder {
 public:
  Folder() {
    std::string pattern = (fs::temp_directory_path() / "plumb-checkpoint-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~Folder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  Folder(const Folder&) = delete;
  operator const fs::path&() const { return path_; }
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

struct Shape {
  std::string name;
  std::vector<int64_t> extents;
};

inline const std::vector<Shape>& model_shapes() {
  static const std::vector<Shape> shapes = {
      {"embedding.weight", {37, 8}}, {"blocks.0.attention.q_proj.weight", {8, 8}}, {"final_norm.weight", {8}}};
  return shapes;
}

// Element i of a tensor at a step: known without any file.
inline float value_of(const std::string& key, int64_t step, int64_t index) {
  return static_cast<float>(std::hash<std::string>{}(key) % 1000) + static_cast<float>(step) * 0.5f +
         static_cast<float>(index) / 1024;
}

inline engine::StateRegistry make_state(int rank, int ranks, int64_t step, int64_t repeat = 1) {
  engine::StateRegistry state;
  for (const Shape& shape : model_shapes()) {
    std::vector<int64_t> extents = shape.extents;
    extents[0] *= repeat;
    int64_t elements = 1;
    for (const int64_t extent : extents) elements *= extent;
    // Uneven on purpose: rank r of n owns [e r / n, e (r + 1) / n), and small tensors belong to the last rank alone.
    int64_t begin = elements * rank / ranks, end = elements * (rank + 1) / ranks;
    if (elements < 16) begin = rank + 1 == ranks ? 0 : elements, end = elements;
    if (begin == end) continue;
    for (const char* role : {"weight", "adamw.m", "adamw.v"}) {
      engine::StatePart part{shape.name, role, extents, begin, end, at::empty({end - begin}, at::kFloat)};
      for (int64_t i = begin; i < end; ++i) part.data.data_ptr<float>()[i - begin] = value_of(part.key(), step, i);
      state.parts.push_back(std::move(part));
    }
  }
  state.values = {{"progress", {{"step", step}}}, {"loader", {{"seed", 42}, {"row", 12345678901234}}}};
  return state;
}

inline void expect_state(const engine::StateRegistry& state, int64_t step) {
  for (const engine::StatePart& part : state.parts) {
    for (int64_t i = part.begin; i < part.end; ++i) {
      ASSERT_EQ(part.data.data_ptr<float>()[i - part.begin], value_of(part.key(), step, i)) << part.key() << " " << i;
    }
  }
  EXPECT_EQ(state.values["progress"]["step"], step);
}

inline void save_on(const fs::path& run, int ranks, int64_t step, int64_t repeat = 1) {
  run_ranks(ranks, [&](CommunicatorPtr c) {
    save(run, step, make_state(c->rank(), c->size(), step, repeat), {{"lora", nullptr}, {"note", "é \" \\ 1e-3"}}, *c,
         true);
  });
}

inline void load_on(const Manifest& manifest, int ranks, int64_t step, int64_t repeat = 1) {
  run_ranks(ranks, [&](CommunicatorPtr c) {
    engine::StateRegistry state = make_state(c->rank(), c->size(), -1, repeat);
    bool told = false;
    state.after_load = [&] { told = true; };
    load(manifest, state, *c);
    EXPECT_TRUE(told);
    expect_state(state, step);
  });
}

inline std::string read_all(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void write_all(const fs::path& file, const std::string& content) {
  std::ofstream(file, std::ios::binary) << content;
}

// What the Error of `call` says; "nothing" when there is none.
inline std::string refusal(const std::function<void()>& call, ExitCode code = ExitCode::bad_input) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  return "nothing";
}

}  // namespace plumb::checkpoint
