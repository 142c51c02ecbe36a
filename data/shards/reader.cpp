#include "data/shards/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "data/packing.h"

namespace plumb::data {

namespace {

template <class T>
T load(const VerifiedFile& file, uint64_t element) {
  T value;
  std::memcpy(&value, file.at(sizeof(FileHeader) + element * sizeof(T), sizeof(T)), sizeof(T));
  return value;
}

std::map<std::string, VerifiedFile> open_files(const std::filesystem::path& folder, const Manifest& manifest) {
  const auto blocks_path = folder / "blocks.bin";
  const core::MappedFile blocks(blocks_path);
  core::Sha256 sha256;
  sha256.update(blocks.bytes());
  if (sha256.hex() != manifest.blocks_sha256) {
    fail_input(blocks_path, "damaged: its sha256 differs from the manifest's",
               "remove the dataset's folder and build it again");
  }
  std::map<std::string, VerifiedFile> files;
  uint64_t at = 0;
  for (const auto& file : manifest.files) {
    const uint64_t count = (file.bytes + kBlock - 1) / kBlock;
    if (count > blocks.bytes().size() / 8 || at > blocks.bytes().size() / 8 - count) {
      fail_input(blocks_path, "is too short for the files of the manifest");
    }
    std::vector<uint64_t> hashes(count);
    if (count) std::memcpy(hashes.data(), blocks.bytes().data() + at * 8, count * 8);
    at += count;
    if (std::filesystem::path(file.name).filename() != file.name) fail_input(folder, "a file name leaves the folder");
    files.try_emplace(file.name, folder / file.name, file.bytes, std::move(hashes));
  }
  return files;
}

}  // namespace

ShardDataset::ShardDataset(std::filesystem::path folder)
    : folder_(std::move(folder)), manifest_(read_manifest(folder_)), files_(open_files(folder_, manifest_)) {
  const uint64_t shards = manifest_.tokens == 0 ? 1 : (manifest_.tokens - 1) / manifest_.tokens_per_shard + 1;
  if (shards > files_.size()) fail_input(folder_, "the manifest lists too few token files");
  const auto open = [&](const std::string& name, uint32_t element_bytes, uint64_t first, uint64_t bytes) {
    const auto& opened = file(name);
    opened.check_header(element_bytes, first, manifest_.tokenizer_digest);
    if (opened.elements(1) != bytes) fail_input(folder_ / name, "its size does not fit the manifest's counts");
    return &opened;
  };
  for (uint64_t shard = 0; shard < shards; ++shard) {
    const uint64_t first = shard * manifest_.tokens_per_shard,
                   count = std::min(manifest_.tokens_per_shard, manifest_.tokens - first);
    tokens_.push_back(
        open(fmt::format("tokens-{:05}.bin", shard), manifest_.token_bytes, first, count * manifest_.token_bytes));
    if (manifest_.weights) weights_.push_back(open(fmt::format("weights-{:05}.bin", shard), 0, first, (count + 7) / 8));
  }
  const auto documents = static_cast<uint64_t>(manifest_.documents), rows = static_cast<uint64_t>(manifest_.rows);
  documents_ = open("documents.bin", sizeof(DocumentEntry), 0, (documents + 1) * sizeof(DocumentEntry));
  if (manifest_.packing == "concat") {
    if (manifest_.rows != concat_rows(manifest_.tokens, manifest_.sequence_length)) {
      fail_input(folder_ / "manifest.json", "the number of rows does not fit the number of tokens");
    }
    return;
  }
  rows_ = open("rows.bin", sizeof(uint64_t), 0, (rows + 1) * sizeof(uint64_t));
  spans_ = &file("spans.bin");
  spans_->check_header(sizeof(RowSpan), 0, manifest_.tokenizer_digest);
}

const VerifiedFile& ShardDataset::file(const std::string& name) const {
  const auto at = files_.find(name);
  if (at == files_.end()) fail_input(folder_ / "manifest.json", "lists no file " + name);
  return at->second;
}

DocumentEntry ShardDataset::entry(int64_t document) const {
  if (document < 0 || document > manifest_.documents) {
    fail_input(folder_, "expected a document number from 0 to " + std::to_string(manifest_.documents - 1) + ", found " +
                            std::to_string(document));
  }
  return load<DocumentEntry>(*documents_, static_cast<uint64_t>(document));
}

int64_t ShardDataset::document_tokens(int64_t document) const {
  if (document >= manifest_.documents) entry(-1);
  const uint64_t begin = entry(document).first_token, end = entry(document + 1).first_token;
  if (begin > end || end > manifest_.tokens) fail_input(documents_->path(), "document offsets are not in order");
  return static_cast<int64_t>(end - begin);
}

std::string ShardDataset::document_source(int64_t document) const {
  const uint32_t source = entry(document).source;
  return source < manifest_.sources.size() ? manifest_.sources[source] : "";
}

Sample ShardDataset::sample(int64_t document) const {
  Sample sample;
  sample.id = entry(document).id;
  sample.ids.resize(static_cast<size_t>(document_tokens(document)));
  sample.weight.resize(sample.ids.size());
  read(document, 0, sample.ids, sample.weight);
  return sample;
}

void ShardDataset::read(int64_t document, int64_t begin, std::span<int32_t> ids, std::span<float> weights) const {
  const int64_t length = document_tokens(document), count = static_cast<int64_t>(ids.size());
  if (begin < 0 || begin > length || count > length - begin) fail_input(folder_, "tokens outside their document");
  if (!weights.empty() && weights.size() != ids.size()) fail_internal("weights and ids of different lengths");
  const DocumentEntry document_entry = entry(document);
  const uint64_t first = document_entry.first_token + static_cast<uint64_t>(begin);
  read_ids(first, ids);
  if (weights.empty()) return;
  if (document_entry.trained_whole || !manifest_.weights) {
    std::fill(weights.begin(), weights.end(), 1.0f);
    if (begin == 0) weights[0] = 0;
  } else {
    read_weights(first, weights);
  }
}

void ShardDataset::read_ids(uint64_t first, std::span<int32_t> ids) const {
  for (size_t done = 0; done < ids.size();) {
    const uint64_t token = first + done, within = token % manifest_.tokens_per_shard;
    const auto& shard = *tokens_.at(token / manifest_.tokens_per_shard);
    const size_t count =
        static_cast<size_t>(std::min<uint64_t>(ids.size() - done, manifest_.tokens_per_shard - within));
    const auto* from = shard.at(sizeof(FileHeader) + within * manifest_.token_bytes, count * manifest_.token_bytes);
    for (size_t i = 0; i < count; ++i) {
      uint32_t id = 0;
      std::memcpy(&id, from + i * manifest_.token_bytes, manifest_.token_bytes);
      if (id >= static_cast<uint64_t>(manifest_.vocab_size)) {
        fail_input(shard.path(), "token id " + std::to_string(id) + " outside the vocabulary");
      }
      ids[done + i] = static_cast<int32_t>(id);
    }
    done += count;
  }
}

void ShardDataset::read_weights(uint64_t first, std::span<float> weights) const {
  for (size_t i = 0; i < weights.size();) {
    const uint64_t token = first + i, within = token % manifest_.tokens_per_shard;
    const size_t count =
        static_cast<size_t>(std::min<uint64_t>(weights.size() - i, manifest_.tokens_per_shard - within));
    const uint64_t first_byte = within / 8, last_byte = (within + count - 1) / 8;
    const auto* from = weights_.at(token / manifest_.tokens_per_shard)
                           ->at(sizeof(FileHeader) + first_byte, last_byte - first_byte + 1);
    for (size_t k = 0; k < count; ++k, ++i) {
      const uint64_t bit = within + k - first_byte * 8;
      weights[i] = static_cast<float>((static_cast<unsigned>(from[bit / 8]) >> (bit % 8)) & 1u);
    }
  }
}

// The document that holds a token: the last one that begins at or before it.
int64_t ShardDataset::document_at(uint64_t token) const {
  int64_t low = 0, high = manifest_.documents;
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (entry(middle).first_token <= token ? low : high) = middle;
  }
  return low;
}

