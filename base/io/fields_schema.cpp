// JSON schema (draft 2020-12) of a FieldTable: editors then complete keys and mark errors while the user
// types.
#include <nlohmann/json.hpp>

#include "base/io/fields.h"

namespace rdusim {
namespace {

using Json = nlohmann::ordered_json;
using Kind = Field::Kind;

Json object_schema(const FieldTable& table);

Json integer_schema(const Field& field) {
  Json schema = {{"type", "integer"}};
  if (field.integer_range.min != std::numeric_limits<int64_t>::min())
    schema["minimum"] = field.integer_range.min;
  if (field.integer_range.max != std::numeric_limits<int64_t>::max())
    schema["maximum"] = field.integer_range.max;
  return schema;
}

Json real_schema(const Field& field) {
  Json schema = {{"type", "number"}};
  if (field.real_range.min > std::numeric_limits<double>::lowest()) schema["minimum"] = field.real_range.min;
  if (field.real_range.max < std::numeric_limits<double>::max()) schema["maximum"] = field.real_range.max;
  return schema;
}

Json text_schema(const Field& field) {
  Json schema = {{"type", "string"}};
  if (!field.choices.empty()) schema["enum"] = field.choices;
  return schema;
}

Json array_schema(Json items) {
  return Json{{"type", "array"}, {"items", std::move(items)}};
}

Json field_schema(const Field& field) {
  switch (field.kind) {
    case Kind::kInteger:
      return integer_schema(field);
    case Kind::kReal:
      return real_schema(field);
    case Kind::kBool:
      return Json{{"type", "boolean"}};
    case Kind::kText:
      return text_schema(field);
    case Kind::kIntegerList:
      return array_schema(integer_schema(field));
    case Kind::kRealList:
      return array_schema(real_schema(field));
    case Kind::kTextList:
      return array_schema(text_schema(field));
    case Kind::kStruct:
      return object_schema(*field.nested);
    case Kind::kStructList:
      return array_schema(object_schema(*field.nested));
    case Kind::kTag:
      return Json{{"const", field.choices.front()}};
    case Kind::kDocument:
      return Json::object();  // anything
  }
  return Json::object();
}

Json object_schema(const FieldTable& table) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const Field& field : table.fields()) {
    Json schema = field_schema(field);
    schema["description"] = field.unit.empty() ? field.meaning : field.meaning + " (" + field.unit + ")";
    properties[field.key] = std::move(schema);
    if (field.required) required.push_back(field.key);
  }
  return Json{{"type", "object"},
              {"description", table.meaning()},
              {"properties", std::move(properties)},
              {"required", std::move(required)},
              {"additionalProperties", false}};
}

}  // namespace

std::string FieldTable::json_schema() const {
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"}, {"title", name_}};
  schema.update(object_schema(*this));
  return schema.dump(2) + "\n";
}

}  // namespace rdusim
