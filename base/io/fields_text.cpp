// What Fields writes: YAML that parses back to an equal struct, and the Markdown table of the docs.
#include <fmt/format.h>

#include "base/io/document_scalars.h"
#include "base/io/fields.h"

namespace rdusim {
namespace {

using Kind = Field::Kind;

constexpr size_t kMaxSimpleKey =
    200;  // YAML ends a key without a question mark at 1024 characters, escapes included

// Plain where YAML reads it back as the same string, else double-quoted.
std::string yaml_string(std::string_view text) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.' || c == '/';
  };
  bool plain =
      plain_scalar_kind(text) == DocumentNode::Kind::kString && text.front() != '-' && text.front() != '.';
  for (const char c : text) plain = plain && is_plain(c);
  if (plain) return std::string(text);
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02X}", byte);
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string yaml_value(int64_t value) {
  return fmt::format("{}", value);
}
std::string yaml_value(double value) {
  return fmt::format("{}", value);
}  // shortest text that reads back equal
std::string yaml_value(const std::string& value) {
  return yaml_string(value);
}

template <typename T>
std::string yaml_list(const void* member) {
  std::string out = "[";
  for (const T& value : *static_cast<const std::vector<T>*>(member)) {
    if (out.size() > 1) out += ", ";
    out += yaml_value(value);
  }
  return out + "]";
}

void dump_document(const DocumentNode& node, std::string& out) {
  switch (node.kind) {
    case DocumentNode::Kind::kNull:
      out += "null";
      return;
    case DocumentNode::Kind::kBool:
    case DocumentNode::Kind::kInteger:
    case DocumentNode::Kind::kReal:
      out += node.text;
      return;
    case DocumentNode::Kind::kString:
      out += yaml_string(node.text);
      return;
    case DocumentNode::Kind::kList:
      out += "[";
      for (size_t i = 0; i < node.items.size(); ++i) {
        if (i > 0) out += ", ";
        dump_document(node.items[i], out);
      }
      out += "]";
      return;
    case DocumentNode::Kind::kMap:
      out += "{";
      for (size_t i = 0; i < node.members.size(); ++i) {
        if (i > 0) out += ", ";
        const std::string& key = node.members[i].first;
        if (key.size() > kMaxSimpleKey) out += "? ";
        out += yaml_string(key) + ": ";
        dump_document(node.members[i].second, out);
      }
      out += "}";
      return;
  }
}

// Of every kind but structs and lists of structs.
std::string one_line(const Field& field, const void* member) {
  switch (field.kind) {
    case Kind::kInteger:
      return yaml_value(*static_cast<const int64_t*>(member));
    case Kind::kReal:
      return yaml_value(*static_cast<const double*>(member));
    case Kind::kBool:
      return *static_cast<const bool*>(member) ? "true" : "false";
    case Kind::kText:
      return yaml_string(*static_cast<const std::string*>(member));
    case Kind::kIntegerList:
      return yaml_list<int64_t>(member);
    case Kind::kRealList:
      return yaml_list<double>(member);
    case Kind::kTextList:
      return yaml_list<std::string>(member);
    case Kind::kDocument:
      return dump_yaml(*static_cast<const DocumentNode*>(member));
    case Kind::kTag:
      return yaml_string(field.choices.front());
    case Kind::kStruct:
    case Kind::kStructList:
      break;
  }
  return "";
}

const void* member_of(const Field& field, const void* object) {
  return field.member(const_cast<void*>(object));  // only the address is taken
}

std::string type_text(const Field& field) {
  switch (field.kind) {
    case Kind::kInteger:
      return "integer";
    case Kind::kReal:
      return "number";
    case Kind::kBool:
      return "true or false";
    case Kind::kText:
    case Kind::kTag:
      return "text";
    case Kind::kIntegerList:
      return "list of integers";
    case Kind::kRealList:
      return "list of numbers";
    case Kind::kTextList:
      return "list of texts";
    case Kind::kStruct:
      return "block";
    case Kind::kStructList:
      return "list of blocks";
    case Kind::kDocument:
      return "any";
  }
  return "?";
}

template <typename Range, typename Bound>
std::string bounds(const Range& range, Bound lowest, Bound highest) {
  const std::string low = range.min > lowest ? fmt::format("{}", range.min) : "";
  const std::string high = range.max < highest ? fmt::format("{}", range.max) : "";
  return low.empty() && high.empty() ? "" : low + " … " + high;
}

std::string limits_cell(const Field& field) {
  if (!field.choices.empty()) return join_names(field.choices);
  if (field.kind == Kind::kInteger || field.kind == Kind::kIntegerList) {
    return bounds(field.integer_range, std::numeric_limits<int64_t>::min(),
                  std::numeric_limits<int64_t>::max());
  }
  if (field.kind == Kind::kReal || field.kind == Kind::kRealList) {
    return bounds(field.real_range, std::numeric_limits<double>::lowest(),
                  std::numeric_limits<double>::max());
  }
  return "";
}

void docs_rows(const FieldTable& table, const void* object, const std::string& prefix, std::string& out) {
  for (const Field& field : table.fields()) {
    const bool block = field.kind == Kind::kStruct || field.kind == Kind::kStructList;
    const std::string key = prefix + field.key + (field.kind == Kind::kStructList ? "[]" : "");
    const void* member = member_of(field, object);
    std::string fallback = field.required ? "required" : "optional";
    if (!field.required && !block) fallback = one_line(field, member);
    out += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", key, type_text(field), field.unit,
                       limits_cell(field), fallback, field.meaning);
    if (field.kind == Kind::kStruct) docs_rows(*field.nested, member, key + ".", out);
    if (field.kind == Kind::kStructList)
      docs_rows(*field.nested, field.nested->default_object(), key + ".", out);
  }
}

}  // namespace

std::string dump_yaml(const DocumentNode& node) {
  std::string out;
  dump_document(node, out);
  return out;
}

void FieldTable::dump_object(const void* object, int indent, std::string& out) const {
  const std::string margin(static_cast<size_t>(indent), ' ');
  for (const Field& field : fields_) {
    const void* member = member_of(field, object);
    if (field.kind == Kind::kStruct) {
      out += margin + field.key + ":\n";
      field.nested->dump_object(member, indent + 2, out);
    } else if (field.kind == Kind::kStructList) {
      const size_t count = field.size(member);
      out += margin + field.key + (count == 0 ? ": []\n" : ":\n");
      for (size_t i = 0; i < count; ++i) {
        const size_t start = out.size();
        field.nested->dump_object(field.element(const_cast<void*>(member), i), indent + 4, out);
        out.replace(start, margin.size() + 4, margin + "  - ");  // the first key stands beside the dash
      }
    } else {
      out += margin + field.key + ": " + one_line(field, member) + "\n";
    }
  }
}

std::string FieldTable::docs_table() const {
  std::string out =
      "| key | type | unit | limits | default | meaning |\n| --- | --- | --- | --- | --- | --- |\n";
  docs_rows(*this, default_object(), "", out);
  return out;
}

}  // namespace rdusim
