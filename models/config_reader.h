// Reads the keys of one map of a config.json and keeps count of them: what is asked for is known, what is
// listed as harmless is passed over, everything else is an error, for it might change the arithmetic. Every
// error points at file:line:col.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/io/document.h"
#include "base/result.h"

namespace rdusim::models {

class ConfigReader {
 public:
  // Fails later, at the first key asked for, if `map` is not a map. `map` outlives the reader.
  explicit ConfigReader(const DocumentNode& map) : map_(map) {}

  // Required; 1 to 2^31 - 1 (counts and extents).
  Result<int64_t> positive(std::string_view key);
  Result<int64_t> integer(std::string_view key, int64_t least, int64_t most);
  Result<double> real(std::string_view key, double least, double most);
  // Absent or null: `otherwise`.
  Result<int64_t> positive_or(std::string_view key, int64_t otherwise);
  Result<double> real_or(std::string_view key, double otherwise, double least, double most);
  Result<bool> boolean_or(std::string_view key, bool otherwise);
  // Null if the key is absent or its value is null.
  const DocumentNode* optional(std::string_view key);

  // Present or absent; if present it must say what we compute. The error is kUnsupported.
  Status must_be_if_present(std::string_view key, std::string_view value);
  // The first of these that is the value of `key`, a string or a list of one string.
  Result<std::string> one_of(std::string_view key, const std::vector<std::string>& known);

  // Keys without influence on the arithmetic of inference.
  void ignore(std::initializer_list<std::string_view> keys);
  // Fails at the first key that was neither read nor ignored, and suggests the nearest of these.
  Status finish() const;

 private:
  const DocumentNode& map_;
  std::vector<std::string> known_;
};

// Error at a node of the config.
Error config_error(const DocumentNode& node, ErrorCode code, std::string what, std::string hint = "");

}  // namespace rdusim::models
