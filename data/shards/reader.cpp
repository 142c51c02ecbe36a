#include "data/shards/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/json.h"

namespace plumb::data {

namespace {

constexpr uint64_t kShareOfCache = 16;  // one in so many bytes of the cache is held open by a process

template <class T>
T load(const std::shared_ptr<const VerifiedFile>& file, uint64_t element) {
  T value;
  std::memcpy(&value, file->at(sizeof(FileHeader) + element * sizeof(T), sizeof(T)), sizeof(T));
  return value;
}

}  // namespace

ShardDataset::ShardDataset(std::filesystem::path folder, std::shared_ptr<Store> store)
    : folder_(std::move(folder)),
      store_(std::move(store)),
      manifest_(read_manifest(fetch("manifest.json").path(), folder_ / "manifest.json")),
      blocks_file_(fetch("blocks.bin")),
      blocks_(blocks_file_.path()) {
  open_slots();
  place_parts();
  size_t found = 0;
  for (const char* name : kTokenizerFiles) {
    if (by_name_.count(name)) text_file(name), ++found;  // verified
  }
  if (found == 0) fail_input(folder_ / "manifest.json", "lists no tokenizer");
}

void ShardDataset::open_slots() {
  const auto path = folder_ / "blocks.bin";
  core::Sha256 sha256;
  sha256.update(blocks_.bytes());
  if (sha256.hex() != manifest_.blocks_sha256) {
    fail_input(path, "damaged: its sha256 differs from the manifest's",
               "remove the dataset's folder and build it again");
  }
  const std::span<const uint64_t> hashes(reinterpret_cast<const uint64_t*>(blocks_.bytes().data()),
                                         blocks_.bytes().size() / 8);
  uint64_t at = 0;
  for (const auto& file : manifest_.files) {
    const uint64_t count = (file.bytes + kBlock - 1) / kBlock;
    if (count > hashes.size() || at > hashes.size() - count) {
      fail_input(path, "is too short for the files of the manifest");
    }
    if (std::filesystem::path(file.name).filename() != file.name) fail_input(folder_, "a file name leaves the folder");
    auto& slot = slots_.emplace_back();
    slot.file = &file, slot.blocks = hashes.subspan(at, count);
    if (!by_name_.emplace(file.name, &slot).second) fail_input(folder_, "a file stands twice in the manifest");
    at += count;
  }
}

void ShardDataset::place_parts() {
  uint64_t documents = 0, tokens = 0, rows = 0;
  for (const auto& part : manifest_.parts) {
    Place place{&part, documents, tokens, rows};
    const auto named = [&](const char* kind) { return &slot(fmt::format("{}-{:05}.bin", kind, part.number)); };
    place.tokens = named("tokens");
    place.documents = named("documents");
    if (manifest_.weights) place.weights = named("weights");
    if (manifest_.packing != "concat") place.spans = named("spans"), place.rows = named("rows");
    documents += part.documents, tokens += part.tokens, rows += part.rows;
    places_.push_back(place);
  }
}

const ShardDataset::Slot& ShardDataset::slot(const std::string& name) const {
  const auto at = by_name_.find(name);
  if (at == by_name_.end()) fail_input(folder_ / "manifest.json", "lists no file " + name);
  return *at->second;
}

LocalFile ShardDataset::fetch(const std::string& name) const {
  if (!store_) return LocalFile(folder_ / name);
  const auto path = (folder_ / name).string();
  auto entry = entries_.find(path);
  if (entry == entries_.end()) entry = entries_.emplace(path, store_->stat(path)).first;
  return store_->local(entry->second);
}

ShardDataset::OpenFile ShardDataset::open(const Slot& slot, const Check& check) const {
  // One that stays open needs no count of its users.
  const auto lasting = [](const VerifiedFile* file) { return OpenFile(std::shared_ptr<void>(), file); };
  if (const auto* file = slot.opened.load(std::memory_order_acquire)) return lasting(file);
  const std::lock_guard lock(opening_);
  if (store_) return open_fetched(slot, check);
  if (!slot.owner) {
    const auto path = folder_ / slot.file->name;
    auto file = std::make_shared<const VerifiedFile>(path, LocalFile(path), slot.file->bytes, slot.blocks);
    if (check) check(*file);
    slot.owner = std::move(file);
    slot.opened.store(slot.owner.get(), std::memory_order_release);
  }
  return lasting(slot.owner.get());
}

// Called under the lock.
ShardDataset::OpenFile ShardDataset::open_fetched(const Slot& slot, const Check& check) const {
  slot.used = ++uses_;
  if (slot.owner) return slot.owner;
  const uint64_t most = store_cache().limit / kShareOfCache;
  close_least_used(most - std::min(most, slot.file->bytes));
  const auto fetched = [&] {
    auto file = std::make_shared<const VerifiedFile>(folder_ / slot.file->name, fetch(slot.file->name),
                                                     slot.file->bytes, slot.blocks);
    if (check) check(*file);
    return file;
  };
  try {
    slot.owner = fetched();
  } catch (const Error& error) {
    if (error.code() != ExitCode::out_of_resources || open_bytes_ == 0) throw;
    close_least_used(0);  // we ourselves may be what fills the cache
    slot.owner = fetched();
  }
  open_bytes_ += slot.file->bytes;
  return slot.owner;
}

// Of fetched files. Who still reads one holds it.
void ShardDataset::close_least_used(uint64_t most_bytes) const {
  while (open_bytes_ > most_bytes) {
    const Slot* oldest = nullptr;
    for (const auto& slot : slots_) {
      if (slot.owner && (!oldest || slot.used < oldest->used)) oldest = &slot;
    }
    oldest->owner.reset();
    open_bytes_ -= oldest->file->bytes;
  }
}

ShardDataset::OpenFile ShardDataset::open(const Slot& slot, uint32_t element_bytes, uint64_t payload,
                                          const Place& place) const {
  if (slot.opened.load(std::memory_order_acquire)) return open(slot);
  if (slot.file->bytes != sizeof(FileHeader) + payload) {
    fail_input(folder_ / slot.file->name, "its size does not fit the manifest's counts");
  }
  return open(slot, [&](const VerifiedFile& file) {
    file.check_header(element_bytes, place.part->number, manifest_.tokenizer_digest);
  });
}

// The last part that begins at or before a document, token or row.
template <uint64_t ShardDataset::Place::*first>
const ShardDataset::Place& ShardDataset::place_of(uint64_t number) const {
  const auto after = std::upper_bound(places_.begin(), places_.end(), number,
                                      [](uint64_t n, const Place& place) { return n < place.*first; });
  if (after == places_.begin()) fail_input(folder_, "the dataset is empty");
  return *(after - 1);
}

ShardDataset::Found ShardDataset::find(int64_t document) const {
  if (document < 0 || document >= documents()) {
    fail_input(folder_, "expected a document number from 0 to " + std::to_string(documents() - 1) + ", found " +
                            std::to_string(document));
  }
  const auto number = static_cast<uint64_t>(document);
  const Place& place = place_of<&Place::first_document>(number);
  return {&place, number - place.first_document};
}

DocumentEntry ShardDataset::entry(const Place& place, uint64_t index) const {
  const uint64_t payload = (place.part->documents + 1) * sizeof(DocumentEntry);
  return load<DocumentEntry>(open(*place.documents, sizeof(DocumentEntry), payload, place), index);
}

uint64_t ShardDataset::tokens_of(const Place& place, uint64_t index) const {
  const uint64_t begin = entry(place, index).first_token, end = entry(place, index + 1).first_token;
  if (begin > end || end > place.part->tokens) {
    fail_input(folder_ / place.documents->file->name, "document offsets are not in order");
  }
  return end - begin;
}

int64_t ShardDataset::document_tokens(int64_t document) const {
  const auto [place, index] = find(document);
  return static_cast<int64_t>(tokens_of(*place, index));
}

uint64_t ShardDataset::document_id(int64_t document) const {
  const auto [place, index] = find(document);
  return entry(*place, index).id;
}

std::string ShardDataset::document_source(int64_t document) const {
  const auto [place, index] = find(document);
  const auto source = entry(*place, index).source;
  return source < manifest_.sources.size() ? manifest_.sources[source] : "";
}

std::string ShardDataset::document_where(int64_t document) const {
  const auto [place, index] = find(document);
  const auto found = entry(*place, index);
  const auto file = open(slot("sources.jsonl"));
  const auto text = file->text();
  uint64_t begin = 0;
  {
    const std::lock_guard lock(opening_);
    for (size_t at = 0; source_lines_.empty() || (at > 0 && at < text.size());) {
      source_lines_.push_back(at);
      const auto end = text.find('\n', at);
      at = end == std::string_view::npos ? text.size() : end + 1;
    }
    if (found.file >= source_lines_.size()) fail_input(file->path(), "has no line for a document's file");
    begin = source_lines_[found.file];
  }
  const auto line = core::parse_json(text.substr(begin, text.find('\n', begin) - begin), file->path().string());
  const auto name = line.value("name", std::string());
  return found.line == 0 ? name : name + ":" + std::to_string(found.line);
}

std::string ShardDataset::text_file(const std::string& name) const { return std::string(open(slot(name))->text()); }

void ShardDataset::verify() const {
  for (const auto& slot : slots_) {
    // Opened for this alone, so that a dataset of any size needs the address space of one file.
    std::unique_lock lock(opening_);
    LocalFile file = fetch(slot.file->name);
    lock.unlock();
    VerifiedFile(folder_ / slot.file->name, std::move(file), slot.file->bytes, slot.blocks).at(0, slot.file->bytes);
  }
}

Sample ShardDataset::sample(int64_t document) const {
  Sample sample;
  sample.id = document_id(document);
  sample.ids.resize(static_cast<size_t>(document_tokens(document)));
  sample.weight.resize(sample.ids.size());
  read(document, 0, sample.ids, sample.weight);
  return sample;
}

void ShardDataset::verify_document(int64_t document) const {
  const auto [place, index] = find(document);
  const uint64_t expected = entry(*place, index).tokens_hash, found = tokens_hash(sample(document));
  if (found == expected) return;
  fail_input(folder_ / place->tokens->file->name,
             fmt::format("document {} ({}): expected tokens whose XXH3 is {:016x}, found {:016x}", document,
                         document_where(document), expected, found),
             "plumb data inspect --verify tells whether the dataset is whole; build it again");
}

void ShardDataset::read(int64_t document, int64_t begin, std::span<int32_t> ids, std::span<float> weights) const {
  const auto [place, index] = find(document);
  const auto length = static_cast<int64_t>(tokens_of(*place, index)), count = static_cast<int64_t>(ids.size());
  if (begin < 0 || begin > length || count > length - begin) fail_input(folder_, "tokens outside their document");
  if (!weights.empty() && weights.size() != ids.size()) fail_internal("weights and ids of different lengths");
  const DocumentEntry found = entry(*place, index);
  const uint64_t first = found.first_token + static_cast<uint64_t>(begin);
  read_ids(*place, first, ids);
  if (weights.empty()) return;
  if (found.trained_whole || !manifest_.weights) {
    std::fill(weights.begin(), weights.end(), 1.0f);
    if (begin == 0) weights[0] = 0;
  } else {
    read_weights(*place, first, weights);
  }
}

void ShardDataset::read_ids(const Place& place, uint64_t first, std::span<int32_t> ids) const {
  const uint64_t width = manifest_.token_bytes;
  const auto file = open(*place.tokens, manifest_.token_bytes, place.part->tokens * width, place);
  const auto* from = file->at(sizeof(FileHeader) + first * width, ids.size() * width);
  for (size_t i = 0; i < ids.size(); ++i) {
    uint32_t id = 0;
    std::memcpy(&id, from + i * width, width);
    if (id >= static_cast<uint64_t>(manifest_.vocab_size)) {
      fail_input(file->path(), "token id " + std::to_string(id) + " outside the vocabulary");
    }
    ids[i] = static_cast<int32_t>(id);
  }
}

void ShardDataset::read_weights(const Place& place, uint64_t first, std::span<float> weights) const {
  const auto file = open(*place.weights, 0, (place.part->tokens + 7) / 8, place);
  const uint64_t first_byte = first / 8, last_byte = (first + weights.size() - 1) / 8;
  const auto* from = file->at(sizeof(FileHeader) + first_byte, last_byte - first_byte + 1);
  for (size_t i = 0; i < weights.size(); ++i) {
    const uint64_t bit = first + i - first_byte * 8;
    weights[i] = static_cast<float>((static_cast<unsigned>(from[bit / 8]) >> (bit % 8)) & 1u);
  }
}

std::vector<Dataset::Span> ShardDataset::concat_row(uint64_t row) const {
  const uint64_t length = static_cast<uint64_t>(manifest_.sequence_length);
  uint64_t token = row * length;
  const uint64_t end = std::min(token + length, manifest_.tokens);
  std::vector<Span> spans;
  for (const Place* place = &place_of<&Place::first_token>(token); token < end; ++place) {
    const uint64_t stop = std::min(end, place->first_token + place->part->tokens);
    // The document that holds the token: the last one that begins at or before it.
    uint64_t low = 0, high = place->part->documents;
    while (high - low > 1) {
      const uint64_t middle = low + (high - low) / 2;
      (entry(*place, middle).first_token <= token - place->first_token ? low : high) = middle;
    }
    for (uint64_t index = low; token < stop; ++index) {
      if (index >= place->part->documents) fail_input(folder_, "document offsets are not in order");
      const uint64_t begin = place->first_token + entry(*place, index).first_token;
      const uint64_t last = std::min(stop, begin + tokens_of(*place, index));
      if (begin > token) fail_input(folder_, "document offsets are not in order");
      if (last <= token) continue;
      spans.push_back({static_cast<int64_t>(place->first_document + index), static_cast<int64_t>(token - begin),
                       static_cast<int64_t>(last - begin)});
      token = last;
    }
  }
  return spans;
}

std::vector<Dataset::Span> ShardDataset::row(int64_t row) const {
  if (row < 0 || row >= rows()) {
    fail_input(folder_, "expected a row from 0 to " + std::to_string(rows() - 1) + ", found " + std::to_string(row));
  }
  if (manifest_.packing == "concat") return concat_row(static_cast<uint64_t>(row));
  const auto& place = place_of<&Place::first_row>(static_cast<uint64_t>(row));
  const uint64_t index = static_cast<uint64_t>(row) - place.first_row;
  const auto rows_file = open(*place.rows, sizeof(uint64_t), (place.part->rows + 1) * sizeof(uint64_t), place);
  const auto spans_file = open(*place.spans, sizeof(RowSpan), place.part->spans * sizeof(RowSpan), place);
  const uint64_t first = load<uint64_t>(rows_file, index), last = load<uint64_t>(rows_file, index + 1);
  const uint64_t most = static_cast<uint64_t>(manifest_.sequence_length);
  if (first > last || last - first > most) fail_input(rows_file->path(), "the spans of a row are not in order");
  std::vector<Span> spans;
  uint64_t length = 0;
  for (uint64_t i = first; i < last; ++i) {
    const auto span = load<RowSpan>(spans_file, i);
    if (span.begin >= span.end || (length += span.end - span.begin) > most || span.document >= place.part->documents) {
      fail_input(spans_file->path(), "a row is longer than the sequence length, or a span is empty or of no document");
    }
    spans.push_back({static_cast<int64_t>(place.first_document + span.document), span.begin, span.end});
  }
  return spans;
}

std::string Dataset::text_file(const std::string& name) const { fail_input(folder(), "has no file " + name); }

TokenizerPtr Dataset::tokenizer() const { fail_input(folder(), "has no tokenizer"); }

TokenizerPtr ShardDataset::tokenizer() const {
  std::map<std::string, std::string> files;
  for (const char* name : kTokenizerFiles) {
    if (by_name_.count(name)) files[name] = text_file(name);
  }
  return tokenizer_of_files(files, folder_.string());
}

DatasetPtr Dataset::open(const std::filesystem::path& folder) {
  if (!is_remote(folder.string())) {
    return std::make_shared<ShardDataset>(std::filesystem::absolute(folder).lexically_normal());
  }
  std::string path = folder.string();
  while (path.ends_with('/')) path.pop_back();
  return std::make_shared<ShardDataset>(path, Store::of(path));
}

}  // namespace plumb::data
