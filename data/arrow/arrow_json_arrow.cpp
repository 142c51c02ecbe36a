#include <arrow/util/utf8.h>

#include <cmath>

#include "data/arrow/arrow_json.h"
#include "data/source/rows.h"

namespace plumb::data {

namespace {

using nlohmann::json;

json text(std::string_view value, std::string& wrong) {
  if (value.size() > kLargestRow) {
    wrong = "row larger than " + std::to_string(kLargestRow >> 20) + " MiB";
  } else if (!is_utf8(value)) {
    wrong = "invalid UTF-8";
  } else {
    return std::string(value);
  }
  return nullptr;
}

json number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json list(const arrow::Array& values, int64_t begin, int64_t length, std::string& wrong) {
  json out = json::array();
  for (int64_t i = 0; i < length && wrong.empty(); ++i) out.push_back(arrow_json(values, begin + i, wrong));
  return out;
}

json object(const arrow::StructArray& array, int64_t i, std::string& wrong) {
  json out = json::object();
  for (int f = 0; f < array.num_fields() && wrong.empty(); ++f) {
    const std::string& name = array.struct_type()->field(f)->name();
    if (is_utf8(name)) out[name] = arrow_json(*array.field(f), i, wrong);
  }
  return out;
}

// Keys that are texts make an object; others a list of pairs.
json map(const arrow::MapArray& array, int64_t i, std::string& wrong) {
  const int64_t begin = array.value_offset(i), end = begin + array.value_length(i);
  const bool texts = array.keys()->type_id() == arrow::Type::STRING;
  json out = texts ? json::object() : json::array();
  for (int64_t at = begin; at < end && wrong.empty(); ++at) {
    json key = arrow_json(*array.keys(), at, wrong), value = arrow_json(*array.items(), at, wrong);
    if (!wrong.empty()) break;
    if (texts && key.is_string())
      out[key.get<std::string>()] = std::move(value);
    else if (!texts)
      out.push_back(json::array({std::move(key), std::move(value)}));
  }
  return out;
}

template <class Array>
const Array& as(const arrow::Array& array) {
  return static_cast<const Array&>(array);
}

json nested(const arrow::Array& array, int64_t i, std::string& wrong) {
  switch (array.type_id()) {
    case arrow::Type::LIST:
      return list(*as<arrow::ListArray>(array).values(), as<arrow::ListArray>(array).value_offset(i),
                  as<arrow::ListArray>(array).value_length(i), wrong);
    case arrow::Type::LARGE_LIST:
      return list(*as<arrow::LargeListArray>(array).values(), as<arrow::LargeListArray>(array).value_offset(i),
                  as<arrow::LargeListArray>(array).value_length(i), wrong);
    case arrow::Type::LIST_VIEW:
      return list(*as<arrow::ListViewArray>(array).values(), as<arrow::ListViewArray>(array).value_offset(i),
                  as<arrow::ListViewArray>(array).value_length(i), wrong);
    case arrow::Type::FIXED_SIZE_LIST:
      return list(*as<arrow::FixedSizeListArray>(array).values(), as<arrow::FixedSizeListArray>(array).value_offset(i),
                  as<arrow::FixedSizeListArray>(array).value_length(i), wrong);
    case arrow::Type::STRUCT:
      return object(as<arrow::StructArray>(array), i, wrong);
    case arrow::Type::MAP:
      return map(as<arrow::MapArray>(array), i, wrong);
    case arrow::Type::DICTIONARY:
      return arrow_json(*as<arrow::DictionaryArray>(array).dictionary(),
                        as<arrow::DictionaryArray>(array).GetValueIndex(i), wrong);
    case arrow::Type::EXTENSION:
      return arrow_json(*as<arrow::ExtensionArray>(array).storage(), i, wrong);
    default: {
      const auto scalar = array.GetScalar(i);  // dates, times, decimals, half floats
      if (!scalar.ok()) return wrong = "a value of type " + array.type()->ToString() + " that cannot be read", nullptr;
      return text((*scalar)->ToString(), wrong);
    }
  }
}

}  // namespace

bool is_utf8(std::string_view text) {
  arrow::util::InitializeUTF8();
  return arrow::util::ValidateUTF8(text);
}

json arrow_json(const arrow::Array& array, int64_t i, std::string& wrong) {
  if (i < 0 || i >= array.length()) return wrong = "a nested value that points outside its column", nullptr;
  if (array.IsNull(i)) return nullptr;
  switch (array.type_id()) {
    case arrow::Type::NA:
      return nullptr;
    case arrow::Type::BOOL:
      return as<arrow::BooleanArray>(array).Value(i);
    case arrow::Type::INT8:
      return as<arrow::Int8Array>(array).Value(i);
    case arrow::Type::INT16:
      return as<arrow::Int16Array>(array).Value(i);
    case arrow::Type::INT32:
      return as<arrow::Int32Array>(array).Value(i);
    case arrow::Type::INT64:
      return as<arrow::Int64Array>(array).Value(i);
    case arrow::Type::UINT8:
      return as<arrow::UInt8Array>(array).Value(i);
    case arrow::Type::UINT16:
      return as<arrow::UInt16Array>(array).Value(i);
    case arrow::Type::UINT32:
      return as<arrow::UInt32Array>(array).Value(i);
    case arrow::Type::UINT64:
      return as<arrow::UInt64Array>(array).Value(i);
    case arrow::Type::FLOAT:
      return number(as<arrow::FloatArray>(array).Value(i));
    case arrow::Type::DOUBLE:
      return number(as<arrow::DoubleArray>(array).Value(i));
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return text(as<arrow::BinaryArray>(array).GetView(i), wrong);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return text(as<arrow::LargeBinaryArray>(array).GetView(i), wrong);
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return text(as<arrow::BinaryViewArray>(array).GetView(i), wrong);
    case arrow::Type::FIXED_SIZE_BINARY:
      return text(as<arrow::FixedSizeBinaryArray>(array).GetView(i), wrong);
    default:
      return nested(array, i, wrong);
  }
}

}  // namespace plumb::data
