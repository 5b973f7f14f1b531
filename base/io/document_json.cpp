// JSON reader: builds a Document from nlohmann's SAX events. The events carry no place, so the text is fed
// through an iterator that counts lines and columns (bytes, 1-based) and remembers where the last value
// began. Depth and number of nodes are bounded while parsing; duplicate keys, which JSON leaves open, are
// errors.
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "base/io/document.h"
#include "base/io/document_scalars.h"

namespace rdusim {
namespace {

using Json = nlohmann::json;
using Kind = DocumentNode::Kind;

struct Place {
  int64_t line = 1;
  int64_t column = 1;
};

// Follows the bytes as the lexer takes them. The lexer reads one byte beyond a number; that byte is never the
// start of another scalar in valid JSON, so the starts of scalars and of brackets are kept apart.
class PlaceTracker {
 public:
  void take(char c) {
    last_ = next_;
    if (in_string_) {
      if (!escaped_ && c == '"') in_string_ = false;
      escaped_ = !escaped_ && c == '\\';
    } else if (c == '"') {
      scalar_ = last_;
      in_string_ = true;
      in_word_ = false;
    } else if (c == '{' || c == '[') {
      bracket_ = last_;
      in_word_ = false;
    } else {
      const bool word = std::string_view(" \t\r\n,:]}").find(c) == std::string_view::npos;
      if (word && !in_word_) scalar_ = last_;
      in_word_ = word;
    }
    next_ = c == '\n' ? Place{next_.line + 1, 1} : Place{next_.line, next_.column + 1};
  }
  [[nodiscard]] Place scalar() const { return scalar_; }
  [[nodiscard]] Place bracket() const { return bracket_; }
  [[nodiscard]] Place last() const { return last_; }
  [[nodiscard]] Place next() const { return next_; }

 private:
  Place next_, last_, scalar_, bracket_;
  bool in_string_ = false;
  bool escaped_ = false;
  bool in_word_ = false;
};

class TrackingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  TrackingIterator(const char* at, PlaceTracker* tracker) : at_(at), tracker_(tracker) {}
  reference operator*() const { return *at_; }
  TrackingIterator& operator++() {
    tracker_->take(*at_);
    ++at_;
    return *this;
  }
  TrackingIterator operator++(int) {
    TrackingIterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const TrackingIterator& a, const TrackingIterator& b) { return a.at_ == b.at_; }

 private:
  const char* at_;
  PlaceTracker* tracker_;
};

class Builder : public nlohmann::json_sax<Json> {
 public:
  Builder(const std::string& file_name, const DocumentLimits& limits, const PlaceTracker& tracker)
      : file_name_(file_name), limits_(limits), tracker_(tracker) {}

  std::optional<DocumentNode> take_root() { return std::move(root_); }
  std::optional<Error> take_error() { return std::move(error_); }

  bool null() override { return scalar(Kind::kNull, "null"); }
  bool boolean(bool value) override { return scalar(Kind::kBool, value ? "true" : "false"); }
  bool number_integer(number_integer_t value) override {
    return scalar(Kind::kInteger, fmt::format("{}", value));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return scalar(Kind::kInteger, fmt::format("{}", value));
  }
  // Integers beyond 64 bits come here too; their text has neither point nor exponent.
  bool number_float(number_float_t, const string_t& text) override {
    const bool real = text.find_first_of(".eE") != std::string::npos;
    return scalar(real ? Kind::kReal : Kind::kInteger, text);
  }
  bool string(string_t& value) override { return scalar(Kind::kString, std::move(value)); }
  bool binary(binary_t&) override { return reject(tracker_.last(), "binary value"); }
  bool start_object(std::size_t) override { return open(Kind::kMap); }
  bool start_array(std::size_t) override { return open(Kind::kList); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& value) override {
    Open& parent = open_.back();
    if (!parent.keys.insert(value).second) {
      return reject(tracker_.scalar(), fmt::format("duplicate key {}", backquoted(value)));
    }
    parent.key = std::move(value);
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception& exception) override {
    // Drop the library's own prefix with its place: ours stands in `where`.
    std::string what = exception.what();
    for (const std::string_view mark : {"syntax error", "number overflow"}) {
      if (const size_t at = what.find(mark); at != std::string::npos) what = what.substr(at);
    }
    return reject(tracker_.last(), "not JSON: " + what);
  }

 private:
  struct Open {
    DocumentNode node;
    std::string key;
    std::unordered_set<std::string> keys;  // membership only
  };

  [[nodiscard]] std::string where(Place place) const {
    return fmt::format("{}:{}:{}", file_name_, place.line, place.column);
  }
  bool reject(Place place, std::string what) {
    error_ = Error{ErrorCode::kInvalidInput, where(place), std::move(what), ""};
    return false;
  }
  bool charge(Place place) {
    if (++nodes_ <= limits_.max_nodes) return true;
    return reject(place, fmt::format("more than {} values", limits_.max_nodes));
  }
  bool scalar(Kind kind, std::string text) {
    const Place place = tracker_.scalar();
    if (!charge(place)) return false;
    DocumentNode node;
    node.kind = kind;
    node.text = std::move(text);
    node.where = where(place);
    return add(std::move(node));
  }
  bool open(Kind kind) {
    const Place place = tracker_.bracket();
    if (static_cast<int>(open_.size()) >= limits_.max_depth) {
      return reject(place, fmt::format("nested deeper than {} levels", limits_.max_depth));
    }
    if (!charge(place)) return false;
    open_.emplace_back();
    open_.back().node.kind = kind;
    open_.back().node.where = where(place);
    return true;
  }
  bool close() {
    DocumentNode node = std::move(open_.back().node);
    open_.pop_back();
    return add(std::move(node));
  }
  bool add(DocumentNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (Open& parent = open_.back(); parent.node.kind == Kind::kList) {
      parent.node.items.push_back(std::move(node));
    } else {
      parent.node.members.emplace_back(std::move(parent.key), std::move(node));
    }
    return true;
  }

  const std::string& file_name_;
  DocumentLimits limits_;
  const PlaceTracker& tracker_;
  std::vector<Open> open_;
  std::optional<DocumentNode> root_;
  std::optional<Error> error_;
  int64_t nodes_ = 0;
};

}  // namespace

Result<DocumentNode> read_json_text(std::string_view text, const std::string& file_name,
                                    const DocumentLimits& limits) {
  if (static_cast<int64_t>(text.size()) > limits.max_bytes) {
    return Error{ErrorCode::kCapacity, file_name, fmt::format("more than {} bytes", limits.max_bytes), ""};
  }
  PlaceTracker tracker;
  Builder builder(file_name, limits, tracker);
  TrackingIterator begin(text.data(), &tracker);
  TrackingIterator end(text.data() + text.size(), &tracker);
  const bool parsed = Json::sax_parse(begin, end, &builder);
  if (std::optional<Error> error = builder.take_error()) return std::move(*error);
  std::optional<DocumentNode> root = builder.take_root();
  if (!parsed || !root) return Error{ErrorCode::kInvalidInput, file_name + ":1:1", "not JSON", ""};
  return std::move(*root);
}

}  // namespace rdusim
