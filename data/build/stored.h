// Between reading and tokenising: documents as they will be trained on, in files of zstd-compressed records, and the
// malformed rows, as lines of quarantine.jsonl.
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

// A line of quarantine.jsonl, and how it is said in a message.
std::string malformed_line(const std::string& where, const std::string& reason);
std::string malformed_said(const std::string& line);
// The first `rows` lines of a file that a build wrote, until `take` gives false.
void read_malformed(const std::filesystem::path& file, int64_t rows,
                    const std::function<bool(const std::string& line)>& take);
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
  bool skip();                          // passes over one

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace plumb::data
