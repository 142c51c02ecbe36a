// Files that are one document: how their text comes out.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "data/source/source.h"

namespace plumb::data {

struct Document {
  std::string text;                           // line ends are \n
  std::map<std::string, int64_t> left_out;    // bytes by kind, as in Record
  std::optional<uint64_t> invalid_utf8 = {};  // as in Record
};

// Error(bad_input) when the file is damaged, too large or holds no text; the caller sets such a file aside.
Document read_document(const std::filesystem::path& file, Container container, uint64_t& consumed);

// The parts, apart for tests.
Document plain_document(std::string bytes);
Document markdown_document(std::string bytes);  // front matter between --- or +++ lines at the top goes, the rest stays
Document html_document(std::string_view bytes);
Document pdf_document(const std::filesystem::path& file);

// "" when pdftotext is there, else why a PDF cannot be read.
std::string pdf_unavailable();
// "pdftotext version 22.12.0": what becomes of a PDF depends on it.
std::string pdf_reader();

}  // namespace plumb::data
