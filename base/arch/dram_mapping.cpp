#include "base/arch/dram_mapping.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <optional>
#include <string_view>

namespace rdusim {
namespace {

struct FieldName {
  std::string_view name;
  DramField field;
};
constexpr FieldName kNames[] = {{"co", DramField::kColumn},        {"ba", DramField::kBank},
                                {"bg", DramField::kBankGroup},     {"ra", DramField::kRank},
                                {"pc", DramField::kPseudoChannel}, {"ch", DramField::kChannel},
                                {"ro", DramField::kRow},           {"si", DramField::kRank}};

std::optional<DramField> field_of(std::string_view name) {
  for (const FieldName& known : kNames) {
    if (known.name == name) return known.field;
  }
  return std::nullopt;
}

std::string_view name_of(DramField field) {
  return kNames[static_cast<size_t>(field)].name;
}

Error mapping_error(const std::string& text, const std::string& what) {
  return {ErrorCode::kInvalidInput, "mapping `" + text + "`", what,
          "write fields with widths, lowest first, as in `co1 bg2 pc1 co4 ra1 ba2 ro14 +xor`, or two letters "
          "a field, highest first, as in `rorabacochbg`"};
}

// Lower-case words up to an opening parenthesis that begins a word: a remark.
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words(1);
  for (const char c : text) {
    if (c == '(' && words.back().empty()) break;
    if (c == ' ') {
      if (!words.back().empty()) words.emplace_back();
    } else {
      words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  if (words.back().empty()) words.pop_back();
  if (!words.empty() && (words[0] == "lsb-first" || words[0] == "dramsim3")) words.erase(words.begin());
  return words;
}

Result<DramMapping> parse_letters(const std::string& text, const std::string& word,
                                  const std::array<int, kDramFields>& bits) {
  DramMapping mapping;
  std::array<bool, kDramFields> seen{};
  for (size_t end = word.size(); end > 0; end -= 2) {
    const std::string name = word.substr(end - 2, 2);
    const auto field = field_of(name);
    if (!field) return mapping_error(text, "unknown field `" + name + "`");
    const auto index = static_cast<size_t>(*field);
    if (seen[index]) return mapping_error(text, "field `" + name + "` stands twice");
    seen[index] = true;
    if (bits[index] > 0) mapping.slices.push_back({*field, bits[index]});
  }
  return mapping;
}

Result<DramMapping> parse_widths(const std::string& text, const std::vector<std::string>& words) {
  DramMapping mapping;
  for (const std::string& word : words) {
    if (word == "+xor" || word == "+xor(row)") {
      mapping.xor_row = true;
      continue;
    }
    const auto field = field_of(std::string_view(word).substr(0, 2));
    if (!field) return mapping_error(text, "unknown field `" + word + "`");
    const std::string digits = word.substr(2);
    const bool number =
        !digits.empty() && digits.size() <= 2 &&
        std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (!number) return mapping_error(text, "`" + word + "` needs a width of 0 to 40 bits");
    const int width = std::stoi(digits);
    if (width > 40) return mapping_error(text, "`" + word + "` needs a width of 0 to 40 bits");
    if (width > 0) mapping.slices.push_back({*field, width});
  }
  return mapping;
}

}  // namespace

std::array<int, kDramFields> dram_field_bits(const DramOrganisation& o) {
  const auto bits = [](int64_t count) {
    return count < 1 ? 0 : static_cast<int>(std::bit_width(static_cast<uint64_t>(count)) - 1);
  };
  const int64_t columns = o.burst_bytes > 0 ? o.bursts_per_row() : 1;
  return {bits(columns),           bits(o.banks),    bits(o.bank_groups), bits(o.ranks),
          bits(o.pseudo_channels), bits(o.channels), bits(o.rows)};
}

Result<DramMapping> parse_dram_mapping(const std::string& text, const DramOrganisation& organisation) {
  const auto bits = dram_field_bits(organisation);
  const std::vector<std::string> words = words_of(text);
  if (words.empty()) return mapping_error(text, "no field");
  const std::string& first = words[0];
  const bool letters = words.size() == 1 && first.size() % 2 == 0 &&
                       std::all_of(first.begin(), first.end(), [](char c) { return c >= 'a' && c <= 'z'; });
  auto mapping = letters ? parse_letters(text, first, bits) : parse_widths(text, words);
  if (!mapping.ok()) return mapping;

  std::array<int, kDramFields> sum{};
  for (const DramSlice& slice : mapping->slices) sum[static_cast<size_t>(slice.field)] += slice.width;
  for (size_t f = 0; f < kDramFields; ++f) {
    if (sum[f] == bits[f]) continue;
    return mapping_error(text, fmt::format("field `{}` has {} bits, the device needs {}",
                                           name_of(static_cast<DramField>(f)), sum[f], bits[f]));
  }
  return mapping;
}

std::string dump_dram_mapping(const DramMapping& mapping) {
  std::string text;
  for (const DramSlice& slice : mapping.slices) {
    text += fmt::format("{}{}{}", text.empty() ? "" : " ", name_of(slice.field), slice.width);
  }
  if (mapping.xor_row) text += " +xor";
  return text;
}

}  // namespace rdusim
