// Fields: one description of a configuration struct, from which come its parser, range checks, errors on
// unknown and missing keys, YAML dump, JSON schema (for editors) and docs table. Example:
//
//   struct Cache { std::string policy; int64_t capacity_bytes = 0; double share = 0.5; Link link; };
//   const Fields<Cache>& cache_fields() {
//     static const auto fields = Fields<Cache>("cache", "experts kept in HBM")
//         .text("policy", &Cache::policy, "what to evict").choices({"lru", "lfu"})
//         .integer("capacity_bytes", &Cache::capacity_bytes, {1, int64_t{1} << 50}, "bytes", "HBM set aside")
//         .real("share", &Cache::share, {0, 1}, "", "of the HBM that is left").optional()
//         .nested("link", &Cache::link, link_fields());
//     return fields;
//   }
//   RDU_ASSIGN(const Cache cache, cache_fields().parse(document));   // errors carry file:line:col of the
//   value std::string yaml = cache_fields().dump(cache);                   // parses back to an equal struct
//
// Every field is required unless .optional() follows it; an absent optional field keeps the struct's default.
// .check() adds what one field alone cannot say. FieldTable is the part that does not depend on the struct's
// type.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/io/document.h"
#include "base/result.h"

namespace rdusim {

struct IntegerRange {
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
};
struct RealRange {
  double min = -std::numeric_limits<double>::max();
  double max = std::numeric_limits<double>::max();
};

class FieldTable;

struct Field {
  enum class Kind : uint8_t {
    kInteger,
    kReal,
    kBool,
    kText,
    kIntegerList,
    kRealList,
    kTextList,
    kStruct,
    kStructList,
    kDocument,
    kTag
  };
  Kind kind = Kind::kInteger;
  std::string key;
  std::string unit;  // "" = none; also part of the key where it is a physical quantity
  std::string meaning;
  bool required = true;
  IntegerRange integer_range;        // of a value, or of each in a list
  RealRange real_range;              // of a value, or of each in a list
  std::vector<std::string> choices;  // of a text, or of each in a list; empty = any
  const FieldTable* nested = nullptr;
  std::function<void*(void* owner)> member;          // the address of the member in its struct
  std::function<void*(void* list)> append;           // kStructList: a new element at the end
  std::function<size_t(const void* list)> size;      // kStructList
  std::function<void*(void* list, size_t)> element;  // kStructList
};

class FieldTable {
 public:
  FieldTable(std::string name, std::string meaning) : name_(std::move(name)), meaning_(std::move(meaning)) {}

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& meaning() const { return meaning_; }
  [[nodiscard]] const std::vector<Field>& fields() const { return fields_; }
  // JSON schema (draft 2020-12) as text, for editors.
  [[nodiscard]] std::string json_schema() const;
  // Markdown table: key, type, unit, limits, default, meaning; nested blocks as dotted keys.
  [[nodiscard]] std::string docs_table() const;

  // The untyped halves of Fields<T>; `object` points to a T.
  Status parse_object(const DocumentNode& node, void* object) const;
  void dump_object(const void* object, int indent, std::string& out) const;
  [[nodiscard]] const void* default_object() const { return default_.get(); }

 protected:
  using ObjectCheck = std::function<std::string(const void*)>;
  std::string name_;
  std::string meaning_;
  std::vector<Field> fields_;
  std::vector<ObjectCheck> checks_;
  std::shared_ptr<const void> default_;
};

template <typename T>
class Fields : public FieldTable {
 public:
  Fields(std::string name, std::string meaning) : FieldTable(std::move(name), std::move(meaning)) {
    default_ = std::make_shared<const T>();
  }

