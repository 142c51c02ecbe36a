// Documents between reading and tokenising: as they will be trained on, in files of zstd-compressed records.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "data/dataset.h"

namespace plumb::data {

struct StoredDocument {
  uint32_t file = 0;  // in Plan::files
  uint64_t line = 0;  // 0: the file is the document
  std::string language, domain;
  std::string text;  // or messages
  std::vector<Message> messages;
};

void append_document(std::string& out, const StoredDocument& document);

class StoredWriter {
 public:
  explicit StoredWriter(const std::filesystem::path& file);
  ~StoredWriter();                         // without commit() nothing stays
  void write(std::string_view documents);  // as append_document makes them
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The documents of a file in order. A damaged file is an Error(bad_input) naming it.
class StoredReader {
 public:
  explicit StoredReader(const std::filesystem::path& file);
  ~StoredReader();
  bool next(StoredDocument& document);  // false at the end
  bool skip();                          // passes over one

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::data
