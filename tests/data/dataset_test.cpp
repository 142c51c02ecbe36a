// From sources to batches and back: nothing lost, nothing leaking over seams, every damage found.
#include <fmt/format.h>
#include <sys/wait.h>

#include <map>
#include <set>
#include <thread>

#include "data/shards/reader.h"
#include "data_files.h"
#include "fake_tokenizer.h"

namespace plumb::data {
namespace {

namespace fs = std::filesystem;

class DatasetTest : public DataTest {
 protected:
  DatasetPtr build(const BuildRequest& request) {
    return Dataset::open(Dataset::build(request, tokenizer_, *chat_, folder_ / "cache"));
  }
  // `count` documents of different lengths and contents.
  std::string lines(int count, int longest = 60) {
    std::string out;
    for (int i = 0; i < count; ++i) {
      out += nlohmann::json{{"text", fmt::format("{} {}", i, std::string(1 + i * 37 % longest, char('a' + i % 26)))}}
                 .dump() +
             "\n";
    }
    return write("lines.jsonl", out);
  }
  std::string talks(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) {
      out += nlohmann::json{{"prompt", fmt::format("question {}{}", i, std::string(i % 23, 'q'))},
                            {"completion", std::string(1 + i % 17, 'a')}}
                 .dump() +
             "\n";
    }
    return write("talks.jsonl", out);
  }
  FakeTokenizer tokenizer_;
  ChatTemplatePtr chat_ = chat_template("plain", "", tokenizer_);
};

// Every trained (document, token) pair exactly once over all rows; checks the Batch contract on the way.
std::multiset<std::pair<uint64_t, std::string>> check_batch(const Batch& batch, const Tokenizer& tokenizer) {
  std::multiset<std::pair<uint64_t, std::string>> trained;
  const auto tokens = static_cast<size_t>(batch.tokens());
  EXPECT_EQ(batch.ids.size(), tokens);
  EXPECT_EQ(batch.labels.size(), tokens);
  EXPECT_EQ(batch.loss_weight.size(), tokens);
  EXPECT_EQ(batch.positions.size(), tokens);
  EXPECT_EQ(batch.doc_offsets.front(), 0);
  EXPECT_EQ(batch.doc_offsets.back(), batch.tokens());
  EXPECT_EQ(batch.sample_ids.size() + 1, batch.doc_offsets.size());
  std::set<int32_t> offsets(batch.doc_offsets.begin(), batch.doc_offsets.end());
  EXPECT_EQ(offsets.size(), batch.doc_offsets.size());
  for (int64_t row = 0; row < batch.rows; ++row)
    EXPECT_TRUE(offsets.count(static_cast<int32_t>(row * batch.sequence_length)));
  for (size_t d = 0; d + 1 < batch.doc_offsets.size(); ++d) {
    EXPECT_LT(batch.doc_offsets[d], batch.doc_offsets[d + 1]);
    for (int32_t t = batch.doc_offsets[d]; t < batch.doc_offsets[d + 1]; ++t) {
      const auto at = static_cast<size_t>(t);
      EXPECT_EQ(batch.positions[at], t - batch.doc_offsets[d]);
      EXPECT_EQ(batch.labels[at] == kNoLabel, batch.loss_weight[at] == 0);
      if (batch.labels[at] == kNoLabel) continue;
      EXPECT_NE(batch.sample_ids[d], ~uint64_t{0});
      // Inside a segment the label is the next id; at its end it is a token of the same document elsewhere.
      if (t + 1 < batch.doc_offsets[d + 1]) {
        EXPECT_EQ(batch.labels[at], batch.ids[at + 1]);
      }
      trained.insert({batch.sample_ids[d], tokenizer.token_bytes(batch.labels[at])});
    }
  }
  return trained;
}

TEST_F(DatasetTest, ShakespeareLikeSingleDocument) {
  const std::string text(1000, 'x');
  const auto file = write("one.txt", text);
  const auto all = build(request({source(file)}, 64));
  EXPECT_EQ(all->documents(), 1);
  EXPECT_EQ(all->tokens(), 1001);
  EXPECT_EQ(all->rows(), 16);  // 1000 labels in rows of 64
  const RowStream stream(all, nullptr, 64, {.seed = 1, .shuffle = false});
  const auto batch = stream.batch(0, 16);
  check_batch(batch, tokenizer_);
  EXPECT_EQ(batch.doc_offsets.size(), 16u + 2);  // one segment a row, padding in the last
  EXPECT_EQ(batch.labels[63], 'x');              // a row's last position has the next row's first token as label
  const auto labels = std::count_if(batch.labels.begin(), batch.labels.end(), [](int32_t l) { return l != kNoLabel; });
  EXPECT_EQ(labels, 1000);
  EXPECT_EQ(all->report().trained_tokens, 1000);
}

TEST_F(DatasetTest, FewTextsAreHeldOutByTheirTails) {
  std::string text;
  for (int i = 0; i < 500; ++i) text += fmt::format("{:03} ", i);
  auto ask = request({source(write("one.txt", text))}, 64);
  ask.validation_share = 0.1;
  const auto train = build(ask);
  ask.validation = true;
  const auto validation = build(ask);
  EXPECT_EQ(train->tokens() + validation->tokens(), 2001);
  EXPECT_EQ(validation->tokens(), 201);
  EXPECT_EQ(tokenizer_.decode(validation->sample(0).ids, true), text.substr(1800));
  EXPECT_EQ(tokenizer_.decode(train->sample(0).ids, true), text.substr(0, 1800));
  EXPECT_EQ(train->sample(0).ids.back(), ' ');  // goes on in the other part: no end token
  EXPECT_EQ(train->report().held_out_by, "tail of each document");
  EXPECT_NE(train->digest(), validation->digest());
}

TEST_F(DatasetTest, ManyDocumentsAreHeldOutByHash) {
  auto ask = request({source(lines(400))}, 32);
  ask.validation_share = 0.2;
  const auto train = build(ask);
  ask.validation = true;
  const auto validation = build(ask);
  EXPECT_EQ(train->documents() + validation->documents(), 400);
  EXPECT_GT(validation->documents(), 50);
  EXPECT_LT(validation->documents(), 110);
  std::set<uint64_t> ids;
  for (int64_t d = 0; d < train->documents(); ++d) ids.insert(train->document_id(d));
  for (int64_t d = 0; d < validation->documents(); ++d) EXPECT_FALSE(ids.count(validation->document_id(d)));
  const auto report = train->report();
  EXPECT_EQ(report.documents, report.kept + report.held_out + report.malformed + report.empty + report.too_long);
  EXPECT_EQ(report.held_out, validation->documents());
  // Few samples of a chat format: at least one on each side.
  auto few = request({source(talks(5), "prompt_completion")}, 64, "best_fit");
  few.validation_share = 0.01;
  EXPECT_EQ(build(few)->documents(), 4);
  few.validation = true;
  EXPECT_EQ(build(few)->documents(), 1);
}

TEST_F(DatasetTest, EveryLabelOnceUnderEveryPacking) {
  for (const char* packing : {"concat", "best_fit", "none"}) {
    for (const bool chat : {false, true}) {
      auto ask = request({chat ? source(talks(150), "prompt_completion") : source(lines(150))}, 48, packing);
      if (!chat) ask.too_long = "split";
      const auto dataset = build(ask);
      std::multiset<std::pair<uint64_t, std::string>> expected;
      for (int64_t d = 0; d < dataset->documents(); ++d) {
        const auto sample = dataset->sample(d);
        for (size_t i = 1; i < sample.ids.size(); ++i) {
          if (sample.weight[i] > 0) expected.insert({sample.id, tokenizer_.token_bytes(sample.ids[i])});
        }
      }
      EXPECT_EQ(static_cast<int64_t>(expected.size()), dataset->report().trained_tokens);
      const RowStream stream(dataset, nullptr, 48, {.seed = 3});
      const auto got = check_batch(stream.batch(0, dataset->rows()), tokenizer_);
      EXPECT_EQ(got, expected) << packing << chat;
      const auto report = dataset->report();
      EXPECT_EQ(report.documents, report.kept + report.held_out + report.malformed + report.empty + report.too_long);
      EXPECT_EQ(report.kept, dataset->documents());
      EXPECT_EQ(report.tokens, dataset->tokens());
    }
  }
}

TEST_F(DatasetTest, ManyPartsReadAsOne) {
  for (const char* packing : {"concat", "best_fit"}) {
    auto ask = request({source(talks(120), "prompt_completion"), source(lines(120))}, 96, packing);
    const auto one = build(ask);
    ask.unit_bytes = 1000;  // cuts the files, and the stored documents of each unit
    const auto many = build(ask);
    EXPECT_TRUE(fs::exists(many->folder() / "tokens-00010.bin"));
    EXPECT_TRUE(fs::exists(many->folder() / "weights-00010.bin"));
    ASSERT_EQ(one->documents(), many->documents());
    EXPECT_NE(one->digest(), many->digest());
    for (int64_t d = 0; d < one->documents(); ++d) {
      EXPECT_EQ(one->sample(d).ids, many->sample(d).ids);
      EXPECT_EQ(one->sample(d).weight, many->sample(d).weight);
      EXPECT_EQ(one->document_where(d), many->document_where(d));
      EXPECT_EQ(one->document_source(d), many->document_source(d));
      EXPECT_THAT(many->documents_at(many->document_where(d)), testing::ElementsAre(d));
      EXPECT_EQ(many->documents_with_id(many->document_id(d)), many->Dataset::documents_with_id(many->document_id(d)));
      EXPECT_THAT(many->documents_with_id(many->document_id(d)), testing::Contains(d));
    }
    for (const char* nowhere :
         {"talks.jsonl", "talks.jsonl:0", "talks.jsonl:121", "talks.jsonl:7x", "alks.jsonl:7", ":"}) {
      EXPECT_THAT(many->documents_at(nowhere), testing::IsEmpty()) << nowhere;
    }
    EXPECT_EQ(many->document_where(0), "talks.jsonl:1");
    EXPECT_EQ(many->document_where(239), "lines.jsonl:120");
    const RowStream a(one, nullptr, 96, {.shuffle = false}), b(many, nullptr, 96, {.shuffle = false});
    if (std::string(packing) == "concat") {
      ASSERT_EQ(one->rows(), many->rows());
      EXPECT_EQ(a.batch(0, one->rows()).labels, b.batch(0, many->rows()).labels);
      EXPECT_EQ(a.batch(0, one->rows()).doc_offsets, b.batch(0, many->rows()).doc_offsets);
    } else {
      EXPECT_EQ(check_batch(a.batch(0, one->rows()), tokenizer_), check_batch(b.batch(0, many->rows()), tokenizer_));
    }
    many->verify();
  }
}

TEST_F(DatasetTest, TooLongSamples) {
  auto ask = request({source(lines(100, 90))}, 40, "best_fit");
  const auto dropped = build(ask);
  EXPECT_GT(dropped->report().too_long, 0);
  EXPECT_EQ(dropped->report().kept + dropped->report().too_long, 100);
  ask.too_long = "split";
  EXPECT_EQ(build(ask)->report().split, dropped->report().too_long);
  ask.too_long = "error";
  EXPECT_THAT(error_of([&] { build(ask); }), testing::HasSubstr("expected at most 40 tokens"));
  auto chat = request({source(talks(10), "prompt_completion")}, 40, "best_fit");
  chat.too_long = "split";
  EXPECT_THAT(error_of([&] { build(chat); }), testing::HasSubstr("split is for sources of format text"));
}

// Evaluation may ask for an empty answer; a row to be trained on lacks one.
TEST_F(DatasetTest, ARowWithoutAnAnswerIsMalformed) {
  const std::string rows[][3] = {
      {"alpaca", R"({"instruction":"I","output":"O"})", R"({"instruction":"I","input":"X","output":""})"},
      {"dolly", R"({"instruction":"I","response":"R"})", R"({"instruction":"I","context":"C","response":" \n"})"},
      {"prompt_completion", R"({"prompt":"P","completion":0})", R"({"prompt":"P","completion":""})"},
      {"messages", R"({"messages":[{"role":"user","content":"U"},{"role":"assistant","content":"A"}]})",
       R"({"messages":[{"role":"user","content":"U"},{"role":"assistant","content":""}]})"}};
  const std::map<std::string, std::string> fields = {
      {"alpaca", "output"}, {"dolly", "response"}, {"prompt_completion", "completion"}, {"messages", "messages"}};
  for (const auto& [format, whole, unanswered] : rows) {
    const auto from = source(write("rows.jsonl", whole + "\n" + unanswered + "\n"), format);
    const auto report = build(request({from}, 16, "best_fit"))->report();
    EXPECT_EQ(report.kept, 1) << format;
    EXPECT_EQ(report.empty, 0) << format;
    ASSERT_EQ(report.malformed, 1) << format;
    EXPECT_EQ(report.first_malformed[0],
              fmt::format("rows.jsonl:2: field \"{}\": expected an answer, found an empty text; hint: fill the answer "
                          "in, or take the row out",
                          fields.at(format)));
    int64_t read = 0;
    read_source(from, true, [&](Record&&) { ++read; }, {});
    EXPECT_EQ(read, 2) << format;
  }
}

TEST_F(DatasetTest, LedgerCountsMalformedAndEmpty) {
  const auto file =
      write("mixed.jsonl", "{\"text\":\"good one\"}\n{\"text\":\"  \"}\nbroken\n{\"text\":\"good\"}\n{}\n");
  auto ask = request({source(file)}, 16);
  const auto dataset = build(ask);
  const auto report = dataset->report();
  EXPECT_EQ(report.documents, 5);
  EXPECT_EQ(report.kept, 2);
  EXPECT_EQ(report.empty, 1);
  EXPECT_EQ(report.malformed, 2);
  ASSERT_EQ(report.first_malformed.size(), 2u);
  EXPECT_THAT(report.first_malformed[1], testing::HasSubstr("mixed.jsonl:5: expected a field \"text\""));
  EXPECT_THAT(slurp(dataset->folder() / "quarantine.jsonl"), testing::HasSubstr("mixed.jsonl:3"));
  ask.strict = true;
  EXPECT_THAT(error_of([&] { build(ask); }), testing::HasSubstr("mixed.jsonl:3"));  // also from the cache
  EXPECT_THAT(error_of([&] { build(request({source(write("none.jsonl", "x\n"))}, 16)); }),
              testing::HasSubstr("no sequence came out of 1 documents"));
}

TEST_F(DatasetTest, WhatIsNoDatasetIsSaid) {
  write("texts/a.txt", "a");
  const auto hint = "\n      hint: plumb data build CFG makes a dataset, and ends with the name of its folder";
  EXPECT_EQ(error_of([&] { Dataset::open(folder_ / "nope"); }),
            (folder_ / "nope").string() + ": error: there is no such folder" + hint);
  EXPECT_EQ(error_of([&] { Dataset::open(folder_ / "texts"); }),
            (folder_ / "texts").string() + ": error: expected a dataset, found no manifest.json" + hint);
}

TEST_F(DatasetTest, BytesDoNotDependOnThreadsOrPlace) {
  auto ask = request({source(talks(3000), "prompt_completion"), source(lines(3000))}, 64, "best_fit");
  const auto one = Dataset::build(ask, tokenizer_, *chat_, folder_ / "one");
  ask.threads = 4;
  const auto four = Dataset::build(ask, tokenizer_, *chat_, folder_ / "four");
  fs::create_directories(folder_ / "moved");
  for (auto& from : ask.sources) {
    const auto to = folder_ / "moved" / fs::path(from.path).filename();
    fs::copy_file(from.path, to), from.path = to;
  }
  const auto moved = Dataset::build(ask, tokenizer_, *chat_, folder_ / "third");
  for (const auto& entry : fs::directory_iterator(one)) {
    EXPECT_EQ(slurp(entry.path()), slurp(four / entry.path().filename())) << entry.path();
  }
  EXPECT_EQ(slurp(one / "manifest.json"), slurp(moved / "manifest.json"));
}

TEST_F(DatasetTest, CacheIsKeyedByWhatMatters) {
  const auto file = lines(50);
  auto ask = request({source(file)}, 32);
  const auto cache = folder_ / "cache";
  const auto first = Dataset::build(ask, tokenizer_, *chat_, cache);
  const auto time = fs::last_write_time(first / "manifest.json");
  EXPECT_EQ(Dataset::build(ask, tokenizer_, *chat_, cache), first);
  EXPECT_EQ(fs::last_write_time(first / "manifest.json"), time);
  ask.loss_on = "all", ask.threads = 3;  // neither changes texts
  EXPECT_EQ(Dataset::build(ask, tokenizer_, *chat_, cache), first);
  ask.sequence_length = 33;
  EXPECT_NE(Dataset::build(ask, tokenizer_, *chat_, cache), first);
  ask.sequence_length = 32;
  EXPECT_NE(Dataset::build(ask, FakeTokenizer("<bos>"), *chat_, cache), first);
  std::ofstream(file, std::ios::app) << "{\"text\":\"one more\"}\n";
  EXPECT_NE(Dataset::build(ask, tokenizer_, *chat_, cache), first);
}

TEST_F(DatasetTest, AnyFlippedByteIsFound) {
  const auto file = talks(200);
  std::ofstream(file, std::ios::app) << "broken\n{\"prompt\":\"why\",\"completion\":\"" << std::string(100, 'x')
                                     << "\"}\n";
  const auto dataset = build(request({source(file, "prompt_completion")}, 64, "best_fit"));
  const auto folder = dataset->folder();
  const auto read_all = [&] {
    const auto opened = Dataset::open(folder);
    for (int64_t r = 0; r < opened->rows(); ++r) opened->row(r);
    for (int64_t d = 0; d < opened->documents(); ++d) opened->sample(d), opened->document_where(d);
    for (const char* name : {"report.json", "quarantine.jsonl", "dropped.jsonl"}) opened->text_file(name);
  };
  EXPECT_EQ(error_of(read_all), "no error");
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    const std::string good = slurp(entry.path());
    for (size_t at = 0; at < good.size(); at += 1 + good.size() / 40) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 4);
      write(fs::relative(entry.path(), folder_), bad);
      const auto error = error_of(read_all);
      EXPECT_NE(error, "no error") << name << " " << at;
      if (name != "manifest.json") {
        EXPECT_THAT(error, testing::HasSubstr(name)) << at;
      }
    }
    write(fs::relative(entry.path(), folder_), good.substr(0, good.size() - 2));
    EXPECT_NE(error_of(read_all), "no error") << name;
    write(fs::relative(entry.path(), folder_), good);
  }
  EXPECT_EQ(error_of(read_all), "no error");
  std::string bad = slurp(folder / "tokens-00000.bin");
  bad[1000] ^= 1;
  write(fs::relative(folder / "tokens-00000.bin", folder_), bad);
  const auto error = error_of(read_all);
  EXPECT_THAT(error, testing::HasSubstr("tokens-00000.bin"));
  EXPECT_THAT(error, testing::HasSubstr("bytes 0 to"));
}

