// The cache of fetched objects over a store in memory: limit, use, pins, resumption, damage, strangers' files, several
// processes. The protocol itself is tested against a server (tests/e2e/test_store.py).
#include "data/store/store.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "data/shards/reader.h"
#include "data/store/cache.h"
#include "data_files.h"
#include "fake_tokenizer.h"

namespace plumb::data {
namespace {

namespace fs = std::filesystem;

class MemoryStore : public Store {
 public:
  void put(const std::string& path, std::string bytes, std::string etag = "") {
    if (etag.empty()) etag = "etag-" + std::to_string(std::hash<std::string>()(bytes));
    objects[path] = {std::move(bytes), std::move(etag)};
  }
  std::vector<StoreEntry> list(const std::string&) override { return {}; }
  std::unique_ptr<StoreObject> open(const std::string& path) override {
    ++opened;
    if (!objects.contains(path)) fail_input(path, "no such object");
    return std::make_unique<Object>(*this, path);
  }
  std::string server() const override { return "memory"; }

  std::map<std::string, std::pair<std::string, std::string>> objects;
  uint64_t bytes_read = 0;
  int opened = 0;
  uint64_t fail_after = ~0ull;  // bytes in all, then reading fails
  std::mutex mutex;

 private:
  struct Object : StoreObject {
    Object(MemoryStore& store, const std::string& path) : store(store), path(path) {}
    StoreEntry entry() const override {
      const auto& [bytes, etag] = store.objects.at(path);
      return {path, bytes.size(), etag};
    }
    size_t read(uint64_t offset, std::span<char> out) override {
      const std::lock_guard lock(store.mutex);
      if (store.bytes_read >= store.fail_after) fail_input(path, "connection lost");
      const auto& bytes = store.objects.at(path).first;
      const size_t n = bytes.copy(out.data(), out.size(), offset);
      store.bytes_read += n;
      return n;
    }
    MemoryStore& store;
    std::string path;
  };
};

class StoreTest : public DataTest {
 protected:
  void SetUp() override { use(1000); }
  void TearDown() override { set_store_cache({}); }
  void use(uint64_t limit, double patience = 0.2) { set_store_cache({folder_ / "cache", limit, patience}); }
  size_t files(const std::string& ending) const {
    size_t n = 0;
    for (const auto& entry : fs::directory_iterator(folder_ / "cache")) n += entry.path().string().ends_with(ending);
    return n;
  }
  MemoryStore store_;
};

TEST_F(StoreTest, FetchesOnceAndKeepsTheExtension) {
  store_.put("s3://b/dir/a b.jsonl.gz", "content");
  const auto first = store_.local("s3://b/dir/a b.jsonl.gz");
  EXPECT_EQ(slurp(first.path()), "content");
  EXPECT_TRUE(first.path().filename().string().ends_with(".a_b.jsonl.gz"));
  EXPECT_EQ(store_.local("s3://b/dir/a b.jsonl.gz").path(), first.path());
  EXPECT_EQ(store_.bytes_read, 7u);
  store_.put("s3://b/dir/a b.jsonl.gz", "changed");  // another version is another file
  EXPECT_EQ(slurp(store_.local("s3://b/dir/a b.jsonl.gz").path()), "changed");
  EXPECT_EQ(slurp(first.path()), "content");
  store_.put("s3://b/empty", "");
  EXPECT_EQ(slurp(store_.local("s3://b/empty").path()), "");
}

TEST_F(StoreTest, LeastRecentlyUsedGoesFirst) {
  for (const char* name : {"a", "b", "c"}) store_.put(std::string("s3://k/") + name, std::string(300, *name));
  const auto path_of = [&](const char* name) { return store_.local(std::string("s3://k/") + name).path(); };
  const auto a = path_of("a"), b = path_of("b"), c = path_of("c");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  path_of("a");
  store_.put("s3://k/d", std::string(300, 'd'));
  const auto d = path_of("d");
  EXPECT_TRUE(fs::exists(a));
  EXPECT_FALSE(fs::exists(b));  // used longest ago
  EXPECT_TRUE(fs::exists(c));
  EXPECT_TRUE(fs::exists(d));
  EXPECT_EQ(files(".json"), 3u);
  EXPECT_EQ(files(".part"), 0u);
}

TEST_F(StoreTest, WhatIsUsedStaysAndTheLimitHolds) {
  for (const char* name : {"a", "b", "c"}) store_.put(std::string("s3://k/") + name, std::string(400, *name));
  auto a = std::make_unique<LocalFile>(store_.local("s3://k/a"));
  auto b = std::make_unique<LocalFile>(store_.local("s3://k/b"));
  const LocalFile copy = *b;
  EXPECT_THAT(error_of([&] { store_.local("s3://k/c"); }), testing::HasSubstr("are in use"));
  EXPECT_TRUE(fs::exists(a->path()));
  b.reset();
  EXPECT_NE(error_of([&] { store_.local("s3://k/c"); }), "no error");  // a copy still uses it
  const auto freed = a->path();
  a.reset();
  EXPECT_EQ(slurp(store_.local("s3://k/c").path()), std::string(400, 'c'));
  EXPECT_FALSE(fs::exists(freed));
  EXPECT_TRUE(fs::exists(copy.path()));
  store_.put("s3://k/large", std::string(1001, 'x'));
  EXPECT_THAT(error_of([&] { store_.local("s3://k/large"); }), testing::HasSubstr("may hold 1000"));
}

// Runs `test` in a process of its own whose cache lies on a disk of 1 MiB. nullopt: no such disk can be had here.
std::optional<std::string> on_small_disk(const fs::path& folder, const std::function<std::string()>& test) {
  fs::create_directories(folder / "cache");
  const auto said = folder / "said.txt";
  const pid_t child = ::fork();
  if (child == 0) {
    const bool own = ::unshare(CLONE_NEWNS) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
    if (!own || ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", (folder / "cache").c_str(), "tmpfs", 0, "size=1m") != 0) {
      ::_exit(77);
    }
    std::string text;
    try {
      text = test();
    } catch (const Error& error) {
      text = error.what();
    }
    std::ofstream(said) << text;
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) return std::nullopt;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) return "the process ended badly";
  std::ifstream in(said);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

// A disk smaller than the limit: what nobody uses goes, what others wrote stays, and then there is one clear error.
TEST_F(StoreTest, AFullDiskIsMadeRoomOn) {
  use(uint64_t{1} << 30);
  for (const char* name : {"a", "b", "c", "d"})
    store_.put(std::string("s3://k/") + name, std::string(300 << 10, *name));
  const auto path_of = [&](const char* name) { return store_.local(std::string("s3://k/") + name).path(); };
  const auto said = on_small_disk(folder_, [&]() -> std::string {
    const std::string stranger = write("cache/notes.txt", std::string(50 << 10, 'n'));
    const auto a = path_of("a");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const LocalFile b = store_.local("s3://k/b");
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto c = path_of("c");  // 950 of 1024 KiB
    const LocalFile d = store_.local("s3://k/d");
    if (slurp(d.path()) != std::string(300 << 10, 'd')) return "d is not whole";
    if (fs::exists(a)) return "a was used longest ago";
    if (!fs::exists(b.path()) || !fs::exists(c)) return "more went than had to";
    const LocalFile again = store_.local("s3://k/a");  // c goes: b and d are in use
    if (fs::exists(c) || slurp(again.path()) != std::string(300 << 10, 'a')) return "a did not come back";
    if (slurp(stranger).size() != 50 << 10) return "a stranger's file";
    try {
      store_.local("s3://k/c");
    } catch (const Error& error) {
      return std::string("in the end ") + error.what();
    }
    return "no error";
  });
  if (!said) GTEST_SKIP() << "no disk of its own can be mounted here";
  EXPECT_THAT(*said, testing::StartsWith("in the end "));
  EXPECT_THAT(*said, testing::HasSubstr("No space left on device, and the cache of fetched objects has nothing more"));
  EXPECT_THAT(*said, testing::HasSubstr("hint: free space there, or give data.cache another place"));
  EXPECT_THAT(*said, testing::HasSubstr((folder_ / "cache").string()));
}

TEST_F(StoreTest, NothingOfOthersIsDeleted) {
  store_.put("s3://k/a", std::string(600, 'a'));
  const auto a = store_.local("s3://k/a").path();
  const std::string stranger = write("cache/notes.txt", "mine"), like_ours = write("cache/deadbeef.parquet", "mine");
  write("cache/x.json", R"({"file": "../../precious", "bytes": 4, "inode": 1, "modified": 1})");
  write("cache/y.json", R"({"file": "notes.txt", "bytes": 4, "inode": 1, "modified": 1})");
  write("cache/z.json", "[1]"), write("cache/v.json", R"({"file": 5})");
  const std::string precious = write("precious", "mine");
  store_.put("s3://k/b", std::string(700, 'b'));
  store_.local("s3://k/b");
  EXPECT_FALSE(fs::exists(a));
  for (const auto& file : {stranger, like_ours, precious}) EXPECT_EQ(slurp(file), "mine");
  // One of ours that somebody wrote over is his now: it neither counts, nor goes, nor is used.
  store_.put("s3://k/c", std::string(100, 'c'));
  const auto c = store_.local("s3://k/c").path();
  std::ofstream(c, std::ios::app) << "appended";
  store_.put("s3://k/d", std::string(900, 'd'));
  store_.local("s3://k/d");
  EXPECT_TRUE(fs::exists(c));
  EXPECT_THAT(error_of([&] { store_.local("s3://k/c"); }), testing::HasSubstr("not written by the cache"));
}

TEST_F(StoreTest, AnInterruptedFetchGoesOn) {
  use(64 << 20);
  std::string bytes;
  std::mt19937 random(1);
  for (int i = 0; i < (20 << 20) / 4; ++i) bytes.append(reinterpret_cast<const char*>(&random), 0).append("abcd");
  for (size_t i = 0; i < bytes.size(); i += 4096) bytes[i] = static_cast<char>(random());
  store_.put("s3://k/large", bytes);
  store_.fail_after = 16 << 20;
  EXPECT_THAT(error_of([&] { store_.local("s3://k/large"); }), testing::HasSubstr("connection lost"));
  EXPECT_EQ(files(".part"), 1u);
  store_.fail_after = ~0ull, store_.bytes_read = 0;
  EXPECT_EQ(slurp(store_.local("s3://k/large").path()), bytes);
  EXPECT_EQ(store_.bytes_read, bytes.size() - (16 << 20));
  EXPECT_EQ(files(".part"), 0u);
}

TEST_F(StoreTest, DamageInTheCacheIsFetchedAgain) {
  store_.put("s3://k/a", std::string(300, 'a'));
  const auto path = store_.local("s3://k/a").path();
  const auto time = fs::last_write_time(path);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(7);
    file << 'X';
  }
  fs::last_write_time(path, time);
  const int before = store_.opened;
  set_store_cache({folder_ / "." / "cache", 1000, 0.2});  // another name: not verified under it, as in another process
  EXPECT_EQ(slurp(store_.local("s3://k/a").path()), std::string(300, 'a'));
  EXPECT_GT(store_.opened, before + 1);
}

TEST_F(StoreTest, TheEtagIsCompared) {
  store_.put("s3://k/a", "hello", "5d41402abc4b2a76b9719d911017c592");  // its MD5
  EXPECT_EQ(slurp(store_.local("s3://k/a").path()), "hello");
  EXPECT_EQ(store_.bytes_read, 5u);
  store_.put("s3://k/b", "hello", "00000000000000000000000000000000");  // not an MD5 after all: read twice, then taken
  EXPECT_EQ(slurp(store_.local("s3://k/b").path()), "hello");
  EXPECT_EQ(store_.bytes_read, 15u);
  StoreEntry old{"s3://k/a", 5, "another"};
  EXPECT_THAT(error_of([&] { store_.local(old); }), testing::HasSubstr("changed while it was read"));
}

TEST_F(StoreTest, ManyThreadsAndProcessesShareOneFolder) {
  use(3000, 20);
  for (int i = 0; i < 20; ++i)
    store_.put("s3://k/" + std::to_string(i), std::string(500 + i, static_cast<char>('a' + i)));
  const auto work = [&](unsigned seed) {
    std::mt19937 random(seed);
    bool fine = true;
    for (int i = 0; i < 60; ++i) {
      const int k = static_cast<int>(random() % 20);
      const auto file = store_.local("s3://k/" + std::to_string(k));
      fine &= slurp(file.path()) == std::string(static_cast<size_t>(500 + k), static_cast<char>('a' + k));
    }
    return fine;
  };
  std::vector<pid_t> children;
  for (unsigned p = 0; p < 3; ++p) {
    const pid_t child = ::fork();
    if (child == 0) {
      bool fine = false;
      try {
        fine = work(100 + p);
      } catch (const Error& error) {
        std::fprintf(stderr, "%s\n", error.what());
      }
      ::_exit(fine ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
  }
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 3; ++t) threads.emplace_back([&, t] { EXPECT_TRUE(work(t)); });
  for (auto& thread : threads) thread.join();
  uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder_ / "cache")) {
    const auto name = entry.path().filename().string();
    if (!name.ends_with(".json") && !name.ends_with(".lock")) bytes += entry.file_size();
  }
  EXPECT_LE(bytes, 3000u);
}

