// Between reading and tokenising: documents as they will be trained on, in files of zstd-compressed records.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "core/files.h"
#include "data/dataset.h"

namespace plumb::data {

struct StoredDocument {
  uint32_t file = 0;  // in Plan::files
  uint64_t line = 0;  // 0: the file is the document
  std::string language, domain;
  std::string text;  // or messages
  std::vector<Message> messages;
};

// Where the documents of a file stand in their sources, to be looked up by number: a file of its own.
struct StoredPlace {
  uint32_t file = 0;
  uint64_t line = 0;
};
void append_place(std::string& out, const StoredPlace& place);

class PlaceReader {
 public:
  explicit PlaceReader(const std::filesystem::path& file);
  StoredPlace at(uint64_t document) const;  // Error(bad_input) where the file is damaged or ends before

 private:
  core::MappedFile file_;
};

// "file:line", or "file" where the file is the document.
std::string place_name(const std::string& file, uint64_t line);

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
  bool skip(StoredDocument& document);  // passes over one: only file and line are set

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::data
