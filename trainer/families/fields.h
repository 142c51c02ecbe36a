// Typed reading of a JSON object from outside: every wrong type is an Error that names the key.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace plumb::families {

class Fields {
 public:
  // `object` must be a JSON object; it must outlive this.
  Fields(const nlohmann::ordered_json& object, std::string where);

  // Present and not null.
  bool has(const char* key) const { return find(key) != nullptr; }
  const nlohmann::ordered_json* find(const char* key) const;
  const std::string& where() const { return where_; }

  int64_t integer(const char* key, int64_t least, int64_t most) const;  // required
  int64_t integer(const char* key, int64_t otherwise, int64_t least, int64_t most) const;
  double number(const char* key, double otherwise) const;
  bool boolean(const char* key, bool otherwise) const;
  std::string text(const char* key, const std::string& otherwise) const;
  std::vector<std::string> texts(const char* key) const;
  // A token id or a list of them, as eos_token_id is; empty when absent.
  std::vector<int32_t> token_ids(const char* key) const;
  [[noreturn]] void wrong(const char* key, const std::string& expected, const std::string& hint = "") const;

 private:
  const nlohmann::ordered_json& object_;
  std::string where_;
};

}  // namespace plumb::families