  Fields& integer(std::string key, int64_t T::*member, IntegerRange range, std::string unit,
                  std::string meaning) {
    add(Field::Kind::kInteger, std::move(key), member, std::move(unit), std::move(meaning)).integer_range =
        range;
    return *this;
  }
  Fields& real(std::string key, double T::*member, RealRange range, std::string unit, std::string meaning) {
    add(Field::Kind::kReal, std::move(key), member, std::move(unit), std::move(meaning)).real_range = range;
    return *this;
  }
  Fields& boolean(std::string key, bool T::*member, std::string meaning) {
    add(Field::Kind::kBool, std::move(key), member, "", std::move(meaning));
    return *this;
  }
  Fields& text(std::string key, std::string T::*member, std::string meaning) {
    add(Field::Kind::kText, std::move(key), member, "", std::move(meaning));
    return *this;
  }
  Fields& integers(std::string key, std::vector<int64_t> T::*member, IntegerRange range, std::string unit,
                   std::string meaning) {
    add(Field::Kind::kIntegerList, std::move(key), member, std::move(unit), std::move(meaning))
        .integer_range = range;
    return *this;
  }
  Fields& reals(std::string key, std::vector<double> T::*member, RealRange range, std::string unit,
                std::string meaning) {
    add(Field::Kind::kRealList, std::move(key), member, std::move(unit), std::move(meaning)).real_range =
        range;
    return *this;
  }
  Fields& texts(std::string key, std::vector<std::string> T::*member, std::string meaning) {
    add(Field::Kind::kTextList, std::move(key), member, "", std::move(meaning));
    return *this;
  }
  template <typename U>
  Fields& nested(std::string key, U T::*member, const Fields<U>& table) {
    add(Field::Kind::kStruct, std::move(key), member, "", table.meaning()).nested = &table;
    return *this;
  }
  template <typename U>
  Fields& list(std::string key, std::vector<U> T::*member, const Fields<U>& table) {
    Field& field = add(Field::Kind::kStructList, std::move(key), member, "", table.meaning());
    field.nested = &table;
    field.append = [](void* list) -> void* { return &static_cast<std::vector<U>*>(list)->emplace_back(); };
    field.size = [](const void* list) { return static_cast<const std::vector<U>*>(list)->size(); };
    field.element = [](void* list, size_t i) -> void* { return &(*static_cast<std::vector<U>*>(list))[i]; };
    return *this;
  }
  // Kept as read, for what has a grammar of its own.
  Fields& document(std::string key, DocumentNode T::*member, std::string meaning) {
    add(Field::Kind::kDocument, std::move(key), member, "", std::move(meaning));
    return *this;
  }

  // A key that must hold this one text, such as the kind of a file; no member.
  Fields& tag(std::string key, std::string text, std::string meaning) {
    Field field;
    field.kind = Field::Kind::kTag;
    field.key = std::move(key);
    field.meaning = std::move(meaning);
    field.choices = {std::move(text)};
    field.member = [](void* owner) -> void* { return owner; };
    fields_.push_back(std::move(field));
    return *this;
  }
  // A block of the file whose values are members of T itself.
  Fields& block(std::string key, const Fields<T>& table) {
    Field field;
    field.kind = Field::Kind::kStruct;
    field.key = std::move(key);
    field.meaning = table.meaning();
    field.nested = &table;
    field.member = [](void* owner) -> void* { return owner; };
    fields_.push_back(std::move(field));
    return *this;
  }

  // These two speak of the field added last.
  Fields& optional() {
    fields_.back().required = false;
    return *this;
  }
  Fields& choices(std::vector<std::string> known) {
    fields_.back().choices = std::move(known);
    return *this;
  }
  // Run after all fields are read; a text that is not empty is an error at the struct's place.
  Fields& check(std::function<std::string(const T&)> what_is_wrong) {
    checks_.push_back(
        [f = std::move(what_is_wrong)](const void* object) { return f(*static_cast<const T*>(object)); });
    return *this;
  }

  [[nodiscard]] Result<T> parse(const DocumentNode& node) const {
    T object{};
    RDU_CHECK_OK(parse_object(node, &object));
    return object;
  }
  [[nodiscard]] std::string dump(const T& object) const {
    std::string out;
    dump_object(&object, 0, out);
    return out;
  }

 private:
  template <typename M>
  Field& add(Field::Kind kind, std::string key, M T::*member, std::string unit, std::string meaning) {
    Field field;
    field.kind = kind;
    field.key = std::move(key);
    field.unit = std::move(unit);
    field.meaning = std::move(meaning);
    field.member = [member](void* owner) -> void* { return &(static_cast<T*>(owner)->*member); };
    fields_.push_back(std::move(field));
    return fields_.back();
  }
};

// A document as YAML text that reads back to the same tree (comments and places aside).
std::string dump_yaml(const DocumentNode& node);

}  // namespace rdusim