// Every byte of every file, one by one: found by whoever reads it, under the name of its file.
TEST_F(DatasetTest, EveryByteIsGuarded) {
  const auto file = talks(12);
  std::ofstream(file, std::ios::app) << "broken\n";
  const auto folder = build(request({source(file, "prompt_completion")}, 64, "best_fit"))->folder();
  size_t flipped = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    const auto read = [&] {
      const auto opened = Dataset::open(folder);
      opened->row(0), opened->sample(0), opened->document_where(0);
      if (!name.starts_with("manifest") && !name.starts_with("blocks")) opened->text_file(name);
    };
    ASSERT_EQ(error_of(read), "no error") << name;
    std::string bytes = slurp(entry.path());
    for (size_t at = 0; at < bytes.size(); ++at, ++flipped) {
      std::fstream stream(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      const auto put = [&](int byte) {
        stream.seekp(static_cast<std::streamoff>(at));
        stream.put(static_cast<char>(byte)).flush();
      };
      put(bytes[at] ^ (1 << at % 8));
      const auto error = error_of(read);
      put(bytes[at]);
      ASSERT_THAT(error, testing::HasSubstr(name == "manifest.json" ? "manifest" : name)) << name << " byte " << at;
      ASSERT_THAT(error, testing::HasSubstr("error: ")) << name << " byte " << at;
    }
    ASSERT_EQ(error_of(read), "no error") << name;
  }
  EXPECT_GT(flipped, 4000u);
}