std::vector<Dataset::Span> ShardDataset::concat_row(int64_t row) const {
  std::vector<Span> spans;
  const uint64_t length = static_cast<uint64_t>(manifest_.sequence_length);
  uint64_t token = static_cast<uint64_t>(row) * length;
  const uint64_t end = std::min(token + length, manifest_.tokens);
  for (int64_t document = document_at(token); token < end; ++document) {
    const uint64_t begin = entry(document).first_token;
    const uint64_t stop = std::min(end, begin + static_cast<uint64_t>(document_tokens(document)));
    if (begin > token || document >= manifest_.documents)
      fail_input(documents_->path(), "document offsets are not in order");
    if (stop <= token) continue;
    spans.push_back({document, static_cast<int64_t>(token - begin), static_cast<int64_t>(stop - begin)});
    token = stop;
  }
  return spans;
}

std::vector<Dataset::Span> ShardDataset::row(int64_t row) const {
  if (row < 0 || row >= manifest_.rows) {
    fail_input(folder_,
               "expected a row from 0 to " + std::to_string(manifest_.rows - 1) + ", found " + std::to_string(row));
  }
  if (!rows_) return concat_row(row);
  const uint64_t first = load<uint64_t>(*rows_, static_cast<uint64_t>(row));
  const uint64_t last = load<uint64_t>(*rows_, static_cast<uint64_t>(row) + 1);
  const uint64_t most = static_cast<uint64_t>(manifest_.sequence_length);
  if (first > last || last - first > most) fail_input(rows_->path(), "the spans of a row are not in order");
  std::vector<Span> spans;
  uint64_t length = 0;
  for (uint64_t i = first; i < last; ++i) {
    const auto span = load<RowSpan>(*spans_, i);
    if (span.begin >= span.end || (length += span.end - span.begin) > most) {
      fail_input(spans_->path(), "a row is longer than the sequence length, or a span is empty");
    }
    spans.push_back({static_cast<int64_t>(span.document), span.begin, span.end});
  }
  return spans;
}

DatasetPtr Dataset::open(const std::filesystem::path& folder) {
  return std::make_shared<ShardDataset>(std::filesystem::absolute(folder).lexically_normal());
}

}  // namespace plumb::data
