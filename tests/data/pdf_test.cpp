// PDF through pdftotext in a child process: reading order, repeated lines, everything that can go wrong with a file.
#include <sys/resource.h>

#include <chrono>

#include "data/source/child.h"
#include "data/source/documents.h"
#include "data/source/pdf_pages.h"
#include "data/source/source.h"
#include "data_files.h"

namespace plumb::data {
namespace {

class PdfTest : public DataTest {
 protected:
  void SetUp() override {
    if (find_program("pdftotext").empty()) GTEST_SKIP() << "pdftotext is not installed";
  }
  std::string error(const std::string& path) {
    return error_of([&] { pdf_document(path); });
  }
};

// A PDF by hand: one page a list of lines, each at its height.
std::string pdf(const std::vector<std::vector<std::string>>& pages, const std::string& trailer = "") {
  std::vector<std::string> objects = {"<< /Type /Catalog /Pages 2 0 R >>", ""};
  objects.push_back("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
  std::string kids;
  for (const auto& lines : pages) {
    std::string stream = "BT /F1 12 Tf 72 720 Td 14 TL\n";
    for (const auto& line : lines) stream += "(" + line + ") Tj T*\n";
    stream += "ET";
    objects.push_back("<< /Length " + std::to_string(stream.size()) + " >>\nstream\n" + stream + "\nendstream");
    kids += std::to_string(objects.size() + 1) + " 0 R ";
    objects.push_back("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents " +
                      std::to_string(objects.size()) + " 0 R /Resources << /Font << /F1 3 0 R >> >> >>");
  }
  objects[1] = "<< /Type /Pages /Kids [" + kids + "] /Count " + std::to_string(pages.size()) + " >>";
  std::string out = "%PDF-1.4\n", table;
  for (size_t i = 0; i < objects.size(); ++i) {
    char line[32];
    std::snprintf(line, sizeof line, "%010zu 00000 n \n", out.size());
    table += line;
    out += std::to_string(i + 1) + " 0 obj\n" + objects[i] + "\nendobj\n";
  }
  const size_t at = out.size();
  out += "xref\n0 " + std::to_string(objects.size() + 1) + "\n0000000000 65535 f \n" + table + "trailer\n<< /Size " +
         std::to_string(objects.size() + 1) + " /Root 1 0 R " + trailer + " >>\nstartxref\n" + std::to_string(at) +
         "\n%%EOF\n";
  return out;
}

TEST_F(PdfTest, TextInReadingOrder) {
  const auto file = write("a.pdf", pdf({{"A first line of text", "and a hyphen-", "ated word."}, {"Second page."}}));
  EXPECT_EQ(pdf_document(file).text, "A first line of text\nand a hyphenated word.\nSecond page.\n");
  std::vector<Record> records;
  read_source(source(file), true, [&](Record&& record) { records.push_back(std::move(record)); }, {});
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].where, file);
}

TEST_F(PdfTest, ItsReaderHasAVersion) { EXPECT_THAT(pdf_reader(), testing::MatchesRegex("pdftotext version [0-9.]+")); }

TEST_F(PdfTest, RunningTitlesAndPageNumbersGo) {
  std::vector<std::vector<std::string>> pages;
  for (int i = 1; i <= 5; ++i) {
    pages.push_back({"Annual report", "Content of page " + std::string(static_cast<size_t>(i), 'x'), "More text",
                     "Page " + std::to_string(i + 8) + " of 13"});
  }
  const auto document = pdf_document(write("b.pdf", pdf(pages)));
  EXPECT_EQ(document.text.find("Annual report"), std::string::npos);
  EXPECT_EQ(document.text.find(" of 13"), std::string::npos);
  EXPECT_THAT(document.text, testing::StartsWith("Content of page x\nMore text\n"));
  EXPECT_GT(document.left_out.at("pdf.repeated_lines"), 5 * 20);
}

TEST(PdfPages, OnlyEdgesOfMostPages) {
  EXPECT_EQ(join_pages("Same\n\na\fSame\n\nb\f").text, "Same\n\na\nSame\n\nb\n");  // two pages prove nothing
  EXPECT_EQ(join_pages("T\na\nx\ny\nz\f T\nb\nx\nq\nz2\fT\nc\nx\nr\nz3\f").text.find('T'), std::string::npos);
  EXPECT_EQ(join_pages("").text, "");
  EXPECT_EQ(join_pages("\f\f\n\n\f").text, "");
}

TEST_F(PdfTest, WhatCannotBeReadIsNamed) {
  EXPECT_THAT(error(write("no.pdf", "this is no PDF")), testing::HasSubstr("not a readable PDF"));
  EXPECT_THAT(error(write("empty.pdf", "")), testing::HasSubstr("not a readable PDF"));
  EXPECT_THAT(error(write("image.pdf", pdf({{}}))), testing::HasSubstr("holds no text"));
  const std::string whole = pdf({{"text"}});
  const auto locked = pdf({{"text"}}, "/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <" + std::string(64, 'A') +
                                          "> /U <" + std::string(64, 'B') + "> >> /ID [<00> <00>]");
  EXPECT_THAT(error(write("locked.pdf", locked)), testing::HasSubstr("encrypted"));
  // One quarantined record of a folder, and the others are read.
  write("d/a.pdf", whole), write("d/b.pdf", "junk"), write("d/c.txt", "c");
  std::vector<std::string> malformed;
  size_t records = 0;
  read_source(
      source(folder_ / "d"), false, [&](Record&&) { ++records; },
      [&](const std::string& where, const std::string& reason) { malformed.push_back(where + ": " + reason); });
  EXPECT_EQ(records, 2u);
  ASSERT_EQ(malformed.size(), 1u);
  EXPECT_THAT(malformed[0], testing::HasSubstr("d/b.pdf: not a readable PDF"));
}

TEST_F(PdfTest, AnyDamageIsSurvived) {
  const std::string whole = pdf({{"one line", "two lines"}, {"page two"}});
  std::mt19937 random(3);
  for (int round = 0; round < 40; ++round) {
    std::string damaged = whole;
    for (int i = 0; i < 8; ++i) damaged[random() % damaged.size()] = static_cast<char>(random());
    if (round % 4 == 0) damaged.resize(random() % damaged.size());
    error(write("damaged.pdf", damaged));
  }
}

TEST(Child, LimitsHold) {
  ChildLimits limits;
  limits.patience = 0.5;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(run_child("/bin/sh", {"-c", "sleep 30 & sleep 30"}, limits).end, ChildResult::End::too_slow);
  EXPECT_EQ(run_child("/bin/sh", {"-c", "exec >&- 2>&-; sleep 30"}, limits).end, ChildResult::End::too_slow);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
  limits.patience = 20, limits.seconds = 1, limits.output = 1000;
  EXPECT_EQ(run_child("/bin/sh", {"-c", "while :; do echo text; done"}, limits).end, ChildResult::End::too_much_output);
  EXPECT_EQ(run_child("/bin/sh", {"-c", "while :; do :; done"}, limits).end, ChildResult::End::too_slow);
  limits.memory = uint64_t{64} << 20;
  const auto starved = run_child("/bin/sh", {"-c", "x=text; while :; do x=$x$x; done"}, limits);
  EXPECT_TRUE(starved.end == ChildResult::End::signalled || starved.status != 0);
  limits = {};
  const auto fine =
      run_child("/bin/sh", {"-c", "echo out; echo err >&2; read x; echo \"<$x>$SECRET\"; exit 7"}, limits);
  EXPECT_EQ(fine.end, ChildResult::End::exited);
  EXPECT_EQ(fine.status, 7);
  EXPECT_EQ(fine.output, "out\n<>\n");
  EXPECT_EQ(fine.errors, "err\n");
  EXPECT_EQ(run_child("/bin/sh", {"-c", "echo x >/dev/shm/$$ && rm /dev/shm/$$"}, limits).status == 0,
            false);  // writes no file
  EXPECT_EQ(run_child("/nonexistent/program", {}, limits).status, 127);
}

// Files of this process that are open stay its own.
TEST(Child, SeesNoOpenFiles) {
  const auto result = run_child("/bin/sh", {"-c", "ls /proc/self/fd | wc -l"}, {});
  EXPECT_LE(std::stoi(result.output), 4);
}

}  // namespace
}  // namespace plumb::data