TEST_F(DatasetTest, RacingBuildersAgree) {
  const auto ask = request({source(lines(2000))}, 64);
  std::vector<fs::path> folders(4);
  std::vector<std::thread> threads;
  for (auto& folder : folders) {
    threads.emplace_back([&] { folder = Dataset::build(ask, tokenizer_, *chat_, folder_ / "cache"); });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& folder : folders) EXPECT_EQ(folder, folders[0]);
  EXPECT_EQ(Dataset::open(folders[0])->documents(), 2000);
}

TEST_F(DatasetTest, KilledBuildsLeaveNothingInTheWay) {
  const auto ask = request({source(lines(20000))}, 64);
  const auto cache = folder_ / "cache";
  fs::create_directories(cache);
  int killed = 0;
  for (int i = 0; i < 8; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      Dataset::build(ask, tokenizer_, *chat_, cache);
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(2000 * (i + 1)));
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    killed += WIFSIGNALED(status);
    for (const auto& entry : fs::directory_iterator(cache)) {
      const auto name = entry.path().filename().string();
      if (name.starts_with('.') || name.starts_with("documents-")) continue;
      EXPECT_NO_THROW(Dataset::open(entry.path()));
    }
  }
  EXPECT_GT(killed, 0);
  const auto folder = Dataset::build(ask, tokenizer_, *chat_, cache);
  EXPECT_EQ(Dataset::open(folder)->documents(), 20000);
  int folders = 0;
  for (const auto& entry : fs::directory_iterator(cache)) folders += entry.path().filename() == folder.filename();
  for (const auto& entry : fs::directory_iterator(cache)) {
    EXPECT_FALSE(entry.path().filename().string().starts_with(".building")) << entry.path();
  }
  EXPECT_EQ(folders, 1);
}

}  // namespace
}  // namespace plumb::data
