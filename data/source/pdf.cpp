// Text of a PDF by poppler's pdftotext, in a process of its own: what a PDF can do to a reader stays there. Reading
// order (no -layout, no -raw): columns are read one after the other and words hyphenated at a line's end are joined
// again.
#include <algorithm>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/error.h"
#include "data/source/child.h"
#include "data/source/documents.h"
#include "data/source/pdf_pages.h"
#include "data/source/rows.h"

namespace plumb::data {

namespace {

// From the child's standard error "Syntax Error: Couldn't find trailer dictionary\n..." the last line that says why,
// without what it quotes of the file.
std::string reason_of(const std::string& errors) {
  std::string reason;
  for (size_t at = 0; at < errors.size();) {
    const size_t end = std::min(errors.find('\n', at), errors.size());
    const std::string line = errors.substr(at, end - at);
    if (!line.empty() && line.find("Warning") == std::string::npos) reason = line;
    at = end + 1;
  }
  reason = reason.substr(0, std::min<size_t>(160, reason.find(" '")));
  return reason.empty() || !valid_utf8(reason) ? "no reason given" : reason;
}

void check(const std::string& name, const ChildResult& result, const ChildLimits& limits) {
  using End = ChildResult::End;
  if (result.end == End::too_slow) {
    fail_input(name, "pdftotext took more than " + std::to_string(static_cast<int>(limits.seconds)) +
                         " s of processor time, or waited for an hour");
  }
  if (result.end == End::too_much_output) {
    fail_input(name, "expected at most " + std::to_string(limits.output >> 20) + " MiB of text, found more");
  }
  if (result.end == End::signalled) {
    fail_input(name, "pdftotext was ended by signal " + std::to_string(result.status) + " (damaged, or more than " +
                         std::to_string(limits.memory >> 30) + " GiB of memory needed)");
  }
  if (result.status == 3) fail_input(name, "the PDF forbids copying its text");
  if (result.status != 0) {
    if (result.errors.find("ncorrect password") != std::string::npos) {
      fail_input(name, "the PDF is encrypted and needs a password", "qpdf --decrypt --password=... opens it");
    }
    fail_input(name, "not a readable PDF: " + reason_of(result.errors));
  }
}

}  // namespace

std::string pdf_unavailable() {
  static const bool there = !find_program("pdftotext").empty();
  return there ? "" : "reading .pdf needs the program pdftotext, which is not in PATH";
}

std::string pdf_reader() {
  const auto told = run_child(find_program("pdftotext"), {"-v"}, ChildLimits());
  return told.errors.substr(0, std::min<size_t>(100, told.errors.find('\n')));
}

Document pdf_document(const std::filesystem::path& file) {
  static const std::string program = find_program("pdftotext");
  const ChildLimits limits;
  // An absolute path: a name that begins with "-" would be an option.
  const auto result =
      run_child(program, {"-enc", "UTF-8", "-eol", "unix", std::filesystem::absolute(file).string(), "-"}, limits);
  check(file.string(), result, limits);
  Document document = join_pages(result.output);
  if (document.text.find_first_not_of(" \t\n") == std::string::npos) {
    fail_input(file.string(), "the PDF holds no text (scanned pages?)", "ocrmypdf adds the text of scanned pages");
  }
  if (!valid_utf8(document.text)) fail_input(file.string(), "pdftotext gave text that is no UTF-8");
  return document;
}

}  // namespace plumb::data
