// Encodes documents in this process, on command: what scripts/bench --tokenizers times. Reads lines of standard input:
//   load FILE         documents, each behind its length in bytes (decimal, line end); answers {"documents", "bytes"}
//   train SIZE THREADS MERGES  trains a vocabulary of SIZE on the documents and writes the merges; {"seconds", "cpu"}
//   fresh             forgets what was encoded so far: a tokenizer as it is when just loaded
//   shares FROM COUNT encodes these documents with a clock; answers the share of the time of each stage
//   encode FROM COUNT encodes these documents; answers {"seconds", "cpu" (of this thread), "bytes", "ids", "hash"}
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "data/tokenizer/encode_clock.h"
#include "data/tokenizer/tokenizer.h"

namespace {

std::vector<std::string> read_documents(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::vector<std::string> documents;
  for (size_t size = 0; in >> size;) {
    in.get();
    documents.emplace_back(size, '\0');
    in.read(documents.back().data(), static_cast<std::streamsize>(size));
  }
  return documents;
}

double seconds_of(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

struct Bench {
  std::string tokenizer_file;
  plumb::data::TokenizerPtr tokenizer;
  std::vector<std::string> documents;
  std::vector<int32_t> ids;
  std::vector<size_t> ends;

  void answer(std::istringstream& words) {
    std::string command;
    words >> command;
    if (command == "load") {
      std::string file;
      words >> file;
      documents = read_documents(file);
      size_t bytes = 0;
      for (const auto& document : documents) bytes += document.size();
      std::printf("{\"documents\": %zu, \"bytes\": %zu}\n", documents.size(), bytes);
    } else if (command == "fresh") {
      tokenizer = plumb::data::load_tokenizer(tokenizer_file);
      std::printf("{}\n");
    } else if (command == "train") {
      plumb::data::BpeTrainOptions options;
      std::string file;
      words >> options.vocab_size >> options.threads >> file;
      train(options, file);
    } else if (command == "encode" || command == "shares") {
      size_t from = 0, count = 0;
      words >> from >> count;
      const size_t end = std::min(documents.size(), from + count);
      command == "encode" ? encode(from, end) : shares(from, end);
    } else {
      std::printf("{\"error\": \"unknown command\"}\n");
    }
    std::fflush(stdout);
  }

  void train(const plumb::data::BpeTrainOptions& options, const std::string& file) {
    const double begin = seconds_of(CLOCK_MONOTONIC), begin_cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    plumb::data::BpeTrainer trainer(options);
    for (const auto& document : documents) trainer.add(document);
    const auto trained = trainer.train();
    std::printf("{\"seconds\": %.9f, \"cpu\": %.9f}\n", seconds_of(CLOCK_MONOTONIC) - begin,
                seconds_of(CLOCK_PROCESS_CPUTIME_ID) - begin_cpu);
    std::ofstream(file) << trained->json();
  }

  void shares(size_t from, size_t end) {
    plumb::data::EncodeClock clock;
    plumb::data::EncodeClock::of_this_thread = &clock;
    ids.clear();
    for (size_t i = from; i < end; ++i) {
      tokenizer->encode(documents[i], ids);
      encode_lap(plumb::data::EncodeStage::text);
    }
    plumb::data::EncodeClock::of_this_thread = nullptr;
    double all = 0;
    for (const uint64_t ticks : clock.ticks) all += static_cast<double>(ticks);
    std::string line;
    for (size_t i = 0; i < clock.ticks.size(); ++i)
      line += std::string(i ? ", \"" : "{\"") + plumb::data::kEncodeStages[i] +
              "\": " + std::to_string(static_cast<double>(clock.ticks[i]) / all);
    std::printf("%s}\n", line.c_str());
  }

  void encode(size_t from, size_t end) {
    size_t bytes = 0;
    for (size_t i = from; i < end; ++i) bytes += documents[i].size();
    const double begin = seconds_of(CLOCK_MONOTONIC), begin_cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    ids.clear();
    ends.clear();
    for (size_t i = from; i < end; ++i) {
      tokenizer->encode(documents[i], ids);
      ends.push_back(ids.size());
    }
    const double seconds = seconds_of(CLOCK_MONOTONIC) - begin;
    const double cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID) - begin_cpu;
    uint64_t hash = 0;
    for (const int32_t id : ids) hash = (hash ^ static_cast<uint32_t>(id)) * 0x100000001B3u;
    std::printf("{\"seconds\": %.9f, \"cpu\": %.9f, \"bytes\": %zu, \"ids\": %zu, \"hash\": %llu}\n", seconds, cpu,
                bytes, ids.size(), static_cast<unsigned long long>(hash & 0xFFFFFFFFFFFFFu));
  }
};

}  // namespace

int main(int count, char** words) {
  if (count != 2) {
    std::fprintf(stderr, "usage: plumb_tokenizer_driver TOKENIZER.json\n");
    return 2;
  }
  try {
    Bench bench;
    bench.tokenizer_file = words[1];
    bench.tokenizer = plumb::data::load_tokenizer(bench.tokenizer_file);
    std::printf("{}\n");
    std::fflush(stdout);
    for (std::string line; std::getline(std::cin, line);) {
      std::istringstream stream(line);
      bench.answer(stream);
    }
  } catch (const plumb::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
