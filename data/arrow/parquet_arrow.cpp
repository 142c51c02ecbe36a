#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "data/arrow/arrow_json.h"
#include "data/arrow/module.h"
#include "data/source/rows.h"

namespace plumb::data {

namespace {

constexpr int64_t kMostMemory = int64_t{2} << 30;   // for one file's decoding, whatever it claims
constexpr int64_t kBatchBytes = int64_t{16} << 20;  // aimed at; rows of a batch follow from what the file says
constexpr int64_t kMostBatchRows = 4096;
constexpr int kDeepestSchema = 64;

class Parquet : public RowReader {
 public:
  Parquet(const std::filesystem::path& file, const std::vector<std::string>& columns)
      : file_(file.string()), pool_(arrow::default_memory_pool(), kMostMemory) {
    guarded([&] { open(columns); });
  }

  // What is damaged of a row group takes the rest of it along: its pages follow from each other. The next one stands on
  // its own.
  bool next(Row& row) override {
    row.wrong.clear();
    bool more = false;
    damaged_ = true;
    guarded([&] { more = advance(); });
    damaged_ = false;
    if (!more) return false;
    ++row_;
    row.line = row_, row.offset = 0;
    row.value = nlohmann::json::object();
    for (int c = 0; c < batch_->num_columns(); ++c) {
      const std::string& name = batch_->schema()->field(c)->name();
      if (is_utf8(name)) row.value[name] = arrow_json(*batch_->column(c), at_, row.wrong);
    }
    ++at_;
    return true;
  }
  uint64_t consumed() const override {
    return rows_ <= 0 ? 0 : static_cast<uint64_t>(static_cast<double>(size_) * static_cast<double>(row_) / rows_);
  }
  int64_t line() const override { return damaged_ ? lost_ : row_ + 1; }
  bool goes_on() const override { return damaged_; }

 private:
  // Arrow answers with a Status, Parquet's own readers throw.
  template <class Work>
  void guarded(const Work& work) {
    std::string reason;
    try {
      work();
      return;
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      reason = error.what();
    }
    reason = "not a readable Parquet file: " + reason.substr(0, reason.find('\n')).substr(0, 200);
    if (!is_utf8(reason)) reason = "not a readable Parquet file";
    if (damaged_) reason += pass_over();
    fail_input(file_, reason);
  }
  // To the end of the row group that is damaged.
  std::string pass_over() {
    batches_.reset(), batch_.reset();
    lost_ = row_ + 1, row_ = std::max(row_, group_end_);
    return lost_ > row_ ? "" : "; rows " + std::to_string(lost_) + " to " + std::to_string(row_) + " are left out";
  }
  void check(const arrow::Status& status) const {
    if (!status.ok()) throw std::runtime_error(status.message());
  }
  template <class T>
  T take(arrow::Result<T> result) const {
    check(result.status());
    return std::move(result).ValueUnsafe();
  }

  void open(const std::vector<std::string>& columns) {
    const auto input = take(arrow::io::ReadableFile::Open(file_, &pool_));
    size_ = take(input->GetSize());
    parquet::ReaderProperties properties(&pool_);
    properties.enable_buffered_stream();  // a column chunk is not read as a whole
    properties.set_schema_depth_limit(kDeepestSchema);
    auto arrow_properties = parquet::ArrowReaderProperties(false);
    arrow_properties.set_pre_buffer(false);
    parquet::arrow::FileReaderBuilder builder;
    check(builder.Open(input, properties));
    builder.memory_pool(&pool_)->properties(arrow_properties);
    reader_ = take(builder.Build());
    metadata_ = reader_->parquet_reader()->metadata();
    rows_ = static_cast<double>(metadata_->num_rows());
    const auto* schema = metadata_->schema();
    for (int leaf = 0; leaf < schema->num_columns(); ++leaf) {
      if (wanted(schema->GetColumnRoot(leaf)->name(), columns)) leaves_.push_back(leaf);
    }
    // None is there: whoever reads the rows says so, and which ones are there instead.
    if (leaves_.empty()) {
      leaves_.resize(static_cast<size_t>(schema->num_columns()));
      std::iota(leaves_.begin(), leaves_.end(), 0);
    }
  }

  static bool wanted(const std::string& root, const std::vector<std::string>& columns) {
    return columns.empty() || std::any_of(columns.begin(), columns.end(), [&](const std::string& column) {
             return column == root || column.starts_with(root + ".");
           });
  }

  // So many rows that a batch stays small. What the file says of itself may be wrong; the pool's limit is what holds.
  int64_t batch_rows(int group) const {
    const auto chunk = metadata_->RowGroup(group);
    int64_t bytes = 0;
    for (const int leaf : leaves_) {
      bytes += std::clamp<int64_t>(chunk->ColumnChunk(leaf)->total_uncompressed_size(), 0, int64_t{1} << 50);
    }
    const int64_t rows = std::max<int64_t>(chunk->num_rows(), 1);
    return std::clamp<int64_t>(kBatchBytes / std::max<int64_t>(bytes / rows, 1), 1, kMostBatchRows);
  }

  // To the next row; false at the end.
  bool advance() {
    while (!batch_ || at_ >= batch_->num_rows()) {
      if (!batches_) {
        if (group_ >= metadata_->num_row_groups()) return false;
        const int group = group_++;
        group_end_ += std::max<int64_t>(metadata_->RowGroup(group)->num_rows(), 0);
        reader_->set_batch_size(batch_rows(group));
        batches_ = take(reader_->GetRecordBatchReader({group}, leaves_));
      }
      batch_.reset();
      check(batches_->ReadNext(&batch_));
      at_ = 0;
      if (!batch_) batches_.reset();
    }
    return true;
  }

  std::string file_;
  arrow::CappedMemoryPool pool_;  // outlives what is allocated from it
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::shared_ptr<parquet::FileMetaData> metadata_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  std::vector<int> leaves_;
  int group_ = 0;
  int64_t at_ = 0, row_ = 0, size_ = 0;
  int64_t group_end_ = 0;  // rows up to the end of the group that is read
  bool damaged_ = false;   // the last row could not be read
  int64_t lost_ = 0;       // its number
  double rows_ = 0;
};

}  // namespace

extern "C" RowReader* plumb_arrow_read_parquet(const char* file, const char* const* columns, size_t count) {
  return new Parquet(file, std::vector<std::string>(columns, columns + count));
}

}  // namespace plumb::data
