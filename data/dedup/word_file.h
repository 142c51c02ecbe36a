// A file of 64-bit numbers that knows what it belongs to: the results of deduplication between its steps.
//
//   header  64 bytes: magic, kind, identity of what it was made from, numbers, a note of the writer, checksum
//   chunk   up to 65,536 numbers, then 8 bytes of XXH3 that know the chunk's place
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace plumb::data {

enum class WordKind : uint64_t { edges = 1, verdicts = 2, clusters = 3, repeats = 4, survivors = 5 };

class WordWriter {
 public:
  WordWriter(const std::filesystem::path& file, WordKind, uint64_t identity);
  ~WordWriter();  // without commit() nothing stays
  void add(uint64_t word);
  void commit(uint64_t note = 0);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Errors name the file. made_from() asks whether it is there, whole in size and of this identity, without an Error.
class WordReader {
 public:
  WordReader(const std::filesystem::path& file, WordKind, uint64_t identity);
  ~WordReader();
  static bool made_from(const std::filesystem::path& file, WordKind, uint64_t identity);
  uint64_t words() const;
  uint64_t note() const;
  // The next chunk, verified; false at the end.
  bool next(std::vector<uint64_t>& words);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::data