// A dataset three times as large as the cache may be, read through it from end to end and in any order.
TEST_F(StoreTest, ADatasetLargerThanTheCache) {
  std::string lines;
  for (int i = 0; i < 400; ++i) {
    lines += nlohmann::json{{"prompt", "q" + std::to_string(i)}, {"completion", std::string(1 + i % 50, 'a')}}.dump();
    lines += "\n";
  }
  auto ask = request({source(write("talks.jsonl", lines), "prompt_completion")}, 64, "best_fit");
  ask.unit_bytes = 2000;  // many parts
  const FakeTokenizer tokenizer;
  const auto chat = chat_template("plain", "", tokenizer);
  const auto local = Dataset::open(Dataset::build(ask, tokenizer, *chat, folder_ / "built"));
  const auto store = std::make_shared<MemoryStore>();
  uint64_t total = 0, largest = 0;
  for (const auto& entry : fs::directory_iterator(local->folder())) {
    store->put("s3://k/set/" + entry.path().filename().string(), slurp(entry.path()));
    total += entry.file_size(), largest = std::max(largest, entry.file_size());
  }
  const uint64_t limit = std::max(2 * largest, total / 3);
  ASSERT_LT(2 * limit, total + 2 * largest);
  use(limit);
  const ShardDataset remote("s3://k/set", store);
  EXPECT_EQ(remote.digest(), local->digest());
  for (const int64_t step : {1, 7, 151}) {  // the last ones jump between the parts
    for (int64_t d = 0, at = 0; d < local->documents(); ++d, at = (at + step) % local->documents()) {
      ASSERT_EQ(remote.sample(at).ids, local->sample(at).ids);
      ASSERT_EQ(remote.sample(at).weight, local->sample(at).weight);
      ASSERT_EQ(remote.document_where(at), local->document_where(at));
    }
  }
  for (int64_t r = 0; r < local->rows(); ++r) ASSERT_EQ(remote.row(r).size(), local->row(r).size());
  remote.verify();
  uint64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(folder_ / "cache")) {
    const auto name = entry.path().filename().string();
    if (!name.ends_with(".lock") && (!name.ends_with(".json") || name.find(".tokenizer.json") != name.npos)) {
      bytes += entry.file_size();
    }
  }
  EXPECT_LE(bytes, limit + 64 * 1024);  // beside the sidecars
  auto& tokens = store->objects.at("s3://k/set/tokens-00001.bin");
  tokens.first.back() = static_cast<char>(tokens.first.back() ^ 1), tokens.second = "another";
  EXPECT_THAT(error_of([&] { ShardDataset("s3://k/set", store).verify(); }),
              testing::HasSubstr("s3://k/set/tokens-00001.bin: error: damaged"));
  store->objects.erase("s3://k/set/tokens-00001.bin");
  EXPECT_THAT(error_of([&] { ShardDataset("s3://k/set", store).verify(); }),
              testing::HasSubstr("s3://k/set/tokens-00001.bin"));
}

TEST(StorePath, Remote) {
  EXPECT_TRUE(is_remote("s3://bucket/key"));
  EXPECT_FALSE(is_remote("/data/s3://x"));
  EXPECT_EQ(local_file("/some/file").path(), "/some/file");
}

}  // namespace
}  // namespace plumb::data
