// A folder that goes away with the test, and the requests that most tests share.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "core/error.h"
#include "data/dataset.h"

namespace plumb::data {

// The whole printed error of what should fail.
template <class F>
std::string printed_error(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

class DataTest : public ::testing::Test {
 protected:
  DataTest() {
    folder_ = std::filesystem::temp_directory_path() /
              ("plumb-data-" + std::to_string(::getpid()) + "-" + std::to_string(std::random_device()()));
    std::filesystem::create_directories(folder_);
  }
  ~DataTest() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, std::string_view content) const {
    const auto path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }
  static std::string slurp(const std::filesystem::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static config::Source source(const std::string& path, const std::string& format = "text") {
    config::Source source;
    source.path = path, source.format = format;
    return source;
  }
  static BuildRequest request(std::vector<config::Source> sources, int64_t sequence_length,
                              const std::string& packing = "concat") {
    BuildRequest request;
    request.sources = std::move(sources);
    request.sequence_length = sequence_length;
    request.packing = packing, request.too_long = "drop", request.loss_on = "answers";
    return request;
  }
  template <class F>
  static std::string error_of(F&& f) {
    return printed_error(std::forward<F>(f));
  }

  std::filesystem::path folder_;
};

}  // namespace plumb::data
