// The parser behind Fields: walks a map once for unknown keys, once over the fields in their declared order.
#include "base/io/fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/io/document_scalars.h"

namespace rdusim {
namespace {

using Kind = Field::Kind;

std::string limits_text(double min, double max) {
  if (min > -std::numeric_limits<double>::max() && max < std::numeric_limits<double>::max()) {
    return fmt::format("between {:g} and {:g}", min, max);
  }
  return min > -std::numeric_limits<double>::max() ? fmt::format("at least {:g}", min)
                                                   : fmt::format("at most {:g}", max);
}

std::string limits_text(int64_t min, int64_t max) {
  if (max == std::numeric_limits<int64_t>::max()) return fmt::format("at least {}", min);
  if (min == std::numeric_limits<int64_t>::min()) return fmt::format("at most {}", max);
  return fmt::format("between {} and {}", min, max);
}

template <typename Number, typename Range>
Status check_range(const Field& field, const DocumentNode& node, Number value, const Range& range) {
  if (value >= range.min && value <= range.max) return {};
  const std::string unit = field.unit.empty() ? "" : " " + field.unit;
  return Error{
      ErrorCode::kOutOfRange, node.where,
      fmt::format("{} must be {}{}, found {}", field.key, limits_text(range.min, range.max), unit, node.text),
      field.meaning};
}

// The value readers add the key to what DocumentNode says, which knows the place only.
template <typename T>
Result<T> named(const Field& field, Result<T> value) {
  if (value.ok()) return value;
  Error error = value.take_error();
  error.what = field.key + ": " + error.what;
  if (error.hint.empty()) error.hint = field.meaning;
  return error;
}

Result<int64_t> integer_value(const Field& field, const DocumentNode& node) {
  RDU_ASSIGN(const int64_t value, named(field, node.as_integer()));
  RDU_CHECK_OK(check_range(field, node, value, field.integer_range));
  return value;
}

Result<double> real_value(const Field& field, const DocumentNode& node) {
  RDU_ASSIGN(const double value, named(field, node.as_real()));
  RDU_CHECK_OK(check_range(field, node, value, field.real_range));
  return value;
}

Result<std::string> text_value(const Field& field, const DocumentNode& node) {
  RDU_ASSIGN(std::string value, named(field, node.as_string()));
  const auto& choices = field.choices;
  if (choices.empty() || std::find(choices.begin(), choices.end(), value) != choices.end()) return value;
  return Error{ErrorCode::kInvalidInput, node.where,
               fmt::format("{}: unknown choice {}", field.key, backquoted(value)),
               suggestion(value, choices)};
}

template <typename T>
Status parse_list(const Field& field, const DocumentNode& node, void* member,
                  Result<T> (*parse)(const Field&, const DocumentNode&)) {
  auto& list = *static_cast<std::vector<T>*>(member);
  list.clear();
  for (const DocumentNode& item : node.items) {
    RDU_ASSIGN(T value, parse(field, item));
    list.push_back(std::move(value));
  }
  return {};
}

Status parse_struct_list(const Field& field, const DocumentNode& node, void* member) {
  for (const DocumentNode& item : node.items)
    RDU_CHECK_OK(field.nested->parse_object(item, field.append(member)));
  return {};
}

bool is_list(Kind kind) {
  return kind == Kind::kIntegerList || kind == Kind::kRealList || kind == Kind::kTextList ||
         kind == Kind::kStructList;
}

Status parse_field(const Field& field, const DocumentNode& node, void* member) {
  if (is_list(field.kind) && node.kind != DocumentNode::Kind::kList) {
    return Error{ErrorCode::kInvalidInput, node.where,
                 fmt::format("{}: expected a list, found {}", field.key, describe(node)), field.meaning};
  }
  switch (field.kind) {
    case Kind::kInteger: {
      RDU_ASSIGN(*static_cast<int64_t*>(member), integer_value(field, node));
      return {};
    }
    case Kind::kReal: {
      RDU_ASSIGN(*static_cast<double*>(member), real_value(field, node));
      return {};
    }
    case Kind::kBool: {
      RDU_ASSIGN(*static_cast<bool*>(member), named(field, node.as_bool()));
      return {};
    }
    case Kind::kText: {
      RDU_ASSIGN(*static_cast<std::string*>(member), text_value(field, node));
      return {};
    }
    case Kind::kIntegerList:
      return parse_list<int64_t>(field, node, member, integer_value);
    case Kind::kRealList:
      return parse_list<double>(field, node, member, real_value);
    case Kind::kTextList:
      return parse_list<std::string>(field, node, member, text_value);
    case Kind::kStruct:
      return field.nested->parse_object(node, member);
    case Kind::kStructList:
      return parse_struct_list(field, node, member);
    case Kind::kDocument:
      *static_cast<DocumentNode*>(member) = node;
      return {};
    case Kind::kTag: {
      auto tag = text_value(field, node);
      return tag.ok() ? Status() : Status(tag.take_error());
    }
  }
  return {};
}

Status check_known_keys(const FieldTable& table, const DocumentNode& node) {
  std::vector<std::string> known;
  for (const Field& field : table.fields()) known.push_back(field.key);
  for (const auto& [key, value] : node.members) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    return Error{ErrorCode::kInvalidInput, value.where,
                 fmt::format("unknown key {} in {}", backquoted(key), table.name()), suggestion(key, known)};
  }
  return {};
}

}  // namespace

Status FieldTable::parse_object(const DocumentNode& node, void* object) const {
  if (node.kind != DocumentNode::Kind::kMap) {
    return Error{ErrorCode::kInvalidInput, node.where,
                 fmt::format("expected {} as a map, found {}", name_, describe(node)), meaning_};
  }
  RDU_CHECK_OK(check_known_keys(*this, node));
  for (const Field& field : fields_) {
    const DocumentNode* value = node.find(field.key);
    if (value == nullptr && !field.required) continue;
    if (value == nullptr) {
      return Error{ErrorCode::kInvalidInput, node.where,
                   fmt::format("missing key {} in {}", backquoted(field.key), name_),
                   "it is: " + field.meaning};
    }
    RDU_CHECK_OK(parse_field(field, *value, field.member(object)));
  }
  for (const auto& check : checks_) {
    if (std::string what = check(object); !what.empty()) {
      return Error{ErrorCode::kInvalidInput, node.where, std::move(what), ""};
    }
  }
  return {};
}

}  // namespace rdusim
